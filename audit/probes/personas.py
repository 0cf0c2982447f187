"""Who asks: the names and cue sentences of a persona file, and the groups they stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import Field

from audit.config import Config, Strict, parse, read_toml
from audit.errors import ConfigError
from audit.probes.slots import slots_in
from audit.values import IRRELEVANT, PLACEBO, Persona

SHIPPED = Path(__file__).parent / "personas"


class _SourceFile(Strict):
    id: str
    citation: str
    licence: str
    url: str | None = None
    data: str | None = None
    note: str | None = None


class _NamesFile(Strict):
    attributes: dict[str, str] = Field(min_length=1)
    p_group: dict[str, float | None] = Field(default_factory=dict, description="name = P(group | name)")
    names: tuple[str, ...] = Field((), description="names without a known share")
    source: str | None = None
    cohort: str | None = None


class _PhrasingFile(Strict):
    id: str = Field(min_length=1)
    text: str
    placebo: str | None = None


class _CuesFile(Strict):
    axis: str = Field(min_length=1)
    values: dict[str, str] = Field(min_length=2, description="group = what stands in the sentence")
    phrasings: tuple[_PhrasingFile, ...] = Field(min_length=1)


class _IrrelevantFile(Strict):
    id: str = Field(min_length=1)
    text: str
    values: tuple[str, str] = Field(description="the two that change places")


class _PersonasFile(Strict):
    locale: str
    initials: tuple[str, ...] = ()
    intersections: tuple[tuple[str, ...], ...] = ()
    reference: dict[str, str] = Field(default_factory=dict)
    sources: tuple[_SourceFile, ...] = ()
    names: tuple[_NamesFile, ...] = ()
    cues: tuple[_CuesFile, ...] = ()
    irrelevant: tuple[_IrrelevantFile, ...] = ()


def load_personas(config: Config) -> tuple[Persona, ...]:
    """Read the personas, placebos and irrelevant attributes included, in the order of their file.

    Raises
    ------
    ConfigError
        If the file is wrong, of another locale, names nobody, or a name stands twice.
    """
    path, parsed = _read(config)
    people = (*_named(parsed, path), *_cued(parsed, path))
    if not people:
        raise ConfigError(f"{path}: names: there is nobody in it; add [[names]] or [[cues]]")
    personas = (*people, *_irrelevant(parsed, path))
    counts = Counter(persona.persona_id for persona in personas)
    for persona in personas:
        if counts[persona.persona_id] > 1:
            raise ConfigError(f"{path}: {persona.name!r} stands twice; one persona can be of one group only")
    return personas


def references(config: Config) -> dict[str, str]:
    """For each axis, the group that the others are compared with.

    The persona file's ``[reference]``, and over it ``[reference]`` of the config.

    Raises
    ------
    ConfigError
        If an axis or a group is not in the persona file, or an axis has no reference.
    """
    path, parsed = _read(config)
    groups = groups_of(load_personas(config))
    chosen = {}
    for where, given in ((f"{path}: reference", parsed.reference), ("the config: reference", config.reference)):
        for axis, group in given.items():
            if axis not in groups:
                raise ConfigError(f"{where}.{axis}: unknown axis; known are {', '.join(sorted(groups))}")
            if group not in groups[axis]:
                raise ConfigError(f"{where}.{axis}: unknown group {group!r}; known are {', '.join(groups[axis])}")
            chosen[axis] = group
    for axis, known in groups.items():
        if axis not in chosen:
            raise ConfigError(f"{path}: reference.{axis}: no reference; name one of {', '.join(known)}")
    return chosen


def groups_of(personas: Iterable[Persona]) -> dict[str, dict[str, int]]:
    """For each axis the groups, and how many stimuli each has.

    A stimulus is what is resampled: a name, or a phrasing of an explicit cue.
    Sentences that say nothing of a customer are left out.
    """
    found: dict[str, dict[str, int]] = {}
    for persona in personas:
        if is_label_free(persona):
            continue
        for axis, group in persona.attributes.items():
            groups = found.setdefault(axis, {})
            groups[group] = groups.get(group, 0) + 1
    return found


def design_warnings(personas: Iterable[Persona], config: Config) -> list[str]:
    """One line for each group with too few names or phrasings for a verdict, or with nothing to be compared with."""
    personas = tuple(personas)
    explicit = {axis for persona in personas if persona.cue_channel == "explicit" for axis in persona.attributes}
    lines = []
    if not any(map(is_irrelevant, personas)):
        lines.append("personas: no [[irrelevant]] sentences: no floor of an attribute that should not matter")
    for axis, groups in groups_of(personas).items():
        if len(groups) == 1:
            lines.append(f"personas: {axis} has only the group {next(iter(groups))}: levels only, no contrast")
            continue
        for group, count in groups.items():
            if count < config.gate.min_personas:
                noun = ("phrasing" if axis in explicit else "name") + ("" if count == 1 else "s")
                few = f"{count} {noun}, fewer than {config.gate.min_personas}"
                lines.append(f"personas: {axis}={group} has {few}: levels only, no verdict")
    return lines


def is_placebo(persona: Persona) -> bool:
    """Whether the persona is an irrelevant sentence, for the placebo arm only."""
    return any(axis.startswith(PLACEBO) for axis in persona.attributes)


def is_irrelevant(persona: Persona) -> bool:
    """Whether the persona is a sentence of the irrelevant arm, one of two that differ in a word without meaning."""
    return any(axis.startswith(IRRELEVANT) for axis in persona.attributes)


def is_label_free(persona: Persona) -> bool:
    """Whether the persona says nothing of a customer, so that it is of no group."""
    return is_placebo(persona) or is_irrelevant(persona)


def _read(config: Config) -> tuple[Path, _PersonasFile]:
    locale = config.run.locale
    path = config.run.personas or SHIPPED / f"{locale}.toml"
    if config.run.personas is None and not path.is_file():
        raise ConfigError(f"run.personas: none are shipped for {locale!r}; name a persona file of your own")
    parsed = parse(_PersonasFile, read_toml(path), str(path))
    if parsed.locale != locale:
        raise ConfigError(f"{path}: locale: is {parsed.locale!r}, but run.locale is {locale!r}; make them the same")
    return path, parsed


def _named(parsed: _PersonasFile, path: Path) -> Iterator[Persona]:
    sources = {source.id: source for source in parsed.sources}
    seen = 0
    for entry in parsed.names:
        who = ", ".join(f"{axis}={group}" for axis, group in entry.attributes.items())
        shares: Mapping[str, float | None] = {**entry.p_group, **dict.fromkeys(entry.names)}
        if not shares:
            raise ConfigError(f"{path}: names: the group {who} has no name; add names or p_group")
        if entry.source is not None and entry.source not in sources:
            raise ConfigError(f"{path}: names: unknown source {entry.source!r} of {who}; add it to [[sources]]")
        attributes = _attributes(entry.attributes, parsed, path)
        for name, share in shares.items():
            if not name.strip() or "\n" in name or (share is not None and not 0 < share <= 1):
                raise ConfigError(f"{path}: names: {name!r} of {who}: needs a name and a share above 0 and up to 1")
            initial = f" {parsed.initials[seen % len(parsed.initials)]}." if parsed.initials else ""
            seen += 1
            yield Persona(
                name=name + initial,
                locale=parsed.locale,
                cue_channel="name",
                attributes=attributes,
                p_group=share,
                cohort=entry.cohort,
                source=sources[entry.source].citation if entry.source else None,
            )


def _attributes(given: Mapping[str, str], parsed: _PersonasFile, path: Path) -> dict[str, str]:
    attributes = dict(given)
    for axes in parsed.intersections:
        absent = [axis for axis in axes if axis not in given]
        if absent:
            raise ConfigError(f"{path}: intersections: a group has no {absent[0]!r}; add it to attributes")
        attributes["_".join(axes)] = "_".join(given[axis] for axis in axes)
    return attributes


def _cued(parsed: _PersonasFile, path: Path) -> Iterator[Persona]:
    for cue in parsed.cues:
        kinds = (("text", cue.axis, cue.axis), ("placebo", PLACEBO + cue.axis, f"placebo-{cue.axis}"))
        for key, axis, prefix in kinds:
            for phrasing in cue.phrasings:
                sentence = getattr(phrasing, key)
                if sentence is None:
                    continue
                _check_sentence(sentence, f"{path}: cues {cue.axis!r}: phrasing {phrasing.id!r}: {key}")
                for group, value in cue.values.items():
                    yield Persona(
                        name=sentence.format(value=value),
                        locale=parsed.locale,
                        cue_channel="explicit",
                        attributes={axis: group},
                        cue_id=f"{prefix}-{phrasing.id}",
                    )


def _irrelevant(parsed: _PersonasFile, path: Path) -> Iterator[Persona]:
    for entry in parsed.irrelevant:
        where = f"{path}: irrelevant {entry.id!r}"
        _check_sentence(entry.text, f"{where}: text")
        if not all(value.strip() for value in entry.values) or entry.values[0] == entry.values[1]:
            raise ConfigError(f"{where}: values: needs two that differ")
        for label, value in zip("ab", entry.values, strict=True):
            yield Persona(
                name=entry.text.format(value=value),
                locale=parsed.locale,
                cue_channel="explicit",
                attributes={IRRELEVANT + entry.id: label},
                cue_id=f"irrelevant-{entry.id}",
            )


def _check_sentence(sentence: str, where: str) -> None:
    if slots_in(sentence, ("value",), where) != ["value"]:
        raise ConfigError(f"{where}: needs the slot {{value}} exactly once")
    if not sentence.endswith((".", "!", "?", "。")):
        raise ConfigError(f"{where}: must be a whole sentence; end it with a point")
