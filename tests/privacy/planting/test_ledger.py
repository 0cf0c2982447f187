"""The ledger: written and read again, and what is wrong with one said in one line."""

from __future__ import annotations

import json
import os
import re
import stat
import traceback

import pytest

from audit.errors import ConfigError
from audit.privacy.planting import check_files, read_ledger, write_ledger
from tests.privacy.planting.shop import CHATS, chats, plant_into, reviews


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    return folder, plant_into(folder, reviews(300))


@pytest.fixture
def edited(planted, tmp_path):
    """Write the ledger with a change, and return its path."""

    def edit(change):
        data = json.loads((planted[0] / "ledger.json").read_text(encoding="utf-8"))
        changed = change(data)
        path = tmp_path / "ledger.json"
        path.write_text(json.dumps(data if changed is None else changed), encoding="utf-8")
        return path

    return edit


def test_a_ledger_is_read_as_it_was_written(planted, tmp_path):
    folder, ledger = planted
    assert read_ledger(folder / "ledger.json") == ledger
    assert read_ledger(write_ledger(ledger, tmp_path / "again.json")) == ledger


def test_a_ledger_of_chats_is_read_as_it_was_written(tmp_path):
    ledger = plant_into(tmp_path, chats(200), layout=CHATS)
    assert read_ledger(tmp_path / "ledger.json") == ledger


def test_a_ledger_is_readable_by_its_owner_alone(planted, tmp_path):
    folder, ledger = planted
    assert stat.S_IMODE((folder / "ledger.json").stat().st_mode) == 0o600
    older = tmp_path / "ledger.json"
    older.write_text("{}")
    older.chmod(0o644)
    assert stat.S_IMODE(write_ledger(ledger, older).stat().st_mode) == 0o600


def test_guesses_stand_in_the_file_under_in_and_out(planted):
    data = json.loads((planted[0] / "ledger.json").read_text(encoding="utf-8"))
    assert data["guesses"] == {"in": 5, "out": 5}
    assert set(data["group_guesses"]) == {"race", "gender", "race_gender"}


def test_guesses_of_groups_are_in_proportion_and_never_more_than_all_together(planted):
    ledger = planted[1]
    for axis, groups in ledger.group_guesses.items():
        for group, guesses in groups.items():
            size = sum(canary.groups[axis] == group for canary in ledger.canaries)
            assert guesses.k_in == 5 * size // 40
        assert sum(guesses.k_in for guesses in groups.values()) <= ledger.guesses.k_in


def drop(*keys):
    def change(data):
        for key in keys[:-1]:
            data = data[key]
        del data[keys[-1]]

    return change


def put(value, *keys):
    def change(data):
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    return change


def same_secret_twice(data):
    first, other = data["canaries"][0], data["references"][0]
    other["text"] = other["text"].replace(other["secret"], first["secret"])
    other["secret"] = first["secret"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (drop("canaries"), "canaries: this key is required; add it"),
        (drop("guesses", "in"), "guesses.in: this key is required"),
        (drop("canaries", 3, "secret"), "canaries.3.secret: this key is required"),
        (drop("training", "sha256"), "training.sha256: this key is required"),
        (drop("version"), "version: is None, and this evenhand reads 1"),
        (put(2, "version"), "version: is 2, and this evenhand reads 1"),
        (put(True, "version"), "version: is True"),
        (put("1", "version"), "version: is no whole number, and this evenhand reads 1"),
        (put("many", "repeats"), "repeats: input should be a valid integer"),
        (put(1.5, "repeats"), "repeats: input should be a valid integer"),
        (put(0, "repeats"), "repeats: input should be greater than or equal to 1"),
        (put("yes", "canaries", 0, "inserted"), "canaries.0.inserted: input should be a valid boolean"),
        (put(1, "canaries", 0, "inserted"), "canaries.0.inserted: input should be a valid boolean"),
        (put(None, "canaries", 0, "inserted"), "canaries: one has no coin"),
        (put(True, "references", 0, "inserted"), "references: one has a coin"),
        (put("female", "canaries", 0, "groups"), "canaries.0.groups: "),
        (put(-1, "guesses", "in"), "guesses.in: input should be greater than or equal to 0"),
        (put(39, "guesses", "in"), "guesses: are none, or more than the 40 canaries"),
        (put(6, "guesses", "in"), "group_guesses: are not the guesses in proportion"),
        (put({}, "group_guesses"), "group_guesses: are not the guesses in proportion"),
        (put("abc", "held_out", "sha256"), "held_out.sha256: string should match pattern"),
        (put(-4, "held_out", "records"), "held_out.records: "),
        (put("halves", "split"), "split: input should be 'customer' or 'record'"),
        (put(2.0, "delta"), "delta: input should be less than 1"),
        (put(float("nan"), "delta"), "delta: "),
        (put(7, "layout"), "layout: "),
        (put("0000", "canaries", 0, "secret"), "canaries.0: its secret does not stand in its text"),
        (put("", "canaries", 0, "secret"), "its secret does not stand in its text"),
        (same_secret_twice, "references.0.secret: is that of canaries.0 too"),
        (lambda data: data["canaries"].append(data["canaries"][0]), "canaries.40.canary_id: is that of canaries.0 too"),
        (lambda data: put(data["canaries"][:5], "canaries")(data), "canaries: tuple should have at least 10 items"),
        (put([], "references"), "references: tuple should have at least 1 item"),
        (put("x", "canarys"), "canarys: unknown key; did you mean 'canaries'?"),
        (lambda data: [data], "not a ledger"),
        (lambda data: "words", "not a ledger"),
    ],
)
def test_what_is_wrong_with_a_ledger_is_said_in_one_line_that_names_it(edited, change, says):
    path = edited(change)
    with pytest.raises(ConfigError) as error:
        read_ledger(path)
    line = str(error.value)
    assert line.startswith(f"{path}: ") and says in line and "\n" not in line and len(line) < 400
    assert "Hello" not in line and not re.search(r"\d{4} ?\d{4}", line.removeprefix(str(path)))


