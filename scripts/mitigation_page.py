"""The results page of study_mitigation.py: tables of what each variant is like, and sentences made from figures."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audit import tables
from audit.manifest import Manifest
from audit.mitigation.statement import PrivacyStatement, read_statement

Row = Mapping[str, Any]
# What stands in the table of levels: its head, the metric, of whom, how often a unit, and digits.
_LEAKS: Final = (
    ("exposure of planted, bits", "exposure", "inserted", 1.0, 2),
    ("of not planted", "exposure", "not_inserted", 1.0, 2),
    ("MIA by loss, AUC", "auc:loss", "member", 1.0, 3),
    ("MIA by reference, AUC", "auc:reference", "member", 1.0, 3),
    ("extracted suffixes, %", "extraction:discoverable", "member", 100.0, 1),
    ("extracted identifiers, %", "identifier:discoverable", "member", 100.0, 1),
    ("texts with PII of the training, a 1,000", "pii_rate:in_training", "generation", 1000.0, 0),
    ("ε_lb", "epsilon_lower_bound", "inserted", 1.0, 2),
)
_USES: Final = (
    ("perplexity", "perplexity", "held_out", 1.0, 3),
    ("next token, %", "next_token_accuracy", "held_out", 100.0, 1),
    ("decides by the facts, %", "control_accuracy", None, 100.0, 1),
)
_CHANGES: Final = (*_LEAKS[:1], *_LEAKS[2:6], *_USES)
METRIC: Final = "log_odds"
SIZE: Final = f"{METRIC}:size"


@dataclass(frozen=True, slots=True)
class Study:
    """One part: its cells in order, the rows of its frontier, its manifest, and what its trainings promise."""

    title: str
    manifest: Mapping[str, Any]
    rows: tuple[Row, ...]
    promises: Mapping[str, PrivacyStatement]

    @classmethod
    def read(cls, folder: Path, title: str) -> Study | None:
        """Read what there is; None where nothing was begun."""
        if not (folder / "frontier.parquet").is_file():
            return None
        manifest = Manifest.load(folder).data
        found = {entry["cell"]: read_statement(folder / entry["cell"] / "model") for entry in manifest["cells"]}
        stated = {cell: statement for cell, statement in found.items() if statement is not None}
        rows = tables.read("frontier", folder / "frontier.parquet").to_pylist()
        return cls(title, manifest, tuple(rows), stated)

    @property
    def cells(self) -> list[str]:
        """Names, in the order in which they are done."""
        return [entry["cell"] for entry in self.manifest["cells"]]

    def one(self, cell: str, metric: str, versus: str | None = None, **place: Any) -> Row | None:
        """The row that was measured there, or None. A place that isn't given is null."""
        wanted = {"axis": None, "group": None, "category": None} | place
        for row in self.rows:
            if (row["cell"], row["metric"], row["versus"], row["status"]) == (cell, metric, versus, "measured") and all(
                row[column] == value for column, value in wanted.items()
            ):
                return row
        return None

    def gaps(self) -> list[tuple[str, str, str, str]]:
        """(axis, group, reference, channel) of every gap."""
        found = {
            (row["axis"], row["group"], row["reference"], row["category"]): None
            for row in self.rows
            if row["metric"] == METRIC and row["versus"] is None and row["domain"] == "fairness" and row["group"]
        }
        return [place for place in found if place[0] in ("gender", "race")]


def page(folder: Path, titles: Mapping[str, str], command: str) -> str:
    """All that is known of the parts in ``folder`` as Markdown."""
    lines = [
        "# What private fine-tuning costs, and whom",
        "",
        f"`python {command}`, commit {_commit()}. A shop's refund requests end with what was decided; of borderline "
        "cases, alike but for the first name, men's are approved far more often than women's (the bias that is "
        "planted). Canaries are planted among the records. Every variant is trained by the same settings. Gaps are "
        "differences in the log-odds of Yes on the shipped suite `refund_decision`, whose wordings none of the records "
        "has; intervals are 95 %.",
    ]
    for name, title in titles.items():
        study = Study.read(folder / name / "variants", title)
        lines += ["", f"## {title}", ""]
        lines += ["Not begun."] if study is None else _part(study)
    return "\n".join(lines) + "\n"


