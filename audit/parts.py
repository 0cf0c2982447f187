"""Work in batches, each finished batch a file of its own, so that a run that was stopped goes on there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from audit import tables
from audit.backends.protocol import Batch
from audit.errors import ConfigError
from audit.progress import Forecast, Progress


def in_parts(
    parts: Path, kind: str, batches: Sequence[Batch], make: Callable[[Batch], pa.Table], progress: Progress, stage: str
) -> list[pa.Table]:
    """Return the table of each of ``batches``; ``make`` makes those that do not lie in the folder ``parts`` yet.

    The folder's name must change with whatever the tables depend on. It is left as it
    is: who vouches for the whole may remove it.

    Parameters
    ----------
    kind
        The table that the parts are of, as in :data:`audit.tables.SCHEMAS`; each has one
        row for each of its batch's.
    stage
        What ``progress`` is told that goes on.
    """
    forecast = Forecast(batches)
    finished: dict[int, pa.Table] = {}
    for number, batch in enumerate(batches):
        found = _part(parts, number, kind, batch)
        if found is not None:
            finished[number] = found
            forecast.skip(batch)
    progress.begin(stage, len(batches))
    progress.advance(len(finished), "found on disk" if finished else "", None)
    for number, batch in enumerate(batches):
        if number not in finished:
            table = make(batch)
            tables.write(kind, table, parts / f"{number:06d}.parquet")
            finished[number] = table
            forecast.finish(batch)
            progress.advance(len(finished), f"{batch.kind}s", forecast.seconds_left())
    return [finished[number] for number in range(len(batches))]


def _part(parts: Path, number: int, kind: str, batch: Batch) -> pa.Table | None:
    """A finished batch from disk; one that cannot be read counts as not finished."""
    path = parts / f"{number:06d}.parquet"
    if not path.is_file():
        return None
    try:
        found = tables.read(kind, path)
    except ConfigError:
        return None
    return found if found.num_rows == len(batch.rows) else None
