"""The rows of the two files that are written: the user's own of either side, and canaries between those to train on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.errors import ConfigError
from audit.privacy.planting.canary_rows import PlantedRow
from audit.privacy.planting.chance import source
from audit.privacy.planting.ledger import Chat
from audit.privacy.planting.survey import OnBad, Sides, Survey
from audit.privacy.records import Layout, read_rows


def scatter(rows: Sequence[PlantedRow], count: int, seed: int | None) -> list[tuple[int, PlantedRow]]:
    """Give each row a place in a file of ``count`` others, each arrangement equally likely; in order of place."""
    chance = source(seed, "places")
    places = sorted(chance.sample(range(count + len(rows)), len(rows)))
    return list(zip(places, chance.sample(rows, len(rows)), strict=True))


def with_canaries(
    rows: Iterator[dict[str, Any]], places: Sequence[tuple[int, PlantedRow]], layout: Layout, chat: Chat | None
) -> Iterator[dict[str, Any]]:
    """Put planted rows at their places; each borrows what says nothing of a person from the row after it."""
    waiting, number, row = deque(places), 0, {}
    for row in rows:
        while waiting and waiting[0][0] == number:
            yield waiting.popleft()[1].like(row, layout, chat)
            number += 1
        yield row
        number += 1
    for _, planted in waiting:
        yield planted.like(row, layout, chat)


@dataclass(slots=True)
class Kept:
    """The user's own rows of either side, read again each time; counts what it saw."""

    path: Path
    sides: Sides
    found: Survey
    on_bad: OnBad
    seen: list[int] = field(default_factory=lambda: [0, 0])

    def training(self) -> Iterator[dict[str, Any]]:
        """The rows to train on."""
        return self._side(False)

    def held_out(self) -> Iterator[dict[str, Any]]:
        """The rows kept from the training.

        Copies of a text that is trained on are among them: its members keep theirs, and leaving them out here alone
        would tell the sides apart. The audit compares neither.
        """
        return self._side(True)

    def check(self) -> None:
        """See that as many rows were written as were looked at."""
        if self.seen != self.found.rows:
            raise ConfigError(f"{self.path}: has changed while it was read; plant again when nobody writes to it")

    def _side(self, held_out: bool) -> Iterator[dict[str, Any]]:
        for row in read_rows(self.path, on_bad=self.on_bad):
            if self.sides.is_held_out(row) == held_out:
                self.seen[held_out] += 1
                yield row.data
