"""Each layout is recognised on rows as its source writes them, and a person's columns go before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.config import ColumnsConfig
from audit.errors import ConfigError
from audit.privacy.records import Record, find_layout, read_records, write_rows

AMAZON_2018 = {
    "overall": 5.0,
    "verified": True,
    "reviewTime": "09 13, 2009",
    "reviewerID": "A1QJ",
    "asin": "B00004",
    "style": {"Size:": "M"},
    "reviewerName": "J. Doe",
    "reviewText": "Fits my desk.",
    "summary": "Good lamp",
    "unixReviewTime": 1252800000,
}
AMAZON_2023 = {
    "rating": 4.0,
    "title": "Good lamp",
    "text": "Fits my desk.",
    "images": [],
    "asin": "B01",
    "parent_asin": "B02",
    "user_id": "AGKH",
    "timestamp": 1588687728923,
    "helpful_vote": 0,
    "verified_purchase": True,
}
YELP = {
    "review_id": "KU_O",
    "user_id": "mh_-",
    "business_id": "XQfw",
    "stars": 3.0,
    "useful": 0,
    "funny": 0,
    "cool": 0,
    "text": "Fits my desk.",
    "date": "2018-07-07 22:09:11",
}
ZENDESK = {"id": 35436, "requester_id": 20978392, "subject": "Lamp", "description": "It hums.", "status": "open"}
KAGGLE = {"Ticket ID": "1", "Customer Email": "a@example.com", "Ticket Subject": "Lamp", "Ticket Description": "Hums."}
OPENAI = {"messages": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "On its way."}]}
SHAREGPT = {
    "id": "c1",
    "conversations": [{"from": "human", "value": "Where is it?"}, {"from": "gpt", "value": "Here."}],
}


def file(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    return write_rows(tmp_path / "records.jsonl", rows)


def only(path: Path, name: str = "auto", **columns: Any) -> Record:
    (record,) = read_records(path, find_layout(name, path, ColumnsConfig(**columns)))
    return record


@pytest.mark.parametrize(
    ("row", "name", "text", "customer"),
    [
        (AMAZON_2018, "amazon-2018", "Good lamp\nFits my desk.", "A1QJ"),
        (AMAZON_2023, "amazon-2023", "Good lamp\nFits my desk.", "AGKH"),
        (YELP, "yelp", "Fits my desk.", "mh_-"),
        (ZENDESK, "tickets", "Lamp\nIt hums.", "20978392"),
        (KAGGLE, "tickets", "Lamp\nHums.", "a@example.com"),
        (OPENAI, "chats", "user: Where is it?\nassistant: On its way.", None),
        (SHAREGPT, "chats", "human: Where is it?\ngpt: Here.", None),
    ],
)
def test_a_layout_is_recognised(
    tmp_path: Path, row: dict[str, Any], name: str, text: str, customer: str | None
) -> None:
    path = file(tmp_path, row)
    assert find_layout("auto", path).name == name
    assert find_layout("auto", path) == find_layout(name, path)
    assert (only(path).text, only(path).customer) == (text, customer)


@pytest.mark.parametrize("ending", ["csv", "parquet", "json.gz"])
def test_a_layout_is_recognised_in_every_kind_of_file(tmp_path: Path, ending: str) -> None:
    row = {key: str(value) for key, value in AMAZON_2023.items()}
    path = write_rows(tmp_path / f"a.{ending}", [row], list(row))
    assert find_layout("auto", path).name == "amazon-2023"
    assert only(path).text == "Good lamp\nFits my desk."


def test_a_first_row_without_every_key_hides_nothing(tmp_path: Path) -> None:
    short = {key: value for key, value in AMAZON_2018.items() if key not in ("summary", "reviewText")}
    path = file(tmp_path, short, AMAZON_2018)
    assert find_layout("auto", path).text == ("summary", "reviewText")


def test_turns_are_kept_and_parts_that_are_no_text_left_out(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "assistant", "content": "Broken."},
    ]
    record = only(file(tmp_path, {"messages": messages}))
    assert record.turns == (("user", "Look:"), ("assistant", "Broken."))
    assert record.text == "user: Look:\nassistant: Broken."


def test_own_columns_stand_in_for_a_layout(tmp_path: Path) -> None:
    path = file(tmp_path, {"nr": 7, "words": "Ann likes it.", "who": 12, "sex": "f", "name": "Ann", "mail": "a@b.c"})
    identifiers = {"PERSON": "name", "EMAIL_ADDRESS": "mail"}
    record = only(path, text=("words",), id="nr", customer="who", groups={"gender": "sex"}, identifiers=identifiers)
    assert (record.text, record.customer, record.groups) == ("Ann likes it.", "12", {"gender": "f"})
    assert record.identifiers == {"PERSON": "Ann"}, "an address that is not in the text is not known to stand in it"


def test_own_columns_go_before_those_of_a_layout(tmp_path: Path) -> None:
    path = file(tmp_path, AMAZON_2018 | {"gender": "f"})
    record = only(path, text=("reviewText",), customer="reviewerName", groups={"gender": "gender"})
    assert (record.text, record.customer, record.groups) == ("Fits my desk.", "J. Doe", {"gender": "f"})


def test_own_turns_go_before_the_text_of_a_layout(tmp_path: Path) -> None:
    path = file(tmp_path, YELP | {"log": [{"role": "user", "content": "Hi"}]})
    assert only(path, turns="log").text == "user: Hi"


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("amazon", {}, r"privacy\.layout: unknown name 'amazon'; did you mean 'amazon-20"),
        ("auto", {}, r'which column holds the text\? .*text = \["\.\.\."\]; there are words, who'),
        ("columns", {"customer": "who"}, "which column holds the text"),
        ("columns", {"text": ("word",)}, "there is no column 'word'; did you mean 'words'"),
        ("columns", {"text": ("zzzz",)}, "there is no column 'zzzz'; there are words, who"),
        ("auto", {"text": ("words",), "groups": {"age": "years"}}, "there is no column 'years'"),
        (
            "auto",
            {"text": ("words",), "identifiers": {"EMAIL_ADRESS": "who"}},
            "unknown type .*; did you mean 'EMAIL_ADDRESS'",
        ),
        ("yelp", {}, "layout yelp needs a column text; there are words, who"),
        ("chats", {}, "layout chats needs a column messages"),
        ("tickets", {}, "layout tickets needs a column subject"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, name: str, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_layout(name, file(tmp_path, {"words": "a", "who": "b"}), ColumnsConfig(**columns))


def test_a_file_without_a_header_does_not_show_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ann@example.com,(212) 847-0193,It fits my desk very well indeed and hums.\n")
    with pytest.raises(ConfigError, match="there are 3 columns whose names look like data") as caught:
        find_layout("auto", path)
    assert not any(value in str(caught.value) for value in ("ann@", "847", "desk"))


@pytest.mark.parametrize(
    "line",
    [
        "Ann,Jarvis,It hums,ann@example.com",
        "ann jarvis,berlin,north,2024-05-01",
        "B00417,jarvis,lamp,4.0",
        "王芳,北京,很好,13800138000",
        f"jarvis,{'x' * 31},lamp",
    ],
)
def test_no_value_of_a_first_line_that_is_no_header_is_shown(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(line + "\n", encoding="utf-8")
    for columns in (ColumnsConfig(), ColumnsConfig(text=("jarviss",))):
        with pytest.raises(ConfigError, match=r"does the file have a header\?") as caught:
            find_layout("auto", path, columns)
        said = str(caught.value).removeprefix(str(path)).replace("'jarviss'", "").lower()
        assert not any(value.lower() in said for value in line.split(","))


def test_real_headers_are_shown(tmp_path: Path) -> None:
    for names in ([*AMAZON_2018], [*YELP], ["Ticket ID", "Customer Email", "Rating (1-5)"], ["编号", "客户", "评论"]):
        path = tmp_path / "a.csv"
        path.write_text(",".join(names) + "\n", encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            find_layout("columns", path)
        assert str(caught.value).endswith(f"there are {', '.join(names)}")


def test_a_file_without_a_good_line_says_why(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("Ann's order\n{}\n" + json.dumps(["Ann"]) + "\n")
    with pytest.raises(ConfigError, match=r"2 lines skipped: 1 not JSON \(line 1\), 1 not a JSON object") as caught:
        find_layout("auto", path)
    assert "Ann" not in str(caught.value)
