"""Who is looked at, and the passages that the models read of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from audit import tables
from audit.privacy.likelihood import Passage, Span
from audit.privacy.material import Material
from audit.privacy.planting import SECRET
from audit.privacy.records import Record, place_of

if TYPE_CHECKING:
    from audit.privacy.planting import Canary, Chat


def records_table(material: Material, seed: int) -> pa.Table:
    """The table ``records``: members, held-out records, canaries and references, in this order.

    ``blind`` is the score of a bag of words that sees the texts and never the model: what it tells
    apart differs between the two sides and was not learnt by the model.
    """
    clusters: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for role, records in (("member", material.members), ("held_out", material.held_out)):
        rows += [_row(record, role, clusters) for record in records]
    for row, score in zip(rows, _blind(material, [row["cluster"] for row in rows], seed), strict=True):
        row["blind"] = score
    if material.ledger is not None:
        for role, canaries in (("canary", material.ledger.canaries), ("reference", material.ledger.references)):
            rows += [_canary_row(canary, role, clusters) for canary in canaries]
    return tables.from_rows("records", rows)


def _row(record: Record, role: str, clusters: dict[str, int]) -> dict[str, Any]:
    customer = f"customer {record.customer}" if record.customer is not None else f"record {record.record_id}"
    return {
        "record_id": record.record_id,
        "role": role,
        "cluster": clusters.setdefault(customer, len(clusters)),
        "attributes": list(record.groups.items()),
        "n_chars": len(record.text),
    }


def _canary_row(canary: Canary, role: str, clusters: dict[str, int]) -> dict[str, Any]:
    return {
        "record_id": canary.canary_id,
        "role": role,
        "inserted": canary.inserted if role == "canary" else None,
        "cluster": clusters.setdefault(f"canary {canary.canary_id}", len(clusters)),
        "attributes": list(canary.groups.items()),
        "n_chars": len(canary.text),
    }


def _blind(material: Material, clusters: Sequence[int], seed: int) -> Sequence[float | None]:
    from audit.privacy.attacks.blind import blind_baseline

    members, held_out = material.members, material.held_out
    if min(len(members), len(held_out)) < 10:
        return [None] * len(clusters)
    texts = [record.text for record in members], [record.text for record in held_out]
    inside, outside = blind_baseline(
        *texts, seed=seed, member_cluster=clusters[: len(members)], non_member_cluster=clusters[len(members) :]
    )
    return [*inside.tolist(), *outside.tolist()]


def passages(material: Material) -> list[Passage]:
    """What the models read: records with the places of known identifiers, canaries with that of their secret."""
    found = [_of_record(record) for record in (*material.members, *material.held_out)]
    if material.ledger is not None:
        chat = material.ledger.chat
        found += [_of_canary(canary, chat) for canary in (*material.ledger.canaries, *material.ledger.references)]
    return found


def trained_on(material: Material) -> Mapping[str, Mapping[str, str]]:
    """Groups of the authors of what stood in the training file, by passage."""
    found = {record.record_id: record.groups for record in material.members}
    canaries: Iterable[Canary] = material.ledger.canaries if material.ledger is not None else ()
    return found | {canary.canary_id: canary.groups for canary in canaries if canary.inserted}


def _of_record(record: Record) -> Passage:
    return Passage(record.record_id, record.text, tuple(_identifiers(record)), record.turns)


def _identifiers(record: Record) -> Iterator[Span]:
    for kind, value in record.identifiers.items():
        start = place_of(value, record.text)
        if start is not None:
            yield Span(kind, start, start + len(value))


def _of_canary(canary: Canary, chat: Chat | None) -> Passage:
    """A canary as it stands in the training: by itself, or as the first turn of a chat."""
    turns = () if chat is None else ((chat.user, canary.text), (chat.assistant, chat.reply))
    text = "\n".join(f"{role}: {content}" for role, content in turns) or canary.text
    start = text.index(canary.text) + canary.text.rindex(canary.secret)
    return Passage(canary.canary_id, text, (Span(SECRET, start, start + len(canary.secret)),), turns)
