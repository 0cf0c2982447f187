"""What stands beside a contrast: heterogeneity over blocks, and bounds on what missing answers could make of it."""

from __future__ import annotations

import pytest

from audit.statistics import worst_case_bounds
from tests.fairness.test_magnitudes import flipping
from tests.made import Made, a_run, aged, pick, the


def test_a_gap_that_flips_is_heterogeneous_and_a_constant_one_is_not():
    flips = the(flipping(effect=0.5).measured(), statistic="heterogeneity")
    assert flips["p_value"] < 0.01 and flips["estimate"] == pytest.approx(0.5, abs=0.1)
    assert (flips["metric"], flips["scale"], flips["kind"]) == ("log_odds", "log-odds", "test")
    steady = the(a_run(gap=0.5).measured(), statistic="heterogeneity", axis="gender")
    assert steady["p_value"] > 0.05


def test_decisions_are_tested_on_the_log_odds_scale_alone():
    rows = a_run(gap=0.5).measured()
    assert {row["metric"] for row in rows if row["statistic"] == "heterogeneity"} == {"log_odds"}


def test_explicit_cues_are_tested_from_their_pairs():
    made = Made()
    aged(made)
    row = the(made.measured(), statistic="heterogeneity")
    assert row["axis"] == "age" and "after block and phrasing" in row["method"]
    assert row["df"] == pytest.approx(11 * 9)


def lossy(task="refund", every=3):
    """Some women's answers cannot be read."""
    made = a_run(task, templates=6)
    for number, probe in enumerate(made.probes):
        if " female" in (probe["persona_id"] or "") and number % every == 0:
            for score in made.scores:
                if score["probe_id"] == f"p{number:05}" and score["metric"] != "refusal":
                    score |= {"value": None, "status": "invalid"}
    return made


def test_nothing_missing_has_no_bounds():
    assert not pick(a_run().measured(), statistic="worst_case")


def test_missing_answers_bound_the_gap_of_a_bounded_metric():
    made = lossy()
    rows = made.measured()
    row = the(rows, statistic="worst_case", metric="p_favourable", axis="gender")
    value = {score["probe_id"]: score["value"] for score in made.scores if score["metric"] == "p_favourable"}
    target = [probe for probe in made.probes if probe["arm"] == "target"]
    (bounds,) = worst_case_bounds(
        [float("nan") if value[probe["probe_id"]] is None else value[probe["probe_id"]] for probe in target],
        [made.personas[probe["persona_id"]]["attributes"]["gender"] for probe in target],
        [probe["block_id"] for probe in target],
        reference="male",
        low=0.0,
        high=1.0,
    )
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((bounds.low, bounds.high))
    assert row["estimate"] is None and f"the {bounds.n_missing} of 120 cells" in row["method"]
    gap = the(rows, statistic="contrast", metric="p_favourable", axis="gender")
    assert row["ci_low"] < gap["estimate"] < row["ci_high"]
    assert not pick(rows, statistic="worst_case", metric="log_odds")  # it has no bounds


def test_a_number_is_bounded_where_its_range_is_known():
    made = lossy("discount")
    assert not pick(made.measured(), statistic="worst_case", metric="expected_number")
    for probe in made.probes:
        probe["options"] = [{"id": "number", "forms": ["-10", "30"]}]
    row = the(made.measured(), statistic="worst_case", metric="expected_number", axis="gender")
    assert "anywhere from -10 to 30" in row["method"] and row["scale"] == "percentage points"
    assert row["ci_high"] - row["ci_low"] == pytest.approx(40 * 20 / 60, rel=0.05)  # a third of women's cells


def test_a_group_that_never_answered_is_bounded_still():
    made = lossy(every=1)
    rows = made.measured()
    row = the(rows, statistic="worst_case", metric="p_favourable", axis="gender")
    assert row["ci_high"] - row["ci_low"] == pytest.approx(1)
    assert not pick(rows, statistic="contrast", metric="p_favourable", axis="gender")


def test_bounds_of_explicit_cues_hold_within_phrasings():
    made = Made()
    aged(made)
    made.scores[1] |= {"value": None, "status": "invalid"}  # p_favourable of the first cue
    row = the(made.measured(), statistic="worst_case", metric="p_favourable", axis="age")
    assert row["ci_high"] - row["ci_low"] == pytest.approx(1 / 120)


def test_a_cell_of_which_some_draws_are_lost_is_bounded_by_the_rest():
    """The bounds are those of the answers taken one by one: a row a draw."""
    made = Made()
    people = [(made.person(f"{g} {i}", "name", None, gender=g), g) for g in ("female", "male") for i in range(4)]
    for template in range(6):
        for person, _ in people:
            made.ask("reply", template, "target", 0.2 * made.rng.normal(), persona=person, draws=5)
    values, groups, blocks = [], [], []
    for score in made.scores:
        if score["metric"] != "tone":
            continue
        probe = made.probes[int(score["probe_id"][1:])]
        group = made.personas[probe["persona_id"]]["attributes"]["gender"]
        score["value"] = float(0.3 * made.rng.normal())
        if made.rng.random() < (0.6 if group == "female" else 0.2):
            score |= {"value": None, "status": "refused"}
        values.append(float("nan") if score["value"] is None else score["value"])
        groups.append(group)
        blocks.append(probe["block_id"])
    (bounds,) = worst_case_bounds(values, groups, blocks, reference="male", low=-1.0, high=1.0)
    row = the(made.measured(), statistic="worst_case", metric="tone", axis="gender")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((bounds.low, bounds.high))
    assert "if what is missing from the " in row["method"] and " of 48 cells lay anywhere from -1 to 1" in row["method"]


def test_one_lost_draw_is_enough_for_a_row():
    made = a_run("reply", templates=4)
    for number, probe in enumerate(made.probes):
        if probe["arm"] == "target":
            made.score(number, 1, "tone", 0.1)
    assert not pick(made.measured(), statistic="worst_case")
    made.scores[-1] |= {"value": None, "status": "refused"}
    row = the(made.measured(), statistic="worst_case", metric="tone", axis="gender")
    assert row["ci_high"] - row["ci_low"] == pytest.approx(2 * 0.5 / 40)  # half of one of 40 men's cells
    assert "missing from the 1 of 80 cells" in row["method"]


def test_too_few_cells_for_an_f_test_are_told():
    made = a_run(templates=2, names=2)
    row = the(made.measured(), statistic="heterogeneity", axis="race", metric="log_odds")
    assert row["p_value"] is not None
    made.probes = [probe for number, probe in enumerate(made.probes) if (number * 7) % 3 or probe["arm"] != "target"]
    for row in pick(made.measured(), statistic="heterogeneity"):
        assert (row["p_value"] is None) == row["method"].startswith("no F test")
