"""Findings of `verify` about the account that change how this server works."""

from __future__ import annotations

import msgspec

from compat.config import parsers


class AccountReadings(msgspec.Struct, frozen=True):
    """`policies`: uploads to temporary storage are possible. `oss_for_filetrans`: qwen3 file tasks read them."""

    policies: bool = True
    oss_for_filetrans: bool = True


class _Document(msgspec.Struct, frozen=True):
    readings: AccountReadings


def parse(value: str) -> AccountReadings:
    """Return the readings in a file that `verify` wrote. Raises ValueError."""
    try:
        return msgspec.json.decode(parsers.path(value).read_bytes(), type=_Document).readings
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as exc:
        raise ValueError("a file that `qwen-asr-compat verify` wrote") from exc
