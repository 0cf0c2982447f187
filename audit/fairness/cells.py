"""Scores to cells: one value for each probe and metric, its draws averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

RATES = {"rate_refused": "refused", "rate_invalid": "invalid", "rate_error": "error"}
_PROBE_COLUMNS = ["probe_id", "task", "locale", "output_form", "template_id", "category", "block_id", "arm"]


def cell_frame(scores: pa.Table, probes: pa.Table, personas: pa.Table) -> pd.DataFrame:
    """One row a cell (probe × metric), with its probe's and persona's columns.

    ``value`` is the mean over the draws that were scored, NaN where none was: a
    refused answer is no 0. The share of draws with each other status stands beside
    it as metrics of its own, ``rate_refused``, ``rate_invalid`` and ``rate_error``,
    for tasks in which the status occurs and for all texts.
    """
    import pandas as pd

    asked = probes.filter(pc.equal(probes["purpose"], "audit"))
    probe_frame = asked.select([*_PROBE_COLUMNS, "persona_id", "gold"]).to_pandas()
    score_frame = scores.select(["probe_id", "draw", "metric", "value", "status"]).to_pandas()
    score_frame = score_frame[score_frame["probe_id"].isin(probe_frame["probe_id"])]
    score_frame["value"] = score_frame["value"].astype(float).where(score_frame["status"] == "scored")
    values = score_frame.groupby(["probe_id", "metric"], as_index=False)["value"].mean()
    cells = pd.concat([values, _rates(score_frame, probe_frame)], ignore_index=True)
    cells = cells.merge(probe_frame, on="probe_id", how="inner")
    people = personas.select(["persona_id", "cue_channel", "cue_id"]).to_pandas()
    cells = cells.merge(people, on="persona_id", how="left")
    return cells.sort_values(["task", "locale", "metric", "probe_id"], ignore_index=True)


def groups_by_axis(personas: pa.Table) -> dict[str, dict[str, str]]:
    """For each axis, which group a persona is of: axis → persona_id → group."""
    found: dict[str, dict[str, str]] = {}
    columns = (personas["persona_id"].to_pylist(), personas["attributes"].to_pylist())
    for persona, attributes in zip(*columns, strict=True):
        for axis, group in attributes:
            found.setdefault(axis, {})[persona] = group
    return dict(sorted(found.items()))


def _rates(score_frame: pd.DataFrame, probe_frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    flags = pd.DataFrame({metric: score_frame["status"] == status for metric, status in RATES.items()})
    answers = [score_frame["probe_id"], score_frame["draw"]]
    # An answer counts once, however many metrics were to be read from it.
    by_probe = flags.groupby(answers).any().groupby("probe_id").mean()
    facts = probe_frame.set_index("probe_id")[["task", "output_form"]]
    by_probe = by_probe.join(facts, how="inner")
    parts = []
    for metric in RATES:
        occurs = by_probe.groupby("task")[metric].transform("max") > 0
        kept = by_probe.loc[occurs | (by_probe["output_form"] == "text"), metric]
        parts.append(kept.astype(float).rename("value").reset_index().assign(metric=metric))
    return pd.concat(parts, ignore_index=True)[["probe_id", "metric", "value"]]
