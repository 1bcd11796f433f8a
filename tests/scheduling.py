"""Which tests run in the same process of pytest-xdist, and in which order."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

# Tests that share a speech model or a browser, in several modules or half of one that takes long.
SHARED = {
    "tests/playground/test_calls.py": "browser, programs",
    "tests/playground/test_snippets.py": "browser, programs",
    "tests/playground/test_trans": "browser, translations",
    "tests/playground/": "browser, page",
    "tests/whole/test_live_clients.py::test_every_official_client_gets_the_transcript[vad-": "clients, vad",
    "tests/whole/test_live_clients.py::test_every_official_client_gets_the_transcript[commits-": "clients, commits",
    "tests/whole/test_live_cuts.py::test_speech_": "speech",
    "tests/whole/test_speakers.py": "speech",
    "tests/whole/test_speech.py": "speech",
}
# Modules whose tests take seconds and share nothing.
APART = (
    "tests/scripts/test_installs.py", "tests/whole/test_live_clients.py", "tests/whole/test_live_cuts.py",
    "tests/whole/test_survival.py",
)  # fmt: skip
# The longest tests run first, so that no process runs alone in the end, then the other slow ones, then the fast ones.
FIRST = (
    "tests/whole/test_live_clients.py", "tests/playground/", "tests/whole/", "tests/scripts/test_installs.py",
    "tests/transcription/test_pieces.py", "tests/cli/", "tests/docs/test_printed.py", "tests/audio/test_odd_files.py",
    "tests/probes/test_recovery.py",
)  # fmt: skip


class ModuleScheduling(LoadScopeScheduling):
    """Runs a module's tests in one process, which starts its server once. The exceptions are `SHARED` and `APART`.

    xdist's own `--dist loadgroup` has no effect under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of the group that a test belongs to."""
        for prefix, group in SHARED.items():
            if nodeid.startswith(prefix):
                return group
        return nodeid if nodeid.startswith(APART) else nodeid.partition("::")[0]


def rank(nodeid: str) -> int:
    """Return the place of a test in the order of `FIRST`."""
    return next((place for place, prefix in enumerate(FIRST) if nodeid.startswith(prefix)), len(FIRST))
