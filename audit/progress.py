"""How far a stage is, and an honest guess of what is left."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from audit.backends.protocol import Batch


class Progress(Protocol):
    """Who wants to be told. All times are in seconds."""

    def begin(self, stage: str, total: int) -> None:
        """Say that ``stage`` starts and has ``total`` steps (0: it is short)."""
        ...

    def advance(self, done: int, note: str, left: float | None) -> None:
        """Say that ``done`` steps are finished and about ``left`` seconds remain (None: not known yet)."""
        ...

    def end(self, stage: str, seconds: float, skipped: bool) -> None:
        """Say that ``stage`` is finished, or was skipped since nothing had changed."""
        ...

    def warn(self, message: str) -> None:
        """Pass on one line that the person should know."""
        ...


class Silent:
    """Tells nobody."""

    def begin(self, stage: str, total: int) -> None:
        """Ignore."""

    def advance(self, done: int, note: str, left: float | None) -> None:
        """Ignore."""

    def end(self, stage: str, seconds: float, skipped: bool) -> None:
        """Ignore."""

    def warn(self, message: str) -> None:
        """Ignore."""


class Forecast:
    """Seconds left, from the measured speed of each kind of batch.

    A kind that was not seen yet is taken to cost as much a token as those that were.
    """

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.left: dict[str, float] = defaultdict(float)
        for batch in batches:
            self.left[batch.kind] += batch.cost
        self.spent: dict[str, float] = defaultdict(float)
        self.seconds: dict[str, float] = defaultdict(float)
        self.clock = time.monotonic()

    def skip(self, batch: Batch) -> None:
        """Take off a batch that was answered before."""
        self.left[batch.kind] -= batch.cost

    def finish(self, batch: Batch) -> None:
        """Take off a batch that was answered since the last call."""
        now = time.monotonic()
        self.add(batch, now - self.clock)
        self.clock = now

    def add(self, batch: Batch, seconds: float) -> None:
        """Take off a batch that took ``seconds``."""
        self.left[batch.kind] -= batch.cost
        self.spent[batch.kind] += batch.cost
        self.seconds[batch.kind] += seconds

    def seconds_left(self) -> float | None:
        """Return the seconds left, None before anything was measured."""
        if not self.seconds:
            return None
        overall = sum(self.seconds.values()) / sum(self.spent.values())
        rates: Mapping[str, float] = {kind: self.seconds[kind] / self.spent[kind] for kind in self.seconds}
        return sum(cost * rates.get(kind, overall) for kind, cost in self.left.items())
