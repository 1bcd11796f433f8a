"""The readings of the emulator: name, and the value that the documents lead to expect. `verify` reports them.

The emulator (`compat.emulator.readings`) has the same names and values: a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compat.probes.probe import Value

EXPECTED: dict[str, Value] = {
    "annotations": True,
    "seconds": True,
    "silence_content_empty_list": True,
    "finish_reason_string": True,
    "status_line": "comment",
    "refusal_in_stream": False,
    "audio3_shape": "output",
    "audio3_files": "list",
    "paraformer_always_timed": False,
    "one_account": False,
    "oss_for_filetrans": True,
    "sync_on_async_denied": False,
    "silence_task": "no_fragment",
    "cancel_running": False,
    "task_times_utc": False,
    "result_needs_key": False,
    "policies": True,
    "refuse_unknown_language": False,
    "mt_flash_cumulative": False,
    "retired": [],
    "vocabulary_status": "OK",
    "pongs": True,
    "live.fixed_configuration": True,
    "live.clear": False,
    "live.silent_commit": "nothing",
    "live.context": True,
    "live.text": "prefix",
    "live.usage": False,
    "livetranslate.fixed_configuration": True,
    "livetranslate.clear": False,
    "livetranslate.silent_commit": "nothing",
    "livetranslate.manual": True,
    "livetranslate.default_voice": False,
    "livetranslate.speech": True,
    "livetranslate.previous_item": True,
    "livetranslate.source": "before",
    "livetranslate.done": "once",
    "livetranslate.finished": True,
    "inference.unknown_parameters": "ignored",
    "inference.silence": "failed",
    "inference.no_data": "failed",
    "inference.silent_task": "finished",
    "inference.usage": "cumulative",
    "inference.final_sign": "both",
    "inference.finals": "once",
    "inference.late_final": False,
}


def nested(found: Mapping[str, Value]) -> dict[str, Any]:
    """Return readings as the emulator reads them from a file: those of a socket in an object of their own."""
    whole: dict[str, Any] = {}
    for name, value in found.items():
        inside = whole
        *outer, last = name.split(".")
        for part in outer:
            inside = inside.setdefault(part, {})
        inside[last] = value
    return whole
