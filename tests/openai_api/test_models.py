"""Model objects and lists, checked with the official package."""

from __future__ import annotations

import json

from openai.pagination import SyncPage
from openai.types import Model

from compat.openai_api import models


def test_the_official_package_reads_a_model() -> None:
    body = models.one("whisper-1")

    assert Model.model_validate_json(body, strict=True).to_dict() == json.loads(body)
    assert "whisper-1" == json.loads(body)["id"]


def test_the_official_package_reads_the_list() -> None:
    page = SyncPage[Model].model_validate_json(models.listing(["whisper-1", "fun-asr"]), strict=True)

    assert "list" == page.object
    assert ["whisper-1", "fun-asr"] == [model.id for model in page.data]
    assert {"model"} == {model.object for model in page.data}


def test_the_list_names_the_demo_engine() -> None:
    assert {"engine": "moonshine", "languages": ["en"]} == json.loads(models.listing(["a"], "moonshine"))["dashscope"]
    assert "dashscope" not in json.loads(models.listing(["a"]))


def test_an_empty_list() -> None:
    assert {"object": "list", "data": []} == json.loads(models.listing([]))
