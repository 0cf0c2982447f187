"""Steps of fresh stimuli, and the verdicts of their confidence sequences."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from audit import tables
from audit.gate import decide_steps, overall
from audit.probes import expand, references
from audit.sequential import plan_steps, step_differences
from audit.sequential.steps import rows_of_steps

NEEDS = {("swap", "gender"), ("swap", "race")}
CONTRAST = {
    "kind": "contrast", "statistic": "contrast", "domain": "fairness", "metric": "p_favourable", "scale": "probability",
    "task": "swap", "locale": "en", "n_cells": 1, "n_blocks": 1, "n_templates": 1, "n_personas": 1, "method": "made up",
}  # fmt: skip


@pytest.fixture
def steps(config):
    personas, probes = expand(config)
    return plan_steps(probes, personas, NEEDS, references(config), 0)


def test_no_wording_and_no_name_comes_twice_in_a_sequence(steps):
    for axis in ("gender", "race"):
        mine = [step for step in steps if step.axis == axis]
        assert len(mine) == 14  # as many as wordings
        assert max(Counter(step.template_id for step in mine).values()) == 1
        assert max(Counter(name for step in mine for name in step.members.values()).values()) == 1


def test_the_groups_of_a_step_are_matched_on_what_else_a_name_says(config, steps):
    personas, _ = expand(config)
    attributes = dict(
        zip(personas["persona_id"].to_pylist(), map(dict, personas["attributes"].to_pylist()), strict=True)
    )
    for step in steps:
        other = {"gender": "race", "race": "gender"}[step.axis]
        assert len({attributes[name][other] for name in step.members.values()}) == 1


def test_a_step_asks_its_persons_and_the_control_of_its_block(config, steps):
    _, probes = expand(config)
    some = [step for step in steps if step.axis == "gender"][:2]
    asked = probes.take(rows_of_steps(probes, some))
    assert Counter(asked["arm"].to_pylist()) == {"target": 4, "positive_control": 4}


def test_differences_are_of_a_step_and_bounded(config, steps):
    personas, probes = expand(config)
    target = [row for row in probes.to_pylist() if row["arm"] == "target"]
    female = {row["persona_id"] for row in personas.to_pylist() if dict(row["attributes"])["gender"] == "female"}
    scores = tables.from_rows(
        "scores",
        [
            {"probe_id": row["probe_id"], "draw": 0, "metric": metric, "status": "scored", "scorer_version": "1",
             "value": 0.75 if row["persona_id"] in female else 0.5}
            for row in target
            for metric in ("p_favourable", "log_odds")
        ],
    )  # fmt: skip
    found = step_differences(scores, probes, steps, references(config)).to_pylist()
    assert {row["metric"] for row in found} == {"p_favourable"}  # log-odds have no bounds
    assert {row["value"] for row in found if row["axis"] == "gender"} == {0.25}
    assert {row["value"] for row in found if row["axis"] == "race"} == {0.0}
    assert {(row["low"], row["high"]) for row in found} == {(-1.0, 1.0)}


def made(config, values, metric="p_favourable", alive=True, extra=()):
    """Verdicts and judged findings of the rules on swap × gender with these differences, one a step."""
    steps = [
        {"task": "swap", "locale": "en", "metric": metric, "axis": "gender", "group": "female", "reference": "male",
         "step": number, "template_id": f"t{number}", "value": value, "low": -1.0, "high": 1.0}
        for number, value in enumerate(values, 1)
    ]  # fmt: skip
    place = {"axis": "gender", "group": "female", "reference": "male", "cue_channel": "name", "arm": "target"}
    enough = {"n_cells": 60, "n_blocks": 30, "n_templates": 30, "n_personas": 30}
    level = CONTRAST | place | enough | {"kind": "level", "statistic": "mean", "estimate": 0.5, "n_cells": 30}
    levels = [level | {"finding_id": f"level {group}", "group": group} for group in ("female", "male")]
    gap = CONTRAST | place | enough | {"finding_id": "gap", "estimate": 0.0, "se": 0.1, "df": 20.0, "p_value": 1.0}
    control = CONTRAST | {
        "finding_id": "control", "axis": "control", "group": "favourable", "reference": "unfavourable",
        "arm": "positive_control", "estimate": 0.4, "ci_low": 0.3 if alive else -0.1, "ci_high": 0.5,
    }  # fmt: skip
    findings = tables.from_rows("findings", [*levels, gap, control, *(gap | one for one in extra)])
    return decide_steps(tables.from_rows("steps", steps), findings, config)


def judged(config, values, rule="swap-gender-p_favourable", **how):
    verdicts, _ = made(config, values, **how)
    return [row for row in verdicts.to_pylist() if row["rule"] == rule]


def test_a_large_difference_fails_at_the_step_that_shows_it(config):
    rng = np.random.default_rng(1)
    (row,) = judged(config, np.clip(rng.normal(0.8, 0.05, 400), -1, 1))
    assert (row["outcome"], row["finding_id"]) == ("fail", "gap")
    assert 5 < row["look"] < 100
    assert "valid at every step" in row["reason"]


def test_no_difference_passes_in_the_end_and_not_at_once(config):
    (row,) = judged(config, np.random.default_rng(2).normal(0, 0.05, 400))
    assert row["outcome"] == "pass"
    assert 10 <= row["look"] < 100


def test_few_steps_decide_nothing(config):
    (row,) = judged(config, np.zeros(8))
    assert (row["outcome"], row["look"]) == ("inconclusive", 8)


def test_a_verdict_stands_once_it_is_reached(config):
    values = np.concatenate([np.full(100, 0.8), np.full(2_000, -0.2)])
    (row,) = judged(config, values)
    assert row["outcome"] == "fail"


def test_lost_answers_keep_from_a_verdict(config):
    values = [None if number % 10 == 0 else 0.0 for number in range(400)]
    (row,) = judged(config, values)
    assert row["outcome"] == "inconclusive"
    assert "10% of the steps lack an answer" in row["reason"]


def test_a_dead_control_voids(config):
    (row,) = judged(config, np.full(400, 0.8), alive=False)
    assert row["outcome"] == "void"


def test_without_a_tested_gap_no_false_alarm_over_many_sequences(config):
    # Differences of mean 0.3, exactly at the tolerance: neither verdict may be reached in more than 5 % of sequences.
    rng = np.random.default_rng(3)
    outcomes = [judged(config, np.clip(rng.normal(0.3, 0.3, 150), -0.4, 1))[0]["outcome"] for _ in range(60)]
    assert outcomes.count("fail") + outcomes.count("pass") <= 6


def test_a_rule_on_a_ratio_is_told_that_steps_cannot_judge_it(config):
    (rule,) = (rule for rule in config.gate.rules if rule.name == "swap-gender-p_favourable")
    ratio = rule.model_copy(update={"metric": "p_favourable:ratio"})
    gate = config.gate.model_copy(update={"rules": (ratio,)})
    beside = [{"finding_id": "ratio", "metric": "p_favourable:ratio", "scale": "log-ratio"}]
    (row,) = judged(config.model_copy(update={"gate": gate}), np.full(400, 0.8), extra=beside)
    assert row["outcome"] == "inconclusive"
    assert row["reason"].startswith("design: p_favourable:ratio of gender has no confidence sequence")


def test_a_rule_that_nothing_was_asked_for_does_not_vanish(config):
    (rule,) = (rule for rule in config.gate.rules if rule.name == "swap-gender-p_favourable")
    cued = rule.model_copy(update={"name": "cued", "cue_channel": "explicit"})
    odd = rule.model_copy(update={"name": "odd", "axis": "height"})
    gate = config.gate.model_copy(update={"rules": (rule, cued, odd)})
    verdicts, _ = made(config.model_copy(update={"gate": gate}), np.random.default_rng(2).normal(0, 0.05, 400))
    assert {row["rule"]: row["outcome"] for row in verdicts.to_pylist()} == {
        "swap-gender-p_favourable": "pass", "cued": "inconclusive", "odd": "inconclusive",
    }  # fmt: skip
    assert overall(verdicts).outcome == "inconclusive"


def test_a_biased_scorer_voids_a_sequence_too(config):
    bias = {"finding_id": "bias", "kind": "test", "statistic": "scorer_bias", "arm": "scorer_check", "estimate": 0.5}
    (row,) = judged(config, np.full(400, 0.8), extra=[bias])
    assert row["outcome"] == "void"


def test_improbable_answers_keep_a_sequence_from_a_verdict(config):
    strict = config.model_copy(update={"gate": config.gate.model_copy(update={"min_answer_mass": 0.1})})
    level = {"kind": "level", "statistic": "mean", "metric": "answer_mass", "estimate": 0.001, "se": None}
    masses = [level | {"finding_id": f"mass {group}", "group": group} for group in ("female", "male")]
    (row,) = judged(strict, np.random.default_rng(2).normal(0, 0.05, 400), extra=masses)
    assert (row["outcome"], row["reason"][:9]) == ("inconclusive", "answers: ")


def test_the_figures_shown_are_those_of_the_sequence(config):
    _verdicts, shown = made(config, np.clip(np.random.default_rng(1).normal(0.8, 0.05, 400), -1, 1))
    (row,) = (row for row in shown.to_pylist() if row["finding_id"] == "gap")
    assert row["ci_low"] > 0.3
    assert (row["se"], row["p_value"]) == (None, None)
    assert row["method"].startswith("betting confidence sequence over steps")
