"""What cannot be planted is refused in one line, and leaves everything as it was."""

from __future__ import annotations

import os
import sys

import pytest

from audit.errors import ConfigError
from audit.privacy.planting import files
from audit.privacy.planting.files import together
from audit.privacy.records import Layout, write_rows
from tests.privacy.planting.shop import plant_into, reviews

TEXT = Layout("columns", text=("text",), customer="customer")


def everything(folder):
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


def refused(folder, says, rows=None, ending=".jsonl", **options):
    path = write_rows(folder / f"shop{ending}", reviews(100)) if rows is None else rows
    before = everything(folder)
    with pytest.raises(ConfigError, match=says) as error:
        plant_into(folder, path, ending, **options)
    assert everything(folder) == before
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"canaries": 9}, "canaries: 9 are too few"),
        ({"references": 0}, "references: 0 are too few"),
        ({"held_out": 0.0}, "held_out: 0 is no share"),
        ({"held_out": 1.0}, "held_out: 1 is no share"),
        ({"held_out": float("nan")}, "held_out: nan is no share"),
        ({"repeats": 0}, "repeats: 0 is too few"),
        ({"guesses": (21, 20)}, "guesses: 21 and 20 of 40 canaries"),
        ({"guesses": (0, 0)}, "guesses: 0 and 0 of 40"),
        ({"guesses": (-1, 3)}, "guesses: -1 and 3"),
        ({"delta": 1.0}, "delta: 1 is none"),
        ({"split": "shop"}, "split: unknown word 'shop'; known are customer, record"),
        ({"form": "passport"}, "form 'passport': there is none in en"),
        ({"locale": "fr"}, "locale 'fr'"),
        ({"on_bad": "cry"}, "on_bad: unknown word"),
        ({"layout": Layout("columns")}, "which column holds the text"),
    ],
)
def test_what_is_asked_wrongly_is_refused_and_nothing_written(tmp_path, options, says):
    refused(tmp_path, says, **options)


@pytest.mark.parametrize("name", ["train.jsonl", "held.jsonl", "ledger.json"])
def test_a_file_that_is_there_is_not_overwritten_unless_asked(tmp_path, name):
    (tmp_path / name).write_text("mine")
    refused(tmp_path, f"{name}: is there already")
    plant_into(tmp_path, reviews(100), overwrite=True)
    assert (tmp_path / name).read_text(encoding="utf-8") != "mine"


@pytest.mark.parametrize("key", ["held_out_path", "ledger_path"])
def test_one_file_cannot_be_two(tmp_path, key):
    refused(tmp_path, r"train\.jsonl: would be written over", **{key: tmp_path / "train.jsonl"})


@pytest.mark.parametrize("key", ["held_out_path", "ledger_path"])
def test_the_input_is_never_overwritten_even_when_asked(tmp_path, key):
    refused(tmp_path, r"would be written over shop\.jsonl", overwrite=True, **{key: tmp_path / "shop.jsonl"})


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_the_input_under_another_name_is_never_overwritten(tmp_path, link):
    path = write_rows(tmp_path / "shop.jsonl", reviews(100))
    link(path, tmp_path / "train.jsonl")
    refused(tmp_path, r"would be written over shop\.jsonl", rows=path, overwrite=True)


def test_a_folder_is_no_file_to_write(tmp_path):
    (tmp_path / "held.jsonl").mkdir()
    refused(tmp_path, r"held\.jsonl: is a folder", overwrite=True)


def test_another_kind_of_file_is_refused(tmp_path):
    refused(tmp_path, r"held\.csv: must be of the same kind as shop\.jsonl", held_out_path=tmp_path / "held.csv")


def test_an_input_that_is_not_there_is_one_clear_error(tmp_path):
    refused(tmp_path, "there is no such file", rows=tmp_path / "none.jsonl")


def test_a_bad_line_stops_it_unless_asked_otherwise(tmp_path):
    path = write_rows(tmp_path / "shop.jsonl", reviews(100))
    with path.open("a") as file:
        file.write("{broken\n")
    refused(tmp_path, r"shop\.jsonl:101: a line not JSON", rows=path)


def test_a_file_without_texts_is_refused(tmp_path):
    path = write_rows(tmp_path / "shop.jsonl", [{"customer": "c", "text": ""}])
    refused(tmp_path, "no record with a text in it", rows=path, layout=TEXT)


@pytest.mark.parametrize(("share", "says"), [(0.999, "on the training side"), (0.001, "on the held-out side")])
def test_an_empty_side_is_refused(tmp_path, share, says):
    path = write_rows(tmp_path / "shop.jsonl", [{"customer": "only one", "text": f"T {n}"} for n in range(20)])
    refused(tmp_path, says, rows=path, layout=TEXT, held_out=share)


def test_a_control_character_in_a_name_is_refused(tmp_path):
    refused(tmp_path, "has a control character", held_out_path=tmp_path / "held\n.jsonl")


def test_a_side_of_copies_alone_is_refused(tmp_path):
    path = write_rows(tmp_path / "shop.jsonl", [{"customer": f"c{n}", "text": "The same."} for n in range(100)])
    refused(tmp_path, "every text on the training side stands more than once", rows=path, layout=TEXT)


def test_a_value_that_does_not_fit_leaves_nothing(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"id": pa.array(range(28, 128), pa.int8()), "text": [f"T {n}" for n in range(100)]})
    pq.write_table(table, tmp_path / "shop.parquet")
    layout = Layout("columns", text=("text",), id="id")
    refused(tmp_path, "column 'id'", rows=tmp_path / "shop.parquet", ending=".parquet", layout=layout)


def test_a_failure_while_writing_leaves_nothing(tmp_path):
    def write():
        with together(tmp_path / "a", tmp_path / "b") as (first, _):
            first.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert everything(tmp_path) == {}


def test_a_file_that_cannot_be_moved_takes_those_before_it_back(tmp_path, monkeypatch):
    real = os.replace

    def replace(source, target):
        if str(target).endswith("b"):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(files.os, "replace", replace)

    def write():
        with together(tmp_path / "a", tmp_path / "b") as temporary:
            for path in temporary:
                path.write_text("all of it")

    with pytest.raises(ConfigError, match="cannot be written"):
        write()
    assert everything(tmp_path) == {}


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    module = sys.modules["audit.privacy.planting.plant"]
    path = write_rows(tmp_path / "shop.jsonl", reviews(100))
    real = module.survey

    def survey_then_grow(*args, **kwargs):
        found = real(*args, **kwargs)
        with path.open("a") as file:
            file.write('{"customer": "late", "text": "Late."}\n')
        return found

    monkeypatch.setattr(module, "survey", survey_then_grow)
    with pytest.raises(ConfigError, match="has changed while it was read"):
        plant_into(tmp_path, path)
    assert sorted(everything(tmp_path)) == ["shop.jsonl"]
