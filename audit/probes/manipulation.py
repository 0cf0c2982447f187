"""The manipulation check's probes: which group does the model take a name to be of?

Where it cannot tell, that the groups were answered alike says nothing of how it would
treat the people whom it can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, permutations, product
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from audit.config import Strict, parse, read_toml
from audit.errors import ConfigError
from audit.probes.slots import fill, slots_in
from audit.values import Persona, content_hash

FOLDER: Final = Path(__file__).parent / "manipulation"
TASK: Final = "infer_"
PURPOSE: Final = "manipulation"
CATEGORY: Final = "names"
PAIRS: Final = 2


class _GroupFile(Strict):
    id: str = Field(min_length=1)
    labels: tuple[str, ...] = Field(min_length=1, description="what persona files call the group")


class _WordingFile(Strict):
    id: str = Field(min_length=1)
    text: str
    answer_prefix: str = Field(min_length=1)
    words: dict[str, tuple[str, ...]]


class _AxisFile(Strict):
    axis: str = Field(min_length=1)
    groups: tuple[_GroupFile, ...] = Field(min_length=2)
    wordings: tuple[_WordingFile, ...] = Field(min_length=2)


class _ManipulationFile(Strict):
    locale: str
    version: str
    axes: tuple[_AxisFile, ...]


def manipulation_rows(personas: Sequence[Persona], locale: str) -> Iterator[dict[str, Any]]:
    """Probes that ask of every name which group of an axis it is of, in four wordings a name.

    Asked are the axes of the locale's file that the names carry, in two or more groups
    that it knows; the options are those groups, the gold is the name's own. Neither
    options nor wordings hold the labels of a persona file, so that another label asks
    nothing anew.
    """
    path = FOLDER / f"{locale}.toml"
    if not path.is_file():
        return
    parsed = _read(path)
    names = [persona for persona in personas if persona.cue_channel == "name"]
    for axis in parsed.axes:
        group_of = {label: group.id for group in axis.groups for label in group.labels}
        owns = {persona.persona_id: group_of.get(persona.attributes.get(axis.axis, "")) for persona in names}
        asked = [group.id for group in axis.groups if group.id in owns.values()]
        if len(asked) < 2:
            continue
        people = [persona for persona in names if owns[persona.persona_id] is not None]
        chosen = [wordings_of(number, len(axis.wordings)) for number in range(len(people))]
        about = {"suite": f"{locale}/{TASK}{axis.axis}@{parsed.version}", "task": TASK + axis.axis, "purpose": PURPOSE}
        for place, wording in enumerate(axis.wordings):
            options = [(group, wording.words[group]) for group in in_turn(asked, place)]
            for persona, places in zip(people, chosen, strict=True):
                if place in places:
                    row = _row(wording, options, persona, locale)
                    yield row | about | {"gold": owns[persona.persona_id]}


def wordings_of(number: int, count: int) -> tuple[int, ...]:
    """The wordings in which the name with this number is asked: two pairs of opposite orders, in turn.

    >>> [wordings_of(number, 8) for number in (0, 1, 5, 6)]
    [(0, 1, 2, 3), (0, 1, 4, 5), (4, 5, 6, 7), (0, 1, 2, 3)]
    >>> wordings_of(0, 3)
    (0, 1, 2)
    """
    if count <= 2 * PAIRS:
        return tuple(range(count))
    ways = list(combinations(range(count // 2), PAIRS))
    return tuple(2 * pair + side for pair in ways[number % len(ways)] for side in (0, 1))


def in_turn(groups: Sequence[str], place: int) -> list[str]:
    """The order of the options in the wording at ``place``.

    Each second wording turns the one before it round, so that over both no group comes
    earlier than another; each next pair begins two groups further on.

    >>> in_turn(["a", "b", "c"], 0), in_turn(["a", "b", "c"], 1), in_turn(["a", "b", "c"], 2)
    (['a', 'b', 'c'], ['c', 'b', 'a'], ['c', 'a', 'b'])
    """
    first = place // 2 * 2 % len(groups)
    order = [*groups[first:], *groups[:first]]
    return order[::-1] if place % 2 else order


def _row(
    wording: _WordingFile, options: Sequence[tuple[str, Sequence[str]]], persona: Persona, locale: str
) -> dict[str, Any]:
    listed = [words[0] for _, words in options]
    values = {"options": f"{', '.join(listed[:-1])} or {listed[-1]}", "name": persona.name}
    shown = {
        "template_id": wording.id,
        "category": CATEGORY,
        "locale": locale,
        "arm": "target",
        "persona_id": persona.persona_id,
        "messages": [
            {"role": "user", "content": fill(wording.text, **values)},
            {"role": "assistant", "content": fill(wording.answer_prefix, **values)},
        ],
        "output_form": "decision",
        "options": [{"id": group, "forms": _forms(words)} for group, words in options],
    }
    block = {"block_id": content_hash([wording.id, CATEGORY, locale], 16)}
    return shown | block | {"probe_id": content_hash(shown | {"cue_channel": persona.cue_channel})}


def _forms(words: Sequence[str]) -> list[str]:
    """Each word after a blank, as it stands and with a capital."""
    return list(dict.fromkeys(f" {form}" for word in words for form in (word, word[:1].upper() + word[1:])))


def _check_apart(words: Mapping[str, Sequence[str]], where: str) -> None:
    """No word may begin another group's, letter by letter: in some model's tokens it would take its probability."""
    for (group, shorts), (other, longs) in permutations(words.items(), 2):
        for short, long in product(_forms(shorts), _forms(longs)):
            if long.startswith(short):
                raise ConfigError(
                    f"{where}: words: {short.strip()!r} of {group!r} begins {long.strip()!r} of {other!r}; reword one"
                )


def _read(path: Path) -> _ManipulationFile:
    parsed = parse(_ManipulationFile, read_toml(path), str(path))
    for axis in parsed.axes:
        for wording in axis.wordings:
            where = f"{path}: wording {wording.id!r}"
            if sorted(slots_in(wording.text, ("name", "options"), f"{where}: text")) != ["name", "options"]:
                raise ConfigError(f"{where}: text: needs the slots {{name}} and {{options}} once each")
            slots_in(wording.answer_prefix, ("name",), f"{where}: answer_prefix")
            absent = [group.id for group in axis.groups if not wording.words.get(group.id)]
            if absent:
                raise ConfigError(f"{where}: words: none for {absent[0]!r}; add at least one")
            _check_apart(wording.words, where)
    return parsed
