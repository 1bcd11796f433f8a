"""WebRTC calls: an ICE-lite agent on one port, the SDP answer, and the audio of the track.

`sdp`, `stun`, `rtp` and `track` are pure. `port` owns the sockets, and `peer` the DTLS and SCTP of one call, which are
aiortc's.
"""
