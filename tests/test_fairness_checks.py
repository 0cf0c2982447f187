"""The scorers' own bias as findings: nothing where masking works, large where it is switched off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from audit import tables
from audit.config import Config
from audit.fairness import Terms, measure
from audit.fairness.checks import check_rows
from audit.scorers import score_checks
from audit.statistics import paired_contrast, two_way_contrast
from tests.made import TERMS, a_run, the

NAMES = {"female": ("Joy", "Grace", "Hope", "Faith", "Merry"), "male": ("Todd", "Greg", "Seth", "Brett", "Scott")}


def people(*rows):
    return tables.from_rows("personas", [{"locale": "en", "cue_channel": "name", "cue_id": None} | row for row in rows])


def named():
    return people(
        *(
            {"persona_id": f"{gender}-{name}", "name": name, "attributes": [("gender", gender)]}
            for gender, names in NAMES.items()
            for name in names
        )
    )


def aged(phrasings):
    return people(
        *(
            {
                "persona_id": f"{group}-{m}", "name": f"Age {years}.", "cue_channel": "explicit", "cue_id": f"age-{m}",
                "attributes": [("age", group)],
            }
            for m in range(phrasings) for group, years in (("middle", 41), ("older", 74))
        )
    )  # fmt: skip


def made(personas, effect, *, texts=26, metric="tone", seed=0, status="scored"):
    """Check values of one metric: a level a text, and ``effect`` (a function of the persona's row)."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(size=texts)
    rows = [
        {
            "text_id": f"t{i}", "persona_id": row["persona_id"], "locale": "en", "metric": metric, "status": status,
            "value": float(levels[i] + effect(row, rng)) if status == "scored" else None, "scorer_version": "1",
        }
        for i in range(texts) for row in personas.to_pylist()
    ]  # fmt: skip
    return tables.check("checks", tables.from_rows("checks", rows))


def probes_of_texts():
    probe = {
        "probe_id": "p", "suite": "s", "task": "reply", "locale": "en", "template_id": "t", "category": "c",
        "block_id": "b", "arm": "target", "purpose": "audit", "messages": [], "output_form": "text", "options": [],
    }  # fmt: skip
    return tables.from_rows("probes", [probe])


def group(row):
    return dict(row["attributes"]).get("gender")


def test_a_bias_is_the_two_way_contrast_on_identical_texts():
    personas = named()
    checks = made(personas, lambda row, rng: 0.1 * (group(row) == "female") + 0.02 * rng.normal())
    (row,) = check_rows(checks, personas, TERMS)
    frame = checks.to_pandas()
    (gap,) = two_way_contrast(
        frame["value"], frame["persona_id"].str.partition("-")[0], frame["text_id"], frame["persona_id"],
        reference="male",
    )  # fmt: skip
    for column in ("estimate", "se", "df", "ci_low", "ci_high", "p_value", "n_cells", "n_templates", "n_personas"):
        assert row[column] == pytest.approx(getattr(gap, column)), column
    assert row["estimate"] == pytest.approx(0.1, abs=0.01)
    assert (row["kind"], row["statistic"], row["arm"], row["task"]) == ("test", "scorer_bias", "scorer_check", None)
    assert (row["axis"], row["group"], row["reference"]) == ("gender", "female", "male")
    assert (row["cue_channel"], row["scale"], row["n_templates"]) == ("name", "VADER compound", 26)
    assert row["method"] == ("two-way cluster-robust (text × name) on 26 fixed texts with swapped identities")


@pytest.mark.parametrize(("phrasings", "clusters"), [(10, "text × phrasing"), (4, "for these phrasings only")])
def test_an_explicit_cue_is_paired_within_its_phrasing(phrasings, clusters):
    personas = aged(phrasings)
    checks = made(personas, lambda row, rng: 0.2 * ("older" in row["persona_id"]) + 0.05 * rng.normal())
    (row,) = check_rows(checks, personas, TERMS)
    frame = checks.to_pandas()
    parts = frame["persona_id"].str.partition("-")
    (gap,) = paired_contrast(
        frame["value"], parts[0], frame["text_id"], parts[2], reference="middle", wordings_only=phrasings < 10
    )
    assert (row["estimate"], row["se"], row["df"]) == pytest.approx((gap.estimate, gap.se, gap.df))
    assert clusters in row["method"] and row["cue_channel"] == "explicit"


def test_where_nothing_varies_the_bias_is_plainly_nothing():
    personas = named()
    (row,) = check_rows(made(personas, lambda row, rng: 0.0), personas, TERMS)
    assert [row[name] for name in ("estimate", "se", "ci_low", "ci_high")] == [0.0, 0.0, 0.0, 0.0]
    assert row["n_personas"] == 5


def test_a_text_that_was_not_scored_counts_for_nothing():
    personas = named()
    assert check_rows(made(personas, lambda row, rng: 0.0, status="refused"), personas, TERMS) == []


def test_each_axis_and_intersection_has_rows_and_label_free_sentences_have_none():
    rows = [
        {
            "persona_id": f"{race} {gender} {i}", "name": f"N{i}",
            "attributes": [("gender", gender), ("race", race), ("race_gender", f"{race}_{gender}")],
        }
        for race in ("white", "black") for gender in ("male", "female") for i in range(3)
    ]  # fmt: skip
    odd = [
        {"persona_id": f"odd {m} {value}", "name": "A.", "cue_channel": "explicit", "cue_id": f"c{m}",
         "attributes": [(axis, value)]}
        for m, axis in enumerate(("placebo:age", "irrelevant:box")) for value in ("middle", "older")
    ]  # fmt: skip
    personas = people(*rows, *odd)
    terms = replace(TERMS, references=dict(TERMS.references) | {"race_gender": "white_male", "placebo:age": "middle"})
    found = check_rows(made(personas, lambda row, rng: rng.normal()), personas, terms)
    assert [(row["axis"], row["group"]) for row in found] == [
        ("gender", "female"),
        ("race", "black"),
        ("race_gender", "black_female"),
        ("race_gender", "black_male"),
        ("race_gender", "white_female"),
    ]


def test_an_axis_without_its_reference_has_no_bias_to_tell():
    personas = named()
    checks = made(personas, lambda row, rng: rng.normal())
    assert check_rows(checks, personas, Terms(references={"gender": "nobody"})) == []


def test_masking_leaves_vader_without_a_bias_that_it_has_without():
    """Women with names that are words of praise: VADER reads them, the mask does not let it."""
    personas = named()
    probes = probes_of_texts()
    even = check_rows(score_checks(probes, personas), personas, TERMS)
    assert len(even) == 7
    assert {(row["estimate"], row["se"]) for row in even} == {(0.0, 0.0)}
    bare = check_rows(score_checks(probes, personas, mask=lambda text, name, cue: text), personas, TERMS)
    tone = the(bare, metric="tone")
    assert tone["estimate"] > 0.1 and tone["ci_low"] > 0
    assert abs(the(bare, metric="profanity")["estimate"]) > 0.005


def test_measure_puts_them_beside_the_other_findings_and_in_no_other_row():
    run = a_run("reply", templates=4)
    alone = run.measured()
    scores, probes, personas = run.tables()
    checks = made(personas, lambda row, rng: rng.normal())
    both = measure(scores, probes, personas, Config(), terms=TERMS, checks=checks).to_pylist()
    added = [row for row in both if row["statistic"] == "scorer_bias"]
    assert {(row["metric"], row["axis"]) for row in added} == {("tone", "gender"), ("tone", "race")}
    assert [row for row in both if row["statistic"] != "scorer_bias"] == alone
    assert len({row["finding_id"] for row in both}) == len(both)
    assert measure(scores, probes, personas, Config(), terms=TERMS, checks=shuffled(checks)).to_pylist() == both


def shuffled(checks: pa.Table) -> pa.Table:
    return checks.take(pa.array(np.random.default_rng(3).permutation(checks.num_rows)))
