from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.errors import ConfigError
from audit.mitigation.statement import (
    Accountant,
    Base,
    Promise,
    Sampled,
    Trained,
    make_statement,
    write_statement,
)
from reports import build_frontier_view, frontier_markdown, write_reports
from reports.frontier_choice import leaks, main_gaps, spoken
from reports.frontier_drawings import chosen
from reports.frontier_html import render
from reports.frontier_missing import lacking
from reports.frontier_spent import spent
from reports.frontier_story import cards, headline
from reports.frontier_tables import MOST_ROWS, changes, gap_grids
from reports.frontier_values import FrontierView, Place
from reports.frontier_wording import FrontierWording
from tests.reports.frontier_runs import COMMAND, write_frontier
from tests.reports.test_html import Page

Make = Callable[..., Path]
View = Callable[..., FrontierView]
Drawn = Callable[..., str]
W = FrontierWording(str)
ONE = ("base", "ft", "ft-cda", "dp-e8", "dp-cda-e8")
LATE = {"dp-cda-e8": "out of memory: lower finetune.physical_batch"}
CLAIMS = re.compile(r"\b(private|safe|anonymous|anonymi[sz]ed|fair|unfair|compliant|causes|causal)\b", re.IGNORECASE)
KINDS: list[dict[str, object]] = [
    {},
    {"cells": ONE},
    {"cells": ONE, "unfinished": LATE},
    {"cells": ONE, "privacy": False},
    {"cells": ("base",)},
    {"cells": ONE, "bound": 9.3},
    {"cells": ONE, "quiet": True},
    {"hostile": True},
    {"manifest": False},
]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    made: dict[str, Path] = {}

    def run(**options: object) -> Path:
        key = str(sorted(options.items()))
        if key not in made:
            made[key] = write_frontier(tmp_path_factory.mktemp("frontier"), **options)  # type: ignore[arg-type]
        return made[key]

    return run


@pytest.fixture(scope="module")
def view_of(make: Make) -> Callable[..., FrontierView]:
    return lambda **options: build_frontier_view(make(**options))


@pytest.fixture(scope="module")
def page_of(make: Make) -> Callable[..., str]:
    """The page of a mitigation, drawn once."""
    drawn: dict[Path, str] = {}

    def draw(**options: object) -> str:
        folder = make(**options)
        if folder not in drawn:
            drawn[folder] = render(build_frontier_view(folder))
        return drawn[folder]

    return draw


@pytest.mark.parametrize("options", KINDS)
def test_page_is_well_formed_and_every_part_is_there(page_of: Drawn, options: dict[str, object]) -> None:
    text = page_of(**options)
    page = Page(text)
    assert (page.unbalanced, page.open) == ([], [])
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"] for tag, attrs in page.tags if tag == "a"}
    assert {link.removeprefix("#") for link in links if link} <= set(ids)
    parts = ("verdict", "frontier", "budget", "changes", "levels", "gaps", "groups", "missing", "method", "reproduce")
    places = [ids.index(part) for part in parts]
    assert places == sorted(places)
    counts = [tag for tag, _ in page.tags]
    assert counts.count("caption") == counts.count("table")
    assert counts.count("h1") == 1
    assert not {"nan", "None", "inf"} & set(re.findall(r"\w+", page.text))
    assert len(text) < 1_500_000


@pytest.mark.parametrize("options", KINDS)
def test_nothing_is_claimed_without_its_figure(view_of: View, page_of: Drawn, options: dict[str, object]) -> None:
    assert CLAIMS.findall(Page(page_of(**options)).text) == []
    assert CLAIMS.findall(frontier_markdown.render(view_of(**options))) == []


def test_the_head_says_what_dp_bought_what_it_cost_and_that_gaps_grew(view_of: View, page_of: Drawn) -> None:
    told = headline(view_of(cells=ONE), W)
    assert told == (
        "With DP at ε = 8, against plain fine-tuning, exposure of canaries fell from 6.10 to 1.70 bits, "
        "perplexity rose from 21.40 to 27.90 and 6 of 10 gaps grew."
    )
    assert f"<h1>{told}</h1>" in page_of(cells=ONE)
    assert frontier_markdown.render(view_of(cells=ONE)).splitlines()[0] == f"# {told}"


