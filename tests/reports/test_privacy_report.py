from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audit import tables
from audit.errors import ConfigError
from reports import build_privacy_view, privacy_markdown, write_privacy_html, write_privacy_markdown, write_reports
from reports.privacy_groups import group_tables
from reports.privacy_html import render
from reports.privacy_tiles import one_run, tiles
from reports.privacy_values import PrivacyView
from reports.privacy_wording import PrivacyWording
from tests.reports.privacy_runs import HOSTILE, MISSED, PLANTED, SECRET, write_privacy_run
from tests.reports.test_html import Page

Make = Callable[..., Path]
W = PrivacyWording(str)
CLAIMS = re.compile(r"\b(private|safe|anonymous|anonymi[sz]ed|fair|compliant|causes)\b", re.IGNORECASE)
KINDS = [{}, {"kind": "clean"}, {"generations_only": True}, {"hostile": True}]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    made: dict[str, Path] = {}

    def run(**options: object) -> Path:
        key = str(sorted(options.items()))
        if key not in made:
            made[key] = write_privacy_run(tmp_path_factory.mktemp("privacy"), **options)  # type: ignore[arg-type]
        return made[key]

    return run


@pytest.fixture(scope="module")
def page_of(make: Make) -> Callable[..., str]:
    """The masked page of a run, drawn once."""
    drawn: dict[Path, str] = {}

    def draw(**options: object) -> str:
        folder = make(**options)
        if folder not in drawn:
            drawn[folder] = render(build_privacy_view(folder))
        return drawn[folder]

    return draw


def squeezed(text: str) -> str:
    """Letters and digits alone: what a value comes down to, however it is broken or escaped."""
    return "".join(letter for letter in html.unescape(html.unescape(text)).casefold() if letter.isalnum())


def changed(folder: Path, name: str, edit: Callable[[dict[str, object]], object], to: Path) -> Path:
    """A copy of a run with the rows of one table edited."""
    folder = Path(shutil.copytree(folder, to / "run"))
    kind = name.partition("-")[0]
    rows = tables.read(kind, folder / f"{name}.parquet").to_pylist()
    for row in rows:
        edit(row)
    tables.write(kind, tables.from_rows(kind, rows), folder / f"{name}.parquet")
    return folder


@pytest.mark.parametrize("options", KINDS)
def test_no_planted_value_is_in_page_or_summary(
    make: Make, page_of: Callable[..., str], options: dict[str, object]
) -> None:
    view = build_privacy_view(make(**options))
    page, summary = page_of(**options), privacy_markdown.render(view)
    # Figures hold coordinates: digits of which say nothing of a person.
    words = squeezed(Page(page).text) + squeezed(" ".join(re.findall(r'(?:title|aria-label)="([^"]*)"', page)))
    for value in (*PLANTED.values(), *MISSED, SECRET):
        for part in (value, value.upper(), html.escape(value)):
            assert part not in page
            assert part not in summary
        assert squeezed(value) not in words
        assert squeezed(value) not in squeezed(summary)
    assert "vanderquist" not in page.casefold() and "thaddeus" not in page.casefold()


def test_masked_view_itself_holds_no_planted_value(make: Make) -> None:
    held = squeezed(repr(build_privacy_view(make(hostile=True))))
    assert not [value for value in (*PLANTED.values(), *MISSED, SECRET) if squeezed(value) in held]


def test_revealed_page_shows_values_and_says_so(make: Make, page_of: Callable[..., str]) -> None:
    view = build_privacy_view(make(), reveal=True)
    text = Page(render(view)).text
    assert "Personal values are shown." in text
    assert [value for value in PLANTED.values() if value not in text] == []
    assert SECRET in text and MISSED[0] in text
    assert "Personal values are shown." not in Page(page_of()).text


def test_summary_of_a_revealed_view_holds_no_text(make: Make) -> None:
    summary = squeezed(privacy_markdown.render(build_privacy_view(make(), reveal=True)))
    assert not [value for value in (*PLANTED.values(), *MISSED, SECRET) if squeezed(value) in summary]


