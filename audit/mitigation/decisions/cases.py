"""The decisions of a finished run as a rule is fitted on them: log-odds, group, and what would have been right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from audit.errors import ConfigError
from audit.mitigation.decisions.rule import CONSTRAINTS, LABELS, Constraint, Labels

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from audit.run_folder import Run

Reals = NDArray[np.float64]
Words = NDArray[np.object_]

# Three folds of wordings and of names, each with two wordings: with less nothing is left to measure on.
MIN_TEMPLATES: Final = 6
MIN_STIMULI: Final = 3
MIN_CELLS: Final = 30


@dataclass(frozen=True, slots=True)
class Cases:
    """Decisions of one task, (n,) each; ``label`` is 1 where the favourable option is right, else 0.

    ``stimulus`` is the persona, or of explicit cues the phrasing; ``bare`` the log-odds of the same
    case where nobody is described, NaN where that was not asked. ``missing`` counts the probes that
    have no log-odds and are not among them.
    """

    log_odds: Reals
    group: Words
    label: NDArray[np.int64]
    template: Words
    stimulus: Words
    block: Words
    channel: Words
    bare: Reals
    groups: tuple[str, ...]
    reference: str
    labels: Labels
    favourable: str
    missing: int

    def take(self, rows: NDArray[Any]) -> Cases:
        """The cases in ``rows``."""
        columns = ("log_odds", "group", "label", "template", "stimulus", "block", "channel", "bare")
        taken: dict[str, Any] = {name: getattr(self, name)[rows] for name in columns}
        rest = ("groups", "reference", "labels", "favourable", "missing")
        return Cases(**taken, **{name: getattr(self, name) for name in rest})


def read_cases(
    run: Run, *, task: str, axis: str, constraint: Constraint, labels: Labels | None, groups: Sequence[str] = ()
) -> Cases:
    """Read the target decisions of ``task`` by the group on ``axis`` of who asks.

    ``labels`` are ``gold``, the option that the suite's policy gives; ``own``, what the model decides
    of the case itself, so that as few decisions as possible change; or ``no-cue``, what it decides of
    the same case where nobody is described. When not given, gold where every case has it; else own for
    demographic parity and no-cue for constraints that ask which cases deserve the favourable option.

    Raises
    ------
    ConfigError
        If the run has no such decisions, axis, groups or labels, or too little of them.
    """
    import pyarrow.compute as pc

    from audit.fairness.cells import cell_frame, groups_by_axis, with_groups
    from audit.probes import references

    where = str(run.folder)
    asked = _decisions(run)
    tasks = sorted(set(asked["task"].to_pylist()))
    if task not in tasks:
        raise ConfigError(f"{where}: has no decisions of task {task!r}; known are {', '.join(tasks)}")
    asked = asked.filter(pc.equal(asked["task"], task))
    cells = cell_frame(run.table("scores"), asked, run.table("personas"))
    cells = cells[cells["metric"] == "log_odds"]
    target = cells[cells["arm"] == "target"]
    by_axis, present = groups_by_axis(run.table("personas")), set(target["persona_id"].dropna())
    axes = {name: of for name, of in by_axis.items() if present & set(of) and len(set(of.values())) > 1}
    if axis not in axes:
        raise ConfigError(f"{where}: nobody in {task} has the axis {axis!r}; known are {', '.join(sorted(axes))}")
    frame = with_groups(target, axes[axis])
    frame, chosen, reference = _of_groups(frame, groups, references(run.config)[axis], f"{where}: {axis}")
    favourable = asked["options"][0].as_py()[0]["id"]
    whole, frame = len(frame), frame[frame["value"].notna()]
    if frame.empty:
        raise ConfigError(f"{where}: no answer to {task} has log-odds; see the rates of invalid answers in its report")
    bare = _bare(frame, cells)
    chosen_labels, label = _labels(frame, bare, favourable, labels or _usual(frame, constraint), where)
    _check_meaning(frame, chosen_labels, constraint, f"{where}: {task}")
    found = Cases(
        log_odds=frame["value"].to_numpy(float),
        group=_words(frame["group"]),
        label=label,
        template=_words(frame["template_id"]),
        stimulus=_words(frame["stimulus"]),
        block=_words(frame["block_id"]),
        channel=_words(frame["cue_channel"]),
        bare=bare,
        groups=chosen,
        reference=reference,
        labels=chosen_labels,
        favourable=str(favourable),
        missing=whole - len(frame),
    )
    _check_enough(found, f"{where}: {task} by {axis}")
    return found


def only_task(run: Run) -> str:
    """The task that the decisions of a run are of.

    Raises
    ------
    ConfigError
        If it has none, or of several tasks.
    """
    tasks = sorted(set(_decisions(run)["task"].to_pylist()))
    if len(tasks) > 1:
        raise ConfigError(f"{run.folder}: has decisions of {', '.join(tasks)}; name one with --task")
    return str(tasks[0])


def _decisions(run: Run) -> pa.Table:
    """The probes of an audit that ask for a decision."""
    import pyarrow.compute as pc

    probes = run.table("probes")
    asked = probes.filter(pc.and_(pc.equal(probes["output_form"], "decision"), pc.equal(probes["purpose"], "audit")))
    if not asked.num_rows:
        raise ConfigError(f"{run.folder}: asked for no decision; run a task that does, such as refund_decision")
    return asked


def _of_groups(
    frame: pd.DataFrame, wanted: Sequence[str], reference: str, where: str
) -> tuple[pd.DataFrame, tuple[str, ...], str]:
    """The rows of the groups that are wanted, those groups sorted, and the reference among them."""
    known = sorted({str(name) for name in frame["group"]})
    for name in wanted:
        if name not in known:
            raise ConfigError(f"{where}: has no group {name!r}; known are {', '.join(known)}")
    chosen = tuple(sorted(set(wanted))) or tuple(known)
    if len(chosen) < 2:
        raise ConfigError(f"{where}: a gap is between two groups; name another of {', '.join(known)}")
    return frame[frame["group"].isin(chosen)], chosen, reference if reference in chosen else chosen[0]


def _bare(frame: pd.DataFrame, cells: pd.DataFrame) -> Reals:
    """Log-odds of each row's case where nobody is described; NaN where there are none."""
    bare = cells[cells["arm"] == "no_cue"]
    of_block = dict(zip(bare["block_id"], bare["value"], strict=True))
    return np.array([of_block.get(block, np.nan) for block in frame["block_id"]], float)


