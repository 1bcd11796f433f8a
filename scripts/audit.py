"""Look up known vulnerabilities of the packages in a lock file: scripts/audit.py [lock]

If the service is unavailable or too slow, the script prints one line and succeeds, because checks also run offline.
AUDIT_SERVICE is another address of OSV's query API, AUDIT_SECONDS the timeout.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import click

SERVICE = os.environ.get("AUDIT_SERVICE", "https://api.osv.dev/v1/query")
SECONDS = float(os.environ.get("AUDIT_SECONDS", "15"))
KNOWN = b'{"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "1.0"}'


def answers() -> bool:
    try:
        with urllib.request.urlopen(SERVICE, KNOWN, 3) as answer:  # noqa: S310 - an address of our own
            return bool(answer.status == 200)
    except OSError:
        return False


def audit(lock: str) -> tuple[int, str]:
    """Return the exit code and the message."""
    if not answers():
        return 0, f"Known vulnerabilities were not looked up: {SERVICE} does not answer."
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found"
        command = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--require-hashes", "--disable-pip"]
        command += ["--vulnerability-service", "osv", "--osv-url", SERVICE, "--timeout", "5"]
        command += ["--progress-spinner", "off", "--format", "markdown", "--output", str(found)]
        try:
            done = subprocess.run(command, timeout=SECONDS, check=False, capture_output=True, text=True)
        except subprocess.TimeoutExpired:
            return 0, f"Known vulnerabilities were not looked up: {SERVICE} takes longer than {SECONDS:g} s."
        if done.returncode == 0:
            return 0, f"No known vulnerabilities in {lock}."
        if found.exists():
            return 1, f"Known vulnerabilities in {lock}:\n\n{found.read_text()}"
        return 0, f"Known vulnerabilities were not looked up: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}"


if __name__ == "__main__":
    code, said = audit(sys.argv[1] if len(sys.argv) > 1 else "requirements/base.lock")
    click.echo(said, err=code != 0)
    sys.exit(code)
