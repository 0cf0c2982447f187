"""Excess and signal-to-floor against loops written from the formulas, scipy, and by simulation."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import stats

from audit.statistics import excess, two_way_contrast


def labels(blocks, size, groups="ab"):
    block, name = np.indices((blocks, size * len(groups))).reshape(2, -1)
    return np.array(list(groups))[name // size], block, name


def outcome(rng, blocks, size, *, block=1.0, name=0.0, noise=1.0, heterogeneity=0.0, gap=0.0):
    second = np.arange(2 * size) >= size
    table = block * rng.normal(size=(blocks, 1)) + name * rng.normal(size=2 * size)
    table = table + second * (gap + heterogeneity * rng.normal(size=(blocks, 1)))
    return (table + noise * rng.normal(size=(blocks, 2 * size))).ravel()


def distances(y, block, name, distance):
    """Mean over shared blocks for every pair of names, in plain loops: sums and numbers."""
    sums, numbers = {}, {}
    for one in sorted(set(block)):
        cells = [(name[k], y[k]) for k in np.flatnonzero(block == one) if not np.isnan(y[k])]
        for i, first in cells:
            for j, second in cells:
                if i != j:
                    sums[i, j] = sums.get((i, j), 0) + distance(first, second)
                    numbers[i, j] = numbers.get((i, j), 0) + 1
    return sums, numbers


def by_formula(y, home, block, name, distance, left=lambda i, b: False):
    """X and W as specified; ``left(name, block)`` tells cells that are left out."""
    groups = np.array([home[i] for i in name])
    both = [b for b in set(block) if len(set(groups[(block == b) & ~np.isnan(y)])) == 2]
    kept = np.array([b in both and not left(i, b) for i, b in zip(name, block, strict=True)])
    sums, numbers = distances(y[kept], block[kept], name[kept], distance)

    def mean(kind):
        chosen = [pair for pair in sums if (home[pair[0]], home[pair[1]]) == kind]
        return sum(sums[pair] for pair in chosen) / sum(numbers[pair] for pair in chosen)

    return mean(("b", "a")), (mean(("a", "a")) + mean(("b", "b"))) / 2


def absolute(first, second):
    return abs(first - second)


def flip(first, second):
    return float((first >= 0.5) != (second >= 0.5))


@pytest.mark.parametrize(("kind", "distance"), [("absolute", absolute), ("flip", flip)])
@pytest.mark.parametrize("missing", [0.0, 0.35])
def test_excess_agrees_with_the_formulas(kind, distance, missing):
    rng = np.random.default_rng(1)
    group, block, name = labels(7, 4)
    y = outcome(rng, 7, 4, gap=1.0)
    y[rng.random(y.size) < missing] = np.nan
    home = dict(zip(name, group, strict=True))
    cross, within = by_formula(y, home, block, name, distance)
    (found,) = excess(y, group, block, name, reference="a", distance=kind)
    assert (found.cross, found.within) == pytest.approx((cross, within), rel=1e-10)
    assert found.excess == pytest.approx(cross - within, abs=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_p_agrees_with_scipys_permutation_of_names(missing):
    rng = np.random.default_rng(2)
    group, block, name = labels(6, 4)
    y = outcome(rng, 6, 4, heterogeneity=0.8)
    y[rng.random(y.size) < missing] = np.nan
    sums, numbers = distances(y, block, name, absolute)

    def statistic(first, second):
        side = {**dict.fromkeys(first.astype(int), 0), **dict.fromkeys(second.astype(int), 1)}
        means = []
        for kind in ((0, 1), (0, 0), (1, 1)):
            chosen = [pair for pair in sums if (side[pair[0]], side[pair[1]]) == kind]
            means.append(sum(sums[pair] for pair in chosen) / sum(numbers[pair] for pair in chosen))
        return means[0] - (means[1] + means[2]) / 2

    expected = stats.permutation_test(
        (np.arange(4, 8), np.arange(4)), statistic, n_resamples=np.inf, vectorized=False, alternative="greater"
    )
    (found,) = excess(y, group, block, name, reference="a")
    assert found.excess == pytest.approx(expected.statistic, abs=1e-10)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12)


def test_signal_interval_agrees_with_jackknives_in_loops():
    rng = np.random.default_rng(3)
    group, block, name = labels(8, 4)
    template = block // 2  # two categories a wording: four clusters
    y = outcome(rng, 8, 4, gap=2.0, heterogeneity=0.5)
    y[[5, 17, 40]] = np.nan
    home = dict(zip(name, group, strict=True))

    def signal(left):
        cross, within = by_formula(y, home, block, name, absolute, left)
        return math.log(cross / within)

    def jackknife(values):
        n, values = len(values), np.array(values)
        return (n - 1) / n * ((values - values.mean()) ** 2).sum()

    v_t = jackknife([signal(lambda i, b, t=t: b // 2 == t) for t in range(4)])
    v_a, v_b = (jackknife([signal(lambda i, b, n=n: i == n) for n in home if home[n] == g]) for g in "ab")
    cells = sorted(
        {(t, n) for t, n, value in zip(template.tolist(), name.tolist(), y, strict=True) if not np.isnan(value)}
    )
    v_c = jackknife([signal(lambda i, b, c=c: (b // 2, i) == c) for c in cells])
    v = max(v_t + v_a + v_b - v_c, v_t, v_a + v_b)
    df = max(v**2 / (v_t**2 / 3 + v_a**2 / 3 + v_b**2 / 3), 3)
    center, half = signal(lambda i, b: False), stats.t.ppf(0.95, df) * math.sqrt(v)

    (found,) = excess(y, group, template, name, reference="a", block=block, alpha=0.1)
    assert found.signal == pytest.approx(math.exp(center), rel=1e-10)
    assert (found.ci_low, found.ci_high) == pytest.approx((math.exp(center - half), math.exp(center + half)), rel=1e-8)
    assert (found.n_blocks, found.n_templates, found.n_personas) == (8, 4, 4)


def test_signal_is_reported_only_where_the_excess_is_significant():
    rng = np.random.default_rng(4)
    group, block, name = labels(6, 5)
    (none,) = excess(outcome(rng, 6, 5), group, block, name, reference="a")
    (some,) = excess(outcome(rng, 6, 5, gap=3.0), group, block, name, reference="a")
    assert none.p_value > 0.05 and all(math.isnan(v) for v in (none.signal, none.ci_low, none.ci_high))
    assert some.p_value == pytest.approx(2 / math.comb(10, 5))
    assert some.signal == pytest.approx(some.cross / some.within)
    assert 1 < some.ci_low < some.signal < some.ci_high


def test_effects_that_flip_between_blocks_are_found_where_the_mean_test_sees_nothing():
    rng = np.random.default_rng(5)
    group, block, name = labels(24, 10)
    signs = np.where(rng.permutation(24) < 12, 1.0, -1.0)
    y = outcome(rng, 24, 10, name=0.2) + (group == "b") * signs[block]
    (found,) = excess(y, group, block, name, reference="a", permutations=499)
    (gap,) = two_way_contrast(y, group, block, name, reference="a")
    assert found.p_value <= 0.01
    assert gap.p_value > 0.1


@pytest.mark.parametrize("distance", ["absolute", "flip"])
def test_size_under_name_noise(distance):
    rng = np.random.default_rng(6)
    group, block, name = labels(12, 7)
    found = []
    for _ in range(400):
        y = outcome(rng, 12, 7, block=2.0, name=0.4)
        y[rng.random(y.size) < 0.2] = np.nan
        found.append(excess(y, group, block, name, reference="a", distance=distance, threshold=0.0)[0].p_value)
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)
    assert np.mean(np.array(found) <= 0.5) > 0.4


def test_signal_interval_covers_the_true_ratio():
    """Truth by the folded normal: cross differences have spread √(s² + τ²), within ones s = √(2 + 2ν²)."""
    rng = np.random.default_rng(8)
    group, block, name = labels(20, 8)
    s = math.sqrt(2 + 2 * 0.3**2)
    truth = stats.foldnorm(1 / math.hypot(s, 0.7), scale=math.hypot(s, 0.7)).mean() / (s * math.sqrt(2 / math.pi))
    inside = []
    for _ in range(150):
        y = outcome(rng, 20, 8, name=0.3, heterogeneity=0.7, gap=1.0)
        (found,) = excess(y, group, block, name, reference="a", permutations=99)
        inside.append(found.ci_low <= truth <= found.ci_high)
    assert np.mean(inside) >= 0.88


def test_blocks_shift_nothing_and_the_unit_only_scales():
    rng = np.random.default_rng(9)
    group, block, name = labels(9, 4)
    y = outcome(rng, 9, 4, gap=2.0)
    y[rng.random(y.size) < 0.2] = np.nan
    (plain,) = excess(y, group, block, name, reference="a")
    (moved,) = excess(3 * y + 50.0 * block, group, block, name, reference="a")
    assert moved.excess == pytest.approx(3 * plain.excess, rel=1e-9)
    assert moved.p_value == plain.p_value


def test_which_group_is_reference_does_not_matter():
    rng = np.random.default_rng(10)
    group, block, name = labels(9, 5)
    y = outcome(rng, 9, 5, gap=2.0)
    (one,) = excess(y, group, block, name, reference="a")
    (other,) = excess(y, group, block, name, reference="b")
    assert (one.cross, one.within, one.p_value, one.ci_low) == pytest.approx(
        (other.cross, other.within, other.p_value, other.ci_low)
    )


def test_each_group_is_compared_with_the_reference_alone():
    rng = np.random.default_rng(11)
    group, block, name = labels(6, 4, "abc")
    y = rng.normal(size=group.size)
    two = group != "c"
    (alone,) = excess(y[two], group[two], block[two], name[two], reference="a")
    found = excess(y, group, block, name, reference="a")
    assert [one.group for one in found] == ["b", "c"]
    assert found[0] == alone


def test_answers_that_never_vary_are_not_a_finding():
    group, block, name = labels(5, 4)
    rounding = np.random.default_rng(12).normal(size=40) * 1e-17
    (found,) = excess(1 / 3 + rounding, group, block, name, reference="a")
    assert (found.cross, found.within, found.p_value) == (0.0, 0.0, 1.0)
    assert math.isnan(found.signal)


def test_a_floor_of_zero_has_no_ratio():
    group, block, name = labels(5, 4)
    (found,) = excess((group == "b") * 1.0, group, block, name, reference="a", distance="flip")
    assert (found.cross, found.within) == (1.0, 0.0)
    assert found.p_value == pytest.approx(2 / 70)
    assert math.isnan(found.signal) and math.isnan(found.ci_low)


def test_a_group_with_one_name_has_a_distance_and_no_floor():
    group, block, name = np.array(list("aab") * 4), np.repeat(np.arange(4), 3), np.array([0, 1, 2] * 4)
    (found,) = excess(np.arange(12.0), group, block, name, reference="a")
    assert found.cross == 1.5
    assert math.isnan(found.within) and math.isnan(found.p_value)


def test_an_unknown_distance_is_named():
    with pytest.raises(ValueError, match="'cosine'"):
        excess([1, 2], ["a", "b"], [0, 0], [0, 1], reference="a", distance="cosine")


def test_it_is_fast_enough_to_stand_beside_every_gap():
    rng = np.random.default_rng(13)
    group, block, name = labels(60, 40)
    y = outcome(rng, 60, 40, gap=1.0)
    start = time.perf_counter()
    excess(y, group, block, name, reference="a", permutations=2000)
    assert time.perf_counter() - start < 1
