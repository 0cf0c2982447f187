"""Scores to cells: one value for each probe and metric, its draws averaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from audit.fairness.metrics import RATES

if TYPE_CHECKING:
    import pandas as pd

Codes = NDArray[np.intp]
Reals = NDArray[np.float64]

_PROBE_COLUMNS = ["probe_id", "task", "locale", "output_form", "template_id", "category", "block_id", "arm"]


def cell_frame(scores: pa.Table, probes: pa.Table, personas: pa.Table) -> pd.DataFrame:
    """One row a cell (probe × metric), with its probe's and persona's columns.

    ``value`` is the mean over the draws that were scored, NaN where none was: a
    refused answer is no 0. ``scored`` is the share of draws that were. The share of
    draws with each other status stands beside it as metrics of its own, ``rate_refused``,
    ``rate_invalid`` and ``rate_error``, for tasks in which the status occurs and for all
    texts. Every other column is categorical with sorted categories; group them with
    ``observed=True``.
    """
    import pandas as pd

    asked = probes.filter(pc.equal(probes["purpose"], "audit")).sort_by("probe_id")
    frame = asked.select([*_PROBE_COLUMNS, "persona_id", "gold"]).to_pandas()
    people = personas.select(["persona_id", "cue_channel", "cue_id"]).to_pandas()
    frame = frame.merge(people, on="persona_id", how="left").astype("category")
    metrics, metric, probe, value, scored = _cells(scores, frame)
    order = np.lexsort((probe, metric, frame["locale"].cat.codes.to_numpy()[probe], frame["task"].cat.codes[probe]))
    cells = frame.take(probe[order]).reset_index(drop=True)
    cells.insert(1, "metric", pd.Categorical.from_codes(metric[order], metrics))
    cells.insert(2, "value", value[order])
    cells.insert(3, "scored", scored[order])
    return cells


def groups_by_axis(personas: pa.Table) -> dict[str, dict[str, str]]:
    """For each axis, which group a persona is of: axis → persona_id → group."""
    found: dict[str, dict[str, str]] = {}
    columns = (personas["persona_id"].to_pylist(), personas["attributes"].to_pylist())
    for persona, attributes in zip(*columns, strict=True):
        for axis, group in attributes:
            found.setdefault(axis, {})[persona] = group
    return dict(sorted(found.items()))


def with_groups(cells: pd.DataFrame, group_of: Mapping[str, str]) -> pd.DataFrame:
    """The cells of personas that have the axis; ``stimulus`` is what is random: a phrasing, else the persona."""
    import pandas as pd

    people, cues = cells["persona_id"].cat, cells["cue_id"].cat
    groups = sorted(set(group_of.values()))
    # Looked up once a persona; the entry more, at place -1, is for cells without one.
    place = np.array([*(groups.index(group_of[who]) if who in group_of else -1 for who in people.categories), -1])
    cue_of = np.full(place.size, -1)
    cue_of[people.codes.to_numpy()] = cues.codes.to_numpy()
    labels = [
        str(cues.categories[cue]) if cue >= 0 else who for who, cue in zip(people.categories, cue_of, strict=False)
    ]
    stimuli = sorted(set(labels))
    stimulus_of = np.array([*(stimuli.index(label) for label in labels), -1])
    rows = np.flatnonzero(place[people.codes.to_numpy()] >= 0)
    who = people.codes.to_numpy()[rows]
    return cells.take(rows).assign(
        group=pd.Categorical.from_codes(place[who], groups),
        stimulus=pd.Categorical.from_codes(stimulus_of[who], stimuli),
    )


def _cells(scores: pa.Table, frame: pd.DataFrame) -> tuple[list[str], Codes, Codes, Reals, Reals]:
    """Names of the metrics; of each cell its metric's place, its probe's row in ``frame``, value and scored share."""
    size = len(frame)
    place = pc.index_in(scores["probe_id"], value_set=pa.array(frame["probe_id"].astype(str), pa.string()))
    kept = scores.append_column("place", place).filter(pc.is_valid(place))
    words = kept["metric"].combine_chunks().dictionary_encode()
    known = [*words.dictionary.to_pylist(), *RATES]
    metric = np.asarray(words.indices, np.intp)
    probe = kept["place"].to_numpy().astype(np.intp)
    cell = metric * size + probe
    value = np.where(np.asarray(pc.equal(kept["status"], "scored")), kept["value"].to_numpy(), np.nan)
    # The order of the draws would show in the last digit of their sum.
    order = np.lexsort((kept["draw"].to_numpy(), cell))
    order = order[~np.isnan(value[order])]
    count = len(words.dictionary) * size
    sums = np.bincount(cell[order], value[order], minlength=count)
    counts = np.bincount(cell[order], minlength=count)
    means: Reals = np.full(count, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    drawn = np.bincount(cell, minlength=count)
    occurs = np.flatnonzero(drawn)
    parts = [(*np.divmod(occurs, max(size, 1)), means[occurs], counts[occurs] / drawn[occurs])]
    for number, (rows, rates) in enumerate(_rates(kept, probe, frame), start=len(words.dictionary)):
        parts.append((np.full(rows.size, number), rows, rates, np.ones(rows.size)))
    metric, probe, value, scored = (np.concatenate(column) for column in zip(*parts, strict=True))
    names = sorted(known)
    return names, np.array([names.index(name) for name in known], np.intp)[metric], probe, value, scored


def _rates(kept: pa.Table, probe: Codes, frame: pd.DataFrame) -> list[tuple[Codes, Reals]]:
    """For each rate the rows of the probes that have it, and how many of their answers have its status."""
    draw, size = kept["draw"].to_numpy().astype(np.intp), len(frame)
    many = int(draw.max(initial=0)) + 1
    # An answer counts once, however many metrics were to be read from it.
    answers, answer = np.unique(probe * many + draw, return_inverse=True)
    home = answers // many
    asked = np.bincount(home, minlength=size)
    task, text = frame["task"].cat.codes.to_numpy(), np.asarray(frame["output_form"] == "text")
    found = []
    for status in RATES.values():
        has = np.bincount(answer, np.asarray(pc.equal(kept["status"], status)), answers.size) > 0
        times = np.bincount(home, has, minlength=size)
        rows = np.flatnonzero((asked > 0) & (text | np.isin(task, task[times > 0])))
        found.append((rows, times[rows] / asked[rows]))
    return found


def codes_of(column: Any) -> Codes:
    """Codes of a categorical column, for functions that need to know only which labels are the same."""
    codes: Codes = column.cat.codes.to_numpy().astype(np.intp)
    return codes
