"""Uploads to DashScope's temporary storage: get a policy, POST the file to an object store, use its `oss://` URL.

An object is kept for 48 hours and can only be used by the same account with the model named in the policy request. A
policy is valid for 300 s and states the maximum file size (100 MB documented, 1024 MB observed). File names must be
ASCII without spaces, or the service cannot download the object later. (Model Studio "Get temporary file URL", 2026-10;
dashscope 2.0.2 `oss_utils.py`.)
"""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

import msgspec

from compat.catalogue.rates import POLICY
from compat.dashscope_api.calls import Call, File, Flow, ask
from compat.dashscope_api.faults import Answer, check, read
from compat.errors import CompatError, Conflict, FileNotFetched, ServiceFailed, TooLarge
from compat.transcript import Media

RESOLVE = {"x-dashscope-ossresourceresolve": "enable"}
"""Header required if the request body contains an `oss://` URL. Without it the request succeeds but the task fails."""


_IN_REGION = r"\.oss-{}(-internal)?\.aliyuncs\.com$"


class Policy(msgspec.Struct, frozen=True):
    policy: str
    signature: str
    upload_dir: str
    upload_host: str
    oss_access_key_id: str
    x_oss_object_acl: str = "private"
    x_oss_forbid_overwrite: str = "true"
    max_file_size_mb: int | float | str | None = None

    @property
    def largest(self) -> float:
        """The maximum file size in bytes."""
        return float("inf") if self.max_file_size_mb is None else float(self.max_file_size_mb) * (1 << 20)


class PolicyReply(Answer, frozen=True, kw_only=True):
    data: Policy | None = None


def upload(model: str, media: Media, *, name: str, boundary: str, region: str = "") -> Flow[str]:
    """Upload a file for `model` and return its `oss://` URL.

    `name` must be unique, ASCII and without spaces. `boundary` must not occur in the file. If the object store refuses
    the upload, as with an expired policy, it is repeated once with a new policy. Raises TooLarge with the code
    `upload_too_large` if the file exceeds the storage's maximum size; it then needs another road. With a `region`, an
    id such as `cn-beijing`, raises FileNotFetched if the storage is in another one.
    """
    try:
        return (yield from _attempt(model, media, name, boundary, region))
    except _Refused:
        pass
    try:
        return (yield from _attempt(model, media, name, boundary, region))
    except _Refused as refused:
        raise ServiceFailed(f"DashScope's object store refused the upload: {refused.__cause__}") from refused


class _Refused(Exception):
    """The object store refused the upload. Its status says nothing about the client's API key or permissions."""


def _attempt(model: str, media: Media, name: str, boundary: str, region: str) -> Flow[str]:
    reply = read(PolicyReply, (yield from ask(_policy_call(model))))
    if reply.data is None:
        raise ServiceFailed("DashScope returned no upload policy.")
    policy = reply.data
    if region and not re.search(_IN_REGION.format(re.escape(region)), urlsplit(policy.upload_host).hostname or ""):
        raise FileNotFetched(
            f"DashScope's temporary storage is not in {region}, and COMPAT_ONE_REGION keeps audio there. COMPAT_BUCKET "
            "or COMPAT_PUBLIC_URL would publish the file instead."
        )
    if media.size > policy.largest:
        raise TooLarge(
            f"The file has {media.size} bytes; DashScope's temporary storage accepts up to {policy.largest:.0f}.",
            code="upload_too_large",
        )
    key = f"{policy.upload_dir}/{name}"
    try:
        check((yield from ask(_form_call(policy, key, media, name, boundary))))
    except Conflict:
        pass  # overwriting is forbidden, so an earlier attempt, whose response was lost, has stored the file
    except CompatError as error:
        if error.retryable:
            raise
        raise _Refused from error
    return f"oss://{key}"


def _policy_call(model: str) -> Call:
    url = f"/api/v1/uploads?{urlencode({'action': 'getPolicy', 'model': model})}"
    return Call(method="GET", url=url, rate=POLICY)


def _form_call(policy: Policy, key: str, media: Media, name: str, boundary: str) -> Call:
    fields = {
        "OSSAccessKeyId": policy.oss_access_key_id,
        "Signature": policy.signature,
        "policy": policy.policy,
        "x-oss-object-acl": policy.x_oss_object_acl,
        "x-oss-forbid-overwrite": policy.x_oss_forbid_overwrite,
        "key": key,
        "success_action_status": "200",
    }
    head = "".join(
        f'--{boundary}\r\ncontent-disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    file = (
        f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n'
        f"content-type: {media.mime}\r\n\r\n"
    )
    return Call(
        method="POST",
        url=policy.upload_host,
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        body=(
            (head + file).encode(),
            File(media.path, media.size, audio=media.audio),
            f"\r\n--{boundary}--\r\n".encode(),
        ),
        key=False,
    )
