"""Speech recognition with the installed release of the official dashscope package: a file, then the same in frames.

    python recognition.py MODEL SOUND.pcm

SOUND.pcm is mono 16-bit at 16 kHz. Prints the sentences of both as JSON: [[…], […]].
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from dashscope.audio.asr import Recognition, RecognitionCallback, RecognitionResult

FRAME = 3_200  # bytes: 100 ms


class Sentences(RecognitionCallback):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def on_event(self, result: RecognitionResult) -> None:
        sentence: Any = result.get_sentence()
        if RecognitionResult.is_sentence_end(sentence):
            self.texts.append(sentence["text"])

    def on_error(self, result: RecognitionResult) -> None:
        raise SystemExit(f"recognition failed: {result.code} {result.message}")


def called(model: str, path: str) -> list[str]:
    result = Recognition(model=model, callback=RecognitionCallback(), format="pcm", sample_rate=16_000).call(path)
    sentences: Any = result.get_sentence()
    return [sentence["text"] for sentence in sentences]


def streamed(model: str, sound: bytes) -> list[str]:
    sentences = Sentences()
    recognition: Any = Recognition(model=model, callback=sentences, format="pcm", sample_rate=16_000)
    recognition.start()
    for at in range(0, len(sound), FRAME):
        recognition.send_audio_frame(sound[at : at + FRAME])
    recognition.stop()
    return sentences.texts


def main() -> None:
    model, path = sys.argv[1:]
    print(json.dumps([called(model, path), streamed(model, Path(path).read_bytes())]))  # noqa: T201


if __name__ == "__main__":
    main()
