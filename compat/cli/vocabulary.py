"""`qwen-asr-compat vocabulary`: list, create, show, update and delete the hot-word lists stored in DashScope.

Exit status: 0; 1 if the vocabulary does not exist or is refused, or nothing responds; 2 for a wrong command.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import IO, Any, TypeVar

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compat.catalogue.vocabularies import HotWord
from compat.cli import client as server
from compat.cli import running, stored, words
from compat.cli.arguments import TextParam
from compat.cli.report import as_json, harmless
from compat.cli.stored import Stored
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.errors import CompatError

T = TypeVar("T")
Work = Callable[[Stored], Coroutine[Any, Any, T]]
WIDE = 10_000  # columns: tables are never wrapped, because ids have to be copied


class Invocation:
    """The options that every subcommand has: where the vocabularies are, and how they are printed."""

    def __init__(self, ctx: click.Context, base_url: str, api_key: str, *, lines: bool) -> None:
        self._ctx = ctx
        self._base_url = base_url
        self._api_key = api_key
        self.lines = lines

    def run(self, work: Work[T], given: Sequence[HotWord] = ()) -> T:
        """Return the result of `work`. Raises click.ClickException; its message quotes the word of `given` at fault."""
        done: list[T] = []

        async def worked() -> None:
            async with self._opened() as vocabularies:
                done.append(await work(vocabularies))

        key = self._key()
        try:
            running.run(worked())
        except (CompatError, SettingsError) as exc:
            param = exc.param if isinstance(exc, CompatError) else None
            raise click.ClickException(words.with_word(str(exc), param, given)) from exc
        except Exception as exc:
            if key or not isinstance(exc, server.failures()):
                raise
            reason = server.reason(exc, self._base_url)
            reason = reason.replace("or use --local", "or set DASHSCOPE_API_KEY to use DashScope directly")
            raise click.ClickException(words.with_word(reason, getattr(exc, "param", None), given)) from exc
        return done[0]

    def _key(self) -> str | None:
        """Return the key of the DashScope account, or None to use a server."""
        if self._ctx.get_parameter_source("base_url") == ParameterSource.COMMANDLINE:
            return None
        return self._settings.dashscope_api_key

    @functools.cached_property
    def _settings(self) -> Settings:
        settings = self._ctx.find_root().obj()
        assert isinstance(settings, Settings)  # noqa: S101 - see compat.cli.main
        return settings

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[Stored]:
        if key := self._key():
            async with stored.in_dashscope(self._settings, key) as vocabularies:
                yield vocabularies
        else:
            async with server.client(self._base_url, self._api_key) as client:
                yield stored.AtServer(client)


def _invoked(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `Invocation`, and pass one as the first argument."""

    def made(base_url: str, api_key: str, lines: bool, **given: Any) -> None:  # noqa: ANN401 - those of the command
        command(Invocation(click.get_current_context(), base_url, api_key, lines=lines), **given)

    option = click.option("--json", "lines", is_flag=True, help="Print JSON.")
    return server.address_options(option(functools.update_wrapper(made, command)))


