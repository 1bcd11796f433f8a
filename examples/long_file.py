"""Transcribe hours of audio as a background job: python long_file.py lecture.mp3"""

import json
import sys
import time
from pathlib import Path

from openai import OpenAI

with OpenAI() as client:
    accepted = client.audio.transcriptions.with_raw_response.create(
        model="gpt-transcribe",
        file=Path(sys.argv[1]),
        response_format="verbose_json",
        extra_body={"background": "true"},
    )
    job = json.loads(accepted.text)["id"]  # any process with the same key can fetch it
    while True:
        answer = client.get(f"/audio/transcriptions/{job}", cast_to=dict[str, object])
        if answer.get("object") != "transcription.job":
            break
        if answer["status"] not in ("queued", "in_progress"):
            sys.exit(f"{answer['status']}: {answer['error']}")
        time.sleep(2)
for segment in answer["segments"]:
    print(f"{segment['start']:8.2f} {segment['text']}")
