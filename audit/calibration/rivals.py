"""The rules that others use, on the same simulated audits: what each would have called a gap.

All take ``y`` (runs, n), the cell means of many audits of one layout, NaN where a
cell is missing, and integer codes of its n cells. Group 0 is the reference. They
are vectorised over runs, so that a rival costs less than the contrast it stands beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from audit.statistics.variance import Codes, Reals

Flags = NDArray[np.bool_]

POINT: Final = "point threshold"
FOUR_FIFTHS: Final = "four-fifths rule"
MAX_MIN: Final = "fairlearn bootstrap"
ROW_BOOTSTRAP: Final = "signed row bootstrap"
WELCH: Final = "row-wise Welch"
BLOCK_T: Final = "paired block t-test"

# A reader's usual reading of a point gap: a tenth of the outcome's standard deviation matters.
THRESHOLD: Final = 0.1
DRAWS: Final = 200


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Percentile intervals of a row bootstrap, (runs,): of max − min of the group means, and of group 1 − group 0."""

    spread_low: Reals
    spread_high: Reals
    gap_low: Reals
    gap_high: Reals


def alarms(
    y: Reals,
    group: Codes,
    block: Codes,
    rng: np.random.Generator,
    *,
    threshold: float = THRESHOLD,
    draws: int = DRAWS,
    rates: bool = False,
) -> dict[str, Flags]:
    """Where each rule sees a difference between group 1 and group 0 (max and min of all groups for fairlearn's).

    With ``rates`` the outcomes are rates and the four-fifths rule is asked too.
    """
    means = group_means(y, group)
    boot = row_bootstrap(y, group, rng, draws=draws)
    found = {
        POINT: point_threshold(means, threshold),
        MAX_MIN: boot.spread_low > 0,
        ROW_BOOTSTRAP: (boot.gap_low > 0) | (boot.gap_high < 0),
        WELCH: welch_p(y, group) < 0.05,
        BLOCK_T: block_t_p(y, group, block) < 0.05,
    }
    return found | {FOUR_FIFTHS: four_fifths(means)} if rates else found


def group_means(y: Reals, group: Codes) -> Reals:
    """(runs, groups): mean of the cells that are there.

    >>> group_means(np.array([[1., 2., np.nan, 4.]]), np.array([0, 1, 0, 1])).tolist()
    [[1.0, 3.0]]
    """
    sums, counts = _sums(y, group)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums / counts, float)


def point_threshold(means: Reals, threshold: float) -> Flags:
    """Whether the largest and smallest group mean lie further apart than ``threshold`` (as LangFair's users decide).

    >>> point_threshold(np.array([[.5, .58], [.5, .7]]), .1).tolist()
    [False, True]
    """
    return np.asarray(means.max(axis=1) - means.min(axis=1) > threshold, bool)


def four_fifths(rates: Reals) -> Flags:
    """Whether the lowest rate is below four fifths of the highest, as a point rule.

    >>> four_fifths(np.array([[.5, .41], [.5, .39]])).tolist()
    [False, True]
    """
    return np.asarray(rates.min(axis=1) < 0.8 * rates.max(axis=1), bool)


