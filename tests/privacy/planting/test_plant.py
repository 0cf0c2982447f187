"""Planting: what is written where, and that chance decides what it should and nothing else."""

from __future__ import annotations

import gzip
import json
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.config import Config
from audit.privacy.attacks.one_run import guesses_for
from audit.privacy.planting import (
    Canary,
    check_files,
    load_form,
    make_canaries,
    people_of,
    plant_by,
    read_ledger,
)
from audit.privacy.planting.canary_rows import PlantedRow
from audit.privacy.planting.plant import toss
from audit.privacy.planting.weave import scatter
from audit.privacy.records import Layout, find_layout, read_records, write_rows
from tests.privacy.planting.shop import CHATS, LAYOUT, chats, plant_into, planted_in, reviews, rows_in

ENDINGS = (".jsonl", ".csv", ".tsv", ".csv.gz", ".jsonl.gz", ".parquet")
PAIR = [Canary(str(number), f"text {number}", str(number), {}) for number in range(2)]


def inserted(ledger):
    return [canary for canary in ledger.canaries if canary.inserted]


def own_rows(path, ledger):
    texts = {canary.text for canary in ledger.canaries}
    return [row for row in rows_in(path) if row["text"] not in texts]


# Chance


def test_coins_are_fair_and_independent_of_each_other():
    tosses = np.array([[canary.inserted for canary in toss(PAIR, seed)] for seed in range(2000)])
    heads = tosses.sum(axis=0)
    assert all(abs(heads - 1000) < 4 * np.sqrt(500))  # binomial, four standard deviations
    both = np.sum(tosses[:, 0] & tosses[:, 1])
    assert abs(both - 500) < 4 * np.sqrt(2000 * 3 / 16)


def test_coins_of_the_operating_system_are_fair():
    many = [Canary(str(number), "", "", {}) for number in range(2000)]
    assert abs(sum(bool(canary.inserted) for canary in toss(many, None)) - 1000) < 5 * np.sqrt(500)


def test_coins_do_not_depend_on_name_group_or_secret(tmp_path):
    women = Counter()
    for seed in range(40):
        ledger = plant_into(tmp_path, reviews(60), seed=seed, overwrite=True)
        women.update((canary.groups["gender"], canary.inserted) for canary in ledger.canaries)
    for gender in ("female", "male"):
        heads, all_of_them = women[gender, True], women[gender, True] + women[gender, False]
        assert abs(heads - all_of_them / 2) < 4 * np.sqrt(all_of_them / 4)


def test_coins_do_not_depend_on_what_else_is_asked_for():
    # The stream of the coins is their own: more rows, forms or references do not move it.
    few, many = toss(PAIR, 9), toss([*PAIR, Canary("2", "text 2", "2", {})], 9)
    assert [canary.inserted for canary in few] == [canary.inserted for canary in many[:2]]


def test_coins_and_secrets_do_not_share_a_stream():
    # From one stream the first bit of a digit would be a coin.
    form, people = load_form("en", "gift_card"), people_of("en")
    digits = [
        int(make_canaries(1, locale="en", form=form, people=people, seed=seed)[0].secret[0]) for seed in range(600)
    ]
    coins = [toss(PAIR, seed)[0].inserted for seed in range(600)]
    assert abs(np.corrcoef(np.array(digits) > 7, coins)[0, 1]) < 4 / np.sqrt(600)


