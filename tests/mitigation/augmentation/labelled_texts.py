"""The labelled texts, read, and a copy held against what is written there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from audit.config import Config, read_toml
from audit.mitigation.augmentation import Copy, counterfactuals, people_for
from audit.mitigation.augmentation.english.name_lists import names_of
from audit.mitigation.augmentation.lists import FOLDER, table
from audit.privacy.records.values import IDENTIFIER_TYPES, Record
from audit.values import Persona

FOLDER_OF_TEXTS = Path(__file__).parent / "labelled"


@dataclass(frozen=True)
class Labelled:
    locale: str
    axis: str
    target: str
    record: Record
    expected: str  # "=": no copy

    def copy(self) -> Copy | None:
        """The copy that is asked for, of all that there are."""
        made = counterfactuals(
            self.record, locale=self.locale, axes=[self.axis], copies=99, seed=0, people=people(self.locale)
        )
        return next((copy for copy in made if not self.target or copy.changes[0][2] == self.target), None)

    def problem(self) -> str | None:
        """What is wrong with it; None where all is well."""
        copy = self.copy()
        got = "=" if copy is None else copy.text
        if re.fullmatch(expression(self.expected, self.locale), got):
            return None
        return f"{self.axis}:{self.target}\n  text     {self.record.text}\n  expected {self.expected}\n  got      {got}"


def labelled(locale: str, half: str) -> Iterator[Labelled]:
    at = ""
    for number, line in enumerate((FOLDER_OF_TEXTS / f"{locale}.txt").read_text(encoding="utf-8").splitlines()):
        if line.startswith("# "):
            at = line[2:]
        elif at == half:
            along, text, expected, *known = line.replace("⏎", "\n").split("\t")
            pairs = dict(part.split("=", 1) for part in known[0].split(";")) if known else {}
            identifiers = {key: value for key, value in pairs.items() if key in IDENTIFIER_TYPES}
            groups = {key: value for key, value in pairs.items() if key not in IDENTIFIER_TYPES}
            axis, _, target = along.partition(":")
            yield Labelled(locale, axis, target, Record(f"{number}", text, None, groups, identifiers), expected)


@cache
def people(locale: str) -> tuple[Persona, ...]:
    config = Config()
    return people_for(config.model_copy(update={"run": config.run.model_copy(update={"locale": locale})}))


def expression(expected: str, locale: str) -> str:
    parts = re.split(r"\{([^{}]+)\}", expected)
    return "".join(
        re.escape(part) if place % 2 == 0 else f"(?:{'|'.join(fitting(part, locale))})"
        for place, part in enumerate(parts)
    )


def fitting(slot: str, locale: str) -> list[str]:
    """What may stand for a slot, in any case."""
    words = set(slot.split())
    if locale == "zh":
        return [name for entry in read_toml(FOLDER / "zh.toml")["names"] for name in entry[next(iter(words))].split()]
    if slot in table("en", "region"):
        return list(table("en", "region")[slot])
    known = names_of(people("en"))
    if "surname" in words:
        found = list(known.surnames[(words - {"surname"}).pop()])
    else:
        found = [name for cell, names in known.pools.items() if words <= set(cell) for name in names]
        found += [name for name, gender in known.common_gender.items() if words == {gender}]
    return [form for name in found for form in (name, name.lower(), name.upper(), name.title())]
