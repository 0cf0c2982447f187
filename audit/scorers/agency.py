"""Agency and communion: the share of words about getting ahead, and about getting along.

The construct is that of Bakan (1966) and Abele & Wojciszke (2014); Pietraszkiewicz
et al. (2019, European Journal of Social Psychology 49(5)) made it a dictionary. The
short word lists here are our own, for a shop's texts, and were not validated
against human raters: read them as counts of these words, no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from audit.scorers.lexicon import category, read_lexicon, share
from audit.scorers.masking import DIGEST
from audit.scorers.rows import Reals, score_texts
from audit.values import content_hash

VERSION: Final = "agency-1"


def score(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Score English texts: ``agency`` and ``communion``, words per 100 words."""
    version = f"{VERSION} lexicon-{content_hash(read_lexicon('agency'), 8)} {DIGEST}"
    metrics = {"agency": partial(shares, "agency"), "communion": partial(shares, "communion")}
    return score_texts(batch, metrics, version)


def shares(dimension: str, texts: Sequence[str]) -> Reals:
    """Words of ``dimension`` (agency or communion) per 100 words, for each text."""
    lexicon = category("agency", dimension)
    return np.array([share(text, lexicon) for text in texts], dtype=float)
