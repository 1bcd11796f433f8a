"""The wheel in empty environments: two of four combinations each day, always including the lowest versions."""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path

import pytest

from tests import witnesses

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "installs.py"
NEWEST = ("3.11-newest", "3.12-newest", "3.13-newest")
TODAY = ("3.11-lowest", NEWEST[datetime.datetime.now(datetime.UTC).toordinal() % len(NEWEST)])


@pytest.mark.timeout(600)  # downloads of new releases are large
@pytest.mark.parametrize("combination", TODAY)
def test_the_wheel_serves_and_transcribes_in_an_empty_environment(combination: str) -> None:
    done = subprocess.run([sys.executable, "-P", SCRIPT, combination], capture_output=True, text=True, check=False)

    if done.returncode == 75:
        witnesses.missing(combination, f"{done.stderr}scripts/installs.py {combination}")
    assert f"{combination}: installed, served and transcribed" in done.stdout, done.stderr
