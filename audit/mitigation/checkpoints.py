"""What a training goes on from: trained weights, the optimiser's state, and after which step they were."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audit.errors import ConfigError, first_line
from audit.tables import replacing

if TYPE_CHECKING:
    from torch import Tensor, nn

NAME: Final = "checkpoint.pt"
# Of the time of training, what writing checkpoints may take.
SHARE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after ``step`` steps; ``applied`` of them are in the weights, the others were lost."""

    step: int
    applied: int
    weights: Mapping[str, Tensor]
    optimiser: Mapping[str, Any]


def save(folder: Path, step: int, applied: int, parameters: Mapping[str, nn.Parameter], optimiser: Any) -> None:
    """Write the state in one step: a reader sees the old file or the new one."""
    import torch

    state = {
        "step": step,
        "applied": applied,
        "weights": {name: parameter.detach() for name, parameter in parameters.items()},
        "optimiser": optimiser.state_dict(),
    }
    with replacing(folder / NAME) as temporary:
        torch.save(state, temporary)


def load(folder: Path) -> Checkpoint | None:
    """Read the state that ``folder`` holds; None where it holds none.

    Raises
    ------
    ConfigError
        If the file is damaged.
    """
    import torch

    path = folder / NAME
    if not path.is_file():
        return None
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # of a zip file, of pickle, of a type that is not allowed
        raise ConfigError(
            f"{path}: not a readable checkpoint ({first_line(error)}); remove it to go on from the base model's "
            "weights with the steps that are left, or begin anew with --fresh"
        ) from error


def restore(found: Checkpoint, parameters: Mapping[str, nn.Parameter], optimiser: Any, folder: Path) -> None:
    """Put the state back.

    Raises
    ------
    ConfigError
        If it is of other parameters.
    """
    import torch

    if set(found.weights) != set(parameters):
        raise ConfigError(f"{folder / NAME}: is of another model; begin anew with --fresh")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(found.weights[name])
    optimiser.load_state_dict(dict(found.optimiser))


class Cadence:
    """When to write: as often as takes at most :data:`SHARE` of the time, by what the last writing took.

    >>> cadence = Cadence()
    >>> cadence.due(), cadence.took(10.0), cadence.due()
    (True, None, False)
    """

    def __init__(self) -> None:
        self.wait, self.last = 0.0, time.monotonic()

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() - self.last >= self.wait

    def took(self, seconds: float) -> None:
        """Note what a writing took."""
        self.wait, self.last = seconds * (1 / SHARE - 1), time.monotonic()
