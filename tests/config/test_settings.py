from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from compat.config import variables
from compat.config.settings import Settings
from compat.config.variables import SettingsError

ROOTS = [
    ({}, "https://dashscope.aliyuncs.com", "wss://dashscope.aliyuncs.com", "beijing"),
    (
        {"DASHSCOPE_REGION": "singapore"},
        "https://dashscope-intl.aliyuncs.com",
        "wss://dashscope-intl.aliyuncs.com",
        "singapore",
    ),
    (
        {"DASHSCOPE_REGION": "us", "DASHSCOPE_WORKSPACE": "ws-1"},  # as dashscope.Client reads it
        "https://ws-1.us-east-1.maas.aliyuncs.com",
        "wss://ws-1.us-east-1.maas.aliyuncs.com",
        "us",
    ),
    ({"DASHSCOPE_REGION": "US"}, "https://dashscope-us.aliyuncs.com", "wss://dashscope-us.aliyuncs.com", "us"),
    (
        {"DASHSCOPE_API_REGION": "eu-central-1", "DASHSCOPE_WORKSPACE_ID": "ws-1"},
        "https://ws-1.eu-central-1.maas.aliyuncs.com",
        "wss://ws-1.eu-central-1.maas.aliyuncs.com",
        "eu-central-1",
    ),
    (
        {"DASHSCOPE_REGION": "beijing", "DASHSCOPE_WORKSPACE_ID": "ws-1"},
        "https://ws-1.cn-beijing.maas.aliyuncs.com",
        "wss://ws-1.cn-beijing.maas.aliyuncs.com",
        "beijing",
    ),
    (
        {"DASHSCOPE_BASE_URL": "https://dashscope-us.aliyuncs.com/compatible-mode/v1/"},
        "https://dashscope-us.aliyuncs.com",
        "wss://dashscope-us.aliyuncs.com",
        "us",
    ),
    (
        {"DASHSCOPE_HTTP_BASE_URL": "http://127.0.0.1:9/api/v1"},
        "http://127.0.0.1:9",
        "ws://127.0.0.1:9",
        "custom",
    ),
    (
        {"DASHSCOPE_BASE_URL": "https://ws-1.ap-southeast-1.maas.aliyuncs.com"},
        "https://ws-1.ap-southeast-1.maas.aliyuncs.com",
        "wss://ws-1.ap-southeast-1.maas.aliyuncs.com",
        "singapore",
    ),
    (
        {"DASHSCOPE_WEBSOCKET_BASE_URL": "wss://live.example/api-ws/v1/inference"},
        "https://dashscope.aliyuncs.com",
        "wss://live.example",
        "beijing",
    ),
]


@pytest.mark.parametrize(("environment", "root", "live", "region"), ROOTS)
def test_the_root_follows_from_region_workspace_or_address(
    environment: dict[str, str], root: str, live: str, region: str
) -> None:
    settings = Settings.read(environment)

    assert (root, live, region) == (settings.root, settings.live_root, settings.short_region)


FALLBACKS = [
    ({}, None),
    ({"DASHSCOPE_FALLBACK_API_KEY": "k"}, "https://dashscope.aliyuncs.com"),
    ({"DASHSCOPE_FALLBACK_API_KEY": "k", "DASHSCOPE_BASE_URL": "http://127.0.0.1:9"}, "http://127.0.0.1:9"),
    (
        {"DASHSCOPE_FALLBACK_API_KEY": "k", "DASHSCOPE_FALLBACK_REGION": "us", "DASHSCOPE_WORKSPACE_ID": "w"},
        "https://dashscope-us.aliyuncs.com",
    ),
    (
        {"DASHSCOPE_FALLBACK_API_KEY": "k", "DASHSCOPE_FALLBACK_WORKSPACE_ID": "w", "DASHSCOPE_REGION": "us"},
        "https://w.us-east-1.maas.aliyuncs.com",
    ),
    ({"DASHSCOPE_FALLBACK_API_KEY": "k", "DASHSCOPE_FALLBACK_BASE_URL": "http://x"}, "http://x"),
]


