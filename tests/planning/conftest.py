"""Runs with made-up answers of known variance components."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from audit import tables
from audit.config import Config, load_config
from audit.fairness import measure
from audit.manifest import Manifest
from audit.probes import expand
from audit.statistics import Components

NAMES = 24


def write_people(folder: Path, names: int) -> None:
    """Two groups of so many names."""
    groups = [
        f'[[names]]\nattributes = {{ gender = "{group}" }}\nnames = {json.dumps(made)}'
        for group in ("female", "male")
        for made in [[f"{group} {number}" for number in range(names)]]
    ]
    head = 'locale = "en"\nreference = { gender = "male" }\n'
    (folder / "people.toml").write_text(head + "\n".join(groups), encoding="utf-8")


@pytest.fixture
def refunds(tmp_path: Path) -> Config:
    """The shipped refund suite asked of two groups of 24 names, under one rule."""
    write_people(tmp_path, NAMES)
    (tmp_path / "evenhand.toml").write_text(
        """
[model]
name = "MODEL"
[run]
tasks = ["refund_decision"]
personas = "people.toml"
[gate]
preset = "none"
[[gate.rules]]
name = "refund"
task = "refund_decision"
metric = "log_odds"
axis = "gender"
tolerance = 0.2
""",
        encoding="utf-8",
    )
    return load_config(tmp_path / "evenhand.toml")


MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes a run folder whose log-odds have the given components, and its findings."""

    def make(config: Config, parts: Components, *, gap: float = 0.0, seed: int = 0) -> Path:
        folder = tmp_path / f"run-{seed}"
        personas, probes = expand(config)
        scores = made_up(personas, probes, parts, gap, np.random.default_rng(seed))
        findings = measure(scores, probes, personas, config)
        made = {"personas": personas, "probes": probes, "scores": scores, "findings": findings}
        for name, table in made.items():
            tables.write(name, table, folder / f"{name}.parquet")
        Manifest(folder, {"config": json.loads(config.model_dump_json())}).save()
        return folder

    return make


def made_up(personas: pa.Table, probes: pa.Table, parts: Components, gap: float, rng: np.random.Generator) -> pa.Table:
    """Log-odds of every decision: a gap for women, a lift by favourable facts, and the components."""
    group = {row["persona_id"]: dict(row["attributes"]).get("gender") for row in personas.to_pylist()}
    drawn: dict[tuple[str, ...], float] = {}

    def effect(deviation: float, *key: str) -> float:
        return drawn.setdefault(key, float(rng.normal(0, deviation)))

    rows = []
    for probe in probes.to_pylist():
        if probe["output_form"] != "decision" or probe["purpose"] != "audit":
            continue
        value = effect(1.0, "block", probe["block_id"]) + (1.0 if probe["gold"] == "favourable" else 0.0)
        who = group.get(probe["persona_id"])
        if who is not None:
            value += gap * (who == "female")
            value += effect(parts.template / np.sqrt(2), probe["template_id"], who)
            value += effect(parts.persona, probe["persona_id"])
        value += float(rng.normal(0, np.hypot(parts.persona_block, parts.noise)))
        row = {"probe_id": probe["probe_id"], "draw": 0, "status": "scored", "scorer_version": "1"}
        rows += [row | {"metric": "log_odds", "value": value}, row | {"metric": "answer_mass", "value": 0.9}]
    return tables.from_rows("scores", rows)
