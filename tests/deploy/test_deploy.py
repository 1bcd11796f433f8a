"""The files under deploy/ and compose.yaml name existing settings, paths, ports and metrics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from compat.app import create_app
from compat.config.keys import parse
from compat.config.settings import Settings
from compat.endpoints.health import PATIENCE

ROOT = Path(__file__).parent.parent.parent
KUBERNETES = ROOT / "deploy" / "kubernetes"
RESOURCES = {
    (document["kind"], document["metadata"]["name"]): document
    for path in sorted(KUBERNETES.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in yaml.safe_load_all(path.read_text())
}
KUSTOMIZATION = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
CADDY = (ROOT / "deploy" / "Caddyfile").read_text()
NGINX = (ROOT / "deploy" / "nginx.conf").read_text()
KNOWN = {name for variable in Settings.variables().values() for name in variable.names}
PORT = int(re.findall(r"^EXPOSE (\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0])
DEPLOYMENT: dict[str, Any] = RESOURCES["Deployment", "server"]["spec"]["template"]["spec"]
SERVER: dict[str, Any] = DEPLOYMENT["containers"][0]
PODS = [RESOURCES["Deployment", "server"], RESOURCES["StatefulSet", "redis"]]
READINESS: str = SERVER["readinessProbe"]["httpGet"]["path"]
ENVIRONMENT = {variable["name"]: variable["value"] for variable in SERVER["env"]}
SECRETS = dict(line.split("=", 1) for line in (KUBERNETES / "example.env").read_text().splitlines())


def composed(name: str) -> dict[str, str]:
    """Return the environment of a service, with values filled in for required variables."""
    given: dict[str, str] = COMPOSE["services"][name]["environment"]
    filled = {key: re.sub(r"\${\w+:\?[^}]*}", "from-the-operator", value) for key, value in given.items()}
    return {key: re.sub(r"\${\w+:-([^}]*)}", r"\1", value) for key, value in filled.items()}


def environments() -> list[dict[str, str]]:
    return [{**ENVIRONMENT, **SECRETS}, *(composed(name) for name in COMPOSE["services"] if name.startswith("asr-"))]


@pytest.mark.parametrize("environment", environments())
def test_the_environment_of_a_server_consists_of_valid_settings(environment: dict[str, str]) -> None:
    assert set(environment) <= KNOWN
    settings = Settings.read(environment)

    assert settings.secret is not None
    assert (settings.store or "").startswith("redis://redis:")


def test_the_image_is_healthy_when_the_server_is_ready() -> None:
    text = (ROOT / "Dockerfile").read_text()
    health = text[text.index("HEALTHCHECK") :]

    assert [(str(PORT), READINESS)] == re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", health)
    assert int(re.findall(r"--timeout=(\d+)s", health)[0]) > PATIENCE


@pytest.mark.parametrize("probe", ["readinessProbe", "livenessProbe"])
async def test_a_probe_uses_an_existing_path_and_port(probe: str, tmp_path: Path) -> None:
    app = create_app(Settings(spool=tmp_path, base_url="http://127.0.0.1:1", attempts=1))
    target = SERVER[probe]["httpGet"]
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client:
        answer = await client.get(target["path"])

    assert answer.json().get("status") in ("ok", "not ready")
    assert {target["port"]: PORT} == {port["name"]: port["containerPort"] for port in SERVER["ports"]}


async def test_the_autoscaler_s_metric_exists(tmp_path: Path) -> None:
    app = create_app(Settings(spool=tmp_path))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client:
        text = (await client.get("/metrics")).text
    scaler = RESOURCES["HorizontalPodAutoscaler", "server"]["spec"]
    names = [metric["pods"]["metric"]["name"] for metric in scaler["metrics"] if metric["type"] == "Pods"]

    assert ["compat_sessions_open"] == names
    assert re.search(rf"^{names[0]} ", text, re.MULTILINE)
    assert scaler["scaleTargetRef"]["name"] == "server"
    assert float(scaler["metrics"][0]["pods"]["target"]["averageValue"]) < int(ENVIRONMENT["COMPAT_MAX_SESSIONS"])


@pytest.mark.parametrize("owner", PODS, ids=lambda owner: owner["metadata"]["name"])
def test_a_pod_runs_as_a_non_root_user_with_a_read_only_file_system(owner: dict[str, Any]) -> None:
    pod = owner["spec"]["template"]["spec"]
    rights = pod["containers"][0]["securityContext"]

    assert (True, False) == (pod["securityContext"]["runAsNonRoot"], pod["automountServiceAccountToken"])
    assert pod["enableServiceLinks"] is False  # else the environment names every Service of the namespace
    assert (True, False) == (rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"])
    assert ["ALL"] == rights["capabilities"]["drop"]


def test_writable_paths_are_on_volumes() -> None:
    mounted = {mount["mountPath"]: mount for mount in SERVER["volumeMounts"]}

    assert {mount["name"] for mount in mounted.values()} == {volume["name"] for volume in DEPLOYMENT["volumes"]}
    assert {ENVIRONMENT["COMPAT_SPOOL"], "/tmp"} == {path for path in mounted if "readOnly" not in mounted[path]}  # noqa: S108 - a mount
    keys = Path(ENVIRONMENT["COMPAT_API_KEYS_FILE"])
    assert str(keys.parent) in mounted
    assert [keys.name] == next(
        secret["files"] for secret in KUSTOMIZATION["secretGenerator"] if secret["name"] == "keys"
    )


def test_the_image_and_the_pod_have_the_same_user() -> None:
    [user] = re.findall(r"--uid (\d+)", (ROOT / "Dockerfile").read_text())

    assert int(user) == DEPLOYMENT["securityContext"]["runAsUser"]


def test_selectors_and_ports_match() -> None:
    for kind, name in RESOURCES:
        spec = RESOURCES[kind, name].get("spec", {})
        if kind == "Service":
            owner = next(owner for owner in PODS if owner["metadata"]["name"] == name)["spec"]["template"]
            assert spec["selector"] == owner["metadata"]["labels"]
            ports = {port["name"]: port["containerPort"] for port in owner["spec"]["containers"][0]["ports"]}
            assert [(port["targetPort"], port["port"]) for port in spec["ports"]] == list(ports.items())
        if kind == "PodDisruptionBudget":
            assert ("Deployment", spec["selector"]["matchLabels"]["app"]) in RESOURCES
    backend = RESOURCES["Ingress", "server"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert (("Service", backend["name"]) in RESOURCES, "http") == (True, backend["port"]["name"])


def test_the_kustomization_lists_every_file() -> None:
    named = {*KUSTOMIZATION["resources"], "kustomization.yaml"}

    assert named == {path.name for path in KUBERNETES.glob("*.yaml")}
    assert {"DASHSCOPE_API_KEY", "COMPAT_SECRET"} <= set(SECRETS)
    assert "admin" in {scope for entry in parse((KUBERNETES / "example.keys").read_text()) for scope in entry.scopes}
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"deploy/kubernetes/secret.env", "deploy/kubernetes/keys"} <= set(ignored)


def test_the_grace_period_of_a_pod_covers_the_server_s_shutdown() -> None:
    settings = Settings.read(ENVIRONMENT)

    assert settings.drain_delay >= SERVER["readinessProbe"]["periodSeconds"]
    assert DEPLOYMENT["terminationGracePeriodSeconds"] >= settings.drain_delay + settings.grace + 30
    assert int(COMPOSE["x-server"]["stop_grace_period"].removesuffix("s")) >= settings.grace + 30


def test_proxies_list_the_servers_and_allow_the_largest_uploads() -> None:
    servers = [f"{name}:{PORT}" for name in COMPOSE["services"] if name.startswith("asr-")]

    assert servers == re.findall(r"\basr-\d:\d+", CADDY) == re.findall(r"\basr-\d:\d+", NGINX)
    assert "health_uri /readyz" in CADDY
    assert "/metrics" in CADDY
    notes = RESOURCES["Ingress", "server"]["metadata"]["annotations"]
    sizes = {notes["nginx.ingress.kubernetes.io/proxy-body-size"], *re.findall(r"client_max_body_size (\w+)", NGINX)}
    assert {"2g"} == sizes
    assert 2 << 30 == Settings().max_upload
    waits = {notes[f"nginx.ingress.kubernetes.io/proxy-{kind}-timeout"] for kind in ("read", "send")}
    assert {str(round(Settings().task_deadline))} == waits
    assert ["3h", "3h"] == re.findall(r"proxy_(?:read|send)_timeout (\w+)", NGINX)


def test_composed_services_are_restricted() -> None:
    server = COMPOSE["x-server"]

    assert (True, ["ALL"]) == (server["read_only"], server["cap_drop"])
    assert all(port.startswith("127.0.0.1:") for name in COMPOSE["services"] for port in ports(name))


def ports(name: str) -> list[str]:
    published: list[str] = COMPOSE["services"][name].get("ports", [])
    return published
