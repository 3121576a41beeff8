"""What a run must keep to go on in another process, in one file that is either whole or not there.

torch.load is restricted to numbers and plain containers (`weights_only`): no code in a checkpoint is ever run.
"""

import os
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from model_layer.constitution.errors import ForeignCheckpointError
from model_layer.constitution.plan import Phase

CHECKPOINT_FILE = "checkpoint.pt"


@dataclass(slots=True)
class Position:
    """Where a run is, and what it has found so far.

    `scores` holds log-probabilities (chosen, rejected) of pairs in nats, by what they are for; `curve` has phase, step, loss
    and margin of every step; `times` has the seconds of every piece of work by its kind.
    """

    step: int = 0
    scores: dict[str, list[list[float]]] = field(default_factory=dict)
    curve: list[tuple[Phase, int, float, float | None]] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=dict)
    peak_memory_mb: float = 0.0


def write_checkpoint(folder: Path, *, run: str, position: Position, tensors: dict[str, Any]) -> Path:
    """Write the checkpoint of a run, beside the last one and then in its place: a kill at any time leaves one of them whole."""
    path = folder / CHECKPOINT_FILE
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save({"run": run, "position": asdict(position), "tensors": tensors}, file)
        file.flush()
        os.fsync(file.fileno())  # the rename must not reach the disk before the content
    partial.replace(path)
    return path


def read_checkpoint(folder: Path, *, run: str) -> tuple[Position, dict[str, Any]] | None:
    """Position and tensors; None when there is no checkpoint or a damaged one, after which the run begins anew.

    Raises ForeignCheckpointError when it is of another run.
    """
    try:
        content = torch.load(folder / CHECKPOINT_FILE, map_location="cpu", weights_only=True)
        found, position, tensors = content["run"], Position(**content["position"]), content["tensors"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError):
        return None
    if found != run:
        raise ForeignCheckpointError(f"{folder / CHECKPOINT_FILE} is of another run: give another folder")
    return position, tensors
