from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit import statistics
from audit.planted import SCENARIOS, Layout, Scenario, World, draw, generator, layout, realise
from audit.planted.texts import (
    LABELS,
    PLAIN,
    REFUSALS,
    TONE_STEP,
    VARIANTS,
    WARM,
    bank_tones,
    trap_tones,
    who_is,
    write,
)
from audit.planted.world import probit_mean
from audit.scorers.masking import mask
from audit.scorers.refusal import is_refusal


def gap(cells: Layout, values: np.ndarray) -> float:
    """Mean of the last group less that of the reference."""
    return float(np.nanmean(values[cells.group == cells.groups - 1]) - np.nanmean(values[cells.group == 0]))


def gaps(world: World, cells: Layout, runs: int) -> np.ndarray:
    return np.array([gap(cells, realise(world, cells, generator(seed, "test"))) for seed in range(runs)])


@pytest.mark.parametrize("explicit", [False, True])
def test_the_variance_of_a_gap_is_that_of_the_formula(explicit: bool) -> None:
    cells = layout(6, 12, 4, explicit=explicit)
    world = World(tau=0.6, tau_tc=0.5, nu=0.4, nu_b=0.7, sigma=1.2, draws=2, template_sd=3.0, block_sd=2.0)
    expected = 0.6**2 / 6 + 0.5**2 / 12 + 2 * 0.4**2 / 4 + 2 * 0.7**2 / 48 + 2 * 1.2**2 / (48 * 2)
    seen = gaps(world, cells, 4_000).var()
    assert seen == pytest.approx(expected, rel=5 * np.sqrt(2 / 4_000))


@pytest.mark.parametrize(
    ("world", "share"),
    [(World(tau=0.6), 0.6**2 / 6), (World(nu=0.4), 2 * 0.4**2 / 4), (World(sigma=1.2, noise="t3"), 2 * 1.2**2 / 48)],
)
def test_each_component_alone_has_its_own_share(world: World, share: float) -> None:
    assert gaps(world, layout(6, 12, 4), 4_000).var() == pytest.approx(share, rel=0.2)


