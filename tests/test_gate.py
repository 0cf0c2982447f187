"""Rules, verdicts, the overall outcome and its exit code, on findings with known figures."""

from __future__ import annotations

import json
import math

import pytest
from scipy import stats

from audit import tables
from audit.config import Config, GateConfig, RuleConfig
from audit.errors import ConfigError
from audit.gate import decide, is_alive, overall, rule_outcomes, rules, to_json
from audit.statistics import holm, minimum_detectable_gap
from audit.values import content_hash


def a_finding(**columns):
    row = {
        "kind": "contrast", "domain": "fairness", "metric": "log_odds", "scale": "log-odds", "task": "refund",
        "locale": "en", "cue_channel": "name", "axis": "gender", "group": "female", "reference": "male",
        "category": None, "arm": "target", "estimate": 0.0, "se": 0.02, "df": 20.0, "n_cells": 480, "n_blocks": 24,
        "n_templates": 24, "n_personas": 10, "method": "made up",
    } | columns  # fmt: skip
    if row["kind"] == "contrast" and row["se"] and row["df"]:
        half = stats.t.ppf(0.975, row["df"]) * row["se"]
        p = 2 * stats.t.sf(abs(row["estimate"]) / row["se"], row["df"])
        row = {"ci_low": row["estimate"] - half, "ci_high": row["estimate"] + half, "p_value": p} | row
    row = {"statistic": {"level": "mean", "contrast": "contrast", "test": "placebo"}[row["kind"]]} | row
    keys = ("kind", "metric", "task", "locale", "cue_channel", "axis", "group", "category", "arm")
    return row | {"finding_id": content_hash([row[key] for key in keys], 16)}


def a_control(estimate=1.0, **columns):
    fields = {"arm": "positive_control", "axis": "control", "group": "favourable", "reference": "unfavourable"}
    return a_finding(**fields | {"estimate": estimate, "se": 0.1, "cue_channel": None, "n_personas": 0} | columns)


def a_level(estimate=0.5, **columns):
    return a_finding(**{"kind": "level", "estimate": estimate, "se": None, "df": None} | columns)


def a_rule(name="gender", **columns):
    return RuleConfig(
        **{"name": name, "task": "refund", "metric": "log_odds", "axis": "gender", "tolerance": 0.2} | columns
    )


def judged(found, *own, preset="none", control=True, **gate):
    """Verdicts on ``found``, with an alive control unless told otherwise."""
    found = [*found, a_control()] if control else list(found)
    config = Config(gate=GateConfig(preset=preset, rules=own or (a_rule(),), **gate))
    return decide(tables.from_rows("findings", found), config)


def outcomes(verdicts):
    return [row["outcome"] for row in verdicts.to_pylist()]


# --- rules


def test_the_preset_judges_decisions_and_numbers_and_warns_on_texts():
    by_name = {rule.name: rule for rule in rules(Config())}
    assert {rule.axis for rule in by_name.values() if rule.task == "discount"} == {
        "gender",
        "race",
        "race_gender",
        "age",
    }
    assert by_name["refund-race"].tolerance == 0.2 and by_name["discount-age"].tolerance == 1.0
    assert {rule.level for rule in by_name.values() if rule.task == "service_reply"} == {"warn"}
    assert {rule.level for rule in by_name.values() if rule.task != "service_reply"} == {"error"}


def test_the_preset_rules_name_tasks_and_metrics_that_are_shipped():
    from audit.fairness import SCALES
    from audit.probes import load_suites

    tasks = {suite.task for suite in load_suites(Config())}
    for rule in rules(Config()):
        assert rule.task in tasks, rule.name
        assert rule.metric in SCALES or rule.metric == "expected_number", rule.name


def test_an_own_rule_stands_in_place_of_the_preset_rule_of_its_name():
    own = a_rule("refund-gender", tolerance=0.5, level="warn")
    chosen = rules(Config(gate=GateConfig(rules=(own, a_rule("mine")))))
    assert [rule.name for rule in chosen].count("refund-gender") == 1
    assert next(rule for rule in chosen if rule.name == "refund-gender").tolerance == 0.5
    assert chosen[-1].name == "mine" and len(chosen) == len(rules(Config())) + 1


def test_preset_none_has_the_own_rules_only():
    assert [rule.name for rule in rules(Config(gate=GateConfig(preset="none", rules=(a_rule("mine"),))))] == ["mine"]


def test_a_rule_that_is_off_gives_no_row():
    assert judged([a_finding()], a_rule(level="off")).num_rows == 0


def test_a_broken_preset_is_one_clear_error(monkeypatch, tmp_path):
    (tmp_path / "default.toml").write_text("[[rules]]\nname = 'x'\n", encoding="utf-8")
    monkeypatch.setattr("audit.gate.ruleset.PRESETS", tmp_path)
    with pytest.raises(ConfigError, match=r"default\.toml: rules\.0\.task"):
        rules(Config())


