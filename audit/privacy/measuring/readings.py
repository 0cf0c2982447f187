"""What a model said of each record, as arrays, in the order of the table ``records``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from audit.privacy.measuring.rows import Model

Role = Literal["member", "held_out", "canary", "reference"]
Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """One record and what a model said of its scored tokens: (tokens,) arrays.

    ``spans`` are (name, first, last), tokens [first, last). ``inserted`` is null but for canaries.
    """

    record_id: str
    role: Role
    inserted: bool | None
    cluster: int
    groups: Mapping[str, str]
    blind: float | None
    logprobs: Reals
    z: Reals
    greedy: NDArray[np.bool_]
    zlib_bytes: int
    spans: tuple[tuple[str, int, int], ...]


def readings(records: pa.Table, likelihoods: pa.Table) -> list[Reading]:
    """Join the two tables; a record that the model could not score is left out."""
    said = {row["passage_id"]: row for row in likelihoods.to_pylist()}
    return [_reading(row, said[row["record_id"]]) for row in records.to_pylist() if row["record_id"] in said]


def of_role(every: Iterable[Reading], role: Role, *, inserted: bool | None = None) -> list[Reading]:
    """Those of one role; of canaries all, or those whose coin fell so."""
    return [one for one in every if one.role == role and (inserted is None or one.inserted == inserted)]


def models(target: Sequence[Reading], base: Sequence[Reading] | None) -> Iterator[tuple[Model, Sequence[Reading]]]:
    """What each model said; the one from before is passed over where there is none."""
    yield "target", target
    if base is not None:
        yield "base", base


def clusters(some: Iterable[Reading]) -> NDArray[np.int64]:
    """The customers of records, (records,)."""
    return np.array([one.cluster for one in some], np.int64)


def axes(some: Iterable[Reading]) -> list[str]:
    """The axes that authors are grouped by."""
    return sorted({axis for one in some for axis in one.groups})


def labels(some: Iterable[Reading], axis: str) -> NDArray[np.object_]:
    """The authors' groups on an axis, (records,); None where it is not known."""
    return np.array([one.groups.get(axis) for one in some], object)


def _reading(record: Mapping[str, Any], said: Mapping[str, Any]) -> Reading:
    return Reading(
        record_id=record["record_id"],
        role=record["role"],
        inserted=record["inserted"],
        cluster=record["cluster"],
        groups=dict(record["attributes"]),
        blind=record["blind"],
        logprobs=np.array(said["token_logprobs"], float),
        z=np.array(said["token_z"], float),
        greedy=np.array(said["greedy"], bool),
        zlib_bytes=said["zlib_bytes"],
        spans=tuple((span["name"], span["first"], span["last"]) for span in said["spans"]),
    )
