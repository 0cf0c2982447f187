"""What a model takes names to be, as findings."""

from __future__ import annotations

import numpy as np
import pytest

from audit import tables
from audit.config import Config
from audit.fairness import measure
from audit.fairness.manipulation import manipulation_rows
from audit.statistics import two_way_contrast
from tests.made import TERMS, a_run, pick, the

RACES = ("asian", "black", "white")


def asked(*, known=("asian", "white"), wordings=4, names=8, seed=0, label=lambda race: race):
    """Tables of a check on race: the model knows the names of ``known``, the others look like anybody's."""
    rng = np.random.default_rng(seed)
    personas, probes, scores = [], [], []
    for race in RACES:
        for i in range(names):
            who = f"{race}{i}"
            personas.append(
                {"persona_id": who, "name": who, "locale": "en", "cue_channel": "name",
                 "attributes": [("race", label(race))]}
            )  # fmt: skip
            own = rng.normal(0, 0.05)
            for w in range(wordings):
                probe = f"{who} {w}"
                probes.append(
                    {"probe_id": probe, "suite": "s", "task": "infer_race", "locale": "en", "template_id": f"w{w}",
                     "category": "names", "block_id": f"b{w}", "arm": "target", "purpose": "manipulation",
                     "persona_id": who, "messages": [], "output_form": "decision", "options": [], "gold": race}
                )  # fmt: skip
                logit = {group: rng.normal(0, 0.1) + (2 * own if group == race else 0) for group in RACES}
                logit[race] += 1.5 * (race in known)
                total = sum(map(np.exp, logit.values()))
                values = {f"infers:{group}": float(np.exp(logit[group]) / total) for group in RACES}
                for metric, value in (values | {"answer_mass": 0.4}).items():
                    scores.append(
                        {"probe_id": probe, "draw": 0, "metric": metric, "value": value, "status": "scored",
                         "scorer_version": "1"}
                    )  # fmt: skip
    made = {"scores": scores, "probes": probes, "personas": personas}
    return tuple(tables.check(name, tables.from_rows(name, rows)) for name, rows in made.items())


def test_a_row_tells_how_much_likelier_a_group_is_for_its_own_names():
    scores, probes, personas = asked()
    rows = manipulation_rows(scores, probes, personas, TERMS)
    row = the(rows, statistic="inference", group="asian")
    frame = probes.to_pandas().merge(scores.to_pandas(), on="probe_id")
    frame = frame[frame["metric"] == "infers:asian"]
    own = np.where(frame["gold"] == "asian", "own", "others")
    (gap,) = two_way_contrast(frame["value"], own, frame["template_id"], frame["persona_id"], reference="others")
    for column in ("estimate", "se", "df", "ci_low", "ci_high", "p_value", "n_cells", "n_templates", "n_personas"):
        assert row[column] == pytest.approx(getattr(gap, column)), column
    assert (row["kind"], row["metric"], row["task"], row["axis"]) == ("test", "infers", "infer_race", "race")
    assert (row["arm"], row["cue_channel"], row["scale"]) == ("manipulation", "name", "probability")
    assert row.get("reference") is None
    assert row["method"].startswith("P(asian) of the names of asian less that of the other names, two-way")


def told(**options):
    rows = manipulation_rows(*asked(**options), TERMS)
    return {row["group"]: row["ci_low"] > 0 for row in rows if row["statistic"] == "inference"}


def test_names_that_are_known_are_told_apart_and_others_are_not():
    assert told(known=RACES) == dict.fromkeys(RACES, True)
    assert told(known=()) == dict.fromkeys(RACES, False)


def test_a_group_is_told_apart_by_elimination_too():
    assert told(known=("asian", "white"))["black"]


def test_a_level_tells_what_the_model_thinks_of_a_groups_own_names():
    scores, probes, personas = asked()
    rows = manipulation_rows(scores, probes, personas, TERMS)
    frame = probes.to_pandas().merge(scores.to_pandas(), on="probe_id")
    mine = frame[(frame["metric"] == "infers:white") & (frame["gold"] == "white")]
    level = the(rows, kind="level", metric="infers", group="white")
    assert level["estimate"] == pytest.approx(mine["value"].mean())
    assert (level["n_cells"], level["n_templates"], level["n_personas"]) == (32, 4, 8)
    assert the(rows, metric="answer_mass")["estimate"] == pytest.approx(0.4)
    assert the(rows, metric="answer_mass")["arm"] == "manipulation"


def test_groups_bear_the_names_of_the_persona_file():
    rows = manipulation_rows(*asked(label=str.upper), TERMS)
    assert {row["group"] for row in rows} == {"ASIAN", "BLACK", "WHITE", None}
    plain = manipulation_rows(*asked(), TERMS)
    figures = [[row["estimate"] for row in found if row["statistic"] == "inference"] for found in (rows, plain)]
    assert figures[0] == pytest.approx(figures[1])


def test_an_answer_without_a_value_counts_for_nothing():
    scores, probes, personas = asked()
    rows = scores.to_pylist()
    for row in rows:
        if row["probe_id"].startswith("asian0 "):
            row |= {"value": None, "status": "error"}
    scores = tables.from_rows("scores", rows)
    found = manipulation_rows(scores, probes, personas, TERMS)
    assert the(found, statistic="inference", group="asian")["n_personas"] == 7


def test_a_run_without_such_probes_has_no_such_findings():
    run = a_run(templates=3)
    scores, probes, personas = run.tables()
    assert manipulation_rows(scores, probes, personas, TERMS) == []


def test_measure_lists_them_and_no_task_of_the_audit_knows_them():
    run = a_run(templates=3)
    alone = run.measured()
    parts = zip(run.tables(), asked(), strict=True)
    names = ("scores", "probes", "personas")
    joined = [
        tables.from_rows(name, [*one.to_pylist(), *other.to_pylist()])
        for name, (one, other) in zip(names, parts, strict=True)
    ]
    rows = measure(*joined, Config(), terms=TERMS).to_pylist()
    assert {row["arm"] for row in pick(rows, task="infer_race")} == {"manipulation"}
    assert [row for row in rows if row["task"] != "infer_race"] == alone
    assert not [row for row in rows if row["statistic"] == "contrast" and row["arm"] == "manipulation"]