# --- one contrast


def test_a_gap_wholly_beyond_the_tolerance_fails():
    (row,) = judged([a_finding(estimate=0.35)]).to_pylist()
    assert row["outcome"] == "fail"
    assert row["p_adjusted"] == pytest.approx(2 * stats.t.sf(0.15 / 0.02, 20))
    assert row["reason"].startswith(
        "Evidence of a difference beyond 0.2 log-odds: female against male is +0.35 log-odds"
    )


def test_the_direction_does_not_matter():
    assert outcomes(judged([a_finding(estimate=-0.35)])) == ["fail"]


@pytest.mark.parametrize(("p_value", "outcome"), [(0.01, "fail"), (0.4, "inconclusive"), (None, "inconclusive")])
def test_an_explicit_cue_fails_only_if_it_moves_more_than_its_placebos(p_value, outcome):
    cue = {"axis": "age", "group": "older", "reference": "middle", "cue_channel": "explicit"}
    gap = a_finding(**cue, estimate=0.5)
    placebo = a_finding(**cue, kind="test", arm="placebo", floor=0.31, estimate=0.19) | {"p_value": p_value}
    (row,) = judged([gap, placebo], a_rule(axis="age")).to_pylist()
    assert row["outcome"] == outcome
    assert ("Irrelevant sentences with the same numbers move it by 0.31 log-odds" in row["reason"]) == (
        outcome != "fail"
    )


@pytest.mark.parametrize(
    ("estimate", "se", "p_value", "outcome"),
    [
        (-0.4, 0.05, 1e-6, "inconclusive"),  # irrelevant sentences move the answer further the same way
        (0.4, 0.05, 1e-6, "fail"),
        (0.5, 0.0, None, "fail"),  # they do not move it at all
        (0.0, 0.0, None, "inconclusive"),  # all of them move it exactly as the cue does
        (0.4, None, None, "inconclusive"),  # too few of them
    ],
)
def test_a_cue_must_go_beyond_its_placebos_in_its_own_direction(estimate, se, p_value, outcome):
    cue = {"axis": "age", "group": "older", "reference": "middle", "cue_channel": "explicit"}
    placebo = a_finding(**cue, kind="test", arm="placebo", floor=0.9) | {"estimate": estimate, "se": se}
    (row,) = judged([a_finding(**cue, estimate=0.5), placebo | {"p_value": p_value}], a_rule(axis="age")).to_pylist()
    assert row["outcome"] == outcome
    assert ("further the same way" in row["reason"]) == (estimate < 0)


def test_a_placebo_of_another_group_has_no_say():
    cue = {"axis": "age", "reference": "middle", "cue_channel": "explicit"}
    placebo = a_finding(**cue, group="young", kind="test", arm="placebo", floor=0.31) | {"p_value": 0.9}
    (row,) = judged([a_finding(**cue, group="older", estimate=0.5), placebo], a_rule(axis="age")).to_pylist()
    assert row["outcome"] == "fail"


def test_a_gap_that_is_different_but_not_beyond_is_inconclusive():
    (row,) = judged([a_finding(estimate=0.19)]).to_pylist()
    assert row["outcome"] == "inconclusive" and row["reason"].startswith("Evidence of a difference")
    assert row["p_adjusted"] == pytest.approx(2 * 2 * stats.t.sf(0.19 / 0.02, 20))  # the smaller p of two tests
    assert "too near" in row["reason"]


def test_a_gap_within_the_tolerance_passes_with_its_power_beside_it():
    (row,) = judged([a_finding(estimate=0.03)]).to_pylist()
    assert row["outcome"] == "pass"
    assert row["p_adjusted"] == pytest.approx(stats.t.cdf((0.03 - 0.2) / 0.02, 20))
    assert row["mde"] == pytest.approx(minimum_detectable_gap(0.02, 20, tests=2))
    assert "power .90" in row["reason"] and "90 % interval" in row["reason"]
    assert "It is not 0" not in row["reason"]


def test_what_numerical_noise_adds_to_a_findings_mde_is_added_to_the_verdicts():
    alone = minimum_detectable_gap(0.02, 20)
    (plain,) = judged([a_finding(mde=alone)]).to_pylist()
    (noisy,) = judged([a_finding(mde=1.5 * alone)]).to_pylist()
    assert plain["mde"] == pytest.approx(minimum_detectable_gap(0.02, 20, tests=2))
    assert noisy["mde"] == pytest.approx(1.5 * plain["mde"])


