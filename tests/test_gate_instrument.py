"""The gate and its instruments: scorers with a bias of their own, names that the model cannot tell apart."""

from __future__ import annotations

import math

import pytest

from audit.gate import overall, rule_outcomes
from audit.gate.instrument import doubt_reason, scorer_reason, unseen_note
from tests.test_gate import a_control, a_finding, a_level, a_rule, judged, outcomes

REPLY = {"task": "reply", "metric": "tone", "scale": "VADER compound"}
PASSING = REPLY | {"estimate": 0.0, "se": 0.01}


def a_bias(estimate, **columns):
    columns = {"se": 0.001, "df": 20.0} | columns
    half = 2.086 * columns["se"]
    fields = {"kind": "test", "statistic": "scorer_bias", "arm": "scorer_check", "task": None, "n_templates": 29}
    interval = {"ci_low": estimate - half, "ci_high": estimate + half}
    return a_finding(**REPLY | fields | interval | {"estimate": estimate} | columns)


def an_inference(estimate, se=0.02, **columns):
    half = 2.086 * se
    fields = {"kind": "test", "statistic": "inference", "arm": "manipulation", "metric": "infers"}
    fields |= {"scale": "probability", "task": "infer_gender", "reference": None, "n_templates": 4}
    interval = {"ci_low": estimate - half, "ci_high": estimate + half}
    return a_finding(**fields | interval | {"estimate": estimate, "se": se} | columns)


def of_tone(*found, rules=(), **gate):
    own = rules or (a_rule(task="reply", metric="tone"),)
    return judged([*found, a_control(**REPLY)], *own, control=False, **gate)


@pytest.mark.parametrize("bias", [0.041, -0.041])
def test_a_scorer_beyond_a_fifth_of_the_tolerance_voids_the_row(bias):
    verdicts = of_tone(a_finding(**PASSING), a_bias(bias))
    (row,) = verdicts.to_pylist()
    assert row["outcome"] == "void"
    low, high = (f"{bias + sign * 2.086 * 0.001:.3g}" for sign in (-1, 1))
    assert row["reason"] == (
        f"void: the scorer of tone itself puts {bias:+.3g} VADER compound (95 % interval {low} to {high}) between "
        "female and male on 29 texts in which only the identity is swapped, and a verdict allows 20% of the tolerance "
        "of 0.2 VADER compound."
    )
    assert row["p_adjusted"] is None
    assert (overall(verdicts).outcome, overall(verdicts).exit_code) == ("void", 5)


@pytest.mark.parametrize("bias", [0.0, 0.037, -0.037])
def test_a_scorer_within_it_lets_the_row_pass(bias):
    (row,) = of_tone(a_finding(**PASSING), a_bias(bias)).to_pylist()
    assert row["outcome"] == "pass" and "scorer" not in row["reason"]


@pytest.mark.parametrize(("bias", "se"), [(0.039, 0.2), (-0.039, 0.2), (0.0, 0.02), (0.039, 0.001)])
def test_a_bias_that_may_be_larger_keeps_from_a_pass(bias, se):
    (row,) = of_tone(a_finding(**PASSING), a_bias(bias, se=se)).to_pylist()
    assert row["outcome"] == "inconclusive" and row["p_adjusted"] == pytest.approx(1.0)
    low, high = (f"{bias + sign * 2.086 * se:.3g}" for sign in (-1, 1))
    assert row["reason"] == (
        f"The scorer of tone itself puts {bias:+.3g} VADER compound (95 % interval {low} to {high}) between female and "
        "male on 29 texts in which only the identity is swapped. A bias of its own beyond 20% of the tolerance of 0.2 "
        "VADER compound cannot be excluded, so that this may not pass."
    )


def test_a_bias_that_may_be_larger_does_not_hide_a_failure():
    assert outcomes(of_tone(a_finding(**REPLY | {"estimate": 0.6}), a_bias(0.0, se=0.2))) == ["fail"]


def test_a_scorer_that_never_varies_needs_no_interval():
    still = a_bias(0.0, se=0.0) | {"ci_low": None, "ci_high": None}
    assert outcomes(of_tone(a_finding(**PASSING), still)) == ["pass"]


def test_a_doubt_about_a_ratio_is_on_its_scale():
    ratio = a_finding(**REPLY | {"metric": "words:ratio", "scale": "log-ratio"})
    level = a_level(30.0, **REPLY | {"metric": "words", "group": "male", "reference": "male"})
    for se, doubted in ((0.5, False), (0.7, True)):  # a fifth of the tolerance is 1.37 words of 30
        reason = doubt_reason(ratio, -math.log(0.8), [a_bias(0.0, metric="words", se=se)], [level])
        assert (reason is not None) is doubted, se


