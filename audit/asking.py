"""Asks the model batch by batch, each answered batch on disk before the next is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from audit import tables
from audit.errors import ConfigError
from audit.manifest import Manifest
from audit.progress import Forecast, Progress
from audit.values import content_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.backends import Backend, Batch


def ask(
    folder: Path,
    backend: Backend,
    key: Mapping[str, Any],
    progress: Progress,
    rows: NDArray[np.int64] | None = None,
) -> pa.Table:
    """Ask batch by batch; each answered batch is a file of its own until all are there.

    ``rows`` of the probes are asked, all when None.
    """
    probes = tables.read("probes", folder / "probes.parquet")
    manifest = Manifest.load(folder)
    manifest.data["model"] = dict(backend.describe())
    manifest.save()
    batches = backend.plan(probes if rows is None else probes.take(pa.array(rows)))
    if rows is not None:  # planned among themselves, but told by their place in the whole table
        batches = [replace(batch, rows=rows[batch.rows]) for batch in batches]
    layout = [(batch.kind, batch.rows.tolist(), batch.draws.tolist()) for batch in batches]
    parts = folder / f"completions.parts-{content_hash([key, layout], 12)}"
    forecast = Forecast(batches)
    answered: dict[int, pa.Table] = {}
    for number, batch in enumerate(batches):
        found = _part(parts, number, batch)
        if found is not None:
            answered[number] = found
            forecast.skip(batch)
    progress.begin("complete", len(batches))
    progress.advance(len(answered), "found on disk" if answered else "", None)
    for number, batch in enumerate(batches):
        if number not in answered:
            table = backend.complete(probes, batch)
            tables.write("completions", table, parts / f"{number:06d}.parquet")
            answered[number] = table
            forecast.finish(batch)
            progress.advance(len(answered), f"{batch.kind}s", forecast.seconds_left())
    return in_order(pa.concat_tables([answered[number] for number in range(len(batches))]), probes)


def _part(parts: Path, number: int, batch: Batch) -> pa.Table | None:
    """An answered batch from disk; one that cannot be read counts as not answered."""
    path = parts / f"{number:06d}.parquet"
    if not path.is_file():
        return None
    try:
        found = tables.read("completions", path)
    except ConfigError:
        return None
    return found if found.num_rows == len(batch.rows) else None


def in_order(completions: pa.Table, probes: pa.Table) -> pa.Table:
    """Sort completions as their probes stand, then by draw."""
    place = pc.index_in(completions.column("probe_id"), probes.column("probe_id").combine_chunks())
    order = pa.table({"place": place, "draw": completions.column("draw")})
    return completions.take(pc.sort_indices(order, sort_keys=[("place", "ascending"), ("draw", "ascending")]))
