"""Words for the figures of the variants: names of cells and figures, values with units, what a change shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reports.frontier_labels import BETTER, WORSE, metric_of, worse_up
from reports.frontier_values import Cell, Figure, Place
from reports.labels import TASKS, Metric, group, humanise
from reports.privacy_labels import CATEGORIES, PARTS, TYPES, kind_of_type
from reports.wording import Wording


@dataclass(frozen=True, slots=True)
class FrontierWording(Wording):
    """Words in one language."""

    def cell(self, cell: Cell) -> str:
        """Name a variant with its ε."""
        if cell.variant == "prompt":
            return self.t("Prompt “{name}”").format(name=cell.prompt or cell.name)
        names = {"base": self.t("Base"), "ft": self.t("FT"), "ft+cda": self.t("FT + CDA")}
        if cell.private:
            kind = self.t("DP + CDA") if cell.augmented else self.t("DP")
            return f"{kind}, {self.budget(cell)}"
        return names.get(cell.variant, cell.name)

    def inside(self, cell: Cell) -> str:
        """Name a variant inside a sentence."""
        names = {
            "base": self.t("the base model"),
            "ft": self.t("plain fine-tuning"),
            "ft+cda": self.t("fine-tuning with CDA"),
        }
        if cell.private:
            kind = self.t("DP with CDA") if cell.augmented else self.t("DP")
            return f"{kind} {self.t('at')} {self.budget(cell)}" if cell.epsilon else kind
        return names.get(cell.variant, self.t("the prompt “{name}”").format(name=cell.prompt or cell.name))

    def listed(self, cells: Iterable[Cell]) -> str:
        """Name several variants inside a sentence."""
        return ", ".join(self.inside(cell) for cell in cells)

    def budget(self, cell: Cell) -> str:
        """Write a cell's ε."""
        return f"ε = {cell.epsilon:.4g}" if cell.epsilon is not None else self.t("ε not recorded")

    def metric(self, place: Place, scale: str = "") -> Metric:
        """Look the metric of a figure up."""
        return metric_of(place, scale)

    def name(self, place: Place, scale: str = "") -> str:
        """Name what is measured, without whose figure it is."""
        about = metric_of(place, scale)
        parts = [self.part(part) for part in about.part.split(":") if part]
        return ", ".join([self.t(about.title), *parts])

    def part(self, part: str) -> str:
        """Name an attack, a way, a count, a type of personal information or what of a metric is compared."""
        return self.t(kind_of_type(part) if part in TYPES or part.isupper() else PARTS.get(part, part))

    def named_task(self, task: str | None) -> str:
        """Name a task by the catalogue, else by its id."""
        return self.t(TASKS.get(task, humanise(task))) if task else ""

    def whose(self, place: Place) -> str:
        """Say of whom or of what a figure is."""
        parts = [self.named_task(place.task)]
        if place.axis and place.group:
            parts.append(f"{self.axis(place.axis)}: {self.pair(place)}")
        if place.domain == "fairness" and place.category:
            parts.append(self.channel(place.category))
        elif place.category:
            parts.append(self.t(CATEGORIES.get(place.category, place.category)))
        return ", ".join(part for part in parts if part)

    def pair(self, place: Place) -> str:
        """Name a group, and the group that it is compared with."""
        if place.group is None:
            return "–"
        if place.reference is None:
            return group(place.group, start=False)
        return self.t("{group} against {reference}").format(
            group=group(place.group, start=False), reference=group(place.reference, start=False)
        )

    def gap(self, place: Place) -> str:
        """Name a gap by its task and whom it is between."""
        if place.task is None:
            return self.pair(place)
        return self.t("{task}: {pair}").format(task=self.named_task(place.task), pair=self.pair(place))

    def units(self, place: Place, scale: str = "", change: bool = False) -> str:
        """Return the unit of a figure; differences between shares are percentage points."""
        unit = metric_of(place, scale).unit
        if unit == "%" and (change or place.reference):
            return self.t("percentage points")
        return "" if unit in ("AUC", "ε", "perplexity") else self.t(unit)

    def value(self, figure: Figure | None) -> str:  # type: ignore[override]
        """Write a figure without its unit; changes and gaps have a sign."""
        if figure is None or figure.estimate is None:
            return "–"
        signed = figure.versus is not None or figure.place.reference is not None
        text = metric_of(figure.place, figure.scale).text(figure.estimate, signed)
        return f"≥ {text}" if figure.place.metric == "epsilon_lower_bound" and figure.versus is None else text

    def between(self, figure: Figure | None) -> str:
        """Write the 95 % interval of a figure; nothing where it has none."""
        if figure is None or figure.ci_low is None or figure.ci_high is None:
            return ""
        about = metric_of(figure.place, figure.scale)
        return f"[{about.text(figure.ci_low)}, {about.text(figure.ci_high)}]"

    def whole(self, figure: Figure | None) -> str:
        """Write a figure with interval and unit."""
        if figure is None:
            return "–"
        unit = self.units(figure.place, figure.scale, figure.versus is not None)
        return " ".join(part for part in (self.value(figure), self.between(figure), unit) if part)

    def tone(self, change: Figure | None) -> str:
        """Return "worse", "better", "unclear", or "" where a change has no interval or no direction."""
        if change is None or change.shows == "":
            return ""
        up = worse_up(change.place)
        if change.shows == "unclear":
            return "unclear"
        return "" if up is None else "worse" if (change.shows == "up") == up else "better"

    def shown(self, change: Figure | None) -> str:
        """Say what a change shows. That none is shown does not mean that there is none."""
        if change is None:
            return "–"
        tone, domain = self.tone(change), change.place.domain
        if tone == "unclear":
            return self.t("no change shown")
        if tone:
            return self.t((WORSE if tone == "worse" else BETTER).get(domain, tone))
        return {"up": self.t("higher"), "down": self.t("lower")}.get(change.shows, self.t("no interval"))

    def amount(self, value: float | None, place: Place, scale: str, signed: bool = False) -> str:
        """Write a value with its unit."""
        text, unit = metric_of(place, scale).text(value, signed), self.units(place, scale, signed)
        return f"{text} {unit}" if unit else text

    def count(self, value: float | None) -> str:
        """Write a figure of a budget, which may be as small as a δ."""
        return "–" if value is None else f"{value:.4g}".replace("-", "−")


def lower(text: str) -> str:
    """Begin with a small letter inside a sentence, but for initials.

    >>> lower("Exposure of canaries"), lower("AUC")
    ('exposure of canaries', 'AUC')
    """
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
