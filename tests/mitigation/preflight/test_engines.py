"""What the project trains with passes its own pre-flight, in every mode."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from audit.mitigation.clipping import engine_for
from audit.mitigation.preflight import PreflightError, preflight
from audit.mitigation.values import Clipping
from tests.mitigation.preflight import planted

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
MODES: tuple[Clipping, ...] = ("bookkeeping", "hooks", "ghost")


def engine(made: Any, clipping: Clipping) -> Any:
    optimizer = torch.optim.AdamW([p for p in made.parameters() if p.requires_grad], lr=1e-3)
    return engine_for(made, optimizer, clipping=clipping, max_grad_norm=1.0, noise_multiplier=0.7, divisor=8.0)


@pytest.mark.parametrize("clipping", MODES)
@pytest.mark.parametrize("kind", ["GPT2", "Llama"])
@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_every_way_of_clipping_passes(clipping: Clipping, kind: str, lora: bool) -> None:
    texts = 1 if clipping == "ghost" else 3
    preflight(engine(planted.model(kind, lora=lora), clipping), planted.collate, **planted.settings(texts=texts))


@pytest.mark.parametrize("clipping", ["bookkeeping", "hooks"])
def test_a_frozen_base_in_half_precision_passes(clipping: Clipping) -> None:
    made = planted.model("Llama", lora=True)
    for p in made.parameters():
        if not p.requires_grad:
            p.data = p.data.bfloat16()
    preflight(engine(made, clipping), planted.collate, **planted.settings())


@pytest.mark.parametrize("clipping", MODES)
def test_a_loss_that_depends_on_the_batch_is_refused(clipping: Clipping, monkeypatch: pytest.MonkeyPatch) -> None:
    from audit.mitigation import losses
    from audit.mitigation.clipping import head

    def over_all_tokens(batch: Any) -> Any:
        counted = batch.attention_mask[:, 1:].float()
        return counted * batch.units / counted.sum().clamp(min=1)

    for room in (losses, head):
        monkeypatch.setattr(room, "token_weights", over_all_tokens)
    with pytest.raises(PreflightError, match="mean over all tokens"):
        preflight(engine(planted.model(), clipping), planted.collate, **planted.settings(texts=1))