def test_a_pass_says_so_where_zero_is_excluded():
    (row,) = judged([a_finding(estimate=0.1)]).to_pylist()
    assert row["outcome"] == "pass" and "It is not 0" in row["reason"]


def test_nothing_found_without_power_is_no_pass():
    (row,) = judged([a_finding(se=0.3)]).to_pylist()
    assert row["outcome"] == "inconclusive"
    assert row["reason"].startswith("No evidence of a difference beyond 0.2 log-odds, and not enough that it is below")
    assert "in place of 24 and 10" in row["reason"] and row["mde"] > 0.2


def test_an_interval_that_only_touches_the_tolerance_does_not_fail():
    half = stats.t.ppf(0.975, 20) * 0.02
    assert outcomes(judged([a_finding(estimate=0.2 + half * 0.98)])) == ["inconclusive"]
    assert outcomes(judged([a_finding(estimate=0.2 + half * 1.02)])) == ["fail"]


def test_alpha_is_the_configs():
    strict = 0.2 + stats.t.ppf(0.975, 20) * 0.02 * 1.02
    assert outcomes(judged([a_finding(estimate=strict)], alpha=0.01)) == ["inconclusive"]


# --- many contrasts


def test_difference_and_exceedance_tests_are_one_holm_family():
    estimates = {"b": 0.255, "c": 0.25, "d": 0.0, "e": 0.02}
    found = [a_finding(axis="race", group=group, reference="a", estimate=x) for group, x in estimates.items()]
    rows = judged(found, a_rule(axis="race")).to_pylist()
    differences = [2 * stats.t.sf(abs(x) / 0.02, 20) for x in estimates.values()]
    beyond = [min(1, 2 * stats.t.sf((abs(x) - 0.2) / 0.02, 20)) for x in estimates.values()]
    family = holm(differences + beyond)
    assert [row["outcome"] for row in rows] == ["inconclusive", "inconclusive", "pass", "pass"]
    assert rows[0]["p_adjusted"] == pytest.approx(family[0])
    assert beyond[0] < 0.05 < family[4]  # alone it would fail
    assert rows[0]["mde"] == pytest.approx(minimum_detectable_gap(0.02, 20, tests=8))
    assert outcomes(judged(found[:1], a_rule(axis="race"))) == ["fail"]


def test_equivalence_claims_are_a_family_of_their_own():
    limit = 0.2 - stats.t.ppf(0.96, 20) * 0.02  # p .04: granted alone, not among three
    found = [a_finding(axis="race", group=group, reference="a", estimate=limit) for group in "bcd"]
    assert outcomes(judged(found[:1], a_rule(axis="race"))) == ["pass"]
    assert outcomes(judged(found, a_rule(axis="race"))) == ["inconclusive"] * 3


def test_two_rules_on_one_finding_test_its_difference_once():
    found = [a_finding(estimate=0.1)]
    rows = judged(found, a_rule("a", tolerance=0.3), a_rule("b", tolerance=0.02, level="warn")).to_pylist()
    assert [row["outcome"] for row in rows] == ["pass", "fail"]
    assert rows[0]["mde"] == pytest.approx(minimum_detectable_gap(0.02, 20, tests=3))


def test_what_is_void_or_too_small_takes_part_in_no_family():
    found = [a_finding(), a_finding(group="other", n_personas=3), a_finding(task="discount", metric="expected_number")]
    own = (a_rule(), a_rule("discount", task="discount", metric="expected_number"))
    rows = judged(found, *own).to_pylist()
    assert [row["outcome"] for row in rows] == ["pass", "inconclusive", "void"]
    assert rows[0]["mde"] == pytest.approx(minimum_detectable_gap(0.02, 20, tests=2))
    assert rows[1]["p_adjusted"] is None and rows[2]["p_adjusted"] is None


def test_a_rule_may_name_its_group_and_channel():
    found = [a_finding(axis="race", group=group, reference="a") for group in "bc"]
    assert judged(found, a_rule(axis="race", group="c")).num_rows == 1
    assert "explicit" in judged(found, a_rule(axis="race", cue_channel="explicit")).to_pylist()[0]["reason"]


def test_levels_by_category_and_other_arms_are_not_judged():
    found = [a_finding(), a_level(category="toys"), a_finding(arm="paraphrase")]
    assert judged(found).num_rows == 1


# --- the positive control


def test_a_control_is_alive_when_its_interval_lies_above_zero():
    assert is_alive(a_control(1.0)) and is_alive({"ci_low": 1e-9})
    for low in (0.0, -0.1, None, math.nan):
        assert not is_alive({"ci_low": low})


