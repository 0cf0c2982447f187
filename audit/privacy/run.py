"""The privacy audit, stage by stage, in one run folder; what has not changed is not done again.

records ─▶ likelihoods, leaks ─┐
prompts ─▶ completions ─▶ detections ─┴─▶ findings ─▶ verdicts
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pyarrow as pa

from audit import tables
from audit.config import Config
from audit.errors import ConfigError, NothingEvaluatedError
from audit.manifest import Manifest, code_hash, file_hash, machine, now, versions
from audit.privacy.claims import with_claim
from audit.privacy.folder import claim
from audit.privacy.grouping import check_groups, folded, groups_for_comparison, groups_of
from audit.privacy.material import NO_HELD_OUT, NO_LEDGER, NO_MEMBERS, NO_WEIGHTS, Material, gather
from audit.progress import Progress, Silent
from audit.run_folder import RUNS, Run, clear, parents, stage
from audit.values import content_hash

if TYPE_CHECKING:
    from audit.gate import Overall
    from audit.privacy.likelihood import Passage
    from audit.privacy.likelihood.scorer import Adapters
    from audit.privacy.records import Record

KIND: Final = "privacy"
_LOCAL: Final = ("embedded", "hf")
Likelihoods = Literal["likelihoods", "likelihoods-base"]
_GENERATE: Final = ("seed", "max_new_tokens", "temperature", "top_p")


@dataclass(frozen=True, slots=True)
class PrivacyRun:
    """A run and the material that it looks at."""

    run: Run
    material: Material

    @property
    def base(self) -> bool:
        """Whether there is a model from before the training to compare with."""
        return self.run.config.privacy.base is not None


def audit_privacy(
    config: Config,
    out: Path | None = None,
    *,
    progress: Progress | None = None,
    fresh: bool = False,
    command: str = "",
    strict: bool = False,
) -> tuple[Path, Overall]:
    """Audit what a model learnt by heart, from the records to the verdict.

    Parameters
    ----------
    config
        ``model`` is the model after its training; ``privacy`` names the one before it, the records, the
        ledger of planted canaries, and how hard to look.
    out
        The run folder; by default one under ``.evenhand/runs`` named after model and settings.
    fresh
        Throw away what the folder holds and begin anew.
    command
        The command to write into the report, so that a reader can run it again.
    strict
        Let an inconclusive error-level rule be an exit code of its own.

    Returns
    -------
    (Path, Overall)
        The run folder, readable by its owner alone, and the overall verdict.

    Raises
    ------
    ConfigError
        If a file, a column, a rule or a model is not what it should be; nothing is written then.
    BackendError
        If the model stops answering; finished batches are kept.
    """
    from audit import pipeline

    held = start(config, out, progress=progress, fresh=fresh, command=command)
    look_up(held)
    read_likelihoods(held)
    generate(held)
    detect(held)
    go_on(held)
    measure(held.run)
    with tables.for_owner_alone():
        return held.run.folder, pipeline.gate(held.run, strict=strict)


def start(
    config: Config, out: Path | None = None, *, progress: Progress | None = None, fresh: bool = False, command: str = ""
) -> PrivacyRun:
    """Read all that is named, then make or find the run folder.

    Raises
    ------
    ConfigError
        If the folder holds a run with other settings, or something named is not what it should be.
    NothingEvaluatedError
        If there is neither a record, nor a canary, nor a text to generate.
    """
    from audit.gate import check_privacy_rules

    config, said = with_claim(config)
    check_privacy_rules(config)
    material = gather(config.privacy, config.run.seed)
    groups = _groups(material)
    check_groups(groups)
    check_privacy_rules(config, groups)
    material = _comparable(material)
    if material.ledger is not None:
        # Fixed before the coins were tossed; what a config says later does not count.
        config = config.changed("run", locale=material.ledger.locale)
        config = config.changed("privacy", claimed_delta=material.ledger.delta)
    if not (material.members or material.ledger or config.privacy.generations):
        raise NothingEvaluatedError("there is nothing to look at; name records, a ledger, or generations above 0")
    _resolvable(config)
    folder = out or RUNS / run_id(config)
    claim(folder)
    manifest = Manifest.load(folder)
    asked = _asked(config, material)
    begun = manifest.data.get("tables", {}).keys() - {"records"}  # a model has answered: not to be mixed with another
    if begun and manifest.data.get("asked") != asked and not fresh:
        raise ConfigError(f"{folder}: holds a run with other settings; name another folder with --out, or add --fresh")
    if fresh and manifest.data:
        clear(folder)
        manifest = Manifest(folder)
    run = Run(folder, config, progress or Silent())
    for line in (*said, *material.notes):
        run.progress.warn(line)
    unmeasured = _unmeasured(config, material)
    for topic, why in unmeasured.items():
        run.progress.warn(f"{topic.replace('_', ' ')} cannot be measured: {why}")
    manifest.data |= {
        "kind": KIND,
        "evenhand": metadata.version("evenhand"),
        "run_id": run_id(config),
        "created": manifest.data.get("created", now()),
        "asked": asked,
        "config": json.loads(config.model_dump_json()),
        "records": dict(material.counts) | _canary_counts(material),
        "not_measured": unmeasured,
        "guesses": _guesses(material),
        "notes": [*said, *material.notes],
        "seed": config.run.seed,
        "command": command or manifest.data.get("command", ""),
        "versions": versions(),
        "machine": machine(),
    }
    with tables.for_owner_alone():
        manifest.save()
    return PrivacyRun(run, material)


def run_id(config: Config) -> str:
    """Name a privacy run after its model and what is asked of it."""
    letters = "".join(letter if letter.isalnum() else "-" for letter in config.model.name.rpartition(":")[2])
    settings = json.loads(config.model_dump_json(include={"model", "run", "privacy"}))
    return f"privacy-{letters.strip('-')[-40:]}-{content_hash(settings, 8)}"


def look_up(held: PrivacyRun) -> pa.Table:
    """Write who is looked at: the table ``records``."""
    from audit.privacy.who import records_table

    run, material = held.run, held.material
    key = {"settings": _asked(run.config, material), "code": code_hash("privacy")}
    return _stage(run, "records", key, ("records",), lambda: {"records": records_table(material, run.config.run.seed)})[
        "records"
    ]


def read_likelihoods(held: PrivacyRun) -> None:
    """Let the models read every passage once: the tables ``likelihoods``, ``likelihoods-base`` and ``leaks``."""
    from audit.privacy.who import passages

    run = held.run
    texts = passages(held.material)
    if not texts or not is_local(run.config.model.name):
        return
    _read(held, texts, "likelihoods", run.config.model.name)
    _show_leaks(held, texts)
    if held.base:
        _read(held, texts, "likelihoods-base", str(run.config.privacy.base))
    elif _carries_adapters(run.config.model.name):  # under them lies the model from before
        _read(held, texts, "likelihoods-base", run.config.model.name, adapters="off")


def _read(
    held: PrivacyRun, texts: Sequence[Passage], table: Likelihoods, model: str, adapters: Adapters = "on"
) -> None:
    from audit.backends import open_backend
    from audit.privacy.likelihood import Scorer, score_passages

    run, privacy = held.run, held.run.config.privacy
    named = run.config.changed("model", name=model)
    key: dict[str, Any] = {
        "settings": {"model": named.model.model_dump(), "max_tokens": privacy.max_tokens},
        "identity": content_hash(open_backend(named).identity()),
        "passages": content_hash([_seen(text) for text in texts]),
        "code": code_hash("privacy/likelihood"),
        "parents": parents(Manifest.load(run.folder), "records"),
    }
    if adapters == "off":
        key["adapters"] = adapters

    def make() -> Mapping[str, pa.Table]:
        scorer = Scorer(named.model, "float32")
        manifest = Manifest.load(run.folder)
        manifest.data["base" if table == "likelihoods-base" else "model"] = dict(scorer.describe())
        manifest.save()
        return {
            table: score_passages(
                run.folder,
                scorer,
                texts,
                table=table,
                max_tokens=privacy.max_tokens,
                adapters=adapters,
                progress=run.progress,
            )
        }

    _stage(run, table, key, (table,), make)
    _drop_parts(run.folder, table)


def _seen(text: Passage) -> list[Any]:
    return [text.passage_id, text.text, [[span.name, span.start, span.end] for span in text.spans], text.turns]


def _show_leaks(held: PrivacyRun, texts: Sequence[Passage]) -> None:
    from audit.backends import models
    from audit.privacy.leaks import leaks
    from audit.privacy.who import trained_on

    run = held.run
    key = {
        "settings": {"prefix": run.config.privacy.prefix, "suffix": run.config.privacy.suffix},
        "code": code_hash("privacy/leaks.py", "privacy/attacks/suffixes.py"),
        "parents": parents(Manifest.load(run.folder), "likelihoods", "records"),
    }

    def make() -> Mapping[str, pa.Table]:
        tokenizer = models.load_tokenizer(models.resolve(run.config.model.name))
        attributes = trained_on(held.material)
        return {"leaks": leaks(texts, run.table("likelihoods"), attributes, run.config.privacy, tokenizer)}

    _stage(run, "leaks", key, ("leaks",), make)


def generate(held: PrivacyRun) -> None:
    """Let the models write: the tables ``probes``, ``completions`` and ``completions-base``."""
    from audit.privacy.pii import generation_prompts

    run, privacy = held.run, held.run.config.privacy
    if not privacy.generations:
        return
    key: dict[str, Any] = {
        "settings": {"locale": run.config.run.locale, "generations": privacy.generations},
        "prompts": file_hash(privacy.prompts) if privacy.prompts else None,
        "code": code_hash("privacy/pii/prompts", "privacy/pii/generation.py"),
    }
    locale = run.config.run.locale
    _stage(run, "prompts", key, ("probes",), lambda: {"probes": generation_prompts(locale, path=privacy.prompts)})
    draws = math.ceil(privacy.generations / run.table("probes").num_rows)
    _write_texts(held, "", run.config.model.name, draws)
    if held.base:
        _write_texts(held, "-base", str(privacy.base), draws)


def go_on(held: PrivacyRun) -> None:
    """Let a model that can only be asked go on with records' beginnings: ``probes-`` and ``completions-extraction``."""
    from audit.privacy.black_box import prefix_probes

    run, material = held.run, held.material
    if is_local(run.config.model.name) or not material.members:
        return
    key = {"code": code_hash("privacy/black_box.py"), "parents": parents(Manifest.load(run.folder), "records")}
    locale = run.config.run.locale
    made = _stage(
        run, "beginnings", key, ("probes-extraction",), lambda: {"probes-extraction": prefix_probes(material, locale)}
    )
    if made["probes-extraction"].num_rows:
        _write_texts(held, "-extraction", run.config.model.name, draws=1)


