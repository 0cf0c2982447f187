"""From completions to scores: one file a scorer, each a function from rows to rows.

A scorer is found by its name among the entry points ``evenhand.scorers`` and gets
record batches with the columns :data:`audit.scorers.rows.JOINED`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from audit import plugins
from audit.errors import ConfigError
from audit.scorers.checks import check_batches, has_texts
from audit.scorers.join import joined
from audit.scorers.masking import Mask, mask
from audit.tables import CHECKS, SCORES

if TYPE_CHECKING:
    from audit.config import Config

BUILT_IN: Final = (
    *("agency", "decision", "inference", "length", "number", "profanity", "readability", "refusal", "tone"),
)

__all__ = ["BUILT_IN", "checked_locales", "score", "score_checks", "stream"]


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
        table = _scored(batch, functions)
        yield from _ordered(table, batch["probe_id"]).to_batches(max_chunksize=max(table.num_rows, 1))


def checked_locales(probes: pa.Table) -> tuple[str, ...]:
    """The locales in which texts are asked for and there are fixed texts to check the scorers with."""
    texts = pc.and_(pc.equal(probes["output_form"], "text"), pc.equal(probes["purpose"], "audit"))
    return tuple(filter(has_texts, sorted(pc.unique(probes["locale"].filter(texts)).to_pylist())))


def score_checks(
    probes: pa.Table, personas: pa.Table, *, scorers: Sequence[str] = BUILT_IN, mask: Mask = mask
) -> pa.Table:
    """Score the fixed texts in which only the identity is swapped, by the same way as the answers.

    Parameters
    ----------
    probes, personas
        The tables of a run: in which locales texts are asked for, and who is swapped.
    scorers
        Names of scorers, those that score the answers.
    mask
        What takes the identity out of a text; another shows what the scorers would do without it.

    Returns
    -------
    pa.Table
        The table ``checks``: a row for each text, persona and metric.
    """
    functions = {name: plugins.load("scorers", name) for name in scorers}
    found = []
    for locale in checked_locales(probes):
        for texts, batch in check_batches(personas, locale, mask=mask):
            scores = _scored(batch, functions)
            place = {(row["probe_id"], row["draw"]): text for text, row in zip(texts, _keys(batch), strict=True)}
            columns = {name: scores[name] for name in ("metric", "value", "status", "scorer_version")}
            columns["text_id"] = pa.array([place[row["probe_id"], row["draw"]] for row in _keys(scores)], pa.string())
            columns |= {"persona_id": scores["probe_id"], "locale": pa.repeat(locale, scores.num_rows)}
            found.append(pa.table({name: columns[name] for name in CHECKS.names}, CHECKS))
    return pa.concat_tables(found) if found else CHECKS.empty_table()


def _keys(rows: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = rows.select(["probe_id", "draw"]).to_pylist()
    return keys


def _scored(batch: pa.RecordBatch, functions: Mapping[str, Callable[..., Any]]) -> pa.Table:
    parts = []
    for name, function in functions.items():
        part = function(batch)
        if not isinstance(part, pa.RecordBatch) or part.schema != SCORES:
            raise ConfigError(f"scorers: {name!r} of {plugins.origin('scorers', name)} returned no batch of scores")
        parts.append(part)
    return pa.Table.from_batches(parts, SCORES)


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
