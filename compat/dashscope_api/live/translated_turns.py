"""The turns of a LiveTranslate session: items of the source, each with the responses that translate it.

A response belongs to the item that it names, else to the first one that has words and no response, else to the first
one without a response. If the service reports no items, each response is a turn of its own.
"""

from __future__ import annotations

from collections import deque

from compat.dashscope_api.live import turns
from compat.text import joined

_REMEMBERED_TURNS = 64


class TranslatedTurn:
    """One turn.

    `sourced`: it is an item of the source. `texts` holds the text of each response, `active` the responses that have
    not ended.
    """

    def __init__(self, name: str, *, sourced: bool, stopped: bool) -> None:
        self.name = name
        self.sourced = sourced
        self.stopped = stopped
        self.end_ms: int | None = None
        self.source = ""
        self.transcribed = False
        self.texts: dict[str, str] = {}
        self.active: set[str] = set()
        self.usage: turns.TurnUsage | None = None

    @property
    def text(self) -> str:
        return joined(self.texts.values())

    def text_so_far(self, response: str, stash: str) -> tuple[str, str]:
        """Return the text up to the end of the first active response, and what may follow: `stash`, if it is of that
        response."""
        names = list(self.texts)
        count = next((number for number, name in enumerate(names, 1) if name in self.active), len(names))
        text = joined(self.texts[name] for name in names[:count])
        return text, stash if names[count - 1] == response else ""

    @property
    def answered(self) -> bool:
        return bool(self.texts) and not self.active


class TranslatedTurns:
    """The turns of one session.

    `source_expected`: the text of the source is needed too. `_open` holds the turns without a final report, in order.
    `_turns` maps the ids of items and responses to turns, `_outputs` the items of translations to responses.
    """

    def __init__(self) -> None:
        self.source_expected = False
        self._open: list[TranslatedTurn] = []
        self._closed: deque[TranslatedTurn] = deque()
        self._turns: dict[str, TranslatedTurn] = {}
        self._outputs: dict[str, str] = {}
        self._continued: list[turns.Report] = []

    def __len__(self) -> int:
        """Return the number of ids that are known."""
        return len(self._turns)

    def of_item(self, item: str, *, stopped: bool = True, sourced: bool = True) -> TranslatedTurn:
        """Return the turn of an item, and begin it if it is new."""
        turn = self._turns.get(item)
        if turn is None:
            turn = self._turns[item] = TranslatedTurn(item, sourced=sourced, stopped=stopped)
            self._open.append(turn)
        return turn

    def of_response(self, response: str, *items: str | None) -> TranslatedTurn:
        """Return the turn that a response belongs to. `items` are those that its events name."""
        turn = self._turns.get(response)
        if turn is None:
            named = [self._turns.get(item or "") for item in items]
            known = next((found for found in named if found in self._open), None)
            ended = next(filter(None, named), None)
            turn = known or (None if ended else self._unanswered()) or self.of_item(response, sourced=False)
            if known is None and ended is not None:
                self._continue(ended, turn)
        if response not in turn.texts:
            self._begin(response, turn)
        return turn

    def link(self, item: str, previous: str | None, response: str | None) -> None:
        """Assign an item of a translation to the turn of its source, the item `previous`."""
        if response:
            self._outputs[item] = response
        source = self._turns.get(previous or "")
        if source is None:
            return
        self._turns.setdefault(item, source)
        response = self._outputs.get(item)
        if response is not None and response not in self._turns and source in self._open:
            self._begin(response, source)

    def end_response(self, response: str, *, failed: bool) -> TranslatedTurn | None:
        """End a response, which may have had no text, and return its turn. None if that has ended already."""
        if response not in self._turns and (failed or self._unanswered()):
            self.of_response(response, *(item for item, owner in self._outputs.items() if owner == response))
        turn = self._turns.get(response)
        if turn is None or turn not in self._open or response not in turn.active:
            return None
        turn.active.discard(response)
        return turn

    def close(self, turn: TranslatedTurn) -> None:
        """End a turn. Its ids are remembered for a while, so that late events about it do not begin another one."""
        self._open.remove(turn)
        self._closed.append(turn)
        if len(self._closed) > _REMEMBERED_TURNS:
            forgotten = self._closed.popleft()
            self._turns = {name: each for name, each in self._turns.items() if each is not forgotten}

    def close_complete(self) -> list[TranslatedTurn]:
        """End the turns that are complete, and return them."""
        last = max((number for number, turn in enumerate(self._open) if turn.answered), default=-1)
        complete = [turn for number, turn in enumerate(self._open) if self._is_complete(turn, passed=number < last)]
        for turn in complete:
            self.close(turn)
        return complete

    def take_continued(self) -> list[turns.Report]:
        """Return the reports about turns that continue an ended one; each is returned once."""
        reports, self._continued = self._continued, []
        return reports

    def _continue(self, ended: TranslatedTurn, turn: TranslatedTurn) -> None:
        """Report that `turn` has more text of a turn that has its final report."""
        turn.end_ms = ended.end_ms
        if ended.end_ms is not None:
            self._continued += (
                turns.Started(turn.name, ended.end_ms, follows=ended.name),
                turns.Stopped(turn.name, ended.end_ms),
            )

    def _unanswered(self) -> TranslatedTurn | None:
        """Return the first turn without a response. One with words goes first, because another may be noise."""
        waiting = [turn for turn in self._open if not turn.texts]
        return next((turn for turn in waiting if turn.source), None) or next(iter(waiting), None)

    def _begin(self, response: str, turn: TranslatedTurn) -> None:
        self._turns[response] = turn
        self._outputs = {item: name for item, name in self._outputs.items() if name != response}
        turn.texts.setdefault(response, "")
        turn.active.add(response)

    def _is_complete(self, turn: TranslatedTurn, *, passed: bool) -> bool:
        """Return whether the service will report nothing more about a turn.

        `passed`: a later turn is translated. The service translates turns in order, and does not translate noise.
        """
        if turn.active or not (turn.stopped or passed):
            return False
        silent = turn.transcribed and not turn.source
        sourced = turn.transcribed or not self.source_expected or not turn.sourced
        return passed or silent or (turn.answered and sourced)
