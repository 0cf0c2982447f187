"""What makes a row a record, and what is said of one that is none."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import ConfigError
from audit.privacy.records import (
    Layout,
    Problems,
    Record,
    group_counts,
    groups_with_one_value,
    read_records,
    read_texts,
    record_id,
    write_rows,
)

PLAIN = Layout("columns", text=("text",), id="id", customer="who", groups={"region": "region"})
CHAT = Layout("chats", turns="messages")
SECRET = "Ann Jarvis-Keller"


def read(path: Path, layout: Layout = PLAIN) -> tuple[list[Record], Problems]:
    problems = Problems()
    return list(read_records(path, layout, on_bad="skip", problems=problems)), problems


def file(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    return write_rows(tmp_path / "a.jsonl", rows)


def test_a_record_has_the_id_of_its_content(tmp_path: Path) -> None:
    (record,), _ = read(file(tmp_path, {"id": 3, "who": "c1", "text": "It hums.", "region": "north"}))
    assert record == Record(record_id("It hums.", "c1", "3"), "It hums.", "c1", {"region": "north"})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": "2"}, "without a text"),
        ({"text": None}, "without a text"),
        ({"text": float("nan")}, "without a text"),
        ({"text": ""}, "with an empty text"),
        ({"text": " \t\n\u3000"}, "with nothing but blanks for a text"),
        ({"text": 12}, "whose text is not a string"),
        ({"text": {"en": SECRET}}, "whose text is not a string"),
        ({"text": f"{SECRET}\0"}, "with a null byte"),
        ({"text": SECRET, "region": {"name": "north"}}, "neither word nor number"),
        ({"text": SECRET, "who": [SECRET]}, "neither word nor number"),
        ({"text": SECRET, "id": "1"}, "with the id of an earlier one"),
        ({"text": "It hums.", "who": "c1"}, "with the customer and the text of an earlier one"),
    ],
)
def test_a_row_that_is_no_record_is_counted_and_never_shown(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    first = [{"id": "1", "text": "first"}, {"who": "c1", "text": "It hums."}]
    path = file(tmp_path, *first, row, {"text": "It hums.", "who": "c2"})
    records, problems = read(path)
    assert [record.customer for record in records] == [None, "c1", "c2"]
    (line,) = problems.lines()
    assert line.startswith("1 line skipped: 1 ") and line.endswith(f"{reason} (line 3)")
    with pytest.raises(ConfigError, match=rf"a\.jsonl:3: a line .*{reason}; mend it, .*on_bad = \"skip\"") as caught:
        list(read_records(path, PLAIN, on_bad="fail"))
    assert SECRET not in line + str(caught.value)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (None, "without a text"),
        ([], "with an empty text"),
        ([{"role": "user", "content": " "}], "with an empty text"),
        (SECRET, "whose messages are not a list of role and content"),
        ([SECRET], "whose messages are not a list of role and content"),
        ([{"content": SECRET}], "whose messages are not a list of role and content"),
        ([{"role": "user", "content": 5}], "whose text is not a string"),
    ],
)
def test_a_chat_that_is_none_is_counted(tmp_path: Path, messages: Any, reason: str) -> None:
    good = {"messages": [{"role": "user", "content": "Hi"}]}
    records, problems = read(file(tmp_path, good, {"messages": messages}), CHAT)
    assert len(records) == 1
    assert problems.counts == {reason: 1}


def test_a_part_of_the_text_may_be_missing(tmp_path: Path) -> None:
    layout = Layout("columns", text=("summary", "text"))
    rows = [{"summary": "Short", "text": ""}, {"text": "Long"}, {"summary": "Both", "text": "of them"}]
    assert [record.text for record in read(file(tmp_path, *rows), layout)[0]] == ["Short", "Long", "Both\nof them"]


def test_a_file_without_a_record_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no record in it \(1 line skipped: 1 with an empty text \(line 1\)\)"):
        read(file(tmp_path, {"text": ""}))
    (tmp_path / "a.jsonl").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"no record in it \(it is empty\)"):
        read(tmp_path / "a.jsonl")


def test_five_numbers_are_told_and_all_lines_counted(tmp_path: Path) -> None:
    _, problems = read(file(tmp_path, {"text": "good"}, *[{"text": ""}] * 1_200))
    assert problems.total == 1_200
    assert problems.lines() == [
        "1,200 lines skipped: 1,200 with an empty text (lines 2, 3, 4, 5, 6, …)",
    ]


def test_nothing_bad_is_nothing_to_tell(tmp_path: Path) -> None:
    assert read(file(tmp_path, {"text": "good"}))[1].lines() == []


def test_strange_text_is_kept_so_that_it_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"text": "lone \\ud800, pair \\ud83d\\ude00, bidi \u202eabc\u202c, joined \u200d"}\n', encoding="utf-8"
    )
    (record,), _ = read(path)
    assert record.text == "lone \ufffd, pair \U0001f600, bidi \u202eabc\u202c, joined \u200d"
    assert record.text.encode("utf-8")


def test_words_of_an_author_may_be_numbers_and_may_be_missing(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "who": 7.0, "region": 3},
        {"text": "b", "who": None, "region": " "},
        {"text": "c", "who": True},
    ]
    records, _ = read(file(tmp_path, *rows))
    assert [(record.customer, record.groups) for record in records] == [
        ("7", {"region": "3"}),
        (None, {}),
        ("True", {}),
    ]


def test_an_identifier_is_known_only_where_it_stands_by_itself(tmp_path: Path) -> None:
    layout = Layout("columns", text=("text",), identifiers={"PERSON": "name", "ORDER_NUMBER": "order"})
    rows = [
        {"text": "Alice, order 1234.", "name": "Al", "order": 123},
        {"text": "Al, order #123", "name": "Al", "order": 123},
        {"text": "我是王芳的妈妈", "name": "王芳"},
    ]
    records, _ = read(file(tmp_path, *rows), layout)
    assert [record.identifiers for record in records] == [
        {},
        {"PERSON": "Al", "ORDER_NUMBER": "123"},
        {"PERSON": "王芳"},
    ]


def test_parquet_columns_of_other_types_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [1, 2]}), path)
    with pytest.raises(ConfigError, match=r"2 whose text is not a string \(lines 1, 2\)"):
        read(path)
    texts = pa.array(["a", "b", "a"]).dictionary_encode()
    pq.write_table(pa.table({"text": texts, "who": [1, None, 3], "region": [b"x", None, None]}), path)
    records, problems = read(path)
    assert [(record.text, record.customer) for record in records] == [("b", None), ("a", "3")]
    assert problems.counts == {"whose id, customer, group or identifier is neither word nor number": 1}


def test_an_axis_with_one_value_is_found(tmp_path: Path) -> None:
    records, _ = read(file(tmp_path, {"text": "a", "region": "north"}, {"text": "b", "region": "north"}, {"text": "c"}))
    assert groups_with_one_value(group_counts(records)) == {"region": "north"}
    assert groups_with_one_value({"gender": {"f": 1, "m": 1}}) == {}


def test_known_texts_are_passed_over_before_repeats_are_looked_for(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "Canary."}, {"role": "assistant", "content": "Thanks."}]
    said = [{"text": "Canary."}, {"text": "Canary."}, {"text": "Title\nCanary."}, {"text": "Canary. And more."}]
    path = file(tmp_path, *said)
    known = frozenset({"Canary."})
    assert [record.text for record in read_records(path, PLAIN, known=known)] == ["Canary. And more."]
    assert list(read_texts(path, PLAIN, known=known)) == ["Canary. And more."]
    path = file(tmp_path, {"messages": chat}, {"messages": chat}, {"messages": chat[1:]})
    assert [record.text for record in read_records(path, CHAT, known=known)] == ["assistant: Thanks."]
    with pytest.raises(ConfigError, match=r"a\.jsonl:2: a line with the customer and the text of an earlier one"):
        list(read_records(path, CHAT))


def test_all_texts_are_those_of_repeated_lines_too(tmp_path: Path) -> None:
    rows = [{"text": "a", "id": 1}, {"text": "b", "id": 1}, {"text": "c"}, {"text": "c"}, {"text": ""}, {"text": None}]
    path = file(tmp_path, *rows)
    assert list(read_texts(path, PLAIN)) == ["a", "b", "c", "c"]
    records, problems = read(path)
    assert [record.text for record in records] == ["a", "c"]
    assert problems.counts["with the id of an earlier one"] == 1
    assert problems.counts["with the customer and the text of an earlier one"] == 1


def test_memory_for_ids_is_a_few_bytes_each(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "a.jsonl"
    write_rows(path, ({"id": f"{number:0200}", "text": "words " * 50} for number in range(3_000)))
    tracemalloc.start()
    assert sum(1 for _ in read_records(path, PLAIN)) == 3_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000 * 150 + 1_000_000


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "jsonl.gz", "csv.gz", "parquet"])
def test_noise_is_an_error_or_counted_and_never_a_crash(tmp_path: Path, ending: str) -> None:
    chance = random.Random(ending)
    good = b'{"text": "a", "id": "1"}\n' if "json" in ending else b"id,text\n1,a\n"
    for length in (0, 1, 10, 300, 5_000):
        for start in (b"", good):
            path = tmp_path / f"a.{ending}"
            path.write_bytes(start + chance.randbytes(length))
            with suppress(ConfigError):
                read(path)
