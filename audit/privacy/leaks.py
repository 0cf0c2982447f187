"""The likeliest of what a model knows by heart, in words, for whom it concerns to look at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from audit import tables
from audit.config import PrivacyConfig
from audit.privacy.attacks.suffixes import suffix_range
from audit.privacy.likelihood import Passage
from audit.privacy.likelihood.planning import characters
from audit.privacy.planting import SECRET

SHOWN: Final = 50
# What is less likely than this in a single sample is no leak to show.
_LEAST: Final = 0.01
# Characters before a leak that are shown with it.
_BEFORE: Final = 160


def leaks(
    passages: Sequence[Passage],
    likelihoods: pa.Table,
    attributes: Mapping[str, Mapping[str, str]],
    settings: PrivacyConfig,
    tokenizer: Any,
) -> pa.Table:
    """The table ``leaks``: the likeliest suffixes, identifiers and secrets of ``passages``, at most fifty.

    ``attributes`` maps the passages that were in the training to their authors' groups; others are
    passed over.
    """
    known = {passage.passage_id: passage for passage in passages if passage.passage_id in attributes}
    rows = []
    for row in likelihoods.to_pylist():
        passage = known.get(row["passage_id"])
        if passage is not None:
            rows += list(_of(passage, row, settings, tokenizer))
    rows.sort(key=lambda row: (-row["probability"], row["passage_id"], row["kind"], row["type"] or ""))
    # A kind that is learnt better must not crowd the others out.
    shown: list[dict[str, Any]] = []
    for kind in ("suffix", "identifier", "canary"):
        shown += [row for row in rows if row["kind"] == kind][: SHOWN // 3]
    for row in shown:
        row["attributes"] = list(attributes[row["passage_id"]].items())
    return tables.from_rows("leaks", shown)


def _of(passage: Passage, row: Mapping[str, Any], settings: PrivacyConfig, tokenizer: Any) -> Iterator[dict[str, Any]]:
    logprobs, greedy = np.array(row["token_logprobs"]), np.array(row["greedy"])
    places = {span.name: (span.start, span.end) for span in passage.spans}
    for span in row["spans"]:
        first, last = span["first"], span["last"]
        kind = "canary" if span["name"] == SECRET else "identifier"
        probability = math.exp(float(logprobs[first:last].sum()))
        if span["name"] in places and probability >= _LEAST:
            named = None if kind == "canary" else span["name"]
            place = (passage.text, *places[span["name"]])
            yield _row(passage, kind, named, place, probability, bool(greedy[first:last].all()))
    found = suffix_range(row["n_tokens"], settings.prefix, settings.suffix)
    if found is None or SECRET in places:
        return
    probability = math.exp(float(logprobs[slice(*found)].sum()))
    if probability >= _LEAST:
        read = characters(tokenizer, passage, found)
        if read is not None:
            yield _row(passage, "suffix", None, read, probability, bool(greedy[slice(*found)].all()))


def _row(
    passage: Passage, kind: str, named: str | None, place: tuple[str, int, int], probability: float, greedy: bool
) -> dict[str, Any]:
    text, start, end = place
    return {
        "passage_id": passage.passage_id,
        "kind": kind,
        "type": named,
        "prefix": text[max(0, start - _BEFORE) : start],
        "leaked": text[start:end],
        "probability": probability,
        "greedy": greedy,
    }
