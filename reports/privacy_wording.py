"""Words for the figures of a privacy audit: names, units, limits, intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from audit.privacy.measuring.groups import LEAST
from reports.labels import group, number
from reports.privacy_labels import CLAIMS, PARTS, TYPES, WAYS, kind_of_type, privacy_metric
from reports.privacy_values import Measure, PrivacyRule, PrivacyView
from reports.wording import Wording


@dataclass(frozen=True, slots=True)
class PrivacyWording(Wording):
    """Words for the audit's figures in one language."""

    def name(self, metric: str) -> str:
        """Name a metric with its attack, way or count, and the type of personal information."""
        about = privacy_metric(metric)
        parts = [self.part(part) for part in about.part.split(":") if part]
        return ", ".join([self.t(about.title), *parts])

    def part(self, part: str) -> str:
        """Name an attack, a way of extracting, a count or a type."""
        return self.type(part) if part in TYPES or part.isupper() else self.t(PARTS.get(part, part))

    def type(self, name: str) -> str:
        """Name a type of personal information."""
        return self.t(kind_of_type(name))

    def start(self, text: str) -> str:
        """Begin with a capital."""
        return text[:1].upper() + text[1:]

    def units(self, metric: str, gap: bool = False) -> str:
        """Return the unit of a figure; gaps between shares are percentage points."""
        unit = privacy_metric(metric).unit
        return self.t("percentage points") if gap and unit == "%" else "" if unit in ("AUC", "ε") else self.t(unit)

    def limit(self, rule: PrivacyRule) -> str:
        """Write a rule's limit in the unit of the figure that it looks at."""
        if rule.metric is None:
            return number(rule.limit, 3)
        if rule.measure is None or rule.measure.statistic != "difference":
            return self.amount(rule.limit, rule.metric)
        return self.amount(rule.limit, rule.metric, signed=True).removeprefix("+")

    def amount(self, value: float | None, metric: str, signed: bool = False) -> str:
        """Write a figure in its unit."""
        text, unit = privacy_metric(metric).text(value, signed), self.units(metric, signed)
        return f"{text} {unit}" if unit and value is not None else text

    def plain(self, value: float | None, metric: str, signed: bool = False) -> str:
        """Write a figure without its unit."""
        return privacy_metric(metric).text(value, signed)

    def between(self, measure: Measure | None) -> str:
        """Write the 95 % interval of a figure; that of a bound has no upper end."""
        if measure is None:
            return ""
        if measure.statistic == "bound":
            return f"[{self.plain(measure.estimate, measure.metric)}, ∞)"
        if measure.ci_low is None and measure.ci_high is None:
            return ""
        low, high = (self.plain(end, measure.metric) for end in (measure.ci_low, measure.ci_high))
        return f"[{low}, {high}]"

    def whole(self, measure: Measure | None) -> str:
        """Write a figure with its unit and interval."""
        if measure is None or measure.estimate is None:
            return "–"
        if measure.statistic == "bound":
            return f"≥ {self.plain(measure.estimate, measure.metric)}"
        signed = measure.statistic in ("difference", "contrast")
        value, unit = self.plain(measure.estimate, measure.metric, signed), self.units(measure.metric, signed)
        return " ".join(part for part in (value, self.between(measure), unit) if part)

    def claim(self, rule: PrivacyRule) -> str:  # type: ignore[override]
        """Say what a rule concludes."""
        return self.t(CLAIMS.get(rule.outcome, rule.outcome))

    def found(self, contrast: Measure | None) -> str:
        """Say what a contrast between groups shows."""
        if contrast is None:
            return "–"
        if contrast.n_personas < LEAST:
            return self.t("too few authors to tell")
        if contrast.ci_low is None or contrast.ci_high is None:
            return "–"
        if contrast.ci_low > 0:
            return self.t("evidence of more")
        return self.t("evidence of less") if contrast.ci_high < 0 else self.t("no evidence of a difference")


def types_of(view: PrivacyView, family: str, order: Iterable[str]) -> list[str]:
    """Return the types of personal information that a family is known by, in the order of the list of types."""
    ways = set(order)
    found = {
        parts[2]
        for m in view.measures
        if len(parts := m.metric.split(":")) == 3 and parts[0] == family and parts[1] in ways and not m.of_group
    }
    return sorted(found, key=lambda name: (list(TYPES).index(name) if name in TYPES else len(TYPES), name))


def group_name(w: PrivacyWording, axis: str | None, name: str | None) -> str:
    """Name a group with its axis."""
    return f"{w.axis(axis)}: {group(name, start=False)}" if axis and name else w.t("All")


def seen(measure: Measure | None) -> str:
    """Say of how many units a figure is."""
    return "–" if measure is None else f"{measure.n_cells:,}"


def ways(view: PrivacyView, family: str) -> list[str]:
    """Return the ways of extracting that were measured, each as a metric."""
    return [f"{family}:{way}" for way in WAYS if any(m.metric == f"{family}:{way}" for m in view.whole(family))]
