"""Whether the optimizer adds the noise that the accounting counts on: as much, everywhere, and other at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from audit.mitigation.preflight.errors import PreflightError
from audit.mitigation.preflight.sums import Engine, clipped_sum, forget
from audit.mitigation.values import Batch, Unit

if TYPE_CHECKING:
    from torch import Tensor

# Standard errors that honest noise may be off by; what it is then refused for has a chance of 1e-8 at most.
_ERRORS: Final = 7.0
# Products of which a sum is near enough to normal for that.
_ENOUGH: Final = 64
# Two keys as a training has them: of two steps.
_KEYS: Final = (0, 1)


def check_noise(
    engine: Engine,
    collate: Callable[[Sequence[Unit]], Batch],
    units: Sequence[Unit],
    *,
    noise_multiplier: float,
    max_grad_norm: float,
    divisor: float,
    tolerance: float,
) -> None:
    """Measure the noise on an empty batch, and on one of ``units`` as what it adds to their clipped sum.

    Nothing is stepped. Of several processes the first alone adds noise. Three copies of the gradients are held. To be
    called within :func:`audit.mitigation.preflight.sums.undisturbed`.

    Parameters
    ----------
    tolerance
        What rounding may move the sum by from one time to the next, as a share of C.

    Raises
    ------
    PreflightError
        If a parameter's noise has another standard deviation than σ C / divisor, repeats within the parameter, in
        another one or at another step, or is not what the optimizer's generator gives.
    """
    sigma = noise_multiplier if getattr(engine.optimizer, "rank", 0) == 0 else 0.0
    std, words = sigma * max_grad_norm / divisor, f"{sigma:.3g} C / {divisor:g}"
    rounding = tolerance * max_grad_norm / divisor
    reads, where = collate(units), f"a batch of {len(units)} units"
    sums = clipped_sum(engine, [reads])
    on_nothing = _stepped(engine, collate([]), _KEYS[0])
    _check_much(on_nothing, std, words, "an empty batch", 0.0)
    if std:
        _check_within(on_nothing, std)
    again = _less(_stepped(engine, reads, _KEYS[0]), sums, divisor)
    _check_much(again, std, words, where, rounding)
    _check_key(on_nothing, again, std, rounding)
    del again
    other = _less(_stepped(engine, reads, _KEYS[1]), sums, divisor)
    if std:
        _check_between(on_nothing, other, std)


def _stepped(engine: Engine, batch: Batch, key: int) -> dict[str, Tensor]:
    """What a step would be taken with, by name of the parameter."""
    import torch

    optimizer = engine.optimizer
    trained = {name: p for name, p in engine.model.named_parameters() if p.requires_grad}
    optimizer.step_hook = None
    optimizer.generator = torch.Generator(device=next(iter(trained.values())).device).manual_seed(key)
    forget(trained.values())
    engine.backward(batch)
    optimizer.pre_step()
    found = {name: torch.zeros_like(p) if p.grad is None else p.grad.detach() for name, p in trained.items()}
    for parameter in trained.values():
        parameter.grad = None  # so that clearing leaves what was found
    optimizer.zero_grad()
    return found


def _less(noised: dict[str, Tensor], sums: dict[str, Tensor], divisor: float) -> dict[str, Tensor]:
    """The noise alone, in the same memory."""
    for name, tensor in noised.items():
        tensor.sub_(sums[name], alpha=1 / divisor)
    return noised


def _check_much(noises: dict[str, Tensor], std: float, words: str, where: str, rounding: float) -> None:
    import torch

    found = {name: (float(torch.linalg.vector_norm(t, dtype=torch.float64)), t.numel()) for name, t in noises.items()}
    whole = sum(norm**2 for norm, _ in found.values()) ** 0.5, sum(elements for _, elements in found.values())
    for name, (norm, elements) in [*found.items(), ("all of them", whole)]:
        allowed = std * (elements**0.5 * 1e-4 + _ERRORS / 2**0.5) + rounding
        if not abs(norm - std * elements**0.5) <= allowed:
            raise PreflightError(
                f"pre-flight: the noise on {name} has a standard deviation of {norm / elements**0.5:.3g} on {where}, "
                f"and the accounting counts on {std:.3g} = {words}; give the optimizer the same noise multiplier, "
                "clipping norm and divisor, and every batch its noise"
            )


def _check_key(noises: dict[str, Tensor], again: dict[str, Tensor], std: float, rounding: float) -> None:
    for name, noise in noises.items():
        if not float((noise - again[name]).norm()) <= rounding + 1e-5 * std * noise.numel() ** 0.5:
            raise PreflightError(
                f"pre-flight: the noise on {name} is not what the optimizer's generator gives: it may be drawn again "
                "when a killed training goes on; draw all noise from optimizer.generator, and nothing else from it"
            )


def _check_within(noises: dict[str, Tensor], std: float) -> None:
    beginnings: dict[tuple[float, ...], str] = {}
    for name, noise in noises.items():
        start = tuple(noise.reshape(-1)[:4].abs().tolist())
        if len(start) == 4 and (twin := beginnings.setdefault(start, name)) != name:
            raise PreflightError(
                f"pre-flight: {name} and {twin} get the same noise, which cancels in their difference or sum; draw all "
                "noise of a step from one generator"
            )
    if odd := _odd({name: _shifted(noise) for name, noise in noises.items()}, std):
        raise PreflightError(
            f"pre-flight: the noise repeats itself within {odd}, and cancels in a sum or difference of its parts; "
            "draw a number of its own for every value"
        )


def _shifted(noise: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of a parameter's values: neighbours, those of neighbouring rows, and of halves, either way round."""
    flat = noise.reshape(-1)
    half = (len(flat) + 1) // 2
    for lag in sorted({1, noise.shape[-1] if noise.dim() else 1, half}):
        if lag < len(flat):
            yield flat[:-lag], flat[lag:]
    yield flat[: len(flat) - half], flat[half:].flip(0)


def _check_between(noises: dict[str, Tensor], other: dict[str, Tensor], std: float) -> None:
    pairs = {name: [(noise.reshape(-1), other[name].reshape(-1))] for name, noise in noises.items()}
    if name := _odd(pairs, std):
        raise PreflightError(
            f"pre-flight: two steps have noise in common, on {name}: it cancels in the difference of their weights; "
            "draw it from optimizer.generator, which has another key at every step"
        )


def _odd(pairs: Mapping[str, Iterable[tuple[Tensor, Tensor]]], std: float) -> str | None:
    """Name of a parameter of which two noises have something to do with each other, though they should not.

    Few values tell nothing on their own: those are looked at over all parameters.
    """
    total, terms = 0.0, 0
    for name, found in pairs.items():
        for one, two in found:
            product = float(one @ two)
            if len(one) >= _ENOUGH and not abs(product) <= _ERRORS * std**2 * len(one) ** 0.5:
                return name
            total, terms = total + product, terms + len(one)
    return "the parameters together" if terms >= _ENOUGH and abs(total) > 2 * _ERRORS * std**2 * terms**0.5 else None
