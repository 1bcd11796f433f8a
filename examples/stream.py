"""Stream text as it is recognised: python stream.py speech.wav"""

import sys
from pathlib import Path

from openai import OpenAI

with OpenAI() as client:
    for event in client.audio.transcriptions.create(model="gpt-transcribe", file=Path(sys.argv[1]), stream=True):
        if event.type == "transcript.text.delta":
            print(event.delta, end="", flush=True)
print()
