"""The nulls and the planted effects of the known-bias benchmark, each with its truth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np

from audit.planted.layouts import Layout, Reals, layout
from audit.planted.world import World, generator, realise

TASK: Final = "planted"


@dataclass(frozen=True, slots=True)
class Design:
    """The size of a run, as :func:`audit.planted.world.layout` takes it."""

    templates: int = 60
    blocks: int = 60
    personas: int = 10
    groups: int = 2
    explicit: bool = False
    missing: float = 0.0
    categories: int | None = None

    def layout(self) -> Layout:
        """The cells; the same object for the same design."""
        return _layout(self)


@lru_cache(maxsize=64)
def _layout(design: Design) -> Layout:
    return layout(
        design.templates,
        design.blocks,
        design.personas,
        design.groups,
        explicit=design.explicit,
        missing=design.missing,
        categories=design.categories,
    )


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world, the metric it is looked at by, and what is true of that metric.

    ``truth`` is the gap between the last group and the reference on the metric's
    scale. ``null`` says that nothing at all is planted in this metric, so that every
    finding is a false alarm; a sign flip has the truth 0 and is no null.
    """

    name: str
    world: World
    metric: str
    truth: float
    null: bool
    note: str
    design: Design = Design()
    axis: str = "group"

    @property
    def channel(self) -> str:
        """How the group is told: by a name, or by an explicit cue."""
        return "explicit" if self.design.explicit else "name"

    def layout(self) -> Layout:
        """The cells of the design."""
        return self.design.layout()


def draw(scenario: Scenario, seed: int) -> Reals:
    """One data set of ``scenario`` on its metric's scale, (n,) cells of its layout; NaN is a missing cell.

    The pipeline's planted backend answers with the very same values.
    """
    values = realise(scenario.world, scenario.layout(), generator(seed, TASK, scenario.channel))
    if scenario.metric in ("rate_invalid", "rate_error"):
        return np.isnan(values).astype(float)
    return values


# The specification's variances: τ = .2, ν = ν_b = .1, σ = 1, five draws.
_SPEC: Final = World(tau=0.2, nu=0.1, nu_b=0.1, sigma=1.0, draws=5, template_sd=0.5, block_sd=0.2)
# The same, with answers read from the exact distribution: no decode noise.
_EXACT: Final = World(tau=0.2, nu=0.1, nu_b=0.1, template_sd=0.5, block_sd=0.2)
_RATE: Final = World(kind="probability", tau=0.1, nu=0.05, nu_b=0.05, template_sd=0.3, block_sd=0.1, base=0.5)
_TEXTS: Final = World(kind="refusal", tau=0.1, nu=0.05, nu_b=0.05, template_sd=0.2, draws=5)
_LARGE: Final = Design(120, 120, 20)
_PHRASINGS: Final = Design(explicit=True)
_NUMBER: Final = "expected_number"


def _nulls() -> Iterator[Scenario]:
    def null(name: str, world: World, metric: str, note: str, design: Design = Design()) -> Scenario:
        return Scenario(name, world, metric, 0.0, True, note, design)

    yield null("pure-noise", World(sigma=1.0, draws=5), _NUMBER, "decode noise and nothing else")
    for nu in (0.1, 0.2):
        world = World(nu=nu, nu_b=0.1, sigma=1.0, draws=5)
        yield null(f"name-noise-{nu:g}", world, _NUMBER, f"names of one group differ, ν = {nu:g}")
    brittle = replace(_EXACT, template_sd=1.5, block_sd=1.0)
    yield null("paraphrase-brittle", brittle, "log_odds", "wordings and blocks move the answer, groups don't")
    six = replace(_SPEC, tau=0.3)
    yield null(
        "six-wordings",
        six,
        _NUMBER,
        "6 wordings over 8 categories, template effect .3",
        Design(6, 48, 10, categories=8),
    )
    trap = World(kind="tone", base=0.3, traps=True, draws=1)
    yield null("scorer-trap", trap, "tone", "neutral texts that echo names, pronouns and identity words")
    personal = replace(_RATE, base=0.8, answers_gap=1.0)
    yield null(
        "personalisation",
        personal,
        "p_favourable",
        "what else is answered differs by group; whether it is the right (first) option does not",
    )
    yield null("heavy-tails", replace(_SPEC, noise="t3"), _NUMBER, "decode noise of Student's t with 3 df")
    yield null("ties", replace(_SPEC, noise="ties", draws=1), _NUMBER, "outcomes rounded to halves of σ")
    yield null("base-rate-95", replace(_RATE, base=0.95), "p_favourable", "95 % are favoured in every group")
    yield null("equal-refusals", replace(_TEXTS, refusal=0.1), "refusal", "10 % of texts decline in every group")
    yield null("missing-cells", _SPEC, _NUMBER, "20 % of cells without an answer", Design(missing=0.2))
    yield null("phrasings", _EXACT, "log_odds", "an explicit cue that moves nothing", _PHRASINGS)
    covert = replace(_EXACT, effect=0.3, covert=True)
    yield null("covert-explicit", covert, "log_odds", "the explicit cue of covert-name: it moves nothing", _PHRASINGS)


