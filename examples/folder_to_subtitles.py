"""Write subtitles next to the recordings of a folder: python folder_to_subtitles.py recordings"""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from openai import OpenAI

SOUND = {".wav", ".mp3", ".m4a", ".mp4", ".ogg", ".flac", ".webm"}


def subtitle(client: OpenAI, path: Path, target: Path) -> str:
    if target.exists():
        return f"{target} already exists"
    target.write_text(client.audio.transcriptions.create(model="gpt-transcribe", file=path, response_format="srt"))
    return f"{target} written"


with OpenAI() as client, ThreadPoolExecutor(4) as pool:
    recordings = sorted(path for path in Path(sys.argv[1]).rglob("*") if path.suffix.lower() in SOUND)
    alike = Counter(path.with_suffix("") for path in recordings)  # a.mp3 beside a.wav: a.mp3.srt and a.wav.srt
    ends = [f"{path.suffix}.srt" if alike[path.with_suffix("")] > 1 else ".srt" for path in recordings]
    targets = [path.with_suffix(end) for path, end in zip(recordings, ends, strict=True)]
    for line in pool.map(lambda path, target: subtitle(client, path, target), recordings, targets):
        print(line)
