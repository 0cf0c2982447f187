from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.config import Config
from audit.errors import ConfigError
from audit.mitigation.data import Corpus, collate, read_corpus
from audit.mitigation.values import Unit
from tests.privacy.conftest import tokenizer

ROWS = [
    {"id": "1", "user_id": "ann", "text": "The kettle is fine, thanks."},
    {"id": "2", "user_id": "ann", "text": "The second kettle leaks."},
    {"id": "3", "user_id": "bob", "text": "No complaints about the toaster."},
    {"id": "4", "user_id": None, "text": "Nobody knows who wrote this."},
    {"id": "5", "user_id": "eve", "text": "I"},
]


@pytest.fixture(scope="module")
def words() -> Any:
    return tokenizer([row["text"] for row in ROWS if row["text"]])


def corpus(folder: Path, words: Any, *, rows: Any = None, columns: Any = None, **settings: Any) -> Corpus:
    path = folder / "records.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows or ROWS), encoding="utf-8")
    columns = columns or {"text": ["text"], "id": "id", "customer": "user_id"}
    config = Config.model_validate(
        {"privacy": {"layout": "columns", "columns": columns}, "finetune": {"train": path, **settings}}
    )
    return read_corpus(config, words)


def test_a_record_is_a_unit_with_the_end_of_text_behind_it(tmp_path: Path, words: Any) -> None:
    found = corpus(tmp_path, words)
    texts = sorted(words.decode(list(unit.rows[0])) for unit in found.units)
    assert texts == sorted(row["text"] + "<|end|>" for row in ROWS)  # type: ignore[operator]


def test_a_customer_is_one_unit_and_a_record_of_nobody_one_of_its_own(tmp_path: Path, words: Any) -> None:
    found = corpus(tmp_path, words, unit="customer")
    assert sorted(len(unit.rows) for unit in found.units) == [1, 1, 1, 2]


def test_of_a_customer_so_many_records_count_whatever_their_order(tmp_path: Path, words: Any) -> None:
    first = corpus(tmp_path, words, unit="customer", rows_per_customer=1)
    ROWS.reverse()
    second = corpus(tmp_path, words, unit="customer", rows_per_customer=1)
    assert first.units == second.units
    assert first.rows == 4


@pytest.mark.parametrize("unit", ["record", "customer"])
def test_ids_that_stand_twice_leave_other_units_alone(tmp_path: Path, words: Any, unit: str) -> None:
    numbered = [
        {"id": str(n % 3), "user_id": who, "text": f"Ticket {n} of {who}."} for who in ("a", "b") for n in (0, 1)
    ]
    before = corpus(tmp_path, words, rows=numbered, unit=unit)
    after = corpus(tmp_path, words, rows=numbered[2:], unit=unit)
    assert set(after.units) < set(before.units)
    assert len(before.units) == (4 if unit == "record" else 2)


def test_the_same_record_twice_is_one(tmp_path: Path, words: Any) -> None:
    twice = [{"id": "1", "user_id": "a", "text": "Once more."}] * 2
    assert corpus(tmp_path, words, rows=twice, unit="customer").rows == 1


def test_a_customer_without_a_column_of_customers_is_refused(tmp_path: Path, words: Any) -> None:
    with pytest.raises(ConfigError, match=r"which column holds the customer\? Name it in \[privacy\.columns\]"):
        corpus(tmp_path, words, unit="customer", columns={"text": ["text"]})


def test_a_layout_that_is_guessed_from_the_records_is_named_and_refused(tmp_path: Path, words: Any) -> None:
    path = tmp_path / "tickets.jsonl"
    path.write_text(json.dumps({"subject": "Late", "body": "Where is it?", "user_id": "a"}) + "\n", encoding="utf-8")
    config = Config.model_validate({"finetune": {"train": path}})
    with pytest.raises(ConfigError, match=r'name it: text = \["subject", "body"\], customer = "user_id" in \[privacy'):
        read_corpus(config, words)
    read_corpus(config.changed("finetune", private=False), words)


def test_adding_a_record_leaves_the_other_units_alone(tmp_path: Path, words: Any) -> None:
    before = corpus(tmp_path, words)
    ROWS.append({"id": "6", "user_id": "zoe", "text": "One more word on the kettle."})
    try:
        after = corpus(tmp_path, words)
    finally:
        ROWS.pop()
    assert set(before.units) < set(after.units)
    assert len(after.units) == len(before.units) + 1


def test_a_text_of_one_token_is_told_and_left_out(tmp_path: Path, words: Any) -> None:
    words = tokenizer([row["text"] for row in ROWS if row["text"]])
    words.eos_token = None
    found = corpus(tmp_path, words)
    assert len(found.units) == len(ROWS) - 1
    assert found.notes == ("records.jsonl: 1 records of fewer than two tokens are left out",)


def test_no_file_is_one_clear_error(words: Any) -> None:
    with pytest.raises(ConfigError, match=r"finetune\.train: no file of records is named; name it with --train"):
        read_corpus(Config(), words)


def test_rows_of_a_unit_stand_together_and_weigh_one() -> None:
    batch = collate([Unit("a", ((1, 2), (3, 4, 5))), Unit("b", ((6, 7),))], pad=9)
    assert batch.input_ids.tolist() == [[1, 2, 9], [3, 4, 5], [6, 7, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 0]]
    assert batch.position_ids.tolist() == [[0, 1, 2]] * 3
    assert batch.unit.tolist() == [0, 0, 1]
    assert batch.weight.tolist() == [0.5, 0.5, 1.0]


def test_a_batch_of_nobody_has_no_rows() -> None:
    batch = collate([], pad=0)
    assert (batch.units, batch.input_ids.shape) == (0, (0, 0))
