"""What a cell's model says of the held-out records: from its privacy audit, or read for this alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from audit import tables
from audit.config import Config
from audit.manifest import Manifest, code_hash, machine, now, versions
from audit.progress import Progress
from audit.run_folder import Run, parents, stage
from audit.values import content_hash

if TYPE_CHECKING:
    from audit.privacy.measuring.readings import Reading

KIND: Final = "utility"
NO_HELD_OUT: Final = "no held-out records are named; name with --held-out records that no variant is trained on"
NO_WEIGHTS: Final = "the model does not run here, and without its weights no probability of a given text can be read"


def readings_of(folder: Path) -> list[Reading]:
    """The held-out records that were read in a run folder, privacy's or this room's own; none where there is none."""
    from audit.privacy.measuring.readings import of_role, readings

    paths = [folder / f"{name}.parquet" for name in ("records", "likelihoods")]
    if not all(path.is_file() for path in paths):
        return []
    records, likelihoods = (tables.read(path.stem, path) for path in paths)
    return of_role(readings(records, likelihoods), "held_out")


def why_not(config: Config) -> str | None:
    """Why held-out records cannot be read, or None."""
    from audit.privacy.run import is_local

    if config.privacy.ledger is None and config.privacy.held_out is None:
        return NO_HELD_OUT
    return None if is_local(config.model.name) else NO_WEIGHTS


def read_held_out(config: Config, folder: Path, progress: Progress) -> None:
    """Let the model read the held-out records that the privacy audit would draw: ``records`` and ``likelihoods``.

    Finished batches are kept, so that a reading that was stopped goes on.

    Raises
    ------
    ConfigError
        If the records cannot be read, or the folder holds something else.
    BackendError
        If the model fails.
    """
    from audit.privacy.folder import claim
    from audit.privacy.likelihood import Scorer, score_passages
    from audit.privacy.material import gather
    from audit.privacy.who import passages, records_table

    whole = gather(config.privacy, config.run.seed)
    material = replace(whole, members=(), ledger=None)
    texts = passages(material)
    claim(folder)
    run = Run(folder, config, progress)
    scorer = Scorer(config.model, "float32")
    with tables.for_owner_alone():
        _begin(run)
        key: dict[str, Any] = {
            "records": content_hash([[text.passage_id, text.text, text.turns] for text in texts]),
            "code": code_hash("privacy/who.py", "privacy/records"),
        }
        stage(run, "records", key, ("records",), lambda: {"records": records_table(material, config.run.seed)})
        key = {
            "settings": {"model": config.model.model_dump(), "max_tokens": config.privacy.max_tokens},
            "identity": content_hash(scorer.identity()),
            "code": code_hash("privacy/likelihood"),
            "parents": parents(Manifest.load(folder), "records"),
        }

        def make() -> Mapping[str, pa.Table]:
            limit = config.privacy.max_tokens
            found = score_passages(folder, scorer, texts, table="likelihoods", max_tokens=limit, progress=progress)
            return {"likelihoods": found}

        stage(run, "likelihoods", key, ("likelihoods",), make)
        for parts in folder.glob("likelihoods.parts-*"):
            shutil.rmtree(parts)


def _begin(run: Run) -> None:
    manifest = Manifest.load(run.folder)
    settings = json.loads(run.config.model_dump_json(include={"model", "run", "privacy"}))
    manifest.data |= {
        "kind": KIND,
        "evenhand": metadata.version("evenhand"),
        "run_id": f"utility-{content_hash(settings, 8)}",
        "created": manifest.data.get("created", now()),
        "config": json.loads(run.config.model_dump_json()),
        "versions": versions(),
        "machine": machine(),
    }
    manifest.save()
