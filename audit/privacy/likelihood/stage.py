"""The stage ``likelihoods``: passages and a model to a table of what the model says of each token."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from audit import tables
from audit.backends import models
from audit.backends.protocol import Batch
from audit.config import ModelConfig, Precision
from audit.errors import ConfigError
from audit.manifest import code_hash
from audit.parts import in_parts
from audit.privacy.likelihood.planning import Encoded, encode, plan
from audit.privacy.likelihood.scorer import Adapters, Scorer
from audit.privacy.likelihood.values import Passage
from audit.progress import Progress, Silent
from audit.values import content_hash


def score_passages(
    folder: Path,
    model: ModelConfig | Scorer,
    passages: Sequence[Passage],
    *,
    table: Literal["likelihoods", "likelihoods-base"],
    max_tokens: int = 256,
    batch_tokens: int = 2048,
    precision: Precision = "float32",
    adapters: Adapters = "on",
    progress: Progress | None = None,
) -> pa.Table:
    """Let a model read each passage once.

    Each finished batch is a file in ``folder`` / ``table``.parts-…, so that a run that was
    killed goes on there and ends with the same bytes; the folder is left for the caller
    to remove once the table itself is written.

    Parameters
    ----------
    folder
        The run folder.
    model
        The model, or one that is open already; its own precision then counts.
    passages
        What is read. Those of fewer than two tokens have nothing to score and get no
        row; ``progress`` is told, and :func:`not_scored` names them.
    table
        The name that the caller will give to the table.
    max_tokens
        Tokens of a passage that are read, at most; what follows is left out.
    batch_tokens
        Tokens in one forward pass, padding included.
    adapters
        "off" reads with the base model under the adapters that the model carries.

    Returns
    -------
    The table ``likelihoods`` (see :mod:`audit.tables`), in the order of ``passages``.

    Raises
    ------
    ConfigError
        If the model cannot be used, two passages have one id, or adapters that are to be
        off are not there.
    BackendError
        If the model fails; the finished batches are kept.
    """
    progress = progress or Silent()
    scorer = model if isinstance(model, Scorer) else Scorer(model, precision)
    _check_ids(passages)
    limit = min(max_tokens, scorer.limit or max_tokens)
    encoded = [encode(scorer.tokenizer, passage, limit) for passage in passages]
    batches = plan([len(text.tokens) for text in encoded], batch_tokens)

    def make(batch: Batch) -> pa.Table:
        rows = batch.rows.tolist()
        return read_batch(scorer, [passages[row].passage_id for row in rows], [encoded[row] for row in rows])

    with scorer.adapters(adapters):
        parts = folder / f"{table}.parts-{_key(scorer, adapters, encoded, passages, batches)}"
        found = in_parts(parts, "likelihoods", batches, make, progress, table)
    whole = pa.concat_tables([tables.SCHEMAS["likelihoods"].empty_table(), *found])
    missing = not_scored(passages, whole)
    if missing:
        # The count alone: an id is the hash of what is said, and so short a text is soon guessed.
        progress.warn(f"{len(missing)} passages are too short to be scored")
    return _in_order(whole, passages)


def not_scored(passages: Sequence[Passage], table: pa.Table) -> list[str]:
    """Ids of the passages that ``table`` has no row of: of fewer than two tokens, nothing can be said."""
    scored = set(table.column("passage_id").to_pylist())
    return [passage.passage_id for passage in passages if passage.passage_id not in scored]


def read_batch(scorer: Scorer, names: Sequence[str], texts: Sequence[Encoded]) -> pa.Table:
    """Score one batch: a table of likelihoods, a row for each text."""
    rows = [
        {
            "passage_id": name,
            "n_tokens": len(text.tokens) - 1,
            **scores,
            "zlib_bytes": text.zlib_bytes,
            "spans": [{"name": kind, "first": first, "last": last} for kind, first, last in text.spans],
            "truncated": text.truncated,
        }
        for name, text, scores in zip(names, texts, scorer.score(texts), strict=True)
    ]
    return tables.from_rows("likelihoods", rows)


def _key(
    scorer: Scorer,
    adapters: Adapters,
    encoded: Sequence[Encoded],
    passages: Sequence[Passage],
    batches: Sequence[Batch],
) -> str:
    """Hash of all that the parts depend on."""
    seen = hashlib.sha256()
    for passage, text in zip(passages, encoded, strict=True):
        facts = [passage.passage_id, len(text.tokens), text.spans, text.zlib_bytes, text.truncated]
        seen.update(content_hash(facts).encode() + text.tokens.tobytes())
    layout = [batch.rows.tolist() for batch in batches]
    made = [scorer.precision, scorer.settings.threads, adapters, models.tokenizer_hash(scorer.tokenizer)]
    return content_hash([scorer.identity(), made, code_hash("privacy/likelihood"), seen.hexdigest(), layout], 12)


def _check_ids(passages: Sequence[Passage]) -> None:
    name, count = Counter(passage.passage_id for passage in passages).most_common(1)[0] if passages else ("", 0)
    if count > 1:
        raise ConfigError(f"passage {name!r} stands {count} times; give each an id of its own")


def _in_order(table: pa.Table, passages: Sequence[Passage]) -> pa.Table:
    order = pa.array([passage.passage_id for passage in passages], pa.string())
    place = pc.index_in(table.column("passage_id"), order)
    return table.take(pc.sort_indices(pa.table({"place": place}), sort_keys=[("place", "ascending")])).combine_chunks()
