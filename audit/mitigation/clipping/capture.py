"""One forward and backward pass in which autograd computes no weight's gradient, and each layer's share is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from audit.errors import ConfigError
from audit.mitigation.clipping.checks import owners
from audit.mitigation.clipping.groups import Groups
from audit.mitigation.clipping.layers import Layer, layer_of, linear

if TYPE_CHECKING:
    from torch import Tensor, nn

    from audit.mitigation.clipping.kept import Kept


class Record:
    """What one batch's backward pass leaves: squared norms, shape (units,), and what the clipped sum is made from."""

    def __init__(self, groups: Groups, trained: frozenset[nn.Parameter], squares: Tensor) -> None:
        self.groups, self.trained, self.squares = groups, trained, squares
        self.kept: list[Kept] = []
        self.seen: set[str] = set()

    def take(self, name: str, module: nn.Module, layer: Layer, read: Tensor, back: Tensor) -> None:
        """Take a layer's share: what it read, and the gradient of what it gave."""
        rows = len(self.groups.unit)
        if len(back) != rows or len(read) != rows:
            raise ConfigError(
                f"{name}: works on {len(back)} rows where the batch has {rows}, so that its gradient cannot be told "
                "apart by unit; freeze it, or train adapters with finetune.method = 'lora'"
            )
        squares, kept = layer(module, self.trained, read, back, self.groups)
        self.squares += squares.to(self.squares)
        self.kept += kept


class Capture:
    """Hooks on every layer that holds something trained, but ``head``; they are idle but within :meth:`recording`.

    Raises
    ------
    ConfigError
        If a layer is of a kind whose norms are not known here.
    """

    def __init__(self, model: nn.Module, *, head: nn.Module | None = None) -> None:
        by_parameter = owners(model)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.trained = frozenset(self.parameters)
        self.record: Record | None = None
        modules = {name: module for holders in by_parameter.values() for name, module in holders}
        for name, module in modules.items():
            layer = layer_of(module)
            if layer is None:
                raise ConfigError(
                    f"{name}: is a {type(module).__name__}, which bookkeeping does not know; "
                    "take finetune.clipping = 'hooks'"
                )
            if layer is linear and any(len(by_parameter.get(p, ())) > 1 for p in module.parameters(recurse=False)):
                layer = partial(linear, tied=True)
            if module is not head:
                module.register_forward_hook(partial(self._after, name, layer), with_kwargs=True)

    @contextmanager
    def recording(self, groups: Groups) -> Iterator[Record]:
        """Take what every layer reads and gets back until the context ends."""
        self.record = Record(groups, self.trained, self.parameters[0].new_zeros(groups.units))
        try:
            yield self.record
        finally:
            self.record = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let a forward pass build a graph through the layers but not to their weights."""
        for parameter in self.parameters:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in self.parameters:
                parameter.requires_grad_(True)

    def _after(self, name: str, layer: Layer, module: nn.Module, given: tuple[Any, ...], named: Any, out: Any) -> None:
        record = self.record
        if record is None or not torch.is_grad_enabled():
            return
        if name in record.seen:
            raise ConfigError(
                f"{name}: is used twice in one pass, which bookkeeping cannot add up; take finetune.clipping = 'hooks'"
            )
        record.seen.add(name)
        read: Tensor = (given[0] if given else next(iter(named.values()))).detach()
        if not out.requires_grad:  # the first layer: from here on there is something to learn
            out.requires_grad_(True)
        out.register_hook(lambda back: record.take(name, module, layer, read, back.detach()))