def test_a_gap_that_grew_is_said_plainly_with_its_interval(view_of: View) -> None:
    grew = next(card for card in cards(view_of(cells=ONE), W) if card.key == "grew")
    assert grew.lines[0].text == (
        "DP at ε = 8 widened the gap of Hispanic against White in refund decision (by name) by 0.130 [0.100, 0.160] "
        "log-odds against plain fine-tuning: −0.110 → −0.240."
    )
    assert (grew.figure, grew.tone) == ("6 of 10", "worse")


def test_what_cda_mended_is_counted_among_the_gaps_that_dp_widened(view_of: View) -> None:
    cda = next(card for card in cards(view_of(cells=ONE), W) if card.key == "cda")
    said = " ".join(line.text for line in cda.lines)
    assert "DP + CDA, ε = 8, against DP at ε = 8: 4 narrower, 0 wider, 6 with no change shown." in said
    assert "Of the 6 gaps that DP at ε = 8 had widened, 4 narrowed; of the others no mending is shown." in said


def test_no_change_shown_is_not_called_no_change(view_of: View, page_of: Drawn) -> None:
    view = view_of(cells=ONE, quiet=True)
    told = headline(view, W)
    assert "exposure of canaries is not shown to have changed (1.50 → 1.50 bits)" in told
    assert "none of 10 gaps is shown to have grown" in told
    grew = next(card for card in cards(view, W) if card.key == "grew")
    assert "Growth up to 0.030 log-odds, 0.12 percent is not ruled out." in grew.lines[0].text
    assert {line.tone for line in grew.lines} == {"unclear"}
    assert "“No change shown” is not “no change”" in Page(page_of(cells=ONE, quiet=True)).text


def test_among_several_epsilons_the_headline_is_of_the_smallest(view_of: View) -> None:
    pair = spoken(view_of())
    assert pair is not None
    assert [cell.name for cell in pair] == ["dp-e1", "ft"]


def test_a_refuted_epsilon_is_said_first_and_in_red(view_of: View, page_of: Drawn) -> None:
    text = page_of(cells=ONE, bound=9.3)
    page = Page(text)
    assert "<h1>Refuted: DP at ε = 8 leaks more than its ε allows. An attack shows at least ε = 9.3.</h1>" in text
    first = next(i for i, (_, attrs) in enumerate(page.tags) if "note fail" in (attrs.get("class") or ""))
    cards_at = next(i for i, (_, attrs) in enumerate(page.tags) if attrs.get("data-card"))
    assert first < cards_at
    rows = {attrs["data-cell"]: attrs["data-refuted"] for _, attrs in page.tags if "data-cell" in attrs}
    assert rows == {"dp-e8": "1", "dp-cda-e8": "1"}
    assert "**✗ Refuted: DP at ε = 8" in frontier_markdown.render(view_of(cells=ONE, bound=9.3))


def test_a_bound_below_epsilon_refutes_nothing_and_proves_nothing(view_of: View, page_of: Drawn) -> None:
    view = view_of(cells=ONE)
    assert [one.refuted for one in spent(view)] == [False, False]
    assert "Not refuted no proof of it" in Page(page_of(cells=ONE)).text


def test_unfinished_parts_are_named_with_reason_and_command(view_of: View, page_of: Drawn) -> None:
    view = view_of(cells=ONE, unfinished=LATE)
    found = lacking(view, W)
    assert (found[0].cell.name, found[0].what, found[0].status) == ("dp-cda-e8", "training", "failed")
    page = Page(page_of(cells=ONE, unfinished=LATE))
    for text in (page.text, frontier_markdown.render(view)):
        assert LATE["dp-cda-e8"] in text
        assert COMMAND in text
    assert page.text.count("not finished") >= 2  # in the figure, both wide and narrow
    assert (
        "Not known yet" not in next(card for card in cards(view, W) if card.key == "cda").lines[0].text
    )  # FT + CDA is


