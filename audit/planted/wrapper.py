"""A real model with something added to its answers, by a known amount."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from audit.backends.protocol import Batch, open_backend
from audit.planted.people import members
from audit.planted.spec import Spec
from audit.tables import from_rows

if TYPE_CHECKING:
    from audit.config import Config

_HELD = "answer mass as the model gave it; texts are the model's own"


class WrappedBackend:
    """The backend of ``spec.inner``, its decisions and numbers moved for the affected personas of the target arm."""

    def __init__(self, config: Config, spec: Spec) -> None:
        self.spec = spec
        self.inner = open_backend(config.changed("model", name=spec.inner))
        self.affected = {name for name, member in members(spec, config).items() if member.affected}

    def identity(self) -> str:
        """The spec, and who the model inside is."""
        return f"{self.spec} {self.inner.identity()}"

    def describe(self) -> Mapping[str, Any]:
        """Facts of the model inside, and what is added to it."""
        spec = self.spec
        planted = {
            "delta": f"{spec.delta:g} on the log-odds of the first option of decisions",
            "shift": f"{spec.shift:g} on the expectation of numbers",
            "axis": spec.axis,
            "group": spec.group,
            "channel": spec.channel,
            "affected_personas": len(self.affected),
            "held": _HELD,
        }
        return {**self.inner.describe(), "name": spec.text, "planted": planted}

    def plan(self, probes: pa.Table) -> Sequence[Batch]:
        """Batches of the model inside."""
        return self.inner.plan(probes)

    def complete(self, probes: pa.Table, batch: Batch) -> pa.Table:
        """Let the model inside answer, then add."""
        told = self.inner.complete(probes, batch)
        if batch.kind == "text":
            return told
        asked = probes.take(pa.array(batch.rows)).select(["arm", "purpose", "persona_id", "output_form", "options"])
        rows = [
            self._moved(row, probe) if self._is_affected(probe) else row
            for row, probe in zip(told.to_pylist(), asked.to_pylist(), strict=True)
        ]
        return from_rows("completions", rows)

    def _is_affected(self, probe: Mapping[str, Any]) -> bool:
        return probe["arm"] == "target" and probe["purpose"] == "audit" and probe["persona_id"] in self.affected

    def _moved(self, row: dict[str, Any], probe: Mapping[str, Any]) -> dict[str, Any]:
        if row["mode"] != "exact" or row["finish_reason"] == "error" or not row["support"]:
            return row
        if probe["output_form"] == "number":
            low, high = (int(form) for form in probe["options"][0]["forms"])
            return row | shifted(row["support"], row["probs"], self.spec.shift, low, high)
        logs = row["option_logprobs"]
        if logs is None or None in logs:
            return row
        first = row["support"].index(probe["options"][0]["id"])
        moved = added(logs, first, self.spec.delta)
        return row | {"option_logprobs": moved, "probs": _normalised(moved)}


def added(logs: Sequence[float], first: int, delta: float) -> list[float]:
    """Log-probabilities with ``delta`` more on the log-odds of option ``first``, their sum as it was.

    p₁' = p₁e^δ · S / (p₁e^δ + S − p₁) with S = Σp; the others keep their proportions.

    >>> moved = added([math.log(0.2), math.log(0.2)], 0, math.log(3))
    >>> [round(math.exp(x), 12) for x in moved]
    [0.3, 0.1]
    """
    raised = [value + delta * (place == first) for place, value in enumerate(logs)]
    change = _log_sum(raised) - _log_sum(logs)
    return [value - change for value in raised] if math.isfinite(change) else list(logs)


def shifted(support: Sequence[str], probs: Sequence[float], shift: float, low: int, high: int) -> dict[str, Any]:
    """A distribution over numbers with ``shift`` more in its expectation, inside the range.

    A share w of all mass goes to the range's end in the direction of the shift:
    E' = (1 − w)·E + w·end, hence w = shift / (end − E); all of it where the end is nearer than ``shift``.

    >>> shifted(["10", "20"], [0.5, 0.5], 3.0, 0, 30)
    {'support': ['10', '20', '30'], 'probs': [0.4, 0.4, 0.2]}
    """
    total = math.fsum(probs)
    if shift == 0 or not total > 0:
        return {"support": list(support), "probs": list(probs)}
    end = high if shift > 0 else low
    mean = math.fsum(p * float(x) for p, x in zip(probs, support, strict=True)) / total
    share = min(shift / (end - mean), 1.0) if end != mean else 1.0
    moved = {number: p * (1 - share) for number, p in zip(support, probs, strict=True)}
    moved[str(end)] = moved.get(str(end), 0.0) + share * total
    return {"support": list(moved), "probs": list(moved.values())}


def _normalised(logs: Sequence[float]) -> list[float]:
    whole = _log_sum(logs)
    return [math.exp(value - whole) for value in logs] if math.isfinite(whole) else [0.0] * len(logs)


def _log_sum(logs: Sequence[float]) -> float:
    top = max(logs)
    if not math.isfinite(top):
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in logs))
