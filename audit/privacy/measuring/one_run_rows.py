"""The empirical epsilon of one training run as findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from audit.config import PrivacyConfig
from audit.privacy.attacks.one_run import OneRun, audit_by_group, audit_one_run
from audit.privacy.measuring.readings import Reading, Reals, axes, labels, of_role
from audit.privacy.measuring.rows import Subject, finding

Guesses = tuple[int, int]


def epsilon_rows(
    target: Sequence[Reading],
    locale: str,
    settings: PrivacyConfig,
    guesses: Guesses,
    group_guesses: Mapping[str, Mapping[str, Guesses]],
) -> Iterator[dict[str, Any]]:
    """The bound from all canaries, and from each group's; guesses as the ledger fixed them."""
    canaries = of_role(target, "canary")
    if len(canaries) < sum(guesses):
        return
    scores, coins = canary_scores(canaries), np.array([bool(one.inserted) for one in canaries])
    limits: dict[str, Any] = {"delta": settings.claimed_delta, "beta": settings.beta}
    found = audit_one_run(scores, coins, k_in=guesses[0], k_out=guesses[1], **limits)
    yield _row(found, locale)
    for axis in axes(canaries):
        names = labels(canaries, axis)
        known = group_guesses.get(axis, {})
        if any(name is None or sum(known.get(name, (0, 0))) == 0 for name in names):
            continue
        for group, bound in audit_by_group(scores, coins, names, guesses=known, **limits).items():
            yield _row(bound, locale, axis=axis, group=group)


def canary_scores(canaries: Sequence[Reading]) -> Reals:
    """Higher where a canary looks trained on: the log-likelihood of its whole text, (canaries,).

    What the model from before says is not taken off: canaries are all drawn by one mechanism, so that there are
    no harder and easier ones to tell apart by it, and it brings noise of its own (scripts/study_leakage.py: an AUC
    of .67 in place of .93).
    """
    return np.array([float(one.logprobs.sum()) for one in canaries])


def _row(found: OneRun, locale: str, **columns: Any) -> dict[str, Any]:
    method = (
        f"m = {found.m}, r = {found.r}, v = {found.v}; holds with probability {1 - found.beta:.4g} at delta "
        f"{found.delta:g}; {found.ceiling:.2f} if every guess were right; a canary's score is how likely its text is"
    )
    return finding(
        Subject("epsilon_lower_bound", "epsilon", "inserted", locale),
        "bound",
        method=method,
        estimate=found.epsilon_lower,
        ci_low=found.epsilon_lower,
        n_cells=found.m,
        n_personas=found.m,
        **columns,
    )
