"""Jobs in Redis, shared by machines. Each change is one script, which Redis runs without anything in between.

    {qwen-asr-compat}:job:ID     hash: version, record
    {qwen-asr-compat}:key:KEY    the id of the key's job
    {qwen-asr-compat}:due        sorted set: ids by when they are due

The braces keep all of them in one slot of a cluster. What nobody has looked at for a day after it was due is forgotten
by Redis itself.
"""

from __future__ import annotations

import contextlib
import time
from typing import cast

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from compat.jobs.records import Job, UnreadableRecord, decode, encode
from compat.jobs.store import DUE_AT_ONCE, UNREADABLE_KEPT, unreachable
from compat.upstream import cancelling

SPACE = "{qwen-asr-compat}:"
DUE = f"{SPACE}due"
TIMEOUT = 5.0  # seconds

# KEYS: key, job, due. ARGV: instead_of, prefix of jobs, id, version, record, due, forgotten at (ms).
OPEN = """
local there = redis.call('GET', KEYS[1])
if there and there ~= ARGV[1] then
  local record = redis.call('HGET', ARGV[2] .. there, 'record')
  if record then return {record, there} end
end
redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[7])
redis.call('HSET', KEYS[2], 'version', ARGV[4], 'record', ARGV[5])
redis.call('PEXPIREAT', KEYS[2], ARGV[7])
redis.call('ZADD', KEYS[3], ARGV[6], ARGV[3])
return {ARGV[5], ARGV[3]}
"""
# KEYS: key, job, due. ARGV: version seen, id, version, record, due, forgotten at (ms).
SWAP = """
if redis.call('HGET', KEYS[2], 'version') ~= ARGV[1] then
  return redis.call('HGET', KEYS[2], 'record') == ARGV[4] and 1 or 0
end
redis.call('HSET', KEYS[2], 'version', ARGV[3], 'record', ARGV[4])
redis.call('PEXPIREAT', KEYS[2], ARGV[6])
if redis.call('GET', KEYS[1]) == ARGV[2] then redis.call('PEXPIREAT', KEYS[1], ARGV[6]) end
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[2])
return 1
"""
# KEYS: key, job, due. ARGV: id.
DROP = """
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""


class RedisStore:
    def __init__(self, url: str) -> None:
        """Raises TypeError or ValueError for what redis-py does not understand."""
        # Once more over a new connection, where Redis has closed the old one meanwhile: by itself redis-py neither
        # looks nor repeats. Every script here may run twice.
        again = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        self._redis = Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=again)
        self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # reads the address's options

    async def open(self, job: Job, *, instead_of: str = "") -> Job:
        arguments = (instead_of, f"{SPACE}job:", job.id, job.version, encode(job), job.due, _forgotten(job))
        record, job_id = cast("list[bytes]", await self._script(OPEN, job, *arguments))
        return decode(record, job_id.decode())

    async def get(self, job_id: str) -> Job | None:
        try:
            record = cast("bytes | None", await cancelling.kept(self._redis.hget(f"{SPACE}job:{job_id}", "record")))
        except (RedisError, OSError) as exc:
            raise unreachable(exc) from exc
        return decode(record, job_id) if record else None

    async def swap(self, seen: Job, job: Job) -> Job | None:
        kept = msgspec.structs.replace(job, version=seen.version + 1)
        arguments = (seen.version, kept.id, kept.version, encode(kept), kept.due, _forgotten(kept))
        return kept if await self._script(SWAP, kept, *arguments) else None

    async def due(self, now: float) -> list[Job]:
        try:
            ids = cast("list[bytes]", await cancelling.kept(self._redis.zrangebyscore(DUE, "-inf", f"({now}")))
            jobs: list[Job] = []
            for name in ids:
                with contextlib.suppress(UnreadableRecord):
                    job = await self.get(name.decode())
                    if job is None:
                        await cancelling.kept(self._redis.zrem(DUE, name))
                    else:
                        jobs.append(job)
                if len(jobs) == DUE_AT_ONCE:
                    break
        except (RedisError, OSError) as exc:
            raise unreachable(exc) from exc
        return jobs

    async def drop(self, job: Job) -> None:
        await self._script(DROP, job, job.id)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _script(self, script: str, job: Job, *arguments: str | bytes | float) -> object:
        keys = (f"{SPACE}key:{job.key}", f"{SPACE}job:{job.id}", DUE)
        try:
            return await cancelling.kept(self._redis.eval(script, len(keys), *keys, *arguments))
        except (RedisError, OSError) as exc:
            raise unreachable(exc) from exc


def _forgotten(job: Job) -> int:
    """Milliseconds since the epoch."""
    due = max(job.due, time.time())  # 0.0 is at once
    return round((due + UNREADABLE_KEPT) * 1000)
