"""How long a run will take: from an earlier run of the same model, or from what this machine multiplies."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audit import tables
from audit.backends import open_backend
from audit.errors import EvenhandError
from audit.manifest import Manifest, machine
from audit.planning.requests import count

if TYPE_CHECKING:
    from audit.backends import Backend
    from audit.config import Config

# Share of the matrix product that decisions reach (docs/benchmarks/local.md).
EFFICIENCY: Final = 0.64
_ROWS: Final = 1536


def seconds(backend: Backend, cost: float | None, config: Config, run: Path | None) -> tuple[float | None, str]:
    """Seconds of asking, and in words where they come from; None where nothing is known."""
    if cost is None:
        return None, "not known: this model does not run here"
    if run is not None:
        found = _from_run(backend, cost, config, run)
        if found is not None:
            return found, f"rough, at the speed of the run {run.name}"
    size = parameters(backend)
    if size is None:
        return None, "not known: the model's config gives no size"
    work = 2.0 * size * cost  # a product and a sum for each parameter and token
    rate = product_rate(backend)
    share = f"{EFFICIENCY:.0%} of the {rate / 1e9:.0f} GFLOP/s measured here just now"
    return work / (EFFICIENCY * rate), f"rough: {size / 1e6:.0f} million parameters, at {share}"


def _from_run(backend: Backend, cost: float, config: Config, run: Path) -> float | None:
    """At the speed of an earlier run of this model on this kind of machine; None if it is not one."""
    try:
        data = Manifest.load(run).data
        spent = float(data["stages"]["complete"]["seconds"])
        model, here = data["asked"]["model"], config.model.model_dump(mode="json")
        if model["name"] != here["name"] or {**data["machine"], "python": None} != {**machine(), "python": None}:
            return None
        asked = config.model_copy(update={"run": config.run.model_copy(update=_texts(data))})
        same = backend if asked.run == config.run else open_backend(asked)
        before = count(tables.read("probes", run / "probes.parquet"), same, asked)
    except (KeyError, TypeError, ValueError, EvenhandError):
        return None
    return spent * cost / before.cost if before.cost and spent > 0 else None


def _texts(data: dict[str, Any]) -> dict[str, int]:
    run = data["asked"]["run"]
    return {"draws": int(run["draws"]), "max_new_tokens": int(run["max_new_tokens"])}


def parameters(backend: Backend) -> int | None:
    """Number of the model's parameters, from its config alone; None where that is not to be had."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    source: Any = getattr(backend, "source", None)
    if source is None:
        return None
    try:
        revision = None if Path(source.where).is_dir() else source.revision
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(source.where, revision=revision))
    except Exception:  # a config that only its author's code can read; then there is no figure
        return None
    return int(model.num_parameters())


def product_rate(backend: Backend, repeats: int = 3) -> float:
    """Floating-point operations a second of a float32 matrix product, the best of a few; takes a moment."""
    import torch

    from audit.backends import models

    device, size = models.device(), 1024
    left, right = torch.randn(_ROWS, size, device=device), torch.randn(size, size, device=device)
    best = float("inf")
    for _ in range(repeats + 1):  # the first warms up
        began = time.perf_counter()
        for _ in range(4):
            found = left @ right
        float(found[0, 0])  # waits for a GPU
        best = min(best, time.perf_counter() - began)
    return 4 * 2.0 * _ROWS * size * size / best
