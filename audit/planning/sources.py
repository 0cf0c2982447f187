"""Where variance components come from: the shipped table, or an earlier run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from audit import tables
from audit.config import parse, read_toml
from audit.errors import ConfigError
from audit.fairness import Terms
from audit.fairness.cells import cell_frame, groups_by_axis, with_groups
from audit.fairness.metrics import RATIO, SCALES, base_metric
from audit.manifest import Manifest
from audit.planning.table import TableFile
from audit.statistics import Components, EstimatedComponents, Moment
from audit.statistics.components import estimate, estimate_paired, upper

if TYPE_CHECKING:
    import pandas as pd

    from audit.config import Config

SHIPPED: Final = Path(__file__).with_name("components.toml")
CAUTION: Final = 0.8
# With fewer degrees of freedom in the residual an estimate of five components is mostly noise.
ENOUGH: Final = 60
MOMENTS: Final = ("template", "template_category", "persona", "persona_block", "noise")
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Components that are known, by (metric, cue channel), and for a run by (task, …, axis, group) too.

    ``levels`` are the mean levels beside them, ``scales`` their units. ``words`` says
    where all this is from.
    """

    words: str
    components: Mapping[Key, Components]
    levels: Mapping[Key, float] = field(default_factory=dict)
    scales: Mapping[Key, str] = field(default_factory=dict)

    def of(self, task: str, metric: str, channel: str, axis: str, group: str, scale: str) -> tuple[Components, str]:
        """The components nearest to a contrast, and in words whose they are; without words there are none.

        A log-ratio's are those of its metric over the metric's level (delta method). The
        quantiles of a distribution have none before a run has seen them.
        """
        base, _, what = metric.partition(":")
        if what not in ("", RATIO):
            known = self.components.get((task, metric, channel, axis, group))
            return (known, "this contrast in the run") if known else (Components(), "")
        keys: list[Key] = [(task, base, channel, axis, group), (task, base, channel), (base, channel)]
        for key in keys:
            known = self.components.get(key)
            if known is None or (not what and self.scales.get(key, scale) != scale):
                continue
            words = {5: "this contrast in the run", 3: f"{task} in the run", 2: "the defaults"}[len(key)]
            if not what:
                return known, words
            level = self.levels.get(key[:3] if len(key) == 5 else key, 0.0)
            if level > 0:
                return scaled(known, 1 / level), f"{words}, over its level"
        return Components(), ""


def defaults() -> Known:
    """The shipped table: what an audit of the embedded model gave, at upper 80 % limits."""
    parsed = parse(TableFile, read_toml(SHIPPED), str(SHIPPED))
    entries = {(row.metric, row.cue_channel): row for row in parsed.components}
    return Known(
        words=f"the defaults, of an audit of {parsed.model}, each at its upper {CAUTION:.0%} limit",
        components={key: Components(**{name: getattr(row, name) for name in MOMENTS}) for key, row in entries.items()},
        levels={key: row.level for key, row in entries.items()},
        scales={key: row.scale for key, row in entries.items()},
    )


def from_run(folder: Path, config: Config, *, level: float = CAUTION) -> Known:
    """What an earlier run says, each component at its upper ``level`` limit (NaN: the plain estimate).

    A contrast of too few cells has the components of its task's metric, else the defaults.

    Raises
    ------
    ConfigError
        If the folder is no run, or its tables cannot be read.
    """
    manifest = Manifest.load(folder)
    if not manifest.data:
        raise ConfigError(f"{folder}: not a run folder (it has no manifest.json); name one that 'evenhand run' made")
    read = {name: tables.read(name, folder / f"{name}.parquet") for name in ("scores", "probes", "personas")}
    found = estimated(**read, references=Terms.of(config).references)
    chosen = _plain if math.isnan(level) else _limit(level)
    shipped = defaults()
    components, levels = dict(shipped.components), dict(shipped.levels)
    for key, parts in found.items():
        usable = {place: part for place, (part, _) in parts.items() if is_enough(part)}
        if not usable:
            continue
        components[key] = chosen(pooled(list(usable.values())))
        components |= {(*key, *place): chosen(part) for place, part in usable.items()}
        levels[key] = next(iter(parts.values()))[1]
    components |= _quantiles(folder, components)
    how = "as they are estimated" if math.isnan(level) else f"each at its upper {level:.0%} limit"
    return Known(
        words=f"the run {folder.name}, {how}; where it holds too little, {shipped.words}",
        components=components,
        levels=levels,
        scales=shipped.scales,
    )


