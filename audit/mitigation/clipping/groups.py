"""Which rows of a batch make a unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from audit.mitigation.values import Batch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows by unit: ``blocks`` are (units, rows of each) in order, one after the other through the batch.

    Units of as many rows as the ones before them stand in the same block, so that most batches have one.
    """

    units: int
    unit: Tensor
    blocks: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, batch: Batch) -> Groups:
        """Groups of a batch whose rows stand together by unit.

        >>> import torch
        >>> unit = torch.tensor([0, 1, 2, 2, 3, 3])
        >>> Groups.of(Batch(unit, unit, unit, unit, unit, 4)).blocks
        ((2, 1), (2, 2))
        """
        import torch

        counts = torch.bincount(batch.unit, minlength=batch.units).tolist()
        return cls(batch.units, batch.unit, tuple((len(list(same)), rows) for rows, same in groupby(counts) if rows))

    @property
    def single(self) -> bool:
        """Whether row and unit are the same."""
        return self.units == len(self.unit)

    @property
    def most_rows(self) -> int:
        """Rows of the largest unit."""
        return max((rows for _, rows in self.blocks), default=0)

    def views(self, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """By block: each tensor of (rows, tokens, ...) as one of (units, rows of a unit · tokens, ...), not copied."""
        first = 0
        for units, rows in self.blocks:
            last = first + units * rows
            yield tuple(
                tensor[first:last].reshape(units, rows * tensor.shape[1], *tensor.shape[2:]) for tensor in tensors
            )
            first = last

    def add(self, rows: Tensor) -> Tensor:
        """Sum over each unit's rows: (rows, ...) to (units, ...)."""
        if self.single:
            return rows
        return rows.new_zeros(self.units, *rows.shape[1:]).index_add_(0, self.unit, rows)
