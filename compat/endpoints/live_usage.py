"""What a live session is billed."""

from __future__ import annotations

from compat.bridge import Bridge
from compat.config.principal import Principal
from compat.observability.metrics import Metrics
from compat.openai_api.realtime.server_events import Completed, ServerEvent, TokenUsage


class BilledTokens:
    """Adds up the tokens of input and output of a session. `tokens` is None if the model is not billed by the token."""

    def __init__(self) -> None:
        self.tokens: tuple[int, int] | None = None
        self._counted = 0, 0

    def sent(self, event: ServerEvent) -> None:
        if isinstance(event, Completed) and isinstance(event.usage, TokenUsage):
            inputs, outputs = self.tokens or (0, 0)
            self.tokens = inputs + event.usage.input_tokens, outputs + event.usage.output_tokens

    def new(self) -> tuple[int, int] | None:
        """Return the tokens since the last call."""
        if self.tokens is None:
            return None
        (inputs, outputs), (before, after) = self.tokens, self._counted
        self._counted = self.tokens
        return inputs - before, outputs - after


class SessionUsage:
    """Counts the sound of a session while it runs: each day has its own, and a killed process loses little."""

    def __init__(self, metrics: Metrics, principal: Principal, bridge: Bridge, billed: BilledTokens) -> None:
        self._metrics = metrics
        self._principal = principal
        self._bridge = bridge
        self._billed = billed
        self._seconds = 0.0

    def report(self, *, last: bool = False) -> None:
        """Count what came since the last call. The tokens may follow later; at the `last` call they are all known."""
        seconds, tokens = self._bridge.seconds, self._billed.new()
        requests = 1 if seconds and not self._seconds else 0
        tokens = tokens if tokens or last else (0, 0)
        self._metrics.audio(self._principal, self._bridge.model, seconds - self._seconds, tokens, requests=requests)
        self._seconds = seconds
