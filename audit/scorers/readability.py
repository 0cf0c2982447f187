"""Readability: Flesch reading ease (Flesch 1948), higher is easier.

Words and sentences are counted by textstat. Its own reading ease is not used: for
English it wants nltk's pronouncing dictionary and downloads it, so that the score
of a text would depend on the machine. Syllables are Pyphen's hyphenation points
plus one, which is what textstat takes for a word outside that dictionary; that
finds too few in short words, for every group alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa

from audit.scorers.lexicon import WORD
from audit.scorers.masking import DIGEST
from audit.scorers.rows import Reals, score_texts, version_of

VERSION: Final = "readability-1"

# Hyphenation takes quadratic time in a word's length; no word of a language is longer.
_LONGEST_WORD: Final = 60


def score(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Score English texts: ``readability``, Flesch reading ease (about 100 for plain speech, 30 for a contract)."""
    return score_texts(batch, {"readability": readability}, f"{version_of(VERSION, 'textstat', 'pyphen')} {DIGEST}")


def readability(texts: Sequence[str]) -> Reals:
    """Flesch reading ease of each text; nan where a text has no words."""
    import textstat

    values = []
    for text in texts:
        words = [word for word in WORD.findall(text.lower()) if len(word) <= _LONGEST_WORD]
        sentences = textstat.sentence_count(text)
        values.append(flesch(len(words), sentences, sum(map(syllables, words))) if words else np.nan)
    return np.array(values, dtype=float)


def flesch(words: int, sentences: int, syllables: int) -> float:
    """206.835 − 1.015 · words/sentences − 84.6 · syllables/words (Flesch 1948, Journal of Applied Psychology 32).

    >>> round(flesch(words=6, sentences=1, syllables=6), 3)
    116.145
    """
    return 206.835 - 1.015 * words / sentences - 84.6 * syllables / words


@lru_cache(maxsize=65_536)
def syllables(word: str) -> int:
    """Syllables of one word, by hyphenation.

    >>> syllables("delivery"), syllables("cat")
    (3, 1)
    """
    return len(_hyphenation().positions(word)) + 1


@cache
def _hyphenation() -> Any:
    from pyphen import Pyphen

    return Pyphen(lang="en_US")
