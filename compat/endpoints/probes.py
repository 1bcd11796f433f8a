"""The paths of health checks: they are answered however many connections are open, and whoever asks."""

from __future__ import annotations

from typing import Final

PROBES: Final = ("/healthz", "/readyz", "/health")
