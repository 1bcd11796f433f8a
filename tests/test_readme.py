from __future__ import annotations

import re
from pathlib import Path

from compat.openai_api.parameters import TRANSCRIPTION

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_parameter_table_is_the_code_s_own() -> None:
    rows = re.findall(r"^\| `(\w+)(\[\])?` \| (same|mapped|ignored) \| (.+) \|$", README, re.MULTILINE)

    assert [(row.name, row.many, row.treatment, row.note) for row in TRANSCRIPTION] == [
        (name, bool(many), treatment, note) for name, many, treatment, note in rows
    ]


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", README)

    assert [] == [link for link in links if not (ROOT / link).exists()]
