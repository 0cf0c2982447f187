"""Kills trainings and lets them go on: run as a script, a parent that loads the libraries once and forks each run."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Where a run is killed, beside a moment at random: half a ledger's line, a line whose noise is not drawn, a step that
# is in no checkpoint, half a checkpoint, one that is not yet in place, one just written, half a model, a model in
# place whose training is not yet tidied up.
PLACES = ("line", "paid", "stepped", "half", "before", "after", "model", "placed")


def die(*_: Any, **__: Any) -> None:
    """As the kernel kills for want of memory: no handler runs, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(place: str, step: int) -> None:
    """See that this process dies at ``place`` of ``step``."""
    import torch

    from audit.mitigation import checkpoints, dp_sgd, saving, spending, training

    def wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
        whole = getattr(owner, name)
        setattr(owner, name, lambda *args, **kwargs: around(whole, *args, **kwargs))

    def half_a_line(write: Any, file: int, data: bytes) -> Any:
        if data.startswith((b'{"step": %d}' % step, b'{"step": %d,' % step)):
            write(file, data[: len(data) // 2])
            die()
        return write(file, data)

    def then_die(call: Any, *args: Any, **kwargs: Any) -> Any:
        found = call(*args, **kwargs)
        if place not in ("paid", "after") or args[1] >= step:
            die()
        return found

    def half_a_file(write: Any, state: Any, path: Any) -> Any:
        if state["step"] < step:
            return write(state, path)
        write(state, path)
        if place == "half":
            os.truncate(path, os.path.getsize(path) // 2)
        return die()

    def after_a_step(train: Any, *args: Any, **kwargs: Any) -> Any:
        def look(done: int) -> None:
            if done >= step:
                die()

        return train(*args, **(kwargs | {"after_step": look}))

    arms: dict[str, tuple[Any, str, Callable[..., Any]]] = {
        "line": (os, "write", half_a_line),
        "paid": (spending.Spending, "pay", then_die),
        "stepped": (dp_sgd, "train", after_a_step),
        "half": (torch, "save", half_a_file),
        "before": (torch, "save", half_a_file),
        "after": (checkpoints, "save", then_die),
        "model": (saving, "write_card", die),
        "placed": (training, "save", then_die),
    }
    wrap(*arms[place])


def run(config: Any, out: Path, place: str | None, step: int) -> None:
    """Train in this process, with a note of each key of noise that is drawn from; never return.

    A run's first note is how many steps the checkpoint holds that it goes on from, or that all is done.
    """
    from audit.mitigation import checkpoints, statement, training
    from audit.mitigation.keys import Keys

    whole = Keys.noise
    out.mkdir(parents=True, exist_ok=True)
    note = os.open(out / "keys.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    held = checkpoints.load(out)
    done = (out / training.MODEL / statement.NAME).is_file()
    os.write(note, f"run {'done' if done else held.applied if held else 0}\n".encode())

    def noted(keys: Keys, step: int) -> int:
        found = whole(keys, step)
        os.write(note, f"{step} {found}\n".encode())
        return found

    setattr(Keys, "noise", noted)  # noqa: B010 - a name that a type checker does not follow
    training._check = lambda ready: None  # the pre-flight has tests of its own, and takes most of a short training
    if place is not None:
        arm(place, step)
    log = os.open(out / "output.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 3
    try:
        training.finetune(config, out)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def forked(config: Any, out: Path, place: str | None = None, step: int = 0, after: float | None = None) -> int:
    """Run in a child; kill it ``after`` seconds, if given; return what it ended with."""
    child = os.fork()
    if child == 0:
        run(config, out, place, step)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(settings: str, folder: Path, kills: int) -> None:
    """Train once in one go, then ``kills`` times with a kill or two each; print what became of them."""
    import opacus.utils.batch_memory_manager
    import peft
    import torch

    import audit.mitigation.accounting
    import audit.mitigation.clipping.bookkeeping
    from audit.config import Config
    from audit.mitigation import training

    assert all((opacus, peft, audit.mitigation.accounting))  # loaded, so that a child need not
    torch.set_num_threads(1)
    config = Config.model_validate_json(settings)
    training.terms(config, 1)  # as long as a whole training; what it finds is kept
    draws = random.Random(20)
    began = time.monotonic()
    assert forked(config, folder / "whole") == 0
    lasts = time.monotonic() - began
    places = itertools.cycle(PLACES)
    for number in range(kills):
        out, steps = folder / f"killed-{number:02}", config.finetune.steps or 1
        seeded = config.finetune.model_copy(update={"seed": number if number % 2 else None})
        chosen = config.model_copy(update={"finetune": seeded})
        ends = []
        for again in range(1 + number % 2):
            if (number + again) % 3 == 2:
                place, end = "time", forked(chosen, out, after=draws.uniform(0.1, 0.9) * lasts)
            else:
                place = draws.choice(PLACES) if again else next(places)
                end = forked(chosen, out, place, draws.randrange(steps))
            ends.append([place, end])
        ends.append(["", forked(chosen, out)])
        (folder / f"killed-{number:02}.json").write_text(json.dumps(ends), encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
