"""Opacus's ghost clipping: norms without gradients in a first backward pass, the clipped sum in a second."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from audit.errors import ConfigError
from audit.mitigation.clipping.engine import factors, gradients_zero, only, trained
from audit.mitigation.clipping.hooks import quiet
from audit.mitigation.losses import unit_losses

if TYPE_CHECKING:
    from torch import Tensor, nn

    from audit.mitigation.values import Batch


class GhostEngine:
    """Opacus's ``GradSampleModuleFastGradientClipping`` and its optimizer; a unit has one row.

    Where weights are tied, norms come from gradients of rows, as Opacus's ghost norms do not hold for them.
    """

    def __init__(self, model: nn.Module, optimizer: Any, *, tied: bool) -> None:
        from opacus.grad_sample import GradSampleModuleFastGradientClipping

        self.model: Any = GradSampleModuleFastGradientClipping(
            model,
            batch_first=True,
            loss_reduction="sum",
            strict=False,
            max_grad_norm=optimizer.max_grad_norm,
            use_ghost_clipping=not tied,
        )
        self.optimizer = optimizer
        self.parameters = trained(model)
        self.norms = self.losses = torch.zeros(0)

    def backward(self, batch: Batch) -> None:
        """Leave the clipped sum in ``p.grad``.

        Raises
        ------
        ConfigError
            If a unit has several rows: their norms do not add up to the unit's.
        """
        if batch.units != len(batch.unit):
            raise ConfigError(
                "finetune.clipping: ghost clips each text on its own, and a unit here has several; "
                "take bookkeeping or hooks"
            )
        with gradients_zero(self.parameters), quiet():
            self.norms, self.losses = self._summed(batch)

    def _summed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        if not batch.units:
            return torch.zeros(0), torch.zeros(0)
        for p in self.parameters:
            p._norm_sample = p.new_zeros(batch.units)  # type: ignore[attr-defined]
        losses = unit_losses(self.model, batch)
        losses.sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
        for p in self.parameters:
            p.grad = None  # the sum without clipping
        norms: Tensor = self.model.get_norm_sample().detach()
        finite = torch.isfinite(norms)
        if not finite.all():  # a factor of 0 would leave NaN times 0; dropout draws anew, so the norms do as well
            del losses
            kept = only(batch, finite)
            again = self._summed(replace(kept))
            found = norms.masked_fill(finite, 0), norms.new_full((batch.units,), torch.nan)
            for whole, part in zip(found, again, strict=True):
                whole[finite] = part.to(whole.dtype)
            return found
        weighed = (factors(norms, self.optimizer.max_grad_norm) * losses).sum()
        self.model.disable_hooks()
        try:
            weighed.backward()  # type: ignore[no-untyped-call]
        finally:
            self.model.enable_hooks()
        return norms, losses.detach()