@pytest.mark.parametrize(("environment", "root"), FALLBACKS)
def test_the_second_account_uses_the_root_of_the_first_by_default(
    environment: dict[str, str], root: str | None
) -> None:
    settings = Settings.read(environment)

    assert root == settings.fallback_root
    assert (root and root.replace("http", "ws", 1)) == settings.fallback_live_root


def test_a_second_account_with_the_same_root_uses_the_same_live_root() -> None:
    given = {"DASHSCOPE_FALLBACK_API_KEY": "k", "DASHSCOPE_WEBSOCKET_BASE_URL": "wss://x/api-ws/v1/realtime"}
    other_region = {**given, "DASHSCOPE_FALLBACK_REGION": "us"}

    assert "wss://x" == Settings.read(given).fallback_live_root
    assert "wss://dashscope-us.aliyuncs.com" == Settings.read(other_region).fallback_live_root


WRONG = [
    ({"COMPAT_MAX_UPLOAD": "much"}, "COMPAT_MAX_UPLOAD should be a number of bytes"),
    ({"COMPAT_MAX_DURATION": "-1"}, "COMPAT_MAX_DURATION should be a number of seconds"),
    ({"COMPAT_READINGS": "/nowhere"}, "COMPAT_READINGS should be a file that `qwen-asr-compat verify` wrote"),
    ({"COMPAT_PASS_KEY": "maybe"}, "COMPAT_PASS_KEY should be true or false"),
    ({"COMPAT_ATTEMPTS": "0"}, "COMPAT_ATTEMPTS should be a whole number"),
    ({"COMPAT_MODEL_ALIASES": "mine"}, "COMPAT_MODEL_ALIASES should be a comma-separated list"),
    ({"DASHSCOPE_BASE_URL": "dashscope"}, "DASHSCOPE_BASE_URL should be an address"),
    ({"DASHSCOPE_BASE_URL": "wss://dashscope.example"}, "DASHSCOPE_BASE_URL should be an address"),
    ({"DASHSCOPE_FALLBACK_REGION": "us"}, "DASHSCOPE_FALLBACK_REGION needs DASHSCOPE_FALLBACK_API_KEY"),
    ({"DASHSCOPE_FALLBACK_WORKSPACE_ID": "ws"}, "DASHSCOPE_FALLBACK_WORKSPACE_ID needs DASHSCOPE_FALLBACK_API_KEY"),
    ({"DASHSCOPE_FALLBACK_BASE_URL": "https://x"}, "DASHSCOPE_FALLBACK_BASE_URL needs DASHSCOPE_FALLBACK_API_KEY"),
    (
        {"COMPAT_ENGINE": "whisper"},
        "COMPAT_ENGINE should be openai (a server at COMPAT_ENGINE_URL), moonshine or tones",
    ),
    ({"COMPAT_ENGINE": "openai"}, "COMPAT_ENGINE=openai needs COMPAT_ENGINE_URL"),
    ({"COMPAT_ENGINE_URL": "http://gpu:8000"}, "COMPAT_ENGINE_URL needs COMPAT_ENGINE=openai"),
    ({"COMPAT_ENGINE_URL": "gpu:8000"}, "COMPAT_ENGINE_URL should be the base URL of a server"),
    (
        {"COMPAT_ENGINE": "openai", "COMPAT_ENGINE_URL": "http://gpu:8000", "COMPAT_PASS_KEY": "1"},
        "COMPAT_PASS_KEY passes keys on to DashScope, which COMPAT_ENGINE=openai replaces",
    ),
    ({"COMPAT_LOG_LEVEL": "loud"}, "COMPAT_LOG_LEVEL should be debug"),
    ({"COMPAT_JOB_RETENTION": "-1"}, "COMPAT_JOB_RETENTION should be a number of seconds, 0 or more"),
    ({"COMPAT_HEARTBEAT": "0"}, "COMPAT_HEARTBEAT should be a number of seconds above 0"),
    ({"COMPAT_WEBHOOK_SECRET": "whsec_c2hvcnQ="}, "COMPAT_WEBHOOK_SECRET should be whsec_"),
    ({"COMPAT_WEBHOOK_SECRET": "c2hvcnQgc2VjcmV0cyBhcmUgbm90IG1lYW50"}, "COMPAT_WEBHOOK_SECRET should be whsec_"),
    ({"COMPAT_STORE": "off"}, "COMPAT_STORE should be a SQLite file's path or redis://"),
    ({"COMPAT_MAX_SPOOL": "40M", "COMPAT_MAX_UPLOAD": "41M"}, "COMPAT_MAX_SPOOL should be at least COMPAT_MAX_UPLOAD"),
    ({"COMPAT_MAX_UPLOAD": "65G"}, "COMPAT_MAX_SPOOL should be at least COMPAT_MAX_UPLOAD"),
    ({"DASHSCOPE_REGION": "eu-central-1"}, "any other needs DASHSCOPE_WORKSPACE_ID"),
    (
        {"DASHSCOPE_FALLBACK_API_KEY": "k", "DASHSCOPE_FALLBACK_REGION": "eu-central-1"},
        "any other needs DASHSCOPE_FALLBACK_WORKSPACE_ID",
    ),
]


