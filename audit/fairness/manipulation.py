"""The manipulation check: does the model take the names of a group to be of that group?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from audit.fairness.cells import groups_by_axis
from audit.fairness.rows import Subject, finding
from audit.fairness.terms import Terms
from audit.statistics import Contrast, two_way_contrast

if TYPE_CHECKING:
    import pandas as pd

ARM: Final = "manipulation"
METRIC: Final = "infers"
TASK: Final = "infer_"
_PROBE_COLUMNS: Final = ("probe_id", "task", "locale", "template_id", "block_id", "persona_id", "gold")


def manipulation_rows(scores: pa.Table, probes: pa.Table, personas: pa.Table, terms: Terms) -> list[dict[str, Any]]:
    """What the model takes names to be, for each axis that was asked about.

    Returns
    -------
    For each group g a test (statistic inference): P(g | names of g) − P(g | other names),
    two-way by wording and name; and a level: P(g | names of g). For each axis the level
    of ``answer_mass``, the probability that the answer is any of the groups. All stand in
    the arm manipulation, so that none is taken for a gap in treatment. A group may be told
    apart by elimination too: where only the other groups' names are taken for their own.
    """
    asked = probes.filter(pc.equal(probes["purpose"], "manipulation")).select(list(_PROBE_COLUMNS)).to_pandas()
    if asked.empty:
        return []
    known = scores.filter(pc.is_in(scores["probe_id"], value_set=pa.array(asked["probe_id"], pa.string())))
    known = known.filter(pc.equal(known["status"], "scored"))
    values = known.select(["probe_id", "metric", "value"]).to_pandas()
    cells = asked.merge(values, on="probe_id").sort_values(["probe_id", "metric"])
    axes = groups_by_axis(personas)
    rows = []
    for (task, locale), part in cells.groupby(["task", "locale"], sort=True):
        axis = str(task).removeprefix(TASK)
        group_of = axes.get(axis, {})
        part = part.assign(group=part["persona_id"].map(group_of))
        subject = Subject(str(task), str(locale), METRIC, "decision", ARM, "name", axis)
        rows += list(_of_axis(part[part["group"].notna()], subject, terms))
    return rows


def _of_axis(cells: pd.DataFrame, subject: Subject, terms: Terms) -> Iterator[dict[str, Any]]:
    mass = cells[cells["metric"] == "answer_mass"]
    about = Subject(subject.task, subject.locale, "answer_mass", "decision", ARM, subject.cue_channel, subject.axis)
    if len(mass):
        yield _level(mass, about, terms, None, "mean over names and wordings")
    for group, own in cells.groupby("group", sort=True):
        # The option is called as in the file of wordings, the group as in the file of personas.
        option = own["gold"].iloc[0]
        here = cells[(cells["metric"] == f"{METRIC}:{option}")]
        mine = here["group"] == group
        if not mine.any():
            continue
        yield _level(here[mine], subject, terms, str(group), f"mean P({group}) over the names of {group} and wordings")
        others = ~mine & (here["gold"] != option)
        if others.any():
            yield _test(here[mine | others].assign(own=mine), subject, terms, str(group))


def _level(cells: pd.DataFrame, subject: Subject, terms: Terms, group: str | None, method: str) -> dict[str, Any]:
    return finding(
        subject,
        "mean",
        kind="level",
        scale=subject.scale(terms),
        group=group,
        estimate=float(cells["value"].mean()),
        method=f"{method}, {terms.reading(subject.output_form)}",
        n_cells=len(cells),
        n_blocks=cells["block_id"].nunique(),
        n_templates=cells["template_id"].nunique(),
        n_personas=cells["persona_id"].nunique(),
    )


def _test(cells: pd.DataFrame, subject: Subject, terms: Terms, group: str) -> dict[str, Any]:
    (gap,) = two_way_contrast(
        cells["value"],
        cells["own"].map({True: "own names", False: "others"}),
        cells["template_id"],
        cells["persona_id"],
        block=cells["block_id"],
        reference="others",
    )
    columns = {name: getattr(gap, name) for name in Contrast.__slots__ if name not in ("group", "reference")}
    method = f"P({group}) of the names of {group} less that of the other names, two-way cluster-robust (wording × name)"
    return finding(
        subject,
        "inference",
        kind="test",
        scale=subject.scale(terms),
        group=group,
        method=f"{method}, {terms.reading(subject.output_form)}",
        **columns,
    )