def _usual(frame: pd.DataFrame, constraint: Constraint) -> Labels:
    if frame["gold"].notna().all():
        return "gold"
    return "own" if constraint == "demographic-parity" else "no-cue"


def _labels(
    frame: pd.DataFrame, bare: Reals, favourable: str, chosen: Labels, where: str
) -> tuple[Labels, NDArray[np.int64]]:
    """Which labels were chosen, and for each row 1 where the favourable option is right."""
    if chosen not in LABELS:
        raise ConfigError(f"labels: unknown {chosen!r}; known are {', '.join(LABELS)}")
    found: dict[str, list[bool | None]] = {
        "gold": [None if gold is None else gold == favourable for gold in _words(frame["gold"])],
        "no-cue": [None if np.isnan(odds) else bool(odds > 0) for odds in bare],
        "own": (frame["value"] > 0).tolist(),
    }
    missing = {name: sum(value is None for value in values) for name, values in found.items()}
    if missing[chosen]:
        have = ", ".join(name for name in LABELS if not missing[name])
        raise ConfigError(f"{where}: {missing[chosen]} decisions have no label {chosen!r}; all have {have}")
    return chosen, np.array([int(bool(value)) for value in found[chosen]], np.int64)


def _check_meaning(frame: pd.DataFrame, labels: Labels, constraint: Constraint, where: str) -> None:
    if constraint not in CONSTRAINTS:
        raise ConfigError(f"constraint: unknown {constraint!r}; known are {', '.join(CONSTRAINTS)}")
    if constraint == "demographic-parity" and labels == "gold":
        each = frame.groupby("block_id", observed=True)["gold"].nunique()
        if (each > 1).any():
            raise ConfigError(
                f"{where}: the policy gives its groups different options in one case, which demographic parity "
                "would level out; take --constraint true-positive-rate-parity or equalized-odds"
            )
    if constraint != "demographic-parity" and labels == "own":
        raise ConfigError(
            f"{where}: {constraint} needs to know which cases deserve the favourable option, and the model's own "
            "decisions cannot say so; take --constraint demographic-parity, or give the suite a gold"
        )


def _check_enough(cases: Cases, where: str) -> None:
    templates = len(set(cases.template))
    if templates < MIN_TEMPLATES:
        raise ConfigError(f"{where}: {templates} wordings are too few to hold some out; ask {MIN_TEMPLATES} or more")
    for group in cases.groups:
        mine = cases.group == group
        for number, least, what in (
            (int(mine.sum()), MIN_CELLS, "decisions"),
            (len(set(cases.stimulus[mine])), MIN_STIMULI, "names or phrasings"),
        ):
            if number < least:
                raise ConfigError(
                    f"{where}: group {group!r} has {number} {what}, too few for a rule that takes {least}; "
                    "ask more of it, or name the other groups with --group"
                )
    if len(set(cases.label.tolist())) < 2:
        word = "the favourable option" if cases.label[0] else "an unfavourable option"
        raise ConfigError(f"{where}: every case gets {word} by its label ({cases.labels}); there is nothing to learn")


def _words(column: pd.Series) -> Words:
    """A categorical column as words; None where there is none."""
    return np.array([word if isinstance(word, str) else None for word in column.astype(object)], object)


def model_of(run: Run) -> dict[str, Any]:
    """What a rule must say of the model whose log-odds it reads."""
    from audit.manifest import Manifest

    described = Manifest.load(run.folder).data.get("model", {})
    kept = ("name", "revision", "weights_sha256", "decision_precision", "prompt", "prompt_text")
    return {key: described[key] for key in kept if described.get(key) is not None}


def open_run(folder: Path) -> Run:
    """Open a finished fairness run.

    Raises
    ------
    ConfigError
        If it is none, or its scores are not of the answers that lie there.
    """
    from audit.manifest import Manifest
    from audit.pipeline import resume
    from audit.run_folder import parents

    run = resume(folder)
    manifest = Manifest.load(folder)
    if manifest.data.get("kind") == "privacy":
        raise ConfigError(f"{folder}: is a privacy audit, which asks for no decisions; name a run of 'evenhand run'")
    parents(manifest, "scores", "probes", "personas")
    return run
