"""Opacus's optimizers, with the noise added in place and the sum divided by a public constant, once.

``expected_batch_size`` is that constant. In several processes each clips and adds up its share of one batch; noise is
added by the first alone, and the sum over processes is divided as it would be in one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
from opacus.optimizers.ddpoptimizer import DistributedDPOptimizer
from opacus.optimizers.ddpoptimizer_fast_gradient_clipping import DistributedDPOptimizerFastGradientClipping
from opacus.optimizers.optimizer import _check_processed_flag, _mark_as_processed

from audit.mitigation.clipping import noise

if TYPE_CHECKING:
    from torch.optim import Optimizer


class GradSampleOptimizer(DPOptimizer):  # type: ignore[misc]
    """Clips ``p.grad_sample``, one gradient a unit, as Opacus does."""

    def add_noise(self) -> None:
        """Turn the clipped sum into the noised one, in the same memory."""
        _add_noise(self)

    def scale_grad(self) -> None:
        """Divide by the constant, whatever the batch was."""
        _divide(self)


class SummedOptimizer(DPOptimizerFastGradientClipping):  # type: ignore[misc]
    """Takes sums that are clipped already from ``p.grad``, without a copy."""

    def accumulate(self) -> None:
        """Move ``p.grad`` to ``p.summed_grad``."""
        for p in self.params:
            if p.grad is None:
                raise ValueError("There is no clipped sum to take a step with: call engine.backward before each step")
            if p.summed_grad is None:
                p.summed_grad = p.grad.detach()
            else:
                _check_processed_flag(p.summed_grad)
                p.summed_grad.add_(p.grad)
            p.grad = None

    def add_noise(self) -> None:
        """Turn the clipped sum into the noised one, in the same memory."""
        _add_noise(self)

    def scale_grad(self) -> None:
        """Divide by the constant, whatever the batch was."""
        _divide(self)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, and the sum if the step was taken; memory is given back unless asked otherwise."""
        super().zero_grad(set_to_none)


class DistributedGradSampleOptimizer(DistributedDPOptimizer, GradSampleOptimizer):  # type: ignore[misc]
    """The same in several processes: Opacus's ``add_noise`` and ``step`` stand before ours."""


class DistributedSummedOptimizer(DistributedDPOptimizerFastGradientClipping, SummedOptimizer):  # type: ignore[misc]
    """The same in several processes: Opacus's ``add_noise`` and ``step`` stand before ours."""


def wrap(
    optimizer: Optimizer,
    *,
    summed: bool,
    distributed: bool,
    max_grad_norm: float,
    noise_multiplier: float,
    divisor: float,
) -> Any:
    """Wrap ``optimizer`` in the class for sums (``summed``) or for one gradient a unit."""
    if distributed:
        made: Any = DistributedSummedOptimizer if summed else DistributedGradSampleOptimizer
    else:
        made = SummedOptimizer if summed else GradSampleOptimizer
    # "sum": Opacus would divide a "mean" by the number of processes once more.
    return made(
        optimizer,
        noise_multiplier=noise_multiplier,
        max_grad_norm=max_grad_norm,
        expected_batch_size=divisor,
        loss_reduction="sum",
    )


def _add_noise(optimizer: Any) -> None:
    parameters = optimizer.params
    for p in parameters:
        _check_processed_flag(p.summed_grad)
        if not p.summed_grad.is_contiguous():
            p.summed_grad = p.summed_grad.contiguous()
    std = optimizer.noise_multiplier * optimizer.max_grad_norm
    noise.add_noise([p.summed_grad for p in parameters], std, optimizer.generator)
    for p in parameters:
        p.grad = p.summed_grad.view_as(p)
        _mark_as_processed(p.summed_grad)


def _divide(optimizer: Any) -> None:
    for p in optimizer.params:
        p.grad.div_(optimizer.expected_batch_size)
