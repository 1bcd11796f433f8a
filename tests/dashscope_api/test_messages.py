from __future__ import annotations

import msgspec
import pytest

from compat.dashscope_api.messages import Annotation, Message, TokenDetails


@pytest.mark.parametrize(
    ("raw", "text", "annotation"),
    [
        (b"{}", "", None),
        (b'{"content": null, "annotations": null, "role": null}', "", None),
        (b'{"content": "a"}', "a", None),
        (b'{"content": [{"text": "a"}, {"image": "x"}, {"text": "b"}]}', "ab", None),
        (b'{"content": [], "annotations": [{"type": "audio_info", "language": "zh"}]}', "", Annotation("zh")),
    ],
)
def test_the_forms_of_a_message(raw: bytes, text: str, annotation: Annotation | None) -> None:
    message = msgspec.json.decode(raw, type=Message)

    assert (message.text, message.annotation) == (text, annotation)


@pytest.mark.parametrize(("tokens", "seconds"), [(None, None), (0, 0.0), (1, 1.0), (25, 1.0), (26, 2.0), (7169, 287.0)])
def test_seconds_are_computed_from_audio_tokens(tokens: int | None, seconds: float | None) -> None:
    assert seconds == TokenDetails(audio_tokens=tokens).seconds
