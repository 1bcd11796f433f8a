"""Builds the emulator from the options of `qwen-asr-compat emulator`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
import msgspec
from starlette.applications import Starlette

from compat.emulator.app import create_app
from compat.emulator.engine import Engine, Hypothesis, Sentence, Unusable
from compat.emulator.engines import engine as make
from compat.emulator.engines.moonshine import model
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import PRESETS, Faults, Rule, preset_rules
from compat.emulator.readings import Readings
from compat.emulator.remote.client import RemoteServer
from compat.emulator.site import LOOPBACK, SERVICE, Reach, Site, hostname
from compat.emulator.state import Limits

T = TypeVar("T", bound=msgspec.Struct)
K = TypeVar("K")


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`turns`: the sentences of each recognition; `hypotheses`: those of each live turn. The last entry repeats."""

    turns: list[list[Sentence]] = []
    hypotheses: list[list[Hypothesis]] = []


DEFAULT = Script(
    [[Sentence(text="This is the emulator.", begin_ms=0, end_ms=1000)]],
    [[Hypothesis("", "This is"), Hypothesis("This is the emulator.")]],
)


def app(
    *,
    host: str,
    engine: str,
    engine_url: str | None,
    engine_key: str,
    engine_model: str,
    script: Path | None,
    keys: tuple[str, ...],
    limits: tuple[str, ...],
    readings: tuple[str, ...],
    observed: Path | None,
    faults: tuple[str, ...],
    rules: Path | None,
    reach: tuple[Reach, ...],
    public_url: str | None,
    hosts: tuple[str, ...],
    control: bool,
) -> Starlette:
    """Raises click.ClickException with the name of the option. `list` as a limit, reading or fault prints all names
    and exits."""
    _check_keys(keys)
    _check_public_url(public_url)
    return create_app(
        _engine(engine, script, RemoteServer(url=engine_url or "", key=engine_key, model=engine_model)),
        keys=frozenset(keys) or None,
        limits=_changed(Limits, "--limit", limits),
        readings=_changed(Readings, "--reading", readings, _observed(observed) if observed else ()),
        faults=Faults((*_presets(faults), *(_read(rules, tuple[Rule, ...], "--faults") if rules else ()))),
        site=Site(
            public_url=public_url, hosts=_names(host, public_url, hosts), control=control, reach=frozenset(reach)
        ),
    )


def _check_keys(keys: tuple[str, ...]) -> None:
    for key in keys:
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise click.ClickException("--key: a key must be visible ASCII characters without spaces.")


def _check_public_url(url: str | None) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and not parts.query and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        raise click.ClickException(f"--public-url {url}: must be an http or https URL without a query or fragment.")


def _names(host: str, public_url: str | None, hosts: tuple[str, ...]) -> frozenset[str] | None:
    """Return the accepted host names: on loopback only those that other sites cannot resolve to this machine, otherwise
    any, unless some are given."""
    if host not in LOOPBACK and not hosts:
        return None
    public = {hostname(urlsplit(public_url).netloc)} if public_url else set()
    return LOOPBACK | {SERVICE, *public, *map(str.lower, hosts)}


def _engine(name: str, script: Path | None, server: RemoteServer) -> Engine:
    if name != "scripted":
        if script is not None:
            raise click.ClickException("--script needs --engine scripted.")
        try:
            if name == "moonshine":
                model()
            return make(name, server)
        except Unusable as exc:
            raise click.ClickException(str(exc)) from exc
    loaded = _read(script, Script, "--script") if script else DEFAULT
    return Scripted(*loaded.turns, hypotheses=loaded.hypotheses)


def _read(path: Path, kind: type[K], option: str) -> K:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.ValidationError as exc:
        raise click.ClickException(f"{option} {path}: {exc}.") from exc
    except msgspec.DecodeError as exc:
        raise click.ClickException(f"{option} {path} is not JSON: {exc}.") from exc
    except OSError as exc:
        raise click.ClickException(f"{option} {path} cannot be read: {exc.strerror}.") from exc


def _presets(given: Iterable[str]) -> list[Rule]:
    found: list[Rule] = []
    for text in given:
        name, _, times = text.partition("=")
        if name == "list":
            _show(f"{preset}  ({', '.join(surfaces)})" for preset, surfaces in PRESETS.items())
        if name not in PRESETS or (times and not (times.isdecimal() and int(times))):
            raise click.ClickException(
                f"--fault {text}: expected one of {', '.join(PRESETS)}, optionally with =TIMES (1 or more)."
            )
        found += preset_rules(name, int(times) if times else None)
    return found


class Observed(msgspec.Struct, frozen=True):
    """The file of `--readings`. Its other members describe how `verify` found the readings."""

    readings: dict[str, Any]


def _observed(path: Path) -> list[tuple[str, object]]:
    """Return the readings in a file by name. Raises click.ClickException for an unknown name or value."""
    found = list(_flat(_read(path, Observed, "--readings").readings))
    known = dict(_fields(Readings()))
    for name, _ in found:
        if name not in known:
            raise click.ClickException(f"--readings {path}: unknown name {name}; expected one of {', '.join(known)}.")
    _changed(Readings, f"--readings {path}", (), found)
    return found


def _flat(readings: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in readings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _changed(kind: type[T], option: str, given: Iterable[str], before: Iterable[tuple[str, object]] = ()) -> T:
    """Return the defaults with the changes of `before` and `given`: `name=value`, or `live.name=value` for a nested
    field."""
    changes: dict[str, Any] = {}
    known = dict(_fields(kind()))
    for name, found in before:
        _set(changes, name, found)
    for text in given:
        name, _, value = text.partition("=")
        if name == "list":
            _show(f"{field}={_plain(default)}" for field, default in known.items())
        if name not in known:
            raise click.ClickException(f"{option} {text}: unknown name; expected one of {', '.join(known)}.")
        _set(changes, name, value.split(",") if isinstance(known[name], frozenset) else value)
    try:
        settings = msgspec.convert(changes, kind, strict=False)
    except msgspec.ValidationError as exc:
        name = str(exc).rpartition("`$.")[2].rstrip("`")  # the message ends in its path
        like = _plain(known[name]) if name in known else "the default"
        raise click.ClickException(f"{option}: {name} should be a value such as {like}.") from exc
    for name, value in _fields(settings):
        if isinstance(value, int | float) and not value >= 0:  # negative, or not a number
            raise click.ClickException(f"{option} {name}={value}: must be 0 or more.")
    return settings


def _set(changes: dict[str, Any], name: str, value: object) -> None:
    *outer, last = name.split(".")
    for part in outer:
        changes = changes.setdefault(part, {})
    changes[last] = value


def _fields(settings: msgspec.Struct, prefix: str = "") -> Iterable[tuple[str, Any]]:
    for field in settings.__struct_fields__:
        value = getattr(settings, field)
        if isinstance(value, msgspec.Struct):
            yield from _fields(value, f"{prefix}{field}.")
        else:
            yield prefix + field, value


def _plain(value: object) -> str:
    if value is None:
        return "null"
    return ",".join(map(str, value)) if isinstance(value, frozenset) else str(value).lower()


def _show(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
    raise SystemExit(0)
