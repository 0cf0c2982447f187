"""What a private training will spend and take, before a step of it is taken."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from audit.mitigation import accounting
from audit.mitigation.values import Protects, Sampling
from audit.planning.show import duration


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Noise, sampling and ε of a training.

    ``over`` has (steps taken, ε by then); ``epsilon`` is that of all steps. ``seconds_a_step`` is None where nobody
    measured it.
    """

    protects: Protects
    sampling: Sampling
    max_grad_norm: float
    noise_multiplier: float
    epsilon: float
    delta: float
    accountants: tuple[str, ...]
    over: tuple[tuple[int, float], ...]
    seconds_a_step: float | None = None


def plan(
    sampling: Sampling,
    *,
    noise_multiplier: float,
    delta: float,
    protects: Protects = "record",
    max_grad_norm: float = 1.0,
    seconds_a_step: float | None = None,
    points: int = 10,
) -> TrainingPlan:
    """Plan a training; for a budget, :func:`audit.mitigation.accounting.noise_for` gives the noise multiplier.

    Parameters
    ----------
    points
        How many places ε is given at.

    Raises
    ------
    ConfigError
        If a value is out of its range.

    Examples
    --------
    >>> found = plan(Sampling(0.01, 300, 64.0), noise_multiplier=1.0, delta=1e-5)
    >>> round(found.epsilon, 2), [step for step, _ in found.over][:3]
    (1.08, [30, 60, 90])
    """
    spent = accounting.cross_checked([(noise_multiplier, sampling.sample_rate, sampling.steps)], delta)
    return TrainingPlan(
        protects,
        sampling,
        max_grad_norm,
        noise_multiplier,
        spent.epsilon,
        delta,
        tuple(f"{found.name} ({found.version})" for found in spent.accountants),
        tuple(accounting.epsilon_over(sampling, noise_multiplier, delta, points)),
        seconds_a_step,
    )


def to_text(found: TrainingPlan) -> str:
    """The plan in lines for a person."""
    sampling, steps = found.sampling, found.sampling.steps
    time = "not known before a step was taken"
    if found.seconds_a_step is not None:
        time = f"about {duration(found.seconds_a_step * steps)} ({found.seconds_a_step:.2g} seconds a step)"
    width = max(len("steps"), len(f"{steps:,}"))
    lines = [
        f"protects   each {found.protects}, by leaving it out or adding it",
        f"noise      {found.noise_multiplier:g} times the clipping norm, which is {found.max_grad_norm:g}",
        f"steps      {steps:,}, each of which takes a {found.protects} with probability {sampling.sample_rate:.4g}",
        f"batch      {sampling.divisor:g} expected; the sum is divided by it, whatever was drawn",
        f"epsilon    {found.epsilon:.4g} at delta {found.delta:.3g}, by {' and '.join(found.accountants)}",
        f"time       {time}",
        "",
        f"{'steps':>{width}}  epsilon by then",
        *(f"{step:>{width},}  {epsilon:.3g}" for step, epsilon in found.over),
    ]
    return "\n".join(lines) + "\n"


def to_json(found: TrainingPlan) -> str:
    """The same as data; what is not known is null."""
    data = asdict(found) | {"over": [{"step": step, "epsilon": epsilon} for step, epsilon in found.over]}
    return json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