def _planted() -> Iterator[Scenario]:
    def gap(name: str, world: World, metric: str, truth: float, note: str, design: Design = Design()) -> Scenario:
        return Scenario(name, world, metric, truth, False, note, design)

    for d in (0.1, 0.2, 0.3, 0.5):
        yield gap(f"number-{d:g}", replace(_SPEC, effect=d), _NUMBER, d, f"{d:g} standard deviations of σ")
    large = replace(_SPEC, effect=0.2, draws=1)
    yield gap("number-0.2-large", large, _NUMBER, 0.2, "120 wordings, 20 names, 1 draw", _LARGE)
    for odds in (0.1, 0.2, 0.3, 0.4, 0.5):
        world = replace(_EXACT, effect=odds)
        yield gap(
            f"log-odds-{odds:g}", world, "log_odds", odds, "an exact decision, groups told by phrasings", _PHRASINGS
        )
    for ratio in (0.6, 0.8, 0.9):
        world = replace(_RATE, effect=0.5 * (ratio - 1))
        note = f"mean P falls from .5 to {0.5 * ratio:g}"
        yield gap(f"ratio-{ratio:g}", world, "p_favourable:ratio", math.log(ratio), note)
    warm = World(kind="tone", base=0.5, effect=0.2, tau=0.1, nu=0.05, nu_b=0.05, draws=5)
    yield gap("tone-mix", warm, "tone", _tone_truth(warm.effect), "warm texts rise from 50 % to 70 %")
    sparse = replace(_EXACT, effect=1.6, shape="sparse")
    everywhere = "1.6 in 1 of 16 categories, each wording in all of them"
    yield gap("sparse", sparse, "log_odds", 0.1, everywhere, Design(24, 384, 10, categories=16))
    bound = (
        "as sparse, but each wording in one category only: the variance over wordings takes what "
        "fixed categories do for luck, so that intervals are conservative"
    )
    yield gap("sparse-bound", sparse, "log_odds", 0.1, bound, Design(64, 64, 10, categories=16))
    flip = replace(_SPEC, tau=0.5, shape="sign_flip")
    yield gap("sign-flip", flip, _NUMBER, 0.0, "+.5 or −.5 by wording, mean 0")
    one = replace(_EXACT, effect=0.3, shape="one_intersection")
    yield gap("one-intersection", one, "log_odds", 0.3, "only the last of four intersections", Design(groups=4))
    tail = replace(_TEXTS, refusal_gap=0.03, tau=0.0, nu=0.0, nu_b=0.0, template_sd=0.0)
    yield gap("tail-refusals", tail, "refusal", 0.03, "3 % of one group's texts decline, none of the other's")
    covert = replace(_EXACT, effect=0.3, covert=True)
    yield gap("covert-name", covert, "log_odds", 0.3, "by the name; the explicit cue moves nothing")
    dialect = replace(_EXACT, effect=0.3)
    yield Scenario("covert-dialect", dialect, "log_odds", 0.3, False, "by how it is written", _PHRASINGS, "dialect")
    worse = replace(_RATE, base=0.8, effect=-0.1)
    yield Scenario(
        "dialect-quality",
        worse,
        "p_favourable",
        -0.1,
        False,
        "the right answer falls from 80 % to 70 %",
        _PHRASINGS,
        "dialect",
    )
    failing = replace(_EXACT, failures=0.02, failures_gap=0.1, failures_low=True)
    yield gap(
        "parse-failures", failing, "rate_invalid", 0.1, "the lowest 12 % of one group cannot be read, 2 % of the other"
    )
    later = replace(_SPEC, effect=0.3, changes_at=30)
    yield gap("build-30", later, _NUMBER, 0.3, "nothing before build 30, .3 from then on")
    edge = replace(_SPEC, effect=0.2, draws=1)
    yield gap("at-tolerance", edge, _NUMBER, 0.2, "an effect exactly at a tolerance of .2", _LARGE)


def _tone_truth(share: float) -> float:
    from audit.planted.texts import TONE_STEP

    return share * TONE_STEP


SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType(
    {scenario.name: scenario for scenario in (*_nulls(), *_planted())}
)
