"""Runs probes against the configured account, one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence

import msgspec

from compat.cli.verify.driver import Driver, connected
from compat.cli.verify.sounds import Sounds
from compat.config.regions import root as host
from compat.config.settings import Settings
from compat.errors import CompatError, NotAuthenticated
from compat.probes.probe import SILENCE, Found, Probe, Trial
from compat.probes.report import Outcome
from compat.probes.steps import Unanswered

LONGEST = 300.0  # seconds for one probe
STRANGE = (msgspec.MsgspecError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""Raised by a probe for an answer of an unexpected form."""
ALL = 1200.0  # seconds for all probes


async def examine(
    settings: Settings,
    key: str,
    probes: Sequence[Probe],
    sounds: Sounds,
    *,
    pace: float = 1.0,
    silence: float = SILENCE,
) -> AsyncIterator[Outcome]:
    """Yield the outcome of each probe. Waits are multiplied by `pace`; see `Trial` for `silence`.

    Raises NotAuthenticated if the service refuses the key, and SettingsError.
    """
    hosts = other_hosts(settings)
    trial = Trial(
        region=settings.short_region,
        spoken=sounds.spoken,
        sound=sounds.media,
        pcm=sounds.pcm,
        token=lambda: secrets.token_hex(16),
        other_hosts=hosts,
        silence=silence,
    )
    deadline = asyncio.get_running_loop().time() + ALL
    async with connected() as client:
        driver = Driver(settings.root, settings.live_root, key, client, hosts=tuple(hosts.values()), pace=pace)
        for probe in probes:
            yield await _outcome(driver, probe, trial, deadline)


async def _outcome(driver: Driver, probe: Probe, trial: Trial, deadline: float) -> Outcome:
    if not probe.offered(trial.region):
        reason = f"{probe.model} is not offered in the region {trial.region}"
        return Outcome(probe=probe, state="not offered", found=Found(observed=reason))
    try:
        async with asyncio.timeout_at(min(deadline, asyncio.get_running_loop().time() + LONGEST)):
            found = await driver.run(probe.run(trial))
    except TimeoutError:
        reason = "the time was over"
    except Unanswered as exc:
        reason = str(exc)
    except STRANGE as exc:  # which must not end the probes that follow
        reason = f"the answer has an unexpected form ({type(exc).__name__})"
    except NotAuthenticated:
        raise  # no other probe would fare better
    except CompatError as exc:
        reason = exc.message
    else:
        return Outcome(probe=probe, state="answered", found=found)
    return Outcome(probe=probe, state="unanswered", found=Found(observed=reason))


def other_hosts(settings: Settings) -> dict[str, str]:
    """Return the roots of the region's shared host and of the workspace's own. A custom address has none."""
    if settings.base_url:
        return {}
    found = {"the workspace's host": settings.root} if settings.workspace_id else {}
    with contextlib.suppress(ValueError):  # the region has no shared host
        found["the shared host"] = host(settings.region, None, None)
    return found
