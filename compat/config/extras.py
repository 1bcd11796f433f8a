"""Optional dependencies: the modules of each extra, and the error for a missing one."""

from __future__ import annotations

import contextlib
import importlib.util
import shlex
import sys
from importlib import metadata
from typing import Final

from packaging.requirements import Requirement

from compat.config.variables import SettingsError

MODULES: Final = {
    "bucket": ("obstore",),
    "client": ("openai",),
    "local": ("moonshine_voice", "numpy"),
    "microphone": ("openai", "sounddevice"),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "redis": ("redis",),
    "webrtc": ("aiortc",),
}


def installed(extra: str) -> bool:
    """Return whether all modules of `extra` are installed."""
    return all(map(_installed, MODULES[extra]))


def need(extra: str, what: str) -> None:
    """Raise SettingsError, with the command to install, if `extra` is missing or too old. `what` needs it."""
    if not installed(extra):
        raise SettingsError(missing(extra, what))
    for package in _packages(extra):
        with contextlib.suppress(metadata.PackageNotFoundError):  # a module without a distribution
            version = metadata.version(package.name)
            if not package.specifier.contains(version, prereleases=True):
                wanted = f"{package.name}{package.specifier} instead of the installed {version}"
                raise SettingsError(f"{what} needs {wanted}: {_command(extra)}.")


def missing(extra: str, what: str) -> str:
    """Return the error message for `what` when its extra is not installed."""
    return f"{what} needs the {extra} extra: {_command(extra)}."


def _command(extra: str) -> str:
    """Return the command that installs the extra. It names this Python, because another pip would use its own."""
    return f"{shlex.quote(sys.executable)} -m pip install 'qwen-asr-compat[{extra}]'"


def _packages(extra: str) -> list[Requirement]:
    """Return the packages of the extra, or none if this package runs from a folder and is not installed."""
    try:
        declared = [Requirement(line) for line in metadata.requires("qwen-asr-compat") or ()]
    except metadata.PackageNotFoundError:
        return []
    return [each for each in declared if each.marker and each.marker.evaluate({"extra": extra})]


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