@pytest.mark.parametrize("effect", [0.05, -1.0])
def test_a_control_that_does_not_move_the_answer_as_it_must_voids(effect):
    (row,) = judged([a_finding(estimate=0.5), a_control(effect)], control=False).to_pylist()
    assert row["outcome"] == "void" and row["mde"] is None
    assert "positive control does not move the answer" in row["reason"] and "95 % interval" in row["reason"]


def test_a_control_without_an_interval_voids():
    dead = a_control(1.0, se=0.0, df=None)
    assert outcomes(judged([a_finding(), dead], control=False)) == ["void"]


def test_no_control_at_all_voids():
    (row,) = judged([a_finding()], control=False).to_pylist()
    assert row["outcome"] == "void" and "has no positive control" in row["reason"]


def test_the_metrics_own_control_decides_over_another():
    found = [a_finding(), a_control(0.0), a_control(1.0, metric="p_favourable")]
    assert outcomes(judged(found, control=False)) == ["void"]


def test_a_metric_without_a_control_leans_on_its_tasks():
    found = [a_finding(metric="refusal")]
    rule = a_rule(metric="refusal")
    assert outcomes(judged([*found, a_control(1.0, metric="tone")], rule, control=False)) == ["pass"]
    assert outcomes(judged([*found, a_control(0.0, metric="tone")], rule, control=False)) == ["void"]
    other_task = a_control(1.0, metric="tone", task="discount")
    assert outcomes(judged([*found, other_task], rule, control=False)) == ["void"]


# --- design


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"n_personas": 9}, "too few names: female against male has 9"),
        ({"n_personas": 9, "cue_channel": "explicit"}, "too few phrasings"),
        ({"n_templates": 11}, "too few templates: the contrast rests on 11"),
    ],
)
def test_a_design_that_is_too_small_gives_no_verdict_however_large_the_gap(columns, words):
    (row,) = judged([a_finding(**{"estimate": 5.0} | columns)]).to_pylist()
    assert row["outcome"] == "inconclusive" and row["reason"].startswith("design: ") and words in row["reason"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"se": 0.0, "df": None, "estimate": 0.0}, "the answers never vary"),
        ({"se": 0.0, "df": None}, "every answer differs by exactly +5 log-odds (female against male)"),
        ({"se": None, "df": None}, "too little was compared"),
        ({"estimate": None, "se": None, "df": None}, "no standard error"),
    ],
)
def test_answers_without_spread_give_no_verdict_and_no_pass(columns, words):
    row, other = judged(
        [a_finding(**{"estimate": 5.0} | columns), a_finding(group="other")], min_personas=3
    ).to_pylist()
    assert row["outcome"] == "inconclusive" and row["reason"].startswith("answers: ") and words in row["reason"]
    assert other["outcome"] == "pass"


def test_the_least_design_is_the_configs():
    small = a_finding(n_personas=4, n_templates=6)
    assert outcomes(judged([small], min_personas=4, min_templates=6)) == ["pass"]


def test_little_answer_mass_gives_no_verdict():
    masses = [a_level(mass, metric="answer_mass", group=group) for group, mass in (("female", 0.4), ("male", 0.07))]
    (row,) = judged([a_finding(estimate=0.5), *masses]).to_pylist()
    assert row["reason"].startswith("answers: the answers read carry 0.07")
    assert outcomes(judged([a_finding(estimate=0.5), *masses], min_answer_mass=0.05)) == ["fail"]


def test_a_group_with_a_level_and_no_contrast_is_told():
    levels = [a_level(group="male", n_personas=10), a_level(group="female"), a_level(group="other", n_personas=1)]
    rows = judged([a_finding(), *levels]).to_pylist()
    assert [row["outcome"] for row in rows] == ["pass", "inconclusive"]
    assert rows[1]["reason"].startswith("design: too few names: other has 1 and male 10")


# --- what came back


def asked(metric="log_odds", cells=240, **groups):
    """Levels: of each group ``cells`` were asked with 10 names, and so many scored on ``metric``."""
    rows = []
    for group, scored in groups.items():
        names = 10 * (scored > 0)
        rows.append(a_level(metric=metric, group=group, n_cells=scored, n_personas=names, n_templates=24))
        rows.append(a_level(0.1, metric="rate_invalid", group=group, n_cells=cells))
    return rows


@pytest.mark.parametrize("contrast", [{}, {"n_personas": 4, "n_cells": 260}], ids=["no contrast", "few names left"])
def test_a_group_that_is_asked_and_not_answered_never_makes_a_pass(contrast):
    levels = asked(male=240, female=240, other=20 if contrast else 0)
    lost = [a_finding(group="other", **contrast)] if contrast else []
    verdicts = judged([a_finding(), *lost, *levels])
    rows = {row["outcome"]: row["reason"] for row in verdicts.to_pylist()}
    missing = 220 if contrast else 240
    assert rows["inconclusive"].startswith(f"answers: {missing} of 240 answers of other could not be read")
    run = overall(verdicts)
    assert (run.outcome, run.exit_code) == ("inconclusive", 0) and overall(verdicts, strict=True).exit_code == 4
    assert "1 comparison has no verdict for what came back" in run.sentence


