"""The bound on ε: published figures, its ceiling, validity where nothing leaks and where ε is known."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from audit.privacy.attacks.one_run import (
    audit_by_group,
    audit_one_run,
    ceiling,
    epsilon_lower_bound,
    guess,
    guesses_for,
    p_value,
)

RUNS, BETA = 1000, 0.05
# What a rate of β over so many runs may reach by chance: 3.1 standard errors.
MOST = BETA + 3.1 * math.sqrt(BETA * (1 - BETA) / RUNS)


@pytest.mark.parametrize(
    ("counts", "delta", "printed"),
    [((1000, 100, 75), 1e-4, 0.673), ((100_000, 1510, 1439), 1e-5, 2.675)],
)
def test_the_figures_that_the_paper_prints(counts, delta, printed):
    assert epsilon_lower_bound(*counts, delta=delta) == pytest.approx(printed, abs=1e-3)


@pytest.mark.parametrize("counts", [(100, 100, 70), (500, 60, 55), (2000, 1300, 900)])
@pytest.mark.parametrize("delta", [0.0, 1e-5, 1e-4])
@pytest.mark.parametrize("beta", [0.05, 0.01])
def test_the_bound_is_where_p_crosses_beta(counts, delta, beta):
    bound = epsilon_lower_bound(*counts, delta=delta, beta=beta)
    assert bound > 0
    assert p_value(*counts, bound, delta) < beta
    assert p_value(*counts, bound + 1e-9, delta) >= beta * (1 - 1e-6)


@pytest.mark.parametrize("r", [1, 5, 10, 20, 40])
def test_an_epsilon_at_which_p_is_beta_exactly_is_not_refuted(r):
    beta = p_value(r, r, r, 1.0)
    assert p_value(r, r, r, epsilon_lower_bound(r, r, r, beta=beta)) < beta


@pytest.mark.parametrize("counts", [(100, 100, 50), (100, 100, 0), (100, 0, 0), (0, 0, 0), (4, 4, 4), (1000, 10, 7)])
def test_no_evidence_gives_zero(counts):
    assert epsilon_lower_bound(*counts) == 0.0


def test_more_right_guesses_never_lower_the_bound_and_more_canaries_or_delta_never_raise_it():
    by_v = [epsilon_lower_bound(200, 100, v, delta=1e-4) for v in range(101)]
    assert by_v == sorted(by_v) and by_v[0] == 0 < by_v[-1]
    assert epsilon_lower_bound(10_000, 100, 90, delta=1e-4) < epsilon_lower_bound(100, 100, 90, delta=1e-4)
    assert epsilon_lower_bound(200, 100, 90, delta=1e-3) < epsilon_lower_bound(200, 100, 90)
    assert epsilon_lower_bound(200, 100, 90, beta=0.01) < epsilon_lower_bound(200, 100, 90)


def test_large_delta_refutes_nothing():
    assert epsilon_lower_bound(1000, 1000, 1000, delta=1.0) == 0.0


@pytest.mark.parametrize("r", [5, 20, 333, 10_000, 100_000])
def test_perfect_guessing_reaches_the_closed_form_ceiling(r):
    q = BETA ** (1 / r)
    assert ceiling(r) == pytest.approx(math.log(q / (1 - q)), rel=1e-9)
    assert epsilon_lower_bound(r, r, r) == pytest.approx(ceiling(r), rel=1e-9)


@pytest.mark.parametrize("r", range(5))
def test_fewer_than_five_guesses_can_show_nothing_at_five_per_cent(r):
    assert ceiling(r) == 0.0
    assert ceiling(5) > 0


def test_delta_lowers_the_ceiling_and_needs_the_number_of_canaries():
    assert ceiling(100, delta=1e-4, m=1000) < ceiling(100, delta=1e-4, m=100) < ceiling(100)
    assert ceiling(100, delta=1e-4, m=1000) == epsilon_lower_bound(1000, 100, 100, delta=1e-4)
    with pytest.raises(ValueError, match="give m"):
        ceiling(100, delta=1e-4)


@pytest.mark.parametrize("beta", [0.0, 1.0, -0.1, math.nan])
def test_a_beta_that_is_no_probability_is_refused(beta):
    with pytest.raises(ValueError, match="beta must lie between 0 and 1"):
        epsilon_lower_bound(10, 10, 9, beta=beta)
    with pytest.raises(ValueError, match="beta must lie between 0 and 1"):
        ceiling(10, beta=beta)


def test_counts_that_are_not_whole_are_refused():
    with pytest.raises(ValueError, match="v must be a whole number"):
        epsilon_lower_bound(10, 10, 9.0)


# --- guesses


def test_the_highest_are_guessed_inserted_and_the_lowest_not():
    assert guess([3.0, 1.0, 2.0, 5.0, 4.0], 2, 1).tolist() == [0, -1, 0, 1, 1]
    assert guess([3.0, 1.0], 0, 0).tolist() == [0, 0]
    assert guess([1.0, 2.0], 1, 1).dtype == np.int8


def test_ties_do_not_follow_the_order_in_which_canaries_are_listed():
    """Listed inserted first, equal scores must not tell the coins."""
    coins = np.arange(400) < 200
    right = [audit_one_run(np.zeros(400), coins, k_in=100, k_out=100, seed=seed).v for seed in range(200)]
    assert np.mean(right) == pytest.approx(100, abs=2)
    assert guess(np.zeros(10), 3, 3).tolist() == guess(np.zeros(10), 3, 3).tolist()


def test_infinite_scores_have_their_place_and_nan_has_none():
    assert guess([-math.inf, 0.0, math.inf], 1, 1).tolist() == [-1, 0, 1]
    with pytest.raises(ValueError, match="without NaN"):
        guess([0.0, math.nan], 1, 1)


@pytest.mark.parametrize(("k_in", "k_out"), [(3, 2), (-1, 1), (5, 0)])
def test_more_guesses_than_canaries_are_refused(k_in, k_out):
    with pytest.raises(ValueError, match=r"k_in \+ k_out must lie between 0 and 4"):
        guess([1.0, 2.0, 3.0, 4.0], k_in, k_out)


def test_what_is_right_is_counted_on_both_sides():
    coins = np.array([True, True, False, False, True])
    found = audit_one_run([5.0, 4.0, 3.0, 2.0, 1.0], coins, k_in=2, k_out=2)
    assert (found.m, found.r, found.v) == (5, 4, 3)
    assert found.p_value_at(0.0) == p_value(5, 4, 3, 0.0)


def test_coins_must_be_booleans_one_for_each_score():
    for coins in ([1, 0], [True], np.array([0.0, 1.0])):
        with pytest.raises(ValueError, match="inserted must be"):
            audit_one_run([0.1, 0.2], coins, k_in=1, k_out=1)


# --- validity


def null_bounds(seeds, m=200, **settings):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        yield audit_one_run(rng.normal(size=m), rng.random(m) < 0.5, **settings).epsilon_lower


@pytest.mark.parametrize("delta", [0.0, 1e-4])
def test_a_thousand_runs_without_leakage_refute_epsilon_zero_in_at_most_five_per_cent(delta):
    k_in, k_out = guesses_for(200)
    found = list(null_bounds(range(RUNS), k_in=k_in, k_out=k_out, delta=delta))
    assert np.mean(np.greater(found, 0)) <= MOST


def test_the_uncorrected_largest_over_a_grid_is_no_bound():
    """Why there is no function for it."""
    steps = range(10, 101, 10)
    over = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        scores, coins = rng.normal(size=200), rng.random(200) < 0.5
        order = coins[np.argsort(-scores)]
        grid = [(int(order[:a].sum() + (~order[200 - b :]).sum()), a + b) for a in steps for b in steps]
        over += any(p_value(200, r, v, 0.0) < BETA for v, r in grid)
    assert over / 150 > 0.2


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_randomised_response_is_exceeded_as_often_as_beta_allows_and_hardly_less(epsilon):
    """Its coins are guessed right with probability e^ε/(1 + e^ε): the mechanism for which the bound is tight."""
    rng = np.random.default_rng(1)
    m = 1000
    coins = rng.random((RUNS, m)) < 0.5
    told = coins ^ (rng.random((RUNS, m)) < 1 / (1 + math.exp(epsilon)))
    right = (coins == told).sum(axis=1)
    bound = {int(v): epsilon_lower_bound(m, m, int(v)) for v in np.unique(right)}
    bounds = np.array([bound[int(v)] for v in right])
    assert 0.02 <= np.mean(bounds > epsilon) <= MOST
    assert np.median(bounds) > 0.7 * epsilon


@pytest.mark.parametrize("epsilon", [2.0, 8.0])
def test_a_gaussian_mechanism_of_known_epsilon_is_not_exceeded(epsilon):
    from scipy import optimize, stats

    m, delta = 200, 1e-5

    def spent(sigma):  # Balle & Wang 2018, arXiv 1805.06530, theorem 8
        a, b = 1 / (2 * sigma), epsilon * sigma
        return stats.norm.cdf(a - b) - math.exp(epsilon) * stats.norm.cdf(-a - b) - delta

    sigma = optimize.brentq(spent, 0.05, 50)
    k_in, k_out = guesses_for(m)
    bound = functools.cache(lambda v: epsilon_lower_bound(m, k_in + k_out, v, delta=delta))
    bounds = []
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        coins = rng.random(m) < 0.5
        guesses = guess(coins + sigma * rng.normal(size=m), k_in, k_out)
        bounds.append(bound(int((guesses == np.where(coins, 1, -1)).sum())))
    assert np.mean(np.greater(bounds, epsilon)) <= MOST
    assert np.median(bounds) > 0  # and something was found


# --- by group


def test_groups_share_beta_and_each_bound_is_its_own():
    rng = np.random.default_rng(3)
    coins = rng.random(300) < 0.5
    group = np.repeat(["b", "a", "c"], 100)
    scores = np.where(group == "a", coins * 10.0, 0.0) + rng.normal(size=300)
    found = audit_by_group(scores, coins, group)
    assert list(found) == ["a", "b", "c"]
    assert {one.beta for one in found.values()} == {BETA / 3} and {one.m for one in found.values()} == {100}
    alone = audit_one_run(scores[group == "a"], coins[group == "a"], k_in=12, k_out=12, beta=BETA / 3)
    assert found["a"] == alone and found["a"].epsilon_lower > 1.5
    assert found["a"].ceiling < ceiling(24)


def test_guesses_of_groups_may_be_fixed_by_hand():
    coins = np.arange(40) % 2 == 0
    found = audit_by_group(coins * 1.0, coins, ["x"] * 20 + ["y"] * 20, guesses={"x": (2, 3), "y": (0, 0)})
    assert (found["x"].r, found["x"].v, found["y"].r, found["y"].epsilon_lower) == (5, 5, 0, 0.0)


def test_groups_without_leakage_refute_at_most_as_often_together():
    over = 0
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        group = np.repeat(["a", "b", "c", "d"], 50)
        found = audit_by_group(rng.normal(size=200), rng.random(200) < 0.5, group)
        over += any(one.epsilon_lower > 0 for one in found.values())
    assert over / RUNS <= MOST
