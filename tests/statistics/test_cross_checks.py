"""Against independent implementations on random data, and where these cannot serve (decision 0007)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.sandwich_covariance import cov_cluster, cov_cluster_2groups
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_paired

from audit.statistics import (
    Gap,
    benjamini_hochberg,
    equivalence,
    holm,
    minimum_detectable_gap,
    paired_contrast,
    ratio_contrast,
    two_way_contrast,
)
from audit.statistics.variance import t_quantile, two_sided_p

SEEDS = range(5)


def run(seed, templates=9, names=6, categories=2, missing=0.0):
    """An incomplete random run: y, group, template, persona, block."""
    rng = np.random.default_rng(seed)
    block, persona = (i.ravel() for i in np.meshgrid(range(templates * categories), range(2 * names), indexing="ij"))
    second, template = persona >= names, block // categories
    y = rng.normal(size=block.max() + 1)[block] + 0.5 * rng.normal(size=2 * names)[persona]
    y = y + second * rng.normal(size=templates)[template] + rng.normal(size=block.size)
    kept = rng.random(block.size) >= missing
    return tuple(column[kept] for column in (y, np.where(second, "b", "a"), template, persona, block))


def regression(y, group, block):
    """statsmodels' OLS on block dummies and one dummy of the group, which comes last."""
    dummies = (block[:, None] == np.unique(block)).astype(float)
    return OLS(y, np.column_stack([dummies, group == "b"]))


@pytest.mark.parametrize("seed", SEEDS)
def test_two_way_contrast_is_statsmodels_ols_with_the_factors_of_few_clusters(seed):
    y, group, template, persona, block = run(seed, missing=0.2)
    (gap,) = two_way_contrast(y, group, template, persona, block=block, reference="a")
    fit = regression(y, group, block).fit()
    total, v_t, v_p = (
        cov[-1, -1] for cov in cov_cluster_2groups(fit, template, persona.astype(np.int64), use_correction=False)
    )
    v_tp = v_t + v_p - total
    v_t, v_p = v_t * 9 / 8, v_p * 6 / 5
    variance = max(v_t + v_p - v_tp, v_t, v_p)
    assert gap.estimate == pytest.approx(fit.params[-1], abs=1e-10)
    assert gap.se**2 == pytest.approx(variance, rel=1e-8)
    # V_P splits by group as each name's sum belongs to one group.
    psi = np.linalg.pinv(fit.model.exog)[-1] * fit.resid
    by_name = np.bincount(persona, psi) ** 2
    by_group = 6 / 5 * np.array([by_name[:6].sum(), by_name[6:].sum()])
    df = max(variance**2 / (v_t**2 / 8 + (by_group**2).sum() / 5), 5)
    assert gap.df == pytest.approx(df, rel=1e-8)
    assert gap.p_value == pytest.approx(2 * stats.t.sf(abs(gap.estimate) / gap.se, df), rel=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_the_factors_it_is_the_covariance_that_statsmodels_reports(seed):
    y, group, template, persona, block = run(seed)
    fit = regression(y, group, block).fit(
        cov_type="cluster", cov_kwds={"groups": np.column_stack([template, persona]), "use_correction": False}
    )
    psi = np.linalg.pinv(fit.model.exog)[-1] * fit.resid
    cells = np.bincount(template * 12 + persona, psi)
    ours = sum((np.bincount(codes, psi) ** 2).sum() for codes in (template, persona)) - (cells**2).sum()
    assert fit.cov_params()[-1, -1] == pytest.approx(ours, rel=1e-8)


def test_what_statsmodels_corrects_is_not_what_names_nested_in_groups_need():
    """Its factor takes all names for one sample and its test is normal: it rejects more often than it says."""
    rng = np.random.default_rng(1)
    theirs, ours = [], []
    for _ in range(300):
        _, group, template, persona, block = run(0, 12, 8, 1)
        y = rng.normal(size=block.size)
        model = regression(y, group, block)
        fit = model.fit(cov_type="cluster", cov_kwds={"groups": np.column_stack([template, persona])})
        variance = fit.cov_params()[-1, -1]
        theirs.append(variance <= 0 or abs(fit.params[-1]) > 1.96 * math.sqrt(variance))
        ours.append(two_way_contrast(y, group, template, persona, reference="a")[0].p_value <= 0.05)
    n, k = model.exog.shape
    corrected, plain = (cov_cluster(model.fit(), persona, use_correction=use)[-1, -1] for use in (True, False))
    assert corrected / plain == pytest.approx(16 / 15 * (n - 1) / (n - k))
    assert np.mean(theirs) > 0.065
    assert np.mean(ours) <= 0.06


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("of", ["template", "persona"])
def test_the_log_ratio_is_a_poisson_regression_with_cluster_robust_errors(seed, of):
    """With one source of spread V is V_T or V_P, and a log-linear model of the group means has the same."""
    rng = np.random.default_rng(seed)
    _, group, template, persona, _ = run(0, 9, 6, 1)
    second = (group == "b").astype(np.intp)
    effects = rng.gamma(5, size=(9, 2))[template, second] if of == "template" else rng.gamma(5, size=12)[persona]
    (gap,) = ratio_contrast(effects, group, template, persona, reference="a")
    exog = np.column_stack([np.ones(second.size), second])
    fit = sm.GLM(effects, exog, family=sm.families.Poisson()).fit(tol=1e-14, maxiter=100)
    codes, factor = (template, 9 / 8) if of == "template" else (persona, 6 / 5)
    assert gap.estimate == pytest.approx(fit.params[-1], rel=1e-8)
    assert gap.se**2 == pytest.approx(factor * cov_cluster(fit, codes, use_correction=False)[-1, -1], rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("usevar", ["pooled", "unequal"])
def test_equivalence_of_two_samples_is_statsmodels_tost(seed, usevar):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(0.1, 0.5, 14), rng.normal(0, 0.9, 22)
    compare = CompareMeans(DescrStatsW(one), DescrStatsW(other))
    if usevar == "pooled":
        se, df = compare.std_meandiff_pooledvar, 34.0
    else:
        se, df = compare.std_meandiff_separatevar, compare.dof_satt()
    gap = Gap(float(one.mean() - other.mean()), float(se), float(df))
    expected, (low, high) = compare.ttost_ind(-0.6, 0.6, usevar=usevar)
    assert equivalence(gap, 0.6).p_value == pytest.approx(expected, rel=1e-8)
    assert equivalence(gap, 0.6).p_value == pytest.approx(max(low[1], high[1]), rel=1e-8)
    bounds = compare.tconfint_diff(alpha=0.1, usevar=usevar)
    assert (equivalence(gap, 0.6).ci_low, equivalence(gap, 0.6).ci_high) == pytest.approx(bounds, rel=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_equivalence_of_a_contrast_is_statsmodels_tost_on_template_means(seed):
    y, group, template, persona, _ = run(seed, 15, 5, 1)
    phrasing = persona % 5
    (gap,) = paired_contrast(y, group, template, phrasing, reference="a", wordings_only=True)
    means = [np.bincount(template[group == g], y[group == g]) / 5 for g in "ab"]
    for tolerance in (0.2, 0.6, 1.5):
        expected = ttost_paired(means[1], means[0], -tolerance, tolerance)[0]
        assert equivalence(gap, tolerance).p_value == pytest.approx(expected, rel=1e-8)


def test_without_any_spread_statsmodels_grants_equivalence_and_we_do_not():
    same = np.full(10, 0.05)
    assert ttost_paired(same, 0 * same, -0.2, 0.2)[0] < 1e-6
    assert math.isnan(equivalence(Gap(0.05, 0.0, 9), 0.2).p_value)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.01, 0.02, 0.05])), min_size=1, max_size=20))
