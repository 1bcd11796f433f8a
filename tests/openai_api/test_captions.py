"""Captions: cuts, limits and overlaps of cues, and output that strict third-party parsers accept."""

from __future__ import annotations

import datetime
import html
import io
import itertools
import re

import msgspec
import pytest
import srt
import webvtt
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from compat.openai_api import captions
from compat.openai_api.captions import Cue, cues
from compat.openai_api.layout import measured, width, words
from compat.transcript import Segment, Transcript, Word


def transcript_of(*segments: Segment, duration: float = 0.0) -> Transcript:
    text = " ".join(segment.text for segment in segments)
    return Transcript(text=text, segments=segments, duration=duration or max(segment.end for segment in segments))


def sentence(text: str, start: float, pace: float = 0.5, gap: float = 0.0) -> Segment:
    """Return a segment whose words take `pace` seconds each, with gaps of `gap` seconds."""
    pieces = re.findall(r"\S+\s*", text)
    words = tuple(
        Word(piece, start + number * (pace + gap), start + number * (pace + gap) + pace)
        for number, piece in enumerate(pieces)
    )
    return Segment(text=text, start=start, end=words[-1].end, words=words)


LONG = "The quick brown fox jumps over the lazy dog, and then it goes home to sleep until the next day comes."

CUT: list[tuple[str, Transcript, list[Cue]]] = [
    (
        "a short sentence stays whole",
        transcript_of(sentence("One two three.", 1.0)),
        [Cue(1000, 2500, "One two three.")],
    ),
    (
        "a long text is cut after the comma",
        transcript_of(sentence(LONG, 0.0, pace=0.2)),
        [
            Cue(0, 1800, "The quick brown fox\njumps over the lazy dog,"),
            Cue(1800, 4200, "and then it goes home to sleep\nuntil the next day comes."),
        ],
    ),
    (
        "a slow sentence is cut by time",
        transcript_of(sentence("a b c d e f g h", 0.0, pace=1.0)),
        [Cue(0, 4000, "a b c d"), Cue(4000, 8000, "e f g h")],
    ),
    (
        "a cut prefers a pause",
        transcript_of(
            Segment(
                text="one two three four",
                start=0.0,
                end=9.0,
                words=(Word("one ", 0, 1), Word("two ", 1, 2), Word("three ", 2, 3), Word("four", 8, 9)),
            )
        ),
        [Cue(0, 3000, "one two three"), Cue(8000, 9000, "four")],
    ),
    (
        "a word longer than 7 s is shown for 7 s",
        transcript_of(Segment(text="Ommm", start=0.0, end=20.0, words=(Word("Ommm", 0.0, 20.0),))),
        [Cue(0, 7000, "Ommm")],
    ),
    (
        "without words the characters share the time",
        transcript_of(Segment(text="aaaa bbbb. cccc dddd", start=0.0, end=10.0)),
        [Cue(0, 5500, "aaaa bbbb."), Cue(5500, 10000, "cccc dddd")],
    ),
    (
        "Chinese is cut after punctuation",
        transcript_of(Segment(text="今天天气真好,我们去公园吧。", start=0.0, end=14.0)),
        [Cue(0, 7000, "今天天气真好,"), Cue(7000, 14000, "我们去公园吧。")],
    ),
    (
        "Chinese without punctuation is cut anywhere",
        transcript_of(Segment(text="字" * 100, start=0.0, end=5.0)),
        [
            Cue(0, 1650, "字" * 17 + "\n" + "字" * 16),
            Cue(1650, 3350, "字" * 17 + "\n" + "字" * 17),
            Cue(3350, 5000, "字" * 17 + "\n" + "字" * 16),
        ],
    ),
    (
        "Thai marks stay with their letters",
        transcript_of(Segment(text="ที่" * 60, start=0.0, end=5.0)),
        [Cue(0, 5000, "ที่" * 30 + "\n" + "ที่" * 30)],
    ),
    (
        "a word in two pieces is not cut",
        transcript_of(
            Segment(
                text="non-stop",
                start=0.0,
                end=8.0,
                words=(Word("non-", 0.0, 4.0), Word("stop", 4.0, 8.0)),
            )
        ),
        [Cue(0, 7000, "non-stop")],
    ),
    (
        "words without spaces and punctuation get those of the text",
        transcript_of(
            Segment(
                text="Hello, big world!",
                start=0.0,
                end=3.0,
                words=(Word("Hello", 0, 1), Word("big", 1, 2), Word("world", 2, 3)),
            )
        ),
        [Cue(0, 3000, "Hello, big world!")],
    ),
    (
        "words that do not match the text are ignored",
        transcript_of(Segment(text="two words", start=1.0, end=3.0, words=(Word("other", 1.0, 1.2),))),
        [Cue(1000, 3000, "two words")],
    ),
    (
        "the earlier of two overlapping cues is shortened",
        transcript_of(sentence("One two.", 0.0, pace=1.0), sentence("Three.", 1.5, pace=1.0)),
        [Cue(0, 1500, "One two."), Cue(1500, 2500, "Three.")],
    ),
    (
        "a long sentence ends when the next begins",
        transcript_of(Segment(text="aaaa bbbb", start=0.0, end=10.0), Segment(text="Next.", start=4.0, end=6.0)),
        [Cue(0, 2222, "aaaa"), Cue(2222, 4000, "bbbb"), Cue(4000, 6000, "Next.")],
    ),
    (
        "cues of two channels alternate",
        transcript_of(
            Segment(text="aaaa bbbb", start=0.0, end=9.0, channel=0),
            Segment(text="Hm.", start=2.0, end=3.0, channel=1),
        ),
        [Cue(0, 2000, "aaaa"), Cue(2000, 3000, "Hm."), Cue(5000, 9000, "bbbb")],
    ),
    (
        "cues of two speakers on one channel alternate",
        transcript_of(
            Segment(text="aaaa bbbb", start=0.0, end=9.0, speaker="0"),
            Segment(text="Hm.", start=2.0, end=3.0, speaker="1"),
        ),
        [Cue(0, 2000, "aaaa"), Cue(2000, 3000, "Hm."), Cue(5000, 9000, "bbbb")],
    ),
    (
        "closing punctuation stays with its word",
        transcript_of(
            Segment(text="天气。", start=0.0, end=10.0, words=(Word("天气", 0.0, 5.0), Word("。", 5.0, 10.0)))
        ),
        [Cue(0, 7000, "天气。")],
    ),
    (
        "words with decreasing times keep their order",
        transcript_of(
            Segment(
                text="a" * 50 + " " + "b" * 50,
                start=1.0,
                end=6.0,
                words=(Word("a" * 50 + " ", 5.0, 6.0), Word("b" * 50, 1.0, 2.0)),
            )
        ),
        [Cue(5000, 6000, "a" * 50 + "\n" + "b" * 50)],
    ),
    (
        "sentences are sorted by time",
        transcript_of(sentence("Second.", 5.0), sentence("First.", 1.0)),
        [Cue(1000, 2000, "First."), Cue(5000, 5500, "Second.")],
    ),
    (
        "no cue ends after the audio",
        transcript_of(sentence("One.", 0.5), Segment(text="Two.", start=1.6, end=359999.0), duration=2.0),
        [Cue(500, 1500, "One."), Cue(1600, 2000, "Two.")],
    ),
    (
        "no cue starts after the audio",
        transcript_of(
            Segment(text="One.", start=8.0, end=9.0),
            Segment(text="Two.", start=9.0, end=10.0, speaker="1"),
            duration=2.0,
        ),
        [Cue(1998, 1999, "One."), Cue(1999, 2000, "Two.")],
    ),
    (
        "cues of two speakers with equal times are separated",
        transcript_of(
            Segment(text="One.", start=1.0, end=1.0),
            Segment(text="Two.", start=1.0, end=1.0, speaker="1"),
            duration=1.002,
        ),
        [Cue(1000, 1001, "One."), Cue(1001, 1002, "Two.")],
    ),
    (
        "neighbours under a second are merged",
        transcript_of(sentence("Hello,", 0.0, pace=0.6), sentence("world.", 0.7, pace=0.6), duration=5.0),
        [Cue(0, 1300, "Hello, world.")],
    ),
    (
        "Chinese neighbours are merged without a space",
        transcript_of(Segment(text="你好，", start=0.0, end=0.5), Segment(text="世界。", start=0.6, end=1.2)),
        [Cue(0, 1200, "你好，世界。")],
    ),
    (
        "the last of three neighbours joins the others",
        transcript_of(sentence("I see.", 0.0, pace=1.0), sentence("Yes.", 2.1), sentence("No.", 2.7)),
        [Cue(0, 3200, "I see. Yes. No.")],
    ),
    (
        "neighbours more than a second apart are not merged",
        transcript_of(sentence("Yes.", 0.0), sentence("No.", 1.6)),
        [Cue(0, 1000, "Yes."), Cue(1600, 2100, "No.")],
    ),
    (
        "neighbours that are too long for one cue are not merged",
        transcript_of(sentence("a" * 40 + " " + "b" * 40, 0.0, pace=0.4), sentence("And so.", 0.85, pace=0.6)),
        [Cue(0, 850, "a" * 40 + "\n" + "b" * 40), Cue(850, 2050, "And so.")],
    ),
    (
        "speakers are never merged",
        transcript_of(sentence("Yes.", 0.0), msgspec.structs.replace(sentence("No.", 0.6), speaker="1")),
        [Cue(0, 600, "Yes."), Cue(600, 1100, "No.")],
    ),
    (
        "two cues of a speaker around another speaker's are not merged",
        transcript_of(
            sentence("Yes.", 0.0), msgspec.structs.replace(sentence("Hm.", 0.3), speaker="1"), sentence("Sure.", 0.6)
        ),
        [Cue(0, 300, "Yes."), Cue(300, 600, "Hm."), Cue(600, 1100, "Sure.")],
    ),
    (
        "a cue stays for as long as it takes to read at 17 characters a second",
        transcript_of(sentence("a" * 34, 1.0), duration=9.0),
        [Cue(1000, 3000, "a" * 34)],
    ),
    (
        "a Chinese cue stays for as long as it takes to read at 9 characters a second",
        transcript_of(Segment(text="字" * 18, start=1.0, end=2.0), duration=9.0),
        [Cue(1000, 3000, "字" * 18)],
    ),
    (
        "a cue that is too fast takes time from a slow neighbour",
        transcript_of(sentence("a" * 34, 0.0, pace=1.5), sentence("bb.", 1.5, pace=3.0)),
        [Cue(0, 4500, "a" * 34 + " bb.")],
    ),
    ("a text without sentences is one", Transcript(text="Hi there.", duration=2.0), [Cue(0, 2000, "Hi there.")]),
    (
        "line breaks become spaces",
        transcript_of(Segment(text="One\n\n two\r\n", start=0.0, end=1.0)),
        [Cue(0, 1000, "One two")],
    ),
    ("silence has no cues", Transcript(text="", duration=3.0), []),
    ("blank sentences have no cues", transcript_of(Segment(text=" \n", start=0.0, end=1.0)), []),
]


