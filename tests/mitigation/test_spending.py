"""The budget ledger: what was paid stays paid, wherever a kill falls, and is paid once."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import BackendError, ConfigError
from audit.mitigation import spending
from audit.mitigation.spending import Spending, earlier, open_or_begin, read_spending, set_aside

HEADER: dict[str, Any] = {
    "unit": "record",
    "sample_rate": 0.0125,
    "steps": 12,
    "divisor": 64.0,
    "max_grad_norm": 1.0,
    "noise_multiplier": 0.8171,
    "delta": 3.98e-05,
    "settings": "4f2a",
    "data": "99c1",
}


def paid_for(folder: Path, steps: int) -> Path:
    """A ledger that so many steps were paid from."""
    with open_or_begin(folder, HEADER) as ledger:
        for step in range(ledger.paid, steps):
            ledger.pay(step)
    return folder / spending.NAME


def test_a_new_ledger_has_nothing_paid(tmp_path: Path) -> None:
    with open_or_begin(tmp_path, HEADER) as ledger:
        assert ledger.paid == 0
        assert ledger.history == []
    assert read_spending(tmp_path).paid == 0


def test_each_step_is_a_line_that_a_reader_sees_at_once(tmp_path: Path) -> None:
    with open_or_begin(tmp_path, HEADER) as ledger:
        for step in range(3):
            ledger.pay(step)
            assert read_spending(tmp_path).paid == step + 1
    assert [json.loads(line) for line in (tmp_path / spending.NAME).read_text().splitlines()[1:]] == [
        {"step": 0},
        {"step": 1},
        {"step": 2},
    ]


def test_the_history_is_as_accountants_take_it(tmp_path: Path) -> None:
    paid_for(tmp_path, 5)
    assert read_spending(tmp_path).history == [(0.8171, 0.0125, 5)]


def test_a_line_is_synced_before_pay_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    with open_or_begin(tmp_path, HEADER) as ledger:
        monkeypatch.setattr(os, "fsync", lambda file: synced.append((tmp_path / spending.NAME).read_bytes()))
        ledger.pay(0)
    assert [data.splitlines()[-1] for data in synced] == [b'{"step": 0}']


def test_the_folder_is_synced_when_a_ledger_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.readlink(f"/proc/self/fd/{file}")), real(file)))
    if not Path("/proc/self/fd").exists():
        pytest.skip("tells open files by /proc")
    open_or_begin(tmp_path, HEADER).close()
    assert synced == [str(tmp_path / spending.NAME), str(tmp_path)]


def test_no_line_tells_a_time_or_a_size(tmp_path: Path) -> None:
    lines = paid_for(tmp_path, 4).read_text().splitlines()[1:]
    assert all(set(json.loads(line)) == {"step"} for line in lines)


def test_it_goes_on_where_it_stood(tmp_path: Path) -> None:
    paid_for(tmp_path, 4)
    with open_or_begin(tmp_path, HEADER) as ledger:
        assert ledger.paid == 4
        ledger.pay(4)
    assert read_spending(tmp_path).paid == 5


@pytest.mark.parametrize("step", [0, 3, 5, 11, -1])
def test_no_step_but_the_next_is_paid_for(tmp_path: Path, step: int) -> None:
    paid_for(tmp_path, 4)
    with open_or_begin(tmp_path, HEADER) as ledger, pytest.raises(ValueError, match="the next one is 4"):
        ledger.pay(step)
    assert read_spending(tmp_path).paid == 4


def test_no_more_steps_are_paid_for_than_planned(tmp_path: Path) -> None:
    paid_for(tmp_path, 12)
    with open_or_begin(tmp_path, HEADER) as ledger, pytest.raises(ValueError, match="all 12 steps are paid"):
        ledger.pay(12)


def test_a_closed_ledger_takes_nothing(tmp_path: Path) -> None:
    ledger = open_or_begin(tmp_path, HEADER)
    ledger.close()
    ledger.close()
    with pytest.raises(ValueError, match="is closed"):
        ledger.pay(0)


def cut(folder: Path, at: int) -> None:
    path = folder / spending.NAME
    os.truncate(path, at)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1), zeros=st.integers(0, 9))
def test_a_cut_at_any_byte_loses_no_step_that_was_paid(
    tmp_path_factory: pytest.TempPathFactory, share: float, zeros: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    whole = paid_for(folder, 6).read_bytes()
    left = whole[: round(share * len(whole))]
    # A step's `pay` may have returned once its line was whole, and not before. Zeros: a failed power supply.
    returned = max(0, left.count(b"\n") - 1)
    (folder / spending.NAME).write_bytes(left + bytes(zeros))
    found = read_spending(folder)
    assert returned <= found.paid <= returned + 1
    with open_or_begin(folder, HEADER) as ledger:
        assert ledger.paid == found.paid
        ledger.pay(found.paid)
    assert read_spending(folder).paid == found.paid + 1
    assert (folder / spending.NAME).read_bytes().count(b"\n") == found.paid + 2


def test_every_byte_of_a_short_ledger(tmp_path: Path) -> None:
    whole = paid_for(tmp_path, 2).read_bytes()
    first = whole.index(b"\n") + 1
    for at in range(len(whole) + 1):
        (tmp_path / spending.NAME).write_bytes(whole[:at])
        line = len(b'{"step": 0}\n')
        expected = 0 if at <= first else 1 if at <= first + line else 2
        assert read_spending(tmp_path).paid == expected, at
        with open_or_begin(tmp_path, HEADER) as ledger:
            assert ledger.paid == expected, at


def test_a_line_that_was_cut_off_is_finished_and_paid(tmp_path: Path) -> None:
    path = paid_for(tmp_path, 3)
    whole = path.read_bytes()
    cut(tmp_path, len(whole) - 5)
    open_or_begin(tmp_path, HEADER).close()
    assert path.read_bytes() == whole


def test_a_first_line_that_was_cut_off_begins_anew(tmp_path: Path) -> None:
    path = paid_for(tmp_path, 0)
    cut(tmp_path, 40)
    assert read_spending(tmp_path).header is None
    with open_or_begin(tmp_path, HEADER) as ledger:
        assert ledger.paid == 0
    assert json.loads(path.read_text())["steps"] == 12


def test_another_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / spending.NAME
    path.write_text("the shop's budget for 2026")
    with pytest.raises(ConfigError, match="no budget ledger"):
        open_or_begin(tmp_path, HEADER)
    assert path.read_text() == "the shop's budget for 2026"


DAMAGES = {
    "gap": (b'{"step": 2}\n', b"", r"line 4: pays for step 3, and step 2 is missing"),
    "repeated": (b'{"step": 2}\n', b'{"step": 1}\n', r"line 4: pays for step 1 again"),
    "torn in the middle": (b'{"step": 2}\n', b'{"st{"step": 2}\n', r"line 4: pays for nothing that can be read"),
    "torn, then a line": (b'{"step": 2}\n', b'{"st\n', r"line 4: pays for nothing that can be read"),
    "blank line": (b'{"step": 2}\n', b"\n", r"line 4: pays for nothing that can be read"),
    "a batch's size": (b'{"step": 2}\n', b'{"step": 2, "units": 9}\n', r"line 4: pays for nothing that can be read"),
    "true": (b'{"step": 1}\n', b'{"step": true}\n', r"line 3: pays for nothing that can be read"),
    "not UTF-8": (b'{"step": 2}\n', b"\xff\xfe\n", r"line 4: pays for nothing that can be read"),
    "a last line of something else": (b'{"step": 4}\n', b'{"paid": 4', r"line 6: pays for nothing that can be read"),
    "an unknown key": (b'"unit"', b'"who": "x", "unit"', r"line 1: who: is not known"),
    "a key less": (b'"unit": "record", ', b"", r"line 1: unit: is missing"),
    "a word for a number": (b'"steps": 12', b'"steps": "12"', r"line 1: steps: is missing or of a wrong kind"),
    "a newer version": (b'"version": 1', b'"version": 2', r"line 1: version is 2, and this evenhand reads 1"),
    "a first line of something else": (b'{"version": 1, ', b"[", r"line 1: is no budget ledger's"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_with_its_line_and_a_mend(tmp_path: Path, damage: str) -> None:
    old, new, message = DAMAGES[damage]
    path = paid_for(tmp_path, 5)
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    for opens in (lambda: read_spending(tmp_path), lambda: open_or_begin(tmp_path, HEADER)):
        with pytest.raises(ConfigError, match=message) as caught:
            opens()
        assert str(path) in str(caught.value)
        assert "--fresh" in str(caught.value) or "evenhand" in str(caught.value)
    assert path.read_bytes() == data.replace(old, new), "damage is left for a person to see"


def test_more_lines_than_steps_are_damage(tmp_path: Path) -> None:
    path = paid_for(tmp_path, 12)
    for more in (b'{"step": 12}\n', b"{"):
        whole = path.read_bytes()
        path.write_bytes(whole + more)
        with pytest.raises(ConfigError, match=r"line 14: pays for more than the 12 steps planned"):
            read_spending(tmp_path)
        path.write_bytes(whole)


@pytest.mark.parametrize("key", HEADER)
def test_a_training_with_another_constant_does_not_go_on(tmp_path: Path, key: str) -> None:
    path = paid_for(tmp_path, 2)
    before = path.read_bytes()
    other = HEADER | {key: "customer" if isinstance(HEADER[key], str) else HEADER[key] * 2}
    with pytest.raises(ConfigError, match=rf"{key}: .*another --out, or begin anew with --fresh") as caught:
        open_or_begin(tmp_path, other)
    assert HEADER["data"] not in str(caught.value)
    assert path.read_bytes() == before


def test_a_refusal_lets_go_of_the_lock(tmp_path: Path) -> None:
    paid_for(tmp_path, 2)
    with pytest.raises(ConfigError):
        open_or_begin(tmp_path, HEADER | {"unit": "customer"})
    open_or_begin(tmp_path, HEADER).close()


def test_one_training_at_a_time(tmp_path: Path) -> None:
    with open_or_begin(tmp_path, HEADER):
        with pytest.raises(ConfigError, match="another process trains in this folder"):
            open_or_begin(tmp_path, HEADER)
        with pytest.raises(ConfigError, match="another process trains in this folder"):
            set_aside(tmp_path)
    open_or_begin(tmp_path, HEADER).close()


def test_a_ledger_that_is_set_aside_is_kept(tmp_path: Path) -> None:
    first = paid_for(tmp_path, 3).read_bytes()
    assert set_aside(tmp_path) == tmp_path / "budget-1.jsonl"
    paid_for(tmp_path, 1)
    assert set_aside(tmp_path) == tmp_path / "budget-2.jsonl"
    assert set_aside(tmp_path) is None
    assert (tmp_path / "budget-1.jsonl").read_bytes() == first
    assert [spent.paid for spent in earlier(tmp_path)] == [3, 1]
    with open_or_begin(tmp_path, HEADER) as ledger:
        assert ledger.paid == 0


def test_setting_aside_never_writes_over_a_ledger(tmp_path: Path) -> None:
    for number in (2, 10):
        (tmp_path / f"budget-{number}.jsonl").write_text("kept")
    paid_for(tmp_path, 1)
    assert set_aside(tmp_path) == tmp_path / "budget-11.jsonl"
    assert (tmp_path / "budget-10.jsonl").read_text() == "kept"


def test_a_folder_without_a_ledger_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name the folder of a private training"):
        read_spending(tmp_path)


def test_a_full_disk_pays_for_nothing_and_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with open_or_begin(tmp_path, HEADER) as ledger:
        ledger.pay(0)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(BackendError, match=r"step 1 could not be paid for .*No space left"):
                ledger.pay(1)
        with pytest.raises(ValueError, match="is closed"):
            ledger.pay(2)
    assert read_spending(tmp_path).paid == 1


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with open_or_begin(tmp_path, HEADER) as ledger:
        monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:3]))
        ledger.pay(0)
    monkeypatch.undo()
    assert (tmp_path / spending.NAME).read_bytes().endswith(b'}\n{"step": 0}\n')


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / spending.NAME).mkdir()
    with pytest.raises(BackendError, match=r"budget\.jsonl: cannot be written"):
        open_or_begin(tmp_path, HEADER)


PAYS = """
import sys
from pathlib import Path
from audit.mitigation.spending import open_or_begin
with open_or_begin(Path(sys.argv[1]), {header!r}) as ledger:
    for step in range(ledger.paid, ledger.header.steps):
        ledger.pay(step)
        sys.stdout.write(f"{{step}}\\n")
        sys.stdout.flush()
"""


def test_a_killed_process_lost_no_step_that_it_paid_and_repeats_none(tmp_path: Path, repository: Path) -> None:
    """Real processes, killed anywhere; each number is printed after it was paid for, as noise would be drawn."""
    header = HEADER | {"steps": 100_000}
    taken: list[int] = []
    for wait in (0.0, 0.003, 0.011):
        with subprocess.Popen(
            [sys.executable, "-c", PAYS.format(header=header), str(tmp_path)],
            cwd=repository,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            taken.append(int(process.stdout.readline()))
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            taken += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        assert read_spending(tmp_path).paid > taken[-1]
    assert len(set(taken)) == len(taken)
    with open_or_begin(tmp_path, header) as ledger:
        assert isinstance(ledger, Spending)
        assert ledger.paid > max(taken)