def _quantiles(folder: Path, components: Mapping[Key, Components]) -> dict[Key, Components]:
    """Those of quantile contrasts: of the mean's, as much larger as their standard error was."""
    try:
        findings = tables.read("findings", folder / "findings.parquet").to_pylist()
    except ConfigError:  # not measured yet, or by another version: the quantiles then stay unknown
        return {}
    errors = {
        (row["task"], row["metric"], row["cue_channel"], row["axis"], row["group"]): row["se"]
        for row in findings
        if row["statistic"] == "contrast" and row["arm"] == "target" and row["se"]
    }
    found = {}
    for (task, metric, *place), error in errors.items():
        base = (task, base_metric(metric), *place)
        if metric.partition(":")[2] not in ("", RATIO) and base in components and base in errors:
            found[task, metric, *place] = scaled(components[base], error / errors[base])
    return found


def scaled(components: Components, factor: float) -> Components:
    """Every standard deviation times ``factor``.

    >>> scaled(Components(persona=.1), 2).persona
    0.2
    """
    return Components(*(factor * getattr(components, name) for name in MOMENTS))


def estimated(
    scores: pa.Table, probes: pa.Table, personas: pa.Table, references: Mapping[str, str]
) -> dict[tuple[str, str, str], dict[tuple[str, str], tuple[EstimatedComponents, float]]]:
    """Components of every contrast of a run: (task, metric, channel) → (axis, group) → estimate, mean level.

    Draws of one text are rows of their own, so that what a draw adds is told from what
    a case adds. Exact answers have one.
    """
    import pandas as pd

    draws = scores["draw"].unique().to_pylist()
    frames = [cell_frame(scores.filter(pc.equal(scores["draw"], draw)), probes, personas) for draw in draws]
    cells = frames[0] if len(frames) == 1 else _categorical(pd.concat(frames, ignore_index=True))
    cells = cells[(cells["arm"] == "target") & cells["value"].notna()]
    found: dict[tuple[str, str, str], dict[tuple[str, str], tuple[EstimatedComponents, float]]] = {}
    axes = groups_by_axis(personas)
    for (task, metric, channel), part in cells.groupby(["task", "metric", "cue_channel"], observed=True):
        level = float(part["value"].mean())
        mine: dict[tuple[str, str], tuple[EstimatedComponents, float]] = {}
        for axis, reference in references.items():
            here = with_groups(part, axes.get(axis, {}))
            if reference not in set(here["group"]) or here["value"].nunique() < 2:
                continue
            mine |= {(axis, one.group): (one, level) for one in _contrasts(here, str(channel), reference)}
        if mine:
            found[str(task), str(metric), str(channel)] = mine
    return found


def _contrasts(here: pd.DataFrame, channel: str, reference: str) -> tuple[EstimatedComponents, ...]:
    fit = estimate_paired if channel == "explicit" else estimate
    columns = [here[name].astype(str) for name in ("group", "template_id", "stimulus", "block_id")]
    group, template, stimulus, block = columns
    return fit(here["value"], group, template, stimulus, reference=reference, block=block)


def is_enough(part: EstimatedComponents) -> bool:
    """Whether an estimate rests on enough cells to be used."""
    return part.noise.df + part.persona_block.df >= ENOUGH


def pooled(estimates: Sequence[EstimatedComponents]) -> EstimatedComponents:
    """One estimate out of many, each moment weighted by its degrees of freedom.

    The contrasts of several axes share cells, so that the degrees of freedom are those
    of the best single one.
    """

    def together(name: str) -> Moment:
        moments = [getattr(one, name) for one in estimates if getattr(one, name).df > 0]
        total = sum(moment.df for moment in moments)
        if not moments:
            return Moment(0.0, 0.0, 0.0, 1.0)
        mean = {
            part: sum(getattr(moment, part) * moment.df for moment in moments) / total
            for part in ("mean_square", "rest", "scale")
        }
        return Moment(df=max(moment.df for moment in moments), **mean)

    first = estimates[0]
    return EstimatedComponents(first.group, first.reference, *(together(name) for name in MOMENTS))


def scale_of(metric: str, task: str, terms: Terms) -> str:
    """Unit of a metric, as the findings have it."""
    if ":" in metric:
        return "log-ratio" if metric.endswith(f":{RATIO}") else scale_of(base_metric(metric), task, terms)
    if metric == "expected_number":
        return terms.units.get(task, "number")
    return SCALES.get(metric, metric)


def _plain(estimate: EstimatedComponents) -> Components:
    return estimate.components


def _limit(level: float) -> Callable[[EstimatedComponents], Components]:
    return lambda estimate: upper(estimate, level=level)


def _categorical(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns that lost their categories when frames were put together."""
    return frame.astype({column: "category" for column in frame.columns if column != "value"})
