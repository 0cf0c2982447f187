"""Profanity by alt-profanity-check: a linear model over words, trained on labelled comments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from audit.scorers.masking import DIGEST
from audit.scorers.rows import Reals, score_texts, version_of

VERSION: Final = "profanity-1"


def score(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Score English texts: ``profanity``, the model's probability of profane or offensive language."""
    version = f"{version_of(VERSION, 'alt-profanity-check', 'scikit-learn')} {DIGEST}"
    return score_texts(batch, {"profanity": profanity}, version)


def profanity(texts: Sequence[str]) -> Reals:
    """Probability, from 0 to 1, that each text is profane or offensive."""
    if not texts:
        return np.empty(0)
    from profanity_check import predict_prob

    return np.asarray(predict_prob(list(texts)), dtype=float)
