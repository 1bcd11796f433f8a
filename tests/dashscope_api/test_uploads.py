from __future__ import annotations

from typing import Any

import pytest

from compat.catalogue import rates
from compat.dashscope_api.calls import Call, File, Reply
from compat.dashscope_api.uploads import upload
from compat.errors import (
    CompatError,
    Conflict,
    FileNotFetched,
    Forbidden,
    NotAuthenticated,
    ServiceFailed,
    ServiceUnavailable,
    TooLarge,
)
from tests.dashscope_api.support import MEDIA, answer, play

POLICY = {
    "policy": "P",
    "signature": "S",
    "upload_dir": "dashscope-instant/u/2026",
    "upload_host": "https://store.example",
    "expire_in_seconds": 300,
    "max_file_size_mb": 100,
    "capacity_limit_mb": 999,
    "oss_access_key_id": "K",
    "x_oss_object_acl": "private",
    "x_oss_forbid_overwrite": "true",
}
ASK = Call(method="GET", url="/api/v1/uploads?action=getPolicy&model=qwen3-asr-flash-filetrans", rate=rates.POLICY)
FORM = b"""\
--B\r\ncontent-disposition: form-data; name="OSSAccessKeyId"\r\n\r\nK\r
--B\r\ncontent-disposition: form-data; name="Signature"\r\n\r\nS\r
--B\r\ncontent-disposition: form-data; name="policy"\r\n\r\nP\r
--B\r\ncontent-disposition: form-data; name="x-oss-object-acl"\r\n\r\nprivate\r
--B\r\ncontent-disposition: form-data; name="x-oss-forbid-overwrite"\r\n\r\ntrue\r
--B\r\ncontent-disposition: form-data; name="key"\r\n\r\ndashscope-instant/u/2026/a.wav\r
--B\r\ncontent-disposition: form-data; name="success_action_status"\r\n\r\n200\r
--B\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n"""
SEND = Call(
    method="POST",
    url="https://store.example",
    headers={"content-type": "multipart/form-data; boundary=B"},
    body=(FORM, File(MEDIA.path, MEDIA.size), b"\r\n--B--\r\n"),
    key=False,
)


def granted(**changes: object) -> Reply:
    return answer({"request_id": "r", "data": {**POLICY, **changes}})


DONE = answer(b"")
HOSTS = [
    ("https://dashscope-file-mgr.oss-cn-beijing.aliyuncs.com", True),
    ("https://dashscope-file-mgr.oss-cn-beijing-internal.aliyuncs.com", True),
    ("https://dashscope-file-mgr.oss-ap-southeast-1.aliyuncs.com", False),
    ("https://oss-cn-beijing.aliyuncs.com.evil.example", False),
    ("https://x.oss-accelerate.aliyuncs.com", False),
]


@pytest.mark.parametrize(("host", "stored"), HOSTS)
def test_a_file_that_stays_in_one_region_is_not_stored_in_another(host: str, stored: bool) -> None:
    flow = upload("qwen3-asr-flash-filetrans", MEDIA, name="a.wav", boundary="B", region="cn-beijing")
    if stored:
        play(flow, [granted(upload_host=host), DONE])
        return
    with pytest.raises(FileNotFetched, match="COMPAT_ONE_REGION"):
        play(flow, [granted(upload_host=host)])


CONVERSATIONS: dict[str, tuple[list[Reply | CompatError], list[Call]]] = {
    "at the first attempt": ([granted(), DONE], [ASK, SEND]),
    "no size limit": ([granted(max_file_size_mb=None), DONE], [ASK, SEND]),
    "policy expired": ([granted(), Forbidden("expired"), granted(), DONE], [ASK, SEND, ASK, SEND]),
    "stored by an attempt whose response was lost": ([granted(), Conflict("exists")], [ASK, SEND]),
}


@pytest.mark.parametrize(("replies", "calls"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_a_file_is_uploaded(replies: list[Reply | CompatError], calls: list[Call]) -> None:
    steps, address = play(upload("qwen3-asr-flash-filetrans", MEDIA, name="a.wav", boundary="B"), replies)

    assert calls == steps
    assert address == "oss://dashscope-instant/u/2026/a.wav"


FAILURES: dict[str, tuple[list[Any], type[CompatError]]] = {
    "key refused": ([NotAuthenticated("no")], NotAuthenticated),
    "no policy": ([answer({"request_id": "r"})], ServiceFailed),
    "half a policy": ([answer({"data": {"policy": "P"}})], ServiceFailed),
    "refused twice": ([granted(), Forbidden("no"), granted(), Forbidden("no")], ServiceFailed),
    "refused by status": ([granted(), answer(b"<Error/>", 403), granted(), answer(b"<Error/>", 403)], ServiceFailed),
    "store down": ([granted(), ServiceUnavailable("down")], ServiceUnavailable),
    "too large": ([granted(max_file_size_mb=0.000001)], TooLarge),
}


@pytest.mark.parametrize(("replies", "error"), FAILURES.values(), ids=FAILURES)
def test_a_failed_upload_raises(replies: list[Any], error: type[CompatError]) -> None:
    with pytest.raises(error):
        play(upload("m", MEDIA, name="a.wav", boundary="B"), replies)


def test_a_file_too_large_for_storage_has_its_own_code() -> None:
    with pytest.raises(TooLarge) as raised:
        play(upload("m", MEDIA, name="a.wav", boundary="B"), [granted(max_file_size_mb=0)])

    assert raised.value.code == "upload_too_large"
