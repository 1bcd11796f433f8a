"""Temporary uploads: the policy, and the form that the object store takes."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from compat.emulator.faults import Expire, Faults, Refuse, Rule
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.running import RunningEmulator, Start, wav


def policy(service: RunningEmulator) -> dict[str, Any]:
    data: dict[str, Any] = service.http.get(
        "/api/v1/uploads", params={"action": "getPolicy", "model": "qwen3-asr-flash-filetrans"}
    ).json()["data"]
    return data


def test_a_policy(start: Start) -> None:
    service = start()
    data = policy(service)

    assert set(data) == {
        "policy", "signature", "upload_dir", "upload_host", "expire_in_seconds", "max_file_size_mb",
        "capacity_limit_mb", "oss_access_key_id", "x_oss_object_acl", "x_oss_forbid_overwrite",
    }  # fmt: skip
    assert data["upload_host"].startswith(service.url)
    assert (data["expire_in_seconds"], data["max_file_size_mb"]) == (300, 1024)


@pytest.mark.parametrize(
    ("query", "readings", "status"),
    [
        ({"action": "getPolicy"}, Readings(), 400),
        ({"model": "fun-asr"}, Readings(), 400),
        ({"action": "getPolicy", "model": "fun-asr"}, Readings(policies=False), 404),
        ({"action": "getPolicy", "model": "any-name"}, Readings(), 200),
    ],
)
def test_a_policy_is_for_a_model(start: Start, query: dict[str, str], readings: Readings, status: int) -> None:
    assert start(readings=readings).http.get("/api/v1/uploads", params=query).status_code == status


def test_an_expiry_is_a_whole_number(start: Start) -> None:
    expires = policy(start(limits=Limits(policy_seconds=1.5)))["expire_in_seconds"]

    assert (2, int) == (expires, type(expires))


@pytest.mark.parametrize(("asked", "status"), [("200", 200), ("201", 201), ("204", 204), ("", 204), ("500", 204)])
def test_an_upload_returns_the_requested_status(start: Start, asked: str, status: int) -> None:
    service = start()
    data = policy(service)
    answer = service.post_form(data, wav(), {"success_action_status": asked})

    assert (status, status == 201) == (answer.status_code, bool(answer.content))
    if status == 201:
        assert f"<Key>{data['upload_dir']}/a.wav</Key>" in answer.text
        assert "application/xml" == answer.headers["content-type"]


def test_an_upload_is_on_disk_as_it_was_sent(start: Start) -> None:
    service = start()
    sound = wav() * 50
    url = service.upload(sound, model="fun-asr")
    stored = service.emulator.objects[url.removeprefix("oss://")]

    assert stored.path.read_bytes() == sound
    assert stored.model == "fun-asr"


@pytest.mark.parametrize(
    ("other", "status", "message"),
    [
        ({"Signature": "AAAA"}, 403, "SignatureDoesNotMatch"),
        ({"policy": "e30="}, 403, "SignatureDoesNotMatch"),
        ({"policy": ""}, 403, "AccessDenied"),
        ({"OSSAccessKeyId": "someone"}, 403, "AccessDenied"),
        ({"key": "elsewhere/a.wav"}, 403, "Policy Condition failed"),
        ({"x-oss-extra": "x" * 100_000}, 400, "FieldItemTooLong"),
    ],
)
def test_invalid_forms_are_refused_by_the_store(start: Start, other: dict[str, str], status: int, message: str) -> None:
    service = start()
    answer = service.post_form(policy(service), wav(), other)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/xml")
    assert message in answer.text


def test_an_object_is_not_overwritten(start: Start) -> None:
    service = start()
    data = policy(service)

    assert [service.post_form(data, wav()).status_code for _ in range(2)] == [200, 409]


def test_an_upload_over_the_policy_s_size(start: Start) -> None:
    service = start(limits=Limits(upload_mb=1))
    answer = service.post_form(policy(service), bytes(1024 * 1024 + 1))

    assert (answer.status_code, "EntityTooLarge" in answer.text) == (400, True)
    assert list(service.emulator.folder.path.iterdir()) == []


def test_a_policy_expires(start: Start) -> None:
    now = [1_795_000_000.0]
    service = start(clock=lambda: now[0])
    data = policy(service)
    now[0] += 301
    answer = service.post_form(data, wav())

    assert answer.status_code == 403
    assert "<Code>AccessDenied</Code><Message>Invalid according to Policy: Policy expired.</Message>" in answer.text


@pytest.mark.parametrize(
    "rule", [Rule("policy", Expire()), Rule("store", Refuse(403, "AccessDenied", "Policy expired."))]
)
def test_faults(start: Start, rule: Rule) -> None:
    service = start(faults=Faults((rule,)))
    first = service.post_form(policy(service), wav())

    assert (first.status_code, "Policy expired." in first.text) == (403, True)
    assert service.upload(wav(), model="fun-asr")


def test_fields_after_the_file_are_not_read(start: Start) -> None:
    service = start()
    data = policy(service)
    fields = ["OSSAccessKeyId", "Signature", "policy"]
    parts = "".join(
        f'--X\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in zip(fields, [data["oss_access_key_id"], data["signature"], data["policy"]], strict=True)
    )
    file = '--X\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nsound\r\n'
    key = f'--X\r\nContent-Disposition: form-data; name="key"\r\n\r\n{data["upload_dir"]}/a\r\n'
    headers = {"content-type": "multipart/form-data; boundary=X"}

    early = httpx2.post(data["upload_host"], content=f"{parts}{key}{file}--X--\r\n", headers=headers)
    late = httpx2.post(data["upload_host"], content=f"{parts}{file}{key}--X--\r\n", headers=headers)
    without = httpx2.post(data["upload_host"], content=f"{parts}{key}--X--\r\n", headers=headers)
    cut = httpx2.post(data["upload_host"], content=f"{parts}{key}{file}"[:-8], headers=headers)
    assert [answer.status_code for answer in (early, late, without, cut)] == [204, 403, 400, 400]


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "multipart/form-data; boundary=Y"])
def test_a_body_other_than_a_form_is_refused(start: Start, content_type: str) -> None:
    service = start()
    answer = httpx2.post(policy(service)["upload_host"], content=b"--X\r\n\r\n", headers={"content-type": content_type})

    assert answer.status_code == 400