def test_adjusted_p_are_those_of_statsmodels(p):
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-12)
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)


def test_untested_hypotheses_do_not_count_in_either_correction():
    p = np.array([math.nan, 0.01, math.nan, 0.04, 0.03])
    for ours, method in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        adjusted = ours(p)
        assert np.isnan(adjusted[[0, 2]]).all()
        assert adjusted[[1, 3, 4]] == pytest.approx(multipletests(p[[1, 3, 4]], method=method)[1])
    assert benjamini_hochberg([]).size == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg([-0.1])


@pytest.mark.parametrize("seed", SEEDS)
def test_quantiles_and_tails_of_student_are_those_of_scipy(seed):
    rng = np.random.default_rng(seed)
    for df, probability in zip(rng.uniform(1, 200, 20), rng.uniform(0.001, 0.999, 20), strict=True):
        assert t_quantile(probability, df) == pytest.approx(stats.t.ppf(probability, df), rel=1e-8, abs=1e-10)
        assert two_sided_p(probability * 5, 1.3, df) == pytest.approx(
            2 * stats.t.sf(probability * 5 / 1.3, df), rel=1e-8
        )


@pytest.mark.parametrize("df", [2, 4, 7, 9])
def test_the_detectable_gap_has_the_power_that_statsmodels_finds(df):
    gap = minimum_detectable_gap(1 / math.sqrt(df + 1), df)
    assert TTestPower().power(gap, df + 1, 0.05) == pytest.approx(0.9, abs=1e-3)
