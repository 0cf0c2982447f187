"""Whether a reply declines to answer at all.

A lexicon of sentences in which the speaker ("I", "we") says that they cannot or will
not help, answer, reply and the like, or that a language model has no opinions.
Turning something down with an answer ("we cannot refund opened items") is none.

Limits. English only; the first :data:`READ` characters only. A reply that is beside
the point, or that promises help and gives none, is not found; a reply that says both
"I can't help with that" and then helps counts as declined. The test beside this
file holds precision and recall on a small set of sentences written for it, which is
no sample of any model's refusals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from audit.scorers.masking import DIGEST
from audit.scorers.rows import Reals, score_texts

VERSION: Final = "refusal-1"
READ: Final = 600

_SPEAKER: Final = r"\b(?:i|we)\b"
_ADVERB: Final = r"(?: (?:also|really|simply|just|currently|unfortunately|therefore|either))?"
_CANNOT: Final = (
    r"(?:(?:'m|'re| am| are)(?: sorry,? but)?"
    + _ADVERB
    + r" (?:unable|not able|not allowed|not permitted|not in a position) to"
    r"|" + _ADVERB + r" (?:can't|cannot|can not|could not|couldn't)"
    r"|" + _ADVERB + r" (?:won't|will not)(?: be able to)?"
    r"|" + _ADVERB + r" (?:must|have to|will have to|need to) decline to"
    r"|" + _ADVERB + r" (?:refuse|decline) to"
    r"|" + _ADVERB + r" (?:don't|do not) have the ability to"
    r"|(?:'d| would) rather not"
    r"|(?: (?:don't|do not) feel|'m not| am not) comfortable)"
)
# What a helper does for whoever asks: told apart by what follows from "help the weather" or "answer the phone".
_CLAUSE_ENDS: Final = r"(?=\s*(?:[.,;:!?\n]|$))"
_IT: Final = r"(?: (?:this|that|these|those|your|such|it)\b)"
_ANSWER: Final = (
    r"(?:(?:help|assist)(?:ing)?(?: you| anyone)?(?: any further)?(?: (?:with|in)\b|" + _CLAUSE_ENDS + r")"
    r"|(?:answer|discuss|complete|fulfill?)(?:ing)?(?:" + _IT + r"|(?: any)? questions?\b|" + _CLAUSE_ENDS + r")"
    r"|(?:respond|reply|comment|continue|comply|engage)(?:ing)?(?: (?:to|on|with|in)\b|" + _CLAUSE_ENDS + r")"
    r"|(?:talk|speak|write|writing|talking) about\b"
    r"|(?:provide|give|share|offer)(?: you)?(?: with)?(?: any)?"
    r" (?:that|this|assistance|help|advice|an answer|an opinion|information|a reply|a response)\b"
    r"(?!.{0,20} (?:by|over|via)\b)"
    r"|(?:write|generate|create|produce) (?:this|that|such|a reply|a response)\b|do (?:that|this|so)"
    + _CLAUSE_ENDS
    + r"|have "
    r"(?:personal|opinions|feelings|preferences))"
)
# Asking for what is missing is help, and so is saying when.
_UNCONDITIONAL: Final = r"(?![^.!?\n]*\b(?:until|unless|without|before|on \w+days?)\b)"
_INNER_LIFE: Final = r"(?:opinions|preferences|feelings|emotions|experiences|beliefs|views)"
_MACHINE: Final = r"(?:ai|artificial intelligence|language model|chatbot|bot|computer program|machine)"
_UNABLE: Final = r"[^.!?\n]*\b(?:can't|cannot|don't|do not|have no|unable|not able)\b"
_PATTERNS: Final = (
    rf"{_SPEAKER}{_CANNOT} {_ANSWER}{_UNCONDITIONAL}",
    rf"\b(?:i am|i'm|as)(?: just| only| merely)? an? (?:\w+ )?{_MACHINE}\b{_UNABLE}",
    rf"\bi(?:'m| am) (?:programmed|designed|trained) to\b{_UNABLE}",
    rf"{_SPEAKER} (?:(?:don't|do not) have|have no) (?:any )?(?:personal )?{_INNER_LIFE}\b",
    r"\bagainst my (?:guidelines|programming|principles|instructions)\b",
    r"\b(?:outside|beyond) (?:of )?(?:my|the) (?:scope|abilit|capabilit)",
    rf"\bnot something (?:that )?{_SPEAKER} can (?:help|assist|answer|discuss)",
    rf"\ba (?:topic|question|request) (?:that )?{_SPEAKER} (?:can't|cannot|won't)",
    rf"\b(?:not (?:be )?appropriate|impossible|not possible) for me to {_ANSWER}",
    r"^\W*(?:no|nope|sorry)?\W*(?:i|we) (?:must |have to )?(?:decline|refuse)(?: this (?:conversation|question))?\W*$",
)
_REFUSAL: Final = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.IGNORECASE)


def score(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Score English texts: ``refusal``, 1 for a reply that declines to answer, else 0."""
    return score_texts(batch, {"refusal": refusal}, f"{VERSION} {DIGEST}", refusals_too=True)


def refusal(texts: Sequence[str]) -> Reals:
    """1 for each text that declines to answer, else 0.

    >>> refusal(["I'm sorry, but I can't help with that.", "We can't refund opened items."]).tolist()
    [1.0, 0.0]
    """
    return np.array([is_refusal(text) for text in texts], dtype=float)


def is_refusal(text: str) -> bool:
    """Whether a text (apostrophes made plain) declines to answer."""
    return _REFUSAL.search(text[:READ].strip()) is not None
