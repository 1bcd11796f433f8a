"""The house keeps its floors: nothing imports upwards, the pure floors touch no I/O, and no room grows too long."""

from __future__ import annotations

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent / "compat"
FLOORS = [  # from the ground up; a module imports from floors below its own, or from its own room
    {"nesting", "networks", "probes", "regions", "text", "values", "variables"},
    {"entry", "errors", "extras", "keys", "languages", "settings", "transcript"},
    {"addresses", "aliases", "echo", "options", "rates"},
    {"catalogue", "children"},
    {"audio", "cancelling", "dashscope_api", "metrics", "openai_api", "roads", "tracing"},
    {"bridge", "jobs", "local", "upstream"},
    {"endpoints", "wire"},
    {"app"},
    {"banner", "doctor", "logs", "serving", "transcribe"},
    {"cli"},
    {"__main__"},
]
APART = {"emulator"}  # a house of its own: imports nothing of this one; nothing of this one imports it
STARTS = {"cli": {"emulator"}}  # but the command line starts it
PURE = FLOORS[0] | FLOORS[1] | FLOORS[2] | {"catalogue", "dashscope_api", "openai_api", "bridge", "roads"}
IO = {
    "anyio", "asyncio", "httpx2", "logging", "os", "random", "secrets", "socket", "ssl", "starlette", "tempfile",
    "time", "uuid", "uvicorn", "websockets",
}  # fmt: skip


def imports(path: pathlib.Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: absolute imports only"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]
every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


@every_module
def test_imports_run_downwards(path: pathlib.Path) -> None:
    taken = {name.split(".")[1] for name in imports(path) if name.startswith("compat.")} - {"__version__"}
    if room(path) in APART:
        assert taken <= {room(path)}
        return
    floor = next(level for level, rooms in enumerate(FLOORS) if room(path) in rooms)

    assert taken <= set().union(*FLOORS[:floor]) | {room(path)} | STARTS.get(room(path), set())


@every_module
def test_pure_rooms_do_no_io(path: pathlib.Path) -> None:
    if room(path) in PURE:
        assert not {name.split(".")[0] for name in imports(path)} & IO


@every_module
def test_no_room_is_too_long(path: pathlib.Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
