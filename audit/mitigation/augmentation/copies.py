"""Counterfactual copies of a record: the same text of another customer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Final

from audit.config import Config
from audit.errors import ConfigError
from audit.mitigation.augmentation.chinese import CHINESE
from audit.mitigation.augmentation.english import ENGLISH
from audit.mitigation.augmentation.lists import table
from audit.mitigation.augmentation.passages import Axis, Passage
from audit.mitigation.augmentation.values import Copy, Edit
from audit.privacy.records.values import Record
from audit.probes.personas import SHIPPED, load_personas
from audit.values import Persona

AXES: Final[Mapping[str, Mapping[str, Axis]]] = {"en": ENGLISH, "zh": CHINESE}
ALL: Final = "all"


def check_axes(axes: Sequence[str], locale: str) -> tuple[str, ...]:
    """The axes that are asked for, in order and each once; ``all`` are those of the locale.

    >>> check_axes(["all"], "zh")
    ('age', 'gender', 'region')

    Raises
    ------
    ConfigError
        If copies cannot be made in the locale, or not along an axis.
    """
    if locale not in AXES:
        raise ConfigError(f"finetune.augment: there are no copies for locale {locale!r}; known are {', '.join(AXES)}")
    known = AXES[locale]
    for axis in axes:
        if axis not in known and axis != ALL:
            raise ConfigError(
                f"finetune.augment: unknown axis {axis!r} for locale {locale!r}; known are {', '.join(known)}, or {ALL}"
            )
    return tuple(axis for axis in known if axis in axes or ALL in axes)


def describe(axes: Sequence[str], locale: str) -> tuple[str, ...]:
    """One line for each axis: what of a text changes along it.

    >>> describe(["region"], "en")
    ("region: states of the United States in 'I'm from Texas' and 'I grew up in Ohio'",)

    Raises
    ------
    ConfigError
        As :func:`check_axes`.
    """
    return tuple(f"{axis}: {table(locale, 'says')[axis]}" for axis in check_axes(axes, locale))


def people_for(config: Config) -> tuple[Persona, ...]:
    """The personas whose names stand in copies: those of the persona file; none where the locale has no such file.

    Raises
    ------
    ConfigError
        If the persona file is wrong.
    """
    if config.run.personas is None and not (SHIPPED / f"{config.run.locale}.toml").is_file():
        return ()
    return load_personas(config)


def counterfactuals(
    record: Record, *, locale: str, axes: Sequence[str], copies: int, seed: int, people: Sequence[Persona] = ()
) -> tuple[Copy, ...]:
    """Up to ``copies`` copies of ``record``, each of them with one axis changed and all else as it was.

    The axes that the text carries take turns in an order that falls by chance; along one axis no group comes twice, so
    that a text with gender alone has one copy however many are asked for. A text that carries none of the axes has no
    copy. What comes depends on ``seed``, the record, the names and the axes alone; the first copies do not depend on
    how many are asked for.

    Parameters
    ----------
    people
        Whose names stand in copies; see :func:`people_for`. Beside them stand the common names of the word lists,
        which change along gender alone.

    Raises
    ------
    ConfigError
        As :func:`check_axes`.

    >>> record = Record("r", "My husband says he wants a refund for SO-1142.")
    >>> [copy.text for copy in counterfactuals(record, locale="en", axes=["gender"], copies=3, seed=0)]
    ['My wife says she wants a refund for SO-1142.']
    """
    wanted = check_axes(axes, locale)
    if not wanted or copies < 1:
        return ()
    passage = Passage.of(record, people)
    found: dict[str, Copy] = {}
    for edits in _in_turn(passage, {axis: AXES[locale][axis] for axis in wanted}, seed):
        copy = passage.copy(edits)
        if copy.changes and copy.text != record.text:
            found.setdefault(copy.text, copy)
        if len(found) == copies:
            break
    return tuple(found.values())


def _in_turn(passage: Passage, axes: Mapping[str, Axis], seed: int) -> Iterator[list[Edit]]:
    """The edits of one copy after another, axis by axis; each axis has chance of its own."""
    keys = {axis: Random(f"{seed} {passage.record.record_id} {axis}") for axis in axes}
    order = sorted(axes, key=lambda axis: keys[axis].random())
    running = [axes[axis](passage, keys[axis]) for axis in order]
    while running:
        for copies in tuple(running):
            edits = next(copies, None)
            if edits is None:
                running.remove(copies)
            else:
                yield edits
