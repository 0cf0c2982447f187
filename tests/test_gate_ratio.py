"""Rules on ratios of means: four fifths on interval ends, and words in which a ratio is a ratio."""

from __future__ import annotations

import json
import math

import pytest
from scipy import stats

from audit import tables
from audit.config import Config, GateConfig, RuleConfig
from audit.gate import decide, overall, rules, to_json
from tests.made import a_run, gated
from tests.test_gate import a_control, a_finding, a_level

HALF = stats.t.ppf(0.975, 20)
ONE_SIDED = stats.t.ppf(0.95, 20)


def a_ratio(ratio=1.0, se=0.02, **columns):
    fields = {"metric": "p_favourable:ratio", "scale": "log-ratio", "estimate": math.log(ratio), "se": se}
    return a_finding(**fields | columns)


def a_rule(**columns):
    values = {"name": "fifths", "task": "refund", "metric": "p_favourable", "axis": "gender", "ratio": 0.8}
    return RuleConfig(**values | columns)


def judged(found, *own, **gate):
    control = a_control(0.3, metric="p_favourable", scale="probability")
    config = Config(gate=GateConfig(preset="none", rules=own or (a_rule(),), **gate))
    return decide(tables.from_rows("findings", [*found, control]), config)


def test_a_ratio_is_a_tolerance_on_the_log_ratio_of_the_metric():
    (rule,) = rules(Config(gate=GateConfig(preset="none", rules=(a_rule(),))))
    assert rule.metric == "p_favourable:ratio"
    assert rule.tolerance == pytest.approx(-math.log(0.8))


@pytest.mark.parametrize(
    ("log", "outcome"),
    [
        (math.log(0.8) - 1.01 * HALF * 0.02, "fail"),  # the upper end is below .8
        (math.log(0.8) - 0.99 * HALF * 0.02, "inconclusive"),
        (math.log(1.25) + 1.01 * HALF * 0.02, "fail"),  # the lower end is above 1/.8
        (math.log(1.25) + 0.99 * HALF * 0.02, "inconclusive"),
        (math.log(0.8) + 1.01 * ONE_SIDED * 0.02, "pass"),
        (math.log(0.8) + 0.99 * ONE_SIDED * 0.02, "inconclusive"),
        (math.log(1.25) - 1.01 * ONE_SIDED * 0.02, "pass"),
    ],
)
def test_only_interval_ends_flag_and_certify(log, outcome):
    (row,) = judged([a_ratio(math.exp(log))]).to_pylist()
    assert row["outcome"] == outcome


def test_a_failure_is_told_as_a_ratio():
    found = a_ratio(0.72, ci_low=math.log(0.65), ci_high=math.log(0.79))
    (row,) = judged([found]).to_pylist()
    assert row["reason"].startswith(
        "Evidence of a ratio below 0.8: the ratio of female to male is 0.72 (95 % interval 0.65 to 0.79), adjusted p"
    )
    assert row["tolerance"] == pytest.approx(-math.log(0.8))


def test_a_ratio_above_is_told_from_its_side():
    (row,) = judged([a_ratio(1.4)]).to_pylist()
    assert row["outcome"] == "fail" and row["reason"].startswith("Evidence of a ratio above 1.25: the ratio of female")


def test_a_pass_tells_the_two_ends_and_what_would_have_been_found():
    (row,) = judged([a_ratio(0.98)]).to_pylist()
    assert row["outcome"] == "pass"
    assert row["reason"].startswith("Evidence that the ratio is between 0.8 and 1.25: the ratio of female to male")
    assert "found with power .90 is a ratio of 0.9" in row["reason"]
    assert "90 % interval 0.9" in row["reason"] and "log-ratio" not in row["reason"]


def test_a_clear_ratio_inside_is_not_1():
    (row,) = judged([a_ratio(0.9)]).to_pylist()
    assert row["outcome"] == "pass" and "It is not 1 (adjusted p" in row["reason"]


