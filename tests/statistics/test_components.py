"""Variance components: estimated without bias, and a design's error as the contrast will have it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audit.statistics import (
    Components,
    design_error,
    minimum_detectable_gap,
    needed,
    paired_contrast,
    smallest_equivalence_tolerance,
    two_way_contrast,
)
from audit.statistics.components import Moment, estimate, estimate_paired, upper

TRUE = Components(0.3, 0.2, 0.2, 0.3, 0.8)


def simulate(rng, components, templates, categories, names, *, draws=1, missing=0.0, single=False):
    """Cells of two groups ``a`` and ``b`` from the model of the design, single draws when asked."""
    blocks = templates * categories
    block, persona = (i.ravel() for i in np.meshgrid(np.arange(blocks), np.arange(2 * names), indexing="ij"))
    template, second = block // categories, persona >= names
    y = 2 * rng.normal(size=blocks)[block] + components.persona * rng.normal(size=2 * names)[persona]
    y += second * components.template * rng.normal(size=templates)[template]
    y += second * components.template_category * rng.normal(size=blocks)[block]
    y += components.persona_block * rng.normal(size=y.size)
    times = draws if single else 1
    labels = [np.repeat(column, times) for column in (np.where(second, "b", "a"), template, persona, block)]
    y = np.repeat(y, times) + components.noise / math.sqrt(draws / times) * rng.normal(size=y.size * times)
    keep = rng.random(y.size) >= missing
    return y[keep], [column[keep] for column in labels]


def pairs(rng, components, templates, categories, phrasings, *, missing=0.0):
    """The same with phrasings that stand in both groups."""
    y, (group, template, persona, block) = simulate(rng, components, templates, categories, phrasings, missing=missing)
    shared = 3 * rng.normal(size=(templates * categories, phrasings))
    return y + shared[block, persona % phrasings], [group, template, persona % phrasings, block]


def raw(moment):
    return (moment.mean_square - moment.rest) / moment.scale


def assert_unbiased(found, true):
    found = np.asarray(found)
    error = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - np.asarray(true)) <= 3.5 * error)


def test_single_draws_tell_all_five_components_in_an_incomplete_design():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(150):
        y, (group, template, persona, block) = simulate(rng, TRUE, 12, 3, 8, draws=3, missing=0.2, single=True)
        (e,) = estimate(y, group, template, persona, reference="a", block=block)
        found.append([raw(m) for m in (e.template, e.template_category, e.persona, e.persona_block, e.noise)])
    assert_unbiased(found, [0.3**2, 0.2**2, 0.2**2, 0.3**2, 0.8**2])


def test_exact_cells_put_name_by_block_into_noise():
    rng = np.random.default_rng(2)
    found = []
    for _ in range(200):
        y, (group, template, persona, block) = simulate(rng, TRUE, 12, 2, 8, missing=0.2)
        (e,) = estimate(y, group, template, persona, reference="a", block=block)
        assert e.persona_block.df == 0 and e.components.persona_block == 0
        found.append([raw(m) for m in (e.template, e.template_category, e.persona, e.noise)])
    assert_unbiased(found, [0.3**2, 0.2**2, 0.2**2, 0.3**2 + 0.8**2])


def test_cell_means_of_known_draws_give_the_noise_of_one_draw():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(100):
        y, (group, template, persona, block) = simulate(rng, Components(noise=0.8), 12, 1, 6, draws=4)
        (e,) = estimate(y, group, template, persona, reference="a", block=block, draws=4)
        found.append([raw(e.noise)])
    assert_unbiased(found, [0.8**2])


def test_with_one_block_a_template_its_category_part_is_in_the_template():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(200):
        y, (group, template, persona, _) = simulate(rng, TRUE, 12, 1, 8)
        (e,) = estimate(y, group, template, persona, reference="a")
        assert e.template_category.df == 0
        found.append([raw(e.template)])
    assert_unbiased(found, [0.3**2 + 0.2**2])


def test_pairs_are_read_on_the_scale_of_one_cell():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(200):
        y, (group, template, phrasing, block) = pairs(rng, TRUE, 12, 2, 10, missing=0.1)
        (e,) = estimate_paired(y, group, template, phrasing, reference="a", block=block)
        found.append([raw(m) for m in (e.template, e.template_category, e.persona, e.noise)])
    assert_unbiased(found, [0.3**2, 0.2**2, 0.2**2, 0.3**2 + 0.8**2])


def test_in_a_complete_design_the_moments_are_the_textbook_mean_squares():
    rng = np.random.default_rng(6)
    y, (group, template, persona, block) = simulate(rng, TRUE, 6, 2, 5)
    (e,) = estimate(y, group, template, persona, reference="a", block=block)
    cells = y.reshape(12, 2, 5)
    gap = cells.mean(2) @ [-1, 1]
    within = cells - cells.mean(2, keepdims=True) - cells.mean(0, keepdims=True) + cells.mean((0, 2), keepdims=True)
    residual = (within**2).sum() / (11 * 8)
    by_template = gap.reshape(6, 2).mean(1)
    assert (e.template.df, e.template_category.df, e.persona.df, e.noise.df) == (5, 6, 8, 88)
    assert e.noise.mean_square == pytest.approx(residual, rel=1e-9)
    assert e.template.mean_square == pytest.approx(by_template.var(ddof=1) * 2 * 5 / 2, rel=1e-9)
    assert e.template_category.mean_square == pytest.approx(
        ((gap.reshape(6, 2) - by_template[:, None]) ** 2).sum() / 6 * 5 / 2, rel=1e-9
    )
    name_means = cells.mean(0)
    assert e.persona.mean_square == pytest.approx(12 * name_means.var(axis=1, ddof=1).mean(), rel=1e-9)
    assert (e.template.scale, e.template_category.scale, e.persona.scale) == pytest.approx((5.0, 2.5, 12.0))


@pytest.mark.parametrize(
    ("components", "design"),
    [
        (TRUE, (24, 1, 10)),
        (TRUE, (12, 3, 12)),
        (Components(0, 0, 0.3, 0, 0.5), (20, 1, 10)),
        (Components(0.4, 0, 0, 0, 0.5), (20, 2, 10)),
    ],
)
def test_design_error_is_the_mean_error_of_the_contrast(components, design):
    rng = np.random.default_rng(7)
    templates, categories, names = design
    se, df = design_error(components, templates=templates, blocks=templates * categories, personas=names)
    variances, dfs, estimates = [], [], []
    for _ in range(250):
        y, (group, template, persona, block) = simulate(rng, components, *design)
        (gap,) = two_way_contrast(y, group, template, persona, block=block, reference="a")
        variances.append(gap.se**2)
        dfs.append(gap.df)
        estimates.append(gap.estimate)
    assert np.mean(variances) ** 0.5 == pytest.approx(se, rel=0.06)
    assert np.std(estimates) == pytest.approx(se, rel=0.15)
    assert np.mean(dfs) == pytest.approx(df, rel=0.25)


def test_design_error_of_pairs_is_the_mean_error_of_the_paired_contrast():
    rng = np.random.default_rng(8)
    se, df = design_error(TRUE, templates=20, blocks=20, personas=10, paired=True)
    found = []
    for _ in range(250):
        y, (group, template, phrasing, _) = pairs(rng, TRUE, 20, 1, 10)
        found.append(paired_contrast(y, group, template, phrasing, reference="a")[0])
    assert np.mean([gap.se**2 for gap in found]) ** 0.5 == pytest.approx(se, rel=0.06)
    assert np.mean([gap.df for gap in found]) == pytest.approx(df, rel=0.25)


def test_every_term_of_the_variance():
    parts = [
        (Components(template=2), 4 / 6),
        (Components(template_category=2), 4 / 12),
        (Components(persona=2), 2 * 4 / 5),
        (Components(persona_block=2), 2 * 4 / (12 * 5)),
        (Components(noise=2), 2 * 4 / (12 * 5 * 3)),
    ]
    for components, variance in parts:
        se, _ = design_error(components, templates=6, blocks=12, personas=5, draws=3)
        assert se**2 == pytest.approx(variance)
    se, _ = design_error(Components(2, 2, 2, 2, 2), templates=6, blocks=12, personas=5, draws=3)
    assert se**2 == pytest.approx(sum(variance for _, variance in parts))


def test_degrees_of_freedom_are_those_of_the_part_that_dominates():
    assert design_error(Components(template=1), templates=9, blocks=9, personas=30)[1] == pytest.approx(8)
    assert design_error(Components(persona=1), templates=30, blocks=30, personas=9)[1] == pytest.approx(16)
    assert design_error(Components(persona=1), templates=30, blocks=30, personas=9, paired=True)[1] == pytest.approx(8)


def test_plans_at_the_upper_limit_seldom_understate():
    rng = np.random.default_rng(9)
    larger = {"templates": 40, "blocks": 40, "personas": 20}
    true, _ = design_error(TRUE, **larger)
    plain, cautious = [], []
    for _ in range(300):
        y, (group, template, persona, _) = simulate(rng, TRUE, 12, 1, 8)
        (e,) = estimate(y, group, template, persona, reference="a")
        plain.append(design_error(e.components, **larger)[0] < true / 1.15)
        cautious.append(design_error(upper(e), **larger)[0] < true / 1.15)
    assert np.mean(cautious) <= 0.10
    assert np.mean(plain) >= 0.20


def test_a_negative_estimate_is_zero_and_its_limit_is_not():
    moment = Moment(mean_square=0.9, df=10, rest=1.0, scale=5.0)
    assert moment.variance() == 0.0
    assert moment.variance(0.8) == pytest.approx((0.9 * 10 / 6.179 - 1.0) / 5, abs=1e-4)


def test_a_group_without_a_second_persona_is_left_out():
    y, (group, template, persona, _) = simulate(np.random.default_rng(10), TRUE, 6, 1, 2)
    group = np.where((group == "b") & (persona == 3), "c", group)
    assert estimate(y, group, template, persona, reference="a") == ()
    with pytest.raises(ValueError, match="'z'"):
        estimate(y, group, template, persona, reference="z")
    with pytest.raises(ValueError, match="two groups"):
        estimate(y, group, template, persona % 2, reference="a")


def test_a_further_group_does_not_change_the_components():
    y, (group, template, persona, block) = simulate(np.random.default_rng(11), TRUE, 8, 2, 6)
    (alone,) = estimate(y, group, template, persona, reference="a", block=block)
    more = [np.concatenate([column, column[group == "b"]]) for column in (template, persona, block)]
    more[1][len(y) :] += 100
    third = np.concatenate([group, np.full((group == "b").sum(), "c")])
    both = estimate(np.concatenate([y, y[group == "b"] + 1]), third, *more[:2], reference="a", block=more[2])
    assert [e.group for e in both] == ["b", "c"]
    assert both[0].template.mean_square == pytest.approx(alone.template.mean_square)
    assert both[1].persona.mean_square == pytest.approx(alone.persona.mean_square)


def test_the_cheapest_design_is_the_cheapest():
    components, tolerance = Components(0.2, 0.1, 0.15, 0.1, 0.8), 0.25
    plan = needed(components, tolerance, categories=2, tests=4)
    best = math.inf
    for names in range(8, 60):
        for templates in range(12, 120):
            se, df = design_error(components, templates=templates, blocks=2 * templates, personas=names)
            if smallest_equivalence_tolerance(se, df) <= tolerance >= minimum_detectable_gap(se, df, tests=4):
                best = min(best, names * templates)
                break
    assert plan.templates * plan.personas == best
    assert max(plan.detectable, plan.equivalence) <= tolerance
    assert (plan.more_templates, plan.more_personas) == (plan.templates - 12, plan.personas - 8)


def test_a_design_that_is_enough_needs_nothing_more():
    plan = needed(Components(0.01, 0, 0.01, 0, 0.01), 1.0, templates=24, personas=10)
    assert (plan.more_templates, plan.more_personas) == (0, 0)


def test_what_too_few_names_cannot_reach_is_said():
    assert needed(Components(persona=0.5), 0.1, most_personas=100) is None
    with pytest.raises(ValueError, match="tolerance"):
        needed(TRUE, 0)
