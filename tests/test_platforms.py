"""What only Linux, or only glibc, has is used behind a guard, so that the server also runs on macOS."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "compat"
LINUX = re.compile(
    r"\b(malloc_trim|mallopt|memfd_create|epoll|eventfd|timerfd_\w+|signalfd|splice|sendfile|pipe2|accept4|prctl|inotify\w*"
    r"|copy_file_range|posix_fadvise|posix_fallocate|pidfd_open|unshare|setns|sched_(?:get|set)affinity|O_TMPFILE|O_DIRECT"
    r"|RLIMIT_AS|SO_REUSEPORT|SO_PEERCRED|SO_BINDTODEVICE|TCP_USER_TIMEOUT|TCP_QUICKACK|TCP_DEFER_ACCEPT|TCP_CORK"
    r"|TCP_KEEPIDLE|MSG_MORE|MSG_NOSIGNAL|TIOCOUTQ|libc\.so\.6)\b|/proc/|/sys/|/dev/shm"
)
GUARDED = {
    # module: what it uses, and the guard in the same file
    "audio/child.py": ({"RLIMIT_AS"}, 'if sys.platform == "linux":'),
    "cli/main.py": ({"TCP_USER_TIMEOUT"}, 'if sys.platform == "linux":'),
    "processes.py": ({"/sys/", "sched_getaffinity"}, 'if sys.platform == "linux" else'),
    "server/closing.py": ({"TIOCOUTQ"}, 'if sys.platform == "linux":'),
    "server/run.py": ({"mallopt"}, "contextlib.suppress(AttributeError)"),
    "sharing/memory.py": ({"memfd_create"}, 'hasattr(os, "memfd_create")'),
}
MODULES = sorted(ROOT.rglob("*.py"))


def used(path: Path) -> set[str]:
    """Return what a module uses of Linux, without its comments and docstrings."""
    lines = [line.partition("  #")[0] for line in path.read_text().splitlines() if not line.strip().startswith("#")]
    code = re.sub(r'"""(.|\n)*?"""', "", "\n".join(lines))
    return {match[0] for match in LINUX.finditer(code)}


def test_what_only_linux_has_is_listed() -> None:
    found = {str(path.relative_to(ROOT)): names for path in MODULES if (names := used(path))}

    assert {module: names for module, (names, _) in GUARDED.items()} == found


@pytest.mark.parametrize(("module", "guard"), [(module, guard) for module, (_, guard) in GUARDED.items()])
def test_its_use_is_guarded(module: str, guard: str) -> None:
    assert guard in (ROOT / module).read_text()