@pytest.mark.parametrize("reveal", [False, True])
def test_hostile_texts_never_become_markup(make: Make, reveal: bool) -> None:
    text = render(build_privacy_view(make(hostile=True, long=100_000), reveal=reveal))
    page = Page(text)
    assert (page.unbalanced, page.open) == ([], [])
    assert not [tag for tag, _ in page.tags if tag in {"script", "img", "iframe", "object", "link", "base", "form"}]
    assert [tag for tag, _ in page.tags].count("style") == 1
    assert not [key for _, attrs in page.tags for key in attrs if key.startswith("on") or key in {"style", "src"}]
    assert not re.search("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert len(text) < 700_000
    assert "$x$ {{1}} %s %(y)s" in page.text  # the hostile group, as words
    assert "a lone ⟨U+D800⟩ and ⟨U+202E⟩ %s" in page.text
    assert (HOSTILE[0] in page.text) is reveal


@pytest.mark.parametrize("options", KINDS)
def test_page_is_well_formed_and_every_part_is_there(
    make: Make, page_of: Callable[..., str], options: dict[str, object]
) -> None:
    text = page_of(**options)
    page = Page(text)
    assert (page.unbalanced, page.open) == ([], [])
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"] for tag, attrs in page.tags if tag == "a"}
    assert {link.removeprefix("#") for link in links if link} <= set(ids)
    parts = ("verdict", "looked", "missing", "exposure", "membership", "extraction", "pii", "groups", "epsilon")
    places = [ids.index(part) for part in (*parts, "method", "reproduce")]
    assert places == sorted(places)
    counts = [tag for tag, _ in page.tags]
    assert counts.count("caption") == counts.count("table")
    assert "undefined" not in page.text.lower() and "none]" not in page.text.lower()
    assert not {"nan", "None", "inf"} & set(re.findall(r"\w+", page.text))


@pytest.mark.parametrize("options", KINDS[:3])
def test_wording_claims_no_more_than_evidence(
    make: Make, page_of: Callable[..., str], options: dict[str, object]
) -> None:
    view = build_privacy_view(make(**options))
    for text in (Page(page_of(**options)).text, privacy_markdown.render(view)):
        assert CLAIMS.findall(text) == []


def test_verdict_and_rules_are_those_of_the_gate_worst_first(make: Make, page_of: Callable[..., str]) -> None:
    folder = make()
    evidence = json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))
    page = Page(page_of())
    hero = next(attrs for _, attrs in page.tags if attrs.get("id") == "verdict")
    assert (hero["data-outcome"], hero["data-exit-code"]) == (evidence["outcome"], str(evidence["exit_code"]))
    shown = [(attrs["data-rule"], attrs["data-outcome"]) for _, attrs in page.tags if "data-rule" in attrs]
    rows = tables.read("verdicts", folder / "verdicts.parquet").to_pylist()
    assert sorted(shown) == sorted((row["rule"], row["outcome"]) for row in rows)
    assert [outcome for _, outcome in shown] == ["fail", "fail", "inconclusive", "not_refuted", "inconclusive"]
    assert shown[-1][0] == "of-the-preset" and "Not judged" in page.text


def test_every_finding_is_on_the_page(make: Make, page_of: Callable[..., str]) -> None:
    folder = make(hostile=True)
    page = Page(page_of(hostile=True))
    shown = {attrs["data-finding"] for _, attrs in page.tags if "data-finding" in attrs}
    assert shown == set(tables.read("findings", folder / "findings.parquet").column("finding_id").to_pylist())


def test_headline_figures_carry_units_controls_and_intervals(make: Make) -> None:
    found = {tile.key: tile for tile in tiles(build_privacy_view(make()), W)}
    assert (found["pii"].figure, found["pii"].unit, found["pii"].interval) == (
        "30.0",
        "per 1,000 generations",
        "[22.0, 38.0]",
    )
    assert found["extraction"].beside == "held-out records: 1.0 [0.0, 2.0] %"
    assert "nothing learnt would be 1.44" in found["exposure"].beside
    assert found["membership"].beside.startswith("blind baseline: 0.")
    assert (found["epsilon_lower_bound"].interval, found["epsilon_lower_bound"].beside) == (
        "[1.37, ∞)",
        "claimed: 8.00",
    )
    evidence = {key: tile.meaning.startswith("Evidence") for key, tile in found.items()}
    assert evidence == dict.fromkeys(found, True) | {"epsilon_lower_bound": False}


def test_a_model_that_learnt_nothing_gives_no_evidence(make: Make) -> None:
    found = tiles(build_privacy_view(make(kind="clean")), W)
    assert all(tile.meaning.startswith("No evidence") for tile in found)


def test_an_attack_no_better_than_the_blind_baseline_is_no_evidence(make: Make, tmp_path: Path) -> None:
    def edit(row: dict[str, object]) -> None:
        if row["metric"] == "auc:blind":
            row |= {"estimate": 0.99, "ci_low": 0.98, "ci_high": 0.995}

    found = {tile.key: tile for tile in tiles(build_privacy_view(changed(make(), "findings", edit, tmp_path)), W)}
    assert "no evidence that it takes the model" in found["membership"].meaning


def test_a_bound_above_the_claim_is_evidence_against_it(make: Make, tmp_path: Path) -> None:
    def edit(row: dict[str, object]) -> None:
        if row["metric"] == "epsilon_lower_bound":
            row["estimate"] = 9.5

    text = Page(render(build_privacy_view(changed(make(), "findings", edit, tmp_path)))).text
    assert "Evidence against the claimed ε: the training leaks more than it allows." in text


