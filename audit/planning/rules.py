"""What each rule of the gate could find: every contrast that it will cover, against its tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from audit.config import Config
from audit.fairness import Terms
from audit.fairness.gaps import MIN_PHRASINGS
from audit.fairness.precision import cell_noise
from audit.gate import rules
from audit.gate.wording import noun
from audit.planning.shares import Shares, between, expected_error, name_shares, pair_shares
from audit.planning.sources import Known, scale_of
from audit.planning.values import RulePlan
from audit.statistics import Components, boundary_error, minimum_detectable_gap, smallest_equivalence_tolerance
from audit.values import Rule

POWER: Final = 0.9
MOST_GROWTH: Final = 200
Place = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class _Contrast:
    """A contrast that will be there.

    ``place`` is task, locale, cue channel and axis. ``shares`` is its design, None where
    no block holds both groups, ``whole`` the design if every cell were asked. ``counts``
    are templates, personas and cells of the group that has fewer.
    """

    place: Place
    group: str
    reference: str
    form: str
    counts: tuple[int, int, int]
    shares: Shares | None
    whole: Shares | None

    def covered_by(self, rule: Rule) -> bool:
        """Whether a rule asks for it; its metric is the rule's."""
        task, locale, channel, axis = self.place
        wanted = {"task": task, "axis": axis, "group": self.group, "locale": locale, "cue_channel": channel}
        return all(getattr(rule, name) in (None, value) for name, value in wanted.items())


@dataclass(frozen=True, slots=True)
class Levels:
    """What a single test is left: α of a family, and the sizes of the two families."""

    alpha: float
    tests: int
    claims: int


def rule_plans(
    probes: pa.Table, personas: pa.Table, config: Config, known: Known, *, looks: int = 1
) -> tuple[tuple[RulePlan, ...], Levels]:
    """Every rule and contrast, in the order of the rules, and the levels that are left for a test.

    As in :func:`~audit.gate.decide`: differences and tests against the tolerance are one
    Holm family, the equivalence claims another; designs too small for a verdict are in
    neither. ``looks`` is how many looks share α.
    """
    terms, contrasts = Terms.of(config), list(_contrasts(probes, personas, config))
    open_: list[tuple[Place, str, str, float]] = []
    order: list[RulePlan] = []
    designs: dict[int, tuple[_Contrast, Components, int]] = {}
    for rule in rules(config):
        mine = [one for one in contrasts if rule.level != "off" and one.covered_by(rule)]
        for one in mine:
            row, components = _row(rule, one, known, terms)
            shortage = _shortage(one, config)
            row = replace(row, note=shortage or row.note)
            if one.shares is not None and not shortage:
                draws = config.run.draws if one.form == "text" else 1
                designs[len(order)] = (one, components, draws)
                open_.append((one.place, one.group, rule.metric, rule.tolerance))
            else:
                personas, templates = _least(one, config)
                row = replace(row, more_personas=personas, more_templates=templates)
            order.append(row)
        if not mine and rule.level != "off" and any(own.name == rule.name for own in config.gate.rules):
            order.append(_unmatched(rule))
    claims = set(open_)
    differences = {(place, group, metric) for place, group, metric, _ in claims}
    levels = Levels(config.gate.alpha, looks * (len(differences) + len(claims)), looks * len(claims))
    found = [
        _judged(row, *designs[number], levels, config) if number in designs and row.source else row
        for number, row in enumerate(order)
    ]
    return tuple(found), levels


def _contrasts(probes: pa.Table, personas: pa.Table, config: Config) -> Iterator[_Contrast]:
    import pandas as pd

    columns = ["task", "locale", "output_form", "template_id", "block_id", "arm", "purpose", "persona_id"]
    cells = probes.select(columns).to_pandas()
    cells = cells[(cells["arm"] == "target") & (cells["purpose"] == "audit")]
    people = pd.DataFrame(personas.select(["persona_id", "cue_channel", "cue_id", "attributes"]).to_pylist())
    cells = cells.merge(people, on="persona_id")
    references = Terms.of(config).references
    for (task, locale, form, channel), part in cells.groupby(["task", "locale", "output_form", "cue_channel"]):
        for axis, reference in references.items():
            group = part["attributes"].map(lambda pairs, axis=axis: dict(pairs).get(axis))
            here = part.assign(group=group)[group.notna()]
            if here.empty:
                continue
            here = here.assign(stimulus=here["cue_id"].fillna(here["persona_id"]))
            shares = {one.group: one for one in _shares(here, str(channel), reference)}
            sampled = form == "text" and config.run.sample > 0
            whole = (
                {one.group: one for one in _shares(_every_cell(here), str(channel), reference)} if sampled else shares
            )
            per_group = {
                str(name): (mine["template_id"].nunique(), mine["stimulus"].nunique(), len(mine))
                for name, mine in here.groupby("group")
            }
            for name, mine in per_group.items():
                if name != reference:
                    both = (mine, per_group.get(reference, (0, 0, 0)))
                    counts = tuple(min(side[place] for side in both) for place in range(3))
                    place = (str(task), str(locale), str(channel), axis)
                    designs = (shares.get(name), whole.get(name))
                    yield _Contrast(place, name, reference, str(form), counts, *designs)  # type: ignore[arg-type]


def _every_cell(here: Any) -> Any:
    """All blocks × stimuli of a sample."""
    blocks = here[["template_id", "block_id"]].drop_duplicates()
    return blocks.merge(here[["group", "stimulus"]].drop_duplicates(), how="cross")


