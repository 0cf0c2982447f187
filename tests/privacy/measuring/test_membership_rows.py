"""Findings on membership: attacks on made-up readings, beyond the model from before, and by group of the author."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audit import tables
from audit.privacy.attacks.odds import Found
from audit.privacy.attacks.rates import tpr_at_fpr
from audit.privacy.measuring.memberships import attack_scores, membership_rows
from audit.privacy.measuring.readings import Reading
from audit.statistics import cluster_rate

TOKENS = 12


def reading(number, role, score, *, tokens=TOKENS, cluster=None, group=None, blind=None):
    """A record whose tokens have a mean log-probability of ``score`` − 5."""
    logs = np.full(tokens, min(score - 5.0, -1e-6))
    groups = {} if group is None else {"gender": group}
    place = number if cluster is None else cluster
    record = f"{role}-{number}"
    return Reading(record, role, None, place, groups, blind, logs, logs, logs > 0, 100, ())


def world(rng, size=200, apart=0.0, lift=0.0, each=1, shift=None):
    """Readings of the model after and of the one before; members lie ``apart`` under both, ``lift`` after."""
    after, before = [], []
    for role, way in (("member", 1.0), ("held_out", 0.0)):
        for number in range(size):
            group = None if shift is None else ("women", "men")[number % 2]
            level = rng.normal() * 0.3 + way * apart + (shift or {}).get(group, 0.0)
            columns = {"cluster": number // each, "group": group}
            after.append(reading(number, role, level + rng.normal() * 0.1 + way * lift, **columns))
            before.append(reading(number, role, level + rng.normal() * 0.1, **columns))
    return after, before


def rows_of(after, before, fpr=0.05, reference=None):
    found = list(membership_rows(after, before, "en", reference or {}, fpr=fpr, seed=0))
    tables.check("findings", tables.from_rows("findings", found))
    return found


def only(rows, metric, **columns):
    wanted = {"metric": metric, "statistic": "mean", "arm": "target", "axis": None} | columns
    (row,) = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
    return row


def test_a_split_that_gives_members_away_is_not_laid_to_the_training():
    rows = rows_of(*world(np.random.default_rng(0), apart=0.4))
    for metric, nothing in (("auc:loss", 0.5), ("tpr_at_fpr:loss", 0.05)):
        assert only(rows, metric)["ci_low"] > nothing < only(rows, metric, arm="base")["ci_low"]
        gap = only(rows, metric, statistic="difference", reference="base")
        assert gap["ci_low"] < 0 < gap["ci_high"] and gap["se"] > 0
        levels = [only(rows, metric, arm=arm)["estimate"] for arm in ("target", "base")]
        assert gap["estimate"] == pytest.approx(levels[0] - levels[1])
        assert gap["method"].startswith("paired by record")


def test_what_was_learnt_is_found_beyond_the_base():
    rows = rows_of(*world(np.random.default_rng(1), apart=0.2, lift=0.6))
    for metric in ("auc:loss", "tpr_at_fpr:loss", "auc:zlib", "tpr_at_fpr:min_k_plus"):
        assert only(rows, metric, statistic="difference", reference="base")["ci_low"] > 0.1


def test_the_reference_attack_has_no_counterpart_and_without_a_base_there_are_no_differences():
    after, before = world(np.random.default_rng(2))
    names = {row["metric"] for row in rows_of(after, before) if row["statistic"] == "difference"}
    assert "auc:loss" in names and not any(name.endswith(":reference") for name in names)
    assert not [row for row in rows_of(after, None) if row["statistic"] == "difference"]


def test_differences_are_by_customer():
    rows = rows_of(*world(np.random.default_rng(3), each=4))
    gap = only(rows, "auc:loss", statistic="difference", reference="base")
    assert (gap["n_cells"], gap["n_personas"], gap["df"]) == (200, 50, 49.0)


def test_an_auc_tells_the_customers_of_its_smaller_side():
    after, before = world(np.random.default_rng(4), each=4)
    assert only(rows_of(after, before), "auc:loss")["df"] == 49.0
    apart = [reading(n, role, 1.0 if role == "member" else -1.0) for role in ("member", "held_out") for n in range(30)]
    whole = only(rows_of(apart[:50], None), "auc:loss")  # 30 members and 20 others
    assert (whole["estimate"], whole["se"], whole["df"]) == (1.0, 0.0, 19.0)


def test_members_found_hold_effective_held_out_records_and_the_interval_that_is_judged():
    rng = np.random.default_rng(5)
    level = rng.normal(size=(2, 50)).repeat(8, axis=1) * 0.3
    both = [
        reading(number, role, level[side, number] + rng.normal() * 0.05, cluster=number // 8)
        for side, role in enumerate(("member", "held_out"))
        for number in range(400)
    ]
    row = only(rows_of(both, None), "tpr_at_fpr:loss")
    scores = [np.array([one.logprobs.mean() for one in both if one.role == role]) for role in ("member", "held_out")]
    threshold = tpr_at_fpr(*scores, fpr=0.05).threshold
    others = cluster_rate(scores[1] >= threshold, np.arange(400) // 8)
    inside = cluster_rate(scores[0] >= threshold, np.arange(400) // 8)
    assert row["n_blocks"] == math.floor(others.n_effective) < 200
    assert f"which by customer say as much as {row['n_blocks']}" in row["method"]
    expected = Found(inside.rate, inside.n_effective, row["n_blocks"], 0.05).interval()
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(expected)


# The reference attack.


def test_a_record_in_other_tokens_is_left_out_of_the_reference_attack_alone():
    after, before = world(np.random.default_rng(6), lift=0.5)
    odd = before[0]
    before[0] = reading(0, "member", 0.0, tokens=TOKENS + 1)
    assert odd.record_id == before[0].record_id
    scores, words = attack_scores(after, before)
    assert np.isnan(scores["reference"]).tolist() == [True, *[False] * 399]
    assert words == "without 1 of 400 records, of which the model from before reads other tokens"
    rows = rows_of(after, before)
    for metric in ("auc:reference", "tpr_at_fpr:reference"):
        row = only(rows, metric)
        assert row["n_cells"] == 199 and row["estimate"] > 0.5 and words in row["method"]
    assert only(rows, "auc:loss")["n_cells"] == 200 and words not in only(rows, "auc:loss")["method"]


def test_models_that_read_the_same_tokens_have_nothing_to_say_of_it():
    after, before = world(np.random.default_rng(7))
    scores, words = attack_scores(after, before)
    assert words is None and not np.isnan(scores["reference"]).any()
    assert "reference" not in attack_scores(after, None)[0]


def test_another_tokenizer_leaves_the_attack_out_and_says_why():
    after, before = world(np.random.default_rng(8))
    before = [
        reading(number % 200, one.role, 0.0, tokens=TOKENS + 2 * (number % 3 > 0)) for number, one in enumerate(before)
    ]
    rows = rows_of(after, before)
    for metric in ("auc:reference", "tpr_at_fpr:reference"):
        row = only(rows, metric)
        assert row["estimate"] is None
        assert row["method"].startswith("not measured: of 266 of 400 records the model from before reads other tokens:")
        assert "the tokenizers differ" in row["method"]
    assert only(rows, "auc:loss", statistic="difference", reference="base")["estimate"] is not None


# By group.


def test_a_group_whose_texts_are_likelier_is_found_more_often_and_not_beyond_its_own_held_out_records():
    after, _ = world(np.random.default_rng(9), size=400, shift={"women": 0.4})
    rows = rows_of(after, None, reference={"gender": "men"})
    place = {"axis": "gender", "group": "women"}
    level, own = (only(rows, "tpr_at_fpr:loss", category=side, **place) for side in ("member", "held_out"))
    assert level["ci_low"] > 0.05 and own["estimate"] > 0.05
    beyond = only(rows, "tpr_at_fpr:loss", statistic="difference", reference="held_out", **place)
    assert beyond["estimate"] == pytest.approx(level["estimate"] - own["estimate"])
    assert beyond["ci_low"] < 0 < beyond["ci_high"] and "less the group's own held-out records" in beyond["method"]
    gap = only(rows, "tpr_at_fpr:loss", statistic="contrast", reference="men", **place)
    assert gap["ci_low"] < 0 < gap["ci_high"] and "own false positive rate" in gap["method"]


def test_rows_of_a_group_count_customers():
    after, _ = world(np.random.default_rng(10), size=400, each=8, shift={"women": 0.0})
    rows = rows_of(after, None, reference={"gender": "men"})
    row = only(rows, "tpr_at_fpr:loss", category="member", axis="gender", group="women")
    assert (row["n_cells"], row["n_personas"]) == (200, 50)
    assert row["se"] > math.sqrt(row["estimate"] * (1 - row["estimate"]) / 200)


def test_a_group_of_few_authors_is_shown_and_not_judged():
    after, _ = world(np.random.default_rng(11), size=200, shift={"women": 0.0})
    few = [one for one in after if one.groups["gender"] == "men" or one.cluster < 12]
    rows = rows_of(few, None, reference={"gender": "men"})
    place = {"axis": "gender", "group": "women"}
    row = only(rows, "tpr_at_fpr:loss", statistic="difference", reference="held_out", **place)
    assert (row["n_personas"], row["se"], row["ci_low"]) == (6, None, None) and row["estimate"] is not None
    assert "fewer than 10 authors on one of the sides" in row["method"]
