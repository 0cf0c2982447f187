"""The ε that a model claims of itself, in the privacy statement beside its weights."""

from __future__ import annotations

from pathlib import Path

from audit.config import Config


def with_claim(config: Config) -> tuple[Config, tuple[str, ...]]:
    """Take the claimed (ε, δ) from the model's own statement where ``config`` claims nothing; with what to say of it.

    An ε holds at its own δ and at larger ones. So the audit reads at the statement's δ, unless a larger one is set; a
    ledger that fixed a smaller one leaves nothing to compare, and nothing is claimed.

    Raises
    ------
    ConfigError
        If the statement cannot be read or does not belong to the weights, or the ledger cannot be read.
    """
    from audit.mitigation.statement import check
    from audit.privacy.planting import read_ledger

    folder = Path(config.model.name.removeprefix("hf:"))
    if config.privacy.claimed_epsilon is not None or not folder.is_dir():
        return config, ()
    statement = check(folder)
    if statement is None or statement.promise is None:
        return config, ()
    promise = statement.promise
    fixed = read_ledger(config.privacy.ledger).delta if config.privacy.ledger else None
    if fixed is not None and fixed < promise.delta:
        return config, (
            f"the model's statement claims epsilon at delta {promise.delta:.2g}, and the ledger fixed {fixed:.2g}, so "
            "that it cannot be refuted; plant with a delta at least as large",
        )
    delta = max(promise.delta, config.privacy.claimed_delta)
    claimed = config.changed("privacy", claimed_epsilon=promise.epsilon, claimed_delta=delta)
    return claimed, (f"claimed epsilon {promise.epsilon:.3g} is taken from the model's privacy.json",)
