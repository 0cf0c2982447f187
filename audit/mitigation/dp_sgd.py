"""DP-SGD, top to bottom: sample by coins, clip each unit, add noise once, divide by a constant, step.

The line of the budget ledger is on disk before the noise that it pays for is drawn. A run that is killed goes on
with the next number: what was paid and not kept is lost, and neither its ε nor its noise comes back.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from audit.mitigation import checkpoints
from audit.mitigation.distributed import World
from audit.mitigation.keys import Keys
from audit.mitigation.sampling import PoissonBatches
from audit.mitigation.values import Batch, Sampling, Unit
from audit.progress import Progress, Silent

if TYPE_CHECKING:
    from torch import nn


class Engine(Protocol):
    """What reads a batch and clips; see :mod:`audit.mitigation.clipping`."""

    model: nn.Module
    optimizer: Any

    def backward(self, batch: Batch) -> None:
        """Leave behind what ``optimizer.step()`` clips and adds up."""
        ...


class Pays(Protocol):
    """A budget ledger; see :mod:`audit.mitigation.spending`."""

    def pay(self, step: int) -> None:
        """Write down that the step is spent, before it is taken."""
        ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate: up to ``rate`` over the first twentieth of the steps, then down to a tenth of it.

    >>> schedule = Schedule(rate=1.0, steps=100)
    >>> schedule.at(0), schedule.at(4), round(schedule.at(99), 2)
    (0.2, 1.0, 0.1)
    """

    rate: float
    steps: int

    def at(self, step: int) -> float:
        """Rate of ``step``, the first being 0."""
        warm = max(1, self.steps // 20)
        if step < warm:
            return self.rate * (step + 1) / warm
        return self.rate * (1 - 0.9 * (step + 1 - warm) / max(1, self.steps - warm))


def train(
    engine: Engine,
    units: Sequence[Unit],
    collate: Callable[[Sequence[Unit]], Batch],
    sampling: Sampling,
    keys: Keys,
    *,
    ledger: Pays | None,
    parameters: dict[str, nn.Parameter],
    schedule: Schedule,
    folder: Path,
    start: int = 0,
    applied: int = 0,
    physical_batch: int = 8,
    world: World | None = None,
    progress: Progress | None = None,
    after_step: Callable[[int], None] = lambda step: None,
) -> int:
    """Take the steps from ``start`` to ``sampling.steps``; return how many steps the weights hold.

    Parameters
    ----------
    collate
        Puts units together as the engine reads them.
    ledger
        Is paid before each step; None where nothing is promised.
    folder
        Where checkpoints go.
    start
        The first number that was not paid for yet.
    applied
        How many of those before it are in the weights.
    physical_batch
        Units in one forward pass.
    world
        The processes that train together. The first pays, adds noise and writes; the engine is a distributed one.
    after_step
        Called with the number of each step when it is taken.

    Raises
    ------
    KeyboardInterrupt
        When asked to stop, by Ctrl-C or a termination: after the step that was being taken, with a checkpoint written.
    """
    from opacus.utils.batch_memory_manager import BatchMemoryManager
    from torch.utils.data import DataLoader

    from audit.mitigation.clipping.noise import generator_of

    world, progress = world or World(), progress or Silent()
    batches = PoissonBatches(_lengths(units), sampling, keys, start=start, rank=world.rank, world=world.size)
    loader: Any = DataLoader(list(units), batch_sampler=batches, collate_fn=collate)  # type: ignore[arg-type]
    optimizer, cadence, step, began = engine.optimizer, checkpoints.Cadence(), start, time.monotonic()
    progress.begin("train", sampling.steps)
    with (
        _held_back() as asked_to_stop,
        BatchMemoryManager(data_loader=loader, max_physical_batch_size=physical_batch, optimizer=optimizer) as physical,
    ):
        for batch in physical:
            engine.backward(batch)
            if optimizer._check_skip_next_step(pop_next=False):  # more of this step is to come: only add it up
                optimizer.step()
                optimizer.zero_grad()
                continue
            if ledger is not None and world.writes:  # the noise is the first process's, and comes after
                ledger.pay(step)
            optimizer.generator = generator_of(keys.noise(step))
            for group in optimizer.param_groups:
                group["lr"] = schedule.at(step)
            optimizer.step()
            optimizer.zero_grad()
            step, applied = step + 1, applied + 1
            after_step(step)
            stop = world.agree(asked_to_stop())
            if world.writes and (stop or step == sampling.steps or cadence.due()):
                at = time.monotonic()
                checkpoints.save(folder, step, applied, parameters, optimizer)
                cadence.took(time.monotonic() - at)
            left = (time.monotonic() - began) / (step - start) * (sampling.steps - step)
            progress.advance(step, "steps", left)
            if stop:
                raise KeyboardInterrupt
    progress.end("train", time.monotonic() - began, False)
    return applied


def _lengths(units: Sequence[Unit]) -> list[int]:
    return [max(map(len, unit.rows)) for unit in units]


@contextmanager
def _held_back() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C and a termination back until a step is whole; a second one acts at once."""
    asked: list[int] = []
    before: dict[int, Any] = {}

    def hold(number: int, frame: Any) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, hold)
    except ValueError:  # not the main thread, which alone hears signals
        before.clear()
    try:
        yield lambda: bool(asked)
    finally:
        for heard, handler in before.items():
            signal.signal(heard, handler)
