"""What group a model takes a name to be of: the manipulation check, read from exact distributions."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from audit.scorers.decision import answer_mass, p_option
from audit.scorers.rows import of_form, score_rows
from audit.tables import SCORES

VERSION: Final = "inference-1"
PREFIX: Final = "infers:"


def score(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Score probes that ask which group a name is of: ``infers:<group>`` for every group, and ``answer_mass``.

    ``infers:<group>`` is P(group | any of the groups asked about): in each row they sum
    to 1. Where no probability lies on the groups they are ``invalid``.
    """
    batch = of_form(batch, "decision")
    batch = batch.filter(pc.equal(batch["purpose"], "manipulation"))
    if not batch.num_rows:
        return pa.RecordBatch.from_pylist([], SCORES)
    scored = [score_rows(batch, "answer_mass", answer_mass(batch), VERSION)]
    # A row without a distribution has no support; its gold still says a group that was asked about.
    supports = [row or [gold] for row, gold in zip(*(batch[c].to_pylist() for c in ("support", "gold")), strict=True)]
    for group in sorted({group for support in supports for group in support if group is not None}):
        asked = batch.filter(pa.array([group in support for support in supports]))
        values = p_option(asked, pa.array([group] * asked.num_rows, pa.string()))
        scored.append(score_rows(asked, f"{PREFIX}{group}", values, VERSION))
    return pa.concat_batches(scored)
