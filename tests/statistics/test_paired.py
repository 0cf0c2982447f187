"""Pairs within block and phrasing, the positive control, and the placebo floor."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from audit.statistics import clustered_mean_difference, paired_contrast, placebo_test


def crossed(rng, templates=8, phrasings=6, *, gap=0.4, phrasing_sd=0.0, template_sd=0.0, noise=0.3):
    rows = [(t, m, g) for t in range(templates) for m in range(phrasings) for g in ("middle", "older")]
    template, phrasing, group = (np.array(column) for column in zip(*rows, strict=True))
    by_t, by_m = template_sd * rng.normal(size=templates), phrasing_sd * rng.normal(size=phrasings)
    y = rng.normal(size=(templates, phrasings))[template, phrasing] * 5
    y = y + (group == "older") * (gap + by_t[template] + by_m[phrasing]) + noise * rng.normal(size=len(y))
    return y, group, template, phrasing


def test_a_pair_removes_what_block_and_phrasing_share():
    y, group, template, phrasing = crossed(np.random.default_rng(0), noise=0.0)
    (gap,) = paired_contrast(y, group, template, phrasing, reference="middle")
    assert gap.estimate == pytest.approx(0.4)
    assert gap.se == 0  # nothing is left but the gap, and rounding is no spread
    assert math.isnan(gap.p_value)


def test_variance_and_df_are_those_of_template_by_phrasing():
    y, group, template, phrasing = crossed(np.random.default_rng(1), phrasing_sd=0.3, template_sd=0.2)
    (gap,) = paired_contrast(y, group, template, phrasing, reference="middle")
    gaps = (y[1::2] - y[::2]).reshape(8, 6)
    psi = (gaps - gaps.mean()) / gaps.size
    v_t = 8 / 7 * (psi.sum(1) ** 2).sum()
    v_p = 6 / 5 * (psi.sum(0) ** 2).sum()
    v = max(v_t + v_p - (psi**2).sum(), v_t, v_p)
    assert gap.estimate == pytest.approx(gaps.mean())
    assert gap.se == pytest.approx(math.sqrt(v), rel=1e-10)
    assert gap.df == pytest.approx(max(v**2 / (v_t**2 / 7 + v_p**2 / 5), 5), rel=1e-10)
    assert (gap.n_cells, gap.n_templates, gap.n_personas) == (96, 8, 6)


def test_all_categories_of_a_wording_are_one_cluster():
    y, group, template, phrasing = crossed(np.random.default_rng(2), template_sd=1.0)
    (apart,) = paired_contrast(y, group, template, phrasing, reference="middle")
    (joined,) = paired_contrast(y, group, template // 4, phrasing, block=template, reference="middle")
    assert joined.estimate == pytest.approx(apart.estimate)
    assert joined.n_templates == 2 and joined.n_blocks == 8
    assert joined.df == 1.0 or joined.df < apart.df


def test_a_cell_without_its_partner_is_left_out():
    y, group, template, phrasing = crossed(np.random.default_rng(3))
    holes = y.copy()
    holes[0] = np.nan  # the middle half of the first pair
    (gap,) = paired_contrast(holes, group, template, phrasing, reference="middle")
    (without,) = paired_contrast(y[2:], group[2:], template[2:], phrasing[2:], reference="middle")
    assert gap == without


def test_wordings_only_clusters_on_templates_alone():
    y, group, template, phrasing = crossed(np.random.default_rng(4), phrasing_sd=1.0)
    (gap,) = paired_contrast(y, group, template, phrasing, reference="middle", wordings_only=True)
    by_template = (y[1::2] - y[::2]).reshape(8, 6).mean(1)
    assert gap.se == pytest.approx(by_template.std(ddof=1) / math.sqrt(8))
    assert gap.df == 7


def test_size_under_the_null_with_phrasing_noise():
    rng = np.random.default_rng(5)
    both, templates_only = [], []
    for _ in range(400):
        cells = crossed(rng, 20, 10, gap=0, phrasing_sd=0.3, template_sd=0.2)
        both.append(paired_contrast(*cells, reference="middle")[0].p_value)
        templates_only.append(paired_contrast(*cells, reference="middle", wordings_only=True)[0].p_value)
    assert 0.01 <= np.mean(np.array(both) <= 0.05) <= 0.075
    assert np.mean(np.array(templates_only) <= 0.05) > 0.15


def test_control_is_a_t_test_on_template_means():
    rng = np.random.default_rng(6)
    template, pole = np.repeat(np.arange(9), 2), np.tile(["favourable", "unfavourable"], 9)
    y = rng.normal(size=18) + (pole == "favourable")
    gap = clustered_mean_difference(y, pole, template, group="favourable", reference="unfavourable")
    expected = stats.ttest_1samp(y[::2] - y[1::2], 0)
    assert gap.p_value == pytest.approx(expected.pvalue)
    assert gap.df == 8 and gap.n_personas == 0
    assert gap.ci_low == pytest.approx(expected.confidence_interval(0.95).low)


def test_control_with_one_wording_has_no_error_bar():
    gap = clustered_mean_difference([2.0, 1.0], ["f", "u"], [0, 0], group="f", reference="u")
    assert gap.estimate == 1 and math.isnan(gap.se)


def test_control_without_a_pole_is_refused():
    with pytest.raises(ValueError, match="both of its poles"):
        clustered_mean_difference([2.0, 1.0], ["u", "u"], [0, 1], group="f", reference="u")


def test_placebo_is_a_prediction_interval():
    effects = np.random.default_rng(7).normal(0.1, 0.2, size=12)
    result = placebo_test(0.7, effects)
    t = (0.7 - effects.mean()) / (effects.std(ddof=1) * math.sqrt(1 + 1 / 12))
    assert result.p_value == pytest.approx(2 * stats.t.sf(abs(t), 11))
    assert result.df == 11 and result.floor == pytest.approx(np.abs(effects).mean())
    assert result.ci_low == pytest.approx(result.estimate - stats.t.ppf(0.975, 11) * result.se)


def test_placebo_size_is_nominal():
    rng = np.random.default_rng(8)
    p = [placebo_test(draw[0], draw[1:]).p_value for draw in rng.normal(size=(2000, 11))]
    assert 0.035 <= np.mean(np.array(p) <= 0.05) <= 0.065


def test_nine_placebos_are_too_few_for_a_test_but_have_a_floor():
    result = placebo_test(1.0, np.r_[np.arange(9.0), np.nan])
    assert math.isnan(result.p_value) and math.isnan(result.se)
    assert result.floor == 4 and result.n_placebos == 9


def test_placebos_that_do_nothing_at_all_give_no_test():
    assert math.isnan(placebo_test(1.0, np.zeros(12)).p_value)
