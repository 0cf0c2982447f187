"""What English texts say of the author's own race and home: "as a Black woman", "I'm from Texas".

Places of an order, of its address and of its way are facts and stay; so does where somebody lives, since parcels go
there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Final

from audit.mitigation.augmentation.english import names
from audit.mitigation.augmentation.english.name_lists import names_of
from audit.mitigation.augmentation.english.words import articled
from audit.mitigation.augmentation.lists import any_of, table
from audit.mitigation.augmentation.passages import Passage
from audit.mitigation.augmentation.values import Edit

_WHOM: Final = "woman|man|women|men|person|mother|father|mom|dad|girl|guy|lady|customer|shopper|student|couple|family"
_ENDS: Final = re.compile(r"[.,;!?]|$| and (?:I|the|my|we)\b| but\b| so\b")
_SELF: Final = r"(?:[Aa]s|[Bb]eing|I['’]m|I am|[Ww]e['’]re|[Ww]e are)"


def race(passage: Passage, chance: Random) -> Iterator[list[Edit]]:
    """A copy for each race that the names and words of the text do not tell."""
    listed = table("en", "race")
    said = [match for match in _race().finditer(passage.text) if _of_the_author(match)]
    own = {_race_of(match["told"]) for match in said}
    targets = list(names_of(passage.people).races or listed)
    chance.shuffle(targets)
    for target in targets:
        if said and (target in own or target not in listed):
            continue
        edits = names.race_edits(passage, target, chance)
        for match in said:
            noun = {"Latina": " woman", "Latino": " man"}.get(match["told"], "") if match["whom"] is None else ""
            start, new = articled(passage.text, match.start("told"), listed[target][0] + noun)
            edits.append(Edit(start, match.end("told"), new, ("race", _race_of(match["told"]), target)))
        if edits:
            yield edits


def region(passage: Passage, chance: Random) -> Iterator[list[Edit]]:
    """A copy for each region of the country that the author does not come from."""
    states = table("en", "region")
    homes = {state: group for group, listed in states.items() for state in listed}
    said = [match for match in _home().finditer(passage.text) if not passage.is_kept(*match.span("place"))]
    own = {homes[match["state"]] for match in said}
    targets = sorted(set(states) - own) if said else []
    chance.shuffle(targets)
    for target in targets:
        state = chance.choice(states[target])
        yield [Edit(*match.span("place"), state, ("region", homes[match["state"]], target)) for match in said]


def _race_of(told: str) -> str:
    return next((group for group, listed in table("en", "race").items() if told in listed), "hispanic")


def _of_the_author(match: re.Match[str]) -> bool:
    """Whether it is said of a person: "as a Black woman", "I'm Black.", not "I'm Black Friday shopping"."""
    if match["whom"] is not None or (match["article"] and match["told"] in ("Latina", "Latino")):
        return True
    return not match["article"] and _ENDS.match(match.string, match.end()) is not None


@cache
def _race() -> re.Pattern[str]:
    told = any_of(("Latina", "Latino", *(word for listed in table("en", "race").values() for word in listed)))
    return re.compile(
        rf"\b{_SELF} (?P<article>an? )?(?:[a-z]+ )?(?P<told>{told})\b(?P<whom>(?= (?:[a-z]+ )?(?:{_WHOM})\b))?"
    )


@cache
def _home() -> re.Pattern[str]:
    state = any_of(state for listed in table("en", "region").values() for state in listed)
    return re.compile(
        rf"(?:\b(?:I['’]m|I am|[Ww]e['’]re|[Ww]e are|I come|I hail)(?: originally)? from "
        rf"|\b(?:I|[Ww]e)(?: was| were)? (?:born(?: and (?:raised|bred))?|grew up|raised) in )"
        rf"(?P<place>(?:[A-Z][a-z]+(?: [A-Z][a-z]+)?, )?(?P<state>{state}))\b(?! (?:store|warehouse|office|address|\d))"
    )
