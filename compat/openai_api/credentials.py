"""The key that a client sends: `Authorization: Bearer`, as OpenAI's clients send it, or `api-key`, as Azure's do."""

from __future__ import annotations

from collections.abc import Sequence


def shown(authorization: Sequence[str], otherwise: str = "") -> str:
    """The key in the values of the header Authorization, or the other one; empty where there is none."""
    keys = {key.strip() for scheme, _, key in map(_parted, authorization) if scheme.lower() == "bearer"} - {""}
    if len(keys) > 1:
        return ""
    return next(iter(keys), otherwise.strip())


def trouble(authorization: Sequence[str]) -> str | None:
    """Why these values show no key, where they try to."""
    values = {value.strip() for value in authorization} - {""}
    if len(values) > 1:
        return "The header Authorization was sent more than once, with different values."
    if any(_parted(value)[0].lower() != "bearer" for value in values):
        return "The header Authorization has another scheme than Bearer: send Authorization: Bearer YOUR_KEY."
    return None


def usable(key: str) -> bool:
    """Whether a key can stand in a header."""
    return key.isascii() and key.isprintable() and " " not in key


def _parted(value: str) -> tuple[str, str, str]:
    return value.strip().partition(" ")