def _shares(here: Any, channel: str, reference: str) -> tuple[Shares, ...]:
    columns = (here["group"], here["template_id"], here["stimulus"], here["block_id"])
    if channel == "explicit":
        few = here["stimulus"].nunique() < MIN_PHRASINGS
        return pair_shares(*columns, reference=reference, wordings_only=few)
    return name_shares(*columns, reference=reference)


def _row(rule: Rule, one: _Contrast, known: Known, terms: Terms) -> tuple[RulePlan, Components]:
    task, _, channel, axis = one.place
    scale = scale_of(rule.metric, task, terms)
    components, source = known.of(task, rule.metric, channel, axis, one.group, scale)
    # The components are of answers read in float32.
    rounding = cell_noise(rule.metric, one.form, terms.exact_precision)
    components = replace(components, noise=math.hypot(components.noise, rounding))
    templates, personas, cells = one.counts
    if one.shares is not None:
        templates, personas, cells = one.shares.templates, one.shares.personas, one.shares.cells
    note = "" if source else f"no variance components of {rule.metric} ({channel}, in {scale}) are known"
    described = RulePlan(
        rule=rule.name,
        level=rule.level,
        task=task,
        metric=rule.metric,
        cue_channel=channel,
        axis=axis,
        group=one.group,
        reference=one.reference,
        scale=scale,
        tolerance=rule.tolerance,
        templates=templates,
        personas=personas,
        cells=cells,
        source=source,
        note=note,
    )
    return described, components


def _shortage(one: _Contrast, config: Config) -> str:
    """Why the gate will not judge a contrast whatever comes back; empty if it may."""
    templates, personas, _ = one.counts
    if one.shares is not None:
        templates, personas = one.shares.templates, one.shares.personas
    if personas < config.gate.min_personas:
        return f"no verdict below {config.gate.min_personas} {noun(one.place[2])}"
    if templates < config.gate.min_templates:
        return f"no verdict below {config.gate.min_templates} templates"
    return "" if one.shares is not None else "no verdict: no block holds both groups"


def _least(one: _Contrast, config: Config) -> tuple[int, int]:
    """How many more personas and templates a verdict needs at all."""
    templates, personas, _ = one.counts
    return max(0, config.gate.min_personas - personas), max(0, config.gate.min_templates - templates)


def _unmatched(rule: Rule) -> RulePlan:
    return RulePlan(
        *(rule.name, rule.level, rule.task, rule.metric, rule.cue_channel or "", rule.axis, rule.group or "", "", ""),
        *(rule.tolerance, 0, 0, 0),
        note="covers nothing that will be asked: check its task, axis and group",
    )


def _judged(
    row: RulePlan, one: _Contrast, components: Components, draws: int, levels: Levels, config: Config
) -> RulePlan:
    now, whole = one.shares, one.whole
    if now is None or whole is None:
        return row

    def reach(shares: Shares, templates: float = 1.0, personas: float = 1.0) -> tuple[float, float, float, float]:
        """se, df, smallest gap found, smallest tolerance granted, in a design grown by these factors."""
        se, df = expected_error(components, shares, draws=draws, templates=templates, personas=personas)
        claimed = se
        if row.scale == "rate":
            claimed = max(se, boundary_error(row.tolerance, math.floor(shares.cells * templates * personas)))
        mde = minimum_detectable_gap(se, df, alpha=levels.alpha, power=POWER, tests=levels.tests)
        granted = smallest_equivalence_tolerance(claimed, df, alpha=levels.alpha / levels.claims, power=POWER)
        return se, df, mde, granted

    def enough(shares: Shares, templates: float = 1.0, personas: float = 1.0) -> bool:
        return max(reach(shares, templates, personas)[2:]) <= row.tolerance

    se, df, mde, granted = reach(now)
    if not se > 0:
        return replace(row, note="no spread is known of it, so that nothing can be foreseen")
    found = replace(row, se=se, df=df, mde=mde, granted=granted, can_pass=granted <= row.tolerance)
    if enough(now):
        return replace(found, more_personas=0, more_templates=0)
    if enough(whole):
        cells = _least_number(lambda count: enough(between(now, whole, count)), now.cells, whole.cells)
        size = math.ceil(config.run.sample * cells / now.cells)
        return replace(found, more_personas=0, more_templates=0, sample=size)
    grown = _growth(lambda *factors: enough(whole, *factors), row.templates, row.personas)
    if grown is None:
        return replace(found, note="out of reach with any number of names and templates")
    templates, personas = grown
    return replace(
        found,
        more_templates=templates - row.templates,
        more_personas=personas - row.personas,
        sample=0 if whole.cells > now.cells else None,
    )


def _growth(enough: Callable[[float, float], bool], templates: int, personas: int) -> tuple[int, int] | None:
    """The fewest cells, templates × personas, that are enough; None where 200 times as many of both are not."""
    best: tuple[int, int] | None = None
    names = personas
    while names <= MOST_GROWTH * personas and (best is None or names * templates < best[0] * best[1]):
        ceiling = MOST_GROWTH * templates if best is None else (best[0] * best[1] - 1) // names
        share = names / personas
        if ceiling >= templates and enough(ceiling / templates, share):
            best = (_least_number(lambda count, by=share: enough(count / templates, by), templates, ceiling), names)  # type: ignore[misc]
        names = max(names + 1, int(names * 1.02))
    return best


def _least_number(enough: Callable[[int], bool], low: int, high: int) -> int:
    """The smallest number that is enough, where ``high`` is and a larger one never does worse.

    >>> _least_number(lambda number: number >= 7, 1, 100)
    7
    """
    while low < high:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle + 1
    return high
