"""``evenhand mitigate``: trains the variants, audits each in folders of its own, and goes on where it was stopped.

<out>/manifest.json      the cells, how far each is, and the settings that they share
<out>/<cell>/model/      what the training left; its ledger and checkpoint lie beside it
<out>/<cell>/fairness/   a run folder, as of 'evenhand run'
<out>/<cell>/privacy/    a run folder, as of 'evenhand privacy'
<out>/<cell>/utility/    held-out records read by the model, where no privacy audit has read them
<out>/frontier.parquet   what each cell is like, and how it differs from others; made anew after each

Folders may hold what models learnt by heart, and are for their owner alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from audit import tables
from audit.config import Config
from audit.errors import EXIT_BACKEND, EXIT_PASS, ConfigError, EvenhandError, first_line
from audit.manifest import Manifest, machine, now, versions
from audit.mitigation.frontier import KIND, MODEL, frontier, recorded
from audit.mitigation.variants import (
    Cell,
    compared_with,
    fairness_config,
    plan,
    privacy_config,
    training_config,
)
from audit.pipeline import run_id
from audit.progress import Progress, Silent
from audit.run_folder import RUNS, clear
from audit.values import content_hash

Stage = Literal["trained", "fairness", "privacy", "utility"]
STAGES: Final[tuple[Stage, ...]] = ("trained", "fairness", "privacy", "utility")
_WAITING: Final = "has not been done yet"
_STOPPED: Final = "was stopped before it ended; the same command goes on from there"
_NO_MODEL: Final = "there is no model yet: its training is not done"
# Each cell has these of its own, or judging alone goes by them; they may change in the same folder.
_OWN: Final = {
    "finetune": {"private", "epsilon", "noise_multiplier", "augment", "physical_batch"},
    "mitigation": {"epsilons", "variants", "prompts", "fairness", "privacy"},
    "privacy": {"claimed_epsilon", "claimed_delta", "n", "p", "fpr", "beta", "base"},
}


class Trainer(Protocol):
    """Who trains a cell: :func:`audit.mitigation.training.finetune`, or a function like it."""

    def __call__(
        self, config: Config, out: Path, *, progress: Progress | None = None, fresh: bool = False, command: str = ""
    ) -> Path:
        """Train as ``config.finetune`` says and return the model's folder."""
        ...


def mitigate(
    config: Config,
    out: Path | None = None,
    *,
    progress: Progress | None = None,
    fresh: bool = False,
    command: str = "",
    only: Sequence[str] = (),
    train: Trainer | None = None,
) -> Path:
    """Train and audit every variant that ``config.mitigation`` names; return ``out``.

    Cells are done one by one, the base first. A cell that fails is noted with the reason, and the next one goes
    on; :func:`exit_code` tells afterwards. Called again, finished stages are skipped and unfinished ones go on.
    Cells of an earlier call stay in the folder and in the table, so that epsilons and prompts can be added.

    Parameters
    ----------
    out
        The folder; by default one under ``.evenhand/runs`` named after the model and the settings.
    fresh
        Begin the cells anew. What earlier private trainings in the folder spent stays on record.
    command
        The command to write into the folder, so that a reader can run it again.
    only
        Names of the cells to do now; the others wait.
    train
        Who trains, in place of evenhand's own training.

    Raises
    ------
    ConfigError
        If a cell in ``only`` is none, a setting or a file is wrong, or the folder holds a mitigation with others.
    """
    cells = plan(config)
    if not cells:
        raise ConfigError("mitigation.variants: names no variant, and there is no prompt; name at least one")
    chosen = _chosen(cells, only)
    _check(config, chosen)
    progress, out = progress or Silent(), out or RUNS / _name(config)
    _begin(config, cells, chosen, out, fresh=fresh, command=command)
    for cell in chosen:
        _Doing(config, cell, out, _Named(progress, cell.name), fresh, command, train).all()
        frontier(out, progress=progress)
    return out


def exit_code(out: Path) -> int:
    """3 where something failed or was stopped, 0 where not; cells that wait for their turn (--only) are neither."""
    found = {stage["status"] for entry in recorded(out) for stage in entry["stages"].values()}
    return EXIT_BACKEND if found & {"failed", "unfinished"} else EXIT_PASS


