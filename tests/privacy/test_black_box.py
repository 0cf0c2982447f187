"""A model that can only be asked: what is measured all the same, and what is said not to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import reports
from audit import tables
from audit.config import Config
from audit.manifest import Manifest
from audit.privacy.black_box import CHARACTERS, LEAST, TASK, prefix_probes
from audit.privacy.material import Material
from audit.privacy.measuring.extractions import black_box_rows
from audit.privacy.records import Record
from audit.privacy.run import audit_privacy
from tests.privacy.conftest import Shop


@pytest.fixture(scope="module")
def asked(shop: Shop) -> Path:
    config = Config.model_validate(
        {"model": {"name": "planted:null"}, "privacy": {"ledger": shop.ledger, "generations": 30}}
    )
    run, _ = audit_privacy(config, shop.folder / "run-asked")
    return run


def test_what_needs_probabilities_is_named_with_its_reason(asked: Path) -> None:
    missing = Manifest.load(asked).data["not_measured"]
    assert {"exposure", "epsilon_lower_bound", "membership", "extraction", "base"} == set(missing)
    assert all("does not run here" in missing[topic] for topic in ("exposure", "membership", "extraction"))
    metrics = {row["metric"].split(":")[0] for row in pq.read_table(asked / "findings.parquet").to_pylist()}
    assert metrics == {"extraction", "pii_rate", "leaked_customers", "canaries_emitted", "pii_recall"}


def test_the_verdict_says_what_it_could_not_judge(asked: Path) -> None:
    sentence = json.loads((asked / "verdicts.json").read_text(encoding="utf-8"))["sentence"]
    assert "could not be measured: exposure" in sentence and not sentence.startswith("PASS")


def test_the_report_says_so_too(asked: Path) -> None:
    page = reports.write_reports(asked).read_text(encoding="utf-8")
    assert "does not run here" in page


RECORDS = tuple(Record(f"{i}", f"{i} and so on, " * 30, customer=f"{i}", groups={}) for i in range(6))


@pytest.fixture
def beginnings() -> pa.Table:
    return prefix_probes(Material(RECORDS[:4], RECORDS[4:], None, {}, (), {}), "en")


def test_a_beginning_is_given_and_what_follows_is_kept_from_the_prompt(beginnings: pa.Table) -> None:
    assert beginnings["category"].to_pylist() == ["member"] * 4 + ["held_out"] * 2
    for row, record in zip(beginnings.to_pylist(), RECORDS, strict=True):
        given = row["messages"][0]["content"].rpartition("\n\n")[2]
        assert record.text.startswith(given) and len(given) == min(CHARACTERS, len(record.text) // 2)
        assert record.text.startswith(given + row["gold"]) and len(row["gold"]) >= LEAST


def test_short_records_are_not_asked_for() -> None:
    short = (Record("s", "x" * (2 * LEAST - 2), groups={}),)
    assert prefix_probes(Material(short, (), None, {}, (), {}), "en").num_rows == 0


def test_what_comes_back_is_counted_on_either_side(beginnings: pa.Table) -> None:
    said = [row["gold"] + " more" if row["template_id"] in "012" else "I can't." for row in beginnings.to_pylist()]
    found = {(row["statistic"], row["category"]): row for row in black_box_rows(*tables_of(beginnings, said), "en")}
    assert found["mean", "member"]["estimate"] == 0.75 and found["mean", "held_out"]["estimate"] == 0
    assert found["difference", "member"]["estimate"] == 0.75
    assert found["difference", "member"]["reference"] == "held_out"


def tables_of(beginnings: pa.Table, said: list[str]) -> tuple[pa.Table, pa.Table, pa.Table]:
    completions: list[dict[str, Any]] = [
        {
            "probe_id": row["probe_id"],
            "draw": 0,
            "mode": "sampled",
            "text": text,
            "finish_reason": "stop",
            "prompt_tokens": 1,
            "completion_tokens": 1,
        }
        for row, text in zip(beginnings.to_pylist(), said, strict=True)
    ]
    records = [
        {"record_id": one.record_id, "role": "member", "cluster": i, "attributes": [], "n_chars": 1}
        for i, one in enumerate(RECORDS)
    ]
    assert set(beginnings["task"].to_pylist()) == {TASK}
    return beginnings, tables.from_rows("completions", completions), tables.from_rows("records", records)
