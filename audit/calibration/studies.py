"""A study: many simulated audits of one kind, in chunks whose seeds do not depend on who runs them."""

from __future__ import annotations

import os
import signal
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Final

import numpy as np

from audit.calibration.values import Row
from audit.progress import Progress
from audit.statistics.variance import Reals

Outcomes = Mapping[str, Reals]

# A worker is one core's; the linear algebra libraries must not start threads of their own.
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Study:
    """What to simulate and which rows it gives.

    ``simulate(rng, runs)`` returns named arrays whose first axis is the run; it must be
    picklable, as it runs in another process. ``judge`` makes rows of all runs.
    """

    id: str
    simulate: Callable[[np.random.Generator, int], Outcomes]
    judge: Callable[[Outcomes], tuple[Row, ...]]
    runs: int
    chunk: int = 100

    def sizes(self) -> list[int]:
        """Runs of each chunk."""
        whole, rest = divmod(self.runs, self.chunk)
        return [self.chunk] * whole + ([rest] if rest else [])


@dataclass(frozen=True, slots=True)
class _Task:
    study: int
    part: int
    simulate: Callable[[np.random.Generator, int], Outcomes]
    seed: np.random.SeedSequence
    runs: int


def run_studies(studies: Sequence[Study], seed: int, jobs: int, progress: Progress) -> dict[str, Outcomes]:
    """Simulate every study on ``jobs`` processes and return its outcomes by id.

    The result does not depend on ``jobs``: a chunk's generator is seeded by the
    overall seed, the study's name and the chunk's place.
    """
    tasks = list(_tasks(studies, seed))
    found: dict[tuple[int, int], Outcomes] = {}
    began = time.monotonic()
    progress.begin("calibrate", len(tasks))
    for task, outcome in _in_process(tasks) if jobs == 1 else _in_pool(tasks, jobs):
        found[task.study, task.part] = outcome
        seconds = time.monotonic() - began
        # The first chunks are those of the slow studies; what they promise is far too long.
        known = len(found) > len(tasks) // 10
        left = seconds / len(found) * (len(tasks) - len(found)) if known else None
        progress.advance(len(found), studies[task.study].id, left)
    progress.end("calibrate", time.monotonic() - began, False)
    return {
        study.id: _joined([found[i, part] for part in range(len(study.sizes()))]) for i, study in enumerate(studies)
    }


def _tasks(studies: Sequence[Study], seed: int) -> Iterator[_Task]:
    for i, study in enumerate(studies):
        root = np.random.SeedSequence([seed, zlib.crc32(study.id.encode())])
        sizes = study.sizes()
        for part, (child, runs) in enumerate(zip(root.spawn(len(sizes)), sizes, strict=True)):
            yield _Task(i, part, study.simulate, child, runs)


def _do(task: _Task) -> Outcomes:
    return task.simulate(np.random.default_rng(task.seed), task.runs)


def _in_process(tasks: Sequence[_Task]) -> Iterator[tuple[_Task, Outcomes]]:
    for task in tasks:
        yield task, _do(task)


def _in_pool(tasks: Sequence[_Task], jobs: int) -> Iterator[tuple[_Task, Outcomes]]:
    """Keep every process busy; on Ctrl-C, or any error, stop them all at once."""
    with _one_thread_each():
        pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_leave_ctrl_c_to_the_parent)
        try:
            # Few tasks wait at a time, so that stopping does not have to wait for a long queue.
            waiting: dict[Future[Outcomes], _Task] = {}
            rest = iter(tasks)
            with _ctrl_c_waits():
                for task in islice(rest, 2 * jobs):
                    waiting[pool.submit(_do, task)] = task
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    task = waiting.pop(future)
                    yield task, future.result()
                    following = next(rest, None)
                    if following is not None:
                        waiting[pool.submit(_do, following)] = following
        except BaseException:
            workers = list((getattr(pool, "_processes", None) or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.terminate()
            raise
        pool.shutdown()


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Hold Ctrl-C back, here until the end and in what is started meanwhile for good: the parent alone answers it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _joined(parts: Sequence[Outcomes]) -> Outcomes:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
