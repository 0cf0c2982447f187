"""Book-keeping clipping: norms and the clipped sum from one backward pass (Bu et al. 2022, arXiv 2210.00038).

The pass carries gradients through the layers but computes no weight's. Each layer keeps what it read and what came
back, and says how large each unit's gradient is. When all norms are known, one product a layer gives the clipped sum,
in place of the one that autograd would have spent on the sum without clipping.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from audit.errors import ConfigError
from audit.mitigation.clipping.capture import Capture, Record
from audit.mitigation.clipping.checks import owners
from audit.mitigation.clipping.engine import factors, gradients_zero
from audit.mitigation.clipping.groups import Groups
from audit.mitigation.clipping.head import head_of, passed_over, through
from audit.mitigation.clipping.kept import Factors, Outer, Rows
from audit.mitigation.clipping.layers import linear, tied_products
from audit.mitigation.losses import unit_losses

if TYPE_CHECKING:
    from torch import Tensor

    from audit.mitigation.values import Batch


class BookkeepingEngine:
    """The model as it is, with hooks that sleep outside :meth:`backward`."""

    def __init__(self, model: nn.Module, optimizer: Any) -> None:
        self.model, self.optimizer = model, optimizer
        self.tied = _tied(model)
        self.head = head_of(model)
        self.capture = Capture(model, head=self.head)
        self.parameters = self.capture.parameters
        self.norms = self.losses = torch.zeros(0)

    def backward(self, batch: Batch) -> None:
        """Leave the clipped sum in ``p.grad``."""
        with gradients_zero(self.parameters):
            if batch.input_ids.shape[1] < 2:  # nobody was drawn, or nothing stands before another token
                self.norms = self.losses = torch.zeros(batch.units)
                return
            groups = Groups.of(batch)
            with self.capture.recording(groups) as record:
                self.losses = self._pass(batch, record)
            for head, rows in self._pairs(record):
                record.squares += 2 * tied_products(head, rows, groups).to(record.squares)
            self.norms = record.squares.clamp(min=0).sqrt()
            found = factors(self.norms, self.optimizer.max_grad_norm)
            weights = Factors.of(found, torch.isfinite(self.norms), groups.unit)
            record.kept.reverse()
            while record.kept:  # and let go of each
                record.kept.pop().add(weights)

    def _pass(self, batch: Batch, record: Record) -> Tensor:
        """Forward and backward; return losses of units."""
        if self.head is None:
            with self.capture.frozen():
                losses = unit_losses(self.model, batch)
            losses.sum().backward()  # type: ignore[no-untyped-call]
            return losses.detach()
        trained = [p for p in self.head.parameters() if p in self.capture.trained]
        with self.capture.frozen(), passed_over(self.head):
            hidden = self.model(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                position_ids=batch.position_ids,
                use_cache=False,
            ).logits
        found = through(self.head, hidden, batch, keep=bool(trained))
        if found.logits is not None:
            layer = partial(linear, tied=self.head.weight in self.tied)
            record.take("head", self.head, layer, hidden.detach()[:, :-1], found.logits)
        if hidden.requires_grad:
            hidden.backward(found.hidden)
        weighed = found.losses * batch.weight.to(found.losses.dtype)
        return record.groups.add(weighed)

    def _pairs(self, record: Record) -> list[tuple[Outer, Rows]]:
        heads = {
            kept.parameter: kept for kept in record.kept if isinstance(kept, Outer) and kept.parameter in self.tied
        }
        return [
            (heads[kept.parameter], kept) for kept in record.kept if isinstance(kept, Rows) and kept.parameter in heads
        ]


def _tied(model: nn.Module) -> frozenset[nn.Parameter]:
    """Weights that an embedding shares with a linear layer.

    Raises
    ------
    ConfigError
        If others are shared.
    """
    found = []
    for parameter, holders in owners(model).items():
        if len(holders) == 1:
            continue
        kinds = sorted(type(module).__name__ for _, module in holders)
        if kinds != ["Embedding", "Linear"]:
            names = " and ".join(name for name, _ in holders)
            raise ConfigError(f"{names}: share a weight, which bookkeeping does not add up; untie or freeze it")
        found.append(parameter)
    return frozenset(found)
