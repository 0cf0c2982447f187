"""Rows of a parquet file, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import ConfigError, first_line
from audit.privacy.records.problems import NOT_UTF8, Report
from audit.privacy.records.values import encodable

BATCH: Final = 256  # rows in memory while reading
GROUP: Final = 4_096  # rows in memory while writing


def read_schema(path: Path) -> pa.Schema:
    """Return the column names and types of a parquet file."""
    try:
        return pq.read_schema(path)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; check the path") from error
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def read_parquet(path: Path, report: Report) -> Iterator[tuple[int, dict[str, Any]]]:
    """Stream (row number from 1, column -> value)."""
    read_schema(path)
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                for row in _rows(batch):
                    number += 1
                    if row is None:
                        report(number, NOT_UTF8)
                    else:
                        yield number, row
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def write_parquet(
    target: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], schema: pa.Schema | None, path: Path
) -> None:
    """Write rows in groups to ``target``; a column's type is that of ``schema``, else of its first values.

    ``path`` is what an error calls the file.

    Raises
    ------
    ConfigError
        If a value is of another type than its column.
    """
    stream = iter(rows)
    first = list(islice(stream, GROUP))
    types = _types(path, first, columns, schema)
    with pq.ParquetWriter(target, types, compression="zstd") as writer:
        for group in chain([first], iter(lambda: list(islice(stream, GROUP)), [])):
            arrays = [_array(path, types.field(name), group) for name in types.names]
            writer.write_table(pa.table(arrays, schema=types))


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | None]:
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for start in range(batch.num_rows):
            try:
                yield batch.slice(start, 1).to_pylist()[0]
            except UnicodeDecodeError:
                yield None


def _types(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], known: pa.Schema | None) -> pa.Schema:
    fields = []
    for name in columns:
        if known is not None and name in known.names:
            fields.append(known.field(name).with_nullable(True))
            continue
        try:
            kind = pa.array([_clean(row.get(name)) for row in rows]).type
        except (pa.ArrowException, OverflowError) as error:
            raise ConfigError(f"{path}: column {name!r}: its values are of several types; write JSONL") from error
        fields.append(pa.field(name, pa.string() if pa.types.is_null(kind) else kind))
    return pa.schema(fields)


def _array(path: Path, field: pa.Field, rows: Sequence[Mapping[str, Any]]) -> pa.Array:
    try:
        return pa.array([_clean(row.get(field.name)) for row in rows], field.type)
    except (pa.ArrowException, OverflowError) as error:
        raise ConfigError(f"{path}: column {field.name!r}: a value is no {field.type}; write JSONL") from error


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{path}: not a readable parquet file ({first_line(error)}); write or get it again")
