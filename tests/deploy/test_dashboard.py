"""Every query of the Grafana dashboard and of the alert rules uses metrics and labels that the server exports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from compat.app import create_app
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.observability.entry import RequestEntry
from compat.observability.metrics import Metrics

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
BOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus-rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
OF_PROMETHEUS = {"job", "instance", "le"}
REQUEST: dict[str, Any] = {
    "method": "POST", "path": "/v1/audio/transcriptions", "status": 200, "ms": 1.0, "caller": "alice",
    "model": "qwen3-asr-flash", "audio_seconds": 1.0, "upload_ms": 1.0, "render_ms": 1.0,
}  # fmt: skip
SESSION = {
    "caller": "alice", "model": "qwen3-asr-flash-realtime", "audio_seconds": 1.0, "dialect": "ga", "code": 1000,
    "seconds": 1.0, "items": 1, "corrections": 1, "reconnections": 1,
}  # fmt: skip


def queries() -> list[str]:
    panels = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", [])]
    variables: list[Any] = [variable["query"] for variable in BOARD["templating"]["list"]]
    return panels + [query["query"] for query in variables if isinstance(query, dict)]


def labels() -> dict[str, set[str]]:
    """Return the labels of each sample, by name, after every kind of event was counted once."""
    metrics = Metrics(region="beijing", prices={})
    metrics.request(RequestEntry(**REQUEST))
    metrics.session(SESSION)
    metrics.audio(Principal("k"), "qwen3-asr-flash", 1.0)
    metrics.stage("queue", 1.0)
    metrics.call("chat", "ok", first=False)
    metrics.breaker("chat", is_open=False)
    metrics.first_delta("live", 1.0)
    metrics.final("live", 1.0)
    metrics.job("begun")
    metrics.lag(0.001)
    metrics.refusal(408, "request_timeout")
    return dict(_samples(metrics.text().decode()))


def _samples(text: str) -> Iterator[tuple[str, set[str]]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, set(sample.labels)


@pytest.fixture
async def known(tmp_path: Path) -> dict[str, set[str]]:
    """Return `labels` and the app's watched gauges, which have no labels."""
    app = create_app(Settings(dashscope_api_key="k", spool=tmp_path))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client:
        watched = dict(_samples((await client.get("/metrics")).text))
    return watched | labels()


@pytest.mark.parametrize("query", [*queries(), *(rule["expr"] for rule in RULES)])
def test_a_query_uses_existing_metrics_and_labels(known: dict[str, set[str]], query: str) -> None:
    names = re.findall(r"\bcompat_\w+", query)
    wanted = {label for group in re.findall(r"by \((.+?)\)", query) for label in group.split(", ")}
    wanted |= {label for group in re.findall(r"{(.+?)}", query) for label in re.findall(r"(\w+)[=!]", group)}

    assert names
    for name in names:
        assert wanted - OF_PROMETHEUS <= known[name]


@pytest.mark.parametrize("panel", [panel for panel in BOARD["panels"] if panel["type"] != "row"])
def test_a_legend_uses_labels_that_its_query_keeps(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        kept = {label for group in re.findall(r"by \((.+?)\)", target["expr"]) for label in group.split(", ")}
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    text = f"{rule['annotations']['summary']} {rule['annotations']['description']}"
    kept = {label for group in re.findall(r"by \((.+?)\)", rule["expr"]) for label in group.split(", ")}
    root = DEPLOY.parent

    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(re.findall(r"\$labels\.(\w+)", text)) <= kept
    assert [] == [page for page in re.findall(r"\bdocs/[\w/.-]+\.md", text) if not (root / page).exists()]
    assert set(re.findall(r"\bCOMPAT_[A-Z_]+\b", text)) <= {
        name for variable in Settings.variables().values() for name in variable.names
    }


def test_panels_have_unique_positions_and_ids() -> None:
    panels = BOARD["panels"]

    assert len(panels) == len({panel["id"] for panel in panels})
    assert len(panels) == len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels})


async def test_every_metric_is_shown(known: dict[str, set[str]]) -> None:
    shown = {name for query in queries() for name in re.findall(r"\bcompat_\w+", query)}
    families = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in known}

    assert families - {re.sub(r"_(total|bucket)$", "", name) for name in shown} == {"compat_session_seconds"}


def test_the_page_lists_every_metric(known: dict[str, set[str]]) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "run" / "monitoring.md").read_text()
    listed = set(re.findall(r"`(compat_\w+)`", page))

    assert {
        re.sub(r"_(bucket|sum|count|created)$", "", name) for name in known if not name.endswith("_created")
    } == listed