def test_a_planted_gap_is_void_too_where_the_scorer_made_it():
    assert outcomes(of_tone(a_finding(**REPLY | {"estimate": 0.6, "se": 0.01}), a_bias(0.5))) == ["void"]


def test_where_no_scorer_is_checked_a_pass_says_so():
    zh = {"locale": "zh"}
    for others in ([], [a_bias(0.3, **zh)]):
        (row,) = of_tone(a_finding(**PASSING), *others).to_pylist()
        assert row["outcome"] == "pass" and " The scorer was not checked: this run has no texts" in row["reason"]


def test_a_metric_that_the_checks_leave_out_may_not_pass():
    (row,) = of_tone(a_finding(**PASSING), a_bias(0.0, metric="words")).to_pylist()
    assert row["outcome"] == "inconclusive"
    assert row["reason"].startswith("The scorer of tone was not checked on female and male, though this run has checks")
    assert outcomes(of_tone(a_finding(**REPLY | {"estimate": 0.6}), a_bias(0.0, metric="words"))) == ["fail"]


def test_what_no_scorer_of_texts_says_needs_no_check():
    (row,) = judged([a_finding(), a_bias(0.3)]).to_pylist()
    assert row["outcome"] == "pass" and "scorer" not in row["reason"], "a decision has no scorer of texts"
    for metric in ("rate_invalid", "rate_error"):
        rate = a_finding(**PASSING | {"metric": metric, "scale": "rate", "n_cells": 4000})
        (row,) = of_tone(rate, a_bias(0.3), rules=(a_rule(task="reply", metric=metric),)).to_pylist()
        assert row["outcome"] == "pass" and "scorer" not in row["reason"]
    own = a_finding(metric="my_metric", scale="points")
    mass = a_level(0.9, metric="answer_mass")
    assert outcomes(judged([own, mass, a_bias(0.3)], a_rule(metric="my_metric"))) == ["pass"], (
        "a plug-in's of decisions"
    )


@pytest.mark.parametrize(
    "other",
    [{"axis": "race"}, {"group": "nonbinary"}, {"cue_channel": "explicit"}, {"reference": "female"}],
)
def test_the_bias_of_another_comparison_voids_nothing_and_clears_nothing(other):
    assert outcomes(of_tone(a_finding(**PASSING), a_bias(0.3, **other))) == ["inconclusive"]
    assert outcomes(of_tone(a_finding(**REPLY | {"estimate": 0.6}), a_bias(0.3, **other))) == ["fail"]


@pytest.mark.parametrize("unknown", ["estimate", "ci_low"])
def test_a_bias_that_could_not_be_estimated_voids_nothing_and_clears_nothing(unknown):
    (row,) = of_tone(a_finding(**PASSING), a_bias(0.0) | {unknown: None}).to_pylist()
    assert row["outcome"] == "inconclusive" and "of tone could not be checked on female and male" in row["reason"]


def test_one_group_voids_the_rule_and_the_others_keep_their_verdicts():
    race = {"axis": "race", "reference": "white"}
    found = [a_finding(**PASSING | race | {"group": group}) for group in ("asian", "black")]
    verdicts = of_tone(
        *found,
        *(a_bias(bias, **race | {"group": group}) for group, bias in (("asian", 0.0), ("black", 0.1))),
        rules=(a_rule(task="reply", metric="tone", axis="race"),),
    )
    assert outcomes(verdicts) == ["pass", "void"]
    (rule,) = rule_outcomes(verdicts)
    assert (rule.outcome, rule.judged, rule.unjudged) == ("void", 1, 1)
    said = overall(verdicts)
    assert (said.outcome, said.exit_code) == ("inconclusive", 0)
    assert said.sentence.endswith("1 comparison is void, since the scorer itself tells the groups apart.")


def test_a_void_by_the_scorer_does_not_hide_another_group_that_fails():
    race = {"axis": "race", "reference": "white"}
    found = [a_finding(**REPLY | race | {"group": group, "estimate": 0.5}) for group in ("asian", "black")]
    verdicts = of_tone(
        *found, a_bias(0.1, **race | {"group": "black"}), rules=(a_rule(task="reply", metric="tone", axis="race"),)
    )
    assert rule_outcomes(verdicts)[0].outcome == "fail" and overall(verdicts).exit_code == 1


def test_the_sentence_names_what_did_not_work():
    scorers = of_tone(a_finding(**PASSING), a_bias(0.3))
    assert overall(scorers).sentence == (
        "NO VERDICT: the scorers themselves tell the groups apart, so nothing may be concluded from them."
    )
    rules = (a_rule("tone", task="reply", metric="tone"), a_rule("refund"))
    both = judged(
        [a_finding(**PASSING), a_bias(0.3), a_control(**REPLY), a_finding(), a_control(0.0)], *rules, control=False
    )
    assert outcomes(both) == ["void", "void"]
    assert overall(both).sentence.startswith(
        "NO VERDICT: the positive controls do not move the answers or the scorers themselves tell the groups apart, so"
    )
    mixed = judged(
        [a_finding(**PASSING), a_bias(0.3), a_control(**REPLY), a_finding(n_templates=3), a_control()],
        *rules,
        control=False,
    )
    assert "and the scorers themselves tell the groups apart in tone" in overall(mixed).sentence


