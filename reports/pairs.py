"""The worst pairs: two probes of one block that differ in the customer alone, far apart in their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from reports.text import visible
from reports.values import Pair, Side

if TYPE_CHECKING:
    import pandas as pd

MOST = 200
# What a pair is ranked by, and what a person is shown of it.
RANKED = {
    "decision": ("log_odds", "p_favourable"),
    "number": ("expected_number", "expected_number"),
    "text": ("tone", "tone"),
}


def worst_pairs(
    probes: pa.Table, personas: pa.Table, completions: pa.Table, scores: pa.Table, reference: Mapping[str, str]
) -> dict[str, tuple[Pair, ...]]:
    """Return each task's pairs with the largest difference, at most :data:`MOST` in all.

    A pair has one side in the axis's reference group. In each block, axis and group only
    the most distant pair counts, so that one odd wording does not fill the list; the
    places are shared evenly over tasks and axes. Explicit cues are paired within a phrasing.
    """
    candidates = {task: _candidates(part, personas, scores, reference) for task, part in _by_task(probes)}
    candidates = {task: found for task, found in candidates.items() if len(found)}
    shares = sum(found["axis"].nunique() for found in candidates.values())
    if not shares:
        return {}
    each = max(1, min(8, MOST // shares))
    chosen = {
        task: found.groupby("axis", sort=True)
        .head(each)
        .sort_values(["size", "left", "right"], ascending=[False, True, True])
        for task, found in candidates.items()
    }
    wanted = {probe for found in chosen.values() for side in ("left", "right") for probe in found[side]}
    known = _details(wanted, probes, personas, completions)
    result: dict[str, tuple[Pair, ...]] = {}
    left_over = MOST
    for task, found in sorted(chosen.items()):
        rows = found.head(left_over).to_dict("records")
        left_over -= len(rows)
        result[task] = tuple(_pair(task, row, known) for row in rows)
    return result


def _by_task(probes: pa.Table) -> list[tuple[str, pa.Table]]:
    tasks = sorted(pc.unique(probes.column("task")).to_pylist())
    kept = probes.filter(pc.and_(pc.equal(probes.column("arm"), "target"), pc.is_valid(probes.column("persona_id"))))
    return [(task, kept.filter(pc.equal(kept.column("task"), task))) for task in tasks]


def _candidates(probes: pa.Table, personas: pa.Table, scores: pa.Table, reference: Mapping[str, str]) -> pd.DataFrame:
    """One row a (block, axis, group): the most distant pair, largest distance first."""
    import pandas as pd

    forms = pc.unique(probes.column("output_form")).to_pylist()
    metric, shown = RANKED.get(forms[0] if forms else "", ("", ""))
    cells = _cells(probes, scores, metric, shown)
    members = _members(personas, reference)
    if cells.empty or members.empty:
        return pd.DataFrame()
    cells = cells.merge(members, on="persona_id")
    keys = ["block_id", "axis", "cue_id"]
    base = cells[cells["group"] == cells["reference"]]
    rest = cells[cells["group"] != cells["reference"]]
    found = []
    # The most distant pair of two sets is top against bottom or bottom against top.
    for upper, lower in ((rest, base), (base, rest)):
        by_upper = [*keys, "group"] if upper is rest else keys
        by_lower = [*keys, "group"] if lower is rest else keys
        top = upper.sort_values(["value", "probe_id"], ascending=[False, True]).groupby(by_upper, sort=False).head(1)
        bottom = lower.sort_values(["value", "probe_id"]).groupby(by_lower, sort=False).head(1)
        both = top.merge(bottom, on=keys, suffixes=("_top", "_bottom"))
        side = ("top", "bottom") if upper is rest else ("bottom", "top")
        found.append(
            pd.DataFrame(
                {
                    "block_id": both["block_id"],
                    "axis": both["axis"],
                    "group": both[f"group_{side[0]}"],
                    "reference": both[f"group_{side[1]}"],
                    "left": both[f"probe_id_{side[0]}"],
                    "right": both[f"probe_id_{side[1]}"],
                    "left_draw": both[f"draw_{side[0]}"],
                    "right_draw": both[f"draw_{side[1]}"],
                    "left_value": both[f"value_{side[0]}"],
                    "right_value": both[f"value_{side[1]}"],
                    "left_shown": both[f"shown_{side[0]}"],
                    "right_shown": both[f"shown_{side[1]}"],
                    "size": both["value_top"] - both["value_bottom"],
                }
            )
        )
    table = pd.concat(found, ignore_index=True)
    table["metric"], table["shown_metric"] = metric, shown
    table = table[table["size"] > 0].sort_values(["size", "left", "right"], ascending=[False, True, True])
    return table.drop_duplicates(["block_id", "axis", "group"])


def _cells(probes: pa.Table, scores: pa.Table, metric: str, shown: str) -> pd.DataFrame:
    scored = scores.filter(
        pc.and_(pc.equal(scores.column("metric"), metric), pc.equal(scores.column("status"), "scored"))
    )
    cells = probes.select(["probe_id", "block_id", "persona_id"]).to_pandas()
    cells = cells.merge(scored.select(["probe_id", "draw", "value"]).to_pandas(), on="probe_id")
    if shown == metric:
        return cells.assign(shown=cells["value"])
    other = scores.filter(pc.equal(scores.column("metric"), shown)).select(["probe_id", "draw", "value"]).to_pandas()
    return cells.merge(other.rename(columns={"value": "shown"}), on=["probe_id", "draw"], how="left")


def _members(personas: pa.Table, reference: Mapping[str, str]) -> pd.DataFrame:
    """One row a persona and axis; names share the empty phrasing."""
    import pandas as pd

    rows = [
        {
            "persona_id": row["persona_id"],
            "axis": axis,
            "group": group,
            "reference": reference[axis],
            "cue_id": row["cue_id"] or "",
        }
        for row in personas.select(["persona_id", "attributes", "cue_id"]).to_pylist()
        for axis, group in row["attributes"]
        if axis in reference
    ]
    return pd.DataFrame(rows)


def _details(wanted: set[str], probes: pa.Table, personas: pa.Table, completions: pa.Table) -> dict[str, Any]:
    ids = pa.array(sorted(wanted), pa.string())
    names = {row["persona_id"]: row["name"] for row in personas.select(["persona_id", "name"]).to_pylist()}
    asked = probes.filter(pc.is_in(probes.column("probe_id"), value_set=ids)).to_pylist()
    said = completions.filter(pc.is_in(completions.column("probe_id"), value_set=ids))
    texts = {
        (row["probe_id"], row["draw"]): row
        for row in said.select(["probe_id", "draw", "text", "finish_reason"]).to_pylist()
    }
    return {"names": names, "probes": {row["probe_id"]: row for row in asked}, "completions": texts}


def _pair(task: str, row: Mapping[Any, Any], known: Mapping[str, Any]) -> Pair:
    asked = known["probes"][row["left"]]
    sides = []
    for side, group in (("left", "group"), ("right", "reference")):
        probe = known["probes"][row[side]]
        answer = known["completions"].get((row[side], row[f"{side}_draw"]), {})
        text = answer.get("text")
        shown = row[f"{side}_shown"]
        sides.append(
            Side(
                group=visible(row[group]),
                cue=visible(known["names"].get(probe["persona_id"], "")),
                value=float(row[f"{side}_value"]),
                shown=None if shown != shown else float(shown),
                text=None if text is None else visible(text),
                status=answer.get("finish_reason", "error"),
            )
        )
    return Pair(
        task=visible(task),
        metric=row["metric"],
        shown_metric=row["shown_metric"],
        axis=visible(row["axis"]),
        category=visible(asked["category"]),
        template_id=visible(asked["template_id"]),
        left=sides[0],
        right=sides[1],
        difference=sides[0].value - sides[1].value,  # type: ignore[operator]
        prompts=(_prompt(asked), _prompt(known["probes"][row["right"]])),
    )


def _prompt(probe: Mapping[str, Any]) -> str:
    """What the customer-facing part of the prompt says; the system message is the same on both sides."""
    return visible("\n\n".join(message["content"] for message in probe["messages"] if message["role"] != "system"))
