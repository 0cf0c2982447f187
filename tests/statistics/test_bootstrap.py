"""The bootstrap by weight matrices against samples really drawn, fairlearn's, and variances by formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, mean_prediction

from audit.statistics import bootstrap_weights, group_means
from audit.statistics.variance import one_way_variance


def rows(blocks, size, groups="abc", draws=2):
    block, name, _ = np.indices((blocks, size * len(groups), draws)).reshape(3, -1)
    return np.array(list(groups))[name // size], block, name


def test_weights_are_multinomial_counts():
    weights = bootstrap_weights(np.arange(6), 40_000, np.random.default_rng(0))
    assert weights.shape == (40_000, 6)
    assert set(weights.sum(1)) == {6.0}
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.03)
    # Multinomial(6; 1/6, ...): variance 5/6, covariance −1/6.
    np.testing.assert_allclose(np.cov(weights.T), np.eye(6) - 1 / 6, atol=0.03)


def test_strata_keep_their_sizes_and_are_drawn_apart():
    strata = np.array([2, 0, 1, 0, 2, 2, 0])
    weights = bootstrap_weights(np.arange(7), 40_000, np.random.default_rng(1), strata=strata)
    for stratum, size in ((0, 3), (1, 1), (2, 3)):
        assert set(weights[:, strata == stratum].sum(1)) == {float(size)}
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.03)
    covariance = np.cov(weights.T)
    assert np.abs(covariance[strata == 0][:, strata == 2]).max() < 0.03
    assert covariance[1, 3] == pytest.approx(-1 / 3, abs=0.03)


def test_weights_are_of_clusters_not_of_rows():
    weights = bootstrap_weights([1, 0, 1, 1, 0], 10, np.random.default_rng(2))
    assert weights.shape == (10, 2)
    assert set(weights.sum(1)) == {2.0}


def test_the_seed_decides_the_weights():
    one, again, other = (bootstrap_weights(np.arange(9), 5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


@pytest.mark.parametrize(("codes", "strata", "message"), [([0, 2], None, "all occur"), ([0, 0], [0, 1], "two strata")])
def test_codes_that_make_no_clusters_are_refused(codes, strata, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_weights(codes, 3, np.random.default_rng(0), strata=strata)


@pytest.mark.parametrize("with_personas", [False, True])
def test_a_draw_is_the_mean_of_the_rows_really_drawn(with_personas):
    """Each row repeated as often as its cluster, and its persona, were drawn; counts need not be balanced."""
    rng = np.random.default_rng(3)
    group, block, name = rows(5, 3)
    kept = rng.random(group.size) > 0.3
    group, block, name = group[kept], block[kept], name[kept]
    y = rng.normal(size=group.size)
    found = group_means(y, group, block, persona=name if with_personas else None, draws=6, seed=4)
    again = np.random.default_rng(4)
    times = bootstrap_weights(block, 6, again)[:, block]
    if with_personas:
        times = times * bootstrap_weights(name, 6, again, strata=np.searchsorted(list("abc"), group))[:, name]
    for draw, counts in enumerate(times.astype(int)):
        values, groups = np.repeat(y, counts), np.repeat(group, counts)
        expected = [values[groups == g].mean() if (groups == g).any() else np.nan for g in "abc"]
        np.testing.assert_allclose(found.replicates[draw], expected, rtol=1e-10)


def test_point_values_are_fairlearns():
    rng = np.random.default_rng(5)
    group, block, name = rows(6, 4)
    kept = rng.random(group.size) > 0.3
    group, block, name = group[kept], block[kept], name[kept]
    y = rng.normal(size=group.size)
    frame = MetricFrame(metrics=mean_prediction, y_true=y, y_pred=y, sensitive_features=group)
    found = group_means(y, group, block, persona=name, draws=10)
    assert found.groups == tuple(frame.by_group.index)
    np.testing.assert_allclose(found.means, frame.by_group.to_numpy(float), rtol=1e-12)
    assert found.difference == pytest.approx(frame.difference(), rel=1e-12)


def test_rows_as_clusters_give_fairlearns_intervals():
    rng = np.random.default_rng(6)
    group = np.repeat(list("abcd"), 100)
    y = rng.normal(size=400) + (group == "d")
    quantiles = [0.1, 0.5, 0.9]
    frame = MetricFrame(
        metrics=mean_prediction,
        y_true=y,
        y_pred=y,
        sensitive_features=group,
        n_boot=150,
        ci_quantiles=quantiles,
        random_state=1,
    )
    found = group_means(y, group, np.arange(400), draws=4000)
    theirs = np.array([one.to_numpy(float) for one in frame.by_group_ci])
    np.testing.assert_allclose(np.quantile(found.replicates, quantiles, axis=0), theirs, atol=0.05)
    np.testing.assert_allclose(np.quantile(found.difference_replicates, quantiles), frame.difference_ci(), atol=0.05)


def test_variance_over_clusters_is_that_of_the_formula():
    rng = np.random.default_rng(7)
    group, block, _ = rows(30, 4, "ab")
    y = rng.normal(size=group.size) + rng.normal(size=(30, 2))[block, (group == "b") * 1]
    found = group_means(y, group, block, draws=20_000)
    for code, g in enumerate("ab"):
        inside = group == g
        psi = (y[inside] - y[inside].mean()) / inside.sum()
        expected = one_way_variance(psi, block[inside]) * 29 / 30
        assert found.replicates[:, code].var() == pytest.approx(expected, rel=0.05)


def test_drawing_rows_understates_what_clusters_spread():
    rng = np.random.default_rng(8)
    group, block, name = rows(20, 5, "ab", draws=3)
    y = rng.normal(size=group.size) + rng.normal(size=10)[name]
    by_rows = group_means(y, group, np.arange(y.size), draws=2000).replicates.std(0)
    by_both = group_means(y, group, block, persona=name, draws=2000).replicates.std(0)
    assert (by_both > 3 * by_rows).all()


def test_the_largest_difference_of_equal_groups_is_never_zero():
    rng = np.random.default_rng(9)
    group, block, name = rows(25, 8, "abcdefgh", draws=1)
    found = group_means((rng.random(group.size) < 0.3) * 1.0, group, block, persona=name, draws=500)
    assert np.quantile(found.difference_replicates, 0.025) > 0.02


def test_clusters_of_one_group_each_are_drawn_within_it():
    rng = np.random.default_rng(10)
    group, _, name = rows(4, 3, "ab")
    found = group_means(rng.normal(size=group.size), group, name, draws=400)
    assert not np.isnan(found.replicates).any()


def test_a_group_that_was_not_drawn_is_missing_there():
    found = group_means([1.0, 2.0, 5.0], ["a", "a", "b"], [0, 1, 1], draws=200)
    lost = np.isnan(found.replicates)
    assert 0.1 < lost[:, 1].mean() < 0.4
    assert not lost[:, 0].any()
    assert not np.isnan(found.difference_replicates).any()


def test_labels_may_be_text_or_any_integers():
    rng = np.random.default_rng(11)
    group, block, name = rows(4, 3, "ab")
    y = rng.normal(size=group.size)
    plain = group_means(y, group, block, persona=name, draws=5)
    texts = np.char.add("block", block.astype(str))
    coded = group_means(y, (group == "b") * 1, texts, persona=10**9 + name, draws=5)
    assert coded.groups == ("0", "1")
    np.testing.assert_allclose(coded.replicates, plain.replicates, rtol=1e-12)


def test_missing_values_are_left_out_and_never_become_zero():
    found = group_means([1.0, np.nan, 3.0, 4.0], list("aabb"), [0, 1, 0, 1], draws=3)
    assert found.means.tolist() == [1.0, 3.5]


@pytest.mark.parametrize(
    ("y", "persona", "message"),
    [([1.0], None, "one length"), ([math.nan] * 2, None, "every value"), ([1.0, 2.0], [0, 0], "two groups")],
)
def test_what_cannot_be_averaged_is_refused(y, persona, message):
    with pytest.raises(ValueError, match=message):
        group_means(y, ["a", "b"], [0, 1], persona=persona)
