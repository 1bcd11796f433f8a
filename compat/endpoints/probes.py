"""Paths of health checks, which are exempt from connection limits and origin checks."""

from __future__ import annotations

from typing import Final

PROBES: Final = ("/healthz", "/readyz", "/health")
