"""The realtime session between an OpenAI client and DashScope's live service, as a state machine without I/O.

It has no clock either. Pass each event to a `Bridge` with the time (`now`, in seconds on one monotonic clock). Every
call returns a list of actions (`compat.bridge.actions`); perform them in order before the next call. The code that does
the I/O must

- call `start` when the client's connection is accepted, and `from_client` for each of its frames (text as str, binary
  as bytes), except while the last `Reading` is off. While `Bridge.more`, call `from_client_more` before the next frame
  and yield to other tasks in between. Call `client_closed` when the client has disconnected, or with a `Hangup` to
  disconnect one that does not read, or for whose sound (`held`) there is no memory;
- perform `OpenUpstream` by connecting in the background, and report the outcome: `upstream_opened`, or `upstream_lost`
  with an error of `compat.errors`, whose `retryable` decides what follows. While connected, call `from_upstream` for
  each frame, and `upstream_lost` when the connection ends for any reason (close 1007 "Model not found" is a
  ModelNotFound, 401 a NotAuthenticated, a broken connection a ServiceUnavailable);
- ping the service about every 2 s and report each pong to `upstream_pong` with the time of its ping, which frees
  memory. A connection on which nothing arrives for 30 s, not even a pong, is lost;
- perform `CloseUpstream` by closing the connection, or the attempt, in the background (in at most 2 s); do not pass on
  its events any more. An `OpenUpstream` for another connection may follow at once;
- write `ToUpstream` and `ToClient` frames in order, with one writer for each side, so that a slow side does not stop
  the other. When all frames for the service are written, call `upstream_drained`. At most
  `SessionLimits.in_flight_bytes` of sound wait there;
- call `tick` at the earliest time that a `Wake` has named since the last `tick`;
- perform `Hangup(code, reason)` by writing all earlier frames and closing the client's connection. `from_client` and
  `client_closed` do nothing after it;
- call `shutdown(grace)` when the server stops;
- continue until `Bridge.over` is true and its last actions are performed.

Memory: sound that is not sent (5 minutes and one append; then the client is not read, and one more may be on its way),
sound that is sent and not answered (a turn in progress, at most 11 minutes; between turns the time from ping to pong
and 3 s, 26 s if it may be speech, or 43 s without pongs), and 200 past transcripts.
"""

from compat.bridge.machine import Bridge

__all__ = ["Bridge"]
