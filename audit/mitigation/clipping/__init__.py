"""Clipping each unit's gradient once, in one of three ways that give the same sum; see :func:`engine_for`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.errors import ConfigError, first_line
from audit.mitigation.clipping.engine import Engine, summed
from audit.mitigation.values import Clipping

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

__all__ = ["Engine", "engine_for", "summed"]


def engine_for(
    model: nn.Module,
    optimizer: Optimizer,
    *,
    clipping: Clipping,
    max_grad_norm: float,
    noise_multiplier: float,
    divisor: float,
    distributed: bool = False,
) -> Engine:
    """Wire ``model`` and ``optimizer`` so that each unit's gradient is clipped to ``max_grad_norm`` once.

    Parameters
    ----------
    model
        A causal language model of transformers, or PEFT's adapters on one. What of it requires gradients is trained.
    optimizer
        Over exactly those parameters.
    clipping
        ``"bookkeeping"``: one backward pass, little memory; the layers that transformers' usual models are made of.
        ``"hooks"``: Opacus, one gradient a unit held in memory; any layer. ``"ghost"``: Opacus, two backward passes;
        units of one text.
    noise_multiplier
        Standard deviation of the noise in units of ``max_grad_norm``.
    divisor
        What the noised sum is divided by: a public constant.
    distributed
        Whether several processes of ``torch.distributed`` each bring their share of a batch.

    Raises
    ------
    ConfigError
        If the model holds what the mode cannot clip exactly.
    """
    from audit.mitigation.clipping import checks, optimizers, samplers

    checks.check(model, optimizer)
    wrapped = optimizers.wrap(
        optimizer,
        summed=clipping != "hooks",
        distributed=distributed,
        max_grad_norm=max_grad_norm,
        noise_multiplier=noise_multiplier,
        divisor=divisor,
    )
    model.train()
    if clipping == "bookkeeping":
        from audit.mitigation.clipping.bookkeeping import BookkeepingEngine

        return BookkeepingEngine(model, wrapped)
    samplers.register(model)
    try:
        if clipping == "ghost":
            from audit.mitigation.clipping.ghost import GhostEngine

            return GhostEngine(model, wrapped, tied=checks.tied(model))
        from audit.mitigation.clipping.hooks import HooksEngine

        return HooksEngine(model, wrapped)
    except NotImplementedError as error:
        kinds = sorted({type(module).__name__ for holders in checks.owners(model).values() for _, module in holders})
        raise ConfigError(
            f"finetune.clipping: {clipping} cannot clip this model ({first_line(error)}; its trained layers are "
            f"{', '.join(kinds)}); freeze what it does not know, or train adapters with finetune.method = 'lora'"
        ) from error
