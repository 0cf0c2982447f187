from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from audit.mitigation import spending, statement
from tests.mitigation.conftest import Tiny


def test_the_page_to_copy_trains_a_model_that_carries_its_promise(repository: Path, tmp_path: Path, tiny: Tiny) -> None:
    command = [sys.executable, str(repository / "scripts" / "dp_finetune.py"), str(tiny.records)]
    command += ["--layout", "generated", "--model", str(tiny.base), "--batch", "20", "--epochs", "1", "--out", "tuned"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = statement.check(tmp_path / "tuned" / "model")
    assert found is not None and found.promise is not None
    assert 7.9 < found.promise.epsilon <= 8
    assert done.stdout.startswith(found.in_words)
    assert spending.read_spending(tmp_path / "tuned").paid == found.promise.sampling.steps_paid == 3
    assert found.promise.copies == 1
