"""From completions to scores: one file a scorer, each a function from rows to rows.

A scorer is found by its name among the entry points ``evenhand.scorers`` and gets
record batches with the columns :data:`audit.scorers.rows.JOINED`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from audit import plugins
from audit.errors import ConfigError
from audit.scorers.join import joined
from audit.tables import SCORES

if TYPE_CHECKING:
    from audit.config import Config

BUILT_IN: Final = ("agency", "decision", "length", "number", "profanity", "readability", "refusal", "tone")

__all__ = ["BUILT_IN", "score", "stream"]


def score(
    completions: pa.Table, probes: pa.Table, personas: pa.Table, config: Config, *, scorers: Sequence[str] = BUILT_IN
) -> pa.Table:
    """Score every completion with every scorer that fits its probe.

    Parameters
    ----------
    completions, probes, personas
        The tables of a run.
    config
        Its settings; the thresholds of numbers stand in its suites.
    scorers
        Names of scorers, built in or of other packages.

    Returns
    -------
    pa.Table
        Scores in the order of the probes, then by draw, then by metric. A completion
        without a value has a row with a status that says why.

    Raises
    ------
    ConfigError
        If a completion's probe or a probe's persona or suite is not known, a scorer
        is not known, breaks its protocol, or two of them score the same metric.
    """
    return pa.Table.from_batches(stream(completions, probes, personas, config, scorers=scorers), SCORES)


def stream(
    completions: pa.Table, probes: pa.Table, personas: pa.Table, config: Config, *, scorers: Sequence[str] = BUILT_IN
) -> Iterator[pa.RecordBatch]:
    """Like :func:`score`, but a batch at a time, for more rows than fit in memory."""
    functions = {name: plugins.load("scorers", name) for name in scorers}
    for batch in joined(completions, probes, personas, config):
        parts = []
        for name, function in functions.items():
            part = function(batch)
            if not isinstance(part, pa.RecordBatch) or part.schema != SCORES:
                raise ConfigError(f"scorers: {name!r} of {plugins.origin('scorers', name)} returned no batch of scores")
            parts.append(part)
        table = pa.Table.from_batches(parts, SCORES)
        yield from _ordered(table, batch["probe_id"]).to_batches(max_chunksize=max(table.num_rows, 1))


def _ordered(scores: pa.Table, probe_ids: pa.Array) -> pa.Table:
    """Sort scores by probe as they come in ``probe_ids``, then by draw, then by metric."""
    keys = ["place", "draw", "metric"]
    table = scores.append_column("place", pc.index_in(scores["probe_id"], value_set=pc.unique(probe_ids)))
    if table.num_rows and table.group_by(keys).aggregate([]).num_rows != table.num_rows:
        twice = next(
            row for row in table.group_by(keys).aggregate([([], "count_all")]).to_pylist() if row["count_all"] > 1
        )
        raise ConfigError(f"scorers: two scorers give the metric {twice['metric']!r}; name only one of them")
    return table.sort_by([(key, "ascending") for key in keys]).select(SCORES.names).combine_chunks()
