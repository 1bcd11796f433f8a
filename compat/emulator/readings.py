"""Settings for behaviour that DashScope's documents leave open.

Sources: help.aliyun.com and alibabacloud.com Model Studio pages and public field reports, 2026-11.
The default is the documented behaviour, or the one reported more often where nothing is documented.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from compat.emulator.live_settings import LiveReadings, TaskReadings, TranslationReadings


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """One field for each open question."""

    annotations: bool = True
    """chat/completions returns language and emotion (the snapshot of 2026-02-10 never does)."""
    seconds: bool = True
    """chat/completions returns `usage.seconds` (the snapshot of 2026-02-10 never does)."""
    silence_content_empty_list: bool = True
    """Native responses to silence have `content: []` rather than `[{"text": ""}]`."""
    finish_reason_string: bool = True
    """`finish_reason` of native event streams is the string `"null"` until `"stop"`; otherwise JSON's null."""
    status_line: Literal["comment", "field", "absent"] = "comment"
    """The status line of native events: `:HTTP_STATUS/200`, `status:200`, or none."""
    refusal_in_stream: bool = False
    """A refused native stream is an `event:error` with HTTP 200 rather than an error status."""
    audio3_shape: Literal["output", "nested", "top"] = "output"
    """Where qwen-audio-3 and fun-asr-flash return a sync result: in `output`, in `output.output`, or at the top."""
    audio3_files: Literal["list", "single", "nested"] = "list"
    """Where qwen-audio-3 file tasks return result addresses: in the list `output.results`, in one `output.result`, or
    in `output.output`."""
    paraformer_always_timed: bool = False
    """paraformer file tasks return times and words without `timestamp_alignment_enabled` too."""
    one_account: bool = False
    """All keys belong to one account and share its tasks and uploads; otherwise each key has its own."""
    oss_for_filetrans: bool = True
    """qwen3 filetrans reads temporary `oss://` objects."""
    sync_on_async_denied: bool = False
    """A synchronous model on the task surface gets 403 AccessDenied rather than 400 `url error`."""
    silence_task: Literal["no_fragment", "no_words", "empty"] = "no_fragment"
    """How a file task without speech ends: with either code, or SUCCEEDED with an empty transcript."""
    cancel_running: bool = False
    """Running tasks can be cancelled too."""
    task_times_utc: bool = False
    """Times of a task are UTC rather than Beijing's."""
    result_needs_key: bool = False
    """Result files need the API key."""
    policies: bool = True
    """Upload policies are available (unknown for US and workspace hosts)."""
    refuse_unknown_language: bool = False
    """An unsupported language is a 400 rather than ignored."""
    mt_flash_cumulative: bool = False
    """qwen-mt-flash and -lite repeat the whole text so far in every chunk, as plus and turbo do."""
    retired: frozenset[str] = frozenset()
    """Models that are refused with 403 AccessDenied: retired, or not offered to the account."""
    vocabulary_status: Literal["OK", "UNDEPLOYED"] = "OK"
    """The status of vocabularies. The service ignores an undeployed vocabulary without an error."""
    pongs: bool = True
    """WebSocket pings are answered with pongs. The server that runs the app applies this reading."""
    live: LiveReadings = LiveReadings()
    """Readings of the realtime socket."""
    livetranslate: TranslationReadings = TranslationReadings()
    """Readings of LiveTranslate on the realtime socket."""
    inference: TaskReadings = TaskReadings()
    """Readings of the run-task socket."""