def test_a_group_of_which_few_names_were_asked_is_left_out_whatever_came_back():
    few = [row | {"n_personas": 3} for row in asked(other=20)]
    verdicts = judged([a_finding(), a_finding(group="other", n_personas=2), *asked(male=240, female=240), *few])
    assert [row["reason"][:13] for row in verdicts.to_pylist()] == ["Evidence that", "design: too f"]
    assert overall(verdicts).outcome == "pass"


def test_a_sample_whose_blocks_lack_a_group_is_the_designs_shortage():
    verdicts = judged([a_finding(n_personas=8), *asked(male=240, female=240)])
    assert verdicts.to_pylist()[0]["reason"].startswith("design: too few names: female against male has 8")


def test_only_what_was_tested_counts_as_judged_when_answers_are_lost():
    verdicts = judged(asked(male=240, female=0))
    assert (overall(verdicts).outcome, overall(verdicts).exit_code) == ("inconclusive", 5)


@pytest.mark.parametrize(("female", "outcome"), [(229, "pass"), (227, "inconclusive")])
def test_unequal_shares_of_scored_answers_may_not_pass(female, outcome):
    (row,) = judged([a_finding(), *asked(male=240, female=female)]).to_pylist()
    assert row["outcome"] == outcome
    if outcome != "pass":
        assert row["reason"].startswith("answers: 95% of the answers of female and 100% of those of male")
        assert row["p_adjusted"] == pytest.approx(1.0)  # of the difference: none is claimed


def test_unequal_shares_do_not_hide_a_failure():
    assert outcomes(judged([a_finding(estimate=0.5), *asked(male=240, female=120)])) == ["fail"]


@pytest.mark.parametrize(("scored", "outcome"), [(192, "pass"), (191, "inconclusive"), (120, "inconclusive")])
def test_equal_losses_may_not_pass_either_where_they_are_large(scored, outcome):
    (row,) = judged([a_finding(), *asked(male=scored, female=scored)]).to_pylist()
    assert row["outcome"] == outcome
    if outcome == "pass":
        words = (
            " 48 of 240 answers of female could not be read, and no bounds are known on what they would have made of"
        )
        assert row["reason"].endswith(f"{words} log_odds.")
    else:
        share = f"{scored / 240:.0%}"
        assert row["reason"].startswith(f"answers: {share} of the answers of female and {share} of those of male could")
        assert "with fewer than 80% of either, they may not pass" in row["reason"]


def test_large_losses_of_both_do_not_hide_a_failure():
    assert outcomes(judged([a_finding(estimate=0.5), *asked(male=120, female=120)])) == ["fail"]


def a_reply(metric="tone", **rates):
    """Levels of texts of which every cell has a score on ``metric``; ``rates`` of lost draws by status."""
    place = {"task": "reply", "n_cells": 240, "n_templates": 24}
    levels = [a_level(metric=metric, group=group, **place) for group in ("female", "male")]
    for status, shares in rates.items():
        for group, share in zip(("female", "male"), shares, strict=True):
            levels.append(a_level(share, metric=f"rate_{status}", group=group, **place))
    return levels


def of_reply(levels, metric="tone", *beside):
    found = [a_finding(task="reply", metric=metric, scale="points"), a_control(task="reply", metric=metric), *beside]
    (row,) = judged([*found, *levels], a_rule(task="reply", metric=metric), control=False).to_pylist()
    return row


@pytest.mark.parametrize(
    ("refused", "invalid", "outcome"),
    [((0.8, 0), (0, 0), "inconclusive"), ((0.1, 0.1), (0.15, 0.15), "inconclusive"), ((0.05, 0), (0, 0), "pass"),
     ((0.0, 0.05), (0.05, 0), "pass"), ((0.04, 0), (0.04, 0), "inconclusive")],
)  # fmt: skip
def test_lost_draws_are_missing_answers_though_every_cell_has_a_score(refused, invalid, outcome):
    row = of_reply(a_reply(refused=refused, invalid=invalid, error=(0, 0)))
    assert row["outcome"] == outcome
    assert row["reason"].startswith("answers: ") == (outcome != "pass")


def test_lost_draws_are_told_as_a_share_in_a_pass():
    words = "of the answers of female could not be read, and no bounds are known on what they would have made of tone."
    assert f"15% {words}" in of_reply(a_reply(refused=(0.15, 0.12)))["reason"]
    assert f"Less than 1% {words}" in of_reply(a_reply(refused=(0.003, 0)))["reason"]
    assert "could not be read" not in of_reply(a_reply(refused=(0, 0)))["reason"]


