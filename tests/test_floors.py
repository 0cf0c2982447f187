"""Floors from the arms paraphrase and irrelevant, on made-up tables with known answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audit import tables
from audit.config import Config
from audit.fairness import Terms, measure
from audit.values import content_hash

TERMS = Terms(references={}, units={"discount": "percentage points"})


class Asked:
    """Label-free probes of one task: call ``ask`` for each, then ``floors``."""

    def __init__(self, task: str = "refund", form: str = "decision", metric: str = "log_odds") -> None:
        self.task, self.form, self.metric = task, form, metric
        self.personas: dict[str, dict[str, Any]] = {}
        self.probes: list[dict[str, Any]] = []
        self.scores: list[dict[str, Any]] = []

    def ask(self, template: int, arm: str, value: float | None, persona: str = "", category: str = "toys") -> None:
        if persona:
            attribute, label = persona.split()
            self.personas[persona] = {
                "persona_id": persona, "name": persona, "cue_id": f"irrelevant-{attribute}", "locale": "en",
                "cue_channel": "explicit", "attributes": {f"irrelevant:{attribute}": label},
            }  # fmt: skip
        name = f"{template:02} {category} {arm} {persona}"
        self.probes.append(
            {
                "probe_id": name, "suite": "s", "task": self.task, "locale": "en", "messages": [], "options": [],
                "template_id": f"t{template}", "category": category, "arm": arm, "purpose": "audit", "gold": None,
                "block_id": content_hash([template, category], 8), "persona_id": persona or None,
                "output_form": self.form,
            }
        )  # fmt: skip
        status = "invalid" if value is None else "scored"
        row = {"probe_id": name, "draw": 0, "metric": self.metric, "value": value, "status": status}
        self.scores.append(row | {"scorer_version": "1"})

    def floors(self) -> dict[str, dict[str, Any]]:
        made = {"scores": self.scores, "probes": self.probes, "personas": list(self.personas.values())}
        built = [tables.from_rows(name, rows) for name, rows in made.items()]
        rows = measure(*built, Config(), terms=TERMS).to_pylist()
        return {row["arm"]: row for row in rows if row["statistic"] == "floor" and row["metric"] == self.metric}


def test_a_paraphrase_is_held_against_its_own_block() -> None:
    asked = Asked()
    for template, (plain, other) in enumerate([(1.0, 1.5), (2.0, 1.0), (-3.0, -3.0)]):
        asked.ask(template, "no_cue", plain)
        asked.ask(template, "paraphrase", other)
    row = asked.floors()["paraphrase"]
    assert row["estimate"] == pytest.approx(0.5)  # of .5, 1 and 0
    assert (row["kind"], row["scale"], row["axis"], row["group"]) == ("level", "log-odds", None, None)
    assert (row["n_cells"], row["n_blocks"], row["n_templates"], row["n_personas"]) == (6, 3, 3, 0)
    assert row["se"] == pytest.approx(np.std([0.5, 1, 0], ddof=1) / np.sqrt(3))
    assert row["ci_low"] == 0 < row["ci_high"]
    assert row["method"].startswith("mean |change| by another wording of the same question, cluster-robust (template)")


def test_an_attribute_is_held_against_its_own_other_value() -> None:
    asked = Asked()
    for template in range(2):
        for persona, value in (("day a", 1.0), ("day b", 1.2), ("tray a", 5.0), ("tray b", 4.4)):
            asked.ask(template, "irrelevant", value + template, persona)
    row = asked.floors()["irrelevant"]
    assert row["estimate"] == pytest.approx((0.2 + 0.6) / 2)
    assert (row["n_cells"], row["n_blocks"], row["n_personas"], row["cue_channel"]) == (8, 2, 2, "explicit")


def test_blocks_of_one_wording_are_one_cluster() -> None:
    asked = Asked()
    for template, category, change in ((0, "toys", 1.0), (0, "shoes", 1.0), (1, "toys", 3.0), (1, "shoes", 3.0)):
        asked.ask(template, "no_cue", 0.0, category=category)
        asked.ask(template, "paraphrase", change, category=category)
    row = asked.floors()["paraphrase"]
    assert (row["n_blocks"], row["n_templates"], row["df"]) == (4, 2, 1.0)
    assert row["se"] == pytest.approx(1.0)


def test_a_probability_is_held_by_its_flips() -> None:
    asked = Asked(metric="p_favourable")
    for template, (plain, other) in enumerate([(0.49, 0.51), (0.9, 0.6), (0.5, 0.4), (0.1, 0.4)]):
        asked.ask(template, "no_cue", plain)
        asked.ask(template, "paraphrase", other)
    row = asked.floors()["paraphrase"]
    assert (row["estimate"], row["scale"]) == (0.5, "rate")
    assert row["method"].startswith("mean rate of flips at 0.5")


def test_a_number_is_in_the_unit_of_its_suite() -> None:
    asked = Asked("discount", "number", "expected_number")
    asked.ask(0, "no_cue", 4.0)
    asked.ask(0, "paraphrase", 6.0)
    row = asked.floors()["paraphrase"]
    assert (row["estimate"], row["scale"], row["ci_low"]) == (2.0, "percentage points", None)


def test_a_pair_with_a_missing_half_is_left_out() -> None:
    asked = Asked()
    for template, other in enumerate([1.0, None, 2.0]):
        asked.ask(template, "no_cue", 0.0)
        asked.ask(template, "paraphrase", other)
    assert asked.floors()["paraphrase"]["n_blocks"] == 2
    alone = Asked()
    alone.ask(0, "no_cue", 0.0)
    alone.ask(0, "irrelevant", 0.0, "day a")
    assert alone.floors() == {}