@pytest.mark.parametrize(
    "change",
    [
        same_secret_twice,
        lambda data: put(data["canaries"][0]["text"], "canaries", 1, "text")(data),
        lambda data: put([data["canaries"][0]["text"]], "canaries", 1, "text")(data),
        lambda data: put(data["canaries"][0]["secret"], "canaries", 1, "inserted")(data),
        lambda data: put(data["canaries"][0]["secret"], "repeats")(data),
        lambda data: put(data["canaries"][0]["secret"], "version")(data),
        lambda data: put(data["canaries"][0]["text"], "canaries", 0)(data),
        lambda data: put(data["canaries"][0]["secret"] + "0", "canaries", 0, "secret")(data),
    ],
)
def test_no_error_of_a_ledger_shows_a_text_or_a_secret(planted, edited, change):
    with pytest.raises(ConfigError) as error:
        read_ledger(edited(change))
    shown = "".join(traceback.format_exception(error.value))
    for canary in (*planted[1].canaries, *planted[1].references):
        assert canary.text not in shown and canary.secret not in shown


@pytest.mark.parametrize("file", ["/dev/zero", "C:\\train.jsonl", "\\\\host\\share", "train.jsonl\n\x1b[2J", "a\0b"])
def test_a_path_that_does_not_begin_at_the_ledgers_folder_is_refused(edited, file):
    with pytest.raises(ConfigError, match=r"training\.file: must be a path from the ledger's own folder") as error:
        read_ledger(edited(put(file, "training", "file")))
    assert "\n" not in str(error.value)


def test_a_device_or_a_pipe_is_not_read(planted, edited, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    up = os.path.relpath("/dev/zero", tmp_path)
    for file in ("pipe", "link", up, "."):
        ledger = read_ledger(edited(put(file, "training", "file")))
        with pytest.raises(ConfigError, match="is no regular file"):
            check_files(ledger, tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON"),
        (b'{"version": 1', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"version": ' + b"1" * 5000 + b"}", "not JSON"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_ledger_is_one_clear_error(tmp_path, content, says):
    path = tmp_path / "ledger.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        read_ledger(path)


def test_a_ledger_that_is_not_there_or_is_a_folder_is_one_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="there is no such ledger"):
        read_ledger(tmp_path / "ledger.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_ledger(tmp_path)


def test_files_that_are_as_they_were_written_are_fine(planted):
    folder, ledger = planted
    check_files(ledger, folder)


def test_a_training_file_that_was_tampered_with_is_noticed(tmp_path):
    ledger = plant_into(tmp_path, reviews(300))
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(ConfigError, match=r"train\.jsonl: is not as it was planted"):
        check_files(ledger, tmp_path)
    check_files(ledger, tmp_path, ("held_out",))


def test_a_held_out_file_that_is_gone_is_noticed(tmp_path):
    ledger = plant_into(tmp_path, reviews(300))
    (tmp_path / "held.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"held\.jsonl: there is no such file"):
        check_files(ledger, tmp_path)
    check_files(ledger, tmp_path, ("members",))


def test_files_are_named_by_their_path_from_the_ledgers_folder(tmp_path):
    (tmp_path / "secret").mkdir()
    ledger = plant_into(tmp_path, reviews(300), ledger_path=tmp_path / "secret" / "ledger.json")
    assert (ledger.training.file, ledger.held_out.file) == ("../train.jsonl", "../held.jsonl")
    check_files(ledger, tmp_path / "secret")
