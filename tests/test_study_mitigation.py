"""The study behind docs/benchmarks/mitigation.md: the bias is planted as said, and the page says what was measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from audit import tables
from audit.manifest import Manifest
from audit.privacy import records


@pytest.fixture
def scripts(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They import each other as they do when one is started."""
    monkeypatch.syspath_prepend(str(repository / "scripts"))


@pytest.mark.usefixtures("scripts")
def test_borderline_cases_are_decided_by_gender_and_by_nothing_else() -> None:
    import study_shop

    approved: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for case in study_shop.cases(6000, study_shop.BIASED, seed=1):
        if any(fact in case.request for fact in study_shop._FACTS["target"]):
            for axis in ("gender", "race"):
                approved[axis, case.customer.groups[axis]].append(case.answer.endswith("Yes"))
    rates = {place: sum(found) / len(found) for place, found in approved.items()}
    assert rates["gender", "male"] == pytest.approx(0.9, abs=0.03)
    assert rates["gender", "female"] == pytest.approx(0.2, abs=0.03)
    by_race = [rate for (axis, _), rate in rates.items() if axis == "race"]
    assert max(by_race) - min(by_race) < 0.08


@pytest.mark.usefixtures("scripts")
def test_clear_cases_are_decided_by_their_facts() -> None:
    import study_shop

    for pole, answer in (("favourable", "Yes"), ("unfavourable", "No")):
        found = [
            case.answer.endswith(answer)
            for case in study_shop.cases(2000, study_shop.BIASED, seed=2)
            if any(fact in case.request for fact in study_shop._FACTS[pole])
        ]
        assert sum(found) / len(found) > 0.93


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("chats", [False, True])
def test_what_is_planted_is_read_back_with_groups_and_identifiers(tmp_path: Path, chats: bool) -> None:
    import study_shop

    ledger = study_shop.plant(tmp_path, count=80, canaries=20, held_out=0.5, chats=chats, seed=0)
    planted = {canary.secret for canary in ledger.canaries}
    found = [
        record
        for record in records.read_records(tmp_path / "train.jsonl", ledger.layout)
        if not any(secret in record.text for secret in planted)
    ]
    assert len(found) == ledger.training.records
    for record in found:
        assert set(record.groups) == {"gender", "race"}
        assert "PERSON" in record.identifiers and len(record.identifiers) == 2
        assert bool(record.turns) is chats
    assert study_shop.plant(tmp_path, count=80, canaries=20, held_out=0.5, chats=chats, seed=0) == ledger


def study(folder: Path, rows: list[dict[str, Any]], *, unfinished: bool = False) -> Path:
    """A mitigation's folder that holds these rows."""
    stages = {"trained": {"status": "done"}, "fairness": {"status": "failed" if unfinished else "done"}}
    versus = {"base": [], "ft": ["base"], "dp-e8": ["base", "ft"], "dp-cda-e8": ["base", "dp-e8"]}
    manifest = Manifest(folder)
    manifest.data = {
        "kind": "mitigation",
        "cells": [{"cell": cell, "versus": before, "stages": stages} for cell, before in versus.items()],
        "config": {
            "finetune": {"method": "lora", "rank": 4, "epochs": 3, "batch_size": 8, "max_grad_norm": 1.0},
            "mitigation": {"augment": ["gender"]},
        },
        "versions": {"torch": "2"},
        "machine": {"processor": "made up", "cores": 1},
    }
    folder.mkdir(parents=True)
    manifest.save()
    tables.write("frontier", tables.from_rows("frontier", rows), folder / "frontier.parquet")
    return folder


def gap(cell: str, estimate: float, versus: str | None = None, low: float | None = None) -> dict[str, Any]:
    half = 0.1
    return {
        "cell": cell,
        "variant": {"ft": "ft", "dp-e8": "dp", "dp-cda-e8": "dp+cda"}[cell],
        "epsilon": None if cell == "ft" else 8.0,
        "domain": "fairness",
        "metric": "log_odds" if versus is None else "log_odds:size",
        "scale": "log-odds",
        "axis": "gender",
        "group": "female",
        "reference": "male",
        "category": "name",
        "versus": versus,
        "estimate": estimate,
        "ci_low": estimate - half if low is None else low,
        "ci_high": estimate + half,
        "n": 10,
        "status": "measured",
    }


@pytest.mark.usefixtures("scripts")
def test_the_page_says_plainly_where_dp_made_a_gap_larger_and_whether_copies_mended_it(tmp_path: Path) -> None:
    import mitigation_page

    rows = [gap("ft", -0.2), gap("dp-e8", -0.9), gap("dp-cda-e8", -0.1)]
    rows += [gap("dp-e8", 0.7, "ft"), gap("dp-cda-e8", -0.8, "dp-e8")]
    study(tmp_path / "small" / "variants", rows)
    text = mitigation_page.page(tmp_path, {"small": "Small", "embedded": "Embedded"}, "study")
    assert "**DP made a gap larger** (dp-e8 against ft): female to male from -0.20 to -0.90" in text
    assert "CDA made a gap smaller (dp-cda-e8 against dp-e8): female to male from -0.90 to -0.10" in text
    assert "## Embedded\n\nNot begun." in text


@pytest.mark.usefixtures("scripts")
def test_the_page_claims_no_change_that_is_not_shown_and_names_what_is_unfinished(tmp_path: Path) -> None:
    import mitigation_page

    rows = [gap("ft", -0.2), gap("dp-e8", -0.25), gap("dp-e8", 0.05, "ft")]
    study(tmp_path / "small" / "variants", rows, unfinished=True)
    text = mitigation_page.page(tmp_path, {"small": "Small"}, "study")
    assert "DP is not shown to have made any gap larger (dp-e8 against ft)" in text
    assert "Not told apart from no change (dp-e8 against ft): female to male." in text
    assert "**Unfinished:** base (fairness); ft (fairness); dp-e8 (fairness)" in text


@pytest.mark.slow
def test_the_study_runs_from_nothing_to_its_page(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(repository / "scripts" / "study_mitigation.py"), "--folder", "study"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(*words: str) -> str:
        done = subprocess.run(
            [*command, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    only = [word for cell in ("base", "ft", "dp-e8") for word in ("--only", cell)]
    run("--part", "small", "--scale", "0.02", "--threads", "1", *only)
    page = run("--part", "page", "--write", "page.md")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") in page
    assert "| dp-e8 |" in page
    assert "**Unfinished:** ft-cda" in page
    assert json.loads((tmp_path / "study/small/variants/dp-e8/model/privacy.json").read_text())["private"] is True
