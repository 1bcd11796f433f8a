"""Advice in DashScope's refusals of a key or a model: which setting of this server to check."""

from __future__ import annotations

from urllib.parse import urlsplit

from compat.errors import CompatError, Forbidden, NotAuthenticated, NotFound

_WORKSPACES = ".maas.aliyuncs.com"  # hosts of workspaces; DashScope's other hosts are shared by a region

_NEW = ("qwen-audio-3", "qwen3.8-livetranslate")


def advised(error: CompatError, model: str, root: str) -> CompatError:
    """Return the refusal of a call for `model` (empty if it is for none) at `root`, with advice in its message.

    It is not certain that shared hosts serve qwen-audio-3 and qwen3.8-livetranslate: the documents say that they get no
    new features, and name the latter with hosts of workspaces only.
    """
    own = (urlsplit(root).hostname or "").endswith(_WORKSPACES)
    match error:
        case NotAuthenticated():
            workspace = ", and of DASHSCOPE_WORKSPACE_ID" if own else ""
            advice = f"A DashScope key is valid in one region: check that it is of DASHSCOPE_REGION{workspace}."
        case Forbidden() | NotFound() if model.startswith(_NEW) and not own:
            advice = f"The host may not serve {model}: set DASHSCOPE_WORKSPACE_ID to use the workspace's own host."
        case Forbidden() if model:
            workspace = ", and DASHSCOPE_WORKSPACE_ID" if own else ""
            advice = f"Check that the key's workspace may use {model} in DASHSCOPE_REGION{workspace}."
        case NotFound() if own:
            advice = "Check DASHSCOPE_WORKSPACE_ID and DASHSCOPE_REGION."
        case _:
            return error
    return type(error)(f"{error.message} {advice}", param=error.param, code=error.code, retry_after=error.retry_after)
