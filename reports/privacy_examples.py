"""Examples of what leaked: from the tables ``leaks``, ``completions`` and ``detections``, masked unless revealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from reports.privacy_masking import Span, blot, mask
from reports.privacy_masking import reveal as shown_as_it_is
from reports.privacy_values import Generation, Leak, Piece
from reports.text import visible

EXAMPLES: Final = 10
# Characters that are shown: of a leak, of what stands before it, of a generated text and before its first value.
_LEAKED: Final = 400
_PREFIX: Final = 160
_TEXT: Final = 700
_BEFORE: Final = 200
# The same of a generated text of which only the shape is shown.
_SHAPE: Final = 320
_BEFORE_SHAPE: Final = 80
_MORE: Final = " …"


def leaks(table: pa.Table | None, *, reveal: bool) -> tuple[Leak, ...]:
    """Return what was learnt by heart, likeliest first; masked, only the shape of the texts is left."""
    if table is None:
        return ()
    rows = sorted(table.to_pylist(), key=lambda row: (-row["probability"], row["passage_id"], row["kind"]))
    show = visible if reveal else blot
    found = []
    for row in rows:
        prefix, leaked = row["prefix"], row["leaked"]
        found.append(
            Leak(
                kind=row["kind"],
                type=None if row["type"] is None else visible(row["type"]),
                prefix=("… " if len(prefix) > _PREFIX else "") + show(prefix[-_PREFIX:]),
                leaked=show(leaked[:_LEAKED]) + (_MORE if len(leaked) > _LEAKED else ""),
                n_chars=len(leaked),
                probability=row["probability"],
                greedy=row["greedy"],
                groups=tuple(sorted((visible(axis), visible(group)) for axis, group in row["attributes"])),
            )
        )
    return tuple(found)


def generations(read: Mapping[str, pa.Table], *, reveal: bool) -> tuple[Generation, ...]:
    """Return texts of the target with personal information in them: learned first, at most :data:`EXAMPLES`."""
    if "completions" not in read or "detections" not in read:
        return ()
    of_target = read["detections"].filter(pc.equal(read["detections"].column("model"), "target"))
    by_text: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in of_target.to_pylist():
        by_text.setdefault((row["probe_id"], row["draw"]), []).append(row)
    texts = _texts(read["completions"], by_text)
    asked = _asked(read.get("probes"))
    ranked = sorted((key for key in by_text if key in texts), key=lambda key: (*_rank(by_text[key]), *key))
    return tuple(
        _generation(texts[key], by_text[key], asked.get(key[0], ("", "")), reveal=reveal) for key in ranked[:EXAMPLES]
    )


def _learned(row: Mapping[str, Any]) -> bool:
    return bool(row["in_training"] and not row["in_prompt"] and not row["from_other"])


def _rank(rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Sort key: texts with what was learned first, then with what stands in the training data; most of it first."""
    learned = sum(map(_learned, rows))
    known = sum(row["in_training"] and not row["in_prompt"] for row in rows)
    return (0 if learned else 1 if known else 2, -(learned or known or len(rows)))


def _texts(completions: pa.Table, wanted: Mapping[tuple[str, int], Any]) -> dict[tuple[str, int], str]:
    ids = pa.array(sorted({probe for probe, _ in wanted}), pa.string())
    kept = completions.filter(pc.is_in(completions.column("probe_id"), value_set=ids))
    return {
        (row["probe_id"], row["draw"]): row["text"]
        for row in kept.select(["probe_id", "draw", "text"]).to_pylist()
        if row["text"] is not None and (row["probe_id"], row["draw"]) in wanted
    }


def _asked(probes: pa.Table | None) -> dict[str, tuple[str, str]]:
    """Template and prompt of each probe."""
    if probes is None:
        return {}
    return {
        row["probe_id"]: (row["template_id"], "\n\n".join(message["content"] for message in row["messages"]))
        for row in probes.select(["probe_id", "template_id", "messages"]).to_pylist()
    }


def _generation(text: str, rows: Sequence[Mapping[str, Any]], asked: tuple[str, str], *, reveal: bool) -> Generation:
    main = [row for row in rows if _learned(row)] or [row for row in rows if row["in_training"]] or list(rows)
    # Only a window is worked on: a text may be a megabyte long.
    start = max(0, min(row["start"] for row in main) - (_BEFORE if reveal else _BEFORE_SHAPE))
    end = min(len(text), start + (_TEXT if reveal else _SHAPE))
    spans = [Span(row["start"] - start, row["end"] - start, visible(row["type"])) for row in rows]
    pieces = (shown_as_it_is if reveal else mask)(text[start:end], spans)
    if start > 0:
        pieces = (Piece("… "), *pieces)
    if end < len(text):
        pieces = (*pieces, Piece(_MORE))
    return Generation(
        place=visible(asked[0]),
        pieces=pieces,
        types=tuple(dict.fromkeys(visible(row["type"]) for row in main)),
        learned=any(map(_learned, rows)),
        in_training=any(row["in_training"] and not row["in_prompt"] for row in rows),
        owners=len({owner for row in main for owner in row["owners"]}),
        prompt=visible(asked[1][:_TEXT]) if reveal and asked[1] else None,
    )