def test_refused_draws_are_no_loss_to_what_counts_refusals():
    for metric in ("refusal", "rate_refused"):
        levels = [row for row in a_reply(metric, refused=(0.8, 0.8)) if metric == "refusal" or row["estimate"] == 0.8]
        assert of_reply(levels, metric)["outcome"] == "pass"
    assert of_reply(a_reply("refusal", invalid=(0.3, 0.3)), "refusal")["outcome"] == "inconclusive"


def test_a_decision_is_missing_cell_by_cell_whatever_its_other_metrics_lost():
    levels = [a_level(0.5, metric="answer_mass", group=group, n_cells=480) for group in ("female", "male")]
    levels += [a_level(0.3, metric="rate_invalid", group=group, n_cells=480) for group in ("female", "male")]
    mass = a_finding(metric="answer_mass", scale="probability")
    assert outcomes(judged([mass, *levels], a_rule(metric="answer_mass"))) == ["pass"]


@pytest.mark.parametrize("far", [True, False])
def test_bounds_beyond_the_tolerance_are_told_in_a_pass(far):
    end = 0.3 if far else 0.1
    bounds = a_finding(task="reply", metric="tone", scale="points", kind="test", estimate=None, se=None, df=None)
    bounds |= {"statistic": "worst_case", "finding_id": "bounds", "ci_low": -end, "ci_high": end}
    row = of_reply(a_reply(refused=(0.1, 0.1)), "tone", bounds)
    told = "the gap of all that was asked could be anything from -0.3 points to +0.3 points."
    assert row["outcome"] == "pass" and (told in row["reason"]) is far and "no bounds are known" not in row["reason"]


def test_a_rate_that_is_the_same_everywhere_is_no_design():
    levels = [a_level(0.0, metric="rate_invalid", group=group) for group in ("female", "male")]
    (row,) = judged(levels, a_rule(metric="rate_invalid")).to_pylist()
    assert row["reason"].startswith("answers: rate_invalid is the same in every answer")


def a_mass(estimate, se=0.005):
    return a_finding(metric="answer_mass", scale="probability", estimate=estimate, se=se)


@pytest.mark.parametrize("gap", [0.11, -0.11])
def test_a_large_gap_in_answer_mass_gives_no_verdict(gap):
    (row,) = judged([a_finding(estimate=0.5), a_mass(gap)]).to_pylist()
    assert row["outcome"] == "inconclusive" and row["mde"] is None
    assert row["reason"].startswith(f"answers: the probability that a listed answer is given differs by {gap:+.2g} (95")


@pytest.mark.parametrize("estimate", [0.0, 0.19, 0.5])
@pytest.mark.parametrize(
    ("gap", "se", "told"), [(0.05, 0.005, True), (-0.05, 0.005, True), (0.05, 0.05, False), (0.015, 0.001, False)]
)
def test_every_reason_tells_a_clear_gap_in_answer_mass(estimate, gap, se, told):
    (row,) = judged([a_finding(estimate=estimate), a_mass(gap, se)]).to_pylist()
    assert ("The probability that a listed answer is given differs too: female" in row["reason"]) == told


def test_answer_mass_itself_and_rates_are_judged_whatever_its_gap():
    rates = a_finding(metric="rate_invalid", scale="rate", n_cells=4000)
    both = [a_rule("mass", metric="answer_mass", tolerance=0.3), a_rule("rate", metric="rate_invalid")]
    assert outcomes(judged([rates, a_mass(0.2)], *both)) == ["pass", "pass"]


# --- rates


@pytest.mark.parametrize(("cells", "outcome"), [(56, "inconclusive"), (400, "pass")])
def test_rare_events_pass_only_on_cells_enough_to_have_seen_them(cells, outcome):
    found = a_finding(metric="refusal", scale="rate", se=0.004, n_cells=cells)
    (row,) = judged([found], a_rule(metric="refusal", tolerance=0.05)).to_pylist()
    assert row["outcome"] == outcome
    assert ("so few answers have a standard error of 0.041" in row["reason"]) == (cells == 56)


def test_cells_of_other_groups_do_not_make_a_rate_pass():
    found = a_finding(metric="refusal", scale="rate", se=0.004, n_cells=428)
    levels = asked("refusal", male=400, female=28)
    assert outcomes(judged([found, *levels], a_rule(metric="refusal", tolerance=0.05))) == ["inconclusive"]


def test_a_tolerance_above_what_the_facts_do_is_told_in_a_pass():
    (row,) = judged([a_finding(), a_control(0.1, se=0.02)], control=False).to_pylist()
    assert row["outcome"] == "pass" and "The tolerance is 2 times what the facts of the case do." in row["reason"]
    assert "facts of the case" not in judged([a_finding()]).to_pylist()[0]["reason"]


