"""Which setting a refusal names, by the kind of refusal, the model and the host."""

from __future__ import annotations

import pytest

from compat.errors import BadRequest, CompatError, Forbidden, ModelNotFound, NotAuthenticated, NotFound, RateLimited
from compat.upstream.advice import advised

SHARED, OWN = "https://dashscope.aliyuncs.com", "https://ws-1.cn-beijing.maas.aliyuncs.com"
NEW, OLD = "qwen-audio-3.1-asr-flash", "qwen3-asr-flash"
REGION, WORKSPACE = "DASHSCOPE_REGION", "DASHSCOPE_WORKSPACE_ID"
ROWS: list[tuple[type[CompatError], str, str, set[str]]] = [  # error, model, host → settings that are named
    (NotAuthenticated, OLD, SHARED, {REGION}),
    (NotAuthenticated, OLD, OWN, {REGION, WORKSPACE}),
    (NotAuthenticated, "", "http://127.0.0.1:8001", {REGION}),
    (Forbidden, NEW, SHARED, {WORKSPACE}),
    (Forbidden, "qwen-audio-3.0-asr-flash-filetrans", "https://dashscope-intl.aliyuncs.com", {WORKSPACE}),
    (ModelNotFound, NEW, SHARED, {WORKSPACE}),
    (NotFound, NEW, "http://127.0.0.1:8001", {WORKSPACE}),
    (Forbidden, "qwen3.8-livetranslate-flash-realtime", SHARED, {WORKSPACE}),
    (Forbidden, "qwen3.5-livetranslate-flash-realtime", SHARED, {REGION}),
    (Forbidden, NEW, OWN, {REGION, WORKSPACE}),
    (Forbidden, OLD, SHARED, {REGION}),
    (ModelNotFound, OLD, SHARED, set()),
    (NotFound, "", OWN, {REGION, WORKSPACE}),
    (Forbidden, "", SHARED, set()),
    (BadRequest, NEW, SHARED, set()),
    (RateLimited, NEW, SHARED, set()),
]


@pytest.mark.parametrize(("kind", "model", "root", "settings"), ROWS)
def test_a_refusal_names_the_settings_to_check(
    kind: type[CompatError], model: str, root: str, settings: set[str]
) -> None:
    error = advised(kind("No.", param="model", code="c", retry_after=2.0), model, root)

    assert settings == {name for name in (REGION, WORKSPACE) if name in error.message}
    assert error.message.startswith("No.")
    assert error.message == str(error)
    assert (kind, "model", "c", 2.0) == (type(error), error.param, error.code, error.retry_after)
