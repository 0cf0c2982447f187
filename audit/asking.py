"""Asks the model batch by batch, each answered batch on disk before the next is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from audit import tables
from audit.manifest import Manifest
from audit.parts import in_parts
from audit.progress import Progress
from audit.values import content_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.backends import Backend


def ask(
    folder: Path,
    backend: Backend,
    key: Mapping[str, Any],
    progress: Progress,
    rows: NDArray[np.int64] | None = None,
    *,
    about: str = "model",
    table: str = "probes",
) -> pa.Table:
    """Ask batch by batch; each answered batch is a file of its own until all are there.

    ``rows`` of the probes are asked, all when None. ``about`` is what the manifest
    calls the model's description, ``table`` the one that holds the probes.
    """
    probes = tables.read("probes", folder / f"{table}.parquet")
    manifest = Manifest.load(folder)
    manifest.data[about] = dict(backend.describe())
    manifest.save()
    batches = backend.plan(probes if rows is None else probes.take(pa.array(rows)))
    if rows is not None:  # planned among themselves, but told by their place in the whole table
        batches = [replace(batch, rows=rows[batch.rows]) for batch in batches]
    layout = [(batch.kind, batch.rows.tolist(), batch.draws.tolist()) for batch in batches]
    parts = folder / f"completions.parts-{content_hash([key, layout], 12)}"
    answered = in_parts(
        parts, "completions", batches, lambda batch: backend.complete(probes, batch), progress, "complete"
    )
    return in_order(pa.concat_tables(answered), probes)


def in_order(completions: pa.Table, probes: pa.Table) -> pa.Table:
    """Sort completions as their probes stand, then by draw."""
    place = pc.index_in(completions.column("probe_id"), probes.column("probe_id").combine_chunks())
    order = pa.table({"place": place, "draw": completions.column("draw")})
    return completions.take(pc.sort_indices(order, sort_keys=[("place", "ascending"), ("draw", "ascending")]))
