"""Ratios of means and quantiles as contrasts of their own, under names that a rule can use."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from audit.fairness.metrics import DERIVED, base_metric
from audit.statistics import paired_ratio_contrast, quantile_contrast, ratio_contrast
from tests.made import TERMS, Made, a_run, aged, pick, the


def columns_of(made, metric, axis="gender"):
    value = {score["probe_id"]: score["value"] for score in made.scores if score["metric"] == metric}
    target = [probe for probe in made.probes if probe["arm"] == "target"]
    who = [made.personas[probe["persona_id"]] for probe in target]
    return (
        np.array([value[probe["probe_id"]] for probe in target], float),
        [person["attributes"][axis] for person in who],
        [probe["template_id"] for probe in target],
        [person["cue_id"] or person["persona_id"] for person in who],
    )


def same(row, gap):
    for column in ("estimate", "se", "df", "ci_low", "ci_high", "p_value", "mde", "n_cells", "n_personas"):
        assert row[column] == pytest.approx(getattr(gap, column)), column


def test_the_ratio_of_a_probability_is_a_contrast_on_the_log_scale():
    made = a_run(gap=-0.5)
    row = the(made.measured(), metric="p_favourable:ratio", axis="gender")
    (gap,) = ratio_contrast(*columns_of(made, "p_favourable"), reference="male")
    same(row, gap)
    assert (row["statistic"], row["kind"], row["scale"]) == ("contrast", "contrast", "log-ratio")
    assert row["estimate"] < 0 and row["method"].startswith("log-ratio of means, two-way cluster-robust")


def test_the_ratio_of_explicit_cues_is_paired():
    made = Made()
    aged(made, gap=-0.5)
    row = the(made.measured(), metric="p_favourable:ratio", axis="age")
    (gap,) = paired_ratio_contrast(*columns_of(made, "p_favourable", "age"), reference="middle")
    same(row, gap)
    assert row["cue_channel"] == "explicit" and "template × phrasing" in row["method"]


def test_a_metric_without_a_bottom_has_no_ratio():
    assert not {"log_odds:ratio", "answer_mass:ratio"} & {row["metric"] for row in a_run().measured()}
    discount = a_run("discount").measured()  # its values are drawn around 0, so that some lie below
    assert not pick(discount, metric="expected_number:ratio")
    assert not pick(a_run("reply").measured(), metric="tone:ratio")


def test_a_group_whose_mean_is_0_has_no_ratio_and_the_others_keep_theirs():
    made = a_run("reply", templates=6)
    for number, probe in enumerate(made.probes):
        lost = " female" in (probe["persona_id"] or "") and "black" in probe["persona_id"] and number % 2
        for score in made.scores:
            if lost and score["probe_id"] == f"p{number:05}" and score["metric"] == "refusal":
                score["value"] = 1.0
    rows = made.measured()
    assert not pick(rows, metric="refusal:ratio", axis="race")  # the reference never refuses
    assert not pick(rows, metric="refusal:ratio", axis="gender")
    assert pick(rows, metric="refusal", axis="race", statistic="contrast")


@pytest.mark.parametrize(("what", "q"), [("q10", 0.1), ("q90", 0.9)])
@pytest.mark.parametrize(("task", "metric"), [("discount", "expected_number"), ("reply", "tone")])
def test_quantiles_of_numbers_and_tone_are_contrasts(task, metric, what, q):
    made = a_run(task, gap=0.4, templates=6)
    row = the(made.measured(), metric=f"{metric}:{what}", axis="gender")
    (gap,) = quantile_contrast(*columns_of(made, metric), reference="male", q=q)
    assert row["estimate"] == pytest.approx(gap.estimate)
    assert row["se"] == pytest.approx(gap.se, rel=0.2)  # draws go to other templates and names when labels are codes
    assert row["scale"] == ("percentage points" if task == "discount" else "VADER compound")
    assert "two-way bootstrap (template × name), 2000 draws" in row["method"]


def test_explicit_cues_have_no_quantiles():
    made = Made()
    aged(made)
    for probe in made.probes:
        probe["output_form"], probe["task"] = "number", "discount"
    for score in made.scores:
        score["metric"] = {"log_odds": "expected_number", "p_favourable": "p_at_least"}.get(
            score["metric"], score["metric"]
        )
    rows = made.measured()
    assert pick(rows, metric="p_at_least:ratio", axis="age")
    assert not [row for row in rows if row["metric"].startswith("expected_number:q")]


def test_no_derived_metric_hides_among_the_levels():
    rows = a_run("reply", gap=0.4).measured()
    assert {row["statistic"] for row in rows if ":" in row["metric"]} == {"contrast"}
    assert {row["metric"] for row in rows if ":" in row["metric"]} <= DERIVED
    assert {base_metric(metric) for metric in DERIVED} <= {
        *("p_favourable", "p_at_least", "expected_number", "tone", "refusal"),
        *("rate_refused", "rate_invalid", "rate_error"),
    }


def test_a_planted_ratio_is_found():
    made = a_run("reply", templates=20)
    for score in made.scores:
        if score["metric"] == "refusal":
            who = made.probes[int(score["probe_id"][1:])]["persona_id"] or ""
            score["value"] = 0.2 * (0.6 if " female" in who else 1.0) * math.exp(0.05 * made.rng.normal())
    row = the(made.measured(terms=replace(TERMS, references={"gender": "male"})), metric="refusal:ratio")
    assert math.exp(row["estimate"]) == pytest.approx(0.6, rel=0.02)
    assert row["ci_low"] < math.log(0.6) < row["ci_high"] < math.log(0.8)
