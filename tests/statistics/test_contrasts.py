"""The two-way contrast against statsmodels, against loops written from the formulas, and by simulation."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.sandwich_covariance import cov_cluster

from audit.statistics import two_way_contrast, two_way_spread


def design(templates, names, categories=1, groups=("a", "b")):
    """A complete design as label arrays: group, template, persona, block."""
    block, persona = np.meshgrid(np.arange(templates * categories), np.arange(names * len(groups)), indexing="ij")
    block, persona = block.ravel(), persona.ravel()
    return np.array(groups)[persona // names], block // categories, persona, block


def outcome(rng, labels, *, template=0.0, template_group=0.0, name=0.0, noise=1.0, gap=0.0, runs=None):
    """Cell means with the variance components of the design notes, one row a run."""
    group, template_, persona, block = labels
    shape = (runs or 1,)
    second = (group != "a").astype(int)
    y = rng.normal(size=(*shape, block.max() + 1))[:, block]
    y = y + template * rng.normal(size=(*shape, template_.max() + 1))[:, template_]
    slopes = template_group * rng.normal(size=(*shape, template_.max() + 1, 128))
    y = y + slopes[:, template_, np.vectorize(ord)(group)]
    y = y + name * rng.normal(size=(*shape, persona.max() + 1))[:, persona]
    y = y + gap * second + noise * rng.normal(size=(*shape, len(group)))
    return y if runs else y[0]


def thinned(labels, y, rng, share=0.25):
    keep = rng.random(len(y)) > share
    return tuple(column[keep] for column in labels), y[keep]


def by_formula(y, group, template, persona, block, of, reference):
    """The specification in plain loops: estimate, V and df of one contrast, all groups in one OLS."""
    groups = [g for g in sorted(set(group)) if g != reference]
    x = np.column_stack(
        [(block == b).astype(float) for b in sorted(set(block))] + [(group == g).astype(float) for g in groups]
    )
    fit = OLS(y, x).fit()
    row = x.shape[1] - len(groups) + groups.index(of)
    psi = np.linalg.pinv(x)[row] * fit.resid
    t = min(len(set(template[group == g])) for g in (of, reference))
    v_t = t / (t - 1) * sum(psi[template == one].sum() ** 2 for one in set(template))
    v_p = {}
    for g in set(group):
        k = len(set(persona[group == g]))
        v_p[g] = k / (k - 1) * sum(psi[persona == one].sum() ** 2 for one in set(persona[group == g]))
    v_tp = sum(
        psi[(template == one) & (persona == other)].sum() ** 2 for one in set(template) for other in set(persona)
    )
    sizes = {g: len(set(persona[group == g])) for g in set(group)}
    v = max(v_t + sum(v_p.values()) - v_tp, v_t, sum(v_p.values()))
    satterthwaite = v**2 / (v_t**2 / (t - 1) + sum(v_p[g] ** 2 / (sizes[g] - 1) for g in v_p))
    return fit.params[row], v, max(satterthwaite, min(t, sizes[of], sizes[reference]) - 1)


@pytest.mark.parametrize("seed", range(3))
def test_two_groups_agree_with_statsmodels_components(seed):
    rng = np.random.default_rng(seed)
    labels = design(7, 5, categories=2)
    labels, y = thinned(labels, outcome(rng, labels, template_group=1, name=0.5), rng)
    group, template, persona, block = labels
    (gap,) = two_way_contrast(y, *labels[:3], block=block, reference="a")
    x = np.column_stack([(block[:, None] == np.unique(block)).astype(float), group == "b"])
    fit = OLS(y, x).fit()
    v_t, v_p, v_tp = (
        cov_cluster(fit, codes, use_correction=False)[-1, -1]
        for codes in (template, persona, template * 1000 + persona)
    )
    v_t, v_p = v_t * 7 / 6, v_p * 5 / 4
    assert gap.estimate == pytest.approx(fit.params[-1], abs=1e-10)
    assert gap.se**2 == pytest.approx(max(v_t + v_p - v_tp, v_t, v_p), rel=1e-8)


@pytest.mark.parametrize("components", [{"template_group": 2}, {"name": 2}, {"noise": 1}])
def test_three_unequal_groups_agree_with_the_formulas(components):
    rng = np.random.default_rng(11)
    labels = design(8, 4, categories=2, groups=("a", "b", "c"))
    labels, y = thinned(labels, outcome(rng, labels, **components), rng, 0.3)
    lost = labels[2] != 11  # one name of c never appears
    labels, y = tuple(column[lost] for column in labels), y[lost]
    for gap in two_way_contrast(y, *labels[:3], block=labels[3], reference="b"):
        estimate, variance, df = by_formula(y, *labels, gap.group, "b")
        assert gap.estimate == pytest.approx(estimate, rel=1e-8)
        assert gap.se**2 == pytest.approx(variance, rel=1e-8)
        assert gap.df == pytest.approx(df, rel=1e-8)


def test_interval_and_p_are_those_of_student():
    rng = np.random.default_rng(1)
    labels = design(6, 4)
    y = outcome(rng, labels, gap=1, name=0.3)
    (gap,) = two_way_contrast(y, *labels[:3], reference="a", alpha=0.1)
    low, high = stats.t.interval(0.9, gap.df, gap.estimate, gap.se)
    assert (gap.ci_low, gap.ci_high) == pytest.approx((low, high), rel=1e-9)
    assert gap.p_value == pytest.approx(2 * stats.t.sf(abs(gap.estimate) / gap.se, gap.df), rel=1e-9)


def test_lower_bound_of_df_is_the_scarcest_cluster():
    # One template carries all of the spread, so that Satterthwaite alone would fall to T − 1 or below.
    spread = two_way_spread([5, 0, 0, -5, 1, 1], [0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 0])
    assert spread.df >= 1
    bounded = two_way_spread([5, 0, 0, -5, 1, 1], [0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1], [0] * 6, least=(9, 9, 9))
    assert bounded.df == 8


def test_lower_bound_of_df_knows_only_the_groups_compared():
    labels = design(7, 6, groups=("a", "b", "c"))
    keep = (labels[0] != "c") | (labels[2] < 14)  # c has two names
    labels = tuple(column[keep] for column in labels)
    rng = np.random.default_rng(0)
    bound = [two_way_contrast(rng.normal(size=keep.sum()), *labels[:3], reference="a") for _ in range(20)]
    assert min(b.df for b, _ in bound) == 5
    assert min(c.df for _, c in bound) < 5


@pytest.mark.parametrize(
    ("psi", "expected"),
    [
        # Sums over template and persona are 0 in turn: V falls back on the other one's variance.
        ([1, -1, -1, 1], 0.0),  # V_T = V_P = 0, V_TP = 4
        ([1, 1, -1, -1], 16.0),  # V_T = 16, V_P = 0: max, not 16 + 0 − 4
        ([1, -1, 1, -1], 16.0),  # the same across
        ([2, 0, 0, -2], 24.0),  # V_T = V_P = 2·8, V_TP = 8
    ],
)
def test_variance_is_the_largest_of_the_three(psi, expected):
    assert two_way_spread(psi, [0, 0, 1, 1], [0, 1, 0, 1], [0] * 4).variance == expected


def test_block_effects_are_removed():
    labels = design(5, 3)
    rng = np.random.default_rng(3)
    y = outcome(rng, labels, gap=0.5)
    (plain,) = two_way_contrast(y, *labels[:3], reference="a")
    labels, short = thinned(labels, y, rng, 0.4)
    (with_gaps,) = two_way_contrast(short, *labels[:3], reference="a")
    (shifted,) = two_way_contrast(short + 100.0 * labels[1], *labels[:3], reference="a")
    assert shifted.estimate == pytest.approx(with_gaps.estimate, abs=1e-9)
    assert shifted.se == pytest.approx(with_gaps.se, rel=1e-9)
    assert plain.n_cells == 30


def test_block_defaults_to_template():
    rng = np.random.default_rng(4)
    labels = design(5, 3)
    y = outcome(rng, labels)
    assert two_way_contrast(y, *labels[:3], reference="a") == two_way_contrast(
        y, *labels[:3], block=labels[1], reference="a"
    )


def test_missing_cells_are_dropped_and_never_become_zero():
    rng = np.random.default_rng(5)
    labels = design(6, 4)
    y = outcome(rng, labels) + 50
    holes = y.copy()
    holes[[3, 17, 30]] = np.nan
    kept = ~np.isnan(holes)
    assert two_way_contrast(holes, *labels[:3], reference="a") == two_way_contrast(
        y[kept], *(column[kept] for column in labels[:3]), reference="a"
    )


def test_swapping_group_and_reference_turns_the_sign_only():
    rng = np.random.default_rng(6)
    labels = design(6, 4)
    labels, y = thinned(labels, outcome(rng, labels, gap=1), rng)
    (one,) = two_way_contrast(y, *labels[:3], reference="a")
    (other,) = two_way_contrast(y, *labels[:3], reference="b")
    assert (one.group, other.group) == ("b", "a")
    assert one.estimate == pytest.approx(-other.estimate)
    assert (one.se, one.df) == pytest.approx((other.se, other.df))


def test_a_third_group_hardly_matters_in_a_complete_design():
    rng = np.random.default_rng(7)
    labels = design(6, 4, groups=("a", "b", "c"))
    y = outcome(rng, labels, name=0.5)
    two = labels[0] != "c"
    # It moves the block effects, which cancel in the sums over a template or a name, but not in single cells (V_TP).
    joint = two_way_contrast(y, *labels[:3], reference="a")[0]
    (alone,) = two_way_contrast(y[two], *(column[two] for column in labels[:3]), reference="a")
    assert joint.estimate == pytest.approx(alone.estimate)
    assert joint.se == pytest.approx(alone.se, rel=0.01)


def test_a_group_with_one_name_gets_an_estimate_and_no_error_bar():
    rng = np.random.default_rng(8)
    labels = design(6, 3, groups=("a", "b", "c"))
    keep = (labels[0] != "c") | (labels[2] == 6)
    y = outcome(rng, labels)[keep]
    labels = tuple(column[keep] for column in labels)
    b, c = two_way_contrast(y, *labels[:3], reference="a")
    assert math.isfinite(b.p_value)
    assert math.isfinite(c.estimate)
    assert all(math.isnan(value) for value in (c.se, c.df, c.ci_low, c.ci_high, c.p_value, c.mde))
    assert c.n_personas == 1
    two = labels[0] != "c"
    (alone,) = two_way_contrast(y[two], *(column[two] for column in labels[:3]), reference="a")
    assert b.se == pytest.approx(alone.se)


def test_a_single_template_has_no_error_bar():
    labels = design(1, 5)
    (gap,) = two_way_contrast(np.arange(10.0), *labels[:3], reference="a")
    assert gap.estimate == 5
    assert math.isnan(gap.se) and math.isnan(gap.p_value)


def test_answers_that_never_vary_have_spread_zero_and_no_p():
    labels = design(6, 4)
    (gap,) = two_way_contrast(np.full(48, 1 / 3), *labels[:3], reference="a")
    assert (gap.se, gap.estimate) == (0.0, pytest.approx(0, abs=1e-15))
    assert all(math.isnan(value) for value in (gap.df, gap.p_value, gap.ci_low, gap.mde))


def test_groups_that_share_no_block_cannot_be_compared():
    group = ["a", "a", "b", "b"] * 2
    (gap,) = two_way_contrast(range(8), group, [0, 0, 1, 1, 2, 2, 3, 3], ["k", "l", "m", "n"] * 2, reference="a")
    assert math.isnan(gap.estimate) and math.isnan(gap.se) and gap.n_cells == 0


def test_counts_are_of_what_was_compared():
    # Template 2 holds group a alone: it tells nothing of the gap.
    group = np.array(["a", "a", "b", "b", "b"] * 2 + ["a", "a"])
    persona = np.array([0, 1, 2, 3, 4] * 2 + [0, 1])
    template = np.repeat([0, 1, 2], [5, 5, 2])
    (gap,) = two_way_contrast(np.arange(12.0) ** 2, group, template, persona, reference="a")
    assert (gap.n_cells, gap.n_blocks, gap.n_templates, gap.n_personas) == (10, 2, 2, 2)


def test_a_persona_in_two_groups_is_refused():
    with pytest.raises(ValueError, match="two groups"):
        two_way_contrast([1, 2], ["a", "b"], [0, 0], ["k", "k"], reference="a")


def test_an_absent_reference_is_named():
    with pytest.raises(ValueError, match="'z'"):
        two_way_contrast([1, 2], ["a", "b"], [0, 0], ["k", "l"], reference="z")


@pytest.mark.parametrize(
    ("templates", "categories", "groups", "missing", "components"),
    [
        (20, 1, "ab", 0.0, {"template_group": 0.3, "name": 0.2}),
        (20, 1, "ab", 0.3, {"template_group": 0.05, "name": 0.3, "noise": 0.5}),
        (20, 1, "abcde", 0.2, {"template_group": 0.3, "name": 0.2, "noise": 0.5}),
        (6, 8, "ab", 0.0, {"template_group": 0.3, "name": 0.1}),
        (12, 1, "ab", 0.0, {}),
    ],
)
def test_size_under_the_null(templates, categories, groups, missing, components):
    rng = np.random.default_rng(20)
    labels = design(templates, 10, categories, tuple(groups))
    draws = outcome(rng, labels, template=1, runs=400, **components)
    draws[rng.random(draws.shape) < missing] = np.nan
    rejected = np.mean(
        [two_way_contrast(y, *labels[:3], block=labels[3], reference="a")[0].p_value <= 0.05 for y in draws]
    )
    assert 0.01 <= rejected <= 0.075


def test_size_needs_both_clusters_and_wordings_as_clusters():
    """The same simulated nulls, with the clusters that a careless analysis would take, raise false alarms."""
    rng = np.random.default_rng(21)

    def size(labels, template, persona, **components):
        draws = outcome(rng, labels, runs=300, **components)
        contrasts = (two_way_contrast(y, labels[0], template, persona, block=labels[3], reference="a") for y in draws)
        return np.mean([gap.p_value <= 0.05 for (gap,) in contrasts])

    labels = design(20, 10)
    rows = np.arange(len(labels[0]))
    assert size(labels, rows, rows, name=0.3) > 0.15
    assert size(labels, labels[1], rows, name=0.3) > 0.15
    assert size(labels, rows, labels[2], template_group=0.5) > 0.15
    few = design(6, 10, categories=8)
    assert size(few, few[3], few[2], template_group=0.3) > 0.12


def test_a_planted_gap_is_covered_at_the_nominal_rate():
    rng = np.random.default_rng(22)
    labels = design(20, 10)
    draws = outcome(rng, labels, template_group=0.2, name=0.2, gap=0.5, runs=400)
    gaps = [two_way_contrast(y, *labels[:3], reference="a")[0] for y in draws]
    assert 0.925 <= np.mean([gap.ci_low <= 0.5 <= gap.ci_high for gap in gaps]) <= 0.985
    assert np.mean([gap.estimate for gap in gaps]) == pytest.approx(0.5, abs=0.02)


def test_a_hundred_thousand_cells_take_seconds():
    rng = np.random.default_rng(9)
    labels = design(500, 50, groups=("a", "b", "c", "d"))
    y = outcome(rng, labels)
    start = time.perf_counter()
    assert len(two_way_contrast(y, *labels[:3], reference="a")) == 3
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_outcome_is_refused(value):
    with pytest.raises(ValueError, match="infinite"):
        two_way_contrast([1.0, value, 2.0, 3.0], ["a", "b"] * 2, [0, 0, 1, 1], ["k", "l"] * 2, reference="a")
