from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import tables
from audit.errors import ConfigError

SCORE = {"probe_id": "p", "draw": 0, "metric": "tone", "value": 0.5, "status": "scored", "scorer_version": "1"}


def scores(*changes: dict[str, Any]) -> pa.Table:
    return tables.from_rows("scores", [SCORE | change for change in changes])


@pytest.mark.parametrize("name", tables.SCHEMAS)
def test_an_empty_table_is_valid_and_comes_back(name: str, tmp_path: Path) -> None:
    tables.write(name, tables.from_rows(name, []), tmp_path / "t.parquet")
    assert tables.read(name, tmp_path / "t.parquet").schema.equals(tables.SCHEMAS[name])


def test_every_vocabulary_and_key_is_of_a_column_that_exists() -> None:
    assert set(tables.KEYS) == set(tables.SCHEMAS)
    for name, columns in [*tables.KEYS.items(), *((n, tuple(words)) for n, words in tables.VOCABULARY.items())]:
        assert set(columns) <= set(tables.SCHEMAS[name].names)


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 9), st.none() | st.floats(allow_nan=False)), max_size=8))
def test_rows_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    unique = {(probe, draw): value for probe, draw, value in rows}
    table = scores(*({"probe_id": p, "draw": d, "value": v} for (p, d), v in unique.items()))
    path = tmp_path_factory.mktemp("t") / "scores.parquet"
    assert tables.read("scores", tables.write("scores", table, path)).equals(table)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    table = scores({}, {"draw": 1})
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    first, second = (tables.write("scores", t, tmp_path / n) for t, n in ((table, "a"), (chunked, "b")))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"status": "fine"}, "status 'fine' is not one of error, invalid, refused, scored"),
        ({"metric": None}, "column 'metric' has an empty value"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], complaint: str) -> None:
    columns = {name: [value] for name, value in (SCORE | change).items()}
    loose = pa.schema([pa.field(field.name, field.type) for field in tables.SCORES])
    with pytest.raises(ConfigError, match=f"table scores: {complaint}"):
        tables.check("scores", pa.table(columns, loose))


def test_a_key_that_stands_twice_is_named() -> None:
    with pytest.raises(ConfigError, match="table scores: probe_id and draw and metric must be unique"):
        tables.check("scores", scores({}, {"value": 1.0}))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ConfigError, match="table scores: column 'value' is missing"):
        tables.check("scores", scores({}).drop_columns(["value"]))


def test_a_column_of_another_type_is_named() -> None:
    table = scores({})
    words = table.set_column(3, "value", pa.array(["much"]))
    with pytest.raises(ConfigError, match=r"table scores: .*much"):
        tables.check("scores", words)


def test_further_columns_are_left_out() -> None:
    table = scores({})
    assert tables.check("scores", table.append_column("note", pa.array(["x"]))).equals(table)


def test_an_absent_table_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"scores.parquet: there is no such table; run the stage before"):
        tables.read("scores", tmp_path / "scores.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table" * 99], ids=["empty", "head only", "words"])
def test_a_file_that_is_no_table_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"scores.parquet: not a readable parquet file") as caught:
        tables.read("scores", path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", [0.5, 0.9])
def test_a_table_damaged_anywhere_is_one_line(place: float, tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    tables.write("scores", scores(*({"draw": draw, "value": draw / 7} for draw in range(500))), path)
    data = bytearray(path.read_bytes())
    start = int(len(data) * place)
    data[start : start + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        tables.read("scores", path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_of_another_kind_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "findings.parquet"
    tables.write("scores", scores({}), path)
    with pytest.raises(ConfigError, match=r"findings.parquet: table findings: column 'finding_id' is missing"):
        tables.read("findings", path)


def test_an_invalid_table_leaves_the_old_file(tmp_path: Path) -> None:
    path = tables.write("scores", scores({}), tmp_path / "scores.parquet")
    before = path.read_bytes()
    with pytest.raises(ConfigError):
        tables.write("scores", scores({}, {}), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tables.write("scores", scores({}), tmp_path / "scores.parquet")
    before = path.read_bytes()

    def full(*args: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for module, name in ((pq, "write_table"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            with pytest.raises(ConfigError, match=r"scores.parquet: cannot be written \(No space left on device\)"):
                tables.write("scores", scores({"value": 1.0}), path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"file/run: cannot write here \(Not a directory\); name another folder"):
        tables.write("scores", scores({}), tmp_path / "file" / "run" / "scores.parquet")