@pytest.mark.parametrize(("transcript", "expected"), [row[1:] for row in CUT], ids=[row[0] for row in CUT])
def test_a_transcript_is_cut_into_cues(transcript: Transcript, expected: list[Cue]) -> None:
    assert expected == cues(transcript)


def test_arrows_and_markup_in_the_text_are_escaped() -> None:
    transcript = transcript_of(Segment(text="a --> b & <c> ---->", start=0.0, end=1.0))

    assert captions.srt(transcript) == "1\n00:00:00,000 --> 00:00:01,000\na -> b & <c> ->\n\n"
    assert captions.vtt(transcript) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na --&gt; b &amp; &lt;c&gt; ----&gt;\n\n"
    )


def test_hours_may_have_three_digits() -> None:
    transcript = transcript_of(Segment(text="Late.", start=100 * 3600 + 61.5, end=100 * 3600 + 62))

    assert captions.srt(transcript) == "1\n100:01:01,500 --> 100:01:02,000\nLate.\n\n"


def test_a_sentence_of_an_hour_is_cut_completely() -> None:
    assert len(cues(transcript_of(sentence("word and " * 5000, 0.0, pace=0.36)))) > 500


patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.one_of(
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=12),
    st.sampled_from(["and,", "end.", "-->", "<b>", "&amp;", "字字。", "天", "ที่", "0", "1"]),
)
TIMES = st.floats(min_value=0, max_value=30, allow_nan=False)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    pieces = draw(st.lists(st.tuples(WORDS, st.sampled_from([" ", " ", " ", "\n"])), min_size=1, max_size=40))
    text = "".join(word + blank for word, blank in pieces)
    start, long = draw(TIMES), draw(TIMES)
    if draw(st.booleans()):
        return Segment(text=text, start=start, end=start + long, channel=draw(st.sampled_from([None, 1])))
    step = long / len(pieces)
    words = tuple(
        Word(word + blank, start + number * step, start + (number + 1) * step)
        for number, (word, blank) in enumerate(pieces)
    )
    return Segment(text=text, start=start, end=start + long, words=words)


