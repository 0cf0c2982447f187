"""Tone by VADER (Hutto & Gilbert, ICWSM 2014): a rule-based sentiment score."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import islice
from typing import Any, Final

import numpy as np
import pyarrow as pa

from audit.scorers.masking import DIGEST
from audit.scorers.rows import Reals, score_texts, version_of

VERSION: Final = "tone-1"

# VADER's time grows with the square of a text's words, and it writes each emoji out as several. A shop's reply is
# far shorter; what a broken model repeats past here says nothing new.
LONGEST: Final = 4_000
MOST_SIGNS: Final = 200
_SIGNS: Final = re.compile("[\u2190-\u2bff\U0001f000-\U0001faff]")
_RUNS: Final = re.compile(r"([^\w\s])\1{3,}")


def score(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Score English texts: ``tone``, VADER's compound score from −1 to 1."""
    return score_texts(batch, {"tone": tone}, f"{version_of(VERSION, 'vaderSentiment')} {DIGEST}")


def tone(texts: Sequence[str]) -> Reals:
    """VADER's compound score of each text's beginning: :data:`LONGEST` characters, :data:`MOST_SIGNS` emoji.

    >>> tone(["This is great, thank you!", "This is terrible."]).round(1).tolist()
    [0.8, -0.5]
    """
    analyzer = _analyzer()
    return np.array([analyzer.polarity_scores(_bounded(text))["compound"] for text in texts], dtype=float)


def _bounded(text: str) -> str:
    # VADER counts at most four "!", so a shorter run of the same sign says the same.
    text = _RUNS.sub(r"\1\1\1\1", text[:LONGEST])
    last = next(islice(_SIGNS.finditer(text), MOST_SIGNS, None), None)
    return text[: last.start()] if last else text


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
