"""What the scorers share: which rows they can score, and how a score becomes a row.

A scorer is a function from a record batch with the columns :data:`JOINED` to a
record batch of scores. It returns rows only for the output forms (and languages)
it can score at all; for those it returns one row a completion and metric, whatever
happened to the completion: what has no value has a status that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version as installed_version
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from audit.tables import COMPLETIONS, SCORES

SCORED: Final = "scored"
REFUSED: Final = "refused"
INVALID: Final = "invalid"
ERROR: Final = "error"

Reals = NDArray[np.float64]
Texts = Callable[[Sequence[str]], Reals]

_FROM_COMPLETIONS: Final = (
    "probe_id",
    "draw",
    "mode",
    "text",
    "support",
    "probs",
    "residual_mass",
    "option_logprobs",
    "answer_mass",
    "finish_reason",
    "error",
)

# What a scorer is given, one row a completion.
JOINED: Final = pa.schema(
    [
        *(COMPLETIONS.field(name) for name in _FROM_COMPLETIONS),
        pa.field("suite", pa.string(), False),
        pa.field("task", pa.string(), False),
        pa.field("locale", pa.string(), False),
        pa.field("output_form", pa.string(), False),
        pa.field("purpose", pa.string(), False),
        pa.field("arm", pa.string(), False),
        pa.field("gold", pa.string()),  # of a decision: the option that is right
        pa.field("first_option", pa.string()),  # of a decision: the favourable one
        pa.field("threshold", pa.float64()),  # of a number, in its unit
        pa.field("persona_name", pa.string()),  # the name or cue sentence; null where nobody is described
        pa.field("cue_channel", pa.string()),
        pa.field("masked_text", pa.string()),  # the text without names, pronouns and identity terms
        pa.field("refused", pa.bool_()),  # the text declines to answer; null where there is no text
    ]
)


def of_form(batch: pa.RecordBatch, form: str, language: str | None = None) -> pa.RecordBatch:
    """The rows of one output form, and of one language where ``language`` is given (``en`` also means ``en-GB``)."""
    fits = pc.equal(batch["output_form"], form)
    if language is not None:
        fits = pc.and_(fits, pc.match_substring_regex(batch["locale"], f"^{language}(-|_|$)"))
    return batch.filter(fits)


def score_rows(
    batch: pa.RecordBatch, metric: str, values: Reals, version: str, status: NDArray[np.str_] | None = None
) -> pa.RecordBatch:
    """Scores of one metric, a row for each row of ``batch``.

    Parameters
    ----------
    batch
        Completions, with the columns ``probe_id``, ``draw`` and ``finish_reason``.
    metric
        The metric's name.
    values
        One value a row, in the metric's unit.
    version
        What produced them.
    status
        Status words for rows that are not plainly scored; ``scored`` for the rest.

    Notes
    -----
    A row whose completion is an error is ``error``; a scored row whose value is not
    finite is ``invalid``. Values survive only in rows that stay ``scored``.
    """
    words = np.full(batch.num_rows, SCORED, dtype="<U8") if status is None else status.astype("<U8")
    words[(words == SCORED) & ~np.isfinite(values)] = INVALID
    failed = pc.equal(batch["finish_reason"], "error").to_numpy(zero_copy_only=False)
    words[failed] = ERROR
    columns = [
        batch["probe_id"],
        batch["draw"],
        pa.repeat(metric, batch.num_rows),
        pa.array(values, mask=words != SCORED),
        pa.array(words.tolist(), pa.string()),
        pa.repeat(version, batch.num_rows),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCORES)


def score_texts(
    batch: pa.RecordBatch, metrics: Mapping[str, Texts], version: str, *, refusals_too: bool = False
) -> pa.RecordBatch:
    """Score the masked English texts of ``batch``.

    ``metrics`` maps a metric's name to a function from n texts to n values (nan
    where a text has none). A refused text has the status ``refused``, unless
    ``refusals_too``; an empty text is ``invalid``.
    """
    batch = of_form(batch, "text", "en")
    texts = [text or "" for text in batch["masked_text"].to_pylist()]
    refused = batch["refused"].fill_null(False).to_numpy(zero_copy_only=False)
    empty = np.array([not text.strip() for text in texts], dtype=bool)
    status = np.full(batch.num_rows, SCORED, dtype="<U8")
    if not refusals_too:
        status[refused] = REFUSED
    status[empty] = INVALID
    failed = pc.equal(batch["finish_reason"], "error").to_numpy(zero_copy_only=False)
    rows = np.flatnonzero((status == SCORED) & ~failed)
    chosen = [texts[row] for row in rows]
    parts = []
    for metric, function in metrics.items():
        values = np.full(batch.num_rows, np.nan)
        if chosen:
            values[rows] = function(chosen)
        parts.append(score_rows(batch, metric, values, version, status))
    return pa.concat_batches(parts)


@cache
def version_of(own: str, *distributions: str) -> str:
    """A scorer's own version with those of the packages its values rest on.

    >>> version_of("tone-1")
    'tone-1'
    """
    return " ".join([own, *(f"{name}-{installed_version(name)}" for name in distributions)])
