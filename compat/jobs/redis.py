"""A job store in Redis, which several machines can share. Each change is one script, which Redis runs atomically.

    {qwen-asr-compat}:job:ID     hash: version, record
    {qwen-asr-compat}:key:KEY    the id of the job with this key
    {qwen-asr-compat}:due        sorted set: job ids, scored by the time they are due

The braces keep all keys in one slot of a cluster. Redis expires a job one day after it was due, which only happens if
no server has updated it in that day.
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
from compat.spending.redis import RedisLedger
from compat.upstream import cancelling

SPACE = "{qwen-asr-compat}:"
DUE = f"{SPACE}due"
TIMEOUT = 5.0  # seconds

# KEYS: key, job, due. ARGV: instead_of, prefix of jobs, id, version, record, due, expires at (ms).
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
# KEYS: key, job, due. ARGV: version seen, id, version, record, due, expires at (ms).
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
        """Connect to Redis on first use. Raises TypeError or ValueError if redis-py cannot parse `url`."""
        # One retry, over a new connection: redis-py does not notice by itself that Redis has closed an idle one. A
        # retried script may run twice, so every script here is idempotent.
        again = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        self._redis = Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=again)
        self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # parses the options in `url`

    async def open(self, job: Job, *, instead_of: str = "") -> Job:
        arguments = (instead_of, f"{SPACE}job:", job.id, job.version, encode(job), job.due, _expires_at(job))
        record, job_id = cast("list[bytes]", await self._script(OPEN, job, *arguments))
        return decode(record, job_id.decode())

    async def find(self, key: str) -> Job | None:
        try:
            found = cast("bytes | None", await cancelling.kept(self._redis.get(f"{SPACE}key:{key}")))
        except (RedisError, OSError) as exc:
            raise unreachable(exc) from exc
        return await self.get(found.decode()) if found else None

    async def get(self, job_id: str) -> Job | None:
        try:
            record = cast("bytes | None", await cancelling.kept(self._redis.hget(f"{SPACE}job:{job_id}", "record")))
        except (RedisError, OSError) as exc:
            raise unreachable(exc) from exc
        return decode(record, job_id) if record else None

    async def swap(self, seen: Job, job: Job) -> Job | None:
        kept = msgspec.structs.replace(job, version=seen.version + 1)
        arguments = (seen.version, kept.id, kept.version, encode(kept), kept.due, _expires_at(kept))
        return kept if await self._script(SWAP, kept, *arguments) else None

    async def due_jobs(self, now: float) -> list[Job]:
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

    def ledger(self) -> RedisLedger:
        return RedisLedger(self._redis, unreachable)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _script(self, script: str, job: Job, *arguments: str | bytes | float) -> object:
        keys = (f"{SPACE}key:{job.key}", f"{SPACE}job:{job.id}", DUE)
        try:
            return await cancelling.kept(self._redis.eval(script, len(keys), *keys, *arguments))
        except (RedisError, OSError) as exc:
            raise unreachable(exc) from exc


def _expires_at(job: Job) -> int:
    """Return the time at which Redis expires the job, in milliseconds since the epoch."""
    due = max(job.due, time.time())  # older releases wrote 0.0 for "at once"
    return round((due + UNREADABLE_KEPT) * 1000)
