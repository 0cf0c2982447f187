"""The block × persona table: what is kept, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audit.statistics import two_way_spread
from audit.statistics.crossed import CHUNK, chunks, crossed
from audit.statistics.variance import combined_spread


def test_blocks_and_names_that_tell_nothing_of_the_pair_are_left_out():
    #          block 0: both; block 1: a alone; block 2: b and c; block 3: both
    group = ["a", "b", "a", "b", "c", "a", "b"]
    block = [0, 0, 1, 2, 2, 3, 3]
    persona = ["k", "l", "m", "n", "o", "k", "p"]
    b, c = crossed(range(7), group, block, persona, reference="a")
    assert (b.values.shape, b.sizes, b.template.tolist()) == ((2, 3), (2, 1), [0, 3])
    assert b.counts == {"n_cells": 4, "n_blocks": 2, "n_templates": 2, "n_personas": 1}
    assert (c.values.shape, c.counts["n_cells"]) == ((0, 0), 0)


def test_cells_asked_twice_are_averaged():
    (pair,) = crossed([1, 3, 5], ["a", "a", "b"], [0, 0, 0], ["k", "k", "l"], reference="a")
    assert pair.values.tolist() == [[2.0, 5.0]]


def test_missing_cells_stay_missing():
    (pair,) = crossed([1, 2, 3, np.nan], list("abab"), [0, 0, 1, 1], ["k", "l"] * 2, reference="a")
    assert pair.values.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("group", "template", "persona", "message"),
    [
        ("ab", [0, 0], [1, 1], "a persona stands in two groups"),
        ("ab", [0, 1], [0, 1], "a block holds two templates"),
        ("bc", [0, 0], [0, 1], "no cell belongs to the reference group 'a'; there are b, c"),
    ],
)
def test_labels_that_contradict_each_other_are_refused(group, template, persona, message):
    with pytest.raises(ValueError, match=message):
        list(crossed([1, 2], list(group), template, persona, reference="a", block=[0, 0]))


def test_combined_spread_is_the_two_way_spread_of_its_parts():
    rng = np.random.default_rng(0)
    template, persona = (index.ravel() for index in np.indices((6, 9)))
    part = (persona >= 4).astype(int)
    for scale in ((1, 0, 0.1), (0, 1, 0.1), (0.5, 0.5, 1), (0, 0, 1)):
        parts = rng.normal(size=6)[template], rng.normal(size=9)[persona], rng.normal(size=54)
        psi = sum(k * one for k, one in zip(scale, parts, strict=True))
        by = [k / (k - 1) * (np.bincount(persona[part == g], psi[part == g]) ** 2).sum() for g, k in enumerate((4, 5))]
        v_t = 6 / 5 * (np.bincount(template, psi) ** 2).sum()
        found = combined_spread(v_t, tuple(by), float((psi**2).sum()), templates=6, personas=(4, 5))
        expected = two_way_spread(psi, template, persona, part)
        assert (found.variance, found.df) == pytest.approx((expected.variance, expected.df), rel=1e-12)


@pytest.mark.parametrize(("v_t", "templates", "personas"), [(1.0, 1, (3, 3)), (1.0, 4, (3, 1)), (math.nan, 4, (3, 3))])
def test_combined_spread_without_clusters_or_parts_is_none(v_t, templates, personas):
    assert math.isnan(combined_spread(v_t, (1.0, 1.0), 1.0, templates=templates, personas=personas).df)


def test_chunks_cover_every_row_once():
    parts = list(chunks(10, CHUNK // 3))
    assert [row for part in parts for row in range(10)[part]] == list(range(10))
    assert [part.stop - part.start for part in chunks(3, 10 * CHUNK)] == [1, 1, 1]
