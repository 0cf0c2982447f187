"""Decisions read exactly: every written form of every option scored whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.backends.engine import Session
from audit.errors import ConfigError

Form = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Exact:
    """An answer's distribution. ``logprobs`` are natural logs before normalising."""

    support: tuple[str, ...]
    logprobs: tuple[float, ...]
    residual: float = 0.0

    def row(self) -> Mapping[str, Any]:
        """The columns of a completion that it fills."""
        masses = np.exp(np.array(self.logprobs))
        total = float(masses.sum())
        return {
            "support": list(self.support),
            "probs": (masses / total).tolist() if total > 0 else [float("nan")] * len(masses),
            "residual_mass": self.residual,
            "option_logprobs": list(self.logprobs),
            "answer_mass": total,
        }


def columns(forms: Sequence[Sequence[Sequence[Form]]]) -> list[int]:
    """All tokens whose probability the forms of these probes need."""
    return sorted({token for probe in forms for option in probe for form in option for token in form})


def without_extensions(options: Sequence[Sequence[Form]]) -> list[list[Form]]:
    """Drop a form that another of its option begins: its probability is part of the other's already.

    >>> without_extensions([[(1,), (1, 2)], [(3,)]])
    [[(1,)], [(3,)]]
    """
    return [
        [form for form in dict.fromkeys(option) if not any(form[:cut] in option for cut in range(1, len(form)))]
        for option in options
    ]


def check_apart(names: Sequence[str], options: Sequence[Sequence[Form]]) -> None:
    """Check that no form begins a form of another option: it would take the other's probability.

    Raises
    ------
    ConfigError
        Naming both forms, by option and place, since they clash only as tokens of this model.

    >>> check_apart(["yes", "no"], [[(1,), (1, 2)], [(3,)]])
    """
    # Also two forms of one spelling: the earlier option would be no less wrong than the later.
    owner = {form: (number, place) for number, option in enumerate(options) for place, form in enumerate(option)}
    for number, option in enumerate(options):
        for place, form in enumerate(option):
            for cut in range(1, len(form) + 1):
                other, at = owner.get(form[:cut], (number, place))
                if other != number:
                    raise ConfigError(
                        f"options: in this model's tokens form {at + 1} of {names[other]!r} begins form {place + 1} of "
                        f"{names[number]!r}, so that their probabilities cannot be told apart; reword one of the two"
                    )


def decide(
    session: Session,
    tokens: Sequence[int],
    prompts: Sequence[Sequence[int]],
    names: Sequence[Sequence[str]],
    forms: Sequence[Sequence[Sequence[Form]]],
) -> list[Exact]:
    """Score each prompt's options: log P(option) = log sum over its forms of P(form | prompt).

    Parameters
    ----------
    session
        A fresh session on ``tokens``, the sorted tokens of :func:`columns`.
    prompts
        Token ids, one sequence a probe.
    names, forms
        Option ids of each probe, and the token sequences of each option's forms.

    Raises
    ------
    ConfigError
        If a form begins one of another option.
    """
    # Most probes of a batch have the same options: each set is checked once.
    for options, ids in {tuple(map(tuple, probe)): ids for probe, ids in zip(forms, names, strict=True)}.items():
        check_apart(ids, options)
    place = {token: column for column, token in enumerate(tokens)}
    kept = [without_extensions(probe) for probe in forms]
    # What must be computed: the prompt, and behind it every beginning of a form.
    wanted = {
        (row, form[:cut]): None
        for row, probe in enumerate(kept)
        for option in probe
        for form in option
        for cut in range(len(form))
    }
    keys = list(wanted)
    _, found = session.open([[*prompts[row], *beginning] for row, beginning in keys])
    at = {key: number for number, key in enumerate(keys)}

    def log_probability(row: int, form: Form) -> float:
        return float(sum(found[at[row, form[:cut]], place[form[cut]]] for cut in range(len(form))))

    return [
        Exact(
            tuple(names[row]),
            tuple(_log_sum([log_probability(row, form) for form in option]) for option in probe),
        )
        for row, probe in enumerate(kept)
    ]


def _log_sum(values: Sequence[float]) -> float:
    return float(np.logaddexp.reduce(values)) if values else float("-inf")
