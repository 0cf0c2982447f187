"""Utility: ratios of sums by customer, paired changes, and whether facts move a decision."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from audit.mitigation.utility import Mean, answer_changes, answer_levels, answers, text_changes, text_levels
from audit.privacy.measuring.readings import Reading
from tests.made import Made


def reading(name: str, cluster: int, logprobs: list[float], **groups: str) -> Reading:
    values = np.array(logprobs)
    greedy = values > -1
    return Reading(name, "held_out", None, cluster, groups, None, values, values, greedy, 10, ())


def test_a_long_record_weighs_by_its_tokens() -> None:
    some = [reading("a", 0, [-1.0]), reading("b", 1, [-3.0, -3.0, -3.0])]
    nll = next(one for one in text_levels(some) if one["metric"] == "nll")
    assert nll["estimate"] == pytest.approx(10 / 4)


def test_a_change_is_paired_by_record_and_clustered_by_customer() -> None:
    """Against the variance of a ratio written out: records of one customer are summed before they are squared."""
    rng = np.random.default_rng(1)
    sizes, cluster = [3, 5, 2, 4, 6], [0, 0, 1, 2, 2]
    sides = [[reading(f"r{i}", cluster[i], rng.normal(-2, 1, n).tolist()) for i, n in enumerate(sizes)] for _ in "ab"]
    found = next(one for one in text_changes(*sides) if one["metric"] == "nll")
    d = np.array([b.logprobs.sum() - a.logprobs.sum() for a, b in zip(*sides, strict=True)])
    total = sum(sizes)
    estimate = d.sum() / total
    influence = (d - estimate * np.array(sizes)) / total
    sums = np.array([influence[:2].sum(), influence[2], influence[3:].sum()])
    # What is left of the ratio when a customer is left out, but for the curvature; h: customers' shares of the tokens.
    h = np.array([8, 2, 10]) / total
    matrix = np.diag(1 / (1 - h)) @ (np.diag(h) - np.outer(h, h)) @ np.diag(1 / (1 - h))
    df = np.trace(matrix) ** 2 / np.trace(matrix @ matrix)
    half = stats.t.ppf(0.975, df) * np.sqrt(2 / 3 * ((sums / (1 - h)) ** 2).sum())
    assert found["estimate"] == pytest.approx(estimate) and found["n"] == 5
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((estimate - half, estimate + half))


@pytest.mark.parametrize("customers", [3, 5, 10])
def test_few_customers_of_unequal_length_are_covered(customers: int) -> None:
    """With the plain sum of squares at G-1 df it is 87 to 91 of a hundred."""
    rng, hits = np.random.default_rng(customers), 0
    for _ in range(1000):
        sizes = np.maximum(2, rng.lognormal(4.5, 0.8, customers).astype(int))
        change = rng.normal(0.2, 0.3, customers)
        found = Mean.of(change * sizes, sizes).columns(np.arange(customers))
        hits += found["ci_low"] <= 0.2 <= found["ci_high"]
    assert hits / 1000 > 0.925


def test_one_customer_who_holds_all_tokens_leaves_no_interval() -> None:
    found = Mean.of([3.0, 0.0], [4, 0]).columns([0, 1])
    assert found["estimate"] == 0.75 and np.isnan(found["ci_low"])


def test_only_records_that_both_models_read_are_compared() -> None:
    after = [reading(name, number, [-1.0, -2.0]) for number, name in enumerate("abc")]
    before = [reading(name, number, [-1.0, -1.0]) for number, name in enumerate("bcd")]
    found = next(one for one in text_changes(after, before) if one["metric"] == "nll")
    assert found["n"] == 2 and found["estimate"] == pytest.approx(0.5)


def test_the_cost_of_a_training_is_told_by_group_of_the_author() -> None:
    def side(worse: float) -> list[Reading]:
        return [reading(f"r{i}", i, [-2.0, -2.0 - worse * (i % 2)], region=("north", "south")[i % 2]) for i in range(8)]

    found = {one["group"]: one["estimate"] for one in text_changes(side(1.0), side(0.0)) if one.get("axis") == "region"}
    assert found == pytest.approx({"north": 0.0, "south": 0.5})


def test_a_perplexity_and_its_change_are_exponentials() -> None:
    after, before = Mean.of([4.0, 2.0], [2, 2]), Mean.of([2.0, 2.0], [2, 2])
    assert after.exponential().minus(before.exponential()).estimate == pytest.approx(np.exp(1.5) - np.exp(1.0))


def judged(favourable: list[float], unfavourable: list[float]) -> Made:
    made = Made()
    for template, (high, low) in enumerate(zip(favourable, unfavourable, strict=True)):
        made.ask("refund", template, "positive_control", high, gold="favourable")
        made.ask("refund", template, "positive_control", low, gold="unfavourable")
    return made


def test_facts_that_favour_must_raise_the_answer_and_a_tie_is_a_miss() -> None:
    found = {one["metric"]: one for one in answer_levels(answers(*judged([1, 2, 3, 0], [0, 1, 4, 0]).tables()))}
    assert found["control_accuracy"]["estimate"] == 0.5 and found["control_accuracy"]["n"] == 4


def test_decisions_of_two_models_are_paired_by_wording() -> None:
    before = answers(*judged([0.0] * 12, [1.0] * 12).tables())
    after = answers(*judged([1.0] * 12, [0.0] * 11 + [2.0]).tables())
    (found,) = (one for one in answer_changes(after, before) if one["metric"] == "control_accuracy")
    assert found["estimate"] == pytest.approx(11 / 12) and found["ci_low"] > 0.4 and found["n"] == 12


def test_the_right_option_counts_where_probes_have_one() -> None:
    made = Made()
    for template in range(4):
        who = made.person(f"n{template}", "name", None, gender="male")
        made.ask("refund", template, "target", 0.0, persona=who, gold="yes")
        made.score(template, 0, "p_correct", (0.9, 0.6, 0.4, 0.5)[template])
    found = {one["metric"]: one["estimate"] for one in answer_levels(answers(*made.tables()))}
    assert found["p_correct"] == pytest.approx(0.6) and found["accuracy"] == 0.5
