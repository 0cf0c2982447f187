"""What an (ε, δ) of a fine-tuning says nothing about, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from audit.mitigation.values import Protects

SEED_GIVEN: Final = (
    "The seed of sampling and noise was given by a person: whoever knows it can take the noise off again, and to them "
    "nothing is promised."
)
NO_PROMISE: Final = (
    "Nothing is covered: the training was not differentially private, and the model may repeat what it was trained on."
)
BASE_NOT_PRIVATE: Final = (
    "The base model had been fine-tuned without differential privacy: nothing is promised for the records of that "
    "training, and the model may repeat them."
)
BASE_PRIVATE: Final = (
    "The base model had been fine-tuned with differential privacy: for records that were in that training too, what "
    "each training spent adds up."
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
    "Rounding: with frozen weights in half precision, padding to a longer text moves what the others add by about a "
    "hundredth of the clipping norm; the pre-flight bounds it on made-up texts and proves nothing.",
    "The tokenizer, and prompts, few-shot examples or documents that are given to the model when it is used.",
    "Evaluations on the training records, such as a privacy audit: their figures are computed from the data without "
    "noise.",
)


def said_of_earlier(private: Sequence[bool]) -> tuple[str, ...]:
    """What is left out where the base was trained before, privately or not.

    >>> said_of_earlier([]), said_of_earlier([True, False]) == (BASE_NOT_PRIVATE, BASE_PRIVATE)
    ((), True)
    """
    bare = (BASE_NOT_PRIVATE,) if not all(private) else ()
    return (*bare, BASE_PRIVATE) if any(private) else bare


def not_covered(unit: Protects | None, *, seed_given: bool, earlier: Sequence[str] = ()) -> tuple[str, ...]:
    """What a promise for ``unit`` leaves out, ``earlier`` trainings first; None: nothing was promised.

    >>> not_covered(None, seed_given=False) == (NO_PROMISE,)
    True
    >>> not_covered("record", seed_given=True)[0] == SEED_GIVEN
    True
    """
    if unit is None:
        return (NO_PROMISE,)
    return (*((SEED_GIVEN,) if seed_given else ()), *earlier, _OF_UNIT[unit], *_ALWAYS)
