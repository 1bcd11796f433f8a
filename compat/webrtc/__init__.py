"""WebRTC calls: an ICE-lite agent on one port, the SDP answer, and the audio of the track in both directions.

`sdp`, `stun`, `rtp`, `track` and `voice` are pure. `port` owns the sockets, and `peer` the DTLS and SCTP of one call,
which are aiortc's.
"""
