"""How far one unit can move the sum that is noised: at most C, and by what it adds itself, whoever else is there.

Two things are looked at for batches D and D + x: ‖sum(D + x) - sum(D)‖ ≤ C, which is what the noise is made for, and
sum(D + x) - sum(D) = sum({x}), without which the first would hold for these batches by chance alone. They are looked at
where the training clips, where every gradient is clipped, and where none is: a loss that depends on the batch
hides behind clipping, and a gradient that is not clipped hides below C.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from audit.errors import ConfigError, first_line
from audit.mitigation.preflight.errors import PreflightError
from audit.mitigation.preflight.neighbours import LONG, Neighbours
from audit.mitigation.preflight.sums import Engine, apart, clipped_sum, clipping_at, norm
from audit.mitigation.values import Batch, Unit

if TYPE_CHECKING:
    from torch import Tensor, nn

# What rounding may move, as a share of C, by the coarsest type that the model computes in: ten times what right engines
# and models of up to 16 layers were found to move it by (3e-6, 2e-3 and 1e-2, where frozen weights are of that type),
# and in single precision more, for large activations of trained models. The mistakes looked for move it by a tenth
# of C and more: by how long a text is relative to the others.
ROUNDING: Final = {"float32": 1e-3, "float16": 0.02, "bfloat16": 0.1}
# How far above C one unit may move the whole sum. What it adds itself is clipped in single precision whatever the model
# computes in, and stays within the first. In half precision the others' gradients move as well, since padding rounds
# them otherwise (by .015 C in all, of 32 units as of 128), but not in the unit's direction: the whole was found to move
# by 1.0003 C at most. The noise covers C; the rest is what a base in half precision costs the promise.
BEYOND: Final = {"float32": 1e-3, "float16": 2e-3, "bfloat16": 2e-3}
# A norm at which nothing is clipped.
_ENDLESS: Final = 1e6
_LOSS: Final = "take the loss of each unit from audit.mitigation.losses"


@dataclass(frozen=True, slots=True)
class Lane:
    """An engine at one clipping norm, and how units get to it."""

    engine: Engine
    collate: Callable[[Sequence[Unit]], Batch]
    max_grad_norm: float
    tolerance: float
    beyond: float

    def sum(self, *physical: Sequence[Unit]) -> dict[str, Tensor]:
        """Clipped sum over physical batches."""
        try:
            found = clipped_sum(self.engine, [self.collate(units) for units in physical])
        except (ConfigError, Warning):
            raise
        except Exception as error:
            raise _failed(error, self.engine.model) from error
        if not 0 <= norm(found) < float("inf"):
            raise PreflightError(
                "pre-flight: the clipped sum is not finite; one unit would ruin the step, and show it: "
                f"zero the gradient of a unit that is not finite before the sum, and {_LOSS}"
            )
        return found

    def shown(self, distance: float) -> str:
        """A distance in units of the clipping norm."""
        return f"{distance / self.max_grad_norm:,.4g} C"


def check_sensitivity(
    engine: Engine,
    collate: Callable[[Sequence[Unit]], Batch],
    neighbours: Neighbours,
    *,
    max_grad_norm: float,
) -> set[str]:
    """Refuse an engine in which one unit can move the clipped sum by more than C; return the parameters it reached.

    To be called within :func:`audit.mitigation.preflight.sums.undisturbed`.

    Raises
    ------
    PreflightError
        If a unit moves the sum by more than C, moves it by other than it adds alone, the sum differs between physical
        batches or from one time to the next, is not finite, or cannot be taken.
    """
    tolerance, beyond = rounding_of(engine.model), BEYOND[_precision(engine.model)]
    with clipping_at(engine, _ENDLESS):
        lane = Lane(engine, collate, _ENDLESS, tolerance, beyond)
        norms = [norm(lane.sum([unit])) for unit in (*neighbours.others, *neighbours.joining.values())]
    if not (largest := max(norms)) > 0:
        raise PreflightError(
            "pre-flight: no text gives any parameter a gradient: nothing would be learnt; wrap the model after its "
            "adapters were added, and keep it in train() mode"
        )
    smallest = min(found for found in norms if found > 1e-3 * largest)
    reached: set[str] = set()
    put_off: list[PreflightError] = []
    for clip in _clips(max_grad_norm, smallest, largest):
        with clipping_at(engine, clip):
            reached |= _check_at(
                Lane(engine, collate, clip, tolerance, beyond), neighbours, put_off, crowded=clip == max_grad_norm
            )
    if put_off:  # only now, since a gradient that is not clipped at all is the better explanation
        raise put_off[0]
    return reached


def _clips(real: float, smallest: float, largest: float) -> list[float]:
    """The norm that the training clips at, one at which every gradient is clipped, and one at which none is.

    >>> _clips(1.0, 2.0, 8.0), _clips(3.0, 2.0, 8.0), _clips(9.0, 2.0, 8.0)
    ([1.0, 16.0], [3.0, 0.2, 16.0], [9.0, 0.2])
    """
    tight, loose = [smallest / 10] * (real > smallest / 2), [2 * largest] * (real < largest)
    return [real, *tight, *loose]


def _check_at(lane: Lane, neighbours: Neighbours, put_off: list[PreflightError], *, crowded: bool) -> set[str]:
    first, second, third = neighbours.others
    without = lane.sum(neighbours.others)
    _check_same(lane, apart(lane.sum(neighbours.others), without))
    if norm(lane.sum([])) > 0:
        raise PreflightError(
            "pre-flight: an empty batch adds to the sum: it tells that it was empty; leave zeros, and add only noise"
        )
    reached: set[str] = set()
    for name, unit in neighbours.joining.items():
        alone = lane.sum([unit])
        _check_bound(lane, norm(alone), name, "is alone", BEYOND["float32"])
        if name == LONG:  # beside it each of the others would be as long, and take as much time
            reached |= _joined(lane, name, (first, unit), lane.sum([first]), alone, put_off)
        else:
            reached |= _joined(lane, name, (first, unit, second, third), without, alone, put_off)
    if put_off:
        return reached
    _check_parted(lane, apart(without, lane.sum([first], [second, third])))
    if neighbours.crowd and crowded:
        del without
        _check_crowd(lane, neighbours.crowd, name, unit, alone, put_off)
    return reached


def _joined(
    lane: Lane,
    name: str,
    units: Sequence[Unit],
    without: dict[str, Tensor],
    alone: dict[str, Tensor],
    put_off: list[PreflightError],
) -> set[str]:
    """Check what one unit does to the sum of ``units``, of which it is one; return the parameters that are reached."""
    together, where = lane.sum(units), f"joins {len(units) - 1} other{'s' * (len(units) > 2)}"
    _check_bound(lane, apart(together, without), name, where, lane.beyond)
    if (distance := apart(together, without, alone)) > lane.tolerance * lane.max_grad_norm:
        put_off.append(_depends(lane, distance, name, where))
    return {parameter for parameter, tensor in together.items() if tensor.any()}


def _check_crowd(
    lane: Lane,
    crowd: tuple[Unit, ...],
    name: str,
    unit: Unit,
    alone: dict[str, Tensor],
    put_off: list[PreflightError],
) -> None:
    """Check a unit, of as many texts as there can be, in a whole physical batch: all that is read at once at most."""
    half, without = len(crowd) // 2, lane.sum(crowd)
    _joined(lane, name, (*crowd[:half], unit, *crowd[half:]), without, alone, put_off)
    if not put_off:
        _check_parted(lane, apart(without, lane.sum(crowd[:half], crowd[half:])))


def _check_parted(lane: Lane, distance: float) -> None:
    if distance > lane.tolerance * lane.max_grad_norm:
        raise PreflightError(
            f"pre-flight: cut into two physical batches, a batch has another clipped sum, by {lane.shown(distance)}: "
            f"its loss is a mean over the batch, or gradients are averaged where they are added up; {_LOSS}, and "
            "accumulate with Opacus's BatchMemoryManager alone"
        )


def _check_same(lane: Lane, distance: float) -> None:
    if distance > lane.tolerance * lane.max_grad_norm:
        raise PreflightError(
            f"pre-flight: the same batch has another clipped sum the second time, by {lane.shown(distance)}: a layer "
            "draws at random or keeps a memory of earlier batches; take it out"
        )


def _check_bound(lane: Lane, distance: float, name: str, where: str, beyond: float) -> None:
    if distance <= (1 + beyond) * lane.max_grad_norm:
        return
    if name == "a unit of several texts":
        cause = "its texts may be clipped one by one, where the unit is to be clipped once"
    else:
        cause = "gradients are not clipped unit by unit, as with the loss of model(labels=...)"
    raise PreflightError(
        f"pre-flight: one unit moves the summed clipped gradient by {lane.shown(distance)}, and the noise covers 1 C "
        f"({name} {where}, at C = {lane.max_grad_norm:.3g}): {cause}; {_LOSS}"
    )


def _depends(lane: Lane, distance: float, name: str, where: str) -> PreflightError:
    return PreflightError(
        f"pre-flight: one unit moves what the others add to the summed gradient, by {lane.shown(distance)} "
        f"({name} {where}, at C = {lane.max_grad_norm:.3g}): the loss is a mean over all tokens of "
        f"the batch, or a layer mixes its rows; {_LOSS}"
    )


def _failed(error: Exception, model: nn.Module) -> PreflightError:
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        raise error
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    idle = [name for name, p in trained.items() if p.grad is None and _has_no_sample(p)]
    if 0 < len(idle) < len(trained):
        return PreflightError(
            f"pre-flight: {idle[0]} is to be trained and gets no gradient ({len(idle)} of {len(trained)} do not): "
            "freeze it with requires_grad_(False) before the model is wrapped"
        )
    return PreflightError(
        f"pre-flight: the clipped sum cannot be taken ({type(error).__name__}: {first_line(error)}); positions must "
        "be given for every row, tied weights untied or clipped by hooks, and the model wrapped in train() mode"
    )


def _has_no_sample(parameter: Any) -> bool:
    return getattr(parameter, "grad_sample", None) is None and getattr(parameter, "_norm_sample", None) is None


def rounding_of(model: nn.Module) -> float:
    """What rounding may move, as a share of C, in what the model computes in."""
    return ROUNDING[_precision(model)]


def _precision(model: nn.Module) -> str:
    """The coarsest type that the model computes in."""
    found = {str(p.dtype).removeprefix("torch.") for p in model.parameters()}
    return max((name for name in found if name in ROUNDING), key=ROUNDING.__getitem__, default="float32")