def test_guesses_of_the_one_run_audit_are_read_from_its_method(make: Make) -> None:
    assert one_run(build_privacy_view(make()).bound) == {"m": "80", "r": "30", "v": "24"}


def test_blind_baseline_is_the_first_row_of_the_attacks(make: Make, page_of: Callable[..., str]) -> None:
    text = page_of()
    rows = re.findall(r"<tr[^>]*><th scope=\"row\">([^<]+)", text.partition('id="membership"')[2])
    assert [row.strip() for row in rows[:3]] == ["Blind baseline", "Loss", "Loss over zlib length"]


def test_curves_are_drawn_for_each_attack_and_rise_to_one(make: Make) -> None:
    view = build_privacy_view(make())
    assert [curve.attack for curve in view.curves] == ["blind", "loss", "zlib", "reference", "min_k", "min_k_plus"]
    for curve in view.curves:
        assert list(curve.tpr) == sorted(curve.tpr)
        assert curve.tpr[-1] == 1.0
        assert curve.fpr[0] == pytest.approx(0.001)
    loss = next(curve for curve in view.curves if curve.attack == "loss")
    assert loss.tpr[30] > 0.3 > next(curve for curve in view.curves if curve.attack == "blind").tpr[30]


def test_a_curve_counts_ties_with_held_out_records_as_false_alarms() -> None:
    import numpy as np

    from reports.privacy_scores import _curve

    tied = _curve("loss", np.array([1.0, 1.0, 2.0, 2.0]), np.array([1.0, 1.0, 1.0, 1.0, 0.0]))
    assert tied.tpr[0] == 0.5  # above the highest held-out score, none of which may be taken
    assert tied.tpr[-1] == 1.0


def test_distributions_agree_with_the_findings_or_are_not_drawn(make: Make, tmp_path: Path) -> None:
    view = build_privacy_view(make())
    found = {(one.arm, one.category): one for one in view.distributions}
    assert set(found) == {(arm, side) for arm in ("target", "base") for side in ("inserted", "not_inserted")}
    for (arm, side), one in found.items():
        level = view.level("exposure", side, arm)
        assert level is not None and level.estimate == pytest.approx(sum(one.bits) / len(one.bits))

    def edit(row: dict[str, object]) -> None:
        if row["metric"] in ("exposure", "auc:loss"):
            row["estimate"] = 0.25

    other = build_privacy_view(changed(make(), "findings", edit, tmp_path))
    assert other.distributions == ()
    assert "loss" not in [curve.attack for curve in other.curves]
    assert "Mean exposure with 95 % intervals." in Page(render(other)).text


def test_groups_have_level_control_and_contrast(make: Make) -> None:
    found = {(table.metric, table.axis): table for table in group_tables(build_privacy_view(make()))}
    table = found["extraction:discoverable", "race"]
    assert (table.reference, table.control, [row.group for row in table.rows]) == (
        "white",
        "held_out",
        ["white", "asian", "black"],
    )
    assert [W.found(row.contrast) for row in table.rows] == ["–", "no evidence of a difference", "evidence of more"]
    assert all(row.control is not None for row in table.rows)
    assert len(found) == 10


def test_what_was_not_measured_is_said_with_its_reason(make: Make, page_of: Callable[..., str]) -> None:
    view = build_privacy_view(make(generations_only=True))
    text, summary = Page(page_of(generations_only=True)).text, privacy_markdown.render(view)
    for said in (text, summary):
        assert "the model does not run here" in said.lower()
        assert "no canaries were planted" in said.lower()
    assert "Nothing follows from silence" in text
    assert text.count("Not measured.") == 8  # four tiles and four sections
    assert "Not measured: no canaries were planted" in summary


def test_summary_names_verdict_rules_figures_and_groups(make: Make, tmp_path: Path) -> None:
    view = build_privacy_view(make())
    lines = write_privacy_markdown(view, tmp_path / "summary.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# ✗ Fail" and lines[2].startswith("FAIL")
    heads = [line for line in lines if line.startswith("## ")]
    assert heads == [
        "## Rules",
        "## Headline figures",
        "## Whose data leaks",
        "## What was not measured",
        "## What was looked at",
    ]
    row = "| Race: Black | 41.0 [36.0, 46.0] % | held-out records: 1.0 [0.0, 2.2] % | +10.0 [3.0, 17.0] percentage"
    assert any(row in line for line in lines)


def test_same_tables_give_the_same_bytes(make: Make, tmp_path: Path) -> None:
    pages = [write_privacy_html(build_privacy_view(make()), tmp_path / name).read_bytes() for name in ("a", "b")]
    notes = [write_privacy_markdown(build_privacy_view(make()), tmp_path / name).read_bytes() for name in ("c", "d")]
    assert pages[0] == pages[1] and notes[0] == notes[1]
    assert len(pages[0]) < 1_500_000


@pytest.mark.parametrize(
    "name", ["records", "likelihoods", "likelihoods-base", "leaks", "probes", "completions", "detections"]
)
def test_any_table_but_the_findings_may_be_absent(make: Make, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(make(), tmp_path / "run"))
    (folder / f"{name}.parquet").unlink()
    page = Page(render(build_privacy_view(folder)))
    assert (page.unbalanced, page.open) == ([], [])


@pytest.mark.parametrize("name", ["findings.parquet", "verdicts.json"])
def test_a_missing_finding_or_verdict_is_one_clear_error(make: Make, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(make(), tmp_path / "run"))
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=re.escape(name)):
        build_privacy_view(folder)