def _write_texts(held: PrivacyRun, part: str, model: str, draws: int) -> None:
    from audit.asking import ask
    from audit.backends import open_backend

    run, asked = held.run, "probes-extraction" if part == "-extraction" else "probes"
    config = run.config.changed("model", name=model).changed("run", draws=draws)
    backend = open_backend(config)
    settings = config.run.model_dump(mode="json", include=set(_GENERATE)) | {"draws": draws}
    name = f"completions{part}"
    key = {
        "settings": {"model": config.model.model_dump(), "run": settings},
        "identity": content_hash(backend.identity()),
        "code": code_hash("backends"),
        "parents": parents(Manifest.load(run.folder), asked),
    }
    about = "base" if part == "-base" else "model"

    def make() -> Mapping[str, pa.Table]:
        return {name: ask(run.folder, backend, key, run.progress, about=about, table=asked)}

    _stage(run, name, key, (name,), make)
    _drop_parts(run.folder, "completions")


def detect(held: PrivacyRun) -> None:
    """Find personal information, and secrets of canaries, in what was written.

    The tables ``detections``, ``customers`` and ``emitted``.
    """
    from audit.privacy.pii import detections, emitted_secrets, open_detector

    run, privacy, material = held.run, held.run.config.privacy, held.material
    if not privacy.generations:
        return
    written = {"target": "completions"} | ({"base": "completions-base"} if held.base else {})
    key = {
        "settings": {"locale": run.config.run.locale},
        "members": file_hash(material.files["members"]) if "members" in material.files else None,
        "ledger": file_hash(privacy.ledger) if privacy.ledger else None,
        "code": code_hash("privacy/pii", "privacy/records", "privacy/material.py", "privacy/grouping.py"),
        "parents": parents(Manifest.load(run.folder), *written.values(), "probes"),
    }

    def make() -> Mapping[str, pa.Table]:
        texts = {model: run.table(name) for model, name in written.items()}
        detector = open_detector(run.config.run.locale)
        members = _all_members(held)
        found, customers = detections(texts["target"], texts.get("base"), run.table("probes"), members, detector)
        canaries = material.ledger.canaries if material.ledger is not None else ()
        emitted = emitted_secrets({canary.canary_id: canary.secret for canary in canaries}, texts)
        return {"detections": found, "customers": customers, "emitted": emitted}

    _stage(run, "detect", key, ("detections", "customers", "emitted"), make)


