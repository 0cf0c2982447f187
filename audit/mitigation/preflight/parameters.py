"""Whether what is to be trained is trained: all of it, by this optimizer, and it moves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from audit.mitigation.preflight.errors import PreflightError

if TYPE_CHECKING:
    from torch import Tensor, nn


def check_parameters(model: nn.Module, optimizer: Any) -> None:
    """Refuse where the optimizer's parameters are not the model's trained ones.

    Raises
    ------
    PreflightError
        If nothing is trained, or a parameter is missing from the optimizer, is none of the model's or stands twice.
    """
    trained = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    if not trained:
        raise PreflightError(
            "pre-flight: no parameter of the model is trained; add adapters, or requires_grad_(True) what should be"
        )
    held = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    known = {id(p) for p in held}
    if missing := [name for key, name in trained.items() if key not in known]:
        raise PreflightError(
            f"pre-flight: the optimizer does not hold {_few(missing)}, which would never be updated; make it of "
            "the wrapped model's trained parameters"
        )
    if strangers := sum(id(p) not in trained for p in held):
        raise PreflightError(
            f"pre-flight: the optimizer holds {strangers} parameters that the model does not; make it after the model "
            "was moved and its adapters were added"
        )
    if len(held) > len(known):
        raise PreflightError("pre-flight: a parameter stands in the optimizer twice; name each once")


def check_reached(model: nn.Module, reached: Iterable[str]) -> None:
    """Refuse where a trained parameter got no gradient of any text.

    Raises
    ------
    PreflightError
        That names it.
    """
    known = set(reached)
    if idle := [name for name, p in model.named_parameters() if p.requires_grad and name not in known]:
        raise PreflightError(
            f"pre-flight: {_few(idle)} would get noise and nothing else: no text gives a gradient to it; freeze it "
            "with requires_grad_(False) before the model is wrapped"
        )


def fingerprints(parameters: Mapping[str, Tensor]) -> dict[str, str]:
    """What each tensor holds, in a few bytes, to tell later whether it moved.

    >>> import torch
    >>> weights = {"a": torch.zeros(2)}
    >>> before = fingerprints(weights)
    >>> before == fingerprints(weights), before == fingerprints({"a": torch.ones(2)})
    (True, False)
    """
    import torch

    found = {}
    for name, tensor in parameters.items():
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        found[name] = hashlib.blake2b(flat.numpy().data, digest_size=16).hexdigest()
    return found


def check_moved(before: Mapping[str, str], parameters: Mapping[str, Tensor], *, steps: int) -> None:
    """Refuse to go on where a trained parameter is still what it was.

    Parameters
    ----------
    before
        :func:`fingerprints` of the trained parameters before the first step.
    parameters
        The same parameters now, as the model holds them.
    steps
        Steps since then whose batch held a unit. After one step without noise an adapter's A has not moved yet,
        since its B was zero: at least something must have. After two, everything must.

    Raises
    ------
    PreflightError
        That names a parameter that did not move.
    """
    now = fingerprints(parameters)
    still = [name for name, print_ in before.items() if now.get(name) == print_]
    if len(still) == len(before) if steps < 2 else still:
        raise PreflightError(
            f"after {steps} step{'' if steps == 1 else 's'} {_few(still)} did not move: it is not what the optimizer "
            "updates; move the model to its device before adapters are added, and make the optimizer last"
        )


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}"