def test_figures_without_numbers_are_dashes(make: Make, tmp_path: Path) -> None:
    def edit(row: dict[str, object]) -> None:
        row |= dict.fromkeys(("estimate", "se", "df", "ci_low", "ci_high", "p_value"))

    view = build_privacy_view(changed(make(), "findings", edit, tmp_path))
    text = Page(render(view)).text
    assert text.count("Not measured.") >= 5
    assert "nan" not in text.lower().split()


def test_a_model_with_another_tokenizer_as_base_costs_the_reference_attack_alone(make: Make, tmp_path: Path) -> None:
    def edit(row: dict[str, object]) -> None:
        row["token_logprobs"] = [*row["token_logprobs"], -1.0]  # type: ignore[misc]

    view: PrivacyView = build_privacy_view(changed(make(), "likelihoods-base", edit, tmp_path))
    assert [curve.attack for curve in view.curves] == ["blind", "loss", "zlib", "min_k", "min_k_plus"]


def test_examples_begin_with_what_was_learnt(make: Make) -> None:
    view = build_privacy_view(make())
    assert len(view.examples) == 10
    ranks = [0 if one.learned else 1 if one.in_training else 2 for one in view.examples]
    assert ranks == sorted(ranks) and ranks[0] == 0
    assert view.leaks[0].probability == max(leak.probability for leak in view.leaks)
    assert all(one.prompt is None for one in view.examples)


def test_odd_manifest_does_no_harm(make: Make, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(make(), tmp_path / "run"))
    odd = {
        "config": [],
        "model": 3,
        "base": "x",
        "tables": {"probes": None},
        "notes": {},
        "not_measured": [],
        "records": 1,
    }
    (folder / "manifest.json").write_text(json.dumps(odd), encoding="utf-8")
    assert "not recorded" in render(build_privacy_view(folder))
    (folder / "manifest.json").unlink()
    assert "not recorded" in render(build_privacy_view(folder))


def test_without_a_base_model_nothing_is_said_to_be_taken_off(page_of: Callable[..., str]) -> None:
    said = "No base model is named, so what it would emit is not taken off"
    assert said in Page(page_of(generations_only=True)).text
    assert said not in Page(page_of()).text


def test_a_rule_without_a_finding_is_named_by_the_settings(make: Make) -> None:
    rules = {rule.rule: rule for rule in build_privacy_view(make(generations_only=True)).rules}
    assert (rules["canaries"].metric, rules["canaries"].measure) == ("exposure", None)


@pytest.mark.parametrize("reveal", [False, True])
def test_the_page_is_its_owners_alone(make: Make, tmp_path: Path, reveal: bool) -> None:
    folder = Path(shutil.copytree(make(), tmp_path / "run"))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"kind": "privacy"}), encoding="utf-8")
    assert write_reports(folder, reveal=reveal).stat().st_mode & 0o777 == 0o600


def test_a_masked_example_tells_what_stands_where(make: Make, page_of: Callable[..., str]) -> None:
    view = build_privacy_view(make())
    assert [[piece.type for piece in one.pieces if piece.type] for one in view.examples] != []
    for one in view.examples:
        assert any(piece.type and set(piece.text) & {"•"} for piece in one.pieces)
    text = Page(page_of()).text
    assert "Only the shape of a text is shown" in text and "may still be read" not in text


def test_nothing_is_evidence_where_fewer_than_ten_authors_are(make: Make, tmp_path: Path) -> None:
    def edit(row: dict[str, object]) -> None:
        row["n_personas"] = 9

    view = build_privacy_view(changed(make(), "findings", edit, tmp_path))
    contrasts = [row.contrast for table in group_tables(view) for row in table.rows if row.contrast is not None]
    assert {W.found(contrast) for contrast in contrasts} == {"too few authors to tell"}
    said = {tile.key: tile.meaning for tile in tiles(view, W)}
    assert not [key for key in ("exposure", "membership", "extraction", "pii") if said[key].startswith("Evidence")]
