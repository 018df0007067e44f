"""Runs jobs in the worker process. Runs no user code and imports no torch.

Whatever becomes of the worker or of a job, the answer is plain data; only the caller's own Ctrl-C comes out as an
exception, after everything that was started has been ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from shapecheck import processes
from shapecheck.endings import Result, died, timed_out
from shapecheck.processes import Process

ENTRY = "shapecheck.jobs:run_job"


def run(
    jobs: Sequence[Mapping[str, Any]], timeout: float, concurrency: int = 1, entry: str = ENTRY
) -> Iterator[tuple[int, Result]]:
    """As `Workers.run`, with a worker of its own."""
    with Workers() as workers:
        yield from workers.run(jobs, timeout, concurrency, entry)


class Workers:
    """The worker process, from before the jobs are known until after the last.

    `start()` returns at once and torch is imported meanwhile. One run at a time. Without `fork`
    every job gets a worker of its own.
    """

    def __init__(self, fork: bool = hasattr(os, "fork")) -> None:
        self.fork = fork
        self._process: Process | None = None
        self._busy = False

    def __enter__(self) -> Workers:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Starts the worker unless it runs already."""
        if self.fork and self._process is None:
            self._process = processes.spawn()

    def run(
        self, jobs: Sequence[Mapping[str, Any]], timeout: float, concurrency: int = 1, entry: str = ENTRY
    ) -> Iterator[tuple[int, Result]]:
        """(index, result) of every job as it ends; `timeout` is in seconds, of each job's own time.

        A result is what the entry function returned, or `{"error": {"code", "message", "hint", "location",
        "exit_status"}}`: SC901 without torch, SC906 timed out, SC907 the process died, SC999 a bug of shapecheck's.
        """
        if not jobs:
            return iter(())
        if not self.fork:
            return _run_each_alone(jobs, timeout, concurrency, entry)
        return self._run_forked(_request(jobs, timeout, concurrency, entry, fork=True), len(jobs))

    def close(self) -> None:
        """Ends the worker and everything it started."""
        process, self._process = self._process, None
        if process is not None:
            processes.finish(process, self._busy)
        self._busy = False

    def _run_forked(self, request: bytes, count: int) -> Iterator[tuple[int, Result]]:
        self.start()
        assert self._process is not None
        left = set(range(count))
        self._busy = True
        try:
            for index, result in processes.ask(self._process, request, count):
                left.remove(index)
                self._busy = bool(left)
                yield index, result
            if left:
                lost = died(processes.exit_status(self._process), who="the worker process")
                self.close()
                yield from ((index, lost) for index in sorted(left))
        finally:
            if self._busy:
                self.close()


def _request(jobs: Sequence[Mapping[str, Any]], timeout: float, concurrency: int, entry: str, fork: bool) -> bytes:
    message = {"jobs": list(jobs), "timeout": timeout, "concurrency": max(1, concurrency), "entry": entry, "fork": fork}
    return json.dumps(message).encode() + b"\n"


def _run_each_alone(
    jobs: Sequence[Mapping[str, Any]], timeout: float, concurrency: int, entry: str
) -> Iterator[tuple[int, Result]]:
    from concurrent.futures import ThreadPoolExecutor, as_completed

    started: list[Process] = []
    pool = ThreadPoolExecutor(max(1, concurrency))
    try:
        futures = {pool.submit(_run_alone, job, timeout, entry, started): i for i, job in enumerate(jobs)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in started:
            process.kill()


def _run_alone(job: Mapping[str, Any], timeout: float, entry: str, started: list[Process]) -> Result:
    """One job in one worker; its time begins when torch is there."""
    from threading import Event, Timer

    process = processes.spawn()
    started.append(process)
    processes.wait_until_ready(process)
    late = Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = Timer(timeout, stop)
    timer.start()
    try:
        answers = list(processes.ask(process, _request([job], timeout, 1, entry, fork=False), 1))
        if answers:
            return answers[0][1]
        return timed_out(timeout) if late.is_set() else died(processes.exit_status(process))
    finally:
        timer.cancel()
        processes.finish(process)
