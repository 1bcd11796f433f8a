from __future__ import annotations

import hashlib

import pytest

from compat.config.keys import SCOPES, USUAL, KeyEntry, Keyring, KeysError, distinct, hashed, parse, plain

HASH = hashlib.sha256(b"sk-bob-12345").hexdigest()

LINES: list[tuple[str, list[KeyEntry]]] = [
    ("", []),
    ("# nobody\n\n", []),
    ("alice sk-alice-1", [KeyEntry(name="alice", digest=hashed("sk-alice-1"), scopes=USUAL)]),
    (f"bob sha256:{HASH}  # bob's", [KeyEntry(name="bob", digest=hashed("sk-bob-12345"))]),
    (f"bob SHA256:{HASH.upper()}", [KeyEntry(name="bob", digest=hashed("sk-bob-12345"))]),
    ("prom sk-scraper admin", [KeyEntry(name="prom", digest=hashed("sk-scraper"), scopes=frozenset({"admin"}))]),
    ("c sk-carol-1 60/minute", [KeyEntry(name="c", digest=hashed("sk-carol-1"), rate="60/minute")]),
    (
        "e sk-eve-123 rest audio=36000/day,audio=600/request",
        [KeyEntry(name="e", digest=hashed("sk-eve-123"), scopes=frozenset({"rest"}), daily=36_000, longest=600)],
    ),
    ("f sk-fay-123 audio=999999999/day", [KeyEntry(name="f", digest=hashed("sk-fay-123"), daily=999_999_999)]),
    (
        "d sk-dora-12 rest,jobs 5/second,concurrency=4,live=fun-asr-realtime",
        [
            KeyEntry(
                name="d",
                digest=hashed("sk-dora-12"),
                scopes=frozenset({"rest", "jobs"}),
                rate="5/second",
                concurrency=4,
                live="fun-asr-realtime",
            )
        ],
    ),
]


@pytest.mark.parametrize(("text", "entries"), LINES)
def test_each_line_of_a_key_file_is_parsed(text: str, entries: list[KeyEntry]) -> None:
    assert entries == parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alice", "the key of alice should be one key in plain ASCII"),
        ("alice short", "Line 1: the key of alice should be a key of at least 8 characters"),
        ('alice "sk-alice-1"', "quotes around it"),
        ("alice sk-alice-é", "plain ASCII"),
        (f"alice sha256:{HASH[:60]}", "Line 1: the hash of alice should be sha256: and 64 hexadecimal digits"),
        ("alice Sha256:sk-alice-1", "the hash of alice should be"),
        ("alice sha256:abc", "the hash of alice should be"),
        ("alice sha256:", "the hash of alice should be"),
        ("\nal/ce sk-alice-1", "Line 2 should contain: name, key"),
        ("alice sk-alice-1 rest 1/second more", "Line 1 should contain"),
        ("alice sk-alice-1 everything", "scopes should be among rest, realtime, jobs, admin"),
        ("alice sk-alice-1 rest fast", "limits should look like 60/minute"),
        ("alice sk-alice-1 rest concurrency=0", "limits should look like"),
    ],
)
def test_the_error_for_an_invalid_line_does_not_contain_the_key(text: str, message: str) -> None:
    with pytest.raises(KeysError, match=message) as caught:
        parse(text)

    assert "sk-alice" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "0/day",
        "-5/day",
        "NaN/day",
        "inf/day",
        "1e9/day",
        "1.5/day",
        "9999999999/day",
        "٣/day",
        "3600",
        "5/hour",
        "/day",
    ],
)
def test_a_bound_of_audio_is_a_plain_number_of_seconds(value: str) -> None:
    with pytest.raises(KeysError, match="limits should look like"):
        parse(f"alice sk-alice-1 rest audio={value}")


@pytest.mark.parametrize("limit", ["concurrency=99999999999", f"concurrency={'9' * 5000}", f"{'9' * 5000}/minute"])
def test_a_huge_limit_is_refused(limit: str) -> None:
    with pytest.raises(KeysError, match="limits should look like"):
        parse(f"alice sk-alice-1 rest {limit}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alice sk-alice-1\nbob sk-alice-1 admin", "The same key is used for alice and bob"),
        (f"bob sk-bob-12345\ncarol sha256:{HASH}", "The same key is used for bob and carol"),
        ("alice sk-alice-1\nalice sk-alice-1 admin", "The same key is used for two lines of alice"),
        ("alice sk-first-key realtime", "The same key is used for key-1 and alice"),
    ],
)
def test_two_entries_cannot_share_a_key(text: str, message: str) -> None:
    with pytest.raises(KeysError, match=message):
        distinct([*plain(["sk-first-key"]), *parse(text)])


def test_only_hashes_are_stored() -> None:
    ring = Keyring([*plain(["sk-first-key"]), *parse("alice sk-alice-1 admin")])

    assert "sk-" not in repr(vars(ring))
    assert "key-1" == (ring.find("sk-first-key") or plain(["x"])[0]).name
    assert frozenset({"admin"}) == (ring.find("sk-alice-1") or plain(["x"])[0]).scopes
    assert ring.find("sk-alice-2") is None
    assert ring.find("") is None


def test_plain_keys_have_no_admin_scope() -> None:
    assert {"admin"} == SCOPES - plain(["sk-first-key"])[0].scopes


@pytest.mark.parametrize(
    "limits", ["audio=4/day,audio=20/day", "60/minute,10/second", "concurrency=1,concurrency=1", "live=a,live=b"]
)
def test_a_limit_that_is_set_twice_is_refused(limits: str) -> None:
    with pytest.raises(KeysError, match="Line 1 sets a limit twice"):
        parse(f"alice sk-alice-1 rest {limits}")
