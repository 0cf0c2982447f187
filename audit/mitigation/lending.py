"""What the base said is asked once: its audit lends its answers to the audits of what was trained on it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from audit import tables
from audit.manifest import Manifest, file_hash

# Stage and table in the base's own audit → in that of a model that was trained on it.
_LENT: Final = {"likelihoods": "likelihoods-base", "completions": "completions-base"}


def lend(base: Path, folder: Path) -> list[str]:
    """Copy what the base said from its own privacy run into that of a trained model; return the names of the tables.

    The stage's key goes with the table. Where it is not what the trained model's audit would ask by (another
    seed, other records), the stage is not fresh there, and the base is asked again.
    """
    theirs, ours = Manifest.load(base).data, Manifest.load(folder)
    lent = []
    for name, wanted in _LENT.items():
        entry, facts = theirs.get("stages", {}).get(name), theirs.get("tables", {}).get(name)
        if not entry or not facts or wanted in ours.data.get("tables", {}):
            continue
        source = base / facts["file"]
        if file_hash(source) != facts["sha256"]:
            continue
        place = folder / f"{wanted}.parquet"
        with tables.for_owner_alone(), tables.replacing(place) as temporary:
            shutil.copyfile(source, temporary)
        ours.data.setdefault("stages", {})[wanted] = entry | {"seconds": 0.0}
        ours.data.setdefault("tables", {})[wanted] = facts | {"file": place.name}
        lent.append(wanted)
    if lent:
        ours.data.setdefault("base", theirs.get("model", {}))
        with tables.for_owner_alone():
            ours.save()
    return lent
