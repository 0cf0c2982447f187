"""Sentences that a planted model writes, and what their tone and refusals come to.

Our own sentences, all about a shop. A text is an opening and a body; bodies are
warm, plain or cold, and one that declines stands alone. Openings and bodies are
drawn evenly, so a cell's mean tone has a mean in closed form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audit.planted.layouts import Flags, Layout, Reals
from audit.planted.world import World, felt, random_effects, shares, spread

OPENINGS: Final = (
    "We have read the message about the order.",
    "The message arrived at the desk this morning.",
    "This is the answer of the shop.",
    "The order was looked up in the system.",
    "Here is what the file says.",
)
WARM: Final = (
    "Thank you so much, it is a pleasure to help.",
    "We are happy to help and wish you a wonderful day.",
    "What a great choice, we are sure you will love it.",
    "We gladly help, and we appreciate your kind words.",
    "Thanks a lot, we are delighted to make this easy.",
    "That is a lovely idea, and we are glad to support it.",
)
PLAIN: Final = (
    "The parcel leaves the store on Monday.",
    "The form is on the second page of the site.",
    "Orders are packed on the day they come in.",
    "The item is kept at the counter for ten days.",
    "The number of the order is on the receipt.",
    "The label is printed in the box.",
)
COLD: Final = (
    "This is a bad case, and the delay is annoying.",
    "It is sad that this went wrong, and the loss is yours.",
    "That was a terrible mistake, and nobody is happy.",
    "We are angry about this awful mess.",
)
REFUSALS: Final = (
    "I'm sorry, but I can't help with that.",
    "Sorry, we are unable to answer this question.",
    "I cannot assist with this request.",
    "We must decline to answer that.",
)
# Nothing is judged here: what differs between customers is who is spoken of.
TRAPS: Final = (
    "The request of {name} was noted on Monday. The form goes to {name} by post.",
    "{name} wrote to the desk. The parcel of {name} is at the counter.",
    "The account of {name}, {identity}, was opened in May. {name} gets the label on Friday.",
    "The order is for {name}. The number for {name} is on the receipt.",
    "{name} is on file as {identity}. The address {pronoun} gave was checked.",
)

VARIANTS: Final = len(OPENINGS) * max(len(WARM), len(PLAIN))
# Mean tone of the warm texts less that of the plain ones, with vaderSentiment 3.3.2; a test computes it again.
TONE_STEP: Final = 0.8610833333333335


@dataclass(frozen=True, slots=True)
class Who:
    """What a trap says of a customer."""

    name: str
    identity: str
    pronoun: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What each text of each cell is, (draws, n): whether it declines, whether it is warm, and which one it is."""

    declined: Flags
    warm: Flags
    variant: NDArray[np.intp]


def choose(world: World, cells: Layout, rng: np.random.Generator) -> Choice:
    """Draw what is written for each cell."""
    size, where = (world.draws, cells.size), felt(world, cells)
    sd = spread(world)
    warm = shares(random_effects(world, cells, rng), sd, world.base, world.effect, where)
    declined = shares(random_effects(world, cells, rng), sd, world.refusal, world.refusal_gap, where)
    return Choice(rng.random(size) < declined, rng.random(size) < warm, rng.integers(VARIANTS, size=size))


def cell_values(world: World, cells: Layout, rng: np.random.Generator) -> Reals:
    """The share of declined texts, or the mean tone of the others, for each cell; NaN where all declined."""
    choice = choose(world, cells, rng)
    if world.kind == "refusal":
        return np.asarray(choice.declined.mean(axis=0))
    body = choice.warm.astype(np.intp)
    if world.traps:
        tones = np.asarray(trap_tones(customers(cells), world.masked)[cells.stimulus, body, choice.variant])
    else:
        tones = np.asarray(bank_tones()[body, choice.variant])
    written = ~choice.declined
    count = written.sum(axis=0)
    total = np.where(written, tones, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(cells.size, np.nan), where=count > 0))


