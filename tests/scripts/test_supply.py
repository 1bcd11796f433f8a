"""The bill of materials, and the audit of locked packages against a vulnerability database."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers import serve
from tests.witnesses import free_port

ROOT = Path(__file__).parent.parent.parent
HASH = "--hash=sha256:" + "0" * 64
LOCK = f"click==8.1.0 {HASH}\nrich==13.0.0 ; python_version >= '3' {HASH}\n"


def test_the_bill_of_materials_lists_the_locked_packages(tmp_path: Path) -> None:
    """Uses a few packages: validation of all against CycloneDX's schema takes ten seconds."""
    whole = (ROOT / "requirements" / "base.lock").read_text()
    entries = sorted(re.split(r"^(?=\w)", whole, flags=re.MULTILINE), key=len)[1:5]
    (lock := tmp_path / "lock").write_text("".join(entries))
    subprocess.run([ROOT / "scripts" / "sbom", lock, tmp_path / "sbom.json"], check=True, timeout=60)

    bill = json.loads((tmp_path / "sbom.json").read_text())
    locked = [re.split("==| ", entry)[:2] for entry in entries]
    assert ("CycloneDX", "qwen-asr-compat") == (bill["bomFormat"], bill["metadata"]["component"]["name"])
    assert sorted(locked) == sorted([part["name"], part["version"]] for part in bill["components"])


async def vulnerable(request: Request) -> Response:
    name = (await request.json())["package"]["name"]
    affected = {"package": {"name": "rich", "ecosystem": "PyPI"}, "versions": ["13.0.0"]}
    vulnerability = {"id": "GHSA-0000-0000-0000", "summary": "It is too rich.", "affected": [affected]}
    return JSONResponse({"vulns": [vulnerability]} if name == "rich" else {})


async def innocent(_: Request) -> Response:
    return JSONResponse({})


async def down(request: Request) -> Response:
    """Answer the availability check, but fail every lookup."""
    name = (await request.json())["package"]["name"]
    return JSONResponse({}, 200 if name == "pip" else 500)


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, str]]:
    known = {"innocent": innocent, "vulnerable": vulnerable, "down": down}
    routes = [Route(f"/{name}", answer, methods=["POST"]) for name, answer in known.items()]
    with serve(Starlette(routes=routes)) as root:
        yield {name: f"{root}/{name}" for name in known} | {"gone": f"http://127.0.0.1:{free_port()}"}


OUTCOMES = [
    ("innocent", 0, r"No known vulnerabilities in \S+lock\.\n"),
    ("vulnerable", 1, r"Known vulnerabilities in .*rich.*13\.0\.0.*GHSA-0000-0000-0000.*"),
    ("down", 0, r"Known vulnerabilities were not looked up: [^\n]+\n"),
    ("gone", 0, r"Known vulnerabilities were not looked up: \S+ does not answer\.\n"),
]


@pytest.mark.parametrize(("service", "code", "output"), OUTCOMES)
def test_only_a_known_vulnerability_is_a_failure(
    services: dict[str, str], tmp_path: Path, service: str, code: int, output: str
) -> None:
    (tmp_path / "lock").write_text(LOCK)
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "audit.py", tmp_path / "lock"],
        env={**os.environ, "AUDIT_SERVICE": services[service], "AUDIT_SECONDS": "60"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert code == done.returncode
    assert re.fullmatch(output, done.stdout + done.stderr, re.DOTALL)
