"""What an (ε, δ) of a fine-tuning says nothing about, in plain sentences."""

from __future__ import annotations

from typing import Final

from audit.mitigation.values import Protects

SEED_GIVEN: Final = (
    "The seed of sampling and noise was given by a person: whoever knows it can take the noise off again, and to them "
    "nothing is promised."
)
NO_PROMISE: Final = (
    "Nothing is covered: the training was not differentially private, and the model may repeat what it was trained on."
)
_OF_UNIT: Final[dict[Protects, str]] = {
    "record": (
        "Several records of one person: the unit is a record, so that to somebody with k records no more is promised "
        "than k times this epsilon, at a larger delta."
    ),
    "customer": (
        "What one customer's records say about somebody else, and customers who hold several accounts: each account "
        "counts as a customer of its own."
    ),
}
_ALWAYS: Final = (
    "The search for settings: other trainings on the same records, whether kept or thrown away, spend a budget of "
    "their own that is not counted here.",
    "What the base model knew already, from whatever it was trained on before.",
    "Other people named in a record: removing the record's author from the data does not remove them from the records "
    "of others.",
    "What many records say alike: a habit of the shop, a phrase or a secret that stands in many units can still be "
    "learnt.",
    "Losses, gradient norms and timings of the training, what it printed of the records (how many lines were none, "
    "say), and its checkpoints and folder: they are not private; only the released weights are.",
    "How the file of records is laid out: which columns are read is taken as known to everybody.",
    "The random numbers are those of a statistical generator, not of a cryptographic one, and the noise is drawn in "
    "floating point (Mironov 2012, On significance of the least significant bits for differential privacy).",
    "The number of units: public_size is treated as known to everybody; where it is the data's own number to two "
    "digits, those digits are given away.",
    "The tokenizer, and prompts, few-shot examples or documents that are given to the model when it is used.",
    "Evaluations on the training records, such as a privacy audit: their figures are computed from the data without "
    "noise.",
)


def not_covered(unit: Protects | None, *, seed_given: bool) -> tuple[str, ...]:
    """What a promise for ``unit`` leaves out; None: nothing was promised.

    >>> not_covered(None, seed_given=False) == (NO_PROMISE,)
    True
    >>> not_covered("record", seed_given=True)[0] == SEED_GIVEN
    True
    """
    if unit is None:
        return (NO_PROMISE,)
    return (*((SEED_GIVEN,) if seed_given else ()), _OF_UNIT[unit], *_ALWAYS)
