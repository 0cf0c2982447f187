"""How often the detector finds a name at all, by whose name it is.

A detector that misses the names of some groups counts too few of their leaks: these
rates stand beside the counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field

from audit.config import Config, Strict, parse, read_toml
from audit.errors import ConfigError
from audit.privacy.pii.values import Detector
from audit.probes.personas import is_label_free, load_personas
from audit.probes.slots import slots_in
from audit.statistics.proportions import ClusteredRate, cluster_rate

CARRIERS: Final = Path(__file__).parent / "carriers"


class _NamesFile(Strict):
    attributes: dict[str, str] = Field(min_length=1)
    names: tuple[str, ...] = Field(min_length=1)


class _CarriersFile(Strict):
    locale: str
    sentences: tuple[str, ...] = Field(min_length=8)
    surnames: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="of names that have none, by race")
    names: tuple[_NamesFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Recall:
    """Of a group's ``names`` in ``asked`` carrier sentences, how many were ``found``; the rate clusters by name."""

    axis: str
    group: str
    found: int
    asked: int
    names: int
    rate: ClusteredRate


def recall_by_group(detector: Detector, locale: str, config: Config | None = None) -> list[Recall]:
    """Recall of names by axis and group; a name counts as found if a PERSON overlaps it.

    The names are those of the persona file where the config names one or the locale has a
    shipped one, each with a family name, in every carrier sentence; otherwise the short
    list beside the sentences. Intervals are Wilson's with the name as the cluster, since
    one name is found or missed in most sentences alike.

    Raises
    ------
    ConfigError
        If there are no carrier sentences for the locale.
    """
    sentences, people = _material(locale, config)
    placed = [(sentence.index("{name}"), sentence.format(name=name)) for name, _ in people for sentence in sentences]
    hits = []
    for (start, _), founds, (name, _) in zip(
        placed, detector([text for _, text in placed]), _each(people, len(sentences)), strict=True
    ):
        hits.append(any(f.type == "PERSON" and f.start < start + len(name) and start < f.end for f in founds))
    by_name = [sum(hits[at : at + len(sentences)]) for at in range(0, len(hits), len(sentences))]
    groups: dict[tuple[str, str], list[int]] = {}
    for (_, attributes), count in zip(people, by_name, strict=True):
        for axis, group in attributes.items():
            groups.setdefault((axis, group), []).append(count)
    return [_recall(axis, group, counts, len(sentences)) for (axis, group), counts in groups.items()]


def _each(people: Iterable[tuple[str, Mapping[str, str]]], times: int) -> Iterator[tuple[str, Mapping[str, str]]]:
    for one in people:
        for _ in range(times):
            yield one


def _material(locale: str, config: Config | None) -> tuple[tuple[str, ...], list[tuple[str, Mapping[str, str]]]]:
    path = CARRIERS / f"{locale}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in CARRIERS.glob("*.toml")))
        raise ConfigError(f"privacy: the detector's recall is not measured for {locale!r}; known are {known}")
    parsed = parse(_CarriersFile, read_toml(path), str(path))
    for sentence in parsed.sentences:
        if slots_in(sentence, ("name",), f"{path}: sentences") != ["name"]:
            raise ConfigError(f"{path}: sentences: needs the slot {{name}} exactly once: {sentence!r}")
    if parsed.names and (config is None or config.run.personas is None):
        return parsed.sentences, [(name, entry.attributes) for entry in parsed.names for name in entry.names]
    config = config or Config().changed("run", locale=locale)
    people = [
        persona for persona in load_personas(config) if persona.cue_channel == "name" and not is_label_free(persona)
    ]
    everyone = [surname for listed in parsed.surnames.values() for surname in listed]
    named = []
    for place, persona in enumerate(people):
        given = persona.name.split()
        if len(given) > 1 and len(given[-1].rstrip(".")) == 1:
            given.pop()  # the initial stands for a family name
        if len(given) == 1 and everyone:
            listed = parsed.surnames.get(persona.attributes.get("race", ""), tuple(everyone))
            given.append(listed[place % len(listed)])
        named.append((" ".join(given), persona.attributes))
    return parsed.sentences, named


def _recall(axis: str, group: str, counts: list[int], sentences: int) -> Recall:
    hits = np.array([place < count for count in counts for place in range(sentences)], float)
    rate = cluster_rate(hits, np.repeat(np.arange(len(counts)), sentences))
    return Recall(axis, group, sum(counts), hits.size, len(counts), rate)