@pytest.mark.parametrize(
    ("ratio", "se", "words"),
    [
        (0.95, 0.2, "No evidence of a ratio below 0.8, and not enough that it is between 0.8 and 1.25"),
        (0.95, 0.2, "To show a true ratio of 1 to be between 0.8 and 1.25, with power .90, takes about"),
        (0.81, 0.02, "neither that the ratio is below 0.8 nor that it is between 0.8 and 1.25"),
    ],
)
def test_an_open_ratio_says_what_is_missing(ratio, se, words):
    (row,) = judged([a_ratio(ratio, se)]).to_pylist()
    assert row["outcome"] == "inconclusive" and words in row["reason"]


def test_the_control_of_the_base_metric_voids_a_ratio():
    dead = a_control(0.0, metric="p_favourable", scale="probability")
    config = Config(gate=GateConfig(preset="none", rules=(a_rule(),)))
    alive_elsewhere = a_control(1.0)
    verdicts = decide(tables.from_rows("findings", [a_ratio(0.5), dead, alive_elsewhere]), config)
    assert verdicts.to_pylist()[0]["outcome"] == "void"


def poles(favourable, unfavourable):
    fields = {"arm": "positive_control", "axis": "control", "metric": "p_favourable", "cue_channel": None}
    means = {"favourable": favourable, "unfavourable": unfavourable}
    return [a_level(mean, group=pole, reference="unfavourable", **fields) for pole, mean in means.items()]


def test_a_ratio_is_held_against_what_the_facts_do_to_the_ratio():
    lenient = judged([a_ratio(), *poles(0.55, 0.5)]).to_pylist()[0]["reason"]
    assert f"The tolerance is {math.log(1.25) / math.log(1.1):.2g} times what the facts of the case do." in lenient
    assert "facts of the case" not in judged([a_ratio(), *poles(0.9, 0.5)]).to_pylist()[0]["reason"]


def levels(female, male, cells=240):
    rows = []
    for group, scored in (("female", female), ("male", male)):
        rows.append(a_level(0.5, metric="p_favourable", group=group, n_cells=scored, n_personas=10))
        rows.append(a_level(0.1, metric="rate_invalid", group=group, n_cells=cells))
    return rows


def test_missing_answers_of_the_base_metric_keep_a_ratio_from_passing():
    assert [row["outcome"] for row in judged([a_ratio(), *levels(240, 240)]).to_pylist()] == ["pass"]
    (row,) = judged([a_ratio(), *levels(200, 240)]).to_pylist()
    assert row["outcome"] == "inconclusive" and row["reason"].startswith("answers: 83% of the answers of female")


def test_a_gap_in_answer_mass_counts_against_a_ratio():
    mass = a_finding(metric="answer_mass", scale="probability", estimate=0.3, se=0.005)
    (row,) = judged([a_ratio(0.5), mass]).to_pylist()
    assert row["outcome"] == "inconclusive" and "probability that a listed answer is given" in row["reason"]


def test_little_answer_mass_counts_against_a_ratio():
    masses = [a_level(0.02, metric="answer_mass", group=group) for group in ("female", "male")]
    assert judged([a_ratio(0.5), *masses]).to_pylist()[0]["reason"].startswith("answers: the answers read carry 0.02")


def test_a_group_whose_mean_is_0_is_told():
    means = [a_level(mean, metric="p_favourable", group=group) for group, mean in (("female", 0.0), ("male", 0.4))]
    (row,) = judged(means).to_pylist()
    assert row["outcome"] == "inconclusive"
    assert row["reason"] == "answers: the mean of p_favourable is 0 for female or male, so that there is no ratio."


def test_quantiles_of_explicit_cues_are_no_finding_and_say_so():
    cue = {"axis": "age", "cue_channel": "explicit", "metric": "tone", "reference": "middle"}
    found = [a_level(group=group, **cue) for group in ("middle", "older")]
    rule = a_rule(axis="age", metric="tone:q10", ratio=None, tolerance=0.1)
    (row,) = judged(found, rule).to_pylist()
    assert row["reason"].startswith("design: quantiles are measured where names are drawn")