def _words(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option(
        "--file",
        "file",
        type=click.File("rb"),
        help="File of words, or - for standard input: a line for each, `word [weight]`, or JSON.",
    )(command)
    return click.argument("given", type=TextParam(), metavar="[WORD[=WEIGHT]]...", nargs=-1)(command)


@click.group()
def vocabulary() -> None:
    """Manage hot words stored in DashScope.

    With DASHSCOPE_API_KEY, the command uses that account. Otherwise, or with --base-url, it uses a server, where the
    API key needs the scope admin.
    """


@vocabulary.command("list")
@click.option("--prefix", type=TextParam(), default="", help="Only vocabularies created with this prefix.")
@_invoked
def list_(invocation: Invocation, prefix: str) -> None:
    """List the vocabularies of the account."""
    found = invocation.run(lambda vocabularies: vocabularies.list_all(prefix))
    if invocation.lines:
        for each in found:
            click.echo(as_json(each))
    elif found:
        rows = [(each["id"], each["target_model"], each["status"], _time(each["created_at"])) for each in found]
        _table(("id", "model", "status", "created"), rows)
    else:
        click.echo("There are no vocabularies.", err=True)


@vocabulary.command()
@_words
@click.option(
    "--model",
    type=TextParam(),
    required=True,
    help="Model that the vocabulary is for, such as fun-asr; no other can use it.",
)
@click.option(
    "--prefix",
    type=TextParam(),
    default="words",
    show_default=True,
    help="Beginning of the id: up to 9 letters and digits.",
)
@_invoked
def create(invocation: Invocation, given: tuple[str, ...], file: IO[bytes] | None, model: str, prefix: str) -> None:
    """Create a vocabulary and print its id.

    A WORD may have a weight from 1 to 5, 4 by default, and for qwen-audio-3 models 50: Qwen=5.
    """
    read = _read(given, file)
    made = invocation.run(lambda vocabularies: vocabularies.create(model, prefix, read), read)
    if not invocation.lines:
        click.echo(f"Created for {made['target_model']}, with {_count(made)}.", err=True)
    click.echo(as_json(made) if invocation.lines else made["id"])


@vocabulary.command()
@click.argument("vocabulary_id", type=TextParam(filled=True), metavar="ID")
@_invoked
def show(invocation: Invocation, vocabulary_id: str) -> None:
    """Show a vocabulary with its words. The output with --json can be edited and used for update --file."""
    found = invocation.run(lambda vocabularies: vocabularies.get(vocabulary_id))
    if invocation.lines:
        click.echo(as_json(found))
        return
    modified = _time(found["updated_at"])
    _table(("id", "model", "status", "modified"), [(found["id"], found["target_model"], found["status"], modified)])
    click.echo()
    rows = [(word["text"], word["weight"], word.get("lang", "")) for word in found.get("vocabulary", ())]
    _table(("word", "weight", "language"), rows)


@vocabulary.command()
@click.argument("vocabulary_id", type=TextParam(filled=True), metavar="ID")
@_words
@click.option("--add", is_flag=True, help="Keep the words that the vocabulary has, and add these.")
@_invoked
def update(
    invocation: Invocation, vocabulary_id: str, given: tuple[str, ...], file: IO[bytes] | None, add: bool
) -> None:
    """Replace the words of a vocabulary.

    Leave 5 minutes between two updates, or the words may have no effect.
    """
    read = _read(given, file)
    whole: list[HotWord] = []

    async def updated(vocabularies: Stored) -> dict[str, Any]:
        before = (await vocabularies.get(vocabulary_id))["vocabulary"] if add else []
        whole.extend(words.merged([HotWord(**word) for word in before], read))
        return await vocabularies.update(vocabulary_id, whole)

    changed = invocation.run(updated, whole)
    click.echo(as_json(changed) if invocation.lines else f"Updated: {_count(changed)}.")


@vocabulary.command()
@click.argument("vocabulary_ids", type=TextParam(filled=True), metavar="ID...", nargs=-1, required=True)
@_invoked
def delete(invocation: Invocation, vocabulary_ids: tuple[str, ...]) -> None:
    """Delete vocabularies."""
    for vocabulary_id in vocabulary_ids:
        invocation.run(operator.methodcaller("delete", vocabulary_id))
        click.echo(as_json({"id": vocabulary_id, "deleted": True}) if invocation.lines else f"Deleted {vocabulary_id}.")


def _count(vocabulary: dict[str, Any]) -> str:
    number = len(vocabulary["vocabulary"])
    return f"{number} word{'' if number == 1 else 's'}"


def _read(given: tuple[str, ...], file: IO[bytes] | None) -> list[HotWord]:
    if not given and file is None:
        raise click.UsageError("Name words, or a file of words with --file.")
    try:
        return [*words.from_arguments(given), *(words.from_file(file.read()) if file else ())]
    except words.Unreadable as exc:
        raise click.ClickException(f"{file.name if file else '--file'}: {exc}.") from exc


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(box=None)
    for head in heads:
        table.add_column(head)
    for row in rows:
        table.add_row(*(Text(harmless("" if cell is None else str(cell))) for cell in row))
    Console(width=WIDE, highlight=False).print(table)


def _time(seconds: int | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds is not None else ""
