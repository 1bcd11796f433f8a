"""Settings that contradict each other, and models that cannot do what they are set for."""

from __future__ import annotations

import pytest

from compat.catalogue import models
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.errors import ModelNotFound
from compat.transcription import checks

SECOND = {"DASHSCOPE_FALLBACK_API_KEY": "sk-second-account"}
WEBSOCKETS = "DASHSCOPE_WEBSOCKET_BASE_URL"
REGIONS: list[tuple[dict[str, str], str]] = [
    # the environment beside COMPAT_ONE_REGION, the setting that the error names
    ({}, ""),
    (SECOND, ""),
    ({**SECOND, "DASHSCOPE_FALLBACK_REGION": "beijing"}, ""),
    ({**SECOND, "DASHSCOPE_FALLBACK_REGION": "cn-beijing", "DASHSCOPE_FALLBACK_WORKSPACE_ID": "llm-1"}, ""),
    ({**SECOND, "DASHSCOPE_FALLBACK_REGION": "singapore"}, "DASHSCOPE_FALLBACK_REGION"),
    ({**SECOND, "DASHSCOPE_FALLBACK_BASE_URL": "https://dashscope-intl.aliyuncs.com"}, "DASHSCOPE_FALLBACK_BASE_URL"),
    ({**SECOND, "DASHSCOPE_FALLBACK_BASE_URL": "https://proxy.example"}, "an unknown region"),
    ({**SECOND, "DASHSCOPE_REGION": "singapore"}, ""),
    ({WEBSOCKETS: "wss://dashscope-intl.aliyuncs.com"}, WEBSOCKETS),
    ({WEBSOCKETS: "wss://dashscope-intl.aliyuncs.com", "DASHSCOPE_REGION": "singapore"}, ""),
    ({"COMPAT_BUCKET": "oss://audio?region=cn-beijing"}, ""),
    ({"COMPAT_BUCKET": "oss://audio?region=cn-shanghai"}, "COMPAT_BUCKET names cn-shanghai"),
    ({"COMPAT_BUCKET": "s3://audio?region=ap-southeast-1", "DASHSCOPE_REGION": "singapore"}, ""),
    ({"DASHSCOPE_BASE_URL": "https://proxy.example"}, "set DASHSCOPE_REGION too"),
    ({"DASHSCOPE_BASE_URL": "https://proxy.example", "DASHSCOPE_REGION": "beijing"}, ""),
    ({"DASHSCOPE_BASE_URL": "https://llm-1.cn-beijing.maas.aliyuncs.com"}, ""),
]


@pytest.mark.parametrize(("environment", "named"), REGIONS)
def test_one_region_excludes_what_is_in_another(environment: dict[str, str], named: str) -> None:
    checks.check(Settings.read(environment))
    settings = Settings.read({**environment, "COMPAT_ONE_REGION": "true"})
    if not named:
        checks.check(settings)
        return
    with pytest.raises(SettingsError, match=named) as caught:
        checks.check(settings)

    assert "COMPAT_ONE_REGION=true" in str(caught.value)


MODELS = [
    ("COMPAT_LIVE_MODEL", "fun-asr-realtime", ""),
    ("COMPAT_LIVE_MODEL", "nothing", "which is not a known model"),
    ("COMPAT_LIVE_MODEL", "fun-asr", "does not transcribe live speech"),
    ("COMPAT_LIVE_MODEL", "qwen3.5-livetranslate-flash-realtime", "does not transcribe live speech"),
    ("COMPAT_LIVE_TRANSLATION_MODEL", "qwen3.8-livetranslate-flash-realtime", ""),
    ("COMPAT_LIVE_TRANSLATION_MODEL", "qwen-mt-flash", ""),
    ("COMPAT_LIVE_TRANSLATION_MODEL", "nothing", "not a known model; .* and qwen-mt-flash are"),
    ("COMPAT_LIVE_TRANSLATION_MODEL", "fun-asr-realtime", "does not translate live speech"),
]


def test_an_alias_may_stand_for_a_model_of_qwen_mt() -> None:
    aliases = {"COMPAT_MODEL_ALIASES": "captions=qwen-mt-flash", "DASHSCOPE_REGION": "singapore"}
    settings = Settings.read(aliases | {"COMPAT_LIVE_TRANSLATION_MODEL": "captions"})
    checks.check(settings)

    for name in ("captions", "gpt-realtime-translate"):
        found = models.translator(name, region="singapore", aliases=settings.aliases, preferred="captions")
        assert found == "qwen-mt-flash"
    assert models.names(settings.aliases, "singapore")[0] == "captions"
    with pytest.raises(ModelNotFound, match="qwen-mt-flash translates text"):
        models.resolve("captions", settings.aliases)
    with pytest.raises(SettingsError, match="qwen-mt-flash has no options"):
        checks.check(Settings.read({"COMPAT_MODEL_ALIASES": "captions=qwen-mt-flash?x=1"}))


@pytest.mark.parametrize(("setting", "model", "error"), MODELS)
def test_a_model_is_set_for_what_it_can_do(setting: str, model: str, error: str) -> None:
    settings = Settings.read({setting: model})
    if not error:
        checks.check(settings)
        return
    with pytest.raises(SettingsError, match=f"{setting} names {model}.*{error}"):
        checks.check(settings)
