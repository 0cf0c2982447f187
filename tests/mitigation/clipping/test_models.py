"""Models beyond the two that most people tune, and what is refused because it would be wrong."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import nn

from audit.errors import ConfigError
from audit.mitigation.clipping import norms, summed
from audit.mitigation.clipping.groups import Groups
from audit.mitigation.clipping.head import head_of
from audit.mitigation.clipping.layers import ghost_squares
from tests import tiny
from tests.mitigation.clipping import made

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
GEMMA = {"head_dim": 8, "final_logit_softcapping": 3.0, "query_pre_attn_scalar": 8}
OTHERS: dict[str, dict[str, Any]] = {
    "Qwen2": {},
    "Mistral": {},
    "Qwen3": {"head_dim": 8},
    "GPTNeoX": {},
    "Gemma2": GEMMA,
}


def other(kind: str, **changes: Any) -> Any:
    import transformers

    settings = {
        "vocab_size": made.VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,
        "pad_token_id": None,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**settings | OTHERS.get(kind, {}) | changes)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    made.spread(model, 1.0)
    if kind == "Gemma2":  # its embedding is scaled, and no mode knows it
        model.model.embed_tokens.requires_grad_(False)
    return model.double().train()


@pytest.mark.parametrize("clipping", ["bookkeeping", "hooks", "ghost"])
@pytest.mark.parametrize("kind", OTHERS)
def test_other_models_are_clipped_exactly(clipping: str, kind: str) -> None:
    model, batch = other(kind), made.batch()
    expected = made.one_by_one(model, batch)
    size = torch.tensor([made.norm(unit) for unit in expected], dtype=torch.float64)
    at = float(size.median())
    engine = made.engine(model, clipping, norm=at)
    found = summed(engine, [batch])
    torch.testing.assert_close(engine.norms.double(), size, rtol=1e-6, atol=0)
    for name, tensor in made.clipped_sum(expected, at).items():
        torch.testing.assert_close(found[name].double(), tensor, rtol=1e-5, atol=1e-6 * at, msg=name)


@pytest.mark.parametrize("clipping", ["bookkeeping", "hooks", "ghost"])
def test_adapters_in_float32_on_a_bfloat16_base_are_summed_in_float32(clipping: str) -> None:
    model = made.model("Llama", lora=True, double=False)
    for name, parameter in model.named_parameters():
        if "lora_" not in name:
            parameter.data = parameter.data.to(torch.bfloat16)
    batch = made.batch()
    expected = made.one_by_one(model, batch)
    size = torch.tensor([made.norm(unit) for unit in expected])
    engine = made.engine(model, clipping, norm=float(size.median()))
    found = summed(engine, [batch])
    assert all(tensor.dtype == torch.float32 for tensor in found.values())
    # Padding changes what bfloat16 rounds within a product; clipping itself adds no more than float32 does.
    torch.testing.assert_close(engine.norms, size, rtol=0.02, atol=0)


def test_a_head_whose_logits_are_capped_is_not_taken_for_a_plain_one() -> None:
    assert head_of(other("Gemma2")) is None
    assert head_of(other("Llama")) is not None


def test_the_head_can_be_adapted_too() -> None:
    from peft import LoraConfig, get_peft_model

    model = other("Llama").requires_grad_(False)
    chosen = LoraConfig(r=2, target_modules=["q_proj", "lm_head"], init_lora_weights=False, task_type="CAUSAL_LM")
    model = get_peft_model(model, chosen).double()
    batch = made.batch()
    expected = torch.tensor([made.norm(unit) for unit in made.one_by_one(model, batch)], dtype=torch.float64)
    engine = made.engine(model, "bookkeeping")
    engine.backward(batch)
    torch.testing.assert_close(engine.norms.double(), expected, rtol=1e-6, atol=0)


def test_a_token_that_pads_learns_nothing_by_the_embedding_in_any_mode() -> None:
    found = []
    for clipping in ("bookkeeping", "hooks", "ghost"):
        model = made.model("Llama", pad_token_id=3)
        batch = made.batch()
        assert (batch.input_ids == 3).any()
        engine = made.engine(model, clipping)
        found.append(summed(engine, [batch])["model.embed_tokens.weight"])
        assert not found[-1][3].any() and found[-1][4].any()
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


def test_an_rms_norm_is_told_by_what_it_computes() -> None:
    class Cube(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.eps = nn.Parameter(torch.ones(4)), 1e-6

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.weight**3 * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

    assert norms.scale_of(Cube()) is None
    assert norms.scale_of(nn.Linear(3, 3)) is None
    assert norms.scale_of(other("Llama").model.norm) == norms.Scale(1e-6, 0.0)
    assert norms.scale_of(other("Gemma2").model.norm) == norms.Scale(1e-6, 1.0)


def test_a_layer_that_bookkeeping_does_not_know_is_named() -> None:
    model = made.model("Llama")
    model.model.odd = nn.Conv1d(1, 1, 1)
    with pytest.raises(ConfigError, match=r"model\.odd: is a Conv1d.*clipping = 'hooks'"):
        made.engine(model, "bookkeeping")


class Twice(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.inner(x))


def used_twice() -> Any:
    model = made.model("Llama")
    model.model.layers[1].mlp = Twice(model.model.layers[1].mlp)
    return model


def test_a_layer_that_is_used_twice_is_refused_by_bookkeeping() -> None:
    engine = made.engine(used_twice(), "bookkeeping")
    with pytest.raises(ConfigError, match="used twice in one pass"):
        engine.backward(made.batch())
    assert all(p.requires_grad for p in engine.model.parameters())


def test_a_layer_that_is_used_twice_is_exact_with_hooks() -> None:
    model, batch = used_twice(), made.batch()
    expected = torch.tensor([made.norm(unit) for unit in made.one_by_one(model, batch)], dtype=torch.float64)
    engine = made.engine(model, "hooks")
    engine.backward(batch)
    torch.testing.assert_close(engine.norms.double(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("clipping", ["bookkeeping", "hooks", "ghost"])
def test_a_layer_in_two_places_is_refused(clipping: str) -> None:
    model = made.model("Llama")
    model.model.layers[1].mlp = model.model.layers[0].mlp
    with pytest.raises(ConfigError, match="one layer in two places"):
        made.engine(model, clipping)


@pytest.mark.parametrize("clipping", ["hooks", "ghost"])
def test_what_opacus_does_not_know_is_refused_in_our_words(clipping: str) -> None:
    model = other("Gemma2").requires_grad_(True)
    with pytest.raises(ConfigError, match=r"Gemma2TextScaledWordEmbedding.*method = 'lora'"):
        made.engine(model, clipping)


def test_weights_shared_by_other_layers_are_refused_by_bookkeeping() -> None:
    model = made.model("Llama")
    layers = model.model.layers
    layers[1].mlp.up_proj.weight = layers[0].mlp.up_proj.weight
    with pytest.raises(ConfigError, match="share a weight"):
        made.engine(model, "bookkeeping")


@pytest.mark.parametrize("clipping", ["bookkeeping", "hooks", "ghost"])
def test_what_no_mode_can_clip_is_refused(clipping: str) -> None:
    checkpointed = made.model("Llama")
    with warnings.catch_warnings():  # another name is asked for from transformers 6 on
        warnings.simplefilter("ignore", FutureWarning)
        checkpointed.gradient_checkpointing_enable()
    half = made.model("Llama").to(torch.bfloat16)
    frozen = made.model("Llama").requires_grad_(False)
    for model, words in ((checkpointed, "gradient checkpointing"), (half, "in torch.bfloat16; train in float32")):
        with pytest.raises(ConfigError, match=words):
            made.engine(model, clipping)
    inner = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    with pytest.raises(ConfigError, match="nothing in the model is trainable"):
        made.engine_for(frozen, inner, clipping=clipping, max_grad_norm=1, noise_multiplier=1, divisor=1)
    with pytest.raises(ConfigError, match="not in the optimizer"):
        made.engine_for(made.model("Llama"), inner, clipping=clipping, max_grad_norm=1, noise_multiplier=1, divisor=1)


def test_dora_is_refused() -> None:
    from peft import LoraConfig, get_peft_model

    chosen = LoraConfig(r=2, use_dora=True, target_modules="all-linear", task_type="CAUSAL_LM")
    with pytest.raises(ConfigError, match="DoRA"):
        made.engine(get_peft_model(tiny.model("Llama", made.VOCABULARY), chosen), "hooks")


def test_bookkeeping_leaves_the_model_as_it_was() -> None:
    model, batch = made.model("Llama", tied=True), made.batch()
    names = set(model.state_dict())
    engine = made.engine(model, "bookkeeping")
    engine.backward(batch)
    assert set(model.state_dict()) == names and engine.model is model and model.training
    assert all(p.requires_grad for p in model.parameters())
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    assert logits.shape[-1] == made.VOCABULARY
    assert engine.capture.record is None


def test_batch_memory_manager_steps_once_a_logical_batch() -> None:
    from opacus.utils.batch_memory_manager import BatchMemoryManager
    from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

    from audit.mitigation.data import collate

    units = made.units()
    moved = []
    for physical in (1, 2, 5):
        model = made.model("Llama", tied=True)
        engine = made.engine(model, "bookkeeping", norm=0.5)
        steps: list[int] = []
        engine.optimizer.attach_step_hook(lambda taken, steps=steps: steps.append(1))
        loader = DataLoader(
            units,
            batch_sampler=BatchSampler(SequentialSampler(units), 5, drop_last=False),
            collate_fn=lambda units: collate(units, pad=0),
        )
        with BatchMemoryManager(
            data_loader=loader, max_physical_batch_size=physical, optimizer=engine.optimizer
        ) as batches:
            for batch in batches:
                engine.backward(batch)
                engine.optimizer.step()
                engine.optimizer.zero_grad()
        assert len(steps) == 1
        moved.append(model.lm_head.weight.detach().clone())
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(moved[0], moved[2], rtol=1e-10, atol=1e-12)


def test_a_ghost_norm_is_not_too_small_where_most_of_a_gradient_cancels() -> None:
    tokens, width = 64, 48
    generator = torch.Generator().manual_seed(0)
    signs = torch.tensor([1.0, -1.0]).repeat(tokens // 2)[None, :, None]
    read = 100 + 0.01 * torch.randn(1, tokens, width, generator=generator)
    back = signs * (100 + 0.01 * torch.randn(1, 1, width, generator=generator))
    groups = Groups(1, torch.zeros(1, dtype=torch.int64), ((1, 1),))
    true = (back[0].double().mT @ read[0].double()).norm()
    plain = float((back[0] @ back[0].mT * (read[0] @ read[0].mT)).sum().clamp(min=0).sqrt())
    assert not 0.9 * true < plain < 1.1 * true  # the formula alone is lost here
    assert ghost_squares(back, read, groups).sqrt() >= true