def test_the_same_seed_plants_the_same(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    first, second = (plant_into(tmp_path / folder, reviews(200)) for folder in ("a", "b"))
    assert first.canaries == second.canaries and first.references == second.references
    for name in ("train.jsonl", "held.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_without_a_seed_two_plants_differ_in_coins_secrets_places_and_sides(tmp_path):
    first = plant_into(tmp_path, reviews(300), seed=None)
    before = [rows_in(tmp_path / name) for name in ("train.jsonl", "held.jsonl")]
    second = plant_into(tmp_path, reviews(300), seed=None, overwrite=True)
    after = [rows_in(tmp_path / name) for name in ("train.jsonl", "held.jsonl")]
    assert first.seed is None and second.seed is None
    assert {canary.secret for canary in first.canaries}.isdisjoint(canary.secret for canary in second.canaries)
    assert [canary.inserted for canary in first.canaries] != [canary.inserted for canary in second.canaries]
    assert before[1] != after[1]


def test_canaries_and_references_are_of_the_same_groups_and_form(tmp_path):
    ledger = plant_into(tmp_path, reviews(100), canaries=500, references=500)
    for axis in ("gender", "race", "race_gender"):
        sides = [Counter(canary.groups[axis] for canary in of) for of in (ledger.canaries, ledger.references)]
        assert set(sides[0]) == set(sides[1])
        for group in sides[0]:
            # Hypergeometric around the half of those of the group.
            assert abs(sides[0][group] - sides[1][group]) < 4 * np.sqrt(sum(side[group] for side in sides))
    shapes = [{"".join("#" if s.isdigit() else s for s in c.secret) for c in ledger.canaries}] * 2
    assert shapes[0] == shapes[1] == {"#### #### ####"}


def test_each_place_is_equally_likely():
    rows = [PlantedRow(canary, {}) for canary in PAIR]
    found = Counter()
    for seed in range(6000):
        places = scatter(rows, 2, seed)
        found[tuple((place, row.canary.canary_id) for place, row in places)] += 1
    assert len(found) == 12  # two rows at two of four places, in either order
    assert sum((count - 500) ** 2 / 500 for count in found.values()) < 31.3  # chi-squared, 11 df, p = .001


# What is written


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_row_is_on_one_side_unchanged_and_in_its_order(tmp_path, ending):
    rows = reviews(300)
    ledger = plant_into(tmp_path, rows, ending)
    train, held = own_rows(tmp_path / f"train{ending}", ledger), rows_in(tmp_path / f"held{ending}")
    place = {row["id"]: number for number, row in enumerate(rows)}
    for side in (train, held):
        numbers = [place[row["id"]] for row in side]
        assert numbers == sorted(numbers)
    assert sorted(train + held, key=lambda row: row["id"]) == rows
    assert (ledger.training.records, ledger.held_out.records) == (len(train), len(held))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("repeats", [1, 3])
def test_inserted_canaries_stand_in_the_training_file_and_no_other_anywhere(tmp_path, ending, repeats):
    ledger = plant_into(tmp_path, reviews(300), ending, repeats=repeats)
    train, held = (rows_in(tmp_path / f"{name}{ending}") for name in ("train", "held"))
    times = Counter(row["text"] for row in train)
    for canary in (*ledger.canaries, *ledger.references):
        assert times[canary.text] == (repeats if canary.inserted else 0)
    everything = json.dumps([train, held])
    for canary in (*ledger.canaries, *ledger.references):
        assert everything.count(canary.secret) == (repeats if canary.inserted else 0)
    assert 5 < len(inserted(ledger)) < 35


def test_customers_are_never_on_both_sides(tmp_path):
    ledger = plant_into(tmp_path, reviews(500))
    sides = [{row["customer"] for row in rows_in(tmp_path / f"{name}.jsonl")} for name in ("train", "held")]
    assert sides[0] and sides[1] and sides[0].isdisjoint(sides[1])
    assert ledger.split == "customer"


def test_customers_that_differ_in_blanks_alone_or_are_numbers_are_one(tmp_path):
    rows = [{"customer": (" 7", "7 ", 7)[n % 3], "text": f"Text {n}."} for n in range(60)]
    rows += [{"customer": n, "text": f"More {n}."} for n in range(100, 200)]
    plant_into(tmp_path, rows, layout=Layout("columns", text=("text",), customer="customer"))
    texts = {row["text"] for row in rows_in(tmp_path / "train.jsonl")}
    assert len({f"Text {n}." in texts for n in range(60)}) == 1


def test_split_by_record_puts_a_customer_on_both_sides_and_says_so(tmp_path):
    ledger = plant_into(tmp_path, reviews(500, customers=10), split="record")
    sides = [{row["customer"] for row in rows_in(tmp_path / f"{name}.jsonl")} for name in ("train", "held")]
    assert sides[0] & sides[1]
    assert any("one customer may stand on both sides" in note for note in ledger.notes)


def test_the_share_held_out_is_about_what_was_asked_for(tmp_path):
    ledger = plant_into(tmp_path, reviews(4000, customers=3000), held_out=0.1)
    assert ledger.held_out.records == pytest.approx(400, abs=100)
    assert not any("were asked for" in note for note in ledger.notes)


def test_a_canary_row_tells_nothing_of_its_donor(tmp_path):
    rows = reviews(300)
    ledger = plant_into(tmp_path, rows)
    planted = planted_in(tmp_path / "train.jsonl", ledger)
    for key in ("id", "customer"):
        values = [row[key] for row in planted]
        assert len(set(values)) == len(planted) and set(values).isdisjoint(row[key] for row in rows)
    for row in planted:
        assert (row["title"], row["email"], row["phone"], row["region"]) == ("", "", "", "")
        assert row["stars"] in "12345" and list(row) == list(rows[0])


def test_a_canary_row_is_of_the_canarys_group(tmp_path):
    ledger = plant_into(tmp_path, reviews(300))
    groups = {canary.text: canary.groups["gender"] for canary in ledger.canaries}
    planted = planted_in(tmp_path / "train.jsonl", ledger)
    assert [row["gender"] for row in planted] == [groups[row["text"]] for row in planted]
    assert {row["gender"] for row in planted} == {"female", "male"}


def test_rows_of_a_repeated_canary_are_one_customers_with_ids_of_their_own(tmp_path):
    ledger = plant_into(tmp_path, reviews(300), repeats=3)
    planted = planted_in(tmp_path / "train.jsonl", ledger)
    assert len({row["id"] for row in planted}) == len(planted)
    assert len({(row["text"], row["customer"]) for row in planted}) == len({row["customer"] for row in planted})
    assert len({row["customer"] for row in planted}) == len(inserted(ledger))


def test_a_canary_is_read_back_as_a_record_of_its_text_alone(tmp_path):
    ledger = plant_into(tmp_path, reviews(300))
    texts = {record.text for record in read_records(tmp_path / "train.jsonl", ledger.layout)}
    assert {canary.text for canary in inserted(ledger)} <= texts


def test_whole_numbers_for_ids_go_on_after_the_largest_and_types_are_kept(tmp_path):
    table = pa.table(
        {
            "id": pa.array(range(200), pa.int32()),
            "customer": pa.array([n % 50 for n in range(200)], pa.int64()),
            "text": pa.array([f"Review {n}." for n in range(200)], pa.large_string()),
            "gender": pa.array([n % 2 for n in range(200)], pa.int8()),
            "stars": pa.array([None if n % 7 == 0 else n % 5 for n in range(200)], pa.int16()),
        }
    )
    pq.write_table(table, tmp_path / "shop.parquet")
    layout = Layout("columns", text=("text",), id="id", customer="customer", groups={"gender": "gender"})
    ledger = plant_into(tmp_path, tmp_path / "shop.parquet", ".parquet", layout=layout)
    assert pq.read_schema(tmp_path / "train.parquet").types == table.schema.types
    planted = planted_in(tmp_path / "train.parquet", ledger)
    assert min(row["id"] for row in planted) >= 200 and min(row["customer"] for row in planted) >= 50
    assert {row["gender"] for row in planted} == {None}


def test_in_a_chat_the_canary_is_the_customers_turn_and_the_shop_answers(tmp_path):
    rows = chats(200)
    ledger = plant_into(tmp_path, rows, layout=CHATS)
    assert (ledger.chat.user, ledger.chat.assistant) == ("human", "gpt")
    train = rows_in(tmp_path / "train.jsonl")
    planted = [row["messages"] for row in train if row not in rows]
    expected = [
        [{"from": "human", "value": canary.text}, {"from": "gpt", "value": ledger.chat.reply}]
        for canary in inserted(ledger)
    ]
    assert sorted(map(str, planted)) == sorted(map(str, expected))


def test_chats_in_parquet_keep_their_type(tmp_path):
    rows = [{"id": n, "messages": [{"role": "user", "content": f"Hello {n}", "extra": "x"}]} for n in range(200)]
    write_rows(tmp_path / "shop.parquet", rows)
    layout = Layout("chats", id="id", turns="messages")
    ledger = plant_into(tmp_path, tmp_path / "shop.parquet", ".parquet", layout=layout)
    assert pq.read_schema(tmp_path / "train.parquet") == pq.read_schema(tmp_path / "shop.parquet")
    said = Counter(row["messages"][0]["content"] for row in rows_in(tmp_path / "train.parquet"))
    assert all(said[canary.text] == 1 for canary in inserted(ledger))


def test_messages_of_parts_stay_messages_of_parts(tmp_path):
    def part(words):
        return [{"type": "text", "text": words}]

    rows = [
        {"messages": [{"role": "user", "content": part(f"Hi {n}")}, {"role": "assistant", "content": part("Yes")}]}
        for n in range(200)
    ]
    ledger = plant_into(tmp_path, rows, layout=Layout("chats", turns="messages"))
    said = [row["messages"][0]["content"] for row in rows_in(tmp_path / "train.jsonl")]
    assert all(part(canary.text) in said for canary in inserted(ledger))


def test_text_with_quotes_line_breaks_and_other_scripts_is_kept(tmp_path):
    rows = [{"text": f'Nr {n}, "so so",\nzwei\t三 \U0001f600', "customer": f"c{n}"} for n in range(100)]
    layout = Layout("columns", text=("text",), customer="customer")
    for ending in (".csv", ".jsonl", ".parquet"):
        plant_into(tmp_path, rows, ending, layout=layout, overwrite=True)
        both = rows_in(tmp_path / f"train{ending}") + rows_in(tmp_path / f"held{ending}")
        assert {row["text"] for row in rows} <= {row["text"] for row in both}


def test_rows_that_lack_columns_or_a_text_go_to_their_side_as_they_are(tmp_path):
    rows = reviews(200) + [{"customer": f"Z{n}", "text": ""} for n in range(50)] + [{"note": n} for n in range(50)]
    ledger = plant_into(tmp_path, rows)
    both = own_rows_of_any_kind(tmp_path, ledger)
    assert sorted(map(str, both)) == sorted(map(str, rows))
    assert ledger.training.records + ledger.held_out.records == 200


def own_rows_of_any_kind(folder, ledger):
    texts = {canary.text for canary in ledger.canaries}
    both = rows_in(folder / "train.jsonl") + rows_in(folder / "held.jsonl")
    return [row for row in both if row.get("text") not in texts]


def test_copies_stay_on_both_sides_and_are_counted(tmp_path):
    # Dropped from the held-out side alone, stock phrases would tell members from the others.
    rows = [{"customer": f"c{n}", "text": f"Good product {n % 150}."} for n in range(300)]
    rows += [{"customer": f"d{n}", "text": f"Unique {n}."} for n in range(200)]
    ledger = plant_into(tmp_path, rows, layout=Layout("columns", text=("text",), customer="customer"))
    train, held = own_rows(tmp_path / "train.jsonl", ledger), rows_in(tmp_path / "held.jsonl")
    assert sorted(train + held, key=str) == sorted(rows, key=str)
    again = [sum(row["text"].startswith("Good") for row in side) for side in (train, held)]
    assert sum(again) == 300 and again[1] > 10
    said = f"{again[0]} records to train on and {again[1]} held out say what another record says"
    assert any(note.startswith(said) for note in ledger.notes)
    assert any(note.startswith(f"{len(held) - again[1]} records held out that no other") for note in ledger.notes)


def test_copies_on_one_side_alone_are_kept(tmp_path):
    rows = [{"customer": "one", "text": "The same."} for _ in range(9)]
    rows += [{"customer": f"c{n}", "text": f"Text {n}."} for n in range(200)]
    plant_into(tmp_path, rows, layout=Layout("columns", text=("text",), customer="customer"))
    both = rows_in(tmp_path / "train.jsonl") + rows_in(tmp_path / "held.jsonl")
    assert sum(row["text"] == "The same." for row in both) == 9


def test_files_are_readable_by_whom_the_original_was(tmp_path):
    path = write_rows(tmp_path / "shop.jsonl", reviews(200))
    path.chmod(0o640)
    plant_into(tmp_path, path)
    for name in ("train.jsonl", "held.jsonl"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640


def test_nothing_but_the_three_files_is_left_behind(tmp_path):
    plant_into(tmp_path, reviews(200))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["held.jsonl", "ledger.json", "shop.jsonl", "train.jsonl"]


def test_a_packed_file_is_packed_again(tmp_path):
    plant_into(tmp_path, reviews(200), ".jsonl.gz")
    with gzip.open(tmp_path / "train.jsonl.gz", "rt", encoding="utf-8") as file:
        assert json.loads(file.readline())["title"] in ("Kettle", "")


def test_bad_lines_are_skipped_and_told_when_asked(tmp_path):
    path = write_rows(tmp_path / "shop.jsonl", reviews(200))
    with path.open("a") as file:
        file.write("{broken\n")
    ledger = plant_into(tmp_path, path, on_bad="skip")
    assert any(note.startswith("shop.jsonl: 1 line skipped: 1 not JSON (line 201)") for note in ledger.notes)
    assert ledger.training.records + ledger.held_out.records == 200


# A process of its own, as its peak is counted from its start.
MEASURED = """
import re, sys
from pathlib import Path
from audit.privacy.planting import plant
from audit.privacy.records import Layout

def peak(count):
    folder = Path(sys.argv[1])
    plant(folder / f"{count}.jsonl", folder / "train.jsonl", held_out_path=folder / "held.jsonl", canaries=40,
          ledger_path=folder / "ledger.json", layout=Layout("columns", text=("text",), customer="customer"),
          references=60, overwrite=True)
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1))

before = peak(300)
print(peak(30_000) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux to tell a process's peak")
def test_memory_does_not_grow_with_the_text_of_the_file(tmp_path, repository):
    words = "It boils. " * 200
    for count in (300, 30_000):
        with (tmp_path / f"{count}.jsonl").open("w") as file:
            for n in range(count):
                file.write(f'{{"customer": "A{n % 5000}", "text": "Review {n}. {words}"}}\n')
    command = [sys.executable, "-c", MEASURED, str(tmp_path)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 6_000  # kB, of a file with 60,000


# What is told


def test_few_held_out_repeats_and_a_seed_are_noted(tmp_path):
    notes = "\n".join(plant_into(tmp_path, reviews(300), repeats=2).notes)
    assert "held out, fewer than 1,000" in notes
    assert "ε of one record cannot (it would be group privacy)" in notes
    assert "seed 5: whoever trains must not know it" in notes
    assert "% of the training file is canaries" in notes
    assert "planted rows carry other rows' stars" in notes


def test_a_clean_plant_has_nothing_to_note(tmp_path):
    rows = [{"customer": f"c{n}", "text": f"Review {n}."} for n in range(6000)]
    layout = Layout("columns", text=("text",), customer="customer")
    assert plant_into(tmp_path, rows, layout=layout, seed=None, held_out=0.3).notes == ()


def test_a_share_far_from_what_was_asked_for_is_noted(tmp_path):
    rows = [{"customer": f"c{n % 3}", "text": f"Review {n}."} for n in range(300)]
    layout = Layout("columns", text=("text",), customer="customer")
    seed = next(seed for seed in range(50) if _both_sides(rows, layout, tmp_path, seed))
    notes = plant_into(tmp_path, rows, layout=layout, held_out=0.1, seed=seed, overwrite=True).notes
    assert any("were asked for (a customer's records stay together)" in note for note in notes)


def _both_sides(rows, layout, folder, seed):
    from audit.privacy.planting.survey import draw_sides
    from audit.privacy.records import Row

    sides = draw_sides(layout, "customer", 0.1, seed)
    return len({sides.is_held_out(Row(number, row)) for number, row in enumerate(rows)}) == 2


def test_missing_customers_are_noted(tmp_path):
    rows = [{"customer": f"c{n}" if n % 2 else None, "text": f"Review {n}."} for n in range(300)]
    layout = Layout("columns", text=("text",), customer="customer")
    assert any("150 rows without a customer" in note for note in plant_into(tmp_path, rows, layout=layout).notes)
    notes = plant_into(tmp_path, rows, layout=Layout("columns", text=("text",)), overwrite=True).notes
    assert any("no customer column: split by record" in note for note in notes)


def test_a_file_with_other_marks_between_fields_is_noted(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text("customer;text\n" + "".join(f"c{n};Review {n}\n" for n in range(200)))
    layout = Layout("columns", text=("text",), customer="customer")
    notes = plant_into(tmp_path, path, ".csv", layout=layout).notes
    assert "fields stand between ',' in what is written, not between ';' as in shop.csv" in notes


def test_no_note_holds_a_line_of_a_file_without_a_header(tmp_path):
    path = tmp_path / "shop.csv"
    line = '{0},ann{0}@example.com,Ann Jarvis,jarvis,(212) 847-0193,"The lid of it stays on {0}"\n'
    path.write_text("".join(line.format(n) for n in range(200)))
    layout = Layout("columns", text=("The lid of it stays on 0",))
    notes = "\n".join(plant_into(tmp_path, path, ".csv", layout=layout).notes)
    assert "5 columns whose names look like data" in notes
    assert not any(value in notes.lower() for value in ("@", "jarvis", "212", "lid"))


def test_no_note_holds_a_value_of_the_file(tmp_path):
    notes = "\n".join(plant_into(tmp_path, reviews(300), repeats=2).notes)
    assert "@" not in notes and "Review" not in notes


def test_the_default_is_to_guess_an_eighth_each_way():
    assert guesses_for(1000) == (125, 125) and guesses_for(10) == (1, 1)


def test_guesses_asked_for_are_written(tmp_path):
    ledger = plant_into(tmp_path, reviews(200), guesses=(10, 4), delta=1e-5)
    assert (ledger.guesses.k_in, ledger.guesses.k_out, ledger.delta) == (10, 4, 1e-5)


# As a config says


def test_planting_by_a_config_finds_layout_names_and_places(tmp_path):
    path = write_rows(tmp_path / "shop.jsonl", [{"user_id": f"u{n}", "parent_asin": "B0", "title": "", "text": f"T {n}"}
                                                for n in range(200)])  # fmt: skip
    config = Config().changed("run", locale="zh")
    ledger = plant_by(config, path, tmp_path / "train.jsonl.gz", canaries=40, references=60, held_out=0.2, seed=2)
    assert ledger.layout == find_layout("amazon-2023", path)
    assert (ledger.locale, set(ledger.group_guesses)) == ("zh", {"gender"})
    assert ledger.delta == config.privacy.claimed_delta
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"shop.jsonl", "train.jsonl.gz", "train-held-out.jsonl.gz", "train-ledger.json"}
    check_files(read_ledger(tmp_path / "train-ledger.json"), tmp_path)


def test_the_summary_counts_what_was_written(tmp_path):
    ledger = plant_into(tmp_path, reviews(300), repeats=2, layout=LAYOUT)
    train = len(own_rows(tmp_path / "train.jsonl", ledger))
    rows = 2 * len(inserted(ledger))
    assert f"train.jsonl: {train} records to train on, and {rows} rows of canaries" in ledger.summary
