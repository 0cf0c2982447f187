"""From a file of records to units of privacy, and from units to what the model reads."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.config import Config, FinetuneConfig
from audit.errors import ConfigError
from audit.mitigation.values import Batch, Unit
from audit.values import content_hash

if TYPE_CHECKING:
    from torch import Tensor

    from audit.privacy.records import Layout, Record


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is trained on. Only ``path`` and ``notes`` may be shown; the counts are the data's own."""

    path: Path
    units: tuple[Unit, ...]
    notes: tuple[str, ...]

    @property
    def lengths(self) -> list[int]:
        """Tokens of each unit's longest row."""
        return [max(map(len, unit.rows)) for unit in self.units]

    @property
    def rows(self) -> int:
        """How many texts there are, counterfactual copies among them."""
        return sum(len(unit.rows) for unit in self.units)

    def fingerprint(self) -> str:
        """Hash of all that is trained on, to tell whether a run that goes on has the same before it."""
        return content_hash([[unit.unit_id, unit.rows] for unit in self.units])


def read_corpus(config: Config, tokenizer: Any) -> Corpus:
    """Read the records to train on, make their counterfactual copies, and put them together by unit.

    Canaries are records like others. A text is read as the privacy audit reads it, with the end of text behind it.

    Raises
    ------
    ConfigError
        If no file is named, it cannot be read, or none of its records has two tokens.
    """
    from audit.privacy.records import Problems, read_records

    path, layout = _where(config)
    problems = Problems()
    gathered: dict[str, dict[str, Record]] = defaultdict(dict)
    # What a unit is may depend on nobody else's records: those that stand twice are one within their unit alone.
    for record in read_records(path, layout, on_bad=config.privacy.on_bad, problems=problems, repeats="kept"):
        gathered[_unit_of(record, config.finetune)][record.record_id] = record
    cut = _Cutter(config, tokenizer)
    units = []
    for unit_id, records in gathered.items():
        kept = sorted(records)[: config.finetune.rows_per_customer]
        rows = tuple(row for record_id in kept for row in cut(records[record_id]) if len(row) > 1)
        if rows:
            units.append(Unit(unit_id, rows))
    if not units:
        raise ConfigError(f"{path}: none of its records has two tokens to learn from; name another file with --train")
    notes = [f"{path.name}: {line}" for line in problems.lines()]
    if dropped := len(gathered) - len(units):
        notes.append(f"{path.name}: {dropped:,} records of fewer than two tokens are left out")
    return Corpus(path, tuple(sorted(units, key=lambda unit: unit.unit_id)), tuple(notes))


def _where(config: Config) -> tuple[Path, Layout]:
    from audit.privacy.planting import read_ledger
    from audit.privacy.records import find_layout

    path, privacy = config.finetune.train, config.privacy
    if path is None and privacy.ledger is not None:
        ledger = read_ledger(privacy.ledger)
        path, layout = privacy.ledger.parent / ledger.training.file, ledger.layout
    elif path is None:
        raise ConfigError("finetune.train: no file of records is named; name it with --train, or in [finetune]")
    elif not path.is_file():
        raise ConfigError(f"{path}: there is no such file; name the records to train on with --train")
    else:
        layout = find_layout(privacy.layout, path, privacy.columns)
        if config.finetune.private:
            _check_named(path, layout, config)
    if config.finetune.unit == "customer" and layout.customer is None:
        raise ConfigError(
            f"{path}: which column holds the customer? Name it in [privacy.columns], customer = ...; without it "
            "no customer can be protected as one"
        )
    return path, layout


def _check_named(path: Path, layout: Layout, config: Config) -> None:
    """Refuse a layout that was guessed from JSON records: one more record could change how all others are read."""
    from audit.privacy.records import LAYOUTS
    from audit.privacy.records.rows import kind_of

    own = config.privacy.columns
    if kind_of(path) != "json" or config.privacy.layout in ("columns", *LAYOUTS) or own.text or own.turns:
        return
    if layout.name in LAYOUTS:
        mend = f"--layout {layout.name}"
    else:
        where = f'turns = "{layout.turns}"' if layout.turns else f"text = {json.dumps(layout.text)}"
        who = f', customer = "{layout.customer}"' if layout.customer else ""
        mend = f"{where}{who} in [privacy.columns]"
    raise ConfigError(
        f"{path}: how it is read would be guessed from its records, and one more record could change it for all; "
        f"where the guess is right, name it: {mend}"
    )


def _unit_of(record: Record, settings: FinetuneConfig) -> str:
    """Hash of what is protected; a record of nobody known is a unit of its own."""
    if settings.unit == "customer" and record.customer is not None:
        return content_hash(["customer", record.customer], 16)
    return content_hash(["record", record.record_id], 16)


class _Cutter:
    """Token ids of a record and of its counterfactual copies."""

    def __init__(self, config: Config, tokenizer: Any) -> None:
        self.config, self.tokenizer = config, tokenizer
        self.people: Any = None
        if config.finetune.augment:
            from audit.mitigation.augmentation import check_axes, people_for

            check_axes(config.finetune.augment, config.run.locale)
            self.people = people_for(config)

    def __call__(self, record: Record) -> Iterator[tuple[int, ...]]:
        yield self._tokens(record.record_id, record.text, record.turns)
        if self.people is None:
            return
        from audit.mitigation.augmentation import counterfactuals

        settings = self.config.finetune
        for copy in counterfactuals(
            record,
            locale=self.config.run.locale,
            axes=settings.augment,
            copies=settings.copies,
            seed=self.config.run.seed,
            people=self.people,
        ):
            yield self._tokens(record.record_id, copy.text, copy.turns)

    def _tokens(self, record_id: str, text: str, turns: tuple[tuple[str, str], ...]) -> tuple[int, ...]:
        from audit.privacy.likelihood import Passage
        from audit.privacy.likelihood.planning import encode

        limit = self.config.finetune.max_tokens
        found: list[int] = encode(self.tokenizer, Passage(record_id, text, (), turns), limit).tokens.tolist()
        end = self.tokenizer.eos_token_id
        if end is not None and len(found) < limit and found[-1:] != [end]:
            found.append(int(end))
        return tuple(found)


def collate(units: Sequence[Unit], pad: int, device: str = "cpu") -> Batch:
    """Put units together as the model reads them.

    >>> batch = collate([Unit("a", ((5, 6, 7), (8, 9)))], pad=0)
    >>> batch.input_ids.tolist(), batch.unit.tolist(), batch.weight.tolist()
    ([[5, 6, 7], [8, 9, 0]], [0, 0], [0.5, 0.5])
    """
    import torch

    rows = [row for unit in units for row in unit.rows]
    width = max((len(row) for row in rows), default=0)
    ids = torch.full((len(rows), width), pad, dtype=torch.int64)
    mask = torch.zeros((len(rows), width), dtype=torch.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    counts = torch.tensor([len(unit.rows) for unit in units], dtype=torch.int64)
    tensors: Mapping[str, Tensor] = {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": torch.arange(width).repeat(len(rows), 1),
        "unit": torch.repeat_interleave(torch.arange(len(units)), counts),
        "weight": torch.repeat_interleave(1.0 / counts.to(torch.float32), counts),
    }
    return Batch(**{name: tensor.to(device) for name, tensor in tensors.items()}, units=len(units))
