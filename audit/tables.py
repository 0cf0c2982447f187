"""The tables that flow between the stages: their arrow schemas, reading, writing, checking.

A table on disk is one parquet file. Writing is deterministic (the same rows give
the same bytes with the same pyarrow) and atomic (a reader never sees half a file).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import ConfigError, first_line

_MODE: ContextVar[int] = ContextVar("mode", default=0o644)  # of the files that are written
_TEXT: Final = pa.string()
_REAL: Final = pa.float64()
_MESSAGE: Final = pa.struct([pa.field("role", _TEXT, False), pa.field("content", _TEXT, False)])
_OPTION: Final = pa.struct([pa.field("id", _TEXT, False), pa.field("forms", pa.list_(_TEXT), False)])
# Tokens [first, last) of a named stretch of a passage.
_SPAN: Final = pa.struct(
    [pa.field("name", _TEXT, False), pa.field("first", pa.int32(), False), pa.field("last", pa.int32(), False)]
)


def _need(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


PERSONAS: Final = pa.schema(
    [
        _need("persona_id", _TEXT),
        _need("name", _TEXT),  # the name, or the whole cue sentence of an explicit cue
        pa.field("cue_id", _TEXT),  # the phrasing an explicit cue is put into (its cluster); null for names
        _need("locale", _TEXT),
        _need("cue_channel", _TEXT),
        _need("attributes", pa.map_(_TEXT, _TEXT)),  # axis -> group
        pa.field("p_group", _REAL),  # P(group | name) from the source
        pa.field("cohort", _TEXT),
        pa.field("source", _TEXT),
    ]
)

PROBES: Final = pa.schema(
    [
        _need("probe_id", _TEXT),
        _need("suite", _TEXT),
        _need("task", _TEXT),
        _need("locale", _TEXT),
        _need("template_id", _TEXT),
        _need("category", _TEXT),
        _need("block_id", _TEXT),
        _need("arm", _TEXT),
        _need("purpose", _TEXT),
        pa.field("persona_id", _TEXT),  # null where no customer is described
        _need("messages", pa.list_(_MESSAGE)),  # a last message of the assistant is the answer's beginning
        _need("output_form", _TEXT),
        _need("options", pa.list_(_OPTION)),  # a number has one option "number", its forms [minimum, maximum]
        pa.field("gold", _TEXT),  # what the policy gives; in a positive control the pole the facts point to
    ]
)

COMPLETIONS: Final = pa.schema(
    [
        _need("probe_id", _TEXT),
        _need("draw", pa.int32()),
        _need("mode", _TEXT),
        pa.field("text", _TEXT),
        pa.field("support", pa.list_(_TEXT)),  # option ids, or numbers written as text
        pa.field("probs", pa.list_(_REAL)),  # over support, sums to 1
        pa.field("residual_mass", _REAL),  # mass that enumeration left open
        pa.field("option_logprobs", pa.list_(_REAL)),  # natural log, before normalising, forms summed
        pa.field("answer_mass", _REAL),  # probability that the answer is any of support
        _need("finish_reason", _TEXT),  # exact, stop, length, error
        pa.field("error", _TEXT),
        _need("prompt_tokens", pa.int32()),
        _need("completion_tokens", pa.int32()),
    ]
)

JUDGEMENTS: Final = pa.schema(
    [
        _need("probe_id", _TEXT),
        _need("draw", pa.int32()),
        _need("scorer", _TEXT),
        _need("request", _TEXT),
        _need("response", _TEXT),
    ]
)

SCORES: Final = pa.schema(
    [
        _need("probe_id", _TEXT),
        _need("draw", pa.int32()),
        _need("metric", _TEXT),
        pa.field("value", _REAL),  # null unless status is "scored"
        _need("status", _TEXT),
        _need("scorer_version", _TEXT),
    ]
)

FINDINGS: Final = pa.schema(
    [
        _need("finding_id", _TEXT),
        _need("kind", _TEXT),
        _need("statistic", _TEXT),  # which figure of its kind; the gate judges "contrast" alone
        _need("domain", _TEXT),
        _need("metric", _TEXT),
        _need("scale", _TEXT),
        pa.field("task", _TEXT),
        pa.field("locale", _TEXT),
        pa.field("cue_channel", _TEXT),
        pa.field("axis", _TEXT),
        pa.field("group", _TEXT),
        pa.field("reference", _TEXT),
        pa.field("category", _TEXT),  # null: all categories together
        _need("arm", _TEXT),
        pa.field("estimate", _REAL),
        pa.field("se", _REAL),
        pa.field("df", _REAL),
        pa.field("ci_low", _REAL),  # 95 %
        pa.field("ci_high", _REAL),
        pa.field("p_value", _REAL),  # of "the estimate is 0", descriptive
        pa.field("floor", _REAL),  # what an irrelevant change of the same kind does
        _need("n_cells", pa.int64()),
        _need("n_blocks", pa.int64()),
        _need("n_templates", pa.int64()),
        _need("n_personas", pa.int64()),  # of a contrast: in the smaller of its two groups
        pa.field("mde", _REAL),  # found with power .90 in a single two-sided test at 5 %
        _need("method", _TEXT),
    ]
)

VERDICTS: Final = pa.schema(
    [
        _need("rule", _TEXT),
        _need("level", _TEXT),
        _need("outcome", _TEXT),
        pa.field("finding_id", _TEXT),  # null where a rule found nothing to judge
        pa.field("p_adjusted", _REAL),
        _need("tolerance", _REAL),
        pa.field("mde", _REAL),  # as in findings, at the level that Holm leaves a single test
        pa.field("look", pa.int32()),  # the look or step at which it was decided; null where all was asked
        _need("reason", _TEXT),
    ]
)

# What each variant of a mitigation is like, and how it differs from another.
FRONTIER: Final = pa.schema(
    [
        _need("cell", _TEXT),  # base, ft, ft-cda, dp-e8, dp-cda-e8, prompt-NAME
        _need("variant", _TEXT),  # base, ft, ft+cda, dp, dp+cda, prompt
        pa.field("epsilon", _REAL),  # what the training spends; null where it is not private
        _need("domain", _TEXT),  # fairness, privacy, utility, budget
        _need("metric", _TEXT),
        _need("scale", _TEXT),
        pa.field("task", _TEXT),
        pa.field("locale", _TEXT),
        pa.field("axis", _TEXT),
        pa.field("group", _TEXT),
        pa.field("reference", _TEXT),  # the group that a gap is to
        pa.field("category", _TEXT),  # privacy: inserted, member …; fairness: cue channel
        pa.field("versus", _TEXT),  # the cell that a change is from; null: the cell's own level
        pa.field("estimate", _REAL),  # a level, or with versus the change from that cell to this one
        pa.field("ci_low", _REAL),  # 95 %
        pa.field("ci_high", _REAL),
        pa.field("p_value", _REAL),  # of "the change is 0", descriptive
        _need("n", pa.int64()),
        _need("status", _TEXT),  # measured, unfinished, unmeasured
        pa.field("reason", _TEXT),  # why not measured
    ]
)

# What the scorers say of fixed texts in which only the identity is swapped: their own bias.
CHECKS: Final = pa.schema(
    [
        _need("text_id", _TEXT),
        _need("persona_id", _TEXT),
        _need("locale", _TEXT),
        _need("metric", _TEXT),
        pa.field("value", _REAL),  # null unless status is "scored"
        _need("status", _TEXT),
        _need("scorer_version", _TEXT),
    ]
)

# Of a run in steps of fresh stimuli: each step's difference between a group and its reference.
STEPS: Final = pa.schema(
    [
        _need("task", _TEXT),
        _need("locale", _TEXT),
        _need("metric", _TEXT),
        _need("axis", _TEXT),
        _need("group", _TEXT),
        _need("reference", _TEXT),
        _need("step", pa.int32()),
        _need("template_id", _TEXT),
        pa.field("value", _REAL),  # null where a side has no score
        _need("low", _REAL),  # what the difference can be at all
        _need("high", _REAL),
    ]
)

# Of a privacy audit: who was looked at. Holds neither a text nor a customer's own id.
RECORDS: Final = pa.schema(
    [
        _need("record_id", _TEXT),
        _need("role", _TEXT),
        pa.field("inserted", pa.bool_()),  # of a canary: whether its coin put it into the training file
        _need("cluster", pa.int32()),  # the customer, numbered as they come
        _need("attributes", pa.map_(_TEXT, _TEXT)),  # axis -> group of the author
        _need("n_chars", pa.int32()),
        pa.field("blind", _REAL),  # score of a bag of words that sees the texts and not the model
    ]
)

# What a model says of each passage, token by token. One table a model.
LIKELIHOODS: Final = pa.schema(
    [
        _need("passage_id", _TEXT),
        _need("n_tokens", pa.int32()),  # scored ones: a first token without a predecessor is not
        _need("token_logprobs", pa.list_(pa.float32())),  # natural log
        _need("token_z", pa.list_(pa.float32())),  # standardised over the vocabulary
        _need("greedy", pa.list_(pa.bool_())),  # the token is the likeliest one
        _need("zlib_bytes", pa.int32()),
        _need("spans", pa.list_(_SPAN)),
        _need("truncated", pa.bool_()),
    ]
)

# Personal information in generated texts, by place; the values stand in the texts alone.
DETECTIONS: Final = pa.schema(
    [
        _need("probe_id", _TEXT),
        _need("draw", pa.int32()),
        _need("model", _TEXT),
        _need("start", pa.int32()),
        _need("end", pa.int32()),
        _need("type", _TEXT),
        _need("score", _REAL),
        _need("in_prompt", pa.bool_()),
        _need("in_training", pa.bool_()),
        _need("from_other", pa.bool_()),  # the other model, base or target, emits the same value
        _need("owners", pa.list_(pa.int32())),  # customers of members that hold the value, at most ten
    ]
)

# Customers of all members, in all and by group of the author: numbers alone, in the order in which they come.
CUSTOMERS: Final = pa.schema(
    [
        pa.field("axis", _TEXT),  # null, and so the group: all customers
        pa.field("group", _TEXT),
        _need("customers", pa.int32()),
        _need("owners", pa.list_(pa.int32())),  # those of them that hold a value of the detections
    ]
)

# How many generated texts hold the secret of a canary.
EMITTED: Final = pa.schema([_need("record_id", _TEXT), _need("model", _TEXT), _need("texts", pa.int32())])

# The likeliest of what was learnt by heart, in words. Raw text: its folder is for the owner alone.
LEAKS: Final = pa.schema(
    [
        _need("passage_id", _TEXT),
        _need("kind", _TEXT),
        pa.field("type", _TEXT),
        _need("prefix", _TEXT),
        _need("leaked", _TEXT),
        _need("probability", _REAL),  # that one sample gives the leaked text after the prefix
        _need("greedy", pa.bool_()),
        _need("attributes", pa.map_(_TEXT, _TEXT)),
    ]
)

SCHEMAS: Final[Mapping[str, pa.Schema]] = {
    "personas": PERSONAS,
    "probes": PROBES,
    "completions": COMPLETIONS,
    "judgements": JUDGEMENTS,
    "scores": SCORES,
    "checks": CHECKS,
    "steps": STEPS,
    "findings": FINDINGS,
    "verdicts": VERDICTS,
    "records": RECORDS,
    "likelihoods": LIKELIHOODS,
    "detections": DETECTIONS,
    "customers": CUSTOMERS,
    "emitted": EMITTED,
    "leaks": LEAKS,
    "frontier": FRONTIER,
}

# What a column of words may hold. None stands for a null.
VOCABULARY: Final[Mapping[str, Mapping[str, frozenset[str | None]]]] = {
    "personas": {"cue_channel": frozenset({"name", "explicit", "record", "address", "dialect"})},
    "probes": {
        "arm": frozenset({"target", "no_cue", "placebo", "paraphrase", "irrelevant", "positive_control"}),
        "purpose": frozenset({"audit", "manipulation"}),
        "output_form": frozenset({"decision", "number", "ranking", "text"}),
    },
    "completions": {
        "mode": frozenset({"exact", "sampled"}),
        "finish_reason": frozenset({"exact", "stop", "length", "error"}),
    },
    "scores": {"status": frozenset({"scored", "refused", "invalid", "error"})},
    "checks": {"status": frozenset({"scored", "refused", "invalid", "error"})},
    "findings": {
        "kind": frozenset({"level", "contrast", "test"}),
        "statistic": frozenset(
            # level: of a group, and between groups; what an irrelevant change does
            {"mean", "difference", "ratio", "floor"}
            # contrast: signed, against the reference
            | {"contrast"}
            # test: against placebos, of magnitudes, of shapes, and of the instrument itself
            | {"placebo", "excess", "signal_to_floor", "wasserstein", "heterogeneity", "worst_case"}
            | {"scorer_bias", "inference"}
            # privacy: a bound that holds with a stated confidence
            | {"bound"}
        ),
        "domain": frozenset({"fairness", "privacy", "utility"}),
    },
    "verdicts": {
        "level": frozenset({"off", "warn", "error"}),
        "outcome": frozenset({"pass", "fail", "inconclusive", "incomparable", "void", "not_refuted"}),
    },
    "records": {"role": frozenset({"member", "held_out", "canary", "reference"})},
    "detections": {"model": frozenset({"target", "base"})},
    "emitted": {"model": frozenset({"target", "base"})},
    "leaks": {"kind": frozenset({"suffix", "identifier", "canary"})},
    "frontier": {
        "variant": frozenset({"base", "ft", "ft+cda", "dp", "dp+cda", "prompt"}),
        "domain": frozenset({"fairness", "privacy", "utility", "budget"}),
        "status": frozenset({"measured", "unfinished", "unmeasured"}),
    },
}

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "personas": ("persona_id",),
    "probes": ("probe_id",),
    "completions": ("probe_id", "draw"),
    "judgements": ("probe_id", "draw", "scorer"),
    "scores": ("probe_id", "draw", "metric"),
    "checks": ("text_id", "persona_id", "metric"),
    "steps": ("task", "locale", "metric", "axis", "group", "step"),
    "findings": ("finding_id",),
    "verdicts": ("rule", "finding_id"),
    "records": ("record_id",),
    "likelihoods": ("passage_id",),
    "detections": ("probe_id", "draw", "model", "start", "type"),
    "customers": ("axis", "group"),
    "emitted": ("record_id", "model"),
    "leaks": ("passage_id", "kind", "type"),
    "frontier": (
        *("cell", "versus", "domain", "metric", "task", "locale", "axis", "group", "reference", "category"),
        "status",
    ),
}


def from_rows(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Build the table ``name`` from dictionaries, one a row; missing keys are null."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMAS[name])


def check(name: str, table: pa.Table) -> pa.Table:
    """Return ``table`` if it is a valid table ``name``.

    Raises
    ------
    ConfigError
        If a column is missing or of another type, a required value is null, a word
        is not in the vocabulary, or a key stands twice.
    """
    schema = SCHEMAS[name]
    missing = [column for column in schema.names if column not in table.column_names]
    if missing:
        raise ConfigError(f"table {name}: column {missing[0]!r} is missing; write the table again with this version")
    for field in schema:
        if not field.nullable and table.column(field.name).null_count:
            raise ConfigError(f"table {name}: column {field.name!r} has an empty value where one is required")
    try:
        table = table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise ConfigError(f"table {name}: {first_line(error)}; write the table again with this version") from error
    for column, words in VOCABULARY.get(name, {}).items():
        strange = sorted(str(word) for word in set(table.column(column).unique().to_pylist()) - words)
        if strange:
            known = ", ".join(sorted(str(word) for word in words))
            raise ConfigError(f"table {name}: {column} {strange[0]!r} is not one of {known}")
    keys = list(KEYS[name])
    if table.num_rows and table.group_by(keys).aggregate([]).num_rows != table.num_rows:
        raise ConfigError(f"table {name}: {' and '.join(keys)} must be unique, but a value stands twice")
    return table


def write(name: str, table: pa.Table, path: Path) -> Path:
    """Check ``table`` and write it to ``path`` in one step (never half a file)."""
    table = check(name, table).combine_chunks()
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=65_536)
    return path


def read(name: str, path: Path) -> pa.Table:
    """Read and check the table ``name``; a file that is no table is one clear error."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such table; run the stage before it first") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise ConfigError(
            f"{path}: not a readable parquet file ({first_line(error)}); delete it and run the stage again"
        ) from error
    try:
        return check(name, table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


@contextmanager
def for_owner_alone() -> Iterator[None]:
    """Within, files that :class:`replacing` makes are readable by their owner alone, from the first moment."""
    before = _MODE.set(0o600)
    try:
        yield
    finally:
        _MODE.reset(before)


class replacing:  # noqa: N801 - reads as a verb in a with statement
    """Context that gives a temporary path and moves it over ``path`` on success."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Path:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        except OSError as error:
            raise ConfigError(
                f"{self.path.parent}: cannot write here ({error.strerror}); name another folder with --out"
            ) from error
        os.close(handle)
        os.chmod(name, _MODE.get())
        self.temporary = Path(name)
        return self.temporary

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        try:
            if kind is None:
                os.replace(self.temporary, self.path)
        except OSError as error:
            value = error
        if isinstance(value, OSError):
            self.temporary.unlink(missing_ok=True)
            why = value.strerror or first_line(value)
            raise ConfigError(f"{self.path}: cannot be written ({why}); make room, or name another folder") from value
        if kind is not None:
            self.temporary.unlink(missing_ok=True)
