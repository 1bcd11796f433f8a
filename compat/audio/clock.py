"""Timestamps of packets and frames, and the gaps between them. For the worker process only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from compat.audio.mp4 import DRIFT
from compat.errors import BadAudio

LEAST_GAP, _MOST_GAP = 0.1, 3600.0  # seconds
RECORDERS = ("matroska", "mov,", "flv")  # containers with a timestamp on every packet
_MOST = 13 * 3600.0  # seconds: DashScope accepts 12 hours; bounds the output of a decompression bomb
_FRAMES = (120, 240, 480, 512, 576, 960, 1024, 1152, 1536, 1920, 2048, 2880, 4096, 4608, 5760)  # samples
_BETWEEN = 512  # bytes
_VARIATION = 4  # of the bit rate


def films(container: InputContainer) -> list[VideoStream]:
    """Return the video streams, without cover pictures."""
    return [video for video in container.streams.video if not video.disposition & Disposition.attached_pic]


def pauses(times: Sequence[int], lengths: Sequence[int], base: float, rate: int, *, padded: bool) -> bool:
    """Return whether packets begin later than those before them end: one of them by more than LEAST_GAP, or all
    together, however short each gap is. `base` is the unit of times and lengths, in seconds; `rate` is the sample rate.

    `padded` means that the length of a packet includes the gap after it. Lengths are rounded down to the unit, so the
    usual one is that of a codec's frames which is nearest to the average step; it has to be exact to be added up.
    """
    steps = [after - before for before, after in pairwise(times)]
    common = Counter(lengths).most_common(1)[0][0] if lengths else 0
    near = [
        step
        for step, length in zip(steps, lengths, strict=False)
        if abs(length - common) <= 1 and common < 2 * step < 3 * common
    ]
    average, late, since = sum(near) / len(near) if near else common, 0.0, 0
    sizes = [size / rate / base for size in _FRAMES] if rate and base else []
    usual = min(
        [size for size in sizes if abs(size - average) < 1], key=lambda size: abs(size - average), default=average
    )
    for step, length in zip(steps, lengths, strict=False):
        real = usual if abs(length - common) <= 1 or (padded and length > usual) else length + 1
        late, since = late + step - real, since + max(0, step)
        if late * base > LEAST_GAP + DRIFT * since * base:
            return True
    return False


class Position:
    """Tracks the file offsets of a track's packets, to tell where data was lost. `pace` is the number of bytes per
    second of the file, 0 if unknown, and `missing` the number of bytes that its header states beyond its end."""

    def __init__(self, pace: float, missing: int = 0) -> None:
        self._pace = pace
        self._missing = missing
        self._begin = self._end = -1
        self._good = -1

    def jumps(self, packet: Packet[AudioStream]) -> bool:
        """Return whether data may have been lost before this packet: more bytes lie between it and the previous packet
        than headers take, or bytes are missing in the file."""
        if packet.pos is None or packet.pos < 0:
            return False
        if packet.pos == self._begin:  # several packets in one block
            self._end += packet.size
            return False
        far = 0 <= self._end < packet.pos - _BETWEEN
        self._begin, self._end = packet.pos, packet.pos + packet.size
        return far or self._missing > 0

    def lost(self, packet: Packet[AudioStream]) -> float:
        """Return the maximum seconds of audio in the bytes between the last good packet and this good one, including
        those that are missing. A greater jump of the timestamps is damage too."""
        if packet.pos is None or packet.pos < 0:
            return 0.0
        bytes_lost = packet.pos - self._good if self._good >= 0 else packet.pos
        self._good = packet.pos + packet.size
        return _VARIATION * (bytes_lost + self._missing) / self._pace + LEAST_GAP if self._pace else 0.0


def began(stream: AudioStream | VideoStream) -> float:
    """Return the time of the first frame, in seconds; 0 if unknown."""
    return float(max(stream.start_time or 0, 0) * (stream.time_base or 0))


class Clock:
    """Playback time of a track. `seconds` is the time so far; `holes` tells whether the timestamps have gaps.

    Time 0 is the start of the video, if there is one, else of the audio. A pause in the recording counts as silence,
    and so does audio lost to damage, if the container has a timestamp on every packet; `lost` is the sum of the latter.
    A jump of an hour or more, which no real recording contains, does not count; `skipped` is the sum of these jumps.
    """

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._damaged = False
        self.seconds = 0.0
        self.lost = 0.0
        self.skipped = 0.0
        self.holes = False
        self.restart(container, stream)

    def restart(self, container: InputContainer, stream: AudioStream) -> None:
        """Continue with the track of the next of concatenated files, whose timestamps start again."""
        self._base = float(stream.time_base or 0)
        pictures = films(container)
        self._start = min([began(stream), *map(began, pictures)]) - self.seconds
        self._film = bool(pictures)
        self._recorded = container.format.name.startswith(RECORDERS)

    def note_loss(self) -> None:
        """Note that packets were lost before the next one."""
        self._damaged = True

    def feed(self, pts: int | None, duration: float, most: float = 0.0) -> float:
        """Add a frame of `duration` seconds, and return the seconds of silence before it: at most `most` of audio that
        was lost. Rounding errors and invalid timestamps count as no silence. Raises BadAudio after 13 hours."""
        gap = 0.0 if pts is None else pts * self._base - self._start - self.seconds
        late = self._film and not self.seconds
        if abs(gap) >= _MOST_GAP:
            self.holes, self.skipped = self.holes or gap > 0, self.skipped + gap
            self._start, gap = self._start + gap, 0.0
        elif gap <= LEAST_GAP:
            gap = 0.0
        elif not late and (not self._recorded or (self._damaged and gap > most)):
            self.holes, self._start, gap = True, self._start + gap, 0.0
        elif self._damaged:
            self.lost += gap
        self._damaged = self._damaged and pts is None
        self.holes = self.holes or (gap > 0 and not late)
        self.seconds += gap + duration
        if self.seconds > _MOST:
            raise BadAudio("The audio is longer than 12 hours.")
        return gap
