"""The folder of a mitigation becomes the one :class:`~reports.frontier_values.FrontierView` that every format draws."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, Final

from audit import tables
from audit.errors import ConfigError, first_line
from audit.mitigation.statement import PrivacyStatement, check
from reports.folder import Row, read_json
from reports.frontier_values import Cell, Figure, FrontierView, Place, Promise, Stage
from reports.subject import flat_words, mapping, subject_of, text_of
from reports.text import visible, visible_all

# Beside each cell's name: where its training leaves weights and statement.
_MODEL: Final = "model"
_ORDER: Final = ("base", "ft", "ft+cda", "dp", "dp+cda", "prompt")


def build_frontier_view(folder: Path) -> FrontierView:
    """Read the ``folder`` of a mitigation and return what a report shows of it.

    Parameters
    ----------
    folder
        A folder with frontier.parquet; of manifest.json and each cell's model/privacy.json that which is there
        is used.

    Raises
    ------
    ConfigError
        If the table or the manifest is missing or not readable.
    """
    manifest = read_json(folder / "manifest.json", required=False)
    table = tables.read("frontier", folder / "frontier.parquet")
    rows: Sequence[Row] = visible_all(table.to_pylist())
    config = mapping(manifest.get("config"))
    subject = subject_of(manifest, {"frontier": table.num_rows})
    model = subject.model or {key: text for key, text in flat_words(config.get("model")).items() if key == "name"}
    files = (
        (key, mapping(config.get(section)).get(key))
        for section, key in (("finetune", "train"), ("privacy", "members"), ("privacy", "held_out"))
    )
    return FrontierView(
        subject=replace(subject, model=model),
        cells=_cells(folder, manifest.get("cells"), rows),
        figures=tuple(_figure(row) for row in rows),
        files=tuple((key, PurePath(text).name) for key, value in files if (text := text_of(value))),
        config=json.dumps(config, indent=2, ensure_ascii=False, default=str) if config else "",
    )


def _figure(row: Row) -> Figure:
    place = Place(**{name: row[name] for name in Place.__dataclass_fields__})
    estimate, low, high = (_finite(row[name]) for name in ("estimate", "ci_low", "ci_high"))
    plain = {name: row[name] for name in ("cell", "versus", "scale", "n", "status", "reason")}
    return Figure(**plain, place=place, estimate=estimate, ci_low=low, ci_high=high)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _cells(folder: Path, recorded: Any, rows: Sequence[Row]) -> tuple[Cell, ...]:
    """The cells of the manifest, then those that the table alone knows; variants in the order of their making."""
    if isinstance(recorded, Mapping):
        recorded = [{**mapping(entry), "cell": name} for name, entry in recorded.items()]
    entries = [mapping(entry) for entry in recorded] if isinstance(recorded, list) else []
    known = {str(entry["cell"]): entry for entry in entries if text_of(entry.get("cell"))}
    seen = {row["cell"]: row for row in reversed(rows)}
    found = []
    for name in dict.fromkeys([*known, *(row["cell"] for row in rows)]):
        entry = known.get(name, {})
        about = seen.get(name, entry)
        versus = entry.get("versus")
        if not isinstance(versus, list):
            versus = sorted({row["versus"] for row in rows if row["cell"] == name and row["versus"]})
        spent = _finite(about.get("epsilon") if isinstance(about.get("epsilon"), int | float) else None)
        made = Cell(
            name=name,
            variant=str(about.get("variant")),
            epsilon=spent,
            prompt=text_of(entry.get("prompt")) or (name.removeprefix("prompt-") if name != "prompt" else None),
            versus=(),
            stages=_stages(entry.get("stages")),
            promise=_promise(folder / name / _MODEL) if _inside(name) else None,
        )
        # The base first: what is one step away stands last.
        found.append((made, [str(one) for one in versus]))
    bases = {cell.name for cell, _ in found if cell.variant == "base"}
    cells = [replace(cell, versus=tuple(sorted(other, key=lambda one: one not in bases))) for cell, other in found]
    return tuple(sorted(cells, key=_order))


def _order(cell: Cell) -> tuple[int, float, int, str]:
    """Plain variants, then each epsilon from the weakest promise to the strongest, then prompts."""
    place = _ORDER.index(cell.variant) if cell.variant in _ORDER else len(_ORDER)
    group = 1 if cell.private else 2 if cell.variant == "prompt" else 0
    return (group, -(cell.epsilon or 0.0), place, cell.name)


def _stages(value: Any) -> tuple[Stage, ...]:
    found = []
    for name, stage in mapping(value).items():
        about = mapping(stage)
        found.append(Stage(str(name), text_of(about.get("status")) or "waiting", text_of(about.get("reason"))))
    return tuple(found)


def _inside(name: str) -> bool:
    """Whether a cell's name is that of a folder: a table from elsewhere could name any path."""
    return PurePath(name).name == name and name not in ("", ".", "..")


def _promise(folder: Path) -> Promise | None:
    """The statement beside a cell's weights; one that is not of these weights says so, and no more."""
    try:
        statement = check(folder) if folder.is_dir() else None
    except ConfigError as error:
        return Promise(unreadable=visible(first_line(error)))
    return _told(statement) if statement is not None else None


def _told(statement: PrivacyStatement) -> Promise:
    facts: list[tuple[str, str]] = []
    if (promise := statement.promise) is not None:
        facts = [
            ("unit", promise.unit_means),
            ("adjacency", promise.adjacency),
            ("epsilon", f"{promise.epsilon:.4g}"),
            ("delta", f"{promise.delta:.3g}"),
            ("noise_multiplier", f"{promise.noise_multiplier:.4g}"),
            ("max_grad_norm", f"{promise.max_grad_norm:.4g}"),
            ("accountant", ", ".join(f"{one.name} {one.version}: ε {one.epsilon:.4g}" for one in promise.accountants)),
            ("sampling", f"{promise.sampling.scheme}, rate {promise.sampling.sample_rate:.4g}"),
            ("steps", f"{promise.sampling.steps_applied:,} of {promise.sampling.steps_paid:,} paid"),
        ]
    return Promise(
        facts=tuple((name, visible(text)) for name, text in facts),
        in_words=visible(statement.in_words),
        not_covered=tuple(visible(sentence) for sentence in statement.not_covered),
    )
