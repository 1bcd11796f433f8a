"""Optional dependencies: the modules of each extra, and the error for a missing one."""

from __future__ import annotations

import importlib.util
from typing import Final

from compat.config.variables import SettingsError

MODULES: Final = {
    "bucket": ("obstore",),
    "client": ("openai",),
    "local": ("moonshine_voice", "numpy"),
    "microphone": ("openai", "sounddevice"),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "redis": ("redis",),
}


def need(extra: str, what: str) -> None:
    """Raise SettingsError, naming the package to install, if a module of `extra` is missing. `what` needs it."""
    if not all(map(_installed, MODULES[extra])):
        raise SettingsError(f"{what} needs the {extra} extra: pip install 'qwen-asr-compat[{extra}]'.")


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
