"""Numbers read exactly: the tree of digits, its heaviest branches first.

A number is what the answer begins with: blanks, digits, then anything that is no
digit. A decimal part is not read (12.5 counts as 12), nor a thousands separator.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.backends.engine import Session
from audit.backends.exact import Exact

ROUNDS = 16
# Ends that one probe may open: a flat distribution over a wide range stops here, its rest stated.
LARGEST = 256
_NUMBER = re.compile(r"( ?)([0-9]+)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The tokens that matter: (token, digits it adds, whether the number ends inside it, leading blank)."""

    tokens: tuple[int, ...]
    digits: tuple[str, ...]
    ends: npt.NDArray[np.bool_]
    blank: npt.NDArray[np.bool_]

    @property
    def space(self) -> npt.NDArray[np.bool_]:
        """Which tokens are blanks and nothing else."""
        return np.array([not text for text in self.digits]) & self.blank


def alphabet(tokenizer: Any) -> Alphabet:
    """Find a tokenizer's blanks and the tokens that begin with a digit."""
    rows: list[tuple[int, str, bool, bool]] = []
    special = set(tokenizer.all_special_ids)
    anchor = tokenizer.convert_ids_to_tokens(tokenizer(":", add_special_tokens=False)["input_ids"])
    for text, number in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]):
        if number in special or not any(character.isdigit() or character in "Ġ▁ " for character in text):
            continue
        # Decoded behind a colon: some tokenizers swallow the first blank of a text.
        written = tokenizer.convert_tokens_to_string([*anchor, text]).lstrip().removeprefix(":")
        match = _NUMBER.fullmatch(written)
        if written == " ":
            rows.append((number, "", False, True))
        elif match and not (match[3] and match[3][0].isdigit()):
            rows.append((number, match[2], bool(match[3]), bool(match[1])))
    numbers, digits, ends, blank = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Alphabet(tuple(numbers), tuple(digits), np.array(ends, bool), np.array(blank, bool))


@dataclass(slots=True)
class _Branch:
    """A beginning of an answer that was not looked behind yet."""

    mass: float
    digits: str
    blanks: int
    end: int
    token: int


@dataclass(slots=True)
class _Reading:
    """What is known of one probe's number."""

    minimum: int
    maximum: int
    masses: dict[int, float] = field(default_factory=dict)
    open: list[_Branch] = field(default_factory=list)
    opened: int = 0

    def settle(self, digits: str, mass: float) -> None:
        value = int(digits)
        if self.minimum <= value <= self.maximum and mass > 0:
            self.masses[value] = self.masses.get(value, 0.0) + mass

    def possible(self, digits: str) -> bool:
        return len(digits.lstrip("0")) <= len(str(self.maximum)) and int(digits or 0) <= self.maximum

    def look(self, letters: Alphabet, branch: _Branch, end: int, logprobs: npt.NDArray[np.float64]) -> None:
        """Split ``branch`` into numbers that end here and longer beginnings."""
        chances = branch.mass * np.exp(logprobs)
        going_on = ~letters.blank if branch.digits else np.ones(len(letters.tokens), bool)
        if branch.digits:
            self.settle(branch.digits, branch.mass - float(chances[going_on].sum()))
        elif branch.blanks >= 2:
            going_on = ~letters.space
        for column in np.flatnonzero(going_on & (chances > 1e-9)):
            digits = branch.digits + letters.digits[column]
            mass = float(chances[column])
            if letters.ends[column]:
                self.settle(digits, mass)
            elif self.possible(digits) and len(digits) <= len(str(self.maximum)) + 2:
                self.open.append(_Branch(mass, digits, branch.blanks + (not digits), end, letters.tokens[column]))

    def heaviest(self, share: float) -> list[_Branch]:
        """Take out the branches to look behind, so that ``share`` of the mass may be settled."""
        self.open.sort(key=lambda branch: -branch.mass)
        weights = np.cumsum([branch.mass for branch in self.open])
        total = sum(self.masses.values()) + (weights[-1] if len(weights) else 0.0)
        allowed = (1 - share) * total
        count = 0
        while count < len(self.open) and weights[-1] - (weights[count - 1] if count else 0.0) > allowed:
            count += 1
        count = min(count, LARGEST - self.opened)
        taken, self.open = self.open[:count], self.open[count:]
        self.opened += count
        return taken

    def result(self) -> Exact:
        values = sorted(self.masses)
        masses = np.array([self.masses[value] for value in values])
        rest = float(sum(branch.mass for branch in self.open))
        with np.errstate(divide="ignore"):
            return Exact(tuple(map(str, values)), tuple(np.log(masses).tolist()), rest)


def enumerate_numbers(
    session: Session,
    letters: Alphabet,
    prompts: Sequence[Sequence[int]],
    ranges: Sequence[tuple[int, int]],
    share: float,
) -> list[Exact]:
    """Read each prompt's number, until ``share`` of its probability is settled.

    Parameters
    ----------
    session
        A fresh session on ``letters.tokens``.
    ranges
        Smallest and largest number that is an answer; others are no answer.
    share
        Settled part of (settled + open) probability to reach, for one .99.

    Returns
    -------
    list of Exact
        Support: the numbers as text, ascending. ``residual`` is the probability left
        open, at most 1 - ``share`` of the whole unless more than 256 branches are needed.
    """
    readings = [_Reading(*bounds) for bounds in ranges]
    ends, logprobs = session.open(prompts)
    for reading, end, row in zip(readings, ends, logprobs, strict=True):
        reading.look(letters, _Branch(1.0, "", 0, end, -1), end, row)
    for _ in range(ROUNDS):
        taken = [(reading, branch) for reading in readings for branch in reading.heaviest(share)]
        if not taken:
            break
        ends, logprobs = session.extend([branch.end for _, branch in taken], [[branch.token] for _, branch in taken])
        for (reading, branch), end, row in zip(taken, ends, logprobs, strict=True):
            reading.look(letters, branch, end, row)
    return [reading.result() for reading in readings]
