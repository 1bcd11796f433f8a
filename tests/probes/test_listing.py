"""The probes as a whole: their readings are the emulator's, their price is bounded, and what none answers is listed."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from compat.catalogue.models import REGIONS
from compat.config.readings import AccountReadings
from compat.emulator.readings import Readings
from compat.probes.listing import MOST, PROBES, UNPROBED
from compat.probes.readings import EXPECTED
from tests.probes.emulated import flat


def test_the_readings_and_their_defaults_are_those_of_the_emulator() -> None:
    emulated = {name: sorted(value) if isinstance(value, frozenset) else value for name, _, value in flat(Readings())}

    assert emulated == EXPECTED


def test_the_readings_that_the_server_uses_exist() -> None:
    used = msgspec.structs.asdict(AccountReadings())

    assert used == {name: EXPECTED[name] for name in used}


def test_one_probe_decides_each_reading_that_is_not_listed_as_not_probed() -> None:
    decided = Counter(name for probe in PROBES for name in probe.readings)

    assert {1} == set(decided.values())
    assert EXPECTED.keys() - decided.keys() == UNPROBED.keys() & EXPECTED.keys() == {"one_account"}


def test_the_probes_without_a_reading_only_report() -> None:
    assert {
        "hosts", "filetrans-corpus", "task-context", "chat-context", "chat-identification", "sync-limits", "audio3.0",
        "audio3-hints", "live-close", "tasks-pauses", "tasks-starts", "tasks-hints",
        "qwen-audio-3.0-asr-flash-streaming", "fun-asr-realtime", "paraformer-realtime-v2",
    } == {probe.name for probe in PROBES if not probe.readings}  # fmt: skip


def test_names_are_unique() -> None:
    assert len(PROBES) == len({probe.name for probe in PROBES})


@pytest.mark.parametrize("region", [*REGIONS, "custom", "eu-central-1"])
def test_all_probes_together_cost_at_most_one_yuan(region: str) -> None:
    assert sum(probe.price(region) for probe in PROBES) < MOST


def test_a_probe_of_billed_audio_has_a_price() -> None:
    assert all(probe.price("beijing") > 0 for probe in PROBES if probe.model)
    assert {
        "models", "hosts", "upload-policy", "task-model", "vocabulary", "native-refusal", "live-pong", "live-close",
        "tasks-parameters", "tasks-starts",
    } == {probe.name for probe in PROBES if not probe.price("beijing")}  # fmt: skip


def test_paraformer_is_not_offered_outside_beijing() -> None:
    offers = {probe.name: [region for region in REGIONS if probe.offered(region)] for probe in PROBES}

    assert ["beijing"] == offers["paraformer-times"]
    assert ["beijing", "singapore"] == offers["live-text"] == offers["fun-asr-realtime"]
    assert [*REGIONS] == offers["native-stream"] == offers["models"]
