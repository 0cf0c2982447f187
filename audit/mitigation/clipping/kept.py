"""What is kept of a layer's backward pass until all norms are known, and the clipped sum it gives then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Factors:
    """What each unit's gradient is multiplied with, by unit and by row; ``bad`` are those that count as zero."""

    units: Tensor
    rows: Tensor
    bad_units: Tensor | None = None
    bad_rows: Tensor | None = None

    @classmethod
    def of(cls, factors: Tensor, finite: Tensor, unit: Tensor) -> Factors:
        """From factors of units, shape (units,), and the place of each row's unit."""
        if finite.all():
            return cls(factors, factors[unit])
        return cls(factors, factors[unit], ~finite, ~finite[unit])


@dataclass(frozen=True, slots=True)
class PerUnit:
    """A gradient of each unit, shape (units, ...)."""

    parameter: nn.Parameter
    gradients: Tensor

    def add(self, factors: Factors) -> None:
        """Add the clipped sum to the parameter's gradient."""
        gradients = _without(self.gradients, factors.bad_units).to(self.parameter.dtype)
        weights = factors.units.to(gradients.dtype)
        _add(self.parameter, (weights @ gradients.flatten(1)).view(self.parameter.shape))


@dataclass(frozen=True, slots=True)
class Outer:
    """The factors of each row's gradient Σ_t left_t right_tᵀ: (rows, tokens, ...), in the parameter's own order."""

    parameter: nn.Parameter
    left: Tensor
    right: Tensor

    def add(self, factors: Factors) -> None:
        """Add the clipped sum to the parameter's gradient: one product over all rows and tokens."""
        left, right = _without(self.left, factors.bad_rows), _without(self.right, factors.bad_rows)
        weights = factors.rows.to(left.dtype)[:, None, None]
        # Not in place: two layers may hold the same tensor. The smaller one is copied.
        if left.shape[2] < right.shape[2]:
            left = left * weights
        else:
            right = right * weights
        left, right = left.reshape(-1, left.shape[2]), right.reshape(-1, right.shape[2])
        if self.parameter.grad is None:
            self.parameter.grad = (left.mT @ right).to(self.parameter.dtype)
        else:
            self.parameter.grad.addmm_(left.mT.to(self.parameter.dtype), right.to(self.parameter.dtype))


@dataclass(frozen=True, slots=True)
class Rows:
    """Gradients of an embedding's outputs, (rows, tokens, width), and which row of the weights each goes to."""

    parameter: nn.Parameter
    ids: Tensor
    back: Tensor

    def add(self, factors: Factors) -> None:
        """Add the clipped sum to the parameter's gradient."""
        if self.parameter.grad is None:
            self.parameter.grad = torch.zeros_like(self.parameter)
        back = _without(self.back, factors.bad_rows) * factors.rows.to(self.back.dtype)[:, None, None]
        self.parameter.grad.index_add_(0, self.ids.flatten(), back.flatten(0, 1).to(self.parameter.dtype))


Kept = PerUnit | Outer | Rows


def _without(tensor: Tensor, bad: Tensor | None) -> Tensor:
    """A factor of 0 is not enough where a value is NaN."""
    if bad is None:
        return tensor
    return tensor.masked_fill(bad.view(-1, *(1,) * (tensor.ndim - 1)), 0)


def _add(parameter: nn.Parameter, total: Tensor) -> None:
    parameter.grad = total if parameter.grad is None else parameter.grad.add_(total)
