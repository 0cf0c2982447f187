"""What the rooms of the mitigation hand to each other: units of privacy, sampling, batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from audit.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Clipping = Literal["bookkeeping", "hooks", "ghost"]
Protects = Literal["record", "customer"]


@dataclass(frozen=True, slots=True)
class Unit:
    """What differential privacy protects: a record with its counterfactual copies, or a customer with all records.

    ``rows`` are token ids, one sequence a text. A unit has one loss, the mean over its rows of their mean
    negative log-likelihood a token, so that one gradient is clipped once however many rows there are.
    """

    unit_id: str
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """Poisson sampling by public constants: each step takes each unit with probability ``sample_rate``.

    ``divisor`` is what the noised sum is divided by: a constant, never the size of the batch that was drawn.

    >>> Sampling(sample_rate=0.01, steps=300, divisor=64.0)
    Sampling(sample_rate=0.01, steps=300, divisor=64.0)
    """

    sample_rate: float
    steps: int
    divisor: float

    def __post_init__(self) -> None:
        if not 0 < self.sample_rate <= 1:
            raise ConfigError(f"sample_rate: {self.sample_rate:g} is none; it lies above 0 and at most at 1")
        if self.steps < 1:
            raise ConfigError(f"steps: {self.steps} are too few; take at least 1")
        if not self.divisor > 0:
            raise ConfigError(f"divisor: {self.divisor:g} is none; give the expected number of units in a batch")


@dataclass(frozen=True, slots=True)
class PrivacyBudget:
    """(ε, δ) that a training spends.

    >>> PrivacyBudget(8.0, 1e-5)
    PrivacyBudget(epsilon=8.0, delta=1e-05)
    """

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        if not self.epsilon > 0:
            raise ConfigError(f"epsilon: {self.epsilon:g} is none; give one above 0, such as 8")
        if not 0 < self.delta < 1:
            raise ConfigError(f"delta: {self.delta:g} is none; give one between 0 and 1, such as 1e-5")


@dataclass(frozen=True, slots=True)
class Batch:
    """Units drawn together, as the model reads them.

    Attributes
    ----------
    input_ids, attention_mask, position_ids
        int64 of shape (rows, tokens), padded on the right; positions are given for every row, since a
        broadcast [1, tokens] breaks per-record gradients (opacus#841).
    unit
        int64 of shape (rows,): the place, 0 to ``units`` - 1, of the unit that a row belongs to; the rows of a
        unit stand together, in rising order of units.
    weight
        float32 of shape (rows,): 1 / rows of the unit.
    units
        How many units there are; 0 where Poisson sampling drew none.
    """

    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    unit: Tensor
    weight: Tensor
    units: int
