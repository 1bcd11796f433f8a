"""A folder of recordings to subtitles beside them: python folder_to_subtitles.py recordings"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from openai import OpenAI

SOUND = {".wav", ".mp3", ".m4a", ".mp4", ".ogg", ".flac", ".webm"}


def subtitle(client: OpenAI, path: Path) -> str:
    target = path.with_suffix(".srt")
    if target.exists():
        return f"{target} is there already"
    target.write_text(client.audio.transcriptions.create(model="gpt-transcribe", file=path, response_format="srt"))
    return f"{target} written"


with OpenAI() as client, ThreadPoolExecutor(4) as pool:
    recordings = sorted(path for path in Path(sys.argv[1]).rglob("*") if path.suffix.lower() in SOUND)
    for line in pool.map(lambda path: subtitle(client, path), recordings):
        print(line)
