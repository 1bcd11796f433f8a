"""A probe: one question about the account, with the readings of the emulator that its answer decides."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from compat.catalogue import live
from compat.catalogue.models import REGIONS, resolve
from compat.catalogue.rates import ceiling
from compat.errors import ModelNotFound
from compat.probes.steps import Steps
from compat.transcript import Media, Option, Request, Surface

Value: TypeAlias = bool | str | list[str]
Sound: TypeAlias = Literal["speech", "silence", "long", "large"]
"""The bundled speech; two seconds of silence; more silence than a synchronous surface accepts, in time and in bytes."""
NAME = "Kaitlynn Smythe"
"""A spelling of the name in the bundled speech that no model chooses without a hint."""

HALLUCINATED = "words were recognised in silence"
SILENCE = 65.0  # seconds of silence in a task; the documents name 60 as the most


class Trial(msgspec.Struct, frozen=True):
    """What a probe may use.

    `sound` returns a file with that sound, `pcm` its audio as 16 kHz mono PCM. `spoken` is the text of the speech.
    `token` returns a new random name. `other_hosts` are the addresses of the service to compare with the configured
    one, by a name that is safe to show. `silence` is the length, in seconds, of a silence that should end a task.
    """

    region: str
    spoken: str
    sound: Callable[[Sound], Media]
    pcm: Callable[[Sound], bytes]
    token: Callable[[], str]
    other_hosts: dict[str, str] = {}
    silence: float = SILENCE

    def request(
        self,
        model: str,
        surface: Surface,
        sound: Sound = "speech",
        *,
        language: str | None = None,
        context: str = "",
        options: dict[str, Option] | None = None,
    ) -> Request:
        return Request(
            model=model,
            surface=surface,
            media=self.sound(sound),
            language=language,
            context=context,
            words=False,
            options=options or {},
        )

    @property
    def generation_model(self) -> str:
        return "qwen3-asr-flash-us" if self.region == "us" else "qwen3-asr-flash"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a probe.

    `readings` holds those that the service's answer decides. `observed` is a sentence for people. `evidence` has the
    members, codes and statuses that it follows from. `heard` are transcripts of the bundled speech, by model.
    """

    readings: dict[str, Value] = {}
    observed: str
    evidence: str = ""
    heard: dict[str, str] = {}


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` of audio of `model` are billed at most. `waits` are the seconds that the probe lasts by
    itself. `everywhere` means that each region offers the model under some name."""

    name: str
    question: str
    run: Callable[[Trial], Steps[Found]]
    readings: tuple[str, ...] = ()
    model: str = ""
    seconds: float = 0.0
    waits: float = 2.0
    everywhere: bool = False

    def price(self, region: str) -> float:
        """Return the most that the probe may cost, in yuan: nothing where the model is not offered."""
        return self.seconds * ceiling(self.model, region) if self.seconds and self.offered(region) else 0.0

    def offered(self, region: str) -> bool:
        """Return whether the region is known to offer the model, or is not known at all."""
        if not self.model or self.everywhere or region not in REGIONS:
            return True
        if found := live.find(self.model):
            return region in found.regions
        try:
            return region in resolve(self.model, {})[1].regions
        except ModelNotFound:
            return region != "us"


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation."""
    return re.findall(r"[\w<?>']+", text.lower())


def error_rate(spoken: str, heard: str) -> float:
    """Return the word error rate: substitutions, omissions and insertions per spoken word."""
    expected, found = words(spoken), words(heard)
    row = list(range(len(found) + 1))
    for number, word in enumerate(expected, 1):
        before, row[0] = row[0], number
        for at, other in enumerate(found, 1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (word != other))
    return row[-1] / max(1, len(expected))


def named(text: str) -> bool:
    """Return whether a transcript has the spelling of NAME."""
    return all(part.lower() in words(text) for part in NAME.split())


def amounts(usage: Any) -> str:  # noqa: ANN401 - JSON
    """Return the numbers of a usage."""
    counted = usage.items() if isinstance(usage, dict) else ()
    numbers = [f"{name}={count:g}" for name, count in sorted(counted) if isinstance(count, int | float)]
    return f"usage: {' '.join(numbers) or 'none'}"


def members(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return the names of an object's members."""
    return " ".join(sorted(value)) if isinstance(value, dict) else type(value).__name__
