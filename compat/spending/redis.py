"""A ledger in Redis. Each change is one script, which Redis runs atomically, and a script that is sent again after a
lost connection changes nothing.

    {qwen-asr-compat}:spent:DAY     hash: [client, model, figure] in JSON -> amount
    {qwen-asr-compat}:charged:DAY   hash: client -> milliseconds
    {qwen-asr-compat}:done:TOKEN    the result of a script, for a minute
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from redis.exceptions import RedisError

from compat.errors import ServiceUnavailable
from compat.spending.records import DAY, KEPT, Spent
from compat.upstream import cancelling

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

SPACE: Final = "{qwen-asr-compat}:"
FIGURES: Final = ("requests", "seconds", "dollars", "unpriced")

# KEYS: done, charged. ARGV: client, least, most, bound, expires at (s).
TAKE: Final = """
local done = redis.call('GET', KEYS[1])
if done then return tonumber(done) end
local left = tonumber(ARGV[4]) - tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
local ms = math.min(tonumber(ARGV[3]), left)
if ms < tonumber(ARGV[2]) then ms = 0 end
if ms > 0 then
  redis.call('HINCRBY', KEYS[2], ARGV[1], string.format('%.0f', ms))
  redis.call('EXPIREAT', KEYS[2], ARGV[5])
end
redis.call('SET', KEYS[1], string.format('%.0f', ms), 'EX', 60)
return ms
"""
# KEYS: done, charged. ARGV: client, milliseconds, expires at (s).
CHARGE: Final = """
if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', 60) then return 0 end
if redis.call('HINCRBY', KEYS[2], ARGV[1], ARGV[2]) < 0 then redis.call('HSET', KEYS[2], ARGV[1], 0) end
redis.call('EXPIREAT', KEYS[2], ARGV[3])
return 0
"""
# KEYS: done, spent (one for each field). ARGV: field, amount, expires at (s) for each of them.
ADD: Final = """
if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', 60) then return 0 end
for i = 2, #KEYS do
  local at = (i - 2) * 3
  redis.call('HINCRBYFLOAT', KEYS[i], ARGV[at + 1], ARGV[at + 2])
  redis.call('EXPIREAT', KEYS[i], ARGV[at + 3])
end
return 0
"""


class RedisLedger:
    def __init__(self, redis: Redis, unreachable: Callable[[Exception], ServiceUnavailable]) -> None:
        """`unreachable` returns the error for an exception of the client."""
        self._redis = redis
        self._unreachable = unreachable

    async def take(self, client: str, day: int, *, least: int, most: int, bound: int) -> int:
        return int(cast("int", await self._script(TAKE, [_charged(day)], client, least, most, bound, _end(day))))

    async def charge(self, client: str, day: int, ms: int) -> None:
        await self._script(CHARGE, [_charged(day)], client, ms, _end(day))

    async def add(self, entries: Iterable[Spent]) -> None:
        keys: list[str] = []
        arguments: list[str | float] = []
        for entry in entries:
            for figure in FIGURES:
                if amount := getattr(entry, figure):
                    keys.append(_spent(entry.day))
                    arguments += [msgspec.json.encode((entry.client, entry.model, figure)).decode(), repr(amount)]
                    arguments.append(_end(entry.day))
        if keys:
            await self._script(ADD, keys, *arguments)

    async def spent(self, first: int, end: int) -> list[Spent]:
        found: list[Spent] = []
        for day in range(first, end):
            figures: dict[tuple[str, str], dict[str, Any]] = {}
            for field, amount in (await self._answer(self._redis.hgetall(_spent(day)))).items():
                client, model, figure = msgspec.json.decode(field, type=tuple[str, str, str])
                value = float(amount)
                figures.setdefault((client, model), {})[figure] = int(value) if figure == "requests" else value
            found += [Spent(day, *names, **given) for names, given in sorted(figures.items())]
        return found

    async def _script(self, script: str, keys: list[str], *arguments: str | float) -> object:
        keys = [f"{SPACE}done:{uuid.uuid4().hex}", *keys]
        return await self._answer(self._redis.eval(script, len(keys), *keys, *arguments))

    async def _answer(self, answer: Any) -> Any:  # noqa: ANN401 - whatever Redis returns
        try:
            return await cancelling.kept(answer)
        except (RedisError, OSError) as exc:
            raise self._unreachable(exc) from exc


def _charged(day: int) -> str:
    return f"{SPACE}charged:{day}"


def _spent(day: int) -> str:
    return f"{SPACE}spent:{day}"


def _end(day: int) -> int:
    """Return when Redis forgets a day, in seconds since the epoch."""
    return (day + 1 + KEPT) * DAY
