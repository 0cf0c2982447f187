from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from audit.planning import Shares, expected_error, name_shares, pair_shares
from audit.planning.shares import between
from audit.probes.sampling import balanced_sample
from audit.statistics import Components, design_error, minimum_detectable_gap, two_way_contrast

PARTS = Components(template=0.3, template_category=0.2, persona=0.15, persona_block=0.1, noise=0.6)
Cells = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def complete(templates: int, categories: int, personas: int, groups: str = "ab") -> Cells:
    """Group, template, persona and block of every cell."""
    rows = [
        (group, f"t{t}", f"{group}{p}", f"t{t}c{c}")
        for t, c, group, p in product(range(templates), range(categories), groups, range(personas))
    ]
    return tuple(np.array(column) for column in zip(*rows, strict=True))  # type: ignore[return-value]


def sampled(size: int) -> Cells:
    """A balanced sample of the cells of 12 templates and 10 names in each of four groups, which compares two."""
    everyone = {group: [f"{group}{p}" for p in range(10)] for group in "abcd"}
    rows = [
        (who[0], block, who, block) for block, who in balanced_sample([f"t{t}" for t in range(12)], everyone, size, 0)
    ]
    return tuple(np.array(column) for column in zip(*rows, strict=True))  # type: ignore[return-value]


def outcomes(cells: Cells, parts: Components, gap: float, rng: np.random.Generator) -> np.ndarray:
    """One world: cell values with the given components, group b higher by ``gap``."""
    group, template, persona, block = cells

    def effects(deviation: float, *labels: np.ndarray) -> np.ndarray:
        key = labels[0] if len(labels) == 1 else np.char.add(np.char.add(labels[0], "/"), labels[1])
        names, code = np.unique(key, return_inverse=True)
        return rng.normal(0, deviation, names.size)[code]

    y = gap * (group == "b") + effects(1.0, block)
    y = y + effects(parts.template / math.sqrt(2), template, group) + effects(parts.persona, persona)
    y = y + effects(parts.template_category / math.sqrt(2), block, group)
    return np.asarray(y + rng.normal(0, math.hypot(parts.persona_block, parts.noise), y.size))


def share_of(cells: Cells, group: str = "b") -> Shares:
    return next(one for one in name_shares(*cells, reference="a") if one.group == group)


@pytest.mark.parametrize("groups", ["ab", "abcd"])
@pytest.mark.parametrize("draws", [1, 5])
def test_a_complete_design_has_the_error_of_the_formula(groups: str, draws: int) -> None:
    shares = share_of(complete(6, 2, 5, groups))
    expected = design_error(PARTS, templates=6, blocks=12, personas=5, draws=draws)
    assert np.allclose(expected_error(PARTS, shares, draws=draws), expected, rtol=1e-12)


def test_complete_pairs_have_the_error_of_the_formula() -> None:
    group, template, persona, block = complete(6, 2, 5)
    phrasing = np.array([name[1:] for name in persona])
    (shares,) = pair_shares(group, template, phrasing, block, reference="a")
    expected = design_error(PARTS, templates=6, blocks=12, personas=5, paired=True)
    assert np.allclose(expected_error(PARTS, shares), expected, rtol=1e-12)


def test_for_these_wordings_only_phrasings_are_no_clusters() -> None:
    group, template, persona, block = complete(6, 1, 3)
    phrasing = np.array([name[1:] for name in persona])
    (shares,) = pair_shares(group, template, phrasing, block, reference="a", wordings_only=True)
    se, df = expected_error(Components(template=0.3, persona=5.0), shares)
    assert (round(se, 12), df) == (round(0.3 / math.sqrt(6), 12), 5)


def test_growth_by_a_factor_is_the_larger_design() -> None:
    small, large = share_of(complete(6, 2, 5)), share_of(complete(18, 2, 10))
    grown = expected_error(PARTS, small, templates=3.0, personas=2.0)
    assert np.allclose(grown, expected_error(PARTS, large), rtol=1e-12)


def test_a_group_of_one_name_is_left_out() -> None:
    group, template, persona, block = complete(4, 1, 3, "abc")
    kept = (group != "c") | (persona == "c0")
    shares = name_shares(*(column[kept] for column in (group, template, persona, block)), reference="a")
    assert [one.group for one in shares] == ["b"]
    assert name_shares(group, template, persona, block, reference="z") == ()


@pytest.mark.parametrize("size", [96, 240])
def test_a_sample_has_the_error_that_its_contrasts_scatter_by(size: int) -> None:
    cells, rng = sampled(size), np.random.default_rng(1)
    se, _ = expected_error(PARTS, share_of(cells))
    runs = 600
    estimates = [
        two_way_contrast(outcomes(cells, PARTS, 0.0, rng), *cells[:3], block=cells[3], reference="a")[0].estimate
        for _ in range(runs)
    ]
    # The standard error of a standard deviation is 1/√(2n) of it.
    assert abs(np.std(estimates) / se - 1) < 3 / math.sqrt(2 * runs)


def test_between_two_samples_the_shares_are_near_those_of_a_real_one() -> None:
    now, whole, real = (share_of(sampled(size)) for size in (96, 480, 240))
    for parts in (Components(noise=1.0), PARTS):
        here, there = expected_error(parts, between(now, whole, real.cells))[0], expected_error(parts, real)[0]
        assert here == pytest.approx(there, rel=0.03)


def power(cells: Cells, parts: Components, runs: int, tests: int, seed: int) -> float:
    """Share of simulated runs that find a gap of the size that the plan says is found with power .90."""
    mde = minimum_detectable_gap(*expected_error(parts, share_of(cells)), tests=tests)
    rng, found = np.random.default_rng(seed), 0
    for _ in range(runs):
        y = outcomes(cells, parts, mde, rng)
        found += two_way_contrast(y, *cells[:3], block=cells[3], reference="a")[0].p_value <= 0.05 / tests
    return found / runs


@pytest.mark.slow
@pytest.mark.parametrize("tests", [1, 20])
@pytest.mark.parametrize(
    "cells", [complete(24, 1, 20), complete(26, 1, 12), sampled(240)], ids=["large", "small", "sample"]
)
def test_the_planned_gap_is_found_as_often_as_planned(cells: Cells, tests: int) -> None:
    runs = 1500
    reached = power(cells, PARTS, runs, tests, seed=2)
    # Satterthwaite's df are those at expected values, so that the power is not .90 to the last digit.
    assert abs(reached - 0.9) < 0.02 + 3 * math.sqrt(0.09 / runs)


def test_a_planned_gap_is_found_about_as_often_as_planned() -> None:
    assert abs(power(complete(24, 1, 20), PARTS, 300, 5, seed=3) - 0.9) < 0.02 + 3 * math.sqrt(0.09 / 300)
