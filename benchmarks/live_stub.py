"""The emulator's live socket with an engine that hears nothing and always says the same. For measuring only."""

from __future__ import annotations

import sys

import uvicorn

from compat.emulator.app import create_app
from compat.emulator.engine import Hypothesis
from compat.emulator.engines.scripted import Scripted
from compat.serving import config

if __name__ == "__main__":
    settings = config(create_app(Scripted(hypotheses=[[Hypothesis("It was the best of times.")]])))
    settings.port = int(sys.argv[1])
    uvicorn.Server(settings).run()
