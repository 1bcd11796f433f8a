"""Transcribe a file: python plain.py speech.wav"""

import sys
from pathlib import Path

from openai import OpenAI

with OpenAI() as client:
    print(client.audio.transcriptions.create(model="gpt-transcribe", file=Path(sys.argv[1])).text)
