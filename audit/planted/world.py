"""Worlds with a bias that is known: what each cell of a layout answers, drawn at random.

A cell is one block (template × category) answered for one stimulus. Its outcome is

    y = block + group + template:group + persona(group) + persona:block + decode noise / √R

(the specification's "Design of a run"). Standard deviations are those of the
formula for the variance of a gap,

    Var(gap) = τ_T²/T + τ_TC²/B + 2ν²/K + 2ν_b²/(BK) + 2σ²/(BKR),

so a template:group effect of each group has the variance τ_T²/2.

:func:`realise` is the one place where a planted outcome is drawn. The Monte Carlo
and the planted backend both call it, with the same layout and generator, hence what
the pipeline finds can be compared with what arrays give, digit for digit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import special

from audit.planted.layouts import Codes, Flags, Layout, Reals
from audit.values import content_hash

Kind = Literal["real", "probability", "refusal", "tone"]
Shape = Literal["constant", "sparse", "sign_flip", "one_intersection"]
Noise = Literal["normal", "t3", "ties"]

TIE = 0.5


@dataclass(frozen=True, slots=True)
class World:
    """What is planted, and the noise around it.

    ``kind`` says what a cell holds, and so the unit of ``effect``:

    * ``real``: log-odds of a decision, or a number in its own standard deviations;
    * ``probability``: P of a decision's first option. Random effects act on the probit
      scale: P = Φ(η), and η is centred so that the mean of P is ``base`` in the
      reference and ``base`` + ``effect`` elsewhere: E Φ(a + sZ) = Φ(a / √(1 + s²));
    * ``refusal``: the share of ``draws`` texts that decline; ``refusal`` and
      ``refusal_gap`` are its means, in the same way;
    * ``tone``: the mean VADER tone of ``draws`` texts, a share ``base`` (+ ``effect``)
      of which is warm and the rest plain; declined texts are missing.

    ``shape`` says where the effect is: in every affected cell, in category 0 only
    (``sparse``), with a random sign ±``tau`` for each template (``sign_flip``), or in
    the last group only (``one_intersection``).

    ``tau``, ``tau_tc``, ``nu``, ``nu_b``, ``sigma`` are τ_T, τ_TC, ν, ν_b, σ;
    ``template_sd`` and ``block_sd`` the spread of wordings and of blocks, which no
    group feels. ``noise`` is the decode noise of a draw: normal, Student's t with 3 df
    (scaled to σ), or normal with the outcome rounded to halves.

    ``failures`` is the rate of cells without an answer, ``failures_gap`` what the
    affected groups have on top; with ``failures_low`` it is the lowest outcomes that
    fail. ``covert`` effects are not there for explicit cues. Before build
    ``changes_at`` there is none at all. ``traps`` makes texts neutral but full of
    identity words, read by the scorer after masking unless ``masked`` is false.
    ``answers_gap`` moves what else is answered in affected groups, log-odds between
    the options after the first.
    """

    kind: Kind = "real"
    effect: float = 0.0
    base: float = 0.0
    shape: Shape = "constant"
    tau: float = 0.0
    tau_tc: float = 0.0
    nu: float = 0.0
    nu_b: float = 0.0
    sigma: float = 0.0
    draws: int = 1
    template_sd: float = 0.0
    block_sd: float = 0.0
    noise: Noise = "normal"
    refusal: float = 0.0
    refusal_gap: float = 0.0
    failures: float = 0.0
    failures_gap: float = 0.0
    failures_low: bool = False
    covert: bool = False
    changes_at: int = 0
    traps: bool = False
    masked: bool = True
    answers_gap: float = 0.0

    def at_build(self, build: int) -> World:
        """The world as build number ``build`` (from 0) finds it.

        >>> World(effect=0.3, changes_at=30).at_build(29).effect
        0.0
        """
        return replace(self, effect=0.0) if build < self.changes_at else self


@lru_cache(maxsize=256)
def _key(parts: tuple[str | int, ...]) -> int:
    return int(content_hash(list(parts), 16), 16)


def generator(seed: int, *parts: str | int) -> np.random.Generator:
    """The generator of one part of a planted run: its seed, and what the part is called."""
    return np.random.Generator(np.random.SFC64([seed, _key(parts)]))


def realise(world: World, cells: Layout, rng: np.random.Generator) -> Reals:
    """Draw the outcome of each cell.

    Returns
    -------
    (n,) cell means in the unit of ``world.kind``; NaN where a cell has no answer.

    >>> from audit.planted.layouts import layout
    >>> realise(World(effect=0.5), layout(1, 1, 2), generator(0)).tolist()
    [0.0, 0.0, 0.5, 0.5]
    """
    if world.kind in ("refusal", "tone"):
        from audit.planted.texts import cell_values

        values = cell_values(world, cells, rng)
    elif world.kind == "probability":
        values = _probabilities(world, cells, rng)
    else:
        values = _reals(world, cells, rng)
    if not cells.asked.all():
        values[~cells.asked] = np.nan
    return values


def common_part(world: World, cells: Layout, rng: np.random.Generator) -> Reals:
    """What wording and block do to everybody, (blocks,); the first thing that is drawn of a world."""
    part = np.zeros(cells.template_of_block.size)
    if world.template_sd:
        templates = int(cells.template_of_block.max()) + 1
        part += world.template_sd * rng.standard_normal(templates)[cells.template_of_block]
    if world.block_sd:
        part += world.block_sd * rng.standard_normal(part.size)
    return part


def random_effects(world: World, cells: Layout, rng: np.random.Generator) -> Reals:
    """The sum of all effects but the planted one and the decode noise, (n,)."""
    total: Reals = common_part(world, cells, rng)[cells.block]
    if world.tau and world.shape == "sign_flip":
        signs = np.where(rng.random(int(cells.template.max()) + 1) < 0.5, -world.tau, world.tau)
        total += np.where(cells.affected, signs[cells.template], 0.0)
    elif world.tau:
        total += _drawn(world.tau / math.sqrt(2), cells.template_group, rng)
    if world.tau_tc:
        total += _drawn(world.tau_tc / math.sqrt(2), cells.block_group, rng)
    if world.nu:
        total += _drawn(world.nu, cells.stimulus, rng)
    if world.nu_b:
        total += world.nu_b * rng.standard_normal(cells.size)
    return total


def spread(world: World) -> float:
    """Standard deviation of the random effects of one cell, decode noise apart.

    >>> spread(World(tau=2.0, nu=1.0, nu_b=1.0))
    2.0
    """
    between = (world.tau**2 + world.tau_tc**2) / 2
    return math.sqrt(between + world.nu**2 + world.nu_b**2 + world.template_sd**2 + world.block_sd**2)


def felt(world: World, cells: Layout) -> Flags:
    """The cells in which the effect is, (n,)."""
    if world.covert and cells.explicit:
        return np.zeros(cells.size, np.bool_)
    if world.shape == "sparse":
        return np.asarray(cells.affected & (cells.category == 0))
    if world.shape == "one_intersection":
        return np.asarray(cells.group == cells.groups - 1)
    return cells.affected


def probit_mean(mean: float, sd: float) -> float:
    """The a with E Φ(a + sd·Z) = mean for a standard normal Z: a = Φ⁻¹(mean)·√(1 + sd²).

    >>> round(probit_mean(0.95, 0.0), 4), probit_mean(0.5, 3.0), probit_mean(0.0, 1.0)
    (1.6449, 0.0, -inf)
    """
    return float(special.ndtri(mean)) * math.sqrt(1 + sd * sd)


def _reals(world: World, cells: Layout, rng: np.random.Generator) -> Reals:
    values = random_effects(world, cells, rng)
    values += world.base
    if world.effect:
        values += world.effect * felt(world, cells)
    values = _with_noise(values, world, rng)
    if not (world.failures or world.failures_gap):
        return values
    sd = math.hypot(spread(world), world.sigma / math.sqrt(world.draws))
    centred = values - world.base - world.effect * felt(world, cells)
    return _with_failures(values, centred / sd if sd else centred, world, cells, rng)


def _with_noise(values: Reals, world: World, rng: np.random.Generator) -> Reals:
    if world.noise == "normal":
        return values + world.sigma / math.sqrt(world.draws) * rng.standard_normal(values.size)
    size = (world.draws, values.size)
    if world.noise == "t3":  # its variance is 3
        drawn = rng.standard_normal(size) / np.sqrt(rng.standard_gamma(1.5, size) * 2 / 3)
        return np.asarray(values + world.sigma / math.sqrt(3) * drawn.mean(axis=0))
    drawn = values + world.sigma * rng.standard_normal(size)
    return np.asarray((np.rint(drawn / TIE) * TIE).mean(axis=0))


def _with_failures(values: Reals, standardised: Reals, world: World, cells: Layout, rng: np.random.Generator) -> Reals:
    """Take answers away: at random, or the lowest of each group by its ``standardised`` outcomes."""
    rate = world.failures + world.failures_gap * felt(world, cells)
    place = special.ndtr(standardised) if world.failures_low else rng.random(values.size)
    return np.where(place < rate, np.nan, values)


def _probabilities(world: World, cells: Layout, rng: np.random.Generator) -> Reals:
    decode = world.sigma / math.sqrt(world.draws)
    latent = random_effects(world, cells, rng) + decode * rng.standard_normal(cells.size)
    sd = math.hypot(spread(world), decode)
    values = shares(latent, sd, world.base, world.effect, felt(world, cells))
    if not (world.failures or world.failures_gap):
        return values
    return _with_failures(values, latent / sd if sd else latent, world, cells, rng)


def shares(latent: Reals, sd: float, base: float, gap: float, where: Flags) -> Reals:
    """Probabilities Φ(η), (n,), of mean ``base``, or ``base`` + ``gap`` ``where``; ``latent`` has mean 0 and ``sd``."""
    centre = np.where(where, probit_mean(base + gap, sd), probit_mean(base, sd))
    return np.asarray(special.ndtr(centre + latent))


def _drawn(sd: float, codes: Codes, rng: np.random.Generator) -> Reals:
    """A normal effect for each code, (n,)."""
    effects = sd * rng.standard_normal(int(codes.max()) + 1)
    return np.asarray(effects[codes])
