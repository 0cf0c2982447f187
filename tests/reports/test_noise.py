"""Is it more than noise: distances, floors and what a reader is told of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit import tables
from audit.gate import overall, to_json
from reports import build_view, html, markdown
from reports.labels import metric
from reports.noise import meaning, noise, sizes, uneven
from reports.values import Noise, ReportView, TaskView
from reports.wording import Wording

Make = Callable[..., Path]
W = Wording(str)


def task(view: ReportView, name: str = "refund_decision") -> TaskView:
    return next(task for task in view.tasks if task.task == name)


def row(statistic: str, **columns: Any) -> dict[str, Any]:
    names = (
        "estimate",
        "ci_low",
        "ci_high",
        "p_value",
        "floor",
        "category",
        "cue_channel",
        "axis",
        "group",
        "reference",
    )
    about = {"metric": "log_odds", "arm": "target", "n_blocks": 1, "n_personas": 1, "statistic": statistic}
    return dict.fromkeys(names) | about | columns


def compared(group: str, across: float, p: float, **more: Any) -> dict[str, Any]:
    names = {"axis": "race", "group": group, "reference": "white", "cue_channel": "name"}
    return row("excess", estimate=across, floor=0.1, p_value=p, **names, **more)


def test_rows_of_one_comparison_are_put_together(run_folder: Make) -> None:
    folder = run_folder("fail")
    rows = tables.read("findings", folder / "findings.parquet").to_pylist()
    about = task(build_view(folder)).noise[0]
    assert about.metric == "log_odds"
    assert [floor.arm for floor in about.floors] == ["paraphrase", "irrelevant"]
    for found in about.rows:
        mine = {
            r["statistic"]: r
            for r in rows
            if (r["task"], r["metric"], r["axis"], r["group"], r["kind"])
            == ("refund_decision", "log_odds", found.axis, found.group, "test")
        }
        if found.cue_channel == "name":
            assert (found.across, found.within) == (mine["excess"]["estimate"], mine["excess"]["floor"])
        assert found.uneven_p == mine["heterogeneity"]["p_value"]
        assert found.signal == mine.get("signal_to_floor", {}).get("estimate")
        assert found.beyond == ("black" in found.group)


def test_the_distances_of_other_metrics_come_after_the_main_one(run_folder: Make) -> None:
    found = task(build_view(run_folder("pass"))).noise
    assert [(about.metric, about.flips) for about in found] == [("log_odds", False), ("p_favourable", True)]


def test_a_run_without_such_rows_says_so(run_folder: Make, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("pass"), tmp_path / "run")
    rows = tables.read("findings", folder / "findings.parquet").to_pylist()
    kept = [r for r in rows if r["kind"] != "test" and r["statistic"] != "floor"]
    tables.write("findings", tables.from_rows("findings", kept), folder / "findings.parquet")
    view = build_view(folder)
    assert all(found.noise == () for found in view.tasks)
    assert "This run has no such measure." in html.render(view)
    assert "More than noise?" not in markdown.render(view)


def test_each_statistic_alone_does_no_harm() -> None:
    place = {"axis": "race", "group": "black", "reference": "white", "cue_channel": "name"}
    alone = [
        row("heterogeneity", p_value=0.01, **place),
        row("signal_to_floor", estimate=2.0, **place),
        row("worst_case", ci_low=-1.0, ci_high=1.0, **place),
        row("wasserstein", estimate=0.2, floor=0.1, p_value=0.5, **place),
        row("floor", arm="paraphrase", estimate=0.3),
    ]
    for one in alone:
        (about,) = noise([one], "log_odds", 0.05)
        assert "could be held against" in meaning(about, _bare(), W)
        assert (about.bounded, about.shaped) == (one["statistic"] == "worst_case", one["statistic"] == "wasserstein")
    assert noise([row("contrast", **place)], "log_odds", 0.05) == ()


def test_beyond_noise_is_said_at_a_false_discovery_rate() -> None:
    rows = [compared(f"g{i}", 0.2, p) for i, p in enumerate([0.001, 0.024, 0.04, 0.2])]
    (about,) = noise(rows, "log_odds", 0.05)
    # Benjamini-Hochberg: .001 * 4, .024 * 2, .04 * 4 / 3 = .053
    assert {found.group for found in about.rows if found.beyond} == {"g0", "g1"}


def test_what_it_means_is_told_with_its_number_of_comparisons() -> None:
    floor = row("floor", arm="paraphrase", estimate=0.15)
    (none,) = noise([compared("black", 0.2, 0.5), floor], "log_odds", 0.05)
    assert meaning(none, _bare(), W).startswith("In none of 1 comparisons are customers of two groups shown")
    (some,) = noise([compared("black", 0.2, 0.01), compared("asian", 0.1, 0.6), floor], "log_odds", 0.05)
    assert (
        meaning(some, _bare(), W)
        == "In 1 of 2 comparisons customers of two groups lie further apart than customers of one."
    )
    signal = row("signal_to_floor", estimate=2.0, ci_low=1.5, ci_high=2.6, p_value=0.01)
    signal |= {"axis": "race", "group": "black", "reference": "white", "cue_channel": "name"}
    (told,) = noise([compared("black", 0.12, 0.01), signal, floor], "log_odds", 0.05)
    assert ", at most 2.00 times as far. Even so, the same question in other words moves" in meaning(told, _bare(), W)


def test_sizes_name_every_kind_of_change_with_its_unit() -> None:
    floors = [row("floor", arm="irrelevant", estimate=0.05), row("floor", arm="paraphrase", estimate=0.35)]
    (about,) = noise([compared("black", 0.2, 0.5), *floors], "log_odds", 0.05)
    assert sizes(about, _bare(), W) == (
        "How far the answer moves on average: 0.200 log-odds for a customer of another group, "
        "0.100 log-odds for another customer of the same group, 0.350 log-odds for the same question in other words, "
        "0.050 log-odds for an attribute that should not matter."
    )
    (flips,) = noise([compared("black", 0.2, 0.5, metric="p_favourable")], "p_favourable", 0.05)
    assert "How often the answer flips: 20.0 % for a customer of another group" in sizes(flips, _bare(), W)


def test_a_gap_that_differs_from_case_to_case_is_told() -> None:
    place = {"axis": "race", "group": "black", "reference": "white"}
    (about,) = noise([row("heterogeneity", p_value=0.001, **place)], "log_odds", 0.05)
    told = "In 1 of 1 comparisons the gap differs from case to case; where its sign does, a mean hides it."
    assert uneven(about, W) == told
    (even,) = noise([row("heterogeneity", p_value=0.2, **place)], "log_odds", 0.05)
    assert uneven(even, W) == ""


def test_report_and_summary_hold_the_numbers(run_folder: Make) -> None:
    view = build_view(run_folder("fail"))
    about = task(view).noise[0]
    (found,) = [found for found in about.rows if found.group == "black_female"]
    page = html.render(view)
    cells = [f'<td class="n">{metric("log_odds").text(value)}' for value in (found.across, found.within)]
    assert "</td>".join(cells) + '</td><td class="n">.002<br>' in page
    assert '0.350 <span class="muted">[0.280, 0.420]</span>' in page
    assert page.count('id="noise-0-wide-t"') == 1
    assert f"  - More than noise? {meaning(about, task(view), W)}" in markdown.render(view)


def test_a_ratio_is_shown_as_a_ratio_with_its_tolerance(run_folder: Make, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("pass"), tmp_path / "run")
    rows = tables.read("findings", folder / "findings.parquet").to_pylist()
    made = [dict(r) for r in rows if (r["metric"], r["axis"], r["statistic"]) == ("p_favourable", "gender", "contrast")]
    for r in made:
        r |= {"metric": "p_favourable:ratio", "scale": "log-ratio", "finding_id": f"ratio-{r['task']}"}
        r |= {"estimate": -0.105361, "ci_low": -0.223144, "ci_high": 0.0, "mde": 0.105361}
    tables.write("findings", tables.from_rows("findings", rows + made), folder / "findings.parquet")
    verdicts = tables.read("verdicts", folder / "verdicts.parquet").to_pylist()
    ruled = [r | {"finding_id": made[0]["finding_id"], "tolerance": 0.223144, "mde": 0.105361} for r in verdicts[:1]]
    tables.write("verdicts", tables.from_rows("verdicts", ruled), folder / "verdicts.parquet")
    table = tables.read("verdicts", folder / "verdicts.parquet")
    findings = tables.read("findings", folder / "findings.parquet")
    (folder / "verdicts.json").write_text(to_json(table, findings, overall(table)), encoding="utf-8")
    view = build_view(folder)
    page = html.render(view)
    assert '0.90 <span class="muted">[0.80, 1.00]</span></td><td class="n">0.80</td><td class="n">0.90</td>' in page
    assert "Probability of the favourable answer, ratio of the means" in page
    assert "that of a ratio of 0.80" in page
    line = next(line for line in markdown.render(view).splitlines() if line.startswith("| ") and "[0.80" in line)
    assert "0.90 [0.80, 1.00] ratio | 0.80 | 0.90 |" in line


@pytest.mark.parametrize(
    ("name", "title"), [("expected_number:q10", "its 10 % quantile"), ("tone:q90", "90 % quantile")]
)
def test_quantiles_have_the_unit_of_their_metric(name: str, title: str) -> None:
    assert title in W.title(name)
    assert metric(name).unit == metric(name.partition(":")[0]).unit
    assert metric(name).text(-0.5, signed=True) == metric(name.partition(":")[0]).text(-0.5, signed=True)


def test_manipulation_probes_are_no_task_of_the_report(run_folder: Make, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("pass"), tmp_path / "run")
    rows = tables.read("probes", folder / "probes.parquet").to_pylist()
    asked = next(r for r in rows if r["arm"] == "target")
    extra = asked | {"probe_id": "m", "task": "infer_gender", "purpose": "manipulation", "gold": "female"}
    tables.write("probes", tables.from_rows("probes", [*rows, extra]), folder / "probes.parquet")
    whole = build_view(run_folder("pass"))
    view = build_view(folder)
    assert [found.task for found in view.tasks] == [found.task for found in whole.tasks]
    assert view.probes == whole.probes


def test_label_free_sentences_are_no_group(run_folder: Make, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("pass"), tmp_path / "run")
    rows = tables.read("personas", folder / "personas.parquet").to_pylist()
    cue = next(r for r in rows if r["cue_channel"] == "explicit")
    extra = cue | {"persona_id": "i", "attributes": {"irrelevant:01": "a"}, "cue_id": "irrelevant-01"}
    tables.write("personas", tables.from_rows("personas", [*rows, extra]), folder / "personas.parquet")
    before, after = build_view(run_folder("pass")), build_view(folder)
    assert (after.axes, after.cues, after.names) == (before.axes, before.cues, before.names)


def _bare() -> TaskView:
    """A task of which only the unit of its number is read."""
    view = object.__new__(TaskView)
    object.__setattr__(view, "unit", None)
    return view


def test_a_noise_of_no_rows_has_no_figure() -> None:
    from reports.dots import dots

    empty = Noise("log_odds", flips=False, rows=(), floors=())
    assert dots(empty, metric("log_odds"), "x", "title", str, wide=True) is None
    assert replace(empty, flips=True).bounded is False