def squeezed(text: str) -> str:
    return "".join(text.split())


@patient
@given(st.lists(segments(), max_size=5), st.sampled_from([0.0, 5.0, 100.0]))
@example([Segment(text="x", start=5.0, end=1.0)], 0.0)
def test_cues_keep_all_text_within_the_limits_and_without_overlaps(parts: list[Segment], duration: float) -> None:
    transcript = Transcript(text="", segments=tuple(parts), duration=duration)
    shown = cues(transcript)

    assert sorted("".join(squeezed(part.text) for part in parts)) == sorted("".join(squeezed(c.text) for c in shown))
    for cue in shown:
        assert 0 <= cue.start < cue.end <= (cue.end if not duration else duration * 1000)
        assert cue.end - cue.start <= 7000
        assert len(cue.text.split("\n")) <= 2
        assert all(width(line) <= 42 or len(words(line)) == 1 for line in cue.text.split("\n"))
    for earlier, later in itertools.pairwise(shown):
        assert earlier.end <= later.start


@patient
@given(st.lists(segments(), max_size=5))
def test_a_cue_ends_before_it_can_be_read_only_where_the_next_one_starts(parts: list[Segment]) -> None:
    shown = cues(Transcript(text="", segments=tuple(parts), duration=100.0))

    for cue, later in itertools.pairwise(shown):
        seconds = min(7.0, max(1.0, measured(cue.text.replace("\n", ""))[1]))
        late = len(shown)  # milliseconds: simultaneous cues start one after the other
        assert cue.end - cue.start >= seconds * 1000 - late or cue.end == later.start


