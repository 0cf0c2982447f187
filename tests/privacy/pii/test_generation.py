"""The prompts: enough of them, without personal information, and a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.errors import ConfigError
from audit.privacy.pii import Detector, generation_prompts


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_shipped_prompts_are_many_and_of_both_kinds(locale: str) -> None:
    table = generation_prompts(locale)
    assert table.num_rows >= 24
    assert len(set(table["category"].to_pylist())) >= 8
    messages = table["messages"].to_pylist()
    assert any(turns[-1]["role"] == "user" for turns in messages)
    assert sum(turns[-1]["role"] == "assistant" for turns in messages) >= 8
    assert set(table["task"].to_pylist()) == {"privacy"}


def test_shipped_prompts_hold_nothing_personal(english: Detector, chinese: Detector) -> None:
    for locale, detector in (("en", english), ("zh", chinese)):
        for turns in generation_prompts(locale)["messages"].to_pylist():
            text = "\n".join(turn["content"] for turn in turns)
            assert detector([text]) == [[]], text


def test_a_draw_is_repeatable_and_keeps_the_order() -> None:
    every = generation_prompts("en")["probe_id"].to_pylist()
    drawn = generation_prompts("en", 7, seed=3)["probe_id"].to_pylist()
    assert drawn == generation_prompts("en", 7, seed=3)["probe_id"].to_pylist()
    assert drawn != generation_prompts("en", 7, seed=4)["probe_id"].to_pylist()
    assert [probe for probe in every if probe in drawn] == drawn and len(drawn) == 7
    assert generation_prompts("en", 10_000).num_rows == len(every)


def test_a_file_of_lines_is_beginnings_of_texts(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("Customer:\n\nSigned,\nCustomer:\n", encoding="utf-8")
    messages = generation_prompts("en", path=path)["messages"].to_pylist()
    assert [turns[-1] for turns in messages] == [
        {"role": "assistant", "content": "Customer:"},
        {"role": "assistant", "content": "Signed,"},
    ]


def test_a_file_of_objects_is_prompts_or_messages(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(
        '{"prompt": "Name:"}\n{"messages": [{"role": "user", "content": "Who ordered?"}]}\n', encoding="utf-8"
    )
    messages = generation_prompts("en", path=path)["messages"].to_pylist()
    assert messages[0][-1] == {"role": "assistant", "content": "Name:"}
    assert messages[1] == [{"role": "user", "content": "Who ordered?"}]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", "\n \n", "no prompt in it"),
        ("a.jsonl", "{", "a.jsonl:1: not JSON"),
        ("a.jsonl", '{"text": "x"}', "'prompt' or 'messages'"),
        ("a.jsonl", '{"prompt": 3}', "prompt: must be a text"),
        ("a.jsonl", '{"messages": [{"role": "shop", "content": "x"}]}', "needs a role"),
        ("a.jsonl", '{"messages": []}', "must be a list"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        generation_prompts("en", path=path)
    assert says in str(error.value) and "\n" not in str(error.value) and name in str(error.value)


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        generation_prompts("en", path=tmp_path / "none.txt")
    with pytest.raises(ConfigError, match="none are shipped for 'fr'"):
        generation_prompts("fr")
