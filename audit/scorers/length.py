"""How many words a text has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from audit.scorers.lexicon import WORD
from audit.scorers.masking import DIGEST
from audit.scorers.rows import Reals, score_texts

VERSION: Final = "length-1"


def score(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Score English texts: ``words``, counted after masking, so that a long name is one word."""
    return score_texts(batch, {"words": words}, f"{VERSION} {DIGEST}")


def words(texts: Sequence[str]) -> Reals:
    """Runs of letters in each text; a contraction or a hyphenated word is one.

    >>> words(["Well-made, isn't it? 10/10!", ""]).tolist()
    [3.0, 0.0]
    """
    return np.array([len(WORD.findall(text)) for text in texts], dtype=float)
