"""The pre-flight refuses an engine in which one unit can move the sum by more than C, and no other."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from audit.mitigation.preflight import PreflightError, preflight
from tests.mitigation.preflight import planted

pytestmark = [
    # Opacus's hook on an embedding, whose input needs no gradient.
    pytest.mark.filterwarnings("ignore:Full backward hook is firing"),
    # PEFT asks transformers by an old name.
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
]


def refusal(engine: Any, collate: Any = planted.first_rows, **changes: Any) -> str:
    with pytest.raises(PreflightError) as caught:
        preflight(engine, collate, **planted.settings(**changes))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["GPT2", "Llama"])
@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_per_sample_gradients_of_hooks_pass(kind: str, lora: bool) -> None:
    engine = planted.hooks(planted.model(kind, lora=lora), planted.reads_right)
    preflight(engine, planted.collate, **planted.settings())


@pytest.mark.parametrize("kind", ["GPT2", "Llama"])
def test_ghost_clipping_passes(kind: str) -> None:
    engine = planted.ghost(planted.model(kind, tie_word_embeddings=False), planted.reads_ghost)
    preflight(engine, planted.first_rows, **planted.settings())


@pytest.mark.parametrize("clip", [1e-4, 0.05, 30.0])
def test_a_right_engine_passes_at_every_clipping_norm(clip: float) -> None:
    engine = planted.hooks(planted.model(), planted.reads_right, max_grad_norm=clip)
    preflight(engine, planted.collate, **planted.settings(max_grad_norm=clip))


@pytest.mark.parametrize("clip", [1e-3, 1.0, 100.0])
def test_the_models_own_loss_in_ghost_mode_is_refused(clip: float) -> None:
    made = planted.model("GPT2", tie_word_embeddings=False)
    engine = planted.ghost(made, planted.reads_model_loss, max_grad_norm=clip)
    words = refusal(engine, max_grad_norm=clip)
    assert "one unit moves the summed clipped gradient by" in words
    assert "model(labels=...)" in words


@pytest.mark.parametrize("clip", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("kind", ["GPT2", "Llama"])
def test_a_mean_over_the_tokens_of_the_batch_is_refused(kind: str, clip: float) -> None:
    engine = planted.hooks(planted.model(kind), planted.reads_token_mean, max_grad_norm=clip)
    assert "mean over all tokens" in refusal(engine, max_grad_norm=clip)


def test_a_unit_whose_texts_are_clipped_one_by_one_is_refused() -> None:
    words = refusal(planted.hooks(planted.model(), planted.reads_rows), planted.collate)
    assert "clipped one by one" in words


def test_a_unit_of_many_texts_clipped_one_by_one_is_refused_though_few_are_put_together() -> None:
    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        many = bool(batch.units) and int(torch.bincount(batch.unit).max()) > 3
        (planted.reads_rows if many else planted.reads_right)(made, optimizer, batch)

    engine = planted.hooks(planted.model(), reads)
    preflight(engine, planted.collate, **planted.settings(texts=3))
    assert "clipped one by one" in refusal(engine, planted.collate, texts=16)


@pytest.mark.parametrize("size", [5, 8])
def test_a_mistake_in_large_physical_batches_alone_is_refused(size: int) -> None:
    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        planted.reads_right(made, optimizer, batch)
        if batch.units >= size:
            for p in optimizer.params:
                p.grad_sample = p.grad_sample[:1].expand_as(p.grad_sample)  # the first unit's in place of each

    engine = planted.hooks(planted.model(), reads)
    preflight(engine, planted.collate, **planted.settings(physical_batch=4))
    assert "7 others" in refusal(engine, planted.collate, physical_batch=8)


def test_a_sum_that_grows_with_the_physical_batch_is_refused() -> None:
    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        planted.reads_ghost(made, optimizer, batch)
        if batch.units > 4:
            for p in optimizer.params:
                p.grad = None if p.grad is None else 3 * p.grad

    engine = planted.ghost(planted.model(tie_word_embeddings=False), reads)
    assert "joins 7 others" in refusal(engine, physical_batch=8)


def test_positions_broadcast_over_the_batch_are_refused() -> None:
    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        if not batch.units:
            return planted.zeros(made)
        planted.back(planted.row_losses(made, batch, positions=False).sum())

    words = refusal(planted.hooks(planted.model("GPT2"), reads))
    assert "positions must be given for every row" in words


def test_a_layer_that_mixes_rows_is_refused() -> None:
    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        if not batch.units:
            return planted.zeros(made)
        losses = planted.row_losses(made, batch)
        planted.back((losses / (1 + losses.detach().std(correction=0))).sum())

    assert "mixes its rows" in refusal(planted.hooks(planted.model(), reads))


def test_a_gradient_averaged_over_physical_batches_is_refused() -> None:
    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        planted.reads_right(made, optimizer, batch)
        count = sum(p.summed_grad is not None for p in optimizer.params)
        for p in optimizer.params:
            if count and batch.units:
                p.grad_sample = p.grad_sample / 2

    assert "two physical batches" in refusal(planted.hooks(planted.model(), reads), planted.collate)


def test_a_gradient_that_is_not_finite_is_refused() -> None:
    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        if not batch.units:
            return planted.zeros(made)
        losses, counted = planted.token_losses(made, batch)
        planted.back((losses.sum(1) / counted.sum(1)).sum())

    assert "not finite" in refusal(planted.hooks(planted.model(), reads))


def test_an_empty_batch_that_adds_something_is_refused() -> None:
    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        planted.reads_right(made, optimizer, batch)
        if not batch.units:
            for p in optimizer.params:
                p.grad_sample = torch.ones(1, *p.shape)

    assert "empty batch adds" in refusal(planted.hooks(planted.model(), reads), planted.collate)


def test_a_model_that_is_random_beyond_dropout_is_refused() -> None:
    def reads(made: Any, optimizer: Any, batch: Any) -> None:
        planted.reads_right(made, optimizer, batch)
        for p in optimizer.params:
            p.grad_sample = p.grad_sample * (1 + torch.rand(()))

    assert "second time" in refusal(planted.hooks(planted.model(), reads), planted.collate)


def test_dropout_is_no_reason_to_refuse() -> None:
    made = planted.model("GPT2", resid_pdrop=0.3, embd_pdrop=0.3, attn_pdrop=0.3)
    preflight(planted.hooks(made, planted.reads_right), planted.collate, **planted.settings())
    assert made.config.attn_pdrop == 0.3
    assert {m.p for m in made.modules() if isinstance(m, torch.nn.Dropout)} == {0.3}


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_nothing_is_changed(lora: bool) -> None:
    made = planted.model("GPT2", lora=lora)
    made.register_buffer("seen", torch.zeros(1))

    def reads(model: Any, optimizer: Any, batch: Any) -> None:
        made.seen += 1
        planted.reads_right(model, optimizer, batch)

    engine = planted.hooks(made, reads)
    torch.manual_seed(3)
    for p in engine.optimizer.params[:2]:
        p.grad = torch.ones_like(p)
    engine.optimizer.signal_skip_step(True)
    before = _state(engine)
    preflight(engine, planted.collate, **planted.settings())
    assert _state(engine) == before


def test_nothing_is_changed_by_a_refusal() -> None:
    engine = planted.hooks(planted.model(), planted.reads_token_mean)
    before = _state(engine)
    refusal(engine)
    assert _state(engine) == before


def _state(engine: Any) -> dict[str, Any]:
    """All that a training would notice, byte for byte."""
    tensors = {**dict(engine.model.named_parameters()), **dict(engine.model.named_buffers())}
    grads = {name: p.grad for name, p in engine.model.named_parameters()}
    optimizer = engine.optimizer
    return {
        "tensors": {name: tensor.detach().numpy().tobytes() for name, tensor in tensors.items()},
        "grads": {name: None if grad is None else grad.numpy().tobytes() for name, grad in grads.items()},
        "samples": {name: getattr(p, "grad_sample", None) for name, p in engine.model.named_parameters()},
        "sums": {name: getattr(p, "summed_grad", None) for name, p in engine.model.named_parameters()},
        "training": [module.training for module in engine.model.modules()],
        "optimizer": str(optimizer.state_dict()),
        "flags": (optimizer._is_last_step_skipped, list(optimizer._step_skip_queue), optimizer.max_grad_norm),
        "generator": (optimizer.generator, torch.get_rng_state().numpy().tobytes()),
    }
