from __future__ import annotations

from compat.config.keys import plain
from compat.config.principal import Principal


def test_a_representation_contains_neither_a_key_nor_its_hash() -> None:
    """Representations may get into the log."""
    (entry,) = plain(["sk-client-key"])
    principal = Principal("sk-service-key", "a tenant", entry=entry)

    assert "Principal('key-1', tenant='a tenant')" == repr(principal) == str(principal)
