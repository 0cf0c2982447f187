"""A training that is killed at any moment goes on with its ε, its ledger and its noise in order; real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from audit.mitigation import accounting, spending, statement
from tests.mitigation import killer
from tests.mitigation.conftest import RECORDS, Tiny

pytestmark = pytest.mark.slow
KILLS, STEPS = 20, 9


@pytest.fixture(scope="module")
def killed(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One training in one go, and 20 that were killed once or twice and then left alone."""
    folder = tmp_path_factory.mktemp("killed")
    config = tiny.config(steps=STEPS, public_size=RECORDS, epsilon=None, noise_multiplier=1.1)
    done = subprocess.run(
        [sys.executable, killer.__file__, config.model_dump_json(), str(folder), str(KILLS)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def ends(folder: Path, number: int) -> list[tuple[str, int]]:
    return [tuple(end) for end in json.loads((folder / f"killed-{number:02}.json").read_text())]


def test_every_way_to_die_was_tried(killed: Path) -> None:
    places = {place for number in range(KILLS) for place, code in ends(killed, number) if code < 0}
    assert places == {*killer.PLACES, "time"}


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_training_ends_with_its_promise_in_order(killed: Path, number: int) -> None:
    out, whole = killed / f"killed-{number:02}", killed / "whole"
    how = ends(killed, number)
    assert how[-1][1] == 0, (how, (out / "output.log").read_text()[-2000:])

    header, *lines = [json.loads(line) for line in (out / spending.NAME).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(STEPS))

    notes = [line.split() for line in (out / "keys.log").read_text().splitlines()]
    drawn = [(step, key) for step, key in notes if step != "run"]
    assert len({key for _, key in drawn}) == len({step for step, _ in drawn}) == len(drawn) <= STEPS

    found, unbroken = statement.check(out / "model"), statement.check(whole / "model")
    assert found is not None and found.promise is not None
    assert unbroken is not None and unbroken.promise is not None
    history = [(header["noise_multiplier"], header["sample_rate"], len(lines))]
    assert found.promise.epsilon == accounting.cross_checked(history, header["delta"]).epsilon
    assert found.promise.epsilon == unbroken.promise.epsilon
    sampling = found.promise.sampling
    assert sampling.steps_paid == sampling.steps_planned == STEPS
    # What the last checkpoint held that was gone on from, and what was taken since; the rest was paid and lost.
    *_, (place, held) = [(place, held) for place, (word, held) in enumerate(notes) if word == "run" and held != "done"]
    assert sampling.steps_applied == int(held) + sum(word != "run" for word, _ in notes[place:])

    weights = load_file(out / "model" / "adapter_model.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    assert any(tensor.any() for name, tensor in weights.items() if "lora_B" in name) or sampling.steps_applied == 0
