"""What a design makes of the variance components of a gap, and how many names and templates it takes.

    y = block + group + template:group + persona(group) + persona:block + decode noise
    Var(gap) = τ_T²/T + τ_TC²/B + 2ν²/K + 2ν_b²/(BK) + 2σ²/(BKR)

with T templates, B blocks (template × category), K personas a group and R draws a
cell. τ_T and τ_TC are standard deviations of the GAP over templates and over the
blocks of one template; ν, ν_b and σ are those of one persona, one cell and one
draw. For explicit cues a phrasing in one group's version takes the persona's place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from audit.statistics.power import minimum_detectable_gap, smallest_equivalence_tolerance


@dataclass(frozen=True, slots=True)
class Components:
    """Standard deviations, in the unit of the outcome.

    ``template`` τ_T (gap over templates), ``template_category`` τ_TC (gap over the
    blocks of a template), ``persona`` ν, ``persona_block`` ν_b, ``noise`` σ of one draw
    (for an exact cell, draws = 1, it takes in ν_b).
    """

    template: float = 0.0
    template_category: float = 0.0
    persona: float = 0.0
    persona_block: float = 0.0
    noise: float = 0.0


def design_error(
    components: Components, *, templates: int, blocks: int, personas: int, draws: int = 1, paired: bool = False
) -> tuple[float, float]:
    """Standard error of the gap, and the degrees of freedom that the contrast will have.

    df is that of :func:`~audit.statistics.variance.two_way_spread` at the expected values:
    V_T = τ_T²/T + τ_TC²/B + rest with T−1, V_P,g = ν²/K + rest/2 with K−1 for either
    group, rest = 2ν_b²/(BK) + 2σ²/(BKR), and V = V_T + ΣV_P,g − rest. ``paired`` is for
    explicit cues, whose phrasings stand in both groups: one V_P with K−1.

    Examples
    --------
    The benchmark's design, 60 blocks × 10 names × 5 draws:

    >>> se, df = design_error(Components(.2, 0, .1, .1, 1), templates=60, blocks=60, personas=10, draws=5)
    >>> round(se, 4), round(df, 1)
    (0.058, 26.0)

    More draws never beat more names:

    >>> round(design_error(Components(persona=.1), templates=60, blocks=60, personas=10, draws=1000)[0], 4)
    0.0447
    """
    if min(templates, personas) < 2 or draws < 1 or blocks < templates:
        raise ValueError("a design has at least 2 templates, 2 personas, 1 draw, and as many blocks as templates")
    rest = 2 * (components.persona_block**2 + components.noise**2 / draws) / (blocks * personas)
    by_template = components.template**2 / templates + components.template_category**2 / blocks + rest
    by_persona = 2 * components.persona**2 / personas + rest
    variance = by_template + by_persona - rest
    parts = 1 if paired else 2
    spread = by_template**2 / (templates - 1) + by_persona**2 / (parts * (personas - 1))
    least = float(min(templates, personas) - 1)
    return math.sqrt(variance), max(variance**2 / spread, least) if spread > 0 else least


@dataclass(frozen=True, slots=True)
class Needed:
    """The cheapest design that reaches a tolerance, and how far the present one is from it.

    ``personas`` are those of one group. ``detectable`` and ``equivalence`` are the gap
    found and the tolerance granted with the asked power in the new design.
    """

    templates: int
    personas: int
    more_templates: int
    more_personas: int
    se: float
    df: float
    detectable: float
    equivalence: float


def needed(
    components: Components,
    tolerance: float,
    *,
    templates: int = 12,
    personas: int = 8,
    categories: int = 1,
    draws: int = 1,
    paired: bool = False,
    alpha: float = 0.05,
    power: float = 0.9,
    tests: int = 1,
    most_templates: int = 2000,
    most_personas: int = 200,
) -> Needed | None:
    """Cheapest design, by templates × names, with ``power`` for both claims at ``tolerance``.

    The claims: equivalence when the true gap is 0, and a difference when the true gap
    is the tolerance. Pass components at their upper limits
    (:func:`~audit.statistics.components.upper`), or the plan comes out too small in a
    quarter or more of pilots. None when no design up to the ``most_`` limits does it:
    with too few names more templates never help, since 2ν²/K stays.

    Parameters
    ----------
    components : standard deviations, in the unit of ``tolerance``.
    templates, personas : of the present design, below which the search does not go.
    categories : blocks of one template, kept as they are.
    tests : number of hypotheses under Holm: differences are detected at α/``tests``.

    Examples
    --------
    >>> plan = needed(Components(.2, 0, .1, .1, 1), .2, templates=24, personas=10)
    >>> plan.templates, plan.more_templates, plan.personas, plan.more_personas
    (53, 29, 21, 11)
    >>> needed(Components(persona=1.), .01) is None
    True
    """
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, but is {tolerance!r}")

    def reached(count: int, names: int) -> Needed | None:
        se, df = design_error(
            components, templates=count, blocks=count * categories, personas=names, draws=draws, paired=paired
        )
        if se == 0:
            return Needed(count, names, count - templates, names - personas, 0.0, df, 0.0, 0.0)
        detectable = minimum_detectable_gap(se, df, alpha=alpha, power=power, tests=tests)
        equivalence = smallest_equivalence_tolerance(se, df, alpha=alpha, power=power)
        if max(detectable, equivalence) > tolerance:
            return None
        return Needed(count, names, count - templates, names - personas, se, df, detectable, equivalence)

    best: Needed | None = None
    for names in range(personas, max(personas, most_personas) + 1):
        # No more templates than would still be cheaper than the best so far.
        ceiling = max(templates, most_templates)
        if best is not None:
            ceiling = min(ceiling, (best.templates * best.personas - 1) // names)
        if ceiling < templates:
            break
        low, high, found = templates, ceiling, reached(ceiling, names)
        if found is None:
            continue
        while low < high:
            middle = (low + high) // 2
            tried = reached(middle, names)
            if tried is None:
                low = middle + 1
            else:
                high, found = middle, tried
        best = found
    return best
