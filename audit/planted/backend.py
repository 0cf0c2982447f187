"""The backend of planted models: a world that answers any suite, its bias known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from audit.backends.protocol import Backend, Batch, unknown_form
from audit.errors import ConfigError
from audit.planted import answers
from audit.planted.cells import tasks
from audit.planted.people import members
from audit.planted.spec import Spec, facts, read_spec
from audit.tables import from_rows

if TYPE_CHECKING:
    from audit.config import Config

SIZE: Final = 2_048
VERSION: Final = "planted-1"


def open_planted(config: Config) -> Backend:
    """Open the planted model that ``config.model.name`` asks for: a world, or a real model with something added.

    Raises
    ------
    ConfigError
        If the name cannot be read, names an axis or a group that the personas lack, or a prompt is to be put before.
    """
    spec = read_spec(config.model.name)
    if config.model.prompt is not None:
        raise ConfigError(
            f"model.prompt: {config.model.prompt!r} cannot be put before {config.model.name!r}: what is planted is in "
            "its answers whatever it is asked; leave the prompt out, or name a real model"
        )
    if spec.inner is None:
        return PlantedBackend(config, spec)
    from audit.planted.wrapper import WrappedBackend

    return WrappedBackend(config, spec)


class PlantedBackend:
    """Answers as a planted world does.

    Every answer follows from the run's seed and the probe's place in the whole table,
    so a run that was stopped goes on as if it had not been.
    """

    def __init__(self, config: Config, spec: Spec) -> None:
        self.config = config
        self.spec = spec
        self.people = members(spec, config)
        self._answered: tuple[pa.Table, pa.Table, np.ndarray[Any, np.dtype[np.int64]]] | None = None

    def identity(self) -> str:
        """The spec with all that it leaves to defaults."""
        return f"{VERSION} {self.spec}"

    def describe(self) -> Mapping[str, Any]:
        """Facts for the manifest: what is planted."""
        return {"name": self.spec.text, "engine": VERSION, "planted": dict(self._facts)}

    @cached_property
    def _facts(self) -> Mapping[str, Any]:
        touched = {member.persona.persona_id for member in self.people.values() if member.affected}
        return {**facts(self.spec), "affected_personas": len(touched)}

    def plan(self, probes: pa.Table) -> Sequence[Batch]:
        """Batches of one output form each, in the order of the table."""
        form = np.array(probes["output_form"].to_pylist(), dtype=object)
        for strange in set(form.tolist()) - {"decision", "number", "text"}:
            raise unknown_form(strange)
        found = []
        for kind in ("decision", "number", "text"):
            draws = self.config.run.draws if kind == "text" else 1
            rows = np.repeat(np.flatnonzero(form == kind), draws)
            draw = np.tile(np.arange(draws, dtype=np.int32), rows.size // draws)
            found += [
                Batch(
                    kind, rows[start : start + SIZE], draw[start : start + SIZE], float(rows[start : start + SIZE].size)
                )
                for start in range(0, rows.size, SIZE)
            ]
        return found

    def complete(self, probes: pa.Table, batch: Batch) -> pa.Table:
        """Answer one batch; what is drawn for it does not depend on the others."""
        completions, first = self._all(probes)
        return completions.take(pa.array(first[batch.rows] + batch.draws))

    def _all(self, probes: pa.Table) -> tuple[pa.Table, np.ndarray[Any, np.dtype[np.int64]]]:
        """All completions of ``probes``, and the place of each probe's first draw among them."""
        if self._answered is None or self._answered[0] is not probes:
            rows: list[list[dict[str, Any]]] = [[] for _ in range(probes.num_rows)]
            for place, row in self._rows(probes):
                rows[place] = row
            first = np.cumsum([0, *(len(row) for row in rows)])[:-1]
            self._answered = probes, _table(probes, rows), np.asarray(first, np.int64)
        return self._answered[1:]

    def _rows(self, probes: pa.Table) -> list[tuple[int, list[dict[str, Any]]]]:
        seed, found = self.config.run.seed, []
        options = probes["options"].to_pylist()
        for task in tasks(probes):
            if task.form == "text":
                made = list(answers.text_rows(task, self.people, self.spec, seed, self.config.run.draws))
            else:
                chosen = [options[row] for row in task.rows]
                made = [[row] for row in answers.exact_rows(task, chosen, self.people, self.spec, seed)]
            found += list(zip(task.rows.tolist(), made, strict=True))
        purpose, names = probes["purpose"].to_pylist(), probes["task"].to_pylist()
        checks = [row for row, word in enumerate(purpose) if word == "manipulation"]
        for name in dict.fromkeys(names[row] for row in checks):
            rows = [row for row in checks if names[row] == name]
            gold = probes["gold"].take(pa.array(rows)).to_pylist()
            told = answers.inference_rows([options[row] for row in rows], gold, self.spec, seed, name)
            found += [(row, [made]) for row, made in zip(rows, told, strict=True)]
        return found


def _table(probes: pa.Table, rows: Sequence[Sequence[Mapping[str, Any]]]) -> pa.Table:
    ids, forms = probes["probe_id"].to_pylist(), probes["output_form"].to_pylist()
    return from_rows(
        "completions",
        (
            {
                "probe_id": name,
                "draw": draw,
                "mode": "sampled" if form == "text" else "exact",
                "prompt_tokens": 0,
                "completion_tokens": 0,
                **row,
            }
            for name, form, drawn in zip(ids, forms, rows, strict=True)
            for draw, row in enumerate(drawn)
        ),
    )
