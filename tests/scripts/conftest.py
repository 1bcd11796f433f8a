from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def trusting(authorities: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the configured certificate authorities, since packages are downloaded."""
    monkeypatch.delenv("SSL_CERT_FILE")
    if authorities:
        monkeypatch.setenv("SSL_CERT_FILE", authorities)
