"""Types of arguments."""

from __future__ import annotations

from typing import Any

import click


class TextParam(click.types.StringParamType):
    """Text for a request, which has to be UTF-8, unlike the name of a file. `filled`: it may not be empty."""

    def __init__(self, *, filled: bool = False) -> None:
        self._filled = filled

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        text: str = super().convert(value, param, ctx)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail("It is not UTF-8 text.", param, ctx)
        if self._filled and not text.strip():
            self.fail("It is empty.", param, ctx)
        return text


class FormatChoice(click.Choice[str]):
    """A format of transcripts, in any case. `txt` is Whisper's name of `text`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        name = str(value).lower()
        return super().convert("text" if name == "txt" else name, param, ctx)