def test_the_same_seed_gives_the_same_world_and_another_another() -> None:
    cells, world = layout(4, 4, 3), World(sigma=1.0, nu=0.1)
    first, again, other = (realise(world, cells, generator(seed, "a")) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.any(first == other)
    assert not np.any(first == realise(world, cells, generator(1, "b")))


def test_explicit_cells_pair_within_block_and_phrasing() -> None:
    cells = layout(2, 4, 3, 3, explicit=True)
    pairs = {(block, persona) for block, persona in zip(cells.block, cells.persona, strict=True)}
    assert len(pairs) == 12
    assert all(
        sorted(cells.group[(cells.block == block) & (cells.persona == persona)]) == [0, 1, 2]
        for block, persona in pairs
    )
    assert np.unique(cells.stimulus).size == 9


def test_a_wording_meets_each_category_once() -> None:
    cells = layout(6, 48, 2, categories=8)
    met = {(template, category) for template, category in zip(cells.template, cells.category, strict=True)}
    assert len(met) == 48
    with pytest.raises(ValueError, match="no multiple"):
        layout(6, 47, 2)
    with pytest.raises(ValueError, match="8 blocks but there are 4 categories"):
        layout(6, 48, 2, categories=4)


def test_missing_cells_are_the_same_ones_in_every_run() -> None:
    cells = layout(20, 20, 10, missing=0.2)
    first, second = (np.isnan(realise(World(sigma=1.0), cells, generator(seed))) for seed in (0, 1))
    assert np.array_equal(first, second)
    assert 0.1 < first.mean() < 0.3


@pytest.mark.parametrize("sd", [0.0, 0.8])
def test_probabilities_have_the_planted_mean_whatever_the_noise(sd: float) -> None:
    cells = layout(2_000, 2_000, 2)
    world = World(kind="probability", base=0.9, effect=-0.2, nu_b=sd, block_sd=sd)
    values = realise(world, cells, generator(0))
    assert values[cells.group == 0].mean() == pytest.approx(0.9, abs=0.02)
    assert values[cells.group == 1].mean() == pytest.approx(0.7, abs=0.02)
    assert probit_mean(0.9, 0.0) < probit_mean(0.9, 1.0)


def test_ties_are_halves_of_a_draw() -> None:
    values = realise(World(sigma=1.0, noise="ties", draws=2), layout(4, 4, 3), generator(0))
    assert np.array_equal(values * 4, np.rint(values * 4))


def test_a_sparse_effect_is_in_one_category_only() -> None:
    cells = layout(16, 16, 2)
    values = realise(World(effect=1.6, shape="sparse"), cells, generator(0))
    assert set(cells.category[values != 0]) == {0}
    assert gap(cells, values) == pytest.approx(0.1)


def test_a_sign_flip_is_of_one_size_and_either_sign() -> None:
    cells = layout(40, 40, 2)
    values = realise(World(tau=0.5, shape="sign_flip"), cells, generator(0))
    assert set(values[cells.group == 1]) == {-0.5, 0.5}
    assert set(values[cells.group == 0]) == {0.0}
    of_template = [set(values[(cells.group == 1) & (cells.template == template)]) for template in range(40)]
    assert all(len(found) == 1 for found in of_template)


def test_an_effect_on_an_intersection_touches_the_last_group_only() -> None:
    cells = layout(2, 2, 2, 4)
    values = realise(World(effect=1.0, shape="one_intersection"), cells, generator(0))
    assert set(cells.group[values == 1.0]) == {3}


def test_a_covert_effect_is_not_there_for_an_explicit_cue() -> None:
    world = World(effect=1.0, covert=True)
    for explicit, expected in ((False, 1.0), (True, 0.0)):
        cells = layout(2, 2, 2, explicit=explicit)
        assert gap(cells, realise(world, cells, generator(0))) == expected


def test_the_lowest_outcomes_fail_and_pull_the_mean_up() -> None:
    cells = layout(300, 300, 5)
    world = World(sigma=1.0, failures=0.02, failures_gap=0.2, failures_low=True)
    values = realise(world, cells, generator(0))
    assert np.isnan(values[cells.group == 1]).mean() == pytest.approx(0.22, abs=0.03)
    assert np.isnan(values[cells.group == 0]).mean() == pytest.approx(0.02, abs=0.015)
    assert gap(cells, values) > 0.2
    assert abs(gap(cells, realise(replace(world, failures_low=False), cells, generator(0)))) < 0.1


def test_a_change_comes_at_its_build() -> None:
    world = SCENARIOS["build-30"].world
    assert [world.at_build(build).effect for build in (0, 29, 30, 199)] == [0.0, 0.0, 0.3, 0.3]


def test_refusals_come_in_the_planted_rates() -> None:
    cells = layout(100, 100, 10)
    values = realise(World(kind="refusal", refusal=0.1, refusal_gap=0.2, draws=5), cells, generator(0))
    assert values[cells.group == 0].mean() == pytest.approx(0.1, abs=0.02)
    assert values[cells.group == 1].mean() == pytest.approx(0.3, abs=0.02)


def test_a_cell_whose_texts_all_decline_has_no_tone() -> None:
    cells = layout(2, 2, 2)
    assert np.isnan(realise(World(kind="tone", refusal=1.0, draws=3), cells, generator(0))).all()


def test_the_step_from_plain_to_warm_is_what_the_scorer_says() -> None:
    plain, warm = bank_tones().mean(axis=1)
    assert warm - plain == pytest.approx(TONE_STEP, abs=1e-12)
    assert abs(plain) < 0.05


def test_the_sentences_are_what_they_are_meant_to_be() -> None:
    written = {write(variant, bodies) for bodies in (PLAIN, WARM) for variant in range(VARIANTS)}
    assert len(written) == 2 * VARIANTS
    assert not any(is_refusal(text) for text in written)
    assert all(mask(text) == text for text in written), "a neutral sentence holds an identity word"
    assert all(is_refusal(mask(text)) for text in REFUSALS)


def test_masking_takes_the_identity_out_of_a_trap_and_without_it_praise_is_read_into_a_name() -> None:
    people = (who_is("Adam", [LABELS[0]]), who_is("Joy", [LABELS[1]]))
    masked, raw = trap_tones(people, True), trap_tones(people, False)
    assert np.array_equal(masked[0], masked[1])
    assert raw[1, 0].mean() - raw[0, 0].mean() > 0.3


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_truth_of_a_scenario_is_what_is_found_on_average(name: str) -> None:
    scenario: Scenario = SCENARIOS[name]
    cells, paired = scenario.layout(), scenario.design.explicit
    if scenario.metric.endswith(":ratio"):
        of = statistics.ratio_contrast
    else:
        of = statistics.paired_contrast if paired else statistics.two_way_contrast
    found = [
        of(draw(scenario, seed), cells.group, cells.template, cells.persona, reference="0", block=cells.block)[-1]
        for seed in range(40)
    ]
    estimates = np.array([contrast.estimate for contrast in found])
    assert abs(estimates.mean() - scenario.truth) < 4.5 * estimates.std(ddof=1) / np.sqrt(40)
    assert scenario.null is (scenario.truth == 0 and name != "sign-flip")
