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
    paths = [parts / f"{number:06d}.parquet" for number in range(len(batches))]
    finished = {number for number, batch in enumerate(batches) if _is_finished(paths[number], kind, batch)}
    for number in finished:
        forecast.skip(batches[number])
    progress.begin(stage, len(batches))
    progress.advance(len(finished), "found on disk" if finished else "", None)
    for number, batch in enumerate(batches):
        if number not in finished:
            tables.write(kind, make(batch), paths[number])
            finished.add(number)
            forecast.finish(batch)
            progress.advance(len(finished), f"{batch.kind}s", forecast.seconds_left())
    # Read only now: small tables held while a model works scatter over memory and take many times their size.
    return [tables.read(kind, path) for path in paths]


def _is_finished(path: Path, kind: str, batch: Batch) -> bool:
    """Whether a batch lies on disk; one that cannot be read does not count."""
    if not path.is_file():
        return False
    try:
        return bool(tables.read(kind, path).num_rows == len(batch.rows))
    except ConfigError:
        return False
