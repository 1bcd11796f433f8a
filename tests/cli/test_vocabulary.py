"""`vocabulary` with DashScope itself and through a server, with the emulator behind both."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from compat.catalogue.vocabularies import HotWord
from compat.cli import words
from compat.emulator.engines.scripted import Scripted
from tests.cli.command import call, run
from tests.running import RunningServer, running_server
from tests.witnesses import free_port

KEY = "the-server's-key"
Command = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with running_server(Scripted(())) as opened:
        yield opened


@pytest.fixture
def server(running: RunningServer) -> RunningServer:
    running.dashscope.vocabularies.clear()
    return running


def account(server: RunningServer) -> dict[str, str]:
    """Return the settings of DashScope, as an operator has them."""
    return {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_BASE_URL": server.service}


@pytest.fixture(params=["DashScope", "a server"])
def command(request: pytest.FixtureRequest, server: RunningServer, tmp_path: Path) -> Command:
    """Return a function that runs `vocabulary`."""
    direct = request.param == "DashScope"

    def command(*arguments: str, more: Mapping[str, str] = {}) -> subprocess.CompletedProcess[bytes]:
        given = {**account(server), "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"} if direct else {}
        return call(server, tmp_path, "vocabulary", *arguments, more={**given, **more})

    return command


def test_a_vocabulary_is_created_shown_changed_listed_and_deleted(command: Command) -> None:
    made = command("create", "--model", "fun-asr", "--prefix", "books", "Dickens=5", "Mr. Pickwick", "Area=51A")
    vocabulary_id = made.stdout.decode().strip()

    assert (0, "Created for fun-asr, with 3 words.\n") == (made.returncode, made.stderr.decode())
    assert vocabulary_id.startswith("vocab-books-")

    shown = command("show", vocabulary_id).stdout.decode()
    assert [vocabulary_id, "fun-asr", "OK"] == shown.splitlines()[1].split()[:3]
    rows = [line.split() for line in shown.splitlines()[3:]]
    assert [["word", "weight", "language"], ["Dickens", "5"], ["Mr.", "Pickwick", "4"], ["Area=51A", "4"]] == rows

    assert 0 == command("update", vocabulary_id, "--add", "Dickens=1", "Sam Weller").returncode
    found = json.loads(command("show", vocabulary_id, "--json").stdout)
    assert ["Dickens", "Mr. Pickwick", "Area=51A", "Sam Weller"] == [word["text"] for word in found["vocabulary"]]
    assert [1, 4, 4, 4] == [word["weight"] for word in found["vocabulary"]]

    replaced = command("update", vocabulary_id, "Sam Weller", "--json")
    assert [{"text": "Sam Weller", "weight": 4}] == json.loads(replaced.stdout)["vocabulary"]

    listed = command("list", "--prefix", "books")
    assert [vocabulary_id, "fun-asr", "OK"] == listed.stdout.decode().splitlines()[1].split()[:3]
    assert [vocabulary_id] == [json.loads(line)["id"] for line in command("list", "--json").stdout.splitlines()]

    assert f"Deleted {vocabulary_id}.\n" == command("delete", vocabulary_id).stdout.decode()
    empty = command("list")
    assert (0, b"", b"There are no vocabularies.\n") == (empty.returncode, empty.stdout, empty.stderr)


WRONG = [
    (("create", "--model", "whisper-1", "Qwen"), "qwen3-asr-flash takes no stored vocabulary"),
    (("create", "--model", "fun-asr", "--prefix", "My Books", "Qwen"), "prefix should be"),
    (("create", "--model", "fun-asr", "Ada", "Qwen=9"), "weight should be 1 to 5 for fun-asr. The word: Qwen"),
    (("create", "--model", "fun-asr", "一" * 16), f"The word: {'一' * 16}"),
    (("show", "vocab-x"), "There is no vocabulary 'vocab-x'"),
    (("update", "vocab-x", "Qwen"), "There is no vocabulary 'vocab-x'"),
    (("delete", "vocab-x"), "There is no vocabulary 'vocab-x'"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_an_error_is_one_sentence(command: Command, arguments: tuple[str, ...], message: str) -> None:
    done = command(*arguments)

    assert (1, b"") == (done.returncode, done.stdout)
    assert done.stderr.startswith(b"Error: ")
    assert message in done.stderr.decode()


def test_an_edited_output_is_a_file_of_words(server: RunningServer, tmp_path: Path) -> None:
    more = account(server)
    lines = "Qwen 5\n\nBoeing 737\nGPT 4\t5\n通义\t4\tzh\n"
    made = run(server, tmp_path, "vocabulary", "create", "--model", "fun-asr", "--file", "-", "--json", given=lines.encode(), more=more)  # fmt: skip # noqa: E501
    whole = json.loads(made.stdout)
    (tmp_path / "words.json").write_bytes(made.stdout.replace(b"Boeing 737", b"Boeing 787"))
    changed = call(server, tmp_path, "vocabulary", "update", whole["id"], "--file", "words.json", "--json", more=more)

    assert [("Qwen", 5), ("Boeing 737", 4), ("GPT 4", 5), ("通义", 4)] == [
        (word["text"], word["weight"]) for word in whole["vocabulary"]
    ]
    assert "Boeing 787" == json.loads(changed.stdout)["vocabulary"][1]["text"]


FILES: list[tuple[bytes, list[HotWord] | str]] = [
    (b"\xef\xbb\xbfQwen\r\nAda 50\r\n", [HotWord("Qwen"), HotWord("Ada", 50)]),
    (b"Qwen\t5\nAda\t4\ten\n", [HotWord("Qwen", 5), HotWord("Ada", 4, "en")]),
    (b'[{"text": "Qwen", "weight": 5}, "Ada"]', [HotWord("Qwen", 5), HotWord("Ada")]),
    (b'{"Qwen": 5}', [HotWord("Qwen", 5)]),
    (b"Qwen\t\n", "line 1 should be a word, its weight"),
    (b"Ada\nQwen\tmuch\n", "line 2 should be a word, its weight"),
    (b"Qwen\t5\ten\tmore\n", "line 1 should be a word, its weight"),
    (b"Ada\n\t5\n", "line 2 should be a word, its weight"),
    (b'{"Qwen": ', "not valid JSON"),
    (b'[{"weight": 5}]', "vocabulary[0].text is missing"),
    (b"\xff\xfeQ\0", "not UTF-8"),
]


@pytest.mark.parametrize(("content", "found"), FILES)
def test_files_of_words_are_text_or_json(content: bytes, found: list[HotWord] | str) -> None:
    if isinstance(found, list):
        assert found == words.from_file(content)
        return
    with pytest.raises(words.Unreadable) as refused:
        words.from_file(content)
    assert found in str(refused.value)


def test_an_unreadable_file_is_named(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("Qwen\tmuch\n")
    done = call(server, tmp_path, "vocabulary", "create", "--model", "fun-asr", "--file", "words.txt")

    assert (1, "Error: words.txt: line 1 should be") == (done.returncode, done.stderr.decode()[:34])


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "Qwen"),
        ("create", "--model", "fun-asr"),
        ("create", "--model", "fun-asr", "caf\udce9"),
        ("list", "--prefix", "\udce9"),
        ("delete",),
        ("delete", ""),
        ("show",),
        ("show", ""),
    ],
)
def test_a_wrong_command_has_the_status_2(server: RunningServer, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert 2 == call(server, tmp_path, "vocabulary", *arguments).returncode


def test_a_named_server_is_used_instead_of_dashscope(server: RunningServer, tmp_path: Path) -> None:
    more = {"DASHSCOPE_API_KEY": "another", "DASHSCOPE_BASE_URL": server.service}
    made = call(server, tmp_path, "vocabulary", "create", "--model", "fun-asr", "Qwen", "--base-url", server.base_url, more=more)  # fmt: skip # noqa: E501

    assert {KEY} == {each.account for each in server.dashscope.vocabularies.values()}
    assert b"" == call(server, tmp_path, "vocabulary", "list", more=more).stdout
    assert 0 == made.returncode


def test_a_missing_server_is_explained(tmp_path: Path) -> None:
    base_url = f"http://127.0.0.1:{free_port()}/v1"
    done = call(None, tmp_path, "vocabulary", "list", "--base-url", base_url)

    assert 1 == done.returncode
    assert "or set DASHSCOPE_API_KEY to use DashScope directly" in done.stderr.decode()


def test_a_key_without_the_scope_is_explained(tmp_path: Path) -> None:
    with running_server(Scripted(()), api_keys=("sk-client-1",)) as server:
        done = call(server, tmp_path, "vocabulary", "list", more={"OPENAI_API_KEY": "sk-client-1"})

    assert (1, "Error: 403 permission_denied: This key lacks the scope admin") == (
        done.returncode,
        done.stderr.decode()[:60],
    )
