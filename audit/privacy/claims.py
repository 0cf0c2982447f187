"""The ε that a model claims of itself, in the privacy statement beside its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audit.config import Config
from audit.errors import ConfigError

if TYPE_CHECKING:
    from audit.mitigation.statement import Promise


def with_claim(config: Config) -> tuple[Config, tuple[str, ...]]:
    """Take the claimed (ε, δ) from the model's own statement where ``config`` claims nothing; with what to say of it.

    An ε holds at its own δ and at larger ones. So the audit reads at the statement's δ, unless a larger one is set; a
    ledger that fixed a smaller one leaves nothing to compare, and nothing is claimed.

    Raises
    ------
    ConfigError
        If the statement cannot be read, does not belong to the weights or claims less than its own noise and steps
        give, or the ledger cannot be read.
    """
    from audit.privacy.planting import read_ledger

    promise = None if config.privacy.claimed_epsilon is not None else _promised(config.model.name)
    if promise is None:
        return config, ()
    fixed = read_ledger(config.privacy.ledger).delta if config.privacy.ledger else None
    if fixed is not None and fixed < promise.delta:
        return config, (
            f"the model's statement claims epsilon at delta {promise.delta:.2g}, and the ledger fixed {fixed:.2g}, so "
            "that it cannot be refuted; plant with a delta at least as large",
        )
    delta = max(promise.delta, config.privacy.claimed_delta)
    claimed = config.changed("privacy", claimed_epsilon=promise.epsilon, claimed_delta=delta)
    return claimed, (f"claimed epsilon {promise.epsilon:.3g} is taken from the model's privacy.json",)


def _promised(name: str) -> Promise | None:
    """What the statement of the model ``name`` promises; one on a hub is held against its weights when it is loaded."""
    from audit.backends import models
    from audit.mitigation.statement import check, statement_of

    folder, (kind, _, rest) = Path(name.removeprefix("hf:")), name.partition(":")
    if folder.is_dir():
        found = check(folder)
    elif kind == "hf" and rest:
        found = statement_of(models.resolve(name))
    else:
        return None
    if found is None or found.promise is None:
        return None
    _recount(name, found.promise)
    return found.promise


def _recount(name: str, promise: Promise) -> None:
    """Refuse an ε below what the noise, the sampling and the paid steps that stand beside it come to."""
    from audit.mitigation import accountants, accounting
    from audit.mitigation.accountants import STATED_ERROR

    history = [(promise.noise_multiplier, promise.sampling.sample_rate, promise.sampling.steps_paid)]
    try:  # the accountant that is always installed
        spent = accountants.prv(history, promise.delta)
    except accountants.PrvFailed:
        spent = accounting.cross_checked(history, promise.delta).epsilon
    # Other versions of the accountants may lie so far apart.
    if promise.epsilon < spent * 0.995 - 2 * STATED_ERROR:
        raise ConfigError(
            f"model {name!r}: privacy.json: epsilon: is {promise.epsilon:.4g}, and its noise and paid steps come to "
            f"{spent:.4g} at its delta; do not use its epsilon; put the file back as it was saved, or set "
            "privacy.claimed_epsilon yourself"
        )