@pytest.mark.parametrize(("environment", "message"), WRONG)
def test_an_invalid_setting_is_named_with_its_valid_values(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        Settings.read(environment)


@pytest.mark.parametrize("upload", [{}, {"COMPAT_MAX_UPLOAD": " "}])
def test_the_default_upload_limit_does_not_exceed_the_spool(upload: dict[str, str]) -> None:
    assert 40 << 20 == Settings.read({"COMPAT_MAX_SPOOL": "40M", **upload}).max_upload


def test_no_upload_need_be_kept_in_memory() -> None:
    sizes = [Settings.read({"COMPAT_MAX_UPLOAD_MEMORY": text}).max_upload_memory for text in ("0", "32M")]

    assert [0, 32 << 20] == sizes


def test_values_are_parsed_and_empty_ones_ignored() -> None:
    settings = Settings.read(
        {
            "COMPAT_API_KEYS": " sk-of-alice, sk-of-bob ,",
            "COMPAT_MODEL_ALIASES": "mine=fun-asr, yours = paraformer-v2",
            "COMPAT_MAX_UPLOAD": "25M",
            "COMPAT_PASS_KEY": "on",
            "COMPAT_JOB_RETENTION": "0",
            "COMPAT_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "DASHSCOPE_API_KEY": " ",
        }
    )

    assert ("sk-of-alice", "sk-of-bob") == settings.api_keys
    assert {"mine": "fun-asr", "yours": "paraformer-v2"} == settings.aliases
    assert 25 << 20 == settings.max_upload
    assert settings.pass_key
    assert 0 == settings.job_retention
    assert 24 == len(settings.webhook_secret or b"")
    assert settings.dashscope_api_key is None


def test_the_settings_page_is_up_to_date_and_its_defaults_are_valid() -> None:
    root = Path(__file__).parent.parent.parent
    subprocess.run([sys.executable, root / "scripts" / "settings.py", "--check"], cwd=root, check=True)

    page = (root / "docs" / "run" / "settings.md").read_text()
    defaults = dict(re.findall(r"^\| `(\w+)`[^|]*\| `(.+?)` \|", page, re.MULTILINE))
    assert len(defaults) > 30
    assert Settings() == Settings.read(defaults)


def test_rates_and_prices_are_parsed() -> None:
    settings = Settings.read(
        {"COMPAT_RATES": "fun-asr=5/second", "COMPAT_PRICES": "fun-asr=0.00004, qwen-audio-3.1-asr-flash=0.1/0.4"}
    )

    assert {"fun-asr": "5/second"} == settings.rates
    assert {"fun-asr": (0.00004,), "qwen-audio-3.1-asr-flash": (0.1, 0.4)} == settings.prices
    assert Settings.read({"COMPAT_RATES": "off"}).rates is None
    for wrong in ({"COMPAT_RATES": "fun-asr=fast"}, {"COMPAT_RATES": "fun-asr=0/minute"}, {"COMPAT_PRICES": "x=free"}):
        with pytest.raises(SettingsError, match="should be"):
            Settings.read(wrong)


SECRET = "never-shown-0123456789"
VARIABLES = {name: variable for variable in Settings.variables().values() for name in variable.names}
GARBAGE = (
    SECRET,
    f"redis://user:{SECRET}@host:port/0",
    f"https://user:{SECRET}@[::1",
    f"s3://{SECRET}:x@y?region=z",
    f"{SECRET}={SECRET}",
    f"whsec_{SECRET}",
    f"line one {SECRET}\nline two",
    f"\x00\x1b[31m{SECRET}",
    "é" * 300,
)


def refusal(environment: dict[str, str]) -> str:
    """Return the error message; empty if the settings are accepted."""
    try:
        Settings.read(environment)
    except SettingsError as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize("name", VARIABLES)
def test_the_error_for_garbage_names_the_setting_and_does_not_repeat_the_value(name: str) -> None:
    messages = [message for given in GARBAGE if (message := refusal({name: given}))]

    assert all(message.startswith((name, VARIABLES[name].names[0])) for message in messages)
    assert not any(SECRET in message or "\n" in message for message in messages)


MISSPELT = [
    ("COMPAT_MAX_UPLOADS", "COMPAT_MAX_UPLOAD"),
    ("COMPAT_API_KEY", "COMPAT_API_KEYS"),
    ("COMPAT_MODEL_ALIAS", "COMPAT_MODEL_ALIASES"),
    ("COMPAT_JOBS_GRACE", "COMPAT_JOB_GRACE"),
    ("COMPAT_TRUSTED_PROXY", "COMPAT_TRUSTED_PROXIES"),
    ("COMPAT_SOTRE", "COMPAT_STORE"),
    ("COMPAT_TRACE", "COMPAT_GRACE or COMPAT_TRACES"),
    ("COMPT_STORE", "COMPAT_STORE"),
    ("compat_store", "COMPAT_STORE"),
    ("DASHSCOPE_APIKEY", "DASHSCOPE_API_KEY"),
    ("DASHCOPE_API_KEY", "DASHSCOPE_API_KEY"),
]


@pytest.mark.parametrize(("name", "meant"), MISSPELT)
def test_a_misspelt_setting_is_rejected(name: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is not a setting; {meant} is.$"):
        Settings.read({name: SECRET})


@pytest.mark.parametrize("name", VARIABLES)
def test_every_name_with_one_wrong_letter_is_rejected(name: str) -> None:
    for at in range(len(name)):
        for wrong in (name[:at] + name[at + 1 :], f"{name[:at]}Z{name[at:]}", f"{name[:at]}Z{name[at + 1 :]}"):
            if wrong not in VARIABLES and not variables.SERVICE.fullmatch(wrong):  # COMPATZ_PORT is set by Kubernetes
                with pytest.raises(SettingsError, match=f"{wrong} is not a setting"):
                    Settings.read({wrong: "1"})


def test_the_second_name_of_a_setting_is_reported_if_the_values_differ() -> None:
    given = {
        "DASHSCOPE_REGION": "beijing",
        "DASHSCOPE_API_REGION": "singapore",
        "DASHSCOPE_BASE_URL": "https://a.example",
        "DASHSCOPE_HTTP_BASE_URL": "https://a.example/api/v1/",
        "DASHSCOPE_COMPATIBLE_BASE_URL": "https://b.example/compatible-mode/v1",
    }

    assert [
        ("DASHSCOPE_API_REGION", "DASHSCOPE_REGION"),
        ("DASHSCOPE_COMPATIBLE_BASE_URL", "DASHSCOPE_BASE_URL"),
    ] == Settings.overruled(given)


SERVICE = ("_SERVICE_HOST", "_SERVICE_PORT", "_SERVICE_PORT_HTTP", "_PORT")
PORT = ("_PORT_8000_TCP", "_PORT_8000_TCP_ADDR", "_PORT_8000_TCP_PORT", "_PORT_8000_TCP_PROTO")


def test_kubernetes_service_variables_are_ignored() -> None:
    """Also for a Service named `compat`, or named like a setting."""
    services = ["COMPAT", *(name for name in VARIABLES if name.startswith("COMPAT_"))]
    given = dict.fromkeys((f"{service}{end}" for service in services for end in (*SERVICE, *PORT)), "10.0.0.1")

    assert Settings() == Settings.read(given)
    assert sorted(given) == Settings.unknown({**given, "PATH": "/bin", "COMPAT_STORE": "x"})
    assert ["DASHSCOPE_TIMEOUT"] == Settings.unknown({"DASHSCOPE_TIMEOUT": "300", "DASHSCOPE_API_KEY": "x"})
