"""API keys in request headers: `Authorization: Bearer` from OpenAI clients, `api-key` from Azure clients."""

from __future__ import annotations

from collections.abc import Sequence


def key_shown(authorization: Sequence[str], otherwise: str = "") -> str:
    """Return the key in the values of the Authorization header, or else `otherwise`.

    Returns an empty string if there is no key, or if the Authorization header has several different ones.
    """
    keys = {key.strip() for scheme, _, key in map(_parted, authorization) if scheme.lower() == "bearer"} - {""}
    if len(keys) > 1:
        return ""
    return next(iter(keys), otherwise.strip())


def trouble(authorization: Sequence[str]) -> str | None:
    """Return an error message for invalid values of the Authorization header, or None if they are valid or absent."""
    values = {value.strip() for value in authorization} - {""}
    if len(values) > 1:
        return "The header Authorization was sent more than once, with different values."
    if any(_parted(value)[0].lower() != "bearer" for value in values):
        return "The header Authorization has another scheme than Bearer: send Authorization: Bearer YOUR_KEY."
    return None


def usable(key: str) -> bool:
    """Whether the key is valid in an HTTP header."""
    return key.isascii() and key.isprintable() and " " not in key


def _parted(value: str) -> tuple[str, str, str]:
    return value.strip().partition(" ")
