"""Cells and levels against plain pandas and plain fairlearn on every row, which is how they are defined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fairlearn.metrics import MetricFrame

from audit.config import Config
from audit.fairness import measure
from audit.fairness.cells import cell_frame
from tests.made import TERMS, Made, pick

METRICS = ["tone", "words", "refusal"]
TERMS = replace(TERMS, references={"race": "white"})


def scattered(seed, *, templates=6, personas=14, groups="abc", metrics=METRICS, draws=3):
    """Texts with draws that are refused, unreadable or not there at all; groups of unequal size."""
    made = Made(seed)
    rng = made.rng
    people = [
        made.person(f"{i}", "name", None, race="white" if i < 4 else groups[int(rng.integers(len(groups)))])
        for i in range(personas)
    ]
    for template in range(templates):
        for category in ("books", "shoes", "toys"):
            for who in people:
                if rng.random() < 0.8:
                    made.ask("reply", template, "target", 0.0, persona=who, category=category)
    made.scores = []
    for number in range(len(made.probes)):
        for draw in range(draws):
            for metric in metrics:
                status = ("scored", "scored", "scored", "refused", "invalid", "error")[int(rng.integers(6))]
                if rng.random() < 0.9:
                    made.score(number, draw, metric, float(rng.gamma(2.0)), status)
    return made


def plain_cells(made):
    scores = pd.DataFrame(made.scores)
    values = scores.groupby(["probe_id", "metric"])["value"].mean()
    answers = scores.groupby(["probe_id", "draw"])["status"].agg(set)
    for status in ("refused", "invalid", "error"):
        rate = answers.map(lambda found, status=status: status in found).groupby("probe_id").mean()
        rate.index = pd.MultiIndex.from_product([rate.index, [f"rate_{status}"]], names=["probe_id", "metric"])
        values = pd.concat([values, rate.astype(float)])
    frame = values.reset_index(name="value").merge(pd.DataFrame(made.probes), on="probe_id")
    people = {name: row["attributes"]["race"] for name, row in made.personas.items()}
    return frame.assign(group=frame["persona_id"].map(people))


@pytest.mark.parametrize("seed", range(3))
def test_a_cell_is_the_mean_of_its_scored_draws(seed):
    made = scattered(seed)
    cells = cell_frame(*made.tables()).astype({"probe_id": str, "metric": str})
    found = cells.set_index(["probe_id", "metric"])["value"].sort_index()
    wanted = plain_cells(made).set_index(["probe_id", "metric"])["value"].sort_index()
    assert list(found.index) == list(wanted.index)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_a_cell_tells_which_share_of_its_draws_was_scored():
    made = scattered(1)
    cells = cell_frame(*made.tables()).astype({"probe_id": str, "metric": str})
    scores = pd.DataFrame(made.scores)
    wanted = (scores["status"] == "scored").groupby([scores["probe_id"], scores["metric"]]).mean()
    assert wanted.nunique() > 2, "some cells are partly lost"
    found = cells[~cells["metric"].str.startswith("rate_")].set_index(["probe_id", "metric"])["scored"].sort_index()
    np.testing.assert_allclose(found, wanted.sort_index())
    assert (cells[cells["metric"].str.startswith("rate_")]["scored"] == 1).all()


@pytest.mark.parametrize("metrics", [METRICS, ["tone"]])
@pytest.mark.parametrize("groups", ["abc", "a"])
def test_levels_are_those_of_fairlearn_on_every_cell(metrics, groups):
    made = scattered(5, metrics=metrics, groups=groups)
    cells = plain_cells(made)
    rows = made.measured(terms=TERMS)
    levels = pick(rows, kind="level", axis="race")
    seen = 0
    for metric, part in cells.groupby("metric"):
        part = part[part["value"].notna()]
        columns = {"y_true": part["value"], "y_pred": part["value"], "sensitive_features": part["group"]}
        whole = MetricFrame(metrics=lambda y, _: float(np.mean(y)), **columns)
        inside = MetricFrame(metrics=lambda y, _: float(np.mean(y)), control_features=part["category"], **columns)
        of_metric = {
            (row["statistic"], row["category"], row["group"]): row for row in levels if row["metric"] == metric
        }
        for group, mean in whole.by_group.items():
            seen += 1
            row = of_metric["mean", None, group]
            assert row["estimate"] == pytest.approx(mean, abs=1e-12)
            here = part[part["group"] == group]
            counts = (len(here), *(here[key].nunique() for key in ("block_id", "template_id", "persona_id")))
            assert tuple(row[key] for key in ("n_cells", "n_blocks", "n_templates", "n_personas")) == counts
        for (category, group), mean in inside.by_group.items():
            row = of_metric["mean", category, group]
            assert (row["estimate"] is None) == np.isnan(mean)
            assert np.isnan(mean) or row["estimate"] == pytest.approx(mean, abs=1e-12)
        between = of_metric["difference", None, None]
        assert between["estimate"] == pytest.approx(whole.difference(), abs=1e-12)
        if metric != "tone":
            assert of_metric["ratio", None, None]["estimate"] == pytest.approx(whole.ratio(), abs=1e-12)
    assert seen >= 2 * len(metrics)


def test_findings_do_not_depend_on_the_order_of_draws():
    made = scattered(9)
    first = measure(*made.tables(), Config(), terms=TERMS)
    for _ in range(3):
        made.rng.shuffle(made.scores)
        assert measure(*made.tables(), Config(), terms=TERMS).equals(first)


def test_scores_in_many_chunks_are_the_same_scores():
    made = scattered(4)
    scores, *rest = made.tables()
    parts = pa.concat_tables([scores.slice(start, 50) for start in range(0, scores.num_rows, 50)])
    assert measure(parts, *rest, Config(), terms=TERMS).equals(measure(scores, *rest, Config(), terms=TERMS))


def test_no_scores_are_no_findings():
    made = scattered(1)
    made.scores = []
    assert measure(*made.tables(), Config(), terms=TERMS).num_rows == 0
