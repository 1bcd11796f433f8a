"""The realtime bridge: a machine between a caller who speaks OpenAI's realtime protocol and DashScope's live service.

It does no I/O and has no clock. Each event is passed to a `Bridge` together with the time (`now`, seconds on one
monotonic clock); every call returns actions, to be performed in order before the next call is made. The two
ends, the pumps, must

- call `start` once the caller's socket is accepted, and `from_client` for each of its frames (text as str, binary as
  bytes), unless the last `Reading` said off; while `Bridge.more`, call `from_client_more` before the next frame, with
  turns for others in between; `client_closed` when it is gone, or with a `Hangup` when it is to go: it does not read
  what was written to it, or more sound is `held` than there is memory for;
- perform `Open` by connecting in the background and telling the outcome: `upstream_opened`, or `upstream_lost`
  with an error of `compat.errors`, whose `retryable` decides what follows. While connected: `from_upstream` for each
  frame, `upstream_lost` when the connection ends for whatever reason (close 1007 "Model not found" is a ModelNotFound,
  401 a NotAuthenticated, a cut a ServiceUnavailable);
- ping the service every 2 s or so, tell each pong to `upstream_pong` with the time of its ping (it frees memory), and
  treat a connection from which nothing came for 30 s, not even a pong, as lost;
- perform `CloseUpstream` by forgetting the connection, or the attempt: it is closed in the background (in at most 2 s),
  and its events are not passed on any more. An `Open` may follow at once, for another connection;
- write `ToUpstream` and `ToClient` frames in order, each side by a writer of its own, so that a slow side does not stop
  the other; when all frames for the service have been written (its writer waits for more), call `upstream_drained`.
  No more than `Limits.in_flight_bytes` of sound wait there;
- call `tick` when the earliest time is reached that a `Wake` named since the last `tick`;
- perform `Hangup(code, reason)` by writing what was said before and closing the caller's socket. `from_client` and
  `client_closed` are harmless after it;
- call `shutdown(grace)` when the server stops;
- go on until `Bridge.over` is true and its last actions are performed.

Memory: sound that is not sent (5 minutes and one append, then the caller is not read; it may have one more on its way),
sound that is sent and not answered (a turn in progress, at most 11 minutes; between turns the time from ping to pong
and 3 s, or 43 s without pongs), 200 past transcripts.
"""

from compat.bridge.machine import Bridge

__all__ = ["Bridge"]