def summary(out: Path) -> str:
    """How far each cell is, as a table in plain text, and below it why something is not done.

    Raises
    ------
    ConfigError
        If ``out`` is not the folder of a mitigation.
    """
    entries = recorded(out)
    lines = [["cell", *STAGES]]
    lines += [
        [entry["cell"], *(entry["stages"].get(name, {}).get("status", "-") for name in STAGES)] for entry in entries
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = ["  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    reasons = [
        f"{entry['cell']}: {name}: {found['reason']}"
        for entry in entries
        for name, found in entry["stages"].items()
        if found["status"] in ("failed", "unfinished")
    ]
    return "\n".join([*shown, *([""] if reasons else []), *reasons])


@dataclass(frozen=True, slots=True)
class _Doing:
    """One cell at work."""

    config: Config
    cell: Cell
    out: Path
    progress: Progress
    fresh: bool
    command: str
    train: Trainer | None

    @property
    def folder(self) -> Path:
        return self.out / self.cell.name

    @property
    def model(self) -> str:
        return str(self.folder / MODEL) if self.cell.trained else self.config.model.name

    def all(self) -> None:
        """Every stage of the cell; without a model the others wait."""
        work: dict[Stage, Callable[[], None]] = {
            "trained": self._train,
            "fairness": self._fairness,
            "privacy": self._privacy,
            "utility": self._utility,
        }
        stages = stages_of(self.config, self.cell)
        for name in stages:
            if not self._done(name, work[name]) and name == "trained":
                for other in stages[1:]:
                    _note(self.out, self.cell.name, other, "waiting", _NO_MODEL)
                return

    def _done(self, name: Stage, work: Callable[[], None]) -> bool:
        began = time.monotonic()
        _note(self.out, self.cell.name, name, "unfinished", _STOPPED)
        try:
            work()
        except EvenhandError as error:
            _note(self.out, self.cell.name, name, "failed", first_line(error))
            self.progress.warn(f"{name} failed: {first_line(error)}")
            return False
        _note(self.out, self.cell.name, name, "done", None, time.monotonic() - began)
        return True

    def _train(self) -> None:
        asked = training_config(self.config, self.cell)
        trainer = self.train or _own_training()
        trainer(asked, self.folder, progress=self.progress, fresh=self.fresh, command=self.command)

    def _fairness(self) -> None:
        from audit.pipeline import run_audit

        asked = fairness_config(self.config, self.cell, self.model)
        run_audit(asked, self.folder / "fairness", progress=self.progress, fresh=self.fresh, command=self.command)

    def _privacy(self) -> None:
        from audit.mitigation.lending import lend
        from audit.privacy.run import audit_privacy, start

        asked, folder = privacy_config(self.config, self.cell, self.model), self.folder / "privacy"
        if self.cell.trained:
            start(asked, folder, fresh=self.fresh)
            lend(self.out / "base" / "privacy", folder)
        fresh = self.fresh and not self.cell.trained
        audit_privacy(asked, folder, progress=self.progress, fresh=fresh, command=self.command)

    def _utility(self) -> None:
        from audit.mitigation.held_out import read_held_out, readings_of

        if not readings_of(self.folder / "privacy"):
            asked = privacy_config(self.config, self.cell, self.model)
            read_held_out(asked, self.folder / "utility", self.progress)


def _own_training() -> Trainer:
    from audit.mitigation.training import finetune

    return finetune


def stages_of(config: Config, cell: Cell) -> tuple[Stage, ...]:
    """What is done of a cell, in order. Of a model of which held-out records cannot be read there is no ``utility``."""
    from audit.mitigation.held_out import why_not

    wanted: dict[Stage, bool] = {
        "trained": cell.trained,
        "fairness": config.mitigation.fairness,
        "privacy": config.mitigation.privacy and "privacy" in cell.domains,
        "utility": "privacy" in cell.domains and why_not(config) is None,
    }
    return tuple(name for name in STAGES if wanted[name])


def _chosen(cells: Sequence[Cell], only: Sequence[str]) -> list[Cell]:
    names = [cell.name for cell in cells]
    strange = [name for name in only if name not in names]
    if strange:
        raise ConfigError(f"--only {strange[0]}: there is no such cell; there are {', '.join(names)}")
    return [cell for cell in cells if not only or cell.name in only]


def _check(config: Config, cells: Sequence[Cell]) -> None:
    """Find what is wrong before hours of training: suites, rules, records, models, prompts."""
    from audit.backends import open_backend
    from audit.gate import check_privacy_rules, check_rules
    from audit.mitigation.prompts import load_prompt
    from audit.privacy.material import gather
    from audit.privacy.run import is_local
    from audit.probes import expand

    if any(cell.trained for cell in cells) and not is_local(config.model.name):
        raise ConfigError(
            f"model {config.model.name!r}: does not run here and cannot be trained; name embedded:smollm2, "
            "hf:ORG/NAME[@REVISION] or a folder with a saved model"
        )
    for name in config.mitigation.prompts:
        load_prompt(name, config.run.locale)
    if config.mitigation.fairness:
        check_rules(config)
        expand(config)
        for cell in cells:
            if not cell.trained:
                open_backend(fairness_config(config, cell, config.model.name))
    if config.mitigation.privacy and any("privacy" in cell.domains for cell in cells):
        check_privacy_rules(config)
        gather(config.privacy, config.run.seed)


def _begin(
    config: Config, cells: Sequence[Cell], chosen: Sequence[Cell], out: Path, *, fresh: bool, command: str
) -> None:
    """Make or find the folder, and write down which cells there are."""
    from audit.privacy.folder import claim

    claim(out)
    manifest = Manifest.load(out)
    if manifest.data and manifest.data.get("kind") != KIND:
        raise ConfigError(f"{out}: holds a run of another kind; name another folder with --out")
    asked, before = shared(config), manifest.data.get("asked")
    if before not in (None, asked) and not fresh:
        changed = ", ".join(sorted(name for name in asked if asked[name] != before.get(name)))
        raise ConfigError(
            f"{out}: holds a mitigation with other settings ({changed}); name another folder with --out, or add --fresh"
        )
    earlier = {entry["cell"]: entry for entry in manifest.data.get("cells", [])}
    if fresh:
        clear(out)
        manifest = Manifest(out)
        again = {cell.name for cell in chosen} if before == asked else earlier.keys()
        earlier = {name: entry for name, entry in earlier.items() if name not in again}
    entries = [_entry(config, cell, cells, earlier.pop(cell.name, None)) for cell in cells]
    manifest.data |= {
        "kind": KIND,
        "evenhand": metadata.version("evenhand"),
        "run_id": f"mitigation-{content_hash(asked, 8)}",
        "created": manifest.data.get("created", now()),
        "asked": asked,
        "config": json.loads(config.model_dump_json()),
        "cells": [*entries, *earlier.values()],
        "seed": config.run.seed,
        "command": command or manifest.data.get("command", ""),
        "versions": versions(),
        "machine": machine(),
    }
    with tables.for_owner_alone():
        manifest.save()


def shared(config: Config) -> dict[str, Any]:
    """Settings that all cells have in common, by section: with others their figures could not be compared."""
    found: dict[str, Any] = {}
    for section in ("model", "run", "privacy", "finetune", "mitigation"):
        exclude = _OWN.get(section)
        found[section] = json.loads(getattr(config, section).model_dump_json(exclude=exclude))
    return found


def _name(config: Config) -> str:
    model = run_id(config).rpartition("-")[0]
    return f"mitigate-{model}-{content_hash(shared(config), 8)}"


def _entry(config: Config, cell: Cell, cells: Sequence[Cell], earlier: dict[str, Any] | None) -> dict[str, Any]:
    before = earlier["stages"] if earlier else {}
    waiting = {"status": "waiting", "reason": _WAITING}
    return {
        "cell": cell.name,
        "variant": cell.variant,
        "epsilon": cell.epsilon,
        "prompt": cell.prompt,
        "versus": [other.name for other in compared_with(cell, cells)],
        "stages": {name: before.get(name, waiting) for name in stages_of(config, cell)},
    }


def _note(out: Path, cell: str, stage: Stage, status: str, reason: str | None, seconds: float | None = None) -> None:
    """Write down how a stage stands, at once: what a killed process leaves is what is true."""
    manifest = Manifest.load(out)
    entry = next(entry for entry in manifest.data["cells"] if entry["cell"] == cell)
    known = entry["stages"].get(stage, {})
    # Of a stage that was skipped the first time that it was done tells how long it took.
    spent = {"seconds": max(round(seconds, 1), known.get("seconds", 0.0))} if seconds is not None else {}
    kept = {"seconds": known["seconds"]} if "seconds" in known and seconds is None else {}
    entry["stages"][stage] = {"status": status, "reason": reason} | kept | spent
    with tables.for_owner_alone():
        manifest.save()


@dataclass(frozen=True, slots=True)
class _Named:
    """Tells another how far it is, with the cell's name before each stage's."""

    inner: Progress
    name: str

    def begin(self, stage: str, total: int) -> None:
        self.inner.begin(f"{self.name}: {stage}", total)

    def advance(self, done: int, note: str, left: float | None) -> None:
        self.inner.advance(done, note, left)

    def end(self, stage: str, seconds: float, skipped: bool) -> None:
        self.inner.end(f"{self.name}: {stage}", seconds, skipped)

    def warn(self, message: str) -> None:
        self.inner.warn(f"{self.name}: {message}")
