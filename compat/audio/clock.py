"""The times of packets and frames, and what they leave out: for the worker process only."""

from __future__ import annotations

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from compat.errors import BadAudio

LEAST_GAP, _MOST_GAP = 0.1, 3600.0  # seconds
RECORDERS = ("matroska", "mov,", "flv")  # their writers give every packet its time
_MOST = 13 * 3600.0  # seconds: the service takes 12 hours, and a bomb is no longer
_BETWEEN = 512  # bytes


def films(container: InputContainer) -> list[VideoStream]:
    """Its moving pictures: covers are none."""
    return [video for video in container.streams.video if not video.disposition & Disposition.attached_pic]


class Position:
    """Where in the file the packets of the only track lie."""

    def __init__(self) -> None:
        self._begin = self._end = -1

    def jumps(self, packet: Packet[AudioStream]) -> bool:
        """Whether more lies between this packet and the one before it than headings: it was lost."""
        if packet.pos is None or packet.pos < 0:
            return False
        if packet.pos == self._begin:  # several in one block
            self._end += packet.size
            return False
        far = 0 <= self._end < packet.pos - _BETWEEN
        self._begin, self._end = packet.pos, packet.pos + packet.size
        return far


def began(stream: AudioStream | VideoStream) -> float:
    """The time of its first frame, in seconds; 0 where that is not known."""
    return float(max(stream.start_time or 0, 0) * (stream.time_base or 0))


class Clock:
    """Time as sound is heard: `seconds` so far. `holes`: whether the container's own times leave something out.

    It begins with a film's pictures, otherwise with the sound. What a recorder left out is silence, and counts; what
    was lost to damage is not there, and does not. Nor does a jump of an hour, which no recording has: `skipped` is the
    sum of these.
    """

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._base = float(stream.time_base or 0)
        pictures = films(container)
        self._start = min([began(stream), *map(began, pictures)])
        self._film = bool(pictures)
        self._recorded = container.format.name.startswith(RECORDERS)
        self._lost = False
        self.seconds = 0.0
        self.skipped = 0.0
        self.holes = False

    def lost(self) -> None:
        """The next packet is not where it was expected."""
        self._lost = True

    def feed(self, pts: int | None, duration: float) -> float:
        """Add a frame of this length, and return the seconds of silence before it, ignoring rounding and bad times."""
        gap = 0.0 if pts is None else pts * self._base - self._start - self.seconds
        late = self._film and not self.seconds
        if abs(gap) >= _MOST_GAP:
            self.holes, self.skipped = self.holes or gap > 0, self.skipped + gap
            self._start, gap = self._start + gap, 0.0
        elif gap <= LEAST_GAP:
            gap = 0.0
        elif not late and (self._lost or not self._recorded):
            self.holes, self._start, gap = True, self._start + gap, 0.0
        self._lost = self._lost and pts is None
        self.holes = self.holes or (gap > 0 and not late)
        self.seconds += gap + duration
        if self.seconds > _MOST:
            raise BadAudio("The audio is longer than 12 hours.")
        return gap
