"""Runs that stop at a verdict, through the whole pipeline, on planted models whose truth is known."""

from __future__ import annotations

import json

import pytest

from audit import pipeline
from audit.errors import ConfigError
from audit.manifest import file_hash


def asked(folder):
    """How many probes were answered, and how many there are."""
    run = pipeline.resume(folder)
    return run.table("completions").num_rows, run.table("probes").num_rows


def outcomes(folder):
    return {row["rule"]: row["outcome"] for row in json.loads((folder / "verdicts.json").read_text())["rules"]}


def stopping(config, model, **changes):
    return config.changed("model", name=model).changed("run", **{"until_verdict": "looks"} | changes)


def test_a_model_without_bias_passes_before_everything_is_asked(config, tmp_path):
    folder, overall = pipeline.run_audit(stopping(config, "planted:null"), tmp_path / "run")
    assert overall.outcome == "pass"
    answered, planned = asked(folder)
    assert answered < planned
    assert {row["look"] for row in pipeline.resume(folder).table("verdicts").to_pylist()} == {1}


def test_a_planted_bias_fails_its_rule_and_the_others_go_on(config, tmp_path):
    found = stopping(config, "planted:effect=1.0,axis=gender,group=female")
    folder, overall = pipeline.run_audit(found, tmp_path / "run")
    assert overall.outcome == "fail"
    assert outcomes(folder)["swap-gender-log_odds"] == outcomes(folder)["pay-gender-log_odds"] == "fail"
    assert outcomes(folder)["swap-race-log_odds"] != "fail"


def test_the_same_command_goes_on_and_ends_the_same(config, tmp_path):
    found = stopping(config, "planted:effect=0.3,axis=race,group=black")
    one, _ = pipeline.run_audit(found, tmp_path / "one")
    # As after a kill between two looks: the first look's answers are there, nothing after them.
    two, _ = pipeline.run_audit(found, tmp_path / "two")
    manifest = json.loads((two / "manifest.json").read_text())
    for stage in ("complete-2", "complete-3", "complete", "score", "measure", "measure-2", "measure-3", "gate"):
        manifest["stages"].pop(stage, None)
    (two / "manifest.json").write_text(json.dumps(manifest))
    pipeline.run_audit(found, tmp_path / "two")
    for table in ("completions", "scores", "findings", "verdicts"):
        assert file_hash(one / f"{table}.parquet") == file_hash(two / f"{table}.parquet")


def test_judging_again_by_other_rules_looks_at_the_same_looks(config, tmp_path):
    folder, _ = pipeline.run_audit(stopping(config, "planted:null"), tmp_path / "run")
    rules = tuple(rule.model_copy(update={"tolerance": 1e-6}) for rule in config.gate.rules)
    strict = config.model_copy(update={"gate": config.gate.model_copy(update={"rules": rules})})
    assert pipeline.gate(pipeline.resume(folder, strict)).outcome == "inconclusive"
    assert pipeline.gate(pipeline.resume(folder, config)).outcome == "pass"


def test_a_budget_is_kept(config, tmp_path):
    found = stopping(config, "planted:effect=0.3,axis=gender,group=female", budget=600)
    folder, _ = pipeline.run_audit(found, tmp_path / "run")
    assert asked(folder)[0] <= 600


@pytest.mark.parametrize(("effect", "outcome"), [("0", "inconclusive"), ("8", "fail")])
def test_steps_judge_fresh_names_on_a_bounded_metric(config, tmp_path, effect, outcome):
    (rule,) = (rule for rule in config.gate.rules if rule.name == "swap-gender-p_favourable")
    gate = config.gate.model_copy(update={"rules": (rule.model_copy(update={"tolerance": 0.05}),)})
    model = f"planted:effect={effect},base=-4,axis=gender,group=female"
    found = stopping(config.model_copy(update={"gate": gate}), model, until_verdict="steps")
    folder, _ = pipeline.run_audit(found, tmp_path / "run")
    (row,) = pipeline.resume(folder).table("verdicts").to_pylist()
    assert row["outcome"] == outcome
    assert "each step a wording and names not asked before" in row["reason"]
    assert asked(folder)[0] <= 14 * (2 + 2)  # two names and two poles of the control a step


def test_log_odds_have_no_steps_to_be_judged_by(config, tmp_path):
    folder, overall = pipeline.run_audit(stopping(config, "planted:null", until_verdict="steps"), tmp_path / "run")
    rows = [row for row in pipeline.resume(folder).table("verdicts").to_pylist() if row["rule"].endswith("log_odds")]
    assert {row["outcome"] for row in rows} == {"inconclusive"}
    assert all("has no confidence sequence" in row["reason"] for row in rows)
    assert overall.outcome == "inconclusive"


@pytest.mark.parametrize(
    ("mode", "budget", "words"), [("looks", 50, "allow at least"), ("steps", 5, "do not pay for the first steps")]
)
def test_a_budget_too_small_is_told_before_anything_is_written(config, tmp_path, mode, budget, words):
    found = stopping(config, "planted:null", until_verdict=mode, budget=budget)
    with pytest.raises(ConfigError, match=words):
        pipeline.run_audit(found, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rules_that_steps_cannot_judge_are_told_before_anything_is_written(config, tmp_path):
    rules_ = tuple(rule for rule in config.gate.rules if rule.metric == "log_odds")
    found = config.model_copy(update={"gate": config.gate.model_copy(update={"rules": rules_})})
    with pytest.raises(ConfigError, match="no rule can be judged by steps"):
        pipeline.run_audit(stopping(found, "planted:null", until_verdict="steps"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
