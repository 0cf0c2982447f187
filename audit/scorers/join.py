"""Joins what a scorer needs to know of a completion, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import ConfigError
from audit.scorers.masking import Mask, mask
from audit.scorers.refusal import is_refusal
from audit.scorers.rows import JOINED

if TYPE_CHECKING:
    from audit.config import Config

ROWS: Final = 16_384


def joined(
    completions: pa.Table, probes: pa.Table, personas: pa.Table, config: Config, rows: int = ROWS
) -> Iterator[pa.RecordBatch]:
    """Batches with the columns ``JOINED``, at most ``rows`` each, by probe (as in ``probes``) and draw.

    Raises
    ------
    ConfigError
        If a probe, a persona or the suite of a number is not known.
    """
    probe = _places(completions["probe_id"], probes["probe_id"], "completions: probe", "probes")
    persona = _places(probes["persona_id"], personas["persona_id"], "probes: persona", "personas")
    order = pc.sort_indices(
        pa.table({"probe": probe, "draw": completions["draw"]}), [("probe", "ascending"), ("draw", "ascending")]
    )
    known = pa.table(
        {
            **{name: probes[name] for name in ("suite", "task", "locale", "output_form", "purpose", "arm", "gold")},
            "first_option": _first_options(probes["options"]),
            "threshold": _thresholds(probes, config),
            "persona_name": personas["name"].take(persona),
            "cue_channel": personas["cue_channel"].take(persona),
        }
    )
    for start in range(0, len(order), rows):
        chosen = order.slice(start, rows)
        columns = {name: column for table, places in ((completions, chosen), (known, probe.take(chosen)))
                   for name, column in zip(table.column_names, table.take(places).columns, strict=True)}  # fmt: skip
        whole = with_masks(columns)
        yield from pa.table({field.name: whole[field.name] for field in JOINED}, JOINED).combine_chunks().to_batches()


def with_masks(columns: Mapping[str, pa.Array | pa.ChunkedArray], mask: Mask = mask) -> dict[str, Any]:
    """``columns`` with ``masked_text``, which scorers read, and whether that text declines to answer."""
    names = ("output_form", "text", "persona_name", "cue_channel")
    rows = zip(*(columns[name].to_pylist() for name in names), strict=True)
    masked = [mask(text, name, cue) if form == "text" and text is not None else None for form, text, name, cue in rows]
    refused = [None if text is None else is_refusal(text) for text in masked]
    return {**columns, "masked_text": pa.array(masked, pa.string()), "refused": pa.array(refused, pa.bool_())}


def _places(ids: pa.ChunkedArray, known: pa.ChunkedArray, what: str, where: str) -> pa.Array:
    """The row of each id in a table; null for a null."""
    places = pc.index_in(ids, value_set=known.combine_chunks(), skip_nulls=True)
    lost = pc.and_(pc.is_valid(ids), pc.is_null(places))
    if pc.any(lost).as_py():
        strange = ids.filter(lost)[0].as_py()
        raise ConfigError(f"{what} {strange!r} is not in the table {where}; run the stage before this one again")
    return places.combine_chunks() if isinstance(places, pa.ChunkedArray) else places


def _first_options(options: pa.ChunkedArray) -> pa.Array:
    first = []
    for row in options.to_pylist():
        first.append(row[0]["id"] if row else None)
    return pa.array(first, pa.string())


def _thresholds(probes: pa.Table, config: Config) -> pa.Array:
    """The threshold of each number, from the suite of its task; null for what is no number."""
    numbers = pc.equal(probes["output_form"], "number").to_pylist()
    if not any(numbers):
        return pa.nulls(probes.num_rows, pa.float64())
    from audit.probes import load_suites

    of_task = {suite.task: suite.threshold for suite in load_suites(config)}
    tasks = probes["task"].to_pylist()
    for task, is_number in zip(tasks, numbers, strict=True):
        if is_number and of_task.get(task) is None:
            known = ", ".join(sorted(of_task))
            raise ConfigError(
                f"task {task!r}: no suite gives it a threshold (suites are {known}); name it in run.suites"
            )
    return pa.array(
        [of_task[task] if number else None for task, number in zip(tasks, numbers, strict=True)], pa.float64()
    )
