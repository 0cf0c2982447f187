from __future__ import annotations

from pathlib import Path

import pytest
import torch

from audit.errors import ConfigError
from audit.mitigation import checkpoints


def trained(steps: int) -> tuple[torch.nn.Linear, torch.optim.Optimizer]:
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(layer.parameters())
    for _ in range(steps):
        layer(torch.ones(1, 3)).sum().backward()
        optimiser.step()
        optimiser.zero_grad()
    return layer, optimiser


def test_what_goes_on_is_what_was_stopped(tmp_path: Path) -> None:
    layer, optimiser = trained(3)
    checkpoints.save(tmp_path, 3, 2, dict(layer.named_parameters()), optimiser)
    other, second = trained(0)
    found = checkpoints.load(tmp_path)
    assert found is not None and (found.step, found.applied) == (3, 2)
    checkpoints.restore(found, dict(other.named_parameters()), second, tmp_path)
    assert torch.equal(other.weight, layer.weight)
    assert second.state_dict()["state"][0]["step"] == 3


def test_there_may_be_none(tmp_path: Path) -> None:
    assert checkpoints.load(tmp_path) is None


def test_a_damaged_one_is_named_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / checkpoints.NAME).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ConfigError, match=r"checkpoint\.pt: not a readable checkpoint .*; remove it .* or .*--fresh"):
        checkpoints.load(tmp_path)


def test_one_of_another_model_is_refused(tmp_path: Path) -> None:
    layer, optimiser = trained(1)
    checkpoints.save(tmp_path, 1, 1, dict(layer.named_parameters()), optimiser)
    found = checkpoints.load(tmp_path)
    assert found is not None
    with pytest.raises(ConfigError, match="is of another model; begin anew with --fresh"):
        checkpoints.restore(found, {"other": layer.weight}, optimiser, tmp_path)


def test_a_checkpoint_runs_nothing_when_it_is_read(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> object:
            return (Path.touch, (tmp_path / "harm",))

    torch.save({"step": Evil()}, tmp_path / checkpoints.NAME)
    with pytest.raises(ConfigError, match="not a readable checkpoint"):
        checkpoints.load(tmp_path)
    assert not (tmp_path / "harm").exists()
