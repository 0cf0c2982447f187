"""What the training loop sees of clipping, in whichever mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import torch

from audit.mitigation.values import Batch

if TYPE_CHECKING:
    from torch import Tensor, nn


class Engine(Protocol):
    """A model and an optimizer between which each unit's gradient is clipped once.

    Attributes
    ----------
    model
        The model, wrapped where the mode wraps it, in training mode.
    optimizer
        Opacus's or a subclass; takes ``generator`` before each step and the signals of ``BatchMemoryManager``.
    norms, losses
        Of the last batch's units, before clipping; shape (units,). They are private: keep them out of what is shared.
        A unit whose gradient is not finite has a norm that is not either, and adds nothing.
    """

    model: Any
    optimizer: Any
    norms: Tensor
    losses: Tensor

    def backward(self, batch: Batch) -> None:
        """Leave behind what ``optimizer.step()`` clips and adds up; zeros for a batch without units."""
        ...


def summed(engine: Engine, batches: Sequence[Batch]) -> dict[str, Tensor]:
    """Clipped sum over physical batches, without noise and not divided, by parameter; leaves the engine clean.

    Names are those of the model before it was wrapped.
    """
    optimizer = engine.optimizer
    queue, optimizer._step_skip_queue = optimizer._step_skip_queue, []
    optimizer._is_last_step_skipped = False
    optimizer.zero_grad()
    for batch in batches:
        engine.backward(batch)
        optimizer.signal_skip_step(do_skip=True)
        optimizer.step()
        optimizer.zero_grad()
    found = {
        name.removeprefix("_module."): torch.zeros_like(p) if p.summed_grad is None else p.summed_grad.detach()
        for name, p in engine.model.named_parameters()
        if p.requires_grad
    }
    optimizer._is_last_step_skipped = False
    optimizer.zero_grad()
    optimizer._step_skip_queue = queue
    return found


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Parameters that are trained, each once."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def factors(norms: Tensor, max_grad_norm: float) -> Tensor:
    """What each unit's gradient is multiplied with: min(1, C / norm), and 0 where the norm is not finite.

    >>> factors(torch.tensor([0.5, 4.0, float("nan"), float("inf")]), 2.0).round(decimals=3)
    tensor([1.0000, 0.5000, 0.0000, 0.0000])
    """
    clipped = (max_grad_norm / (norms + 1e-6)).clamp(max=1.0)
    return torch.where(torch.isfinite(norms), clipped, torch.zeros_like(clipped))


def only(batch: Batch, kept: Tensor) -> Batch:
    """The batch with the units where ``kept``, shape (units,), is true, in the same order."""
    rows = kept[batch.unit]
    places = kept.cumsum(0) - 1
    return replace(
        batch,
        input_ids=batch.input_ids[rows],
        attention_mask=batch.attention_mask[rows],
        position_ids=batch.position_ids[rows],
        unit=places[batch.unit[rows]],
        weight=batch.weight[rows],
        units=int(kept.sum()),
    )


@contextmanager
def gradients_zero(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """See that every parameter has a gradient afterwards: one that a batch did not reach counts as zero."""
    for parameter in parameters:
        parameter.grad = None
    yield
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter, memory_format=torch.contiguous_format)