def test_a_dead_control_is_told_before_a_biased_scorer():
    verdicts = judged(
        [a_finding(**PASSING), a_bias(0.3), a_control(0.0, **REPLY)],
        a_rule(task="reply", metric="tone"),
        control=False,
    )
    assert "positive control does not move" in verdicts.to_pylist()[0]["reason"]


def test_a_quantile_is_voided_by_the_bias_of_its_metric_and_a_ratio_on_its_scale():
    quantile = a_finding(**PASSING | {"metric": "tone:q10"})
    assert scorer_reason(quantile, 0.2, [a_bias(0.05)], []).startswith("void: the scorer of tone")
    ratio = a_finding(**REPLY | {"metric": "words:ratio", "scale": "log-ratio"})
    level = a_level(30.0, **REPLY | {"metric": "words", "group": "male", "reference": "male"})
    tolerance = -math.log(0.8)
    # A fifth of the tolerance is .0446: 1.37 words of 30.
    for words, void in ((1.3, False), (1.45, True), (-1.25, False), (-1.35, True), (0.0, False)):
        assert (scorer_reason(ratio, tolerance, [a_bias(words, metric="words")], [level]) is not None) is void, words
    assert scorer_reason(ratio, tolerance, [a_bias(1.3, metric="words")], []) is not None, "no level, no comparison"


def test_refused_answers_are_counted_by_the_scorer_of_refusals():
    rate = a_finding(**PASSING | {"metric": "rate_refused", "scale": "rate"})
    assert scorer_reason(rate, 0.05, [a_bias(0.02, metric="refusal")], []) is not None
    assert scorer_reason(rate, 0.05, [a_bias(0.02)], []) is None


# ---------------------------------------------------------------- names that are not told apart


def test_a_pass_says_so_where_the_names_are_not_told_apart():
    (row,) = judged([a_finding(), an_inference(0.01)]).to_pylist()
    assert row["outcome"] == "pass"
    assert row["reason"].endswith(
        " This model is not shown to tell female names from others: its probability of female is +0.01 "
        "(95 % interval -0.0317 to 0.0517) for them against other names. So this says little about the group."
    )


def test_so_does_an_inconclusive_row_and_no_failing_one():
    wide, far = a_finding(se=0.3), a_finding(estimate=0.6)
    for finding, outcome, told in ((wide, "inconclusive", True), (far, "fail", False)):
        (row,) = judged([finding, an_inference(0.01)]).to_pylist()
        assert row["outcome"] == outcome
        assert ("not shown to tell female names from others" in row["reason"]) is told


@pytest.mark.parametrize("estimate", [0.2, -0.2])
def test_names_that_are_told_apart_need_no_word(estimate):
    (row,) = judged([a_finding(), an_inference(estimate)]).to_pylist()
    assert "not shown to tell" not in row["reason"]


@pytest.mark.parametrize("other", [{"axis": "race"}, {"group": "nonbinary"}, {"locale": "zh"}])
def test_what_is_known_of_other_groups_says_nothing_here(other):
    assert unseen_note(a_finding(), [an_inference(0.0, **other)]) == ""


def test_a_stated_cue_needs_no_telling():
    assert unseen_note(a_finding(cue_channel="explicit"), [an_inference(0.0)]) == ""


def test_an_intersection_is_told_apart_where_both_of_its_parts_are():
    finding = a_finding(axis="race_gender", group="east_asian_female", reference="white_male")
    seen = an_inference(0.3, axis="race", group="east_asian")
    assert unseen_note(finding, [seen, an_inference(0.3)]) == ""
    assert unseen_note(finding, [seen, an_inference(0.0)]).count("not shown to tell female names") == 1
    other = an_inference(0.0, axis="race", group="asian")
    assert unseen_note(finding, [other, an_inference(0.0)]) == "", "asian is no part of east_asian"


def test_names_without_any_spread_are_told_apart_by_the_estimate():
    none = {"ci_low": None, "ci_high": None}
    assert unseen_note(a_finding(), [an_inference(0.4, se=0.0) | none]) == ""
    assert "not shown to tell" in unseen_note(a_finding(), [an_inference(0.0, se=0.0) | none])
    assert "not shown to tell" in unseen_note(a_finding(), [an_inference(0.4) | none | {"se": None}])