def measure(run: Run) -> pa.Table:
    """Measure what leaks and about whom: the table ``findings``."""
    from audit.privacy.measuring import measure as apply

    manifest = Manifest.load(run.folder)
    there = [name for name in _MEASURED if name in manifest.data.get("tables", {})]
    key = {
        "settings": json.loads(run.config.model_dump_json(include={"privacy", "reference"})),
        "code": code_hash("privacy", "statistics"),
        "parents": parents(manifest, *there),
    }

    def make() -> Mapping[str, pa.Table]:
        return {"findings": apply({name: run.table(name) for name in there}, run.config, manifest.data)}

    return _stage(run, "measure", key, ("findings",), make)["findings"]


_MEASURED: Final = (
    *("records", "likelihoods", "likelihoods-base"),
    *("probes", "completions", "completions-base", "detections", "customers", "emitted"),
    *("probes-extraction", "completions-extraction"),
)


def _carries_adapters(model: str) -> bool:
    return (Path(model.removeprefix("hf:")) / "adapter_config.json").is_file()


def is_local(model: str) -> bool:
    """Whether a model runs here, so that the probability of any text can be read."""
    kind, colon, _ = model.partition(":")
    return not colon or kind in _LOCAL or Path(model).is_dir()


def _asked(config: Config, material: Material) -> dict[str, Any]:
    """Settings and files that decide what the models are asked."""
    found: dict[str, Any] = json.loads(config.model_dump_json(include={"model", "run", "privacy"}))
    for judged_by in ("claimed_epsilon", "claimed_delta", "n", "p", "fpr", "beta"):
        del found["privacy"][judged_by]
    files = {**material.files, "ledger": config.privacy.ledger}
    return found | {"files": {side: file_hash(path) for side, path in files.items() if path}}


