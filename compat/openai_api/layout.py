"""Layout of captions: display widths, units that are never split, and the best places for breaks.

Widths are in columns: a full-width character takes two, a combining mark none. Scripts without spaces are broken
between clusters, preferably at the phrase boundaries that BudouX finds (Chinese, Japanese, Thai), never before closing
punctuation or small kana and never after an opening bracket.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import accumulate, pairwise, zip_longest

import msgspec
import regex

from compat.text import closes_sentence
from compat.transcript import LAYOUT, Layout, Word

SECONDS = 7.0
"""Maximum duration of a cue."""
NARROW_PER_SECOND = 17
WIDE_PER_SECOND = 9
"""Reading speed: full-width characters (Chinese, Japanese, Korean) and all others, per second."""

_SPACELESS = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Emoji_Presentation}"
    r"\u3001-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f"
)
_NO_START = regex.compile(
    r"[\p{Pe}\p{Pf}\"',.:;!?%\u00b0\u00b7\u2030\u2103\u2025\u2026\u3001\u3002\u301c\u30fb\u30fc\u3005\u303b\u309d\u309e"
    r"\u30fd\u30fe\uff01\uff05\uff0c\uff0e\uff1a\uff1b\uff1f\uff5e\uff61\uff64\uff65\uff70\u060c\u061b\u061f\u066a"
    r"\u06d4\u0964\u0965\u17d4-\u17d7\u104a\u104b"
    r"ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ\u31f0-\u31ff\uff67-\uff6f"  # small kana
    r"\u0e2f\u0e30\u0e32\u0e33\u0e45\u0e46\u0eaf\u0eb0\u0eb2\u0eb3\u0ebd\u0ec6]"  # vowels and signs after a consonant
)
_NO_END = regex.compile(
    r"[\p{Ps}\p{Pi}\"'#$\u00a3\u00a5\u20ac\uffe5"
    r"\u0e40-\u0e44\u0ec0-\u0ec4\u17d2\u1039]"  # vowels before a consonant, signs that stack the next one
)
_SPACELESS_CHARACTER = regex.compile(f"[{_SPACELESS}]")
_ATOM = regex.compile(rf"\s*(?:(?=[{_SPACELESS}])\X|(?:(?![{_SPACELESS}])\S)+)\s*")
_CLOSED = regex.compile(r"[\p{Pe}\p{Pf}]$")
_CLUSTER = regex.compile(r"\X")
_LONE = regex.compile(rf"\s*{_NO_START.pattern}+(?=\s|$)")
_CLAUSE_END = regex.compile("[,;:\u3001\uff0c\uff1a\uff1b\u060c\u061b\u2013\u2014][\"'\u201d\u2019\u300d\u300f)]*\\s*$")
_PHRASED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")
_UNBREAKABLE = "\u00a0\u202f\u2060\ufeff"

_SENTENCE, _CLAUSE, _INSIDE_PHRASE, _BOUND = 0.7, 0.5, -0.6, -0.3
# Short words that belong to the word after them.
_BINDING = frozenset(
    "a an the of to in on at by for with from and or but nor as if that than my your his her its our their "  # noqa: SIM905
    "der die das den dem des ein eine einen einem einer eines im am auf aus bei mit nach von vom zu zum zur für und "
    "oder aber dass le la les un une du de au aux en et ou mais que qui pour par sur dans avec el los las del al y o "
    "pero por para con su il lo gli di della e ma che per os uma do da dos das em no na mas com van het een op te "
    "в на и с к о у по за из от до не что как а но من في على إلى عن مع أن إن لا لم لن قد هذا هذه".split()
)


class Unit(msgspec.Struct, frozen=True):
    """A word, or a character of a script without spaces, with its punctuation.

    `reading` is the time in seconds that it takes to read. `gap` is 1 if a space follows, otherwise 0. `after` says how
    good a break after it is: 0 for one between two words, 0.7 after a sentence, negative inside a phrase.
    """

    text: str
    start: float
    end: float
    columns: int
    reading: float
    gap: int
    after: float


# --- measures -----------------------------------------------------------------------------------------------------


def width(text: str) -> int:
    """Return the columns that a text takes."""
    return measured(text)[0]


def measured(text: str) -> tuple[int, float]:
    """Return the columns that a text takes, and the seconds that it takes to read."""
    if text.isascii():
        return len(text), len(text) / NARROW_PER_SECOND
    clusters = [*map(_columns, text if len(text) == 1 else _CLUSTER.findall(text))]
    narrow, wide = sum(columns for columns, _ in clusters), sum(columns for _, columns in clusters)
    return narrow + wide, narrow / NARROW_PER_SECOND + wide / 2 / WIDE_PER_SECOND


@lru_cache(4096)
def _columns(cluster: str) -> tuple[int, int]:
    """Return the columns that a cluster takes if it is narrow, and if it is full-width. One of them is 0."""
    if "\ufe0f" in cluster or any(unicodedata.east_asian_width(character) in "WF" for character in cluster):
        return 0, 2
    return sum(unicodedata.category(character) not in ("Mn", "Me", "Cf", "Cc") for character in cluster), 0


# --- units --------------------------------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    """Split a text into words, or into characters for scripts without spaces, wherever a break is allowed.

    Each includes the spaces and punctuation that follow it, so that they join to the text.
    """
    glued: list[str] = []
    for atom in _ATOM.findall(text):
        if glued and not may_break(glued[-1], atom):
            glued[-1] += atom
        else:
            glued.append(atom)
    return glued


def may_break(left: str, right: str) -> bool:
    """Whether a line may end after `left` and the next one start with `right`. Neither may be blank."""
    last, first = left[-1], right[0]
    if last.isspace() or first.isspace():
        if last in _UNBREAKABLE or first in _UNBREAKABLE:
            return False
        return not _LONE.match(right) or bool(_NO_START.match(left.rstrip()[-1]))
    return _may_part(last, first)


@lru_cache(4096)
def _may_part(last: str, first: str) -> bool:
    """Whether a line may end between two characters without a space."""
    if last in "\u200b\u200d":  # a zero-width space and a joiner
        return last == "\u200b"
    if not _SPACELESS_CHARACTER.match(last) and not _SPACELESS_CHARACTER.match(first):
        return False
    return not (_NO_START.match(first) or _NO_END.match(last)) and len(_CLUSTER.findall(last + first)) == 2


def units(text: str, timed: Sequence[Word], layout: Layout) -> list[Unit]:
    """Return the units of a text. `timed` are words that join to it; those that may not be cut apart become one unit,
    and those of several characters that are wider than a line become several."""
    glued: list[Word] = []
    for word in timed:
        for part in spread(word) if width(word.text.strip()) > layout.max_line_width else (word,):
            if glued and not may_break(glued[-1].text, part.text):
                last = glued.pop()
                part = Word(last.text + part.text, last.start, max(last.end, part.end))
            glued.append(part)
    inside = _inside_phrases(text)
    made, place = [], 0
    for word, following in zip_longest(glued, glued[1:]):
        place += len(word.text)
        shown = " ".join(word.text.split())
        gap = following is not None and (word.text[-1].isspace() or following.text[0].isspace())
        after = _quality(shown, gap)
        if place in inside and after <= 0 and not _CLOSED.search(shown):
            after = _INSIDE_PHRASE
        columns, reading = measured(shown)
        made.append(Unit(shown, word.start, word.end, columns, reading, int(gap), after))
    return made


def spread(whole: Word) -> list[Word]:
    """Split a timed text into words. Their times are proportional to their share of its characters."""
    parts = words(whole.text)
    share = (whole.end - whole.start) / max(1, len(whole.text))
    ends = list(accumulate(map(len, parts), initial=0))
    return [
        Word(part, whole.start + first * share, whole.start + last * share)
        for part, (first, last) in zip(parts, pairwise(ends), strict=True)
    ]


def closes_clause(text: str) -> bool:
    """Whether the text ends a clause or a sentence, after which a speaker may pause."""
    return bool(_CLAUSE_END.search(text)) or closes_sentence(text)


def _quality(text: str, gap: bool) -> float:
    """Return how good a break after a text is. A space (`gap`) in a script without spaces separates clauses."""
    if closes_sentence(text):
        return _SENTENCE
    if _CLAUSE_END.search(text) or (gap and _SPACELESS_CHARACTER.match(text[-1])):
        return _CLAUSE
    return _BOUND if text.lower() in _BINDING else 0.0


# --- phrases of scripts without spaces ----------------------------------------------------------------------------


def _inside_phrases(text: str) -> set[int]:
    """Return the places in a text that are inside a phrase of Chinese, Japanese or Thai."""
    inside: set[int] = set()
    if text.isascii():
        return inside
    for run in re.finditer(r"\S+", text):
        if _PHRASED.search(run[0]):
            phrases = _parser(_script(run[0], text))(run[0])
            inside.update(range(run.start() + 1, run.end()))
            inside.difference_update(accumulate(map(len, phrases), initial=run.start()))
    return inside


def _script(run: str, text: str) -> str:
    if regex.search(r"\p{Thai}", run):
        return "thai"
    if regex.search(r"[\p{Hiragana}\p{Katakana}]", text):
        return "japanese"
    return "traditional" if _encodes(run, "big5") and not _encodes(run, "gb2312") else "simplified"


def _encodes(text: str, encoding: str) -> bool:
    try:
        return bool(text.encode(encoding))
    except UnicodeEncodeError:
        return False


@cache
def _parser(script: str) -> Callable[[str], list[str]]:
    import budoux  # only some transcripts need it, and it takes 50 ms to load

    load = {
        "thai": budoux.load_default_thai_parser,
        "japanese": budoux.load_default_japanese_parser,
        "simplified": budoux.load_default_simplified_chinese_parser,
        "traditional": budoux.load_default_traditional_chinese_parser,
    }[script]
    return load().parse


# --- cues and lines -----------------------------------------------------------------------------------------------


def fits(units: Sequence[Unit], layout: Layout) -> bool:
    """Whether the units fit one cue."""
    return _reach(units, 0, layout) == len(units)


def fits_usual(text: str) -> bool:
    """Whether a text fits one cue with the usual limits."""
    return fits(units(text, spread(Word(text, 0.0, 0.0)), LAYOUT), LAYOUT)


def parts(units: Sequence[Unit], layout: Layout) -> Iterator[Sequence[Unit]]:
    """Split the units into parts of about equal length that fit one cue each."""
    done = _columns_before(units)
    first = 0
    while first < len(units):
        last = _reach(units, first, layout)
        if last < len(units):
            rest = done[-1] - done[first]
            most = layout.max_words_per_line or rest
            needed = max(
                2,
                -(-rest // (layout.max_line_width * layout.lines)),
                -(-(len(units) - first) // (most * layout.lines)),
                int((units[-1].end - units[first].start) // SECONDS) + 1,
            )
            last = _best(units, done, range(first + 1, last + 1), first, rest / needed)
        yield units[first:last]
        first = last


def lines(units: Sequence[Unit], layout: Layout) -> list[str]:
    """Break a cue into as few lines as its units fit, of about equal width."""
    ends = [_line_end(units, first, layout) for first in range(len(units))]
    needed = [0] * (len(units) + 1)  # lines for the units from each on
    for first in reversed(range(len(units))):
        needed[first] = 1 + needed[ends[first]]
    done = _columns_before(units)
    made, first = [], 0
    while first < len(units):
        last = len(units)
        if needed[first] > 1:
            places = [at for at in range(first + 1, ends[first] + 1) if needed[at] < needed[first]]
            last = _best(units, done, places, first, (done[-1] - done[first]) / needed[first])
        made.append("".join(unit.text + " " * unit.gap for unit in units[first:last]).rstrip())
        first = last
    return made


def _columns_before(units: Sequence[Unit]) -> list[int]:
    return list(accumulate((unit.columns + unit.gap for unit in units), initial=0))


def _line_end(units: Sequence[Unit], first: int, layout: Layout) -> int:
    """Return the end of the longest line that starts with the unit `first`. It has one unit at least."""
    most = min(len(units), first + (layout.max_words_per_line or len(units)))
    taken = units[first].columns + units[first].gap
    for at in range(first + 1, most):
        if taken + units[at].columns > layout.max_line_width:
            return at
        taken += units[at].columns + units[at].gap
    return most


def _reach(units: Sequence[Unit], first: int, layout: Layout) -> int:
    """Return the end of the longest cue that starts with the unit `first`. It has one unit at least."""
    last = first
    for _ in range(layout.lines):
        last = _line_end(units, last, layout) if last < len(units) else last
    latest = units[first].start + SECONDS
    return next((at for at in range(first + 1, last) if units[at].end > latest), last)


def _best(units: Sequence[Unit], done: Sequence[int], places: Sequence[int], first: int, share: float) -> int:
    """Return the place to break before: near `share` columns, and preferably at a clause end or a pause."""

    def cost(at: int) -> float:
        pause = min(max(units[at].start - units[at - 1].end, 0.0), 1.0) / 2 if at < len(units) else 0.0
        return abs((done[at] - done[first]) / share - 1) - units[at - 1].after - pause

    return min(reversed(places), key=cost)
