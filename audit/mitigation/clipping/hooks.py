"""One gradient a unit, held in memory, as Opacus takes it: the plainest mode, and the one the others are checked by."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from audit.mitigation.clipping.engine import trained
from audit.mitigation.losses import unit_losses

if TYPE_CHECKING:
    from torch import Tensor, nn

    from audit.mitigation.values import Batch


class HooksEngine:
    """Opacus's ``GradSampleModule`` and ``DPOptimizer``; gradients of rows are added up by unit before they clip."""

    def __init__(self, model: nn.Module, optimizer: Any) -> None:
        from opacus.grad_sample import GradSampleModule

        self.model: Any = GradSampleModule(model, batch_first=True, loss_reduction="sum", strict=False)
        self.optimizer = optimizer
        self.parameters = trained(model)
        self.norms = self.losses = torch.zeros(0)

    def backward(self, batch: Batch) -> None:
        """Leave ``p.grad_sample``, shape (units, ...), for the optimizer to clip."""
        for p in self.parameters:
            p.grad_sample = None  # type: ignore[attr-defined]
        if batch.units:
            with quiet():
                losses = unit_losses(self.model, batch)
                losses.sum().backward()  # type: ignore[no-untyped-call]
            self.losses = losses.detach()
        else:
            self.losses = torch.zeros(0)
        squares = self.parameters[0].new_zeros(batch.units)
        for p in self.parameters:
            p.grad = None  # the sum without clipping, which autograd leaves too
            p.grad_sample = _by_unit(p, batch)  # type: ignore[attr-defined]
            squares += p.grad_sample.flatten(1).norm(dim=1).square() if batch.units else 0  # type: ignore[attr-defined]
        self.norms = squares.sqrt()
        _drop(self.parameters, ~torch.isfinite(self.norms))


def _by_unit(p: Any, batch: Batch) -> Tensor:
    samples: Tensor | None = p.grad_sample
    if samples is None:
        return p.new_zeros((1,) * (p.ndim + 1)).expand(batch.units, *p.shape)  # type: ignore[no-any-return]
    if batch.units == len(batch.unit):
        return samples
    return samples.new_zeros(batch.units, *p.shape).index_add_(0, batch.unit, samples)


def _drop(parameters: list[nn.Parameter], units: Tensor) -> None:
    """Let units whose gradient is not finite add nothing: a factor of 0 would leave NaN times 0."""
    if units.any():
        for p in parameters:
            shape = (len(units), *(1,) * p.ndim)
            p.grad_sample = p.grad_sample.masked_fill(units.view(shape), 0)  # type: ignore[attr-defined]


@contextmanager
def quiet() -> Iterator[None]:
    """Without torch's warning about the first layer, whose input rightly needs no gradient."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Full backward hook is firing when gradients are computed")
        yield
