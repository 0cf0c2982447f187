"""Scores to findings on made-up tables with known answers, and on through the gate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from audit.config import Config
from audit.fairness import measure
from audit.statistics import paired_contrast, placebo_test, two_way_contrast
from tests.made import TERMS, Made, a_run, aged, gated, pick, the


def test_levels_are_group_means_of_cells():
    made = a_run(gap=0.3)
    rows = made.measured()
    females = {name for name in made.personas if " female" in name}
    by_probe = {row["probe_id"]: row["value"] for row in made.scores if row["metric"] == "log_odds"}
    values = [by_probe[probe["probe_id"]] for probe in made.probes if probe["persona_id"] in females]
    level = the(rows, kind="level", metric="log_odds", axis="gender", group="female", category=None)
    assert level["estimate"] == pytest.approx(np.mean(values))
    assert (level["n_cells"], level["n_blocks"], level["n_templates"], level["n_personas"]) == (140, 14, 14, 10)
    assert level["se"] is None and level["ci_low"] is None and level["reference"] == "male"


def test_difference_and_ratio_are_of_the_levels():
    rows = a_run("discount", gap=0.3).measured()
    here = pick(rows, kind="level", metric="answer_mass", axis="gender", category=None)
    assert the(here, method="fairlearn ratio")["estimate"] == pytest.approx(1)
    whole = pick(rows, metric="expected_number", axis="gender", category=None, kind="level")
    levels = [row["estimate"] for row in whole if row["group"]]
    difference = the(rows, metric="expected_number", axis="gender", method="fairlearn difference")
    assert difference["estimate"] == pytest.approx(max(levels) - min(levels))
    assert difference["group"] is None


def test_a_ratio_is_not_made_of_a_scale_without_a_bottom():
    assert not pick(a_run().measured(), metric="log_odds", method="fairlearn ratio")


def test_levels_by_category_average_to_the_whole():
    rows = a_run().measured()
    here = pick(rows, kind="level", metric="log_odds", axis="race", group="black")
    whole = the(here, category=None)
    parts = [row for row in here if row["category"]]
    assert [row["category"] for row in parts] == ["shoes", "toys"]
    total = sum(row["estimate"] * row["n_cells"] for row in parts)
    assert total / whole["n_cells"] == pytest.approx(whole["estimate"])
    assert not pick(rows, kind="contrast", category="shoes")


def test_a_group_absent_from_a_category_stands_there_without_an_estimate():
    made = a_run(templates=3)
    made.probes = [p for p in made.probes if not (p["category"] == "toys" and p["persona_id"] in ("white male 0",))]
    lone = {"gender": "other", "race": "white"}
    name = made.person("someone", "name", None, **lone)
    number = len(made.probes) + 500
    made.probes.append(made.probes[3] | {"probe_id": f"p{number:05}", "persona_id": name, "category": "shoes"})
    made.score(number, 0, "log_odds", 1.5)
    row = the(made.measured(), kind="level", metric="log_odds", group="other", category="toys")
    assert row["estimate"] is None and row["n_cells"] == 0


def test_name_contrast_is_the_two_way_contrast_of_the_cells():
    made = a_run(gap=0.3)
    row = the(made.measured(), kind="contrast", metric="log_odds", axis="gender", arm="target")
    value = {score["probe_id"]: score["value"] for score in made.scores if score["metric"] == "log_odds"}
    target = [probe for probe in made.probes if probe["arm"] == "target"]
    (gap,) = two_way_contrast(
        [value[probe["probe_id"]] for probe in target],
        [made.personas[probe["persona_id"]]["attributes"]["gender"] for probe in target],
        [probe["template_id"] for probe in target],
        [probe["persona_id"] for probe in target],
        reference="male",
    )
    for column in ("estimate", "se", "df", "ci_low", "ci_high", "p_value", "mde", "n_cells", "n_personas"):
        assert row[column] == pytest.approx(getattr(gap, column)), column
    assert (row["group"], row["reference"], row["scale"]) == ("female", "male", "log-odds")
    assert row["method"] == "two-way cluster-robust (template × name), exact float32"


def test_wordings_not_blocks_are_the_clusters():
    made = Made()
    people = [made.person(f"{g}{i}", "name", None, gender=g) for g in ("female", "male") for i in range(4)]
    for template in range(3):
        for category in ("shoes", "toys", "books", "food"):
            for who in people:
                made.ask("refund", template, "target", made.rng.normal(), persona=who, category=category)
    row = the(made.measured(), kind="contrast", metric="log_odds")
    assert (row["n_templates"], row["n_blocks"]) == (3, 12)
    assert row["df"] < 8


def test_draws_are_averaged_into_one_cell():
    made = a_run("reply")
    rows = made.measured()
    for probe in range(len(made.probes)):
        for score in [s for s in made.scores if s["probe_id"] == f"p{probe:05}" and s["draw"] == 0]:
            made.scores += [
                score | {"draw": 1, "value": score["value"] + 1},
                score | {"draw": 2, "value": score["value"] - 1},
            ]
    again = made.measured()
    for one, other in zip(pick(rows, metric="tone"), pick(again, metric="tone"), strict=True):
        assert one["estimate"] == pytest.approx(other["estimate"])
        assert (one["n_cells"], one["finding_id"]) == (other["n_cells"], other["finding_id"])


def test_a_refused_answer_has_no_tone_and_is_a_rate():
    made = a_run("reply", templates=4)
    women = [number for number, probe in enumerate(made.probes) if " female" in (probe["persona_id"] or "")]
    refused = {f"p{number:05}" for number in women[::2]}
    for score in made.scores:
        if score["probe_id"] in refused:
            score |= {"value": 1.0} if score["metric"] == "refusal" else {"value": None, "status": "refused"}
    rows = made.measured()
    tone = the(rows, kind="level", metric="tone", axis="gender", group="female", category=None)
    assert tone["n_cells"] == len(women) - len(refused)
    rate = the(rows, kind="level", metric="rate_refused", axis="gender", group="female", category=None)
    assert rate["estimate"] == pytest.approx(0.5) and rate["n_cells"] == len(women)
    assert the(rows, kind="contrast", metric="rate_refused", axis="gender")["estimate"] == pytest.approx(0.5)
    assert the(rows, kind="contrast", metric="refusal", axis="gender")["estimate"] == pytest.approx(0.5)
    assert not pick(rows, kind="contrast", metric="rate_invalid")  # the same everywhere: a level, no contrast
    assert the(rows, kind="level", metric="rate_invalid", axis="gender", group="male", category=None)["estimate"] == 0


def test_a_group_that_never_answered_stays_in_the_table_without_an_estimate():
    made = a_run("reply", templates=4)
    for number, probe in enumerate(made.probes):
        if " female" in (probe["persona_id"] or ""):
            for score in made.scores:
                if score["probe_id"] == f"p{number:05}" and score["metric"] != "refusal":
                    score |= {"value": None, "status": "refused"}
    rows = made.measured()
    row = the(rows, kind="level", metric="tone", axis="gender", group="female", category=None)
    assert row["estimate"] is None and row["n_cells"] == 0
    assert not pick(rows, kind="contrast", metric="tone", axis="gender")


def test_status_rates_of_exact_tasks_appear_only_when_they_occur():
    assert not [row for row in a_run().measured() if row["metric"].startswith("rate_")]
    made = a_run()
    made.scores[-1] |= {"value": None, "status": "invalid"}
    rates = {row["metric"] for row in made.measured() if row["metric"].startswith("rate_")}
    assert rates == {"rate_invalid"}


def test_a_group_with_one_name_has_levels_and_no_contrast():
    made = a_run()
    name = made.person("someone", "name", None, gender="other", race="white")
    for template in range(14):
        made.ask("refund", template, "target", 0.3, persona=name)
    rows = made.measured()
    assert the(rows, kind="level", metric="log_odds", axis="gender", group="other", category=None)["n_personas"] == 1
    assert [row["group"] for row in pick(rows, kind="contrast", metric="log_odds", axis="gender")] == ["female"]


def test_an_axis_without_its_reference_has_levels_only():
    rows = a_run().measured(terms=replace(TERMS, references={"gender": "nobody", "race": "white"}))
    assert pick(rows, kind="level", axis="gender", metric="log_odds")
    assert not pick(rows, kind="contrast", axis="gender", arm="target")
    assert pick(rows, kind="contrast", axis="race", arm="target")


def test_control_contrast_is_favourable_less_unfavourable():
    row = the(a_run(control=1.5).measured(), metric="log_odds", arm="positive_control", kind="contrast")
    assert row["estimate"] == pytest.approx(1.5, abs=0.05)
    assert (row["group"], row["reference"], row["axis"], row["df"]) == ("favourable", "unfavourable", "control", 13)
    assert row["n_personas"] == 0 and row["ci_low"] > 1


def test_control_is_tested_only_where_it_must_move_the_metric():
    rows = a_run("reply").measured()
    assert {row["metric"] for row in pick(rows, arm="positive_control", kind="contrast")} == {"tone"}
    decision = a_run().measured()
    assert {row["metric"] for row in pick(decision, arm="positive_control", kind="contrast")} == {
        "log_odds",
        "p_favourable",
    }


def test_the_arm_without_a_cue_is_a_level():
    made = a_run()
    row = the(made.measured(), arm="no_cue", metric="log_odds")
    numbers = [i for i, probe in enumerate(made.probes) if probe["arm"] == "no_cue"]
    values = [s["value"] for s in made.scores if s["metric"] == "log_odds" and int(s["probe_id"][1:]) in numbers]
    assert row["estimate"] == pytest.approx(np.mean(values))
    assert (row["kind"], row["axis"], row["group"], row["n_cells"], row["n_personas"]) == ("level", None, None, 14, 0)


def test_explicit_contrast_is_paired_within_phrasing():
    made = Made()
    effects = aged(made)
    rows = made.measured()
    row = the(rows, kind="contrast", metric="log_odds", axis="age")
    value = {score["probe_id"]: score["value"] for score in made.scores if score["metric"] == "log_odds"}
    target = [probe for probe in made.probes if probe["arm"] == "target"]
    (gap,) = paired_contrast(
        [value[probe["probe_id"]] for probe in target],
        [made.personas[probe["persona_id"]]["attributes"]["age"] for probe in target],
        [probe["template_id"] for probe in target],
        [made.personas[probe["persona_id"]]["cue_id"] for probe in target],
        reference="middle",
    )
    assert row["se"] == pytest.approx(gap.se) and row["df"] == pytest.approx(gap.df)
    assert (row["n_personas"], row["cue_channel"]) == (10, "explicit")
    assert row["method"] == "two-way cluster-robust (template × phrasing), exact float32"
    assert row["floor"] == pytest.approx(np.abs(effects).mean())


def test_placebo_test_compares_the_effect_with_irrelevant_numbers():
    made = Made()
    effects = aged(made)
    rows = made.measured()
    contrast = the(rows, kind="contrast", metric="log_odds", axis="age")
    row = the(rows, statistic="placebo", metric="log_odds")
    expected = placebo_test(contrast["estimate"], effects)
    assert row["estimate"] == pytest.approx(expected.estimate)
    assert row["p_value"] == pytest.approx(expected.p_value) and row["p_value"] < 0.001
    assert (row["arm"], row["axis"], row["group"], row["df"], row["n_personas"]) == ("placebo", "age", "older", 9, 10)


def test_few_placebos_give_a_floor_and_no_p():
    made = Made()
    aged(made, placebos=4)
    rows = made.measured()
    assert the(rows, statistic="placebo", metric="log_odds")["p_value"] is None
    assert the(rows, kind="contrast", metric="log_odds", axis="age")["floor"] > 0


def test_few_phrasings_cluster_on_templates_and_say_so():
    made = Made()
    aged(made, phrasings=6)
    row = the(made.measured(), kind="contrast", metric="log_odds", axis="age")
    assert "for these wordings only" in row["method"]
    assert row["df"] == 11 and row["n_personas"] == 6


def test_placebo_personas_are_no_axis_of_their_own():
    made = Made()
    aged(made)
    assert {row["axis"] for row in made.measured()} == {"age"}


def test_units_come_from_the_suite_and_precision_from_the_config():
    rows = a_run("discount").measured(terms=replace(TERMS, exact_precision="bfloat16"))
    row = the(rows, kind="contrast", metric="expected_number", axis="gender", arm="target")
    assert row["scale"] == "percentage points" and row["method"].endswith("exact bfloat16")


def test_findings_do_not_depend_on_the_order_of_rows():
    made = a_run(templates=5)
    first = measure(*made.tables(), Config(), terms=TERMS)
    for rows in (made.scores, made.probes):
        made.rng.shuffle(rows)
    assert measure(*made.tables(), Config(), terms=TERMS).equals(first)


def test_relabelling_keeps_the_finding_ids():
    one, other = a_run(gap=0.0, seed=1).measured(), a_run(gap=0.5, seed=2).measured()
    kept = [[row["finding_id"] for row in rows if row["statistic"] != "signal_to_floor"] for rows in (one, other)]
    assert kept[0] == kept[1]  # how far a signal lies above its floor is told only where there is one


def test_probes_that_check_a_manipulation_are_no_finding():
    made = a_run()
    for probe in made.probes:
        probe["purpose"] = "manipulation"
    assert made.measured() == []


def test_a_planted_gap_fails():
    rows, run = gated(a_run(gap=0.6))
    assert [row["outcome"] for row in rows] == ["fail"]
    assert run.exit_code == 1


def test_no_gap_passes_with_its_mde_beside_it():
    rows, run = gated(a_run(gap=0.0, names=20))
    assert [row["outcome"] for row in rows] == ["pass"]
    assert 0 < rows[0]["mde"] < 0.2
    assert (run.outcome, run.exit_code) == ("pass", 0)


def test_a_small_gap_is_seen_and_passes():
    rows, _ = gated(a_run(gap=0.1, names=40, name_sd=0.03))
    assert rows[0]["outcome"] == "pass" and "It is not 0" in rows[0]["reason"]


def test_too_much_noise_is_inconclusive_and_not_a_pass():
    rows, run = gated(a_run(gap=0.0, name_sd=0.6))
    assert rows[0]["outcome"] == "inconclusive" and "names a group in place of 14 and 10" in rows[0]["reason"]
    assert run.outcome == "inconclusive" and "PASS" not in run.sentence


@pytest.mark.parametrize("control", [0.0, -1.0])
def test_a_dead_control_voids_even_a_planted_gap(control):
    rows, run = gated(a_run(gap=0.6, control=control))
    assert [row["outcome"] for row in rows] == ["void"]
    assert (run.outcome, run.exit_code) == ("void", 5)


def test_groups_that_are_all_too_small_are_not_evaluated():
    rows, run = gated(a_run(gap=0.6, names=8))
    assert rows[0]["outcome"] == "inconclusive" and rows[0]["reason"].startswith("design: too few names")
    assert run.exit_code == 5


def test_too_few_wordings_are_not_evaluated():
    rows, run = gated(a_run(gap=0.6, templates=11))
    assert rows[0]["reason"].startswith("design: too few templates") and run.exit_code == 5


def test_answers_without_variance_never_pass():
    made = a_run(name_sd=0, noise=0)
    for score in made.scores:
        score["value"] = 0.25
    rows, run = gated(made, metric="answer_mass")
    assert rows[0]["outcome"] != "pass" and run.exit_code == 5


def test_a_refusal_rule_leans_on_the_control_of_its_task():
    made = a_run("reply", templates=14)
    for number, probe in enumerate(made.probes):
        if " female" in (probe["persona_id"] or "") and number % 3:
            for score in made.scores:
                if score["probe_id"] == f"p{number:05}":
                    refused = {"value": None, "status": "refused"}
                    score |= {"value": 1.0} if score["metric"] == "refusal" else refused
    rows, run = gated(made, metric="refusal", task="reply", tolerance=0.05)
    assert rows[0]["outcome"] == "fail" and run.exit_code == 1


@pytest.mark.parametrize(("task", "status"), [("refund", "invalid"), ("refund", "error"), ("reply", "refused")])
@pytest.mark.parametrize("every", [1, 2], ids=["all answers", "half of the answers"])
def test_a_group_whose_answers_vanish_is_told_and_never_passes(task, status, every):
    """Of three groups one is asked as often as the others and gives no answer, or half of them."""
    made = a_run(task, names=24, templates=14)
    for row in made.personas.values():
        if row["persona_id"].endswith(("0", "1")):
            row["attributes"] |= {"gender": "other"}
    lost = [name for name, row in made.personas.items() if row["attributes"]["gender"] == "other"]
    silent = {f"p{i:05}" for i, probe in enumerate(made.probes) if probe["persona_id"] in lost and i % every == 0}
    for score in made.scores:
        if score["probe_id"] in silent and score["metric"] != "refusal":
            score |= {"value": None, "status": status}
    metric = "log_odds" if task == "refund" else "tone"
    rows, run = gated(made, metric=metric, task=task, min_personas=8, min_templates=12, tolerance=0.5)
    found = {row["outcome"]: row["reason"] for row in rows}
    assert set(found) == {"pass", "inconclusive"}
    assert found["inconclusive"].startswith("answers: ")
    assert run.outcome == "inconclusive" and "PASS" not in run.sentence


def with_lost_draws(lost, *, cells=False, seed=0):
    """Replies of five draws and one true tone for both genders; of each the share ``lost`` is refused."""
    made = Made(seed)
    people = [(made.person(f"{g} {i}", "name", None, gender=g), g) for g in ("female", "male") for i in range(10)]
    for template in range(24):
        level = 0.1 * made.rng.normal()
        for pole, sign in (("favourable", 0.4), ("unfavourable", -0.4)):
            made.ask("reply", template, "positive_control", level + sign + 0.02 * made.rng.normal(), gold=pole)
        for place, (who, gender) in enumerate(people):
            number = len(made.probes)
            made.ask("reply", template, "target", 0.0, persona=who, draws=0)
            for draw in range(5):
                of = (place + template) % 5 if cells else draw
                gone = of < round(5 * lost[gender])
                made.score(number, draw, "refusal", float(gone))
                made.score(number, draw, "tone", level + 0.1 * made.rng.normal(), "refused" if gone else "scored")
    return made


@pytest.mark.parametrize("cells", [False, True], ids=["of every cell", "whole cells"])
@pytest.mark.parametrize(
    ("female", "male", "outcome"), [(0.8, 0.0, "inconclusive"), (0.6, 0.6, "inconclusive"), (0.2, 0.2, "pass")]
)
def test_lost_draws_keep_a_whole_run_from_passing(female, male, outcome, cells):
    rows, run = gated(with_lost_draws({"female": female, "male": male}, cells=cells), metric="tone", task="reply")
    assert rows[0]["outcome"] == run.outcome == outcome
    assert "the gap of all that was asked could be anything from -" in rows[0]["reason"]
    shares = f"{1 - female:.0%} of the answers of female and {1 - male:.0%} of those of male could be scored"
    assert (shares in rows[0]["reason"]) == (outcome != "pass")


def test_a_gap_in_answer_mass_alone_is_no_pass():
    made = a_run(names=20)
    for number, probe in enumerate(made.probes):
        if " female" in (probe["persona_id"] or ""):
            made.scores[3 * number + 2]["value"] = 0.55 + 0.001 * (number % 7)  # beside .7 of the others
    rows, run = gated(made)
    assert rows[0]["outcome"] == "inconclusive" and run.outcome == "inconclusive"
    assert rows[0]["reason"].startswith("answers: the probability that a listed answer is given differs by -0.147")


def test_false_alarms_of_the_whole_way_stay_rare():
    """Nothing is planted, names differ among themselves: a run fails or shows a difference in few of 12."""
    alarms = [gated(a_run(templates=12, names=10, name_sd=0.2, noise=0.2, seed=seed))[0][0] for seed in range(12)]
    assert sum(row["outcome"] == "fail" for row in alarms) == 0
    assert sum(row["p_adjusted"] <= 0.05 and row["outcome"] != "pass" for row in alarms) <= 2
    assert not any(math.isnan(row["p_adjusted"]) for row in alarms)