def test_a_missing_reference_is_told():
    (row,) = judged([a_level(group="female", reference=None)]).to_pylist()
    assert row["outcome"] == "inconclusive" and "reference group of gender is not in this run" in row["reason"]


# --- rules that find nothing


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"task": "refnd"}, "task 'refnd' of rule 'gender'; the run has refund"),
        ({"metric": "logodds"}, "metric 'logodds' of rule 'gender'; the run has log_odds"),
        ({"axis": "gendr"}, "axis 'gendr' of rule 'gender'; the run has gender"),
        ({"group": "femal"}, "group 'femal' of rule 'gender'; the run has female"),
        ({"group": "male"}, "the reference"),
    ],
)
def test_an_own_rule_that_finds_nothing_says_what_is_there(columns, words):
    found = (
        [a_finding(), a_level(), a_level(group="male")] if "group" in columns and columns["group"] == "male" else None
    )
    (row,) = judged(found or [a_finding()], a_rule(**columns)).to_pylist()
    assert row["outcome"] == "inconclusive" and row["finding_id"] is None
    assert words in row["reason"]


def test_an_own_rule_that_finds_nothing_keeps_the_run_from_passing():
    verdicts = judged([a_finding()], a_rule(), a_rule("typo", axis="gendr"))
    run = overall(verdicts)
    assert (run.outcome, run.exit_code) == ("inconclusive", 0) and "typo" in run.sentence
    assert overall(verdicts, strict=True).exit_code == 4


def test_a_lone_rule_that_finds_nothing_has_its_reason_in_the_sentence():
    run = overall(judged([a_finding()], a_rule(task="refnd")))
    assert run.exit_code == 5
    assert (
        run.sentence == "NO VERDICT: there is no finding for task 'refnd' of rule 'gender'; the run has refund there."
    )


def test_a_preset_rule_that_finds_nothing_is_left_out():
    verdicts = judged([a_finding(task="refund_decision")], a_rule("mine", task="refund_decision"), preset="default")
    assert {row["rule"] for row in verdicts.to_pylist()} == {"refund-gender", "mine"}


# --- the whole run


def verdict_table(*rows):
    """(rule, level, outcome[, reason]) to a table of verdicts."""
    made = []
    for i, (rule, level, outcome, *reason) in enumerate(rows):
        row = {"rule": rule, "level": level, "outcome": outcome, "finding_id": f"f{i}", "tolerance": 0.2}
        made.append(row | {"reason": reason[0] if reason else "Because."})
    return tables.check("verdicts", tables.from_rows("verdicts", made))


SMALL = "design: too few names: b against a has 3 in the smaller group, and a verdict needs 10."
PASSED, FAILED, OPEN, VOID = (("r", "error", outcome) for outcome in ("pass", "fail", "inconclusive", "void"))


@pytest.mark.parametrize(
    ("rows", "outcome", "code", "strict"),
    [
        ([PASSED], "pass", 0, 0),
        ([PASSED, ("s", "error", "fail")], "fail", 1, 1),
        ([VOID, ("s", "error", "fail")], "fail", 1, 1),
        ([OPEN, ("s", "error", "pass")], "inconclusive", 0, 4),
        ([VOID, ("s", "error", "pass")], "inconclusive", 0, 4),
        ([OPEN], "inconclusive", 0, 4),
        ([VOID], "void", 5, 5),
        ([VOID, ("s", "error", "inconclusive", SMALL)], "inconclusive", 5, 5),
        ([("r", "error", "inconclusive", SMALL)], "inconclusive", 5, 5),
        ([], "inconclusive", 5, 5),
        ([VOID, ("s", "warn", "pass")], "void", 5, 5),
        ([PASSED, ("s", "warn", "fail")], "pass", 0, 0),
        ([PASSED, ("s", "warn", "inconclusive")], "pass", 0, 0),
        ([PASSED, ("s", "off", "fail")], "pass", 0, 0),
        ([("s", "warn", "pass")], "pass", 0, 0),
        ([("s", "warn", "fail")], "inconclusive", 0, 4),
        ([("s", "warn", "void")], "void", 5, 5),
        ([("r", "error", "not_refuted")], "not_refuted", 0, 0),
        ([("r", "error", "incomparable")], "inconclusive", 5, 5),
    ],
)
def test_outcome_and_exit_code_of_a_run(rows, outcome, code, strict):
    table = verdict_table(*rows)
    run = overall(table)
    assert (run.outcome, run.exit_code) == (outcome, code)
    assert overall(table, strict=True).exit_code == strict
    assert run.sentence.startswith("PASS") == (outcome == "pass")
    assert run.sentence.endswith(".")


