"""What an audit looks at: two sides that differ in nothing but the training, and places of whole values."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from audit.config import Config, PrivacyConfig
from audit.errors import ConfigError
from audit.privacy.material import Material, gather
from audit.privacy.planting import plant
from audit.privacy.records import Layout, Record, write_rows
from audit.privacy.who import passages

STOCK = ("Good.", "Works well.", "As described.", "Fast delivery.", "Five stars.")
Rows = list[dict[str, Any]]


def own(count: int, letter: str = "c") -> Rows:
    return [{"text": f"Review {letter}{n} of a kettle.", "customer": f"{letter}{n}"} for n in range(count)]


def stock(share: float, count: int, *, customers: bool) -> Rows:
    """Texts that say something of their own, and a share of stock phrases."""
    chance = random.Random(3)
    rows: Rows = []
    for n in range(count):
        text = chance.choice(STOCK) if chance.random() < share else f"Review {n} of a kettle."
        rows.append({"text": text} | ({"customer": f"c{n}"} if customers else {}))
    return rows


def planted(folder: Path, rows: Rows, **options: Any) -> PrivacyConfig:
    path = write_rows(folder / "shop.jsonl", rows)
    layout = Layout("columns", text=("text",), customer="customer" if "customer" in rows[0] else None)
    given = {"canaries": 40, "references": 20, "held_out": 0.2, "seed": 5, **options}
    places = {"held_out_path": folder / "held.jsonl", "ledger_path": folder / "ledger.json"}
    plant(path, folder / "train.jsonl", layout=layout, **places, **given)
    return PrivacyConfig(ledger=folder / "ledger.json")


def named(folder: Path, members: Rows, held_out: Rows, **settings: Any) -> PrivacyConfig:
    files = {
        "members": write_rows(folder / "members.jsonl", members),
        "held_out": write_rows(folder / "held.jsonl", held_out),
    }
    return PrivacyConfig.model_validate({**files, "layout": "columns", "columns": {"text": ["text"]}, **settings})


def texts(material: Material) -> tuple[list[str], list[str]]:
    members, held_out = material.members, material.held_out
    return [record.text for record in members], [record.text for record in held_out]


@pytest.mark.parametrize("customers", [True, False])
def test_stock_phrases_do_not_tell_members_from_held_out(tmp_path: Path, customers: bool) -> None:
    rows = stock(0.08, 2000, customers=customers)
    material = gather(planted(tmp_path, rows), seed=0)
    for side in texts(material):
        assert len(side) > 200 and set(side).isdisjoint(STOCK)
    assert len(material.members) + len(material.held_out) == sum(row["text"] not in STOCK for row in rows)


def test_a_phrase_that_fell_on_one_side_alone_is_left_out_too(tmp_path: Path) -> None:
    # Two copies are on one side more often where that side is the larger: kept there, they would tell it.
    rows = [{"text": f"Phrase {n // 2}."} for n in range(400)] + [{"text": f"Review {n}."} for n in range(600)]
    for side in texts(gather(planted(tmp_path, rows), seed=0)):
        assert side and not any(text.startswith("Phrase") for text in side)


def test_how_many_are_left_out_of_each_side_is_told_and_all_are_counted(tmp_path: Path) -> None:
    members = [*own(30), {"text": "Good.", "customer": "x"}, {"text": "Fine.", "customer": "y"}]
    held_out = [*own(20, "h"), {"text": " Good. "}, {"text": "Works."}]
    columns = {"text": ["text"], "customer": "customer"}
    members.append({"text": "Fine.", "customer": "z"})
    material = gather(named(tmp_path, members, held_out, columns=columns), seed=0)
    assert material.counts == {"members": 33, "held_out": 22}
    assert (len(material.members), len(material.held_out)) == (30, 21)
    (note,) = material.notes
    assert "3 of 33 in members.jsonl and 1 of 22 in held.jsonl are left out" in note


def test_copies_are_looked_for_in_the_whole_files_not_among_those_drawn(tmp_path: Path) -> None:
    common = [{"text": f"Common {n}."} for n in range(40)]
    config = named(tmp_path, own(400) + common, own(60, "h") + common, max_records=50)
    material = gather(config, seed=0)
    assert [len(side) for side in texts(material)] == [50, 50]
    assert not any("Common" in text for side in texts(material) for text in side)


def test_members_alone_are_compared_with_nothing_and_kept(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "members.jsonl", [{"text": "Good.", "customer": f"c{n}"} for n in range(3)])
    columns = {"text": ["text"], "customer": "customer"}
    config = PrivacyConfig.model_validate({"members": path, "layout": "columns", "columns": columns})
    assert len(gather(config, seed=0).members) == 3


def test_a_held_out_file_of_members_is_refused_above_max_records_too(tmp_path: Path) -> None:
    members = own(600)
    config = named(tmp_path, members, members[:60] + own(40, "h"), max_records=20)
    with pytest.raises(ConfigError, match=r"held\.jsonl: 60% of its different texts stand in .*members\.jsonl too"):
        gather(config, seed=0)
    assert gather(named(tmp_path, members, members[:40] + own(60, "h")), seed=0).held_out


def test_a_plants_own_split_may_be_full_of_stock_phrases(tmp_path: Path) -> None:
    rows = [{"text": f"Phrase {n % 100}.", "customer": f"c{n}"} for n in range(2000)] + own(100, "h")
    material = gather(planted(tmp_path, rows), seed=0)
    assert material.members and material.held_out
    with pytest.raises(ConfigError, match="are not held out"):
        gather(material_of(tmp_path), seed=0)


def material_of(folder: Path) -> PrivacyConfig:
    """The same files, which no ledger vouches for."""
    files = {"members": folder / "train.jsonl", "held_out": folder / "held.jsonl"}
    return PrivacyConfig.model_validate({**files, "layout": "columns", "columns": {"text": ["text"]}})


def test_the_ledgers_layout_holds_after_a_setting_was_changed_on_the_command_line(tmp_path: Path) -> None:
    rows = [{"text": f"Review {n} of a kettle.", "customer": f"c{n}", "subject": "x", "body": "y"} for n in range(60)]
    config = Config(privacy=planted(tmp_path, rows)).changed("privacy", generations=0)
    assert all(record.text.startswith("Review") for record in gather(config.privacy, 0).members)


def test_a_side_without_a_text_of_its_own_is_one_clear_error(tmp_path: Path) -> None:
    held_out = [{"text": f"H {n // 2}."} for n in range(6)]
    with pytest.raises(ConfigError, match=r"held\.jsonl: each of its texts stands more than once"):
        gather(named(tmp_path, own(10), held_out), seed=0)


@pytest.mark.parametrize("customers", [True, False])
def test_canaries_that_stand_several_times_are_no_bad_lines(tmp_path: Path, customers: bool) -> None:
    rows = stock(0, 300, customers=customers)
    config = planted(tmp_path, rows, repeats=3).model_copy(update={"on_bad": "fail"})
    material = gather(config, seed=0)
    assert material.ledger is not None and material.notes == ()
    assert material.counts["members"] + material.counts["held_out"] == 300
    canaries = {canary.text for canary in material.ledger.canaries}
    assert canaries.isdisjoint(record.text for record in material.all_members(config))
    assert len(list(material.all_members(config))) == material.counts["members"]


def test_a_line_that_stands_twice_is_still_told(tmp_path: Path) -> None:
    config = named(tmp_path, own(20) + own(1), own(20, "h"))
    notes = gather(config, seed=0).notes
    assert any("members.jsonl: 1 line skipped: 1 with the customer and the text" in note for note in notes)
    with pytest.raises(ConfigError, match=r"members\.jsonl:21: a line with the customer and the text"):
        gather(config.model_copy(update={"on_bad": "fail"}), seed=0)


def test_the_place_of_an_identifier_is_that_of_the_whole_word() -> None:
    text = "The Annual kettle, order 1234, came. Ann, 123"
    record = Record("1", text, identifiers={"PERSON": "Ann", "ORDER_NUMBER": "123"})
    (passage,) = passages(Material((record,), (), None, {}, (), {}))
    assert [(span.name, span.start, text[span.start : span.end]) for span in passage.spans] == [
        ("PERSON", text.rindex("Ann"), "Ann"),
        ("ORDER_NUMBER", text.rindex("123"), "123"),
    ]
