"""The rows of a file, whatever its kind: JSON lines, CSV or parquet. Read and written as a stream."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Final

from audit.errors import ConfigError
from audit.privacy.records.delimited import read_delimited, read_header
from audit.privacy.records.lines import read_lines
from audit.privacy.records.parquet import read_parquet, read_schema, write_parquet
from audit.privacy.records.problems import NOT_AN_OBJECT, NOT_JSON, OnBad, Problems, Report, reporter
from audit.privacy.records.values import encodable
from audit.tables import replacing

KINDS: Final = {".jsonl": "json", ".ndjson": "json", ".json": "json", ".csv": "csv", ".tsv": "csv"}
LOOKED_AT: Final = 200  # rows of a JSON file whose keys are taken for its columns


@dataclass(frozen=True, slots=True)
class Row:
    """A row and the number of the line it begins on, from 1 (in parquet the row's own)."""

    number: int
    data: dict[str, Any]


def read_rows(path: Path, *, on_bad: OnBad = "fail", problems: Problems | None = None) -> Iterator[Row]:
    """Stream the rows of ``path``; its kind is told by its ending.

    Known are .jsonl, .ndjson and .json (one object a line), .csv and .tsv (UTF-8, a first
    line with the column names), each of them with .gz too, and .parquet. Blank lines say nothing and are
    passed over. No more than 1 MB of a line is held.

    Parameters
    ----------
    on_bad
        "fail": a line that is no row is an error. "skip": it is left out and counted.
    problems
        Where bad lines are counted.

    Raises
    ------
    ConfigError
        If the file cannot be read or is of an unknown kind, or at the first bad line.
    """
    path, report = Path(path), reporter(Path(path), on_bad, problems)
    read = {"json": _read_json, "csv": read_delimited, "parquet": read_parquet}[kind_of(path)]
    return (Row(number, data) for number, data in read(path, report))


def write_rows(
    path: Path,
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str] | None = None,
    *,
    like: Path | None = None,
) -> Path:
    """Write ``rows`` to ``path`` in the kind of its ending, in one step (never half a file).

    The same rows give the same bytes. In JSON a row keeps the columns it has; CSV writes an absent or
    null value as an empty field and a nested one as JSON; parquet writes null.

    Parameters
    ----------
    columns
        What to write, in this order; of the first row where not given.
    like
        A parquet file whose column types are kept.

    Raises
    ------
    ConfigError
        If the file cannot be written, is of an unknown kind, a row has a column that is
        not among ``columns``, or its value does not fit its column's type.
    """
    path, kind = Path(path), kind_of(Path(path))
    if columns is None and kind != "json":
        stream = iter(rows)
        first = next(stream, None)
        columns, rows = list(first or ()), chain([] if first is None else [first], stream)
    checked = _checked(path, rows, columns)
    with replacing(path) as temporary:
        if kind == "parquet":
            schema = read_schema(like) if like is not None and kind_of(like) == "parquet" else None
            write_parquet(temporary, checked, columns or (), schema, path)
            return path
        with _writing(temporary, packed=path.suffix == ".gz") as file:
            if kind == "json":
                file.writelines(map(_json_line, checked))
            else:
                _write_delimited(file, checked, columns or (), "\t" if ".tsv" in path.suffixes else ",")
    return path


def columns_of(path: Path) -> tuple[str, ...]:
    """The columns of a file: of its header or schema; in JSON the keys of its first good rows.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a JSON file has no good row.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "csv":
        return tuple(read_header(path)[0])
    if kind == "parquet":
        return tuple(read_schema(path).names)
    problems = Problems()
    found: dict[str, None] = {}
    for row in islice(read_rows(path, on_bad="skip", problems=problems), LOOKED_AT):
        found.update(dict.fromkeys(row.data))
    if not found:
        why = "; ".join(problems.lines()) or "it is empty"
        raise ConfigError(f"{path}: no good line in it ({why}); write one JSON object a line, in UTF-8")
    return tuple(found)


def kind_of(path: Path) -> str:
    """json, csv or parquet, by the ending of ``path``.

    >>> kind_of(Path("a.jsonl")), kind_of(Path("a.csv.gz")), kind_of(Path("a.PARQUET"))
    ('json', 'csv', 'parquet')
    """
    ending = Path(path.stem).suffix.lower() if path.suffix == ".gz" else path.suffix.lower()
    if ending == ".parquet" and path.suffix != ".gz":
        return "parquet"
    if ending not in KINDS:
        raise ConfigError(f"{path}: unknown kind of file; known are {', '.join(KINDS)} (with .gz too) and .parquet")
    return KINDS[ending]


def _read_json(path: Path, report: Report) -> Iterator[tuple[int, dict[str, Any]]]:
    for line in read_lines(path):
        if line.fault:
            report(line.number, line.fault)
            continue
        if not line.text.strip():
            continue
        try:
            data = json.loads(line.text)
        except (ValueError, RecursionError):
            data = None
        if line.number == 1 and line.text.lstrip().startswith("[") and (not data or isinstance(data[0], dict)):
            raise ConfigError(f"{path}: is one JSON array; write one object a line (jq -c '.[]' does it)")
        if isinstance(data, dict):
            yield line.number, data
        else:
            report(line.number, NOT_JSON if data is None else NOT_AN_OBJECT)


@contextmanager
def _writing(path: Path, *, packed: bool) -> Iterator[IO[str]]:
    with path.open("wb") as raw:
        # No name and no time in the gzip header: the same rows give the same bytes.
        target: IO[bytes] = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if packed else raw  # type: ignore[assignment]
        file = io.TextIOWrapper(target, encoding="utf-8", newline="")
        yield file
        file.close()


def _checked(
    path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None
) -> Iterator[Mapping[str, Any]]:
    known = set(columns or ())
    for number, row in enumerate(rows, 1):
        if columns is None:
            yield row
            continue
        if not row.keys() <= known:
            extra = sorted(row.keys() - known)[0]
            raise ConfigError(f"{path}: row {number:,} has the column {extra!r}, which is not to be written; name it")
        yield {name: row[name] for name in columns if name in row}


def _json_line(row: Mapping[str, Any]) -> str:
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate: only an escape can write it
        line = json.dumps(row)
    return line + "\n"


def _write_delimited(file: IO[str], rows: Iterable[Mapping[str, Any]], columns: Sequence[str], delimiter: str) -> None:
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_field(row.get(name)) for name in columns])


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping | list | tuple):
        return _json_line(value).rstrip("\n")  # type: ignore[arg-type]
    return encodable(value if isinstance(value, str) else str(value))
