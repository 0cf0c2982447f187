"""Training without a promise, through the same loop: the same batches, no clipping of units, no noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audit.mitigation.values import Batch

if TYPE_CHECKING:
    from torch import nn


class PlainEngine:
    """Adds up gradients of units as they are; the mean gradient's norm is held at ``max_grad_norm``."""

    def __init__(self, model: nn.Module, optimizer: Any, *, max_grad_norm: float, divisor: float) -> None:
        from torch.nn.utils import clip_grad_norm_

        from audit.mitigation.clipping.optimizers import wrap

        self.model = model
        # Opacus's optimizer with no noise: BatchMemoryManager tells it which forward passes make one step.
        self.optimizer: Any = wrap(
            optimizer,
            summed=True,
            distributed=False,
            max_grad_norm=max_grad_norm,
            noise_multiplier=0.0,
            divisor=divisor,
        )
        self.optimizer.attach_step_hook(lambda taken: clip_grad_norm_(taken.params, max_grad_norm))

    def backward(self, batch: Batch) -> None:
        """Leave the gradient of the sum over units."""
        import torch

        from audit.mitigation.losses import unit_losses

        if batch.units:
            unit_losses(self.model, batch).sum().backward()  # type: ignore[no-untyped-call]
        for parameter in self.optimizer.params:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