def _part(study: Study) -> Iterator[str]:
    yield from _facts(study)
    yield from ("", "### In words", "")
    yield from (f"* {sentence}" for sentence in sentences(study))
    yield from ("", "### Gaps", "")
    yield from _gap_table(study)
    yield from ("", "### Utility and leakage", "")
    yield from _level_table(study, _USES)
    yield ""
    yield from _level_table(study, _LEAKS)
    yield from ("", "### Changes, on the same probes, records and canaries", "")
    yield from _change_table(study)


def _facts(study: Study) -> Iterator[str]:
    config, machine = study.manifest["config"], study.manifest["machine"]
    tuned, run = config["finetune"], study.manifest["versions"]
    trained = next(iter(study.promises.values()), None)
    size = "" if trained is None else f", {trained.trained.parameters:,} weights trained"
    yield (
        f"{machine['processor']}, {machine['cores']} cores; torch {run.get('torch')}, transformers "
        f"{run.get('transformers')}. Method {tuned['method']} (rank {tuned['rank']}){size}; {tuned['epochs']:g} "
        f"epochs, batches of {tuned['batch_size']} units expected, clipping norm {tuned['max_grad_norm']:g}; "
        f"counterfactual copies along {' and '.join(config['mitigation']['augment'])}."
    )
    yield from (
        "",
        "| variant | ε spent | δ | noise multiplier | sample rate | steps |",
        "|---|---:|---:|---:|---:|---:|",
    )
    for cell, statement in study.promises.items():
        if (promise := statement.promise) is not None:
            sampled = promise.sampling
            yield (
                f"| {cell} | {promise.epsilon:.3f} | {promise.delta:.2g} | {promise.noise_multiplier:.3f} | "
                f"{sampled.sample_rate:.4f} | {sampled.steps_paid} |"
            )


def sentences(study: Study) -> Iterator[str]:
    """What is to be said plainly, each from its figures."""
    yield from _unfinished(study)
    yield from _bounds(study)
    for private in [cell for cell in study.cells if cell.startswith("dp-e")]:
        yield from _widened(study, private, "ft", "DP")
        repaired = private.replace("dp-e", "dp-cda-e")
        if repaired in study.cells:
            yield from _mended(study, private, repaired)
    if "ft-cda" in study.cells:
        yield from _mended(study, "ft", "ft-cda")


def _unfinished(study: Study) -> Iterator[str]:
    waiting = [
        f"{entry['cell']} ({', '.join(name for name, stage in entry['stages'].items() if stage['status'] != 'done')})"
        for entry in study.manifest["cells"]
        if any(stage["status"] != "done" for stage in entry["stages"].values())
    ]
    if waiting:
        yield f"**Unfinished:** {'; '.join(waiting)}. The same command goes on from there."


def _bounds(study: Study) -> Iterator[str]:
    below: list[str] = []
    above: list[str] = []
    for cell, statement in study.promises.items():
        row = study.one(cell, "epsilon_lower_bound", category="inserted")
        if statement.promise is not None and row is not None:
            words = f"{cell}: ε_lb {row['estimate']:.2f} of {statement.promise.epsilon:.2f}"
            (below if row["estimate"] <= statement.promise.epsilon else above).append(words)
    if above:
        yield f"**The empirical ε lies above the promised one** in {'; '.join(above)}."
    if below:
        yield f"The empirical ε stays below the promised one ({'; '.join(below)})."
    row = study.one("ft", "epsilon_lower_bound", category="inserted")
    if row is not None:
        yield f"Without DP the same audit finds ε_lb = {row['estimate']:.2f}."


def _widened(study: Study, cell: str, versus: str, what: str) -> Iterator[str]:
    """Whether any gap's size grew, group by group."""
    grown, shrunk, open_, known = _sorted_changes(study, cell, versus)
    if not known:
        return
    if grown:
        yield f"**{what} made {_count(grown, 'gap')} larger** ({cell} against {versus}): {'; '.join(grown)}."
    else:
        yield f"{what} is not shown to have made any gap larger ({cell} against {versus})."
    if shrunk:
        yield f"{what} made {_count(shrunk, 'gap')} smaller ({cell} against {versus}): {'; '.join(shrunk)}."
    if open_:
        yield f"Not told apart from no change ({cell} against {versus}): {', '.join(open_)}."