def test_unfinished_parts_are_found_without_a_manifest(make: Make, tmp_path: Path) -> None:
    folder = write_frontier(tmp_path, ONE, unfinished=LATE, manifest=False)
    found = lacking(build_frontier_view(folder), W)
    assert {one.what for one in found} == {"gaps, leakage, utility, privacy budget"}


def test_only_a_base_says_that_nothing_is_known_of_dp(view_of: View, page_of: Drawn) -> None:
    view = view_of(cells=("base",))
    assert headline(view, W) == "No variant with DP is measured yet; so far there is the base model."
    assert [card.figure for card in cards(view, W)] == ["–"] * 4
    assert spoken(view) is None
    assert "No two variants can be compared yet." in Page(page_of(cells=("base",))).text


def test_without_a_privacy_audit_no_leak_is_told(view_of: View) -> None:
    view = view_of(cells=ONE, privacy=False)
    assert leaks(view) == []
    assert [place.domain for place in chosen(view)] == ["utility", "fairness", "fairness"]
    assert "leaks" not in headline(view, W)


def test_the_drawn_gap_of_a_task_is_the_one_that_dp_widened_most(view_of: View) -> None:
    found = main_gaps(view_of(cells=ONE), 2)
    assert [(place.task, place.group) for place in found] == [("refund_decision", "hispanic"), ("discount", "hispanic")]


def test_changes_of_controls_and_of_signed_gaps_are_neither_better_nor_worse(view_of: View) -> None:
    view = view_of(cells=ONE)
    for one in view.figures:
        if one.versus and (one.place.category == "held_out" and one.place.domain == "privacy"):
            assert W.tone(one) in ("", "unclear")
        if one.versus and one.place.domain == "fairness" and not one.place.of_size:
            assert W.tone(one) in ("", "unclear")


def test_a_metric_that_no_table_knows_is_shown_with_its_own_name_and_unit(make: Make, tmp_path: Path) -> None:
    odd = {"domain": "utility", "metric": "shoe_size", "scale": "inches", "estimate": 41.0, "ci_low": 40, "ci_high": 42}
    worse = {"domain": "privacy", "metric": "whispered", "scale": "decibels", "estimate": 3.0}
    view = build_frontier_view(write_frontier(tmp_path, ONE, privacy=False, extra=[odd, worse]))
    text = Page(render(view)).text
    assert "Shoe size inches 41.000 [40.000, 42.000]" in text
    assert "Whispered" in text and "decibels" in text
    assert "Shoe size" not in headline(view, W)


def test_every_change_of_the_table_of_main_figures_is_shown(view_of: View) -> None:
    view = view_of(cells=ONE)
    cell = view.cell("dp-e8")
    shown = {one.place for grid in changes(view, W, cell) for row in grid.rows for one in row.figures if one}
    wanted = {
        one.place
        for one in view.figures
        if one.cell == "dp-e8" and one.versus and one.place.group is None and one.place.domain in ("privacy", "utility")
    }
    assert wanted <= shown
    assert {place for place in shown if place.domain == "fairness"} == {
        one.place
        for one in view.figures
        if one.versus and one.place.metric in ("log_odds:size", "expected_number:size")
    }


def test_too_many_rows_are_left_out_and_counted(make: Make, tmp_path: Path) -> None:
    about = {"task": "refund_decision", "locale": "en-US", "axis": "race", "reference": "white", "category": "name"}
    extra = [about | {"group": f"g{i}", "estimate": 0.1} for i in range(MOST_ROWS + 30)]
    view = build_frontier_view(write_frontier(tmp_path, ("base",), extra=extra))
    grids = gap_grids(view, W)
    assert sum(len(grid.rows) for grid in grids) == MOST_ROWS
    assert sum(grid.left_out for grid in grids) > 30
    assert "stand in frontier.parquet" in Page(render(view)).text


