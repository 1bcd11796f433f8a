"""The options of other command lines that `transcribe` accepts.

Whisper (`openai-whisper` 20250625, `whisper/transcribe.py`) writes names with underscores and gives each option a
value. Qwen3-ASR-Toolkit 1.0.4 (`call_api.py`) has short options of several letters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import click

WORDS: Final = "--word-timestamps"
NOTES: Final = "compat.cli.spellings"
OTHER_NAMES: Final = {
    "--output-dir": "--out",
    "--output-format": "--format",
    "--response-format": "--format",
    "--initial-prompt": "--prompt",
    "--context": "--prompt",
    "-c": "--prompt",
    "--num-threads": "--jobs",
    "--silence": "--quiet",
    "-s": "--quiet",
}
FILES: Final = ("--input-file", "-i")  # followed by a recording
SUBTITLES: Final = ("--save-srt", "-srt")
_SERVER: Final = "the server decides how it recognises speech"
_KEY: Final = "the server has its own key; yours for the server is --api-key"
_FLAGS: Final = {
    "--carry-initial-prompt": "the prompt is for the whole recording",
    "--condition-on-previous-text": _SERVER,
    "--fp16": _SERVER,
    "--highlight-words": "captions underline no words",
    "--verbose": "the text is printed with --stream or --out -",
}
"""Options without effect that take True or False."""
_VALUES: Final = {
    "--clip-timestamps": "the whole recording is transcribed",
    "--dashscope-api-key": _KEY,
    "-key": _KEY,
    **dict.fromkeys(("--device", "--model-dir", "--threads", "--tmp-dir", "-t"), "the server recognises the speech"),
    **dict.fromkeys(
        (
            "--append-punctuations",
            "--beam-size",
            "--best-of",
            "--compression-ratio-threshold",
            "--hallucination-silence-threshold",
            "--length-penalty",
            "--logprob-threshold",
            "--no-speech-threshold",
            "--patience",
            "--prepend-punctuations",
            "--suppress-tokens",
            "--temperature-increment-on-fallback",
            "--vad-segment-threshold",
            "-d",
        ),
        _SERVER,
    ),
}
"""Options without effect that take any value, also one that begins with a hyphen."""


class TranscribeCommand(click.Command):
    """A command that understands the options of other command lines. Those without effect are in `ctx.meta[NOTES]`, as
    written, with the reason."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        notes = ctx.meta[NOTES] = {}
        return super().parse_args(ctx, [*_translated(args[:end], notes), *args[end:]])


def _translated(args: list[str], notes: dict[str, str]) -> Iterator[str]:
    """Yield the arguments in this command's own words, and add the options without effect to `notes`."""
    left = iter(args)
    waiting: str | None = None  # an argument that was read ahead
    while (arg := waiting if waiting is not None else next(left, None)) is not None:
        waiting = None
        written, equals, value = arg.partition("=")
        name = written.replace("_", "-") if written.startswith("--") else written
        if why := _FLAGS.get(name):
            notes[written] = why
            waiting = None if equals else _unless_boolean(next(left, None))
        elif why := _VALUES.get(name):
            notes[written] = why
            if not equals:
                next(left, None)
        elif name == WORDS:
            following = value if equals else next(left, None)
            if following is None or following.lower() != "false":
                yield WORDS
            waiting = None if equals else _unless_boolean(following)
        elif name in SUBTITLES:
            yield from ("--format", "text", "--format", "srt")
        elif name not in FILES:
            yield f"{OTHER_NAMES.get(name, name)}{equals}{value}"
        elif equals:
            yield value


def _unless_boolean(arg: str | None) -> str | None:
    return arg if arg is not None and arg.lower() not in ("true", "false", "none") else None


def without_effect(notes: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each reason why options have no effect."""
    for why in dict.fromkeys(notes.values()):
        names = [name for name, reason in notes.items() if reason == why]
        yield f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} no effect: {why}."
