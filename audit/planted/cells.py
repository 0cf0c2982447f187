"""From a task's probes to the cells of planted worlds, and to what everything else is answered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.planted.layouts import Codes, Flags, Layout, Reals, layout_of
from audit.planted.people import Member
from audit.planted.spec import Spec
from audit.planted.world import World, common_part, generator

POLES = {"favourable": 0.5, "unfavourable": -0.5}


@dataclass(frozen=True, slots=True)
class Task:
    """The audit probes of one task: their row numbers in the probes table and columns, (n,) each."""

    name: str
    form: str
    rows: Codes
    block: Codes
    template_of_block: Codes
    category: Codes
    arm: Sequence[str]
    persona: Sequence[str | None]
    gold: Sequence[str | None]


def tasks(probes: pa.Table) -> list[Task]:
    """The audit probes by task, in the order of the table."""
    found = []
    audit = np.asarray(pc.equal(probes["purpose"], "audit"))
    names = probes["task"].to_numpy(zero_copy_only=False)
    for name in dict.fromkeys(names[audit]):
        rows = np.flatnonzero(audit & (names == name))
        part = probes.take(pa.array(rows))
        block, template = _coded(part["block_id"].to_pylist()), _coded(part["template_id"].to_pylist())
        owners = np.zeros(int(block.max()) + 1, np.intp)
        owners[block] = template
        found.append(
            Task(
                name=name,
                form=part["output_form"][0].as_py(),
                rows=rows,
                block=block,
                template_of_block=owners,
                category=_coded(part["category"].to_pylist()),
                arm=part["arm"].to_pylist(),
                persona=part["persona_id"].to_pylist(),
                gold=part["gold"].to_pylist(),
            )
        )
    return found


def target_cells(task: Task, people: Mapping[str, Member], spec: Spec) -> dict[str, tuple[Codes, Layout]]:
    """For each cue channel the places of its target probes in ``task``, and their layout."""
    places: dict[str, list[int]] = {}
    for place, (arm, persona) in enumerate(zip(task.arm, task.persona, strict=True)):
        if arm == "target" and persona is not None:
            places.setdefault(people[persona].persona.cue_channel, []).append(place)
    found = {}
    for channel, chosen in places.items():
        at = np.array(chosen, np.intp)
        who = [people[str(task.persona[place])] for place in chosen]
        asked = None
        if spec.missing:
            asked = np.random.default_rng(0).random(at.size) >= spec.missing
        found[channel] = (
            at,
            layout_of(
                task.block[at],
                task.template_of_block[task.block[at]],
                task.category[at],
                _coded([member.stimulus for member in who]),
                [member.group for member in who],
                explicit=channel == "explicit",
                affected=[member.affected for member in who],
                asked=asked,
                template_of_block=task.template_of_block,
            ),
        )
    return found


def other_effects(task: Task, world: World, cells: Mapping[str, tuple[Codes, Layout]], seed: int) -> Reals:
    """Random effects of the probes that no group stands behind, (n,); those of the target arm are not meant.

    The block is that of the first channel's target probes; a label-free sentence has
    an effect of its own as a name has (ν, ν_b), other words one as another block has.
    """
    if cells:
        channel, (_, layout) = next(iter(cells.items()))
        common = common_part(world, layout, generator(seed, task.name, channel))
    else:
        common = np.zeros(task.template_of_block.size)
    rng = generator(seed, task.name, "other arms")
    stimulus = _coded(task.persona)
    per_stimulus = world.nu * rng.standard_normal(int(stimulus.max(initial=0)) + 1)[stimulus]
    per_cell = world.nu_b * rng.standard_normal(stimulus.size)
    reworded = world.block_sd * rng.standard_normal(stimulus.size)
    noise = world.sigma / math.sqrt(world.draws) * rng.standard_normal(stimulus.size)
    told = np.array([persona is not None for persona in task.persona])
    arms = np.array(task.arm)
    effects = common[task.block] + noise + np.where(told, per_stimulus + per_cell, 0.0)
    return np.asarray(effects + np.where(arms == "paraphrase", reworded, 0.0))


def control_effects(task: Task, size: float, seed: int) -> Reals:
    """What the facts of the positive control do: about +½ and −½ of ``size`` at its poles, 0 elsewhere, (n,).

    Facts weigh more in one wording than in the next, a tenth of ``size`` either way.
    """
    pairs = zip(task.arm, task.gold, strict=True)
    poles = np.array([POLES.get(str(gold), 0.0) if arm == "positive_control" else 0.0 for arm, gold in pairs])
    rng = generator(seed, task.name, "control")
    weight = 1 + 0.1 * rng.standard_normal(int(task.template_of_block.max()) + 1)
    return size * poles * np.asarray(weight[task.template_of_block[task.block]])


def is_other(task: Task) -> Flags:
    """Whether a probe is of any arm but the target, (n,)."""
    return np.array([arm != "target" for arm in task.arm])


def _coded(labels: Iterable[object]) -> Codes:
    """Codes 0, 1, … in the order in which labels first occur."""
    seen: dict[object, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in labels], np.intp)
