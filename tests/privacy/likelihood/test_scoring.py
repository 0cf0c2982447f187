"""The statistics of single tokens, against their definitions in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audit.privacy.likelihood.scoring import token_statistics


def by_definition(logits: torch.Tensor, targets: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Log-probability and z in float64, as the paper writes them."""
    found, z = [], []
    for row, target in zip(logits.double().numpy(), targets.tolist(), strict=True):
        p = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
        log = np.log(p, where=p > 0, out=np.zeros_like(p))
        mean = (p * log).sum()
        spread = np.sqrt((p * log**2).sum() - mean**2)
        found.append(log[target])
        z.append((log[target] - mean) / spread)
    return np.array(found), np.array(z)


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0, 20.0])
def test_mean_and_spread_are_those_of_the_definition(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(300, 1500, generator=generator) * scale
    targets = torch.randint(0, 1500, (300,), generator=generator)
    expected, z = by_definition(logits, targets)
    found = token_statistics(logits, targets)
    np.testing.assert_allclose(found.logprob, expected, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(found.z, z, rtol=1e-4, atol=1e-4)


def test_a_spread_far_below_the_distance_from_the_peak_does_not_cancel() -> None:
    logits = torch.full((1, 50_000), -1.0)
    logits[0, 7] = 0.0
    expected, z = by_definition(logits, torch.tensor([7]))
    found = token_statistics(logits, torch.tensor([7]))
    assert z.item() > 100
    np.testing.assert_allclose(found.z, z, rtol=1e-5)
    np.testing.assert_allclose(found.logprob, expected, rtol=1e-6)


def test_the_logits_are_left_as_they_were() -> None:
    logits = torch.randn(3, 9, generator=torch.Generator().manual_seed(1))
    before = logits.clone()
    token_statistics(logits, torch.tensor([1, 2, 3]))
    assert torch.equal(logits, before)


def test_a_tie_is_a_hit_only_for_the_first() -> None:
    logits = torch.tensor([[0.0, 2.0, 2.0, 1.0]]).repeat(4, 1)
    assert token_statistics(logits, torch.arange(4)).greedy.tolist() == [False, True, False, False]


def test_words_that_a_model_rules_out_spoil_nothing() -> None:
    logits = torch.tensor([[1.0, 0.0, -torch.inf], [1.0, 0.0, torch.finfo(torch.float32).min]])
    expected, z = by_definition(logits[:1, :2], torch.tensor([1]))
    found = token_statistics(logits, torch.tensor([1, 1]))
    np.testing.assert_allclose(found.logprob, np.repeat(expected, 2), rtol=1e-6)
    np.testing.assert_allclose(found.z, np.repeat(z, 2), rtol=1e-5)


def test_a_distribution_without_spread_gives_numbers() -> None:
    sure = torch.tensor([[500.0, 0.0, 0.0]])
    assert token_statistics(sure, torch.tensor([0])).z.tolist() == [0.0]
    missed = token_statistics(sure, torch.tensor([1]))
    assert torch.isfinite(missed.z).all() and missed.z.item() < -1000
    assert missed.logprob.item() == -500


def test_half_precision_is_worked_on_in_single() -> None:
    logits = torch.randn(5, 400, generator=torch.Generator().manual_seed(2)).bfloat16()
    targets = torch.arange(5)
    expected, z = by_definition(logits, targets)
    found = token_statistics(logits, targets)
    assert found.logprob.dtype == found.z.dtype == torch.float32
    np.testing.assert_allclose(found.logprob, expected, rtol=2e-6)
    np.testing.assert_allclose(found.z, z, rtol=1e-4)


def test_no_token_gives_no_statistic() -> None:
    assert [len(kind) for kind in token_statistics(torch.empty(0, 7), torch.empty(0, dtype=torch.long))] == [0, 0, 0]
