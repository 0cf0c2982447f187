"""Whom a planted effect touches: personas and their groups, by the axis that a spec names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.errors import ConfigError
from audit.planted.spec import Spec
from audit.probes import load_personas, references
from audit.probes.personas import groups_of, is_label_free
from audit.values import Persona

if TYPE_CHECKING:
    from audit.config import Config


@dataclass(frozen=True, slots=True)
class Member:
    """A persona as a planted world sees it; group 0 is the reference of its axis."""

    persona: Persona
    stimulus: str
    group: int
    affected: bool


def members(spec: Spec, config: Config) -> Mapping[str, Member]:
    """persona_id → what the planted world must know of it, in the order of the persona file.

    Personas that lack the spec's axis are told apart by their own first axis and never affected.

    Raises
    ------
    ConfigError
        If the persona file has no such axis or group.
    """
    people = [persona for persona in load_personas(config) if not is_label_free(persona)]
    groups, known = groups_of(people), references(config)
    where = f"model {spec.text!r}"
    axis = spec.axis or _first_axis(spec, people)
    if axis not in groups:
        raise ConfigError(f"{where}: axis: {axis!r} is not in the persona file; known are {', '.join(groups)}")
    if spec.group is not None and spec.group not in groups[axis]:
        raise ConfigError(f"{where}: group: {spec.group!r} is no group of {axis}; known are {', '.join(groups[axis])}")
    if spec.group == known[axis]:
        raise ConfigError(
            f"{where}: group: {spec.group!r} is the reference of {axis}, with which the others are compared; "
            f"name one of {', '.join(group for group in groups[axis] if group != spec.group)}"
        )
    order = {name: [known[name], *(group for group in found if group != known[name])] for name, found in groups.items()}
    found = {}
    for persona in people:
        own = axis if axis in persona.attributes else next(iter(persona.attributes))
        label = persona.attributes[own]
        touched = own == axis and (label == spec.group if spec.group is not None else label != known[axis])
        if spec.channel is not None:
            touched &= persona.cue_channel == spec.channel
        found[persona.persona_id] = Member(
            persona, persona.cue_id or persona.persona_id, order[own].index(label), touched
        )
    return found


def _first_axis(spec: Spec, people: list[Persona]) -> str:
    """The axis a spec means that names none: the first one of the persona file that its channel tells."""
    fitting = [persona for persona in people if spec.channel in (None, persona.cue_channel)] or people
    return next(iter(fitting[0].attributes))
