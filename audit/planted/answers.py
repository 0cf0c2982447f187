"""What a planted world answers, written down as a model's completions would be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from scipy import special

from audit.planted import texts
from audit.planted.cells import Task, control_effects, is_other, other_effects, target_cells
from audit.planted.layouts import Flags, Reals
from audit.planted.people import Member
from audit.planted.spec import Spec
from audit.planted.world import World, felt, generator, probit_mean, realise, spread

Row = dict[str, Any]
Options = Sequence[Mapping[str, Any]]

# Beyond it no probability in double precision tells the two sides apart, and the scorers stop there too.
_LIMIT: Final = 36.0
_FAILED: Final[Row] = {"finish_reason": "error", "error": "planted: this cell has no answer"}


def exact_rows(
    task: Task, options: Sequence[Options], people: Mapping[str, Member], spec: Spec, seed: int
) -> Iterator[Row]:
    """Completions of a task of decisions or numbers, one a probe of ``task``."""
    values, shifted, asked = _outcomes(task, people, spec, seed)
    probability = spec.world.kind == "probability"
    for value, gap, there, choice in zip(values.tolist(), shifted.tolist(), asked.tolist(), options, strict=True):
        if not there:
            yield dict(_FAILED)
        elif task.form == "number":
            low, high = (int(form) for form in choice[0]["forms"])
            yield number(_on_scale(value, low, high, probability, spec.unit), low, high, spec.mass)
        else:
            odds = float(special.logit(value)) if probability else value
            yield decision(odds, [option["id"] for option in choice], spec.mass, gap)


def text_rows(task: Task, people: Mapping[str, Member], spec: Spec, seed: int, draws: int) -> Iterator[list[Row]]:
    """Completions of a task of texts: for each probe of ``task`` its ``draws``."""
    size = (draws, task.rows.size)
    world = replace(spec.texts, draws=draws)
    declined, variant = np.zeros(size, np.bool_), np.zeros(size, np.intp)
    body = np.zeros(size, np.intp)  # plain, warm, cold
    asked = np.ones(task.rows.size, np.bool_)
    cells = target_cells(task, people, spec)
    for channel, (places, layout) in cells.items():
        choice = texts.choose(world, layout, generator(seed, task.name, channel))
        declined[:, places], body[:, places], variant[:, places] = choice.declined, choice.warm, choice.variant
        asked[places] = layout.asked
    others = np.flatnonzero(is_other(task))
    latent = other_effects(task, world, cells, seed)[others]
    control = control_effects(task, spec.control, seed)[others]
    rng = generator(seed, task.name, "other texts")
    variant[:, others] = rng.integers(texts.VARIANTS, size=(draws, others.size))
    warm = special.ndtr(probit_mean(world.base, spread(world)) + latent + control)
    body[:, others] = rng.random((draws, others.size)) < warm
    body[:, others[control < 0]] = 2
    for place, persona in enumerate(task.persona):
        if not asked[place]:
            yield [dict(_FAILED)] * draws
            continue
        who = _who(people.get(persona)) if world.traps and persona else None
        yield [
            _text(bool(declined[draw, place]), int(body[draw, place]), int(variant[draw, place]), who)
            for draw in range(draws)
        ]


def inference_rows(
    options: Sequence[Options], gold: Sequence[str | None], spec: Spec, seed: int, task: str
) -> Iterator[Row]:
    """Completions of a manipulation check: the own group with probability ``spec.recognition``, more or less."""
    noise = 0.3 * generator(seed, task, "inference").standard_normal(len(gold))
    centre = float(np.clip(special.logit(spec.recognition), -_LIMIT, _LIMIT))
    for choice, own, wobble in zip(options, gold, noise.tolist(), strict=True):
        ids = [option["id"] for option in choice]
        ordered = sorted(ids, key=lambda group: group != own)
        row = decision(centre + wobble if own in ids else 0.0, ordered, spec.mass)
        row["option_logprobs"] = [row["option_logprobs"][ordered.index(group)] for group in ids]
        row["probs"] = [row["probs"][ordered.index(group)] for group in ids]
        yield row | {"support": ids}


def decision(odds: float, options: Sequence[str], mass: float, gap: float = 0.0) -> Row:
    """The exact answer to a decision whose first option has log-odds ``odds`` against the rest.

    The rest share alike, but for the second option, whose log-odds against each
    option after it are ``gap``. NaN is an answer that is none of the options.

    >>> row = decision(0.0, ["yes", "no"], 0.8)
    >>> row["probs"], row["answer_mass"]
    ([0.5, 0.5], 0.8)
    """
    if math.isnan(odds):
        return {
            "support": list(options),
            "option_logprobs": [float("-inf")] * len(options),
            "answer_mass": 0.0,
            "finish_reason": "exact",
        }
    odds = min(max(odds, -_LIMIT), _LIMIT)
    rest = len(options) - 1
    last = -math.log(math.exp(gap) + rest - 1) if rest > 1 else 0.0
    others = [last + gap, *[last] * (rest - 1)] if rest > 1 else [0.0]
    against = -math.log1p(math.exp(odds))
    logs = [odds + against, *(share + against for share in others)]
    return {
        "support": list(options),
        "probs": [math.exp(log) for log in logs],
        "option_logprobs": [log + math.log(mass) for log in logs],
        "answer_mass": mass,
        "residual_mass": 0.0,
        "finish_reason": "exact",
    }


def number(value: float, low: int, high: int, mass: float) -> Row:
    """The exact answer to a number: two neighbours that carry the expectation ``value``, held within the range.

    >>> row = number(7.25, 0, 30, 1.0)
    >>> row["support"], row["probs"]
    (['7', '8'], [0.75, 0.25])
    """
    if math.isnan(value):
        return {"support": [], "probs": [], "answer_mass": 0.0, "residual_mass": 1.0, "finish_reason": "exact"}
    value = min(max(value, low), high)
    below = min(int(value), high - 1)
    share = value - below
    return {
        "support": [str(below), str(below + 1)],
        "probs": [1 - share, share],
        "answer_mass": mass,
        "residual_mass": 0.0,
        "finish_reason": "exact",
    }


def scale_of(low: int, high: int, unit: float | None) -> tuple[float, float]:
    """Centre of a number's range, and what 1 of a world is in it: a tenth of the range unless told.

    >>> scale_of(0, 30, None)
    (15.0, 3.0)
    """
    return (low + high) / 2, (high - low) / 10 if unit is None else unit


def _outcomes(task: Task, people: Mapping[str, Member], spec: Spec, seed: int) -> tuple[Reals, Reals, Flags]:
    """For each probe its outcome in the world's unit, how far other options move, and whether it is answered."""
    world = spec.world
    cells = target_cells(task, people, spec)
    latent = other_effects(task, world, cells, seed) + control_effects(task, spec.control, seed)
    values = _others(world, latent)
    gaps, asked = np.zeros(values.size), np.ones(values.size, np.bool_)
    for channel, (places, layout) in cells.items():
        values[places] = realise(world, layout, generator(seed, task.name, channel))
        gaps[places] = world.answers_gap * felt(world, layout)
        asked[places] = layout.asked
    return values, gaps, asked


def _others(world: World, latent: Reals) -> Reals:
    if world.kind != "probability":
        return world.base + latent
    sd = np.hypot(spread(world), world.sigma / np.sqrt(world.draws))
    return np.asarray(special.ndtr(probit_mean(world.base, float(sd)) + latent))


def _on_scale(value: float, low: int, high: int, probability: bool, unit: float | None) -> float:
    if probability:
        return low + (high - low) * value
    centre, step = scale_of(low, high, unit)
    return centre + step * value


def _text(declined: bool, body: int, variant: int, who: texts.Who | None) -> Row:
    if declined:
        text = texts.REFUSALS[variant % len(texts.REFUSALS)]
    else:
        text = texts.write(variant, (texts.PLAIN, texts.WARM, texts.COLD)[body], who)
    return {"text": text, "finish_reason": "stop", "completion_tokens": len(text.split())}


def _who(member: Member | None) -> texts.Who | None:
    if member is None:
        return None
    persona = member.persona
    name = persona.name if persona.cue_channel == "name" else "the customer"
    return texts.who_is(name, persona.attributes.values())
