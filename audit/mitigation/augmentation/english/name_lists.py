"""English names by what they tell: those of the personas, common ones of the word lists, and surnames."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from audit.mitigation.augmentation.lists import table, two_ways
from audit.values import Persona

_INITIAL: Final = re.compile(r" [A-Z]\.?$")


@dataclass(frozen=True, slots=True)
class Names:
    """The names to know and to draw from; keys are in small letters."""

    groups: Mapping[str, Mapping[str, str]]
    pools: Mapping[tuple[str, str], tuple[str, ...]]  # by gender and race
    common: Mapping[str, str]
    common_gender: Mapping[str, str]
    surname_race: Mapping[str, str]
    surnames: Mapping[str, tuple[str, ...]]

    @property
    def races(self) -> tuple[str, ...]:
        """The races that names are there of, sorted."""
        return tuple(sorted({race for _, race in self.pools if race}))


class _SameList:
    """A list of people as a key: by which object it is, since personas cannot be hashed."""

    def __init__(self, people: Sequence[Persona]) -> None:
        self.people = people

    def __hash__(self) -> int:
        return id(self.people)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SameList) and self.people is other.people


def names_of(people: Sequence[Persona]) -> Names:
    """The names of ``people`` and of the word lists, put together once."""
    return _names(_SameList(people))


@lru_cache(maxsize=4)
def _names(key: _SameList) -> Names:
    groups: dict[str, Mapping[str, str]] = {}
    pools: dict[tuple[str, str], tuple[str, ...]] = {}
    for persona in key.people:
        if persona.cue_channel == "name":
            name = _INITIAL.sub("", persona.name).split(" ")[0]
            groups[name.lower()] = persona.attributes
            cell = persona.attributes.get("gender", ""), persona.attributes.get("race", "")
            pools[cell] = (*pools.get(cell, ()), name)
    listed = table("en", "names")
    common = {name: other for name, other in two_ways(listed["pairs"]).items() if name.lower() not in groups}
    female = set(listed["pairs"].split()[::2])
    surnames = {race: tuple(names.split()) for race, names in listed["surnames"].items()}
    return Names(
        groups,
        pools,
        {name.lower(): other for name, other in common.items()},
        {name.lower(): "female" if name in female else "male" for name in common},
        {name.lower(): race for race, listed_names in surnames.items() for name in listed_names},
        surnames,
    )
