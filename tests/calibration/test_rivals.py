from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from audit.calibration import rivals

DRAWS = 60


def cells(seed: int, groups: int = 2, missing: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three audits of unequal groups over 12 blocks: y (3, n), group, block."""
    rng = np.random.default_rng(seed)
    group = rng.integers(groups, size=180)
    y = rng.normal(size=(3, group.size)) + 0.4 * group
    y[rng.random(y.shape) < missing] = np.nan
    return y, group, np.repeat(np.arange(12), 15)


@pytest.mark.parametrize("groups", [2, 4])
def test_row_bootstrap_is_that_of_metric_frame(groups: int) -> None:
    from fairlearn.metrics import MetricFrame

    y, group, _ = cells(1, groups)
    seeds = np.random.default_rng(7).integers(low=0, high=np.iinfo(np.uint32).max, size=DRAWS, dtype=np.uint32)
    places = pd.Series(np.arange(group.size))
    drawn = [places.sample(frac=1, replace=True, random_state=seed).to_numpy() for seed in seeds]
    weights = np.array([np.bincount(rows, minlength=group.size) for rows in drawn], float)
    ours = rivals.bootstrap_from(y, group, weights)
    for run, values in enumerate(y):
        frame = MetricFrame(
            metrics=lambda _, predicted: float(np.mean(predicted)),
            y_true=values,
            y_pred=values,
            sensitive_features=group,
            n_boot=DRAWS,
            ci_quantiles=[0.025, 0.975],
            random_state=7,
        )
        assert frame.difference_ci() == pytest.approx([ours.spread_low[run], ours.spread_high[run]], abs=1e-12)


def test_row_bootstrap_resamples_all_rows() -> None:
    y, group, _ = cells(2)
    found = rivals.row_bootstrap(y, group, np.random.default_rng(0), draws=4000)
    for run, values in enumerate(y):
        gap = values[group == 1].mean() - values[group == 0].mean()
        se = np.sqrt(sum(values[group == code].var() / np.sum(group == code) for code in (0, 1)))
        assert (found.gap_low[run], found.gap_high[run]) == pytest.approx((gap - 1.96 * se, gap + 1.96 * se), abs=0.05)


def test_missing_cells_are_left_out_and_never_zero() -> None:
    y, group, block = cells(3, missing=0.2)
    means, welch, block_t = rivals.group_means(y, group), rivals.welch_p(y, group), rivals.block_t_p(y, group, block)
    weights = np.ones((1, group.size))
    boot = rivals.bootstrap_from(y, group, weights)
    for run, values in enumerate(y):
        there = ~np.isnan(values)
        sides = [values[there & (group == code)] for code in (0, 1)]
        gap = sides[1].mean() - sides[0].mean()
        assert means[run] == pytest.approx([side.mean() for side in sides])
        assert boot.gap_low[run] == pytest.approx(gap)
        assert welch[run] == pytest.approx(stats.ttest_ind(sides[1], sides[0], equal_var=False).pvalue)
        gaps = [
            np.nanmean(values[(block == b) & (group == 1)]) - np.nanmean(values[(block == b) & (group == 0)])
            for b in range(12)
        ]
        assert block_t[run] == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue)


def test_an_interval_around_max_minus_min_never_holds_zero() -> None:
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(8), 200)
    y = (rng.random((20, group.size)) < 0.3).astype(float)
    assert (rivals.row_bootstrap(y, group, rng).spread_low > 0).all()
