"""The pre-flight: what refuses to train where a promise would not hold, though nothing would raise an error.

All that is looked at is made up, so that neither a pass nor a refusal says anything about the records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audit.mitigation.preflight.errors import PreflightError
from audit.mitigation.preflight.neighbours import made_up
from audit.mitigation.preflight.noise import check_noise
from audit.mitigation.preflight.parameters import check_moved, check_parameters, check_reached, fingerprints
from audit.mitigation.preflight.sampling import check_sampling
from audit.mitigation.preflight.sensitivity import check_sensitivity, rounding_of
from audit.mitigation.preflight.sums import Engine, undisturbed
from audit.mitigation.values import Batch, Unit

__all__ = [
    "PreflightError",
    "check_moved",
    "check_noise",
    "check_parameters",
    "check_sampling",
    "check_sensitivity",
    "fingerprints",
    "preflight",
]


def preflight(
    engine: Engine,
    collate: Callable[[Sequence[Unit]], Batch],
    *,
    vocabulary: int,
    max_tokens: int,
    max_grad_norm: float,
    noise_multiplier: float,
    divisor: float,
    texts: int,
    physical_batch: int,
) -> None:
    """Refuse an engine that would not train what it should, or would not keep one unit's share below C.

    Everything is left as it was: weights, buffers, gradients, the optimizer and all generators.

    Parameters
    ----------
    engine
        What trains, ready to: its ``model`` wrapped and in train() mode, its ``optimizer`` Opacus's or like it.
    collate
        Puts units together as the engine reads them.
    vocabulary
        How many tokens the model knows.
    max_tokens
        Length of the longest text that is trained on.
    max_grad_norm, noise_multiplier, divisor
        What the accounting and the statement say: C, σ, and what the noised sum is divided by.
    texts
        How many texts a unit has at most by the settings, 1 where units are records without copies.
    physical_batch
        How many units are read at once at most.

    Raises
    ------
    PreflightError
        That says what was found, with which batch, the likely cause and the mend.
    """
    check_parameters(engine.model, engine.optimizer)
    with undisturbed(engine):
        neighbours = made_up(vocabulary, max_tokens, texts=texts, physical_batch=physical_batch)
        reached = check_sensitivity(engine, collate, neighbours, max_grad_norm=max_grad_norm)
        check_reached(engine.model, reached)
        check_noise(
            engine,
            collate,
            neighbours.others,
            noise_multiplier=noise_multiplier,
            max_grad_norm=max_grad_norm,
            divisor=divisor,
            tolerance=rounding_of(engine.model),
        )