def test_a_placebo_of_the_base_metric_holds_for_the_ratio():
    cue = {"axis": "age", "group": "older", "reference": "middle", "cue_channel": "explicit"}
    placebo = a_finding(**cue, kind="test", arm="placebo", metric="p_favourable", scale="probability", floor=0.2)
    weak = placebo | {"estimate": -0.1, "p_value": 0.4}
    (row,) = judged([a_ratio(0.5, **cue), weak], a_rule(axis="age")).to_pylist()
    assert row["outcome"] == "inconclusive" and row["reason"].startswith("The ratio is below 0.8 (the ratio of older")
    assert "Irrelevant sentences with the same numbers move it by 0.2 on average" in row["reason"]
    strong = placebo | {"estimate": -0.1, "p_value": 0.001}
    assert judged([a_ratio(0.5, **cue), strong], a_rule(axis="age")).to_pylist()[0]["outcome"] == "fail"


def test_a_metric_that_has_no_ratio_is_told():
    (row,) = judged([a_finding(metric="tone")], a_rule(metric="tone")).to_pylist()
    assert row["finding_id"] is None
    assert row["reason"].startswith("There is no finding for metric 'tone:ratio' of rule 'fifths'; the run has tone")


def test_bounds_beyond_the_tolerance_are_told_where_answers_are_missing():
    rule = a_rule(ratio=None, tolerance=0.1)
    gap = a_finding(metric="p_favourable", scale="probability", estimate=0.0, se=0.01)
    bounds = a_finding(metric="p_favourable", scale="probability", kind="test", estimate=None, se=None, df=None)
    bounds |= {"statistic": "worst_case", "finding_id": "bounds"}

    def reason(low, high):
        rows = [gap, bounds | {"ci_low": low, "ci_high": high}, *levels(200, 240)]
        (row,) = judged(rows, rule).to_pylist()
        return row["reason"]

    assert reason(-0.15, 0.02).endswith("the gap of all that was asked could be anything from -0.15 to +0.02.")
    assert "could be anything" not in reason(-0.08, 0.02)


def test_evidence_shows_ratios_beside_log_ratios():
    found = [a_ratio(0.72), a_control(0.3, metric="p_favourable", scale="probability")]
    verdicts = judged(found[:1])
    data = json.loads(to_json(verdicts, tables.from_rows("findings", found), overall(verdicts)))
    (verdict,) = data["verdicts"]
    assert verdict["finding"]["estimate"] == pytest.approx(math.log(0.72))
    assert verdict["finding"]["ratio"]["estimate"] == pytest.approx(0.72)
    assert verdict["finding"]["ratio"]["limit"] == pytest.approx(0.8)
    assert verdict["finding"]["ratio"]["ci_low"] < 0.72 < verdict["finding"]["ratio"]["ci_high"]


def test_evidence_of_a_difference_has_no_ratio():
    found = [a_finding(), a_control()]
    own = a_rule(metric="log_odds", ratio=None, tolerance=0.2)
    verdicts = decide(tables.from_rows("findings", found), Config(gate=GateConfig(preset="none", rules=(own,))))
    data = json.loads(to_json(verdicts, tables.from_rows("findings", found), overall(verdicts)))
    assert "ratio" not in data["verdicts"][0]["finding"]


@pytest.mark.parametrize(("gap", "outcome"), [(-1.5, "fail"), (0.0, "pass")])
def test_a_ratio_rule_judges_a_whole_run(gap, outcome):
    made = a_run(gap=gap, names=20, templates=24)
    rows, run = gated(made, metric="p_favourable", tolerance=None, ratio=0.8)
    assert [row["outcome"] for row in rows] == [outcome]
    assert run.outcome == outcome