@patient
@given(segments())
def test_the_cues_of_a_sentence_keep_its_order(segment: Segment) -> None:
    assert squeezed(segment.text) == "".join(squeezed(cue.text) for cue in cues(transcript_of(segment, duration=100.0)))


@patient
@given(st.lists(segments(), max_size=5))
def test_strict_parsers_read_every_cue(parts: list[Segment]) -> None:
    transcript = Transcript(text="", segments=tuple(parts), duration=100.0)
    shown = cues(transcript)

    subtitles = list(srt.parse(captions.srt(transcript), ignore_errors=False))
    assert [number + 1 for number in range(len(shown))] == [subtitle.index for subtitle in subtitles]
    assert [(cue.start, cue.end, re.sub("-{2,}>", "->", cue.text)) for cue in shown] == [
        (milliseconds(subtitle.start), milliseconds(subtitle.end), subtitle.content) for subtitle in subtitles
    ]

    parsed = webvtt.from_buffer(io.BytesIO(captions.vtt(transcript).encode()), format="vtt", strict=True)
    assert [(cue.start, cue.end, cue.text) for cue in shown] == [
        (clock(caption.start), clock(caption.end), html.unescape(caption.text)) for caption in parsed.captions
    ]


def milliseconds(time: datetime.timedelta) -> int:
    return time // datetime.timedelta(milliseconds=1)


def clock(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)
