"""Checkpoints as files: what is written is read, and nothing else is."""

import math
from pathlib import Path

import pytest
import torch

from model_layer.constitution.checkpoint import (
    CHECKPOINT_FILE,
    Position,
    read_checkpoint,
    write_checkpoint,
)
from model_layer.constitution.errors import ForeignCheckpointError

POSITION = Position(
    step=2,
    scores={"before": [[-1.5, math.pi]]},
    curve=[("sft", 1, 2.5, None), ("dpo", 2, 0.7, 0.1)],
    times={"sft": [0.1, 0.2]},
    peak_memory_mb=12.5,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Every number to the bit, and every tensor."""
    tensors = {"weights": {"a": torch.arange(6, dtype=torch.float32).reshape(2, 3) / 7}}
    path = write_checkpoint(tmp_path, run="run", position=POSITION, tensors=tensors)
    assert path == tmp_path / CHECKPOINT_FILE
    found = read_checkpoint(tmp_path, run="run")
    assert found is not None
    assert found[0] == POSITION
    assert torch.equal(found[1]["weights"]["a"], tensors["weights"]["a"])


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    """The second takes the first one's place."""
    for step in (1, 2):
        write_checkpoint(tmp_path, run="run", position=Position(step), tensors={})
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT_FILE]
    found = read_checkpoint(tmp_path, run="run")
    assert found is not None
    assert found[0].step == 2


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    """A run that never saved begins at the beginning."""
    assert read_checkpoint(tmp_path, run="run") is None


def test_that_of_another_run_is_refused(tmp_path: Path) -> None:
    """By its name alone, whatever it holds."""
    write_checkpoint(tmp_path, run="one", position=POSITION, tensors={})
    with pytest.raises(ForeignCheckpointError):
        read_checkpoint(tmp_path, run="another")


@pytest.mark.parametrize("content", [{}, [], {"run": "run", "position": {"steps": 1}, "tensors": {}}, {"run": "run"}])
def test_what_is_no_checkpoint_is_none(tmp_path: Path, content: object) -> None:
    """Another format, whole as a file, is like a damaged one."""
    torch.save(content, tmp_path / CHECKPOINT_FILE)
    assert read_checkpoint(tmp_path, run="run") is None
