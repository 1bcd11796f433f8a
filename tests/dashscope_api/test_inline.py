from __future__ import annotations

from compat.dashscope_api.calls import File
from compat.dashscope_api.inline import data_uri, inline_call
from tests.dashscope_api.support import MEDIA


def test_the_body_contains_the_audio_as_a_data_uri() -> None:
    call = inline_call("/u", {"context": "x;base64,y", "audio": data_uri(MEDIA)}, MEDIA, {"x": "1"})

    assert call.headers == {"content-type": "application/json", "x": "1"}
    assert call.body == (
        b'{"context":"x;base64,y","audio":"data:audio/wav;base64,',
        File(MEDIA.path, MEDIA.size, base64=True),
        b'"}',
    )


def test_the_length_is_known_before_the_file_is_read() -> None:
    call = inline_call("/u", {"audio": data_uri(MEDIA)}, MEDIA)

    assert call.length == len(b'{"audio":"data:audio/wav;base64,') + 12 + len(b'"}')  # 7 bytes are 12 in base64