def test_hostile_words_never_become_markup(view_of: View, page_of: Drawn) -> None:
    view = view_of(hostile=True)
    text = page_of(hostile=True)
    page = Page(text)
    assert not [tag for tag, _ in page.tags if tag in {"script", "img", "iframe", "object", "link", "base", "form"}]
    assert [tag for tag, _ in page.tags].count("style") == 1
    assert not [key for _, attrs in page.tags for key in attrs if key.startswith("on") or key in {"style", "src"}]
    assert not re.search("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert "⟨u+202e⟩g <img src=x>" in page.text.lower()
    summary = frontier_markdown.render(view)
    assert "<script>alert(3)" in summary  # in the fenced command alone
    assert [line for line in summary.splitlines() if "<script" in line and not line.startswith("evenhand ")] == [
        line for line in summary.splitlines() if "\\<script" in line
    ]


def test_the_same_view_gives_the_same_bytes(page_of: Drawn, view_of: View) -> None:
    assert render(view_of(cells=ONE)) == page_of(cells=ONE)


def test_statement_beside_the_weights_is_shown(make: Make, tmp_path: Path) -> None:
    folder = write_frontier(tmp_path, ONE)
    model = with_statement(folder)
    text = Page(render(build_frontier_view(folder))).text
    statement = json.loads((model / "privacy.json").read_text(encoding="utf-8"))
    assert all(" ".join(sentence.split()) in text for sentence in statement["not_covered"])
    assert "What this ε does not cover" in text
    assert "one record" in text


def test_statement_of_other_weights_is_said_first(make: Make, tmp_path: Path) -> None:
    folder = write_frontier(tmp_path, ONE)
    model = with_statement(folder)
    (model / "adapter_model.safetensors").write_bytes(b"other weights")
    view = build_frontier_view(folder)
    assert headline(view, W).startswith("Do not rely on the ε of DP at ε = 8: ")
    assert "has another SHA-256" in Page(render(view)).text


def test_a_cell_name_that_is_a_path_reads_no_file_elsewhere(make: Make, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    with_statement(outside)
    folder = write_frontier(tmp_path / "run", ONE, extra=[{"cell": "../outside/dp-e8", "estimate": 0.1}])
    found = build_frontier_view(folder).cell("../outside/dp-e8")
    assert found.promise is None


def test_write_reports_knows_a_mitigation_and_keeps_it_for_the_owner(make: Make, tmp_path: Path) -> None:
    folder = write_frontier(tmp_path, ("base", "ft"))
    page = write_reports(folder)
    assert page == folder / "report.html"
    assert (folder / "summary.md").read_text(encoding="utf-8").startswith("# No variant with DP")
    assert stat.S_IMODE(page.stat().st_mode) & 0o077 == 0


def test_a_missing_table_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"kind": "mitigation"}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"frontier\.parquet"):
        write_reports(tmp_path)


def test_place_of_a_size_is_that_of_its_gap() -> None:
    gap = Place("fairness", "log_odds", group="black", reference="white")
    assert (gap.size.metric, gap.size.base, gap.size.size == gap.size) == ("log_odds:size", "log_odds", True)


def with_statement(folder: Path) -> Path:
    """A statement of DP at ε = 8 and weights that it is of."""
    model = folder / "dp-e8" / "model"
    model.mkdir(parents=True)
    (model / "adapter_model.safetensors").write_bytes(b"weights")
    promise = Promise(
        epsilon=7.98,
        delta=1e-5,
        unit="record",
        public_size=6400,
        accountants=(Accountant(name="PRV", version="opacus 1.6.0", epsilon=7.98),),
        sampling=Sampled(sample_rate=0.01, divisor=64, steps_planned=300, steps_paid=300, steps_applied=298),
        noise_multiplier=0.71,
        max_grad_norm=1.0,
        clipping="bookkeeping",
    )
    trained = Trained(method="lora", rank=8, parameters=1000, max_tokens=128)
    base = Base(name="embedded:smollm2")
    write_statement(model, make_statement(promise=promise, trained=trained, base=base, seed="system"))
    return model
