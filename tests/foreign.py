"""Checks that the names of other packages which this one overrides or uses exist in the installed releases.

    python -P tests/foreign.py      lists missing names; the exit status is 1 if there are any

A method of a class with a foreign base must override one of the base, unless this package itself calls it. A name that
such a class uses on `self` and does not define must be defined by the base. The tests run this against the lock file,
and scripts/installs.py against both ends of the range of each dependency.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import importlib
import inspect
import pkgutil
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Final

import httpx2
import uvicorn

import compat
from compat.server.run import FALSE_ALARMS

PACKAGES: Final = (
    "uvicorn", "websockets", "httpx2", "httpcore2", "starlette", "httptools", "click", "limits", "rich", "aiortc",
)  # fmt: skip
STANDARD: Final = (
    bytes,
    dict,
    list,
    set,
    str,
    *filter(inspect.isclass, vars(asyncio).values()),
)  # not part of a package
REACHED: Final = {  # names used without a subclass
    "aiortc.rtcdtlstransport.RTCDtlsTransport": ("_set_role", "on", "start", "state", "stop"),
    "aiortc.rtcsctptransport.RTCSctpTransport": ("on", "start", "stop"),
    "websockets.asyncio.client.ClientConnection": ("close", "drain", "paused", "ping", "protocol", "recv", "send"),
    "websockets.protocol.Protocol": ("state",),
    "uvicorn.protocols.http.httptools_impl.HttpToolsProtocol": ("_should_upgrade", "_unsupported_upgrade_warning"),
    "uvicorn.server.Server": ("force_exit", "handle_exit", "run", "servers", "shutdown", "startup"),
}


def missing() -> list[str]:
    """Return a line for each missing name."""
    found = [*_imported(), *_reached(), *_replaced(), *_logged()]
    for module in _modules():
        for cls in vars(module).values():
            if inspect.isclass(cls) and cls.__module__ == module.__name__ and (bases := _foreign(cls)):
                found += _overridden(cls, bases)
                found += _asked(cls, bases)
    return found


def _modules() -> Iterator[ModuleType]:
    for each in pkgutil.walk_packages(compat.__path__, "compat."):
        yield importlib.import_module(each.name)


def _imported() -> Iterator[str]:
    """Yield missing names of `from package import name` statements, also inside functions, for PACKAGES."""
    for module in _modules():
        for node in _nodes(module):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
                for alias in node.names:
                    if not _has(node.module, alias.name):
                        yield f"{module.__name__} imports {alias.name} from {node.module}, which has none"


def _has(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name) or bool(importlib.import_module(f"{module}.{name}"))
    except ImportError:
        return False


def _reached() -> Iterator[str]:
    for path, names in REACHED.items():
        module, _, name = path.rpartition(".")
        cls = getattr(importlib.import_module(module), name)
        known = _names((cls, *cls.__mro__[1:-1]))
        yield from (f"{path} has no {each}" for each in names if each not in known)


def _replaced() -> Iterator[str]:
    if not hasattr(httpx2.AsyncClient, "_transport_for_url"):
        yield "httpx2.AsyncClient has no _transport_for_url, which compat.upstream.http calls"
    if "_transport" not in vars(httpx2.AsyncClient()):
        yield "httpx2.AsyncClient has no _transport, which compat.upstream.http replaces"


def _logged() -> Iterator[str]:
    """Yield the filtered log messages that uvicorn no longer has."""
    sources = [path.read_text() for path in Path(uvicorn.__file__).parent.rglob("*.py")]
    yield from (f"uvicorn no longer says {text!r}" for text in FALSE_ALARMS if not any(text in one for one in sources))


def _foreign(cls: type) -> tuple[type, ...]:
    return tuple(base for base in cls.__mro__ if base.__module__.split(".")[0] in PACKAGES)


def _overridden(cls: type, bases: tuple[type, ...]) -> Iterator[str]:
    for name, ours in vars(cls).items():
        path = f"{cls.__module__}.{cls.__qualname__}.{name}"
        if name.startswith("_") or not isinstance(ours, FunctionType):
            continue
        theirs = next((vars(base)[name] for base in bases if name in vars(base)), None)
        if theirs is None and (name in _called() and f"super().{name}(" not in inspect.getsource(ours)):
            continue
        if theirs is None:
            yield f"{path} overrides nothing: {bases[0].__module__}.{bases[0].__qualname__} has no {name}"
        elif (known := _parameters(ours)) != (wanted := _parameters(theirs)):
            yield f"{path} takes {known}, and the method that it overrides {wanted}"


@cache
def _called() -> frozenset[str]:
    """Return the names of attributes that this package uses on objects other than `super()`."""
    asked = (node for module in _modules() for node in _nodes(module) if isinstance(node, ast.Attribute))
    return frozenset(node.attr for node in asked if not _is_super(node.value))


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _parameters(function: object) -> list[str]:
    return [name.lstrip("_") for name in inspect.signature(inspect.unwrap(function)).parameters]  # type: ignore[arg-type]


def _asked(cls: type, bases: tuple[type, ...]) -> Iterator[str]:
    """Yield each `self.name` that neither this package nor a base defines, and each `self.name.other` whose last name
    does not occur in the base's modules."""
    ours = _names(tuple(base for base in cls.__mro__ if base.__module__.split(".")[0] == "compat"))
    theirs = _names(cls.__mro__)
    words = _attributes(bases).union(*map(dir, STANDARD))
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))):
        if not isinstance(node, ast.Attribute):
            continue
        where = f"{cls.__module__}.{cls.__qualname__}"
        if _is_self(node.value) and node.attr not in theirs:
            yield f"{where} asks for self.{node.attr}, which {bases[0].__qualname__} does not have"
        inner = node.value
        theirs_too = isinstance(inner, ast.Attribute) and _is_self(inner.value) and inner.attr not in ours
        if theirs_too and node.attr not in words:
            yield f"{where} asks for {ast.unparse(node)}, which {bases[0].__module__} does not know"


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _names(classes: tuple[type, ...]) -> set[str]:
    """Return the names that instances have: attributes of the classes, and names that their methods assign to."""
    return set().union(*map(_own_names, classes))


@cache
def _own_names(cls: type) -> frozenset[str]:
    found = {*vars(cls), *vars(cls).get("__annotations__", {}), *getattr(cls, "__slots__", ())}
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError):  # written in C, or built in
        return frozenset(found)
    stored = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
    return frozenset(found | {node.attr for node in stored if _is_self(node.value)})


def _attributes(bases: tuple[type, ...]) -> set[str]:
    """Return all attribute and function names in the bases' modules and in the modules that they import from."""
    modules = {base.__module__ for base in bases}
    for name in list(modules):
        for node in _nodes(importlib.import_module(name)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
                modules.add(node.module)
    return set().union(*(_words(name) for name in modules if name in sys.modules))


@cache
def _words(module: str) -> frozenset[str]:
    found = set()
    for node in _nodes(importlib.import_module(module)):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
    return frozenset(found)


@cache
def _nodes(module: ModuleType) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(_source(module))))


def _source(module: ModuleType) -> str:
    try:
        return inspect.getsource(module)
    except OSError:  # an empty file, or C
        return ""


if __name__ == "__main__":
    gc.disable()  # the syntax trees live until the end
    sys.exit("\n".join(missing()) or 0)
