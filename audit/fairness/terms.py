"""What measuring needs to know beside the tables: references, units, controls, precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from audit.config import Config

# Facts that favour the customer must raise these, whatever the suite registers beside them.
_CONTROLLED = {"decision": ("log_odds", "p_favourable"), "number": ("expected_number", "p_at_least"), "text": ()}


@dataclass(frozen=True, slots=True)
class Terms:
    """References (axis → group); per task the unit and range of its number and the metric its control moves."""

    references: Mapping[str, str]
    units: Mapping[str, str] = field(default_factory=dict)
    control_metrics: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    exact_precision: str = "float32"
    text_precision: str = "auto"

    @classmethod
    def of(cls, config: Config) -> Terms:
        """Read them from the config and from the suites and personas it names."""
        from audit.probes import load_suites, references

        suites = load_suites(config)
        return cls(
            references=references(config),
            units={suite.task: suite.unit for suite in suites if suite.unit},
            control_metrics={suite.task: suite.control_metric for suite in suites},
            exact_precision=config.model.decision_precision,
            text_precision=config.model.text_precision,
        )

    def controlled(self, task: str, output_form: str) -> frozenset[str]:
        """The metrics that the positive control of ``task`` must raise."""
        registered = self.control_metrics.get(task)
        return frozenset(_CONTROLLED.get(output_form, ())) | ({registered} if registered else set())

    def reading(self, output_form: str) -> str:
        """How the answers were read, for the column ``method``."""
        if output_form in ("decision", "number"):
            return f"exact {self.exact_precision}"
        return "sampled" if self.text_precision == "auto" else f"sampled {self.text_precision}"


def with_ranges(terms: Terms, probes: pa.Table) -> Terms:
    """The terms with the range of each task's number, as its probes ask for it."""
    numbers = probes.filter(pc.equal(probes["output_form"], "number"))
    found: dict[str, tuple[float, float]] = {}
    for task, options in zip(numbers["task"].to_pylist(), numbers["options"].to_pylist(), strict=True):
        ends = [float(form) for option in options for form in option["forms"]]
        if ends:
            low, high = found.get(task, (ends[0], ends[0]))
            found[task] = (min(low, *ends), max(high, *ends))
    return replace(terms, ranges=dict(terms.ranges) | found)
