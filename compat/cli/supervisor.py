"""The supervisor of `serve --workers`: starts the workers, replaces those that die, and passes signals on.

It holds what they share: the listening socket, the secret that signs client secrets, the local engine, and
memory for limits (`sharing`). It serves no request and runs no event loop.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import os
import secrets
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import msgspec

from compat import processes
from compat.cli.orders import READY, Orders
from compat.cli.serving import INTERRUPTED, Serving, confirm, local_environment, stop_signals
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.server.local_engine import LocalEngine, pause
from compat.server.run import FINISH
from compat.sharing.memory import SharedMemory
from compat.sharing.team import Team
from compat.transcription.spool import Spool

log = logging.getLogger("compat")
PROGRAM: Final = "from compat.cli.worker import main; main()"
SETTLED: Final = 10.0  # seconds after which a death is not an early one
HOPELESS: Final = 5  # early deaths in a row
HASTE: Final = 5.0  # seconds that workers have to end after a second Ctrl-C, or if another cannot serve


@dataclasses.dataclass(eq=False)
class _WorkerProcess:
    number: int
    process: subprocess.Popen[bytes]
    control: socket.socket
    started: float
    ready: bool = False


class Supervisor:
    """The supervisor of `count` workers: a context in which `until_signal` runs once."""

    def __init__(self, count: int, spool: Path | None, hopeless: int = HOPELESS) -> None:
        """Make the supervisor's private folder in `spool`. Raises SettingsError.

        The server ends if no worker is ready and each has died so many times in a row soon after its start.
        """
        self._spool = Spool(spool)
        try:
            self.team = Team(SharedMemory.create(count), self._spool.path)
            self.team.make_folders()
        except OSError as exc:
            raise SettingsError(f"The workers' shared memory cannot be created: {exc.strerror}.") from exc
        self._count = count
        self._children: list[_WorkerProcess] = []
        self._deaths = [0] * count  # early deaths in a row
        self._due: dict[int, float] = {}  # times at which dead workers are replaced
        self._hopeless = hopeless
        self._selector = selectors.DefaultSelector()
        self._signal: int | None = None
        self._until = float("inf")  # the time until which workers may take to end
        self._failed = 0
        self._started = False

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def tell(self, report: bytes) -> None:
        """Pass a report of the local engine on to the workers."""
        self.team.memory.notify(report)

    def until_signal(
        self,
        listener: socket.socket,
        settings: Settings,
        serving: Serving,
        local: LocalEngine | None,
        ready: Callable[[], object],
    ) -> NoReturn:
        """Run the workers until a signal arrives, then raise SystemExit. `ready` is called when all are ready.

        The first worker starts alone: if it cannot serve, it says why, and its exit status is that of this process. The
        same happens later if no worker stays alive.
        """
        self._listener = listener
        self._ready = ready
        self._orders = self._made_orders(settings, serving, local)
        self._grace = settings.drain_delay + settings.grace + 2 * FINISH
        waker, wakes = socket.socketpair()
        for end in (waker, wakes):
            end.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        self._selector.register(waker, selectors.EVENT_READ, lambda: waker.recv(64))
        for number in stop_signals():
            signal.signal(number, self._signalled)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop up
        if local is not None:
            local.start(self.team.folder / "engine", settings.max_spool, fetches=settings.publishes)
        self._start(0)
        while self._children or not (self._signal or self._failed):
            for key, _ in self._selector.select(self._patience()):
                key.data()
            self._bury(local)
            if self._signal or self._failed:
                listener.close()  # the workers have theirs
                self._cut_off()
            else:
                self._replace()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise SystemExit(self._failed or (INTERRUPTED if self._signal == signal.SIGINT else 0))

    def _made_orders(self, settings: Settings, serving: Serving, local: LocalEngine | None) -> Orders:
        own = {
            "COMPAT_SECRET": settings.secret or secrets.token_urlsafe(32),
            "COMPAT_STORE": settings.store or str(self.team.folder / "jobs.sqlite"),
            "COMPAT_MAX_SESSIONS": str(settings.max_sessions),
            "COMPAT_MAX_REQUESTS": str(settings.max_requests),
        }
        own |= local_environment(local) if local else {}
        return Orders(
            listener=self._listener.fileno(),
            memory=self.team.memory.fd,
            workers=self._count,
            worker=0,
            folder=str(self.team.folder),
            settings=own,
            most=-(-serving.most // self._count),
            engine=(local.name, str(local.path)) if local else None,
            cert=str(serving.cert) if serving.cert else None,
            key=str(serving.key) if serving.key else None,
            insecure=serving.insecure,
        )

    def _start(self, number: int) -> None:
        try:
            self._launch(number)
        except OSError as exc:
            reason = errno.errorcode.get(exc.errno or 0)
        else:
            return
        fields = {"worker": number + 1, "errno": reason}
        log.error(
            "a worker cannot be started: file descriptors, processes or memory are used up", extra={"fields": fields}
        )
        self._died(number, 1, early=True)

    def _launch(self, number: int) -> None:
        own_end, worker_end = socket.socketpair()
        with worker_end:
            process = subprocess.Popen(  # noqa: S603 - our own program
                processes.python(PROGRAM, str(worker_end.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[self._orders.listener, self._orders.memory, worker_end.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal reaches the supervisor only
            )
        child = _WorkerProcess(number, process, own_end, time.monotonic())
        self._children.append(child)
        with contextlib.suppress(OSError):  # the worker has died
            own_end.sendall(msgspec.json.encode(msgspec.structs.replace(self._orders, worker=number)) + b"\n")
        self._selector.register(own_end, selectors.EVENT_READ, lambda: self._receive(child))
        if self._signal:  # which has arrived before the worker was known
            process.send_signal(self._signal)

    def _receive(self, child: _WorkerProcess) -> None:
        try:
            text = child.control.recv(64)
        except OSError:
            text = b""
        if not text:
            self._ended(child)
        elif text == READY:
            child.ready = True
            if not self._started and all(other.ready for other in self._children):
                self._all_ready()

    def _all_ready(self) -> None:
        """Start the other workers after the first; announce the server after the last."""
        if len(self._children) < self._count:
            for number in range(1, self._count):
                if not self._failed:
                    self._start(number)
        else:
            self._started = True
            self._ready()

    def _ended(self, child: _WorkerProcess) -> None:
        self._selector.unregister(child.control)
        child.control.close()
        status = child.process.wait()
        self._children.remove(child)
        self._died(child.number, status, early=time.monotonic() - child.started < SETTLED)

    def _died(self, number: int, status: int, *, early: bool) -> None:
        self.team.forget(number)
        if self._signal or self._failed:
            return
        if not self._started:
            self._fail(status)
            return
        deaths = self._deaths[number] = self._deaths[number] + 1 if early else 1
        if min(self._deaths) >= self._hopeless and not any(other.ready for other in self._children):
            log.error("no worker stays alive; the server ends", extra={"fields": {"status": status}})
            self._fail(status)
            return
        wait = pause(deaths)
        self._due[number] = time.monotonic() + wait
        fields = {"worker": number + 1, "status": status, "in": wait}
        log.warning("a worker has ended and is being replaced", extra={"fields": fields})

    def _fail(self, status: int) -> None:
        self._failed = self._failed or (status if status > 0 else 1)
        self._until = min(self._until, time.monotonic() + HASTE)
        self._due.clear()
        for other in self._children:
            other.process.terminate()

    def _patience(self) -> float | None:
        """Return the seconds until there is something to do, None if only a worker or a signal can change anything."""
        until = min(self._due.values(), default=self._until)
        return None if until == float("inf") else max(0.0, until - time.monotonic())

    def _cut_off(self) -> None:
        """Kill workers that do not end in time."""
        if time.monotonic() < self._until:
            return
        self._until = float("inf")
        for child in self._children:
            log.warning("a worker does not end and is killed", extra={"fields": {"worker": child.number + 1}})
            child.process.kill()

    def _bury(self, local: LocalEngine | None) -> None:
        """Wait for ended processes that dead workers have left behind: in a container they become those of this one."""
        own = {child.process.pid for child in self._children} | ({local.pid} if local else set())
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in own:  # another part of this process waits for it
                    break
                os.waitpid(ended.si_pid, 0)

    def _replace(self) -> None:
        for number, due in list(self._due.items()):
            if due <= time.monotonic():
                del self._due[number]
                self._start(number)

    def _signalled(self, number: int, _: FrameType | None) -> None:
        if self._signal is None:
            self._signal = number
            self._until = time.monotonic() + self._grace
            self._due.clear()
            self.team.memory.stop()
            confirm()
        elif number == signal.SIGINT:
            self._until = min(self._until, time.monotonic() + HASTE)
        for child in list(self._children):
            child.process.send_signal(number)
