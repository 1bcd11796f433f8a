"""`verify` finds the readings that the emulator was set to, whatever they are."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compat.emulator.engine import Hypothesis, Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Answer, Refuse, Rule
from compat.emulator.readings import Readings
from compat.errors import NotAuthenticated
from compat.probes.listing import PROBES
from compat.probes.probe import HALLUCINATED
from compat.probes.readings import nested
from compat.probes.report import document, error_rates, readings
from tests.probes.emulated import KEY, SPOKEN, UPLOADED, chosen, examined

DECIDING = [probe for probe in PROBES if probe.readings]
BY_NAME = {probe.name: probe for probe in PROBES}


@pytest.mark.parametrize("seed", range(12))
async def test_random_readings_are_recovered(seed: int, tmp_path: Path) -> None:
    given = chosen(seed)
    emulated = msgspec.convert(nested(given), Readings)

    found = readings(await examined(tmp_path, emulated, DECIDING))

    unknown = set() if emulated.policies else UPLOADED
    assert {name: value for name, value in given.items() if name not in unknown} == found
    assert emulated == msgspec.convert(nested(found), Readings)


async def test_the_probes_without_a_reading_report(tmp_path: Path) -> None:
    reporting = [probe for probe in PROBES if not probe.readings and probe.name != "live-close"]

    outcomes = await examined(tmp_path, Readings(), [*reporting, BY_NAME["chat"], BY_NAME["live-text"]])

    seen = {outcome.probe.name: outcome.found.observed for outcome in outcomes}
    assert ["hosts"] == [outcome.probe.name for outcome in outcomes if outcome.state != "answered"]
    assert "305 s: HTTP 400, invalid_parameter_error; a data URI of 10.7 MB: HTTP 400" in seen["sync-limits"]
    assert "3000 ms: 1 sentence of the two" == seen["tasks-pauses"]
    rates = error_rates(outcomes, SPOKEN)
    assert {"qwen3-asr-flash", "qwen3-asr-flash-realtime", "fun-asr-realtime"} < rates.keys()
    assert {0.0} == set(rates.values())


async def test_close_codes_are_reported(tmp_path: Path) -> None:
    [outcome] = await examined(tmp_path, Readings(), [BY_NAME["live-close"]], pace=0.2)

    assert (
        "unknown model: closed with 1007; binary frame: closed with 1007; session.finish: stays open; "
        "invalid run-task: closed with 1007" == outcome.found.observed
    )


async def test_a_service_that_quotes_the_key_and_addresses(tmp_path: Path) -> None:
    message = f"{KEY} of llm-1.cn-beijing.maas.aliyuncs.com may not use https://oss.example/a?Signature=b"
    rules = [Rule(surface="policy", fault=Refuse(403, KEY, message), times=None)]
    probes = [BY_NAME["upload-policy"], BY_NAME["filetrans-oss"]]

    outcomes = await examined(tmp_path, Readings(), probes, rules)

    whole = msgspec.json.encode(document(outcomes, spoken=SPOKEN, about={}, unprobed={}, secrets=(KEY,))).decode()
    assert "[key] of [address] may not use [address]" in whole
    assert not [secret for secret in (KEY, "Signature", "aliyuncs", "oss.example") if secret in whole]


async def test_a_service_that_fails_leaves_its_readings_out(tmp_path: Path) -> None:
    rules = [Rule(surface="chat", fault=Refuse(503, "ServiceUnavailable", "Later."), times=None)]

    chat, silence = await examined(tmp_path, Readings(), [BY_NAME["chat"], BY_NAME["native-silence"]], rules)

    assert ("unanswered", "HTTP 503, ServiceUnavailable", {}) == (
        chat.state,
        chat.found.observed,
        chat.found.readings,
    )
    assert "answered" == silence.state


async def test_words_in_silence_decide_nothing(tmp_path: Path) -> None:
    said = [Sentence(text="Thank you.", begin_ms=0, end_ms=900)]
    engine = Scripted(said, hypotheses=[[Hypothesis("Thank you.")]])
    probes = [BY_NAME[name] for name in ("native-silence", "task-silence", "live-silence")]

    outcomes = await examined(tmp_path, Readings(), probes, engine=engine)

    assert {"unanswered"} == {outcome.state for outcome in outcomes}
    assert ["content is list, and has text", HALLUCINATED, HALLUCINATED] == [
        outcome.found.observed for outcome in outcomes
    ]


async def test_an_answer_of_an_unexpected_form_decides_nothing(tmp_path: Path) -> None:
    """Nor does it end the probes that follow."""
    body = '{"output": {"task_status": "SUCCEEDED", "result": 5}}'
    rules = [Rule(surface="query", fault=Answer(body), times=None)]

    task, stream = await examined(tmp_path, Readings(), [BY_NAME["filetrans-oss"], BY_NAME["native-stream"]], rules)

    assert ("unanswered", "the answer has an unexpected form (ValidationError)") == (task.state, task.found.observed)
    assert "answered" == stream.state


async def test_a_refused_key_ends_the_examination(tmp_path: Path) -> None:
    with pytest.raises(NotAuthenticated, match="of this region"):
        await examined(tmp_path, Readings(), DECIDING, key="sk-another")
