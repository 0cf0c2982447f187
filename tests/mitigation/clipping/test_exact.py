"""Every mode against autograd, one unit at a time."""

from __future__ import annotations

import pytest
import torch

from audit.mitigation.clipping import summed
from tests.mitigation.clipping import made

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")

KINDS = ("GPT2", "Llama")
MODES = ("bookkeeping", "hooks", "ghost")
WAYS = [
    pytest.param({"lora": False, "tied": False}, id="full-untied"),
    pytest.param({"lora": False, "tied": True}, id="full-tied"),
    pytest.param({"lora": True, "tied": False}, id="lora-untied"),
    pytest.param({"lora": True, "tied": True}, id="lora-tied"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("clipping", MODES)
def test_norms_and_clipped_sums_are_those_of_autograd_one_by_one(
    clipping: str, kind: str, way: dict[str, bool]
) -> None:
    _check(made.model(kind, **way), clipping, made.SINGLE)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("clipping", ["bookkeeping", "hooks"])
def test_units_of_several_rows_are_clipped_once(clipping: str, kind: str, way: dict[str, bool]) -> None:
    _check(made.model(kind, **way), clipping, made.SEVERAL)


def _check(model: object, clipping: str, lengths: tuple[tuple[int, ...], ...]) -> None:
    batch = made.batch(lengths)
    expected = made.one_by_one(model, batch)
    norms = torch.tensor([made.norm(unit) for unit in expected], dtype=torch.float64)
    at = float(norms.median())
    engine = made.engine(model, clipping, norm=at)
    found = summed(engine, [batch])
    torch.testing.assert_close(engine.norms.double(), norms, rtol=1e-6, atol=0)
    total = made.clipped_sum(expected, at)
    assert found.keys() == total.keys()
    for name, tensor in total.items():
        torch.testing.assert_close(found[name].double(), tensor, rtol=1e-6, atol=1e-7 * at, msg=name)
