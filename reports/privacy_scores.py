"""Curves and distributions behind the figures: from the tables ``records`` and ``likelihoods``, not from findings.

They only show how a finding comes about. What does not agree with the finding beside it is
not drawn: a figure must not tell another story than the table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from reports.privacy_labels import ATTACKS
from reports.privacy_values import Curve, Distribution, Measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

LEAST_FPR: Final = 1e-3
_STEPS: Final = 91
# How far a mean of exposures may lie from the finding's, in bits; an AUC from the finding's.
_BITS: Final = 0.05
_AUC: Final = 0.005
_SECRET: Final = "secret"
_PLANTED: Final = pa.array(["canary", "reference"])


def distributions(read: Mapping[str, pa.Table], measures: Sequence[Measure]) -> tuple[Distribution, ...]:
    """Return the exposure of each canary among the references, inserted or not, under each model.

    Needs the place of the secret in each canary; where the mean is not that of the finding,
    the figures are of another kind and nothing is returned for them.
    """
    from audit.privacy.attacks.exposure import exposure

    found = []
    for arm, name in (("target", "likelihoods"), ("base", "likelihoods-base")):
        if "records" not in read or name not in read:
            continue
        planted = read["records"].filter(pc.is_in(read["records"].column("role"), value_set=_PLANTED))
        losses = _secret_losses(read[name], planted.column("record_id").combine_chunks())
        sides: dict[str, list[float]] = {"reference": [], "inserted": [], "not_inserted": []}
        for row in planted.select(["record_id", "role", "inserted"]).to_pylist():
            if row["record_id"] in losses:
                side = "reference" if row["role"] == "reference" else "inserted" if row["inserted"] else "not_inserted"
                if math.isfinite(losses[row["record_id"]]):
                    sides[side].append(losses[row["record_id"]])
        references = sides.pop("reference")
        for category, values in sides.items():
            if not values or not references:
                continue
            bits = exposure(values, references).bits
            if _agrees(float(bits.mean()), "exposure", category, arm, measures, _BITS):
                found.append(Distribution(arm, category, tuple(sorted(bits.tolist()))))
    return tuple(found)


def curves(read: Mapping[str, pa.Table], measures: Sequence[Measure]) -> tuple[Curve, ...]:
    """Return the ROC of each attack on the target, and of the blind baseline where its scores are known."""
    from audit.privacy.attacks.auc import auc_of

    if "records" not in read:
        return ()
    rows = read["records"].to_pylist()
    sides = {row["record_id"]: row["role"] == "member" for row in rows if row["role"] in ("member", "held_out")}
    scores: dict[str, tuple[Reals, Reals]] = {}
    blind = {row["record_id"]: row["blind"] for row in rows if row.get("blind") is not None}
    if blind:
        scores["blind"] = _split(list(blind), list(blind.values()), sides)
    if "likelihoods" in read:
        ids, given = _attacks(read["likelihoods"], read.get("likelihoods-base"), sides)
        scores |= {name: _split(ids, given[name], sides) for name in ATTACKS if name in given}
    found = []
    for name, (members, others) in scores.items():
        if members.size and others.size:
            area = auc_of(members, others)
            if _agrees(area, f"auc:{name}", "member", "target", measures, _AUC):
                found.append(_curve(name, members, others))
    return tuple(found)


def _agrees(value: float, metric: str, category: str, arm: str, measures: Sequence[Measure], within: float) -> bool:
    for measure in measures:
        same = (measure.metric, measure.category, measure.arm, measure.statistic) == (metric, category, arm, "mean")
        if same and measure.axis is None and measure.estimate is not None:
            return abs(measure.estimate - value) <= within
    return False


def _secret_losses(table: pa.Table, ids: pa.Array) -> dict[str, float]:
    """Negative log-likelihood of the secret of each of the passages that has one."""
    found = {}
    table = table.filter(pc.is_in(table.column("passage_id"), value_set=ids))
    for row in table.select(["passage_id", "token_logprobs", "spans"]).to_pylist():
        for span in row["spans"]:
            if span["name"].lower() == _SECRET and span["last"] > span["first"]:
                found[row["passage_id"]] = -sum(row["token_logprobs"][span["first"] : span["last"]])
    return found


def _attacks(
    table: pa.Table, base: pa.Table | None, sides: Mapping[str, bool]
) -> tuple[list[str], Mapping[str, Sequence[float]]]:
    """Each attack's score of every record that has one; higher is more likely a member."""
    import numpy as np

    from audit.privacy.attacks.membership import membership_scores

    known = _tokens(table, ("token_logprobs", "token_z"), sides)
    of_base = {} if base is None else _tokens(base, ("token_logprobs",), sides)
    ids = [name for name, row in known.items() if row["token_logprobs"].size and not _unknown(row)]
    # A base model with another tokenizer scores other tokens: there is nothing to take off.
    same = all(
        name in of_base and of_base[name]["token_logprobs"].size == known[name]["token_logprobs"].size for name in ids
    )
    if not ids:
        return [], {}
    given: dict[str, Any] = {
        "token_z": [known[name]["token_z"] for name in ids],
        "zlib_bytes": np.array([known[name]["zlib_bytes"] for name in ids]),
    }
    if same and not any(_unknown(of_base[name]) for name in ids):
        given["reference_logprobs"] = [of_base[name]["token_logprobs"] for name in ids]
    scores = membership_scores([known[name]["token_logprobs"] for name in ids], **given)
    return ids, {name: values.tolist() for name, values in scores.items()}


def _unknown(row: Mapping[str, Any]) -> bool:
    import numpy as np

    return any(np.isnan(values).any() for name, values in row.items() if name != "zlib_bytes")


def _tokens(table: pa.Table, columns: Sequence[str], sides: Mapping[str, bool]) -> dict[str, dict[str, Any]]:
    """Token figures of members and held-out records as arrays, by passage."""
    import numpy as np

    plain = table.select(["passage_id", "zlib_bytes"]).to_pylist()
    found = {row["passage_id"]: {"zlib_bytes": row["zlib_bytes"]} for row in plain}
    for column in columns:
        lists = table.column(column).combine_chunks()
        values, ends = lists.values.to_numpy(zero_copy_only=False), lists.offsets.to_numpy()
        for row, first, last in zip(plain, ends[:-1], ends[1:], strict=True):
            found[row["passage_id"]][column] = values[first:last].astype(np.float64)
    return {name: row for name, row in found.items() if name in sides}


def _split(ids: Sequence[str], values: Sequence[float], sides: Mapping[str, bool]) -> tuple[Reals, Reals]:
    import numpy as np

    given = np.array(values, float)
    inside = np.array([sides[name] for name in ids], bool)
    finite = np.isfinite(given)
    return given[finite & inside], given[finite & ~inside]


def _curve(name: str, members: Reals, others: Reals) -> Curve:
    """True positive rates on a log grid of false positive rates, at thresholds that never exceed them."""
    import numpy as np

    ordered, inside = np.sort(others)[::-1], np.sort(members)
    grid = np.geomspace(LEAST_FPR, 1.0, _STEPS)
    found = []
    for rate in grid:
        allowed = int(np.floor(rate * others.size + 1e-9))
        # A score above the threshold is called a member: the first that is not allowed must not be.
        threshold = ordered[allowed] if allowed < others.size else -np.inf
        found.append(float((inside.size - np.searchsorted(inside, threshold, side="right")) / inside.size))
    return Curve(name, tuple(grid.tolist()), tuple(found))
