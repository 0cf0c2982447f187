"""Whether the optimizer adds the noise that the accounting counts on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audit.mitigation.preflight.errors import PreflightError
from audit.mitigation.preflight.sums import Engine
from audit.mitigation.values import Batch, Unit


def check_noise(
    engine: Engine,
    collate: Callable[[Sequence[Unit]], Batch],
    *,
    noise_multiplier: float,
    max_grad_norm: float,
    divisor: float,
) -> None:
    """Measure the noise on an empty batch, where nothing else is: σ C / divisor on every parameter.

    Nothing is stepped. Of several processes the first alone adds noise. To be called within
    :func:`audit.mitigation.preflight.sums.undisturbed`.

    Raises
    ------
    PreflightError
        If a parameter's noise has another standard deviation, or two parameters have the same noise.
    """
    import torch

    optimizer = engine.optimizer
    expected = noise_multiplier * max_grad_norm / divisor if getattr(optimizer, "rank", 0) == 0 else 0.0
    trained = {name: p for name, p in engine.model.named_parameters() if p.requires_grad}
    device = next(iter(trained.values())).device
    optimizer.step_hook = None
    optimizer.generator = torch.Generator(device=device).manual_seed(0)
    for parameter in trained.values():
        parameter.grad = None
    engine.backward(collate([]))
    optimizer.pre_step()
    squares, elements = 0.0, 0
    beginnings: dict[tuple[float, ...], str] = {}
    for name, parameter in trained.items():
        noise = parameter.grad
        total = 0.0 if noise is None else float(noise.double().square().sum())
        _check(name, total, parameter.numel(), expected, noise_multiplier, divisor)
        squares, elements = squares + total, elements + parameter.numel()
        if expected and noise is not None and noise.numel() >= 4:
            start = tuple(noise.reshape(-1)[:4].tolist())
            if twin := beginnings.get(start):
                raise PreflightError(
                    f"pre-flight: {name} and {twin} get the same noise, which cancels in their difference; draw all "
                    "noise of a step from one generator"
                )
            beginnings[start] = name
    optimizer.zero_grad()
    _check("all of them", squares, elements, expected, noise_multiplier, divisor)


def _check(name: str, squares: float, elements: int, expected: float, noise_multiplier: float, divisor: float) -> None:
    found = (squares / elements) ** 0.5
    # Seven standard errors of a standard deviation.
    if not abs(found - expected) <= expected * (7 / (2 * elements) ** 0.5 + 1e-4):
        raise PreflightError(
            f"pre-flight: the noise on {name} has a standard deviation of {found:.3g}, and the accounting counts "
            f"on {expected:.3g} = {noise_multiplier:.3g} C / {divisor:g}; give the optimizer the same noise "
            "multiplier, clipping norm and divisor"
        )
