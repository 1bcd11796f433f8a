"""`verify`: probe the configured account for behaviour that DashScope's documents leave open. Shows the price first."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec
from rich.console import Console
from rich.table import Table

from compat import __version__
from compat.cli.report import harmless
from compat.cli.verify.examination import ALL, examine
from compat.cli.verify.sounds import SPOKEN, Sounds, speech
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.errors import NotAuthenticated
from compat.probes.listing import MOST, PROBES, UNPROBED
from compat.probes.probe import Probe
from compat.probes.report import Outcome, document, error_rates, row

OUTPUT = Path("dashscope-readings.json")


@click.command()
@click.option("--yes", is_flag=True, help="Spend up to the price that is shown, without asking.")
@click.option("--only", "names", multiple=True, metavar="NAME", help="Run this probe only; may be repeated.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=OUTPUT,
    show_default=True,
    help="File to write the results to.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.pass_context
def verify(ctx: click.Context, yes: bool, names: tuple[str, ...], output: Path, force: bool) -> None:
    """Find out how DashScope treats your account.

    Runs probes for what its documents leave open, at most CNY 1 in all. It shows the price and asks first. The results
    contain no keys, addresses or transcripts; the emulator takes them with --readings.
    """
    settings = ctx.find_root().obj()
    assert isinstance(settings, Settings)  # noqa: S101 - see compat.cli.main
    if not settings.dashscope_api_key:
        raise click.ClickException("Set DASHSCOPE_API_KEY: the probes run on the account of that key.")
    probes = selected(names)
    if output.exists() and not force:
        raise click.ClickException(f"{output} exists (use --force to replace it).")
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise click.ClickException(f"{output} cannot be written.")
    console = Console()
    _agree(console, settings, probes, yes=yes)
    outcomes: list[Outcome] = []
    with contextlib.ExitStack() as stack:
        stack.callback(_write, output, settings, outcomes)  # after Ctrl-C too: they have been paid for
        try:
            asyncio.run(_run(console, settings, settings.dashscope_api_key, probes, outcomes))
        except (SettingsError, NotAuthenticated) as exc:
            raise click.ClickException(str(exc)) from exc
    _show(console, outcomes, _secrets(settings))


def selected(names: Sequence[str]) -> list[Probe]:
    known = {probe.name: probe for probe in PROBES}
    for name in names:
        if name not in known:
            raise click.UsageError(f"--only {name}: no such probe; expected one of {', '.join(known)}.")
    return [known[name] for name in names] if names else list(PROBES)


def _agree(console: Console, settings: Settings, probes: Sequence[Probe], *, yes: bool) -> None:
    """Show the price and ask. Without a terminal, `yes` is required."""
    region = settings.short_region
    table = Table("probe", "question", "CNY, at most", box=None)
    for probe in probes:
        price = _price(probe.price(region)) if probe.offered(region) else "not offered"
        table.add_row(probe.name, probe.question, price)
    console.print(table)
    total = sum(probe.price(region) for probe in probes)
    minutes = min(ALL, sum(probe.waits for probe in probes)) / 60
    click.echo(f"Together at most CNY {total:.2f}, and about {max(1, round(minutes))} minutes, in the region {region}.")
    if total > MOST:
        raise click.ClickException(f"The probes may cost more than CNY {MOST:.0f}: choose some with --only.")
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nothing was sent: to spend this without being asked, use --yes.")
    if not click.confirm("Run the probes?"):
        raise click.ClickException("Nothing was sent.")


def _price(yuan: float) -> str:
    return f"{yuan:.4f}" if yuan else "free"


async def _run(
    console: Console, settings: Settings, key: str, probes: Sequence[Probe], outcomes: list[Outcome]
) -> None:
    """Run the probes and add what they find to `outcomes`."""
    secrets = _secrets(settings)
    with tempfile.TemporaryDirectory(prefix="qwen-asr-compat-") as folder:
        async for outcome in examine(settings, key, probes, Sounds(Path(folder), speech(), SPOKEN)):
            outcomes.append(outcome)
            shown = row(outcome, secrets)
            first = shown.observed.partition("\n")[0]
            console.print(harmless(f"{shown.probe}: {shown.state}, {first}"), markup=False, highlight=False)


def _secrets(settings: Settings) -> tuple[str, ...]:
    """Return the texts that results must not contain: keys, and names that identify the account."""
    texts = (settings.dashscope_api_key, settings.workspace_id, urlsplit(settings.root).hostname)
    return tuple(text for text in texts if text)


def _write(output: Path, settings: Settings, outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        return
    about = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "version": __version__,
        "region": settings.short_region,
        "workspace_host": bool(settings.workspace_id),
    }
    whole = document(outcomes, spoken=SPOKEN, about=about, unprobed=UNPROBED, secrets=_secrets(settings))
    try:
        output.write_bytes(msgspec.json.format(msgspec.json.encode(whole)) + b"\n")
    except OSError as exc:
        raise click.ClickException(f"{output} cannot be written: {exc.strerror}.") from exc
    click.echo(f"Written to {output}. Play these readings with: qwen-asr-compat emulator --readings {output}")


def _show(console: Console, outcomes: Sequence[Outcome], secrets: Sequence[str]) -> None:
    table = Table("probe", "expected", "", "observed", "evidence", box=None)
    for outcome in outcomes:
        shown = row(outcome, secrets)
        differs = "≠" if shown.differs else ""
        table.add_row(*map(harmless, (shown.probe, shown.expected, differs, shown.observed, shown.evidence)))
    console.print(table)
    rates = Table("model", "word error rate", box=None)
    for model, rate in error_rates(outcomes, SPOKEN).items():
        rates.add_row(model, f"{rate:.1%}")
    if rates.row_count:
        console.print(rates)
    missing = Table("not probed", "why", box=None)
    for what, why in UNPROBED.items():
        missing.add_row(what, why)
    console.print(missing)