def welch_p(y: Reals, group: Codes) -> Reals:
    """p of Welch's test with every cell taken for independent (group 1 against group 0).

    >>> from scipy import stats
    >>> y = np.array([[1., 2., 4., 5., 9., 7.]])
    >>> p = welch_p(y, np.array([0, 0, 0, 1, 1, 1]))
    >>> np.isclose(p[0], stats.ttest_ind(y[0, :3], y[0, 3:], equal_var=False).pvalue)
    np.True_
    """
    means, parts, squares = [], [], []
    for code in (0, 1):
        side = y[:, group == code]
        counts = np.sum(~np.isnan(side), axis=1)
        part = np.nanvar(side, axis=1, ddof=1) / counts
        means.append(np.nanmean(side, axis=1))
        parts.append(part)
        squares.append(part**2 / (counts - 1))
    variance = parts[0] + parts[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return _two_sided((means[1] - means[0]) / np.sqrt(variance), variance**2 / (squares[0] + squares[1]))


def block_t_p(y: Reals, group: Codes, block: Codes) -> Reals:
    """p of the one-sample t-test over blocks' own gaps (group 1 − group 0): wordings are random, names are not.

    >>> from scipy import stats
    >>> y = np.array([[1., 3., 2., 7., 4., 4.5]])
    >>> p = block_t_p(y, np.array([0, 1] * 3), np.array([0, 0, 1, 1, 2, 2]))
    >>> np.isclose(p[0], stats.ttest_1samp([2., 5., .5], 0).pvalue)
    np.True_
    """
    blocks = int(block.max()) + 1
    sums, counts = _sums(y, group * blocks + block, 2 * blocks)
    with np.errstate(invalid="ignore", divide="ignore"):
        cells = sums / counts
        gaps = cells[:, blocks:] - cells[:, :blocks]
        n = np.sum(~np.isnan(gaps), axis=1)
        t = np.nanmean(gaps, axis=1) / (np.nanstd(gaps, axis=1, ddof=1) / np.sqrt(n))
    return _two_sided(t, n - 1.0)


def row_bootstrap(y: Reals, group: Codes, rng: np.random.Generator, *, draws: int = DRAWS) -> Bootstrap:
    """Resample rows as fairlearn's ``MetricFrame(n_boot=draws)`` does, as one matrix product.

    One set of resampled rows serves all runs given at once: each run's interval is as
    good as alone, and only their Monte-Carlo noise is shared.
    """
    n = y.shape[1]
    picked = rng.integers(0, n, size=(draws, n)) + n * np.arange(draws)[:, None]
    weights = np.bincount(picked.ravel(), minlength=draws * n).reshape(draws, n).astype(float)
    return bootstrap_from(y, group, weights)


def bootstrap_from(y: Reals, group: Codes, weights: Reals, alpha: float = 0.05) -> Bootstrap:
    """Intervals from ``weights`` (draws, n): how often each row was drawn."""
    there = ~np.isnan(y)
    filled = np.where(there, y, 0.0)
    complete = bool(there.all())
    means = []
    for code in range(int(group.max()) + 1):
        inside = group == code
        part = weights[:, inside].T
        total = filled[:, inside] @ part
        count = part.sum(0)[None, :] if complete else there[:, inside].astype(float) @ part
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append(total / count)
    stacked = np.stack(means)
    ends = [alpha / 2, 1 - alpha / 2]
    spread = np.quantile(stacked.max(axis=0) - stacked.min(axis=0), ends, axis=1)
    gap = np.quantile(stacked[1] - stacked[0], ends, axis=1)
    return Bootstrap(spread[0], spread[1], gap[0], gap[1])


def gathered(parts: Mapping[str, Flags]) -> dict[str, Reals]:
    """Name the flags of rivals so that they can lie beside a study's own outcomes."""
    return {f"rival:{name}": flags.astype(float) for name, flags in parts.items()}


def _sums(y: Reals, codes: Codes, size: int | None = None) -> tuple[Reals, Reals]:
    """Sums and counts of the cells that are there, by code: (runs, size) each."""
    size = int(codes.max()) + 1 if size is None else size
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(size))
    there = ~np.isnan(y[:, order])
    occurs = np.bincount(codes, minlength=size) > 0
    sums, counts = np.zeros((y.shape[0], size)), np.zeros((y.shape[0], size))
    sums[:, occurs] = np.add.reduceat(np.where(there, y[:, order], 0.0), starts[occurs], axis=1)
    counts[:, occurs] = np.add.reduceat(there.astype(float), starts[occurs], axis=1)
    return sums, counts


def _two_sided(t: Reals, df: Reals) -> Reals:
    return np.asarray(2 * special.stdtr(df, -np.abs(t)), float)
