"""All probes, and the unknowns that none of them answers."""

from __future__ import annotations

from compat.probes import availability, files, inline, live, tasks, translation

PROBES = (*availability.PROBES, *files.PROBES, *inline.PROBES, *live.PROBES, *tasks.PROBES, *translation.PROBES)
MOST = 1.0  # yuan, for all probes together

UNPROBED = {
    "one_account": "needs a second key of the same account",
    "length and idle time of live sessions, also of live translation": "takes hours, and silence is billed",
    "expiry of uploads, results and tasks": "takes one to two days",
    "concurrent sockets, rates and quotas at their limits": "would disturb the account's other work",
    "number of vocabularies of an account": "would fill the account with them",
    "a long task against the context window of qwen-audio-3.1": "needs more than half an hour of speech",
    "largest audio frame, and audio faster than real time": "no answer would be a promise",
    "times in the past and retirement dates": "only Model Studio's notices tell",
    "prices outside Beijing and Singapore": "only the bill tells",
    "emotion and speakers in live speech": "this server does not use them",
    "all error codes": "most need a fault of the account or the service",
    "the voice of live translation": "its price is not published, and a voice costs more than text",
}
