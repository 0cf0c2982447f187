"""What no mode clips exactly, found before anything is trained."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import torch

from audit.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


def check(model: nn.Module, optimizer: Optimizer) -> None:
    """Refuse a model or optimizer that would be clipped wrongly.

    Raises
    ------
    ConfigError
        Naming what it is and the mend.
    """
    names = {parameter: name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not names:
        raise ConfigError("finetune.method: nothing in the model is trainable; set requires_grad on what is trained")
    held = {p for group in optimizer.param_groups for p in group["params"] if p.requires_grad}
    for parameter, name in names.items():
        if parameter not in held:
            raise ConfigError(f"{name}: is trainable and not in the optimizer; hand it to the optimizer or freeze it")
        if parameter.dtype not in (torch.float32, torch.float64):
            raise ConfigError(f"{name}: is trained in {parameter.dtype}; train in float32, which noise and sums need")
    if len(held) > len(names):
        raise ConfigError("optimizer: holds parameters that are none of the model's; hand it the model's alone")
    places: dict[nn.Module, str] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        earlier = places.setdefault(module, name)
        if earlier != name and any(p.requires_grad for p in module.parameters(recurse=False)):
            # Opacus would hook it once for each place, and count it twice.
            raise ConfigError(f"{earlier} and {name}: are one layer in two places; freeze it, or give each a copy")
        # In vars alone: the model's own property of that name warns that it is old.
        if vars(module).get("gradient_checkpointing") or vars(module).get("activation_checkpointing"):
            raise ConfigError(
                f"{name or 'model'}: has gradient checkpointing on, under which gradients of units are not exact; "
                "switch it off and lower finetune.physical_batch"
            )
        if type(module).__name__.startswith("Dora") and any(p.requires_grad for p in module.parameters()):
            raise ConfigError(f"{name}: DoRA mixes all weights of a layer and cannot be clipped; take use_dora=False")


def owners(model: nn.Module) -> dict[nn.Parameter, list[tuple[str, nn.Module]]]:
    """Modules that hold each trained parameter, by the parameter; several where weights are tied."""
    found: dict[nn.Parameter, list[tuple[str, nn.Module]]] = defaultdict(list)
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad:
                found[parameter].append((name, module))
    return dict(found)


def tied(model: nn.Module) -> bool:
    """Whether a trained parameter is held by two modules."""
    return any(len(modules) > 1 for modules in owners(model).values())