def _unmeasured(config: Config, material: Material) -> dict[str, str]:
    """Topics that cannot be measured, each with the reason."""
    local = is_local(config.model.name)
    found: dict[str, str] = {}
    for topic in ("exposure", "epsilon_lower_bound"):
        if material.ledger is None or not local:
            found[topic] = NO_LEDGER if material.ledger is None else NO_WEIGHTS
    if material.ledger is not None and material.ledger.repeats > 1:
        found["epsilon_lower_bound"] = (
            f"each canary stands {material.ledger.repeats} times in the training file, so that a bound would be on the "
            "epsilon of a group; plant with --repeats 1"
        )
    if not material.members:
        found["membership"] = found["extraction"] = NO_MEMBERS
    elif not local:
        found["membership"] = NO_WEIGHTS
        found["extraction"] = f"{NO_WEIGHTS}; texts that it goes on with are compared instead (black box)"
    elif not material.held_out:
        found["membership"] = NO_HELD_OUT
    elif len(material.held_out) < 1 / config.privacy.fpr:
        found["tpr_at_fpr"] = (
            f"{len(material.held_out)} held-out records are too few for a false positive rate of "
            f"{config.privacy.fpr:g}, which takes {math.ceil(1 / config.privacy.fpr)}, better ten times as many"
        )
    if not config.privacy.generations:
        found["pii"] = "no texts were generated (generations = 0)"
    elif not material.members:
        found["pii_in_training"] = NO_MEMBERS
    if config.privacy.base is None:
        found["base"] = "no model from before the training is named (--base), so what it knew already is not taken off"
    return found


def _groups(material: Material) -> dict[str, set[str]]:
    """Axis → groups of all authors, those of canaries too."""
    canaries = material.ledger.canaries if material.ledger is not None else ()
    records = [record.groups for record in (*material.members, *material.held_out)]
    return groups_of([*records, *(canary.groups for canary in canaries)])


def _comparable(material: Material) -> Material:
    """Fold small groups of records; canaries keep theirs, for which the ledger fixed how many are guessed."""
    members, held_out, notes = groups_for_comparison(material.members, material.held_out)
    return replace(material, members=members, held_out=held_out, notes=(*material.notes, *notes))


def _all_members(held: PrivacyRun) -> Iterator[Record]:
    """Every member, in the groups that the records looked at are compared by."""
    material = held.material
    named = groups_of(record.groups for record in (*material.members, *material.held_out))
    return folded(material.all_members(held.run.config.privacy), named)


def _stage(
    run: Run, name: str, key: Mapping[str, Any], outputs: tuple[str, ...], make: Callable[[], Mapping[str, pa.Table]]
) -> Mapping[str, pa.Table]:
    """A stage whose files, those of its parts too, no one but their owner reads."""
    with tables.for_owner_alone():
        return stage(run, name, key, outputs, make)


def _guesses(material: Material) -> dict[str, Any] | None:
    """How many canaries are guessed as planted and as not: what the ledger fixed before the coins were tossed."""
    if material.ledger is None:
        return None
    by_group = {
        axis: {group: guess.model_dump(by_alias=True) for group, guess in groups.items()}
        for axis, groups in material.ledger.group_guesses.items()
    }
    return material.ledger.guesses.model_dump(by_alias=True) | {"groups": by_group}


def _canary_counts(material: Material) -> dict[str, int]:
    if material.ledger is None:
        return {}
    return {"canary": len(material.ledger.canaries), "reference": len(material.ledger.references)}


def _resolvable(config: Config) -> None:
    """Look up both models, and the detector, before anything is written."""
    from audit.backends import open_backend

    for name in (config.model.name, config.privacy.base):
        if name is not None:
            open_backend(config.changed("model", name=name))
    if config.privacy.generations:
        from audit.privacy.pii import generation_prompts, open_detector

        open_detector(config.run.locale)
        generation_prompts(config.run.locale, path=config.privacy.prompts)


def _drop_parts(folder: Path, table: str) -> None:
    """Remove a table's parts: only now does the manifest vouch for the whole."""
    for parts in folder.glob(f"{table}.parts-*"):
        shutil.rmtree(parts)
