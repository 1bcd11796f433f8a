from __future__ import annotations

import re
from pathlib import Path

import pytest

from compat.settings import Settings
from compat.variables import SettingsError

ROOTS = [
    ({}, "https://dashscope.aliyuncs.com", "wss://dashscope.aliyuncs.com", "beijing"),
    (
        {"DASHSCOPE_REGION": "singapore"},
        "https://dashscope-intl.aliyuncs.com",
        "wss://dashscope-intl.aliyuncs.com",
        "singapore",
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
def test_the_service_is_found_by_region_workspace_or_address(
    environment: dict[str, str], root: str, live: str, region: str
) -> None:
    settings = Settings.read(environment)

    assert (root, live, region) == (settings.root, settings.live_root, settings.short_region)


FALLBACKS = [
    ({}, None),
    ({"DASHSCOPE_FALLBACK_REGION": "us"}, None),
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
def test_the_second_account_is_where_the_first_is_or_where_it_is_told(
    environment: dict[str, str], root: str | None
) -> None:
    settings = Settings.read(environment)

    assert root == settings.fallback_root
    assert (root and root.replace("http", "ws", 1)) == settings.fallback_live_root


def test_a_second_account_at_the_same_place_speaks_live_where_the_first_does() -> None:
    given = {"DASHSCOPE_FALLBACK_API_KEY": "k", "DASHSCOPE_WEBSOCKET_BASE_URL": "wss://x/api-ws/v1/realtime"}
    elsewhere = {**given, "DASHSCOPE_FALLBACK_REGION": "us"}

    assert "wss://x" == Settings.read(given).fallback_live_root
    assert "wss://dashscope-us.aliyuncs.com" == Settings.read(elsewhere).fallback_live_root


WRONG = [
    ({"COMPAT_MAX_UPLOAD": "much"}, "COMPAT_MAX_UPLOAD should be a number of bytes"),
    ({"COMPAT_MAX_DURATION": "-1"}, "COMPAT_MAX_DURATION should be a number of seconds"),
    ({"COMPAT_PASS_KEY": "maybe"}, "COMPAT_PASS_KEY should be true or false"),
    ({"COMPAT_ATTEMPTS": "0"}, "COMPAT_ATTEMPTS should be a whole number"),
    ({"COMPAT_MODEL_ALIASES": "mine"}, "COMPAT_MODEL_ALIASES should be a comma-separated list"),
    ({"DASHSCOPE_BASE_URL": "dashscope"}, "DASHSCOPE_BASE_URL should be an address"),
    ({"COMPAT_LOG_LEVEL": "loud"}, "COMPAT_LOG_LEVEL should be debug"),
    ({"COMPAT_JOB_RETENTION": "-1"}, "COMPAT_JOB_RETENTION should be a number of seconds, 0 or more"),
    ({"COMPAT_HEARTBEAT": "0"}, "COMPAT_HEARTBEAT should be a number of seconds above 0"),
    ({"COMPAT_WEBHOOK_SECRET": "whsec_c2hvcnQ="}, "COMPAT_WEBHOOK_SECRET should be whsec_"),
    ({"COMPAT_WEBHOOK_SECRET": "c2hvcnQgc2VjcmV0cyBhcmUgbm90IG1lYW50"}, "COMPAT_WEBHOOK_SECRET should be whsec_"),
    ({"DASHSCOPE_REGION": "eu-central-1"}, "needs DASHSCOPE_WORKSPACE_ID"),
    (
        {"DASHSCOPE_FALLBACK_API_KEY": "k", "DASHSCOPE_FALLBACK_REGION": "eu-central-1"},
        "needs DASHSCOPE_FALLBACK_WORKSPACE_ID",
    ),
]


@pytest.mark.parametrize(("environment", "message"), WRONG)
def test_a_wrong_setting_is_named_with_what_it_should_be(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        Settings.read(environment)


def test_values_are_read_and_empty_ones_left_alone() -> None:
    settings = Settings.read(
        {
            "COMPAT_API_KEYS": " a, b ,",
            "COMPAT_MODEL_ALIASES": "mine=fun-asr, yours = paraformer-v2",
            "COMPAT_MAX_UPLOAD": "25M",
            "COMPAT_PASS_KEY": "on",
            "COMPAT_JOB_RETENTION": "0",
            "COMPAT_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "DASHSCOPE_API_KEY": " ",
        }
    )

    assert ("a", "b") == settings.api_keys
    assert {"mine": "fun-asr", "yours": "paraformer-v2"} == settings.aliases
    assert 25 << 20 == settings.max_upload
    assert settings.pass_key
    assert 0 == settings.job_retention
    assert 24 == len(settings.webhook_secret or b"")
    assert settings.dashscope_api_key is None


def test_every_setting_is_documented() -> None:
    page = (Path(__file__).parent.parent / "docs" / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)`[^|]*\| (.+?) \|$", page, re.MULTILINE))

    documented = {variable.names[0]: variable.doc for variable in Settings.variables().values()}

    assert documented == rows


def test_rates_and_prices_are_read() -> None:
    settings = Settings.read({"COMPAT_RATES": "fun-asr=5/second", "COMPAT_PRICES": "fun-asr=0.00004"})

    assert ({"fun-asr": "5/second"}, {"fun-asr": 0.00004}) == (settings.rates, settings.prices)
    assert Settings.read({"COMPAT_RATES": "off"}).rates is None
    for wrong in ({"COMPAT_RATES": "fun-asr=fast"}, {"COMPAT_RATES": "fun-asr=0/minute"}, {"COMPAT_PRICES": "x=free"}):
        with pytest.raises(SettingsError, match="should be"):
            Settings.read(wrong)
