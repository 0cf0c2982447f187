"""Rows of every kind are written and read back; bad ones cost themselves and nothing more."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.errors import ConfigError
from audit.privacy.records import Problems, columns_of, read_rows, write_rows

ENDINGS = ("jsonl", "ndjson", "json", "csv", "tsv", "jsonl.gz", "csv.gz", "parquet")
ROUND = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BROKEN = {
    "with a quote out of place or not closed": 1,
    "not UTF-8": 1,
    "with another number of columns than the header": 1,
}
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def data(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [row.data for row in read_rows(path, **options)]


def skipped(path: Path) -> tuple[list[int], dict[str, int]]:
    """The numbers of the good rows, and how many were bad for each reason."""
    problems = Problems()
    return [row.number for row in read_rows(path, on_bad="skip", problems=problems)], problems.counts


@ROUND
@given(rows=st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=4), max_size=5))
def test_json_lines_come_back_as_they_were(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    assert data(write_rows(tmp_path / "a.jsonl", rows)) == rows


@ROUND
@given(rows=st.lists(st.fixed_dictionaries({"id": WORDS, "a text": WORDS}), max_size=5))
@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz"])
def test_delimited_fields_come_back_as_they_were(tmp_path: Path, rows: list[dict[str, str]], ending: str) -> None:
    assert data(write_rows(tmp_path / f"a.{ending}", rows, ["id", "a text"])) == rows


@ROUND
@given(rows=st.lists(st.fixed_dictionaries({"text": WORDS}), max_size=5))
def test_a_single_column_comes_back_with_its_empty_fields(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    assert data(write_rows(tmp_path / "a.csv", rows, ["text"])) == rows


@ROUND
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "text": st.none() | WORDS,
                "stars": st.none() | st.integers(-(2**63), 2**63 - 1),
                "messages": st.lists(st.fixed_dictionaries({"role": WORDS, "content": WORDS}), max_size=2),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_parquet_comes_back_as_it_was(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    assert data(write_rows(tmp_path / "a.parquet", rows, ["text", "stars", "messages"])) == rows


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, ending: str) -> None:
    rows = [{"id": str(number), "text": "多好的锅"} for number in range(50)]
    first = write_rows(tmp_path / f"a.{ending}", rows, ["id", "text"]).read_bytes()
    assert write_rows(tmp_path / f"b.{ending}", iter(rows), ["id", "text"]).read_bytes() == first
    assert columns_of(tmp_path / f"b.{ending}") == ("id", "text")
    if ending.endswith("gz"):
        assert first[4:8] == bytes(4), "no time of writing"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_can_be_written_over_while_it_is_read(tmp_path: Path, ending: str) -> None:
    path = write_rows(tmp_path / f"a.{ending}", [{"text": "one"}, {"text": "two"}], ["text"])
    write_rows(path, (row.data for row in read_rows(path)), ["text"])
    assert data(path) == [{"text": "one"}, {"text": "two"}]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.csv", [{"text": "old"}])
    with pytest.raises(ConfigError, match=r"row 2 has the column 'extra'"):
        write_rows(path, [{"text": "new"}, {"text": "new", "extra": "x"}])
    assert data(path) == [{"text": "old"}]
    assert [item.name for item in tmp_path.iterdir()] == ["a.csv"]


def test_parquet_keeps_the_types_of_the_file_it_is_like(tmp_path: Path) -> None:
    source = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"], "stars": pa.array([4], pa.int8())}), source)
    rows = [*data(source), {"text": "b", "stars": None}]
    write_rows(tmp_path / "b.parquet", rows, columns_of(source), like=source)
    assert pq.read_schema(tmp_path / "b.parquet").field("stars").type == pa.int8()
    assert data(tmp_path / "b.parquet") == rows


def test_parquet_says_which_column_a_value_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"b\.parquet: column 'stars'") as caught:
        write_rows(tmp_path / "b.parquet", [{"stars": 1}, {"stars": "Ann"}])
    assert "Ann" not in str(caught.value)


def test_crlf_byte_order_mark_and_blank_lines_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}')
    assert [(row.number, row.data) for row in read_rows(path)] == [(1, {"a": 1}), (3, {"a": 2})]
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffid,text\r\n1,"two\r\nlines"\r\n\r\n2,last'.encode())
    assert [(row.number, row.data["text"]) for row in read_rows(path)] == [(2, "two\r\nlines"), (5, "last")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut', "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'"words"', "not a JSON object"),
        (b'{"text": "gr\xfcn"}', "not UTF-8"),
        ('{"text": "锅"}'.encode("gb18030"), "not UTF-8"),
        (b'{"text": "a\0b"}', "with a null byte"),
        (b'{"text": "' + b"x" * 1_000_000 + b'"}', "longer than 1 MB"),
        (b"[" * 100_000, "not JSON"),
        (b'{"stars": ' + b"9" * 5_000 + b"}", "not JSON"),
    ],
)
def test_a_bad_json_line_is_counted_and_the_next_one_read(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "first"}\n' + line + b'\n{"text": "third"}\n')
    assert skipped(path) == ([1, 3], {reason: 1})
    with pytest.raises(ConfigError, match=rf"a\.jsonl:2: a line {reason}; .*on_bad = \"skip\""):
        data(path)


@pytest.mark.parametrize(
    ("line", "good", "counts"),
    [
        (b"2,a,b", [2, 4], {"with another number of columns than the header": 1}),
        (b"2", [2, 4], {"with another number of columns than the header": 1}),
        (b'2,"never closed', [2, 4], {"with a quote out of place or not closed": 1}),
        (b'2,"in" the middle', [2, 4], {"with a quote out of place or not closed": 1}),
        (b'2,5" nail', [2, 3, 4], {}),
        (b"2,gr\xfcn", [2, 4], {"not UTF-8": 1}),
        (b"2,a\0b", [2, 4], {"with a null byte": 1}),
        (b"2," + b"x" * 1_000_000, [2, 4], {"longer than 1 MB": 1}),
        (b"2," + b"x" * 200_000, [2, 4], {"with a quote that is not closed or a field of more than 128 KB": 1}),
        (b'2,"begun\n\xfc\nended"', [2, 6], BROKEN),
    ],
)
def test_a_bad_csv_row_costs_that_row(tmp_path: Path, line: bytes, good: list[int], counts: dict[str, int]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,text\n1,first\n" + line + b"\n3,last\n")
    assert skipped(path) == (good, counts)


def test_a_quote_that_is_never_closed_does_not_swallow_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,"open\n' + "2,plain words\n" * 12_000)
    good, counts = skipped(path)
    assert len(good) == 12_000
    assert counts == {"with a quote that is not closed or a field of more than 128 KB": 1}


def test_no_more_than_a_megabyte_of_a_row_is_held(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,"a\n' + f'","{"b" * 1_000}\n' * 1_100)
    good, counts = skipped(path)
    assert good == []
    assert counts["longer than 1 MB"] == 1
    assert sum(counts.values()) == 1_101


def test_lines_that_all_swallow_the_next_take_no_longer_than_others(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n" + 'a",b,"\n' * 30_000)
    began = time.process_time()
    good, counts = skipped(path)
    assert (good, sum(counts.values())) == ([], 30_000)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_by_the_header(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(delimiter.join(["id", '"a, b; c | d"', "text"]) + "\n" + delimiter.join(["1", "x", "y"]) + "\n")
    assert data(path) == [{"id": "1", "a, b; c | d": "x", "text": "y"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; the first line must name the columns"),
        (b"\n1,2\n", "column 1 has no name"),
        (b"id,,text\n", "column 2 has no name"),
        (b"Ann,Ann\n", "columns 1 and 2 have one name"),
        ("编号,评价\n".encode("gb18030"), "a line not UTF-8; the first line must name the columns, in UTF-8"),
        ("id,text\n".encode("utf-16"), "is in UTF-16 or UTF-32; save the file as UTF-8"),
        (b'id,"text\n1,a\n', "out of place or not closed"),
    ],
)
def test_a_header_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        data(path, on_bad="skip")
    assert "Ann" not in str(caught.value)


@pytest.mark.parametrize("content", ['[{"text": "a"},\n{"text": "b"}]', '[{"text": "a"}]', "[\n"])
def test_a_json_array_is_told_from_json_lines(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"is one JSON array; write one object a line"):
        data(path, on_bad="skip")


@pytest.mark.parametrize("keep", [5, 30, -9, -4])
def test_broken_gzip_data_is_an_error(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress(b"".join(b'{"text": "%d"}\n' % number for number in range(100)))
    path.write_bytes(packed[:keep])
    with pytest.raises(ConfigError, match=r"a\.jsonl\.gz: broken gzip data after line [\d,]+; get the file again"):
        data(path, on_bad="skip")


def test_a_file_that_is_not_packed_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(b'{"text": "plain"}\n')
    with pytest.raises(ConfigError, match="broken gzip data after line 0"):
        data(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.jsonl", "there is no such file"),
        ("absent.csv.gz", "there is no such file"),
        ("absent.parquet", "there is no such file"),
        ("records.xlsx", r"unknown kind of file; known are \.jsonl"),
        ("records.parquet.gz", "unknown kind of file"),
        ("folder.jsonl", "cannot be read"),
        ("broken.parquet", "not a readable parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(ConfigError, match=message) as caught:
        data(tmp_path / name, on_bad="skip")
    assert "\n" not in str(caught.value)


def test_parquet_text_that_is_not_utf8_costs_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = pa.array([b"first", b"gr\xfcn", b"third"]).view(pa.string())
    pq.write_table(pa.table({"text": texts}), path)
    assert skipped(path) == ([1, 3], {"not UTF-8": 1})


def test_unknown_way_with_bad_lines(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [{}])
    with pytest.raises(ConfigError, match="on_bad: unknown word 'ignore'"):
        read_rows(path, on_bad="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize(("ending", "many"), [("jsonl", 50_000), ("csv.gz", 10_000), ("parquet", 10_000)])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, ending: str, many: int) -> None:
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.{ending}"
        write_rows(path, ({"id": str(number), "text": "words " * 20} for number in range(rows)), ["id", "text"])
        tracemalloc.start()
        for _ in read_rows(path):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(500)  # what is loaded once
    assert peak(many) < 1.2 * peak(1_000) + 50_000


def test_no_more_than_a_megabyte_of_a_line_is_held(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b"x" * 1_000_000)
        file.write(b'\n{"text": "after"}\n')
    tracemalloc.start()
    assert skipped(path) == ([2], {"longer than 1 MB": 1})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000


def test_a_lone_surrogate_survives_as_an_escape(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [{"text": "a\ud800b"}])
    assert json.loads(path.read_text()) == {"text": "a\ud800b"}