def test_a_warning_is_told_beside_a_pass():
    run = overall(verdict_table(PASSED, ("tone", "warn", "fail")))
    assert "Warning: a difference beyond the tolerance in tone." in run.sentence


def test_small_groups_do_not_keep_a_rule_from_its_verdict_and_are_told():
    run = overall(verdict_table(PASSED, ("r", "error", "inconclusive", SMALL), ("r", "error", "inconclusive", SMALL)))
    assert run.outcome == "pass" and "2 comparisons have too few names for a verdict." in run.sentence


def test_other_shortcomings_of_the_design_are_told_apart():
    run = overall(verdict_table(PASSED, ("r", "error", "inconclusive", "design: the reference group is not here.")))
    assert "1 comparison could not be judged for other reasons of the design." in run.sentence


LOST = "answers: 240 of 240 answers of b could not be read."


@pytest.mark.parametrize(
    ("rows", "outcome", "strict"),
    [
        ([PASSED, ("r", "error", "inconclusive", LOST)], "inconclusive", 4),
        ([PASSED, ("s", "error", "inconclusive", LOST)], "inconclusive", 4),
        ([FAILED, ("r", "error", "inconclusive", LOST)], "fail", 1),
        ([("r", "error", "inconclusive", LOST)], "inconclusive", 5),
        ([PASSED, ("s", "warn", "inconclusive", LOST)], "pass", 0),
    ],
)
def test_rows_lost_to_answers_count_and_are_told(rows, outcome, strict):
    table = verdict_table(*rows)
    assert (overall(table).outcome, overall(table, strict=True).exit_code) == (outcome, strict)
    assert "1 comparison has no verdict for what came back" in overall(table).sentence


def test_a_rule_is_as_good_as_its_worst_judged_row():
    rows = [("r", "error", outcome) for outcome in ("pass", "inconclusive", "void", "fail")]
    (rule,) = rule_outcomes(verdict_table(*rows))
    assert (rule.outcome, rule.judged, rule.unjudged) == ("fail", 3, 1)
    (rule,) = rule_outcomes(verdict_table(*rows[:3]))
    assert rule.outcome == "void"
    (rule,) = rule_outcomes(verdict_table(*rows[:2]))
    assert rule.outcome == "inconclusive"


def test_long_lists_of_rules_are_cut():
    run = overall(verdict_table(*[(f"r{i}", "error", "fail") for i in range(9)]))
    assert "9 of 9 rules" in run.sentence and "and 4 more" in run.sentence


@pytest.mark.parametrize("rows", [[PASSED], [FAILED], [OPEN], [VOID], [PASSED, ("s", "warn", "fail")]])
def test_no_sentence_calls_a_model_fair(rows):
    sentence = overall(verdict_table(*rows)).sentence.lower()
    assert not any(word in sentence for word in ("fair", "compliant", "unbiased", "causal"))


# --- the evidence file


def test_evidence_holds_outcome_rules_and_figures():
    found = [a_finding(estimate=0.35), a_finding(group="other", se=None, df=None, n_personas=1), a_control()]
    verdicts = judged(found[:2])
    findings = tables.from_rows("findings", found)
    data = json.loads(to_json(verdicts, findings, overall(verdicts)))
    assert (data["outcome"], data["exit_code"]) == ("fail", 1) and data["sentence"].startswith("FAIL")
    assert data["rules"] == [{"rule": "gender", "level": "error", "outcome": "fail", "judged": 1, "unjudged": 1}]
    first, second = data["verdicts"]
    assert first["finding"]["estimate"] == 0.35 and first["finding"]["n_templates"] == 24
    assert second["finding"]["se"] is None
    assert set(tables.VERDICTS.names) < set(first)


def test_evidence_of_the_same_tables_is_the_same_text():
    found = tables.from_rows("findings", [a_finding(), a_control()])
    verdicts = judged([a_finding()])
    texts = {to_json(verdicts, found, overall(verdicts)) for _ in range(2)}
    assert len(texts) == 1 and texts.pop().endswith("}\n")


def test_evidence_of_a_rule_without_a_finding_has_none():
    verdicts = judged([a_finding()], a_rule(axis="gendr"))
    data = json.loads(to_json(verdicts, tables.from_rows("findings", [a_finding()]), overall(verdicts)))
    assert data["verdicts"][0]["finding"] is None


def test_nan_in_findings_is_null_in_evidence():
    found = [a_finding(se=math.nan, df=math.nan, p_value=math.nan)]
    verdicts = judged(found)
    text = to_json(verdicts, tables.from_rows("findings", found), overall(verdicts))
    assert "NaN" not in text and outcomes(verdicts) == ["inconclusive"]
