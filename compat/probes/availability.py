"""Probes of the account: which models it may use, and which hosts answer its key. They cost nothing."""

from __future__ import annotations

from collections.abc import Iterator

from compat.catalogue import live as catalogue
from compat.catalogue.models import MODELS
from compat.dashscope_api import chat, filetrans, generation
from compat.dashscope_api.calls import Call, Reply, ask, json_call
from compat.errors import CompatError
from compat.probes import live, tasks
from compat.probes.probe import Found, Probe, Trial
from compat.probes.steps import Open, Steps, Unanswered, decoded, member, refusal

ABSENT = ("accessdenied", "modelnotfound", "modelnotexist")
CHECK = "/api/v1/tasks/00000000-0000-0000-0000-000000000000"


def calls() -> Iterator[tuple[str, Call]]:
    """Yield each model for files with a request that has no audio."""
    for row in MODELS:
        for model in row.known:
            match row.surface:
                case "chat":
                    yield model, json_call(chat.URL, {"model": model, "messages": []})
                case "generation" | "generation-audio":
                    yield model, json_call(generation.URL, {"model": model, "input": {"messages": []}})
                case "filetrans" | "transcription" | "filetrans-3":
                    body = {"model": model, "input": {"file_url": "", "file_urls": []}, "parameters": {}}
                    yield model, json_call(filetrans.URL, body, {"x-dashscope-async": "enable"}, repeatable=False)
                case _:
                    pass


def tasked() -> Iterator[tuple[str, int]]:
    """Yield each model of run-task with a sample rate that it accepts."""
    for row in catalogue.MODELS:
        if row.protocol == "run-task":
            yield from ((model, row.rate or 16_000) for model in row.known)


def absent(code: str, message: str, status: int = 400) -> bool:
    """Return whether a refusal means that the account cannot use the model."""
    plain = f"{code} {message}".lower().replace(".", "").replace("_", "").replace(" ", "")
    return status in (403, 404) or any(part in plain for part in ABSENT)


def _absent(reply: Reply) -> bool:
    if reply.status in (401, 429) or reply.status >= 500:
        raise Unanswered(refusal(reply))
    body = decoded(reply.body)
    code = member(body, "error", "code") or body.get("code") or ""
    return reply.status >= 400 and absent(str(code), str(body.get("message") or ""), reply.status)


def _models(trial: Trial) -> Steps[Found]:
    refused: list[str] = []
    offered: list[str] = []
    for model, call in calls():
        if model.endswith("-us") and trial.region != "us":
            continue
        (refused if _absent((yield from ask(call))) else offered).append(model)
    answer: Reply | None = yield Open(f"{live.PATH}{live.MODEL}")
    (refused if answer is not None and _absent(answer) else offered).append(live.MODEL)
    for model, rate in tasked():
        try:
            yield from tasks.begun(trial, model, sample_rate=rate)
        except Unanswered as exc:
            (refused if absent("", str(exc)) else offered).append(model)
        else:
            offered.append(model)
    return Found(
        readings={"retired": sorted(refused)},
        observed=f"{len(offered)} models answer; refused: {' '.join(refused) or 'none'}",
        evidence=" ".join(offered),
    )


def _hosts(trial: Trial) -> Steps[Found]:
    if not trial.other_hosts:
        raise Unanswered("the configured address has no other hosts")
    seen = []
    for name, root in trial.other_hosts.items():
        try:
            reply = yield from ask(Call(method="GET", url=root + CHECK))
        except CompatError as exc:
            seen.append(f"{name}: {exc.message}")
        else:
            seen.append(f"{name}: {'answers' if reply.status == 200 else refusal(reply)}")
    return Found(observed="; ".join(seen))


PROBES = (
    Probe(
        name="models",
        question="Which models does the account not have in this region?",
        readings=("retired",),
        waits=30.0,
        run=_models,
    ),
    Probe(
        name="hosts",
        question="Do the region's shared host and the workspace's own host accept the key?",
        run=_hosts,
    ),
)