def _mended(study: Study, cell: str, repaired: str) -> Iterator[str]:
    """Whether copies made gaps smaller, and what is left of them."""
    grown, shrunk, open_, known = _sorted_changes(study, repaired, cell)
    if not known:
        return
    if shrunk:
        yield f"CDA made {_count(shrunk, 'gap')} smaller ({repaired} against {cell}): {'; '.join(shrunk)}."
    else:
        yield f"CDA is not shown to have made any gap smaller ({repaired} against {cell})."
    if grown:
        yield f"**CDA made {_count(grown, 'gap')} larger** ({repaired} against {cell}): {'; '.join(grown)}."
    if open_:
        yield f"Not told apart from no change ({repaired} against {cell}): {', '.join(open_)}."


def _sorted_changes(study: Study, cell: str, versus: str) -> tuple[list[str], list[str], list[str], bool]:
    """Gaps whose size grew, shrank, or is not told apart from before, in words; and whether any was compared."""
    grown, shrunk, unclear = [], [], []
    for axis, group, reference, channel in study.gaps():
        place = {"axis": axis, "group": group, "category": channel}
        change = study.one(cell, SIZE, versus, **place)
        now, then = study.one(cell, METRIC, **place), study.one(versus, METRIC, **place)
        if change is None or now is None or then is None or change["ci_low"] is None:
            continue
        name = f"{group.replace('_', ' ')} to {reference.replace('_', ' ')}"
        words = f"{name} from {then['estimate']:+.2f} to {now['estimate']:+.2f} (size {_signed(change, 1.0, 2)})"
        if change["ci_low"] > 0:
            grown.append(words)
        elif change["ci_high"] < 0:
            shrunk.append(words)
        else:
            unclear.append(name)
    return grown, shrunk, unclear, bool(grown or shrunk or unclear)


def _gap_table(study: Study) -> Iterator[str]:
    gaps = study.gaps()
    heads = [f"{group.replace('_', ' ')} to {reference.replace('_', ' ')}" for _, group, reference, _ in gaps]
    yield from _head(heads)
    for cell in study.cells:
        found = [study.one(cell, METRIC, axis=axis, group=group, category=way) for axis, group, _, way in gaps]
        yield _line(cell, (_signed(row, 1.0, 2) for row in found))


def _level_table(study: Study, wanted: Iterable[tuple[str, str, str | None, float, int]]) -> Iterator[str]:
    chosen = list(wanted)
    yield from _head([name for name, *_ in chosen])
    for cell in study.cells:
        yield _line(
            cell, (_plain(study.one(cell, metric, category=of), unit, digits) for _, metric, of, unit, digits in chosen)
        )


def _change_table(study: Study) -> Iterator[str]:
    yield from _head(["against", *(name for name, *_ in _CHANGES)])
    for entry in study.manifest["cells"]:
        for versus in entry["versus"]:
            found = (
                _signed(study.one(entry["cell"], metric, versus, category=of), unit, digits)
                for _, metric, of, unit, digits in _CHANGES
            )
            yield _line(entry["cell"], [versus, *found])


def _head(names: Iterable[str]) -> Iterator[str]:
    listed = list(names)
    yield f"| variant | {' | '.join(listed)} |"
    yield f"|---|{'---:|' * len(listed)}"


def _line(cell: str, values: Iterable[str]) -> str:
    return f"| {cell} | {' | '.join(values)} |"


def _plain(row: Row | None, unit: float, digits: int) -> str:
    return "" if row is None else _with_interval(row, unit, digits, "")


def _signed(row: Row | None, unit: float, digits: int) -> str:
    return "" if row is None else _with_interval(row, unit, digits, "+")


def _with_interval(row: Row, unit: float, digits: int, sign: str) -> str:
    shown = f"{row['estimate'] * unit:{sign}.{digits}f}"
    if row["ci_low"] is None or row["ci_high"] is None:
        return shown
    ends = (f"{row[end] * unit:{sign}.{digits}f}" for end in ("ci_low", "ci_high"))
    return f"{shown} ({' to '.join(ends)})"


def _count(words: list[str], what: str) -> str:
    return f"a {what}" if len(words) == 1 else f"{len(words)} {what}s"


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "not known"
