"""A row on reading distributions: what is read exactly is what 10,000 samples come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from scipy import special

from audit import statistics
from audit.calibration.audits import outcomes
from audit.calibration.plan import Plan
from audit.calibration.studies import Outcomes, Study
from audit.calibration.values import Row, Target
from audit.planted import SCENARIOS, Design, Scenario
from audit.statistics.variance import Reals

SECTION: Final = "Instruments"
SAMPLES: Final = 10_000
QUICK_SAMPLES: Final = 2_000
# 24 wordings × 2 phrasings × 2 groups: 96 probes, each sampled in full.
DESIGN: Final = Design(24, 24, 2, explicit=True)


def studies(plan: Plan) -> Iterator[Study]:
    """One audit, once from probabilities and once from sampled answers."""
    samples = QUICK_SAMPLES if plan.quick else SAMPLES
    scenario = replace(SCENARIOS["log-odds-0.3"], design=DESIGN)
    yield Study("exact against sampled", partial(_compare, scenario, samples), partial(_apart, samples), 1)


def _compare(scenario: Scenario, samples: int, rng: np.random.Generator, runs: int) -> Outcomes:
    """(runs,) the gap in P read exactly, sampled, and the latter's Monte-Carlo standard error."""
    cells = scenario.layout()
    found: dict[str, list[float]] = {"exact": [], "sampled": [], "se": []}
    for _ in range(runs):
        chance = np.asarray(special.expit(outcomes(scenario, rng)))
        seed = int(rng.integers(2**31))
        sampled = np.array([_share(p, f"probe-{place}", seed, samples) for place, p in enumerate(chance)])
        for name, rate in (("exact", chance), ("sampled", sampled)):
            gap = statistics.paired_contrast(rate, cells.group, cells.template, cells.persona, reference="0")[-1]
            found[name].append(gap.estimate)
        found["se"].append(2 * float(np.sqrt((chance * (1 - chance)).sum() / samples)) / cells.size)
    return {name: np.array(values) for name, values in found.items()}


def _share(chance: float, probe: str, seed: int, samples: int) -> float:
    """Share of the first of two answers among ``samples`` draws of the sampler that writes texts."""
    import torch

    from audit.backends.sampling import Sampling, pick, uniforms

    uniform = np.concatenate([uniforms(seed, probe, draw, 1) for draw in range(samples)])
    logits = torch.log(torch.tensor([[chance, 1 - chance]], dtype=torch.float64)).expand(samples, -1)
    chosen: Reals = pick(logits, torch.from_numpy(uniform), Sampling(1)).numpy()
    return float((chosen == 0).mean())


def _apart(samples: int, found: Outcomes) -> tuple[Row, ...]:
    distance = np.abs(found["exact"] - found["sampled"])
    what = f"Gap in P read exactly against {samples:,} sampled answers a probe, in their Monte-Carlo standard errors"
    note = (
        f"exact {found['exact'][0]:+.5f}, sampled {found['sampled'][0]:+.5f}, Monte-Carlo error {found['se'][0]:.5f}; "
        f"{DESIGN.layout().size} probes, drawn by the sampler that writes texts"
    )
    figure = float((distance / found["se"]).max())
    return (Row("exact-against-sampled", SECTION, what, figure, 0.0, distance.size, Target(high=3.0), (), note),)
