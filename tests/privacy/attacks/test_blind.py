"""The blind baseline finds what a split gave away, and one half where nothing was."""

from __future__ import annotations

import numpy as np
import pytest

from audit.privacy.attacks.blind import blind_auc, blind_baseline, words_of
from audit.privacy.attacks.rates import auc_with_interval

THINGS = ["parcel", "refund", "colour", "size", "battery", "courier", "voucher", "return", "label", "invoice", "lamp"]


def text(rng, words=10):
    return " ".join(rng.choice(THINGS, words))


def auc(sides):
    return auc_with_interval(*sides, draws=2).auc


def test_a_random_split_gives_one_half_on_average():
    rng = np.random.default_rng(0)
    found = [auc(blind_baseline(*[[text(rng) for _ in range(60)] for _ in range(2)])) for _ in range(25)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)


def test_the_interval_holds_one_half_after_random_splits_where_the_plain_bootstrap_does_not():
    rng, missed, runs = np.random.default_rng(1), np.zeros(2), 50
    for _ in range(runs):
        sides = blind_baseline(*[[text(rng) for _ in range(80)] for _ in range(2)])
        found = [of(*sides, draws=100) for of in (blind_auc, auc_with_interval)]
        missed += [not one.ci_low <= 0.5 <= one.ci_high for one in found]
    assert missed[0] / runs <= 0.1 < missed[1] / runs


def test_unequal_sides_move_nothing():
    rng = np.random.default_rng(2)
    found = [
        auc(blind_baseline([text(rng) for _ in range(120)], [text(rng) for _ in range(30)], seed=n)) for n in range(20)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)


def test_a_word_of_the_season_is_found():
    rng = np.random.default_rng(3)
    members = [text(rng) + (" July" if rng.random() < 0.4 else "") for _ in range(300)]
    others = [text(rng) + (" August" if rng.random() < 0.4 else "") for _ in range(300)]
    assert auc(blind_baseline(members, others)) > 0.7


def test_chinese_is_read_by_characters():
    rng = np.random.default_rng(4)
    signs = list("包裹退款颜色尺寸电池快递优惠")
    members = ["".join(rng.choice(signs, 8)) + "七月" for _ in range(60)]
    others = ["".join(rng.choice(signs, 8)) + "八月" for _ in range(60)]
    assert auc(blind_baseline(members, others)) > 0.95


def test_length_is_found():
    rng = np.random.default_rng(5)
    members, others = ([text(rng, size) for _ in range(100)] for size in (20, 10))
    assert auc(blind_baseline(members, others)) > 0.95


def customers(rng, count):
    """Records of customers who each have a word of their own, each customer on one side."""
    customer = rng.integers(0, count, 200)
    inside = (rng.random(count) < 0.5)[customer]
    texts = np.array([f"{text(rng, 4)} " + f"signature{one} " * 4 for one in customer], object)
    return [*texts[inside]], [*texts[~inside]], customer[inside], customer[~inside]


def test_a_customers_own_words_are_no_sign_of_the_split_once_folds_keep_customers_whole():
    rng = np.random.default_rng(6)
    known, whole = [], []
    for seed in range(8):
        members, others, one, other = customers(rng, 40)
        known.append(auc(blind_baseline(members, others, seed=seed)))
        clusters = {"member_cluster": one, "non_member_cluster": other}
        whole.append(auc(blind_baseline(members, others, seed=seed, **clusters)))
    assert np.mean(known) > 0.9
    assert np.mean(whole) == pytest.approx(0.5, abs=0.1)


def test_the_same_input_gives_the_same_scores_and_the_seed_moves_the_folds():
    rng = np.random.default_rng(7)
    sides = [text(rng) for _ in range(30)], [text(rng) for _ in range(20)]
    one, again, other = (blind_baseline(*sides, seed=seed) for seed in (1, 1, 2))
    assert [side.size for side in one] == [30, 20]
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_two_records_a_side_are_scored_and_one_is_not():
    assert np.isfinite(np.concatenate(blind_baseline(["a b", "c d"], ["e f", "g h"]))).all()
    inside, outside = blind_baseline(["a b"], ["e f", "g h"])
    assert np.isnan(inside).all() and np.isnan(outside).all()
    assert blind_baseline([], [])[0].shape == (0,)


def test_empty_texts_and_texts_without_words_have_a_score():
    inside, outside = blind_baseline(["", "!!!", "a parcel"] * 4, ["", "\x00", "a parcel"] * 4)
    assert np.isfinite(inside).all() and np.isfinite(outside).all()


def test_words():
    assert words_of("It's a 5-star Lamp, née_x") == ["it", "s", "a", "5", "star", "lamp", "née_x"]
    assert words_of("退款OK") == ["退", "款", "退款", "ok"]


def test_clusters_and_folds_are_checked():
    with pytest.raises(ValueError, match="of both members and non-members"):
        blind_baseline(["a", "b"], ["c", "d"], member_cluster=[1, 2])
    with pytest.raises(ValueError, match="one label for each text"):
        blind_baseline(["a", "b"], ["c", "d"], member_cluster=[1], non_member_cluster=[1, 2, 3])
    with pytest.raises(ValueError, match="folds must be 2 or more"):
        blind_baseline(["a", "b"], ["c", "d"], folds=1)
