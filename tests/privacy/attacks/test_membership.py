"""Each attack's score against its definition, written out once more in plain Python."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.privacy.attacks.membership import ATTACKS, lowest_mean, membership_scores
from audit.privacy.attacks.rates import auc_with_interval

LOGS = [[-1.5, -0.5, -4.0, -2.0], [-3.0], [-0.1] * 11]


def test_all_attacks_by_hand():
    z = [[0.5, -2.0, 1.0, 0.0], [-1.0], [*range(11)]]
    sizes = [40, 20, 10]
    reference = [[-2.0, -2.0, -2.0, -2.0], [-2.5], [-0.2] * 11]
    found = membership_scores(LOGS, token_z=z, zlib_bytes=sizes, reference_logprobs=reference)
    assert tuple(found) == ATTACKS
    assert found["loss"] == pytest.approx([-2.0, -3.0, -0.1])
    assert found["zlib"] == pytest.approx([-0.05, -0.15, -0.01])
    assert found["reference"] == pytest.approx([0.0, -0.5, 0.1])
    assert found["min_k"] == pytest.approx([-4.0, -3.0, -0.1])
    assert found["min_k_plus"] == pytest.approx([-2.0, -1.0, 0.5])  # of eleven tokens the two lowest


def test_only_attacks_whose_inputs_are_there():
    assert set(membership_scores(LOGS)) == {"loss", "min_k"}
    assert set(membership_scores(LOGS, zlib_bytes=[1, 2, 3])) == {"loss", "min_k", "zlib"}


def test_zlib_ranks_as_log_perplexity_over_bits_of_entropy_does():
    rng = np.random.default_rng(0)
    texts = ["ab" * int(n) + str(n) for n in rng.integers(1, 200, 30)]
    logs = [-rng.exponential(size=10) for _ in texts]
    sizes = [len(zlib.compress(text.encode())) for text in texts]
    published = [math.log(math.exp(-one.mean())) / (8 * size) for one, size in zip(logs, sizes, strict=True)]
    found = membership_scores(logs, zlib_bytes=sizes)["zlib"]
    assert np.argsort(found).tolist() == np.argsort(-np.array(published)).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-50, 0), min_size=1, max_size=60), st.sampled_from([0.05, 0.2, 0.29, 0.5, 1.0]))
def test_the_lowest_share_is_the_published_one(logs, k):
    count = max(1, math.floor(round(k * len(logs), 6)))
    assert lowest_mean(logs, k) == pytest.approx(sum(sorted(logs)[:count]) / count)


def test_a_share_that_binary_cannot_hold_counts_the_tokens_that_were_meant():
    assert lowest_mean(np.arange(100.0), 0.29) == pytest.approx(np.arange(29).mean())


def test_min_k_with_all_tokens_is_the_loss():
    found = membership_scores(LOGS, k=1.0)
    assert found["min_k"] == pytest.approx(found["loss"])


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_record_that_the_model_knows_scores_higher(attack):
    rng = np.random.default_rng(1)
    unknown = -rng.exponential(2, (200, 40))
    known = unknown[:100] / 2
    logs = np.concatenate([known, unknown[100:]])
    found = membership_scores(logs, token_z=logs / 2, zlib_bytes=np.full(200, 50), reference_logprobs=unknown)
    assert auc_with_interval(found[attack][:100], found[attack][100:]).ci_low > 0.9


def test_records_without_tokens_have_no_score():
    found = membership_scores([[], [-1.0]], token_z=[[], [0.0]], zlib_bytes=[8, 9], reference_logprobs=[[], [-1.0]])
    assert all(np.isnan(scores).tolist() == [True, False] for scores in found.values())


def test_impossible_tokens_score_lowest():
    found = membership_scores([[-math.inf, -1.0], [-50.0]])
    assert found["loss"][0] == found["min_k"][0] == -math.inf


def test_arrays_lists_and_float32_give_the_same():
    table = np.log(np.random.default_rng(2).random((10, 7), np.float32))
    one, other = membership_scores(table), membership_scores([row.astype(float) for row in table])
    assert all(one[attack].tolist() == other[attack].tolist() for attack in one)


def test_no_records_have_no_scores():
    assert membership_scores([])["loss"].shape == (0,)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"token_z": [[0.0]]}, "token_z has 1 records, but token_logprobs has 3"),
        ({"token_z": [[0.0] * 4, [0.0, 0.0], [0.0] * 11]}, "token_z of record 1 has 2 tokens"),
        ({"reference_logprobs": [[-1.0] * 3, [-1.0], [-1.0] * 11]}, "both models must score the same tokens"),
        ({"zlib_bytes": [1, 2]}, "zlib_bytes must be 3 numbers above 0"),
        ({"zlib_bytes": [1, 0, 2]}, "zlib_bytes must be 3 numbers above 0"),
        ({"token_z": [[math.nan] * 4, [0.0], [0.0] * 11]}, "token_z of record 0 has NaN for 4"),
        ({"reference_logprobs": [[1.0] * 4, [0.0], [0.0] * 11]}, "reference_logprobs of record 0 has 1"),
        ({"k": 0.0}, "k must be above 0"),
    ],
)
def test_inputs_that_do_not_fit_are_named(inputs, message):
    with pytest.raises(ValueError, match=message):
        membership_scores(LOGS, **inputs)