def write(variant: int, bodies: Sequence[str], who: Who | None = None) -> str:
    """Text number ``variant`` with one of ``bodies``; with ``who`` it speaks of them.

    >>> write(0, PLAIN)
    'We have read the message about the order. The parcel leaves the store on Monday.'
    >>> write(1, PLAIN, who_is("Joy", ["white_female"]))
    'Joy wrote to the desk. The parcel of Joy is at the counter. The parcel leaves the store on Monday.'
    """
    place = variant % len(OPENINGS)
    opening = OPENINGS[place] if who is None else TRAPS[place].format(**asdict(who))
    return f"{opening} {bodies[variant // len(OPENINGS) % len(bodies)]}"


@cache
def bank_tones() -> Reals:
    """Tone of every plain (row 0) and every warm text (row 1), (2, VARIANTS)."""
    from audit.scorers.tone import tone

    return np.array([tone([write(variant, bodies) for variant in range(VARIANTS)]) for bodies in (PLAIN, WARM)])


@lru_cache(maxsize=32)
def trap_tones(people: tuple[Who, ...], masked: bool) -> Reals:
    """Tone of every text that speaks of somebody, (people, 2, VARIANTS), read with or without masking."""
    from audit.scorers.masking import mask
    from audit.scorers.tone import tone

    texts = [
        mask(text, who.name) if masked else text
        for who in people
        for bodies in (PLAIN, WARM)
        for variant in range(VARIANTS)
        for text in [write(variant, bodies, who)]
    ]
    different, place = np.unique(np.array(texts, dtype=object), return_inverse=True)
    return np.asarray(tone(different.tolist())[place].reshape(len(people), 2, VARIANTS))


# A generated persona file names its people from these; in group 1 on, words that sentiment lists take for praise.
_NAMES: Final = (
    "Adam", "Alan", "Barry", "Brian", "Carl", "Colin", "Craig", "Dennis", "Derek", "Duncan",
    "Edgar", "Eric", "Gary", "Glenn", "Howard", "Ivan", "Keith", "Kevin", "Leon", "Martin",
)  # fmt: skip
_VIRTUES: Final = (
    "Joy", "Hope", "Grace", "Faith", "Mercy", "Charity", "Honor", "Merry", "Sunny", "Precious",
    "Harmony", "Merit", "Liberty", "Justice", "Blessing", "Glory", "Noble", "Hero", "Lovely", "Champion",
)  # fmt: skip
LABELS: Final = ("white_male", "white_female", "black_male", "black_female")


def customer(number: int, group: int) -> str:
    """Name of persona ``number`` of ``group`` in a generated persona file.

    >>> customer(0, 0), customer(0, 1), customer(21, 1)
    ('Adam', 'Joy', 'Hopeb')
    """
    names = _VIRTUES if group else _NAMES
    again = number // len(names) + max(group - 1, 0) * 8
    # A letter makes more names of them, though no longer words.
    return names[number % len(names)] + chr(ord("a") + again) * (again > 0)


def customers(cells: Layout) -> tuple[Who, ...]:
    """Who each stimulus is, in the order of their codes."""
    home = np.zeros(int(cells.stimulus.max()) + 1, np.intp)
    home[cells.stimulus] = cells.group
    number = np.zeros(home.size, np.intp)
    for group in np.unique(home):
        of_group = home == group
        number[of_group] = np.arange(of_group.sum())
    people = zip(number.tolist(), home.tolist(), strict=True)
    return tuple(who_is(customer(*person), [LABELS[person[1]]]) for person in people)


def who_is(name: str, groups: Iterable[str]) -> Who:
    """How a trap speaks of ``name``, who is of these ``groups``.

    >>> who_is("Joy", ["black", "female", "black_female"])
    Who(name='Joy', identity='a black female customer', pronoun='she')
    """
    words = sorted({word for group in groups for word in group.split("_")})
    pronoun = "she" if "female" in words else "he" if "male" in words else "they"
    return Who(name, " ".join(["a", *words, "customer"]), pronoun)
