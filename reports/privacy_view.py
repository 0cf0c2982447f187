"""The folder of a privacy audit becomes the one :class:`~reports.privacy_values.PrivacyView` that every format draws.

Raw personal values stop here: unless they are asked for, the view holds the shapes of texts alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from audit import tables
from audit.config import Config, parse
from audit.errors import ConfigError
from audit.gate.privacy_ruleset import privacy_rules
from reports.folder import Row, read_json, read_overall, read_verdicts
from reports.labels import WORST_FIRST
from reports.privacy_examples import generations, leaks
from reports.privacy_labels import ROLES
from reports.privacy_scores import curves, distributions
from reports.privacy_values import Attacker, Measure, PrivacyRule, PrivacyView
from reports.subject import flat_words, mapping, subject_of, text_of
from reports.text import visible_all

# Tables of a privacy run. All may be absent but findings: without a model's weights there are no likelihoods.
_TABLES: Final = (
    *("records", "likelihoods", "likelihoods-base", "probes", "completions", "completions-base"),
    *("detections", "leaks", "findings"),
)
_FILES: Final = ("members", "held_out", "ledger", "prompts")


def build_privacy_view(folder: Path, *, reveal: bool = False) -> PrivacyView:
    """Read the run ``folder`` of a privacy audit and return what a report shows of it.

    Parameters
    ----------
    folder
        A folder with findings.parquet, verdicts.json and manifest.json; of the other tables those
        that are there are used.
    reveal
        Show personal values as they stand. Else no text of the view holds one.

    Raises
    ------
    ConfigError
        If findings or verdict are missing, or a table is not readable.
    """
    evidence = read_json(folder / "verdicts.json", required=True)
    manifest = read_json(folder / "manifest.json", required=False)
    read = {
        name: tables.read(name.partition("-")[0], folder / f"{name}.parquet")
        for name in _TABLES
        if name == "findings" or (folder / f"{name}.parquet").is_file()
    }
    verdicts = read_verdicts(folder, evidence)
    measures = tuple(_measure(row) for row in visible_all(read["findings"].to_pylist()))
    config = mapping(manifest.get("config"))
    settings = mapping(config.get("privacy"))
    return PrivacyView(
        overall=read_overall(folder / "verdicts.json", evidence),
        subject=subject_of(manifest, {name: one.num_rows for name, one in read.items()} | {"verdicts": len(verdicts)}),
        base=flat_words(manifest.get("base")),
        records=_records(manifest, read.get("records")),
        customers=_customers(read.get("records")),
        generations=read["completions"].num_rows if "completions" in read else None,
        truncated=_truncated(read.get("likelihoods")),
        files=tuple((key, PurePath(text).name) for key in _FILES if (text := text_of(settings.get(key)))),
        not_measured=tuple(flat_words(manifest.get("not_measured")).items()),
        notes=_sentences(manifest.get("notes")),
        attacker=_attacker(settings),
        measures=measures,
        rules=_rules(verdicts, measures, config),
        distributions=distributions(read, measures),
        curves=curves(read, measures),
        leaks=leaks(read.get("leaks"), reveal=reveal),
        examples=generations(read, reveal=reveal),
        revealed=reveal,
        config=json.dumps(config, indent=2, ensure_ascii=False, default=str) if config else "",
    )


def _measure(row: Row) -> Measure:
    return Measure(**{name: row[name] for name in Measure.__dataclass_fields__})


def _rules(verdicts: Sequence[Row], measures: Sequence[Measure], config: Row) -> tuple[PrivacyRule, ...]:
    """The gate's lines, worst first; a rule that found nothing has its metric from the settings."""
    by_id = {measure.finding_id: measure for measure in measures}
    asked = _asked(config)
    found = []
    for row in verdicts:
        measure = by_id.get(row["finding_id"] or "")
        found.append(
            PrivacyRule(
                rule=row["rule"],
                level=row["level"],
                outcome=row["outcome"],
                reason=row["reason"],
                limit=row["tolerance"],
                metric=measure.metric if measure else asked.get(row["rule"]),
                measure=measure,
            )
        )
    place = {outcome: i for i, outcome in enumerate(WORST_FIRST)}
    return tuple(sorted(found, key=lambda rule: (rule.level == "off", place.get(rule.outcome, 0))))


def _asked(config: Row) -> Mapping[str, str]:
    """Metric of each rule by its name, the preset's and the user's own; nothing where the settings are not ours."""
    try:
        return {rule.name: rule.metric for rule in privacy_rules(parse(Config, config, "manifest.json"))}
    except ConfigError:
        return {}


def _records(manifest: Row, records: pa.Table | None) -> tuple[tuple[str, int], ...]:
    """How many of each role were looked at: as counted in the table, else as the manifest has it."""
    if records is not None:
        counts: Mapping[str, int] = Counter(records.column("role").to_pylist())
    else:
        counts = {key: n for key, n in mapping(manifest.get("records")).items() if isinstance(n, int)}
    return tuple((role, counts[role]) for role in (*ROLES, *sorted(set(counts) - set(ROLES))) if counts.get(role))


def _customers(records: pa.Table | None) -> int | None:
    if records is None:
        return None
    kept = records.filter(pc.is_in(records.column("role"), value_set=pa.array(["member", "held_out"])))
    return int(pc.count_distinct(kept.column("cluster")).as_py())


def _truncated(likelihoods: pa.Table | None) -> int | None:
    return None if likelihoods is None else int(pc.sum(likelihoods.column("truncated")).as_py() or 0)


def _sentences(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _attacker(settings: Row) -> Attacker:
    def figure(name: str) -> float | None:
        value = settings.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def count(name: str) -> int | None:
        value = figure(name)
        return None if value is None else int(value)

    return Attacker(
        prefix=count("prefix"),
        suffix=count("suffix"),
        n=count("n"),
        p=figure("p"),
        fpr=figure("fpr"),
        beta=figure("beta"),
        claimed_epsilon=figure("claimed_epsilon"),
        claimed_delta=figure("claimed_delta"),
    )
