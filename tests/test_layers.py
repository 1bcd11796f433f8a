"""Layers: imports point downwards without cycles, pure packages do no I/O, and modules have at most 400 lines."""

from __future__ import annotations

import ast
import functools
import pathlib
from graphlib import CycleError, TopologicalSorter

import pytest

REPOSITORY = pathlib.Path(__file__).parent.parent
ROOT = REPOSITORY / "compat"
LAYERS = [  # from the bottom up; a module imports from layers below its own, or from its own package
    {"errors", "languages", "processes", "sharing", "text"},
    {"transcript"},
    {"addresses", "config", "echo"},
    {"catalogue"},
    {"audio", "dashscope_api", "openai_api"},
    {"bridge", "observability", "probes", "webrtc"},
    {"upstream"},
    {"spending"},
    {"transcription"},
    {"jobs"},
    {"endpoints"},
    {"server"},
    {"app"},
    {"cli"},
    {"__main__"},
]
APART = "emulator"  # independent: imports nothing else of compat
STARTERS = {"cli": {APART}}  # only the command line imports it
PURE = {
    "bridge", "catalogue", "dashscope_api", "openai_api", "probes",
    "addresses", "echo", "errors", "languages", "text", "transcript",
}  # fmt: skip
IO = {
    "anyio", "asyncio", "httpx2", "logging", "os", "random", "secrets", "socket", "ssl", "starlette", "tempfile",
    "time", "uuid", "uvicorn", "websockets",
}  # fmt: skip
OWNERS = {  # the packages that may import a library; the emulator may import all
    "aiortc": {"webrtc"},
    "httpx2": {"cli", "upstream"},
    "starlette": {"app", "endpoints", "server"},
    "uvicorn": {"cli", "server"},
    "websockets": {"cli", "server", "upstream"},
}


def name(path: pathlib.Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name(path): path for path in sorted(ROOT.rglob("*.py"))}


@functools.cache
def parsed(module: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(MODULES[module].read_text())))


@functools.cache
def imports(module: str) -> frozenset[str]:
    """Return the imported modules of a module, including lazy and type-only imports."""
    found: set[str] = set()
    for node in parsed(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: absolute imports only"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in MODULES else str(node.module))
    return frozenset(found)


def libraries(module: str) -> set[str]:
    return {found.split(".")[0] for found in imports(module)}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def lower(own: str) -> set[str]:
    """Return the packages that a package may import."""
    if own in ("", APART):
        return {own}
    layer = next(level for level, rooms in enumerate(LAYERS) if own in rooms)
    return set().union(*LAYERS[:layer]) | {own} | STARTERS.get(own, set())


def test_imports_point_to_lower_layers() -> None:
    taken = {module: {room(found) for found in imports(module) if found.startswith("compat.")} for module in MODULES}

    assert {} == {module: wrong for module in MODULES if (wrong := taken[module] - lower(room(module)))}


def test_no_import_cycle_at_any_depth() -> None:
    """Imports between the children of a package, both modules and packages, have no cycle."""
    children: dict[str, dict[str, set[str]]] = {}
    for module in MODULES:
        for found in imports(module):
            ours, theirs = module.split("."), found.split(".")
            if found not in MODULES or ours == theirs:
                continue
            shared = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
            if shared is not None:
                package = children.setdefault(".".join(ours[:shared]), {})
                package.setdefault(ours[shared], set()).add(theirs[shared])

    circles = {}
    for parent, graph in children.items():
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as exc:
            circles[parent] = exc.args[1]
    assert {} == circles


def test_pure_modules_do_no_io() -> None:
    pure = [module for module in MODULES if room(module) in PURE]

    assert {} == {module: wrong for module in pure if (wrong := libraries(module) & IO)}


@pytest.mark.parametrize("library", OWNERS)
def test_libraries_are_imported_by_their_owners_only(library: str) -> None:
    owners = OWNERS[library] | {APART}

    assert [] == [module for module in MODULES if library in libraries(module) and room(module) not in owners]


def test_the_emulator_reaches_the_network_in_few_places() -> None:
    """To fetch audio, and to ask the server of the engine `openai`."""
    allowed = {f"compat.{APART}.{name}" for name in ("fetching", "media", "remote.client")}

    assert allowed == {module for module in MODULES if room(module) == APART and "httpx2" in libraries(module)}


def test_the_root_has_few_modules() -> None:
    assert len(list(ROOT.glob("*.py"))) <= 10


def test_no_module_is_too_long() -> None:
    """Nor any module of the tests."""
    modules = [path for top in ("compat", "tests") for path in (REPOSITORY / top).rglob("*.py")]
    tested = [path for path in modules if "node_modules" not in path.parts]

    assert [] == [str(path) for path in tested if path.read_text().count("\n") > 400]


@pytest.mark.parametrize("program", ["server", APART])
def test_class_names_are_unique(program: str) -> None:
    where: dict[str, list[str]] = {}
    for module in MODULES:
        if (room(module) == APART) == (program == APART):
            for node in parsed(module):
                if isinstance(node, ast.ClassDef):
                    where.setdefault(node.name, []).append(module)

    assert {} == {name: modules for name, modules in where.items() if len(modules) > 1}
