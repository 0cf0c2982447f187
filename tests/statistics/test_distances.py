"""The mean size of a change that should mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from audit.statistics import mean_distance


def test_interval_is_that_of_a_mean_clustered_by_template() -> None:
    rng = np.random.default_rng(0)
    template = np.repeat(np.arange(9), 4)
    distance = np.abs(rng.normal(size=36) + rng.normal(size=9)[template])
    found = mean_distance(distance, template)
    # statsmodels has (n-1)/(n-k) beside T/(T-1); with one column it is 1.
    fit = sm.OLS(distance, np.ones(36)).fit(cov_type="cluster", cov_kwds={"groups": template}, use_t=True)
    assert found.estimate == pytest.approx(fit.params[0], abs=1e-12)
    assert found.se == pytest.approx(fit.bse[0], abs=1e-12)
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(fit.conf_int()[0]), abs=1e-10)
    assert (found.df, found.n_pairs, found.n_templates) == (8.0, 36, 9)


def test_interval_covers_the_mean_distance_as_often_as_stated() -> None:
    rng = np.random.default_rng(1)
    truth = np.sqrt(2 / np.pi) * np.sqrt(1.25)
    template = np.repeat(np.arange(30), 2)
    inside = []
    for _ in range(400):
        found = mean_distance(np.abs(rng.normal(size=60) + 0.5 * rng.normal(size=30)[template]), template)
        inside.append(found.ci_low <= truth <= found.ci_high)
    assert 0.91 <= np.mean(inside) <= 0.98


@pytest.mark.parametrize(("distance", "template"), [([0.2, 0.4], [1, 1]), ([0.3, 0.3, 0.3], [0, 1, 2])])
def test_one_template_or_no_spread_gives_no_interval(distance: list[float], template: list[int]) -> None:
    found = mean_distance(distance, template)
    assert found.estimate == pytest.approx(0.3)
    assert np.isnan([found.se, found.df, found.ci_low, found.ci_high]).all()


def test_missing_distances_are_left_out() -> None:
    assert mean_distance([1, np.nan, 3], [0, 1, 2]).n_templates == 2


@pytest.mark.parametrize(
    ("distance", "message"), [([-0.1, 1], "without their sign"), ([np.nan, np.nan], "every distance"), ([1], "length")]
)
def test_what_is_no_distance_is_an_error(distance: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mean_distance(distance, [0, 1])
