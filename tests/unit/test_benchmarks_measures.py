"""The arithmetic between clock and figure."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import page_cache
from benchmarks.agreement import kl
from benchmarks.bandwidth import weight_bytes
from benchmarks.environments import last_line
from benchmarks.serving import overhead_ms, percentile
from benchmarks.workers.protocol import ROOM, Engine, Worker, peak_memory_mb


class CountingEngine(Engine):
    """Keeps what it was asked for."""

    def __init__(self) -> None:
        self.prefills: list[int] = []
        self.forks: list[int] = []
        self.steps: list[list[int]] = []

    def load(self, folder: str, threads: int) -> None:
        """Nothing to open."""

    def prefill(self, ids: list[int]) -> None:
        """Keep the length."""
        self.prefills.append(len(ids))

    def fork(self, sequences: int) -> None:
        """Keep the number."""
        self.forks.append(sequences)

    def step(self, ids: list[int]) -> None:
        """Keep the ids."""
        self.steps.append(ids)


def test_steps_go_on_from_one_prefill_until_the_context_would_be_another() -> None:
    """One prefill for a context, a new one for another context or when the sequence has grown too far."""
    engine = CountingEngine()
    worker = Worker(engine)
    for _ in range(4):
        assert len(worker.answer({"op": "steps", "sequences": 2, "context": 16, "count": 3})) == 3
    assert engine.prefills == [16]
    assert len(engine.steps) == 1 + 4 * 3  # the first of them makes room and is not counted
    for _ in range(ROOM // 3):
        worker.answer({"op": "steps", "sequences": 2, "context": 16, "count": 3})
    assert engine.prefills == [16, 16]
    worker.answer({"op": "steps", "sequences": 1, "context": 128, "count": 1})
    assert engine.prefills == [16, 16, 128]
    assert engine.forks == [2, 2, 1]


def test_sequences_of_a_step_grow_apart() -> None:
    """Every sequence gets a token of its own, so that no engine can compute two of them at once."""
    engine = CountingEngine()
    Worker(engine).answer({"op": "steps", "sequences": 64, "context": 16, "count": 3})
    assert [len(set(ids)) for ids in engine.steps] == [64] * 4


def test_what_lies_outside_the_model_is_what_remains_of_a_spin() -> None:
    """Only calls within the spin are taken off."""
    forwards = [(0.0, 0.5), (1.001, 1.003), (1.004, 1.005), (2.0, 2.5)]
    assert overhead_ms((1.0, 1.01), forwards) == pytest.approx(7)


def test_percentiles_lie_where_their_share_says() -> None:
    """Of 0 to 100, the p-th percentile is p."""
    assert [percentile(range(101), percent) for percent in (50, 99)] == [50, 99]


def test_a_step_reads_everything_but_the_positions(tmp_path: Path) -> None:
    """The header tells the bytes; no tensor is read."""
    header = {
        "__metadata__": {"format": "pt"},
        "transformer.wte.weight": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]},
        "transformer.wpe.weight": {"dtype": "F16", "shape": [50], "data_offsets": [8, 108]},
        "transformer.ln_f.bias": {"dtype": "F16", "shape": [2], "data_offsets": [108, 112]},
    }
    written = json.dumps(header).encode()
    (tmp_path / "model.safetensors").write_bytes(len(written).to_bytes(8, "little") + written)
    assert weight_bytes(tmp_path) == 12


def test_kl_is_nothing_between_equals_and_as_the_formula_says_else() -> None:
    """Two coins, worked by hand: 0.5 ln(0.5 / 0.25) + 0.5 ln(0.5 / 0.75)."""
    fair, loaded = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    assert kl(fair, fair) == pytest.approx([0])
    assert kl(fair, loaded) == pytest.approx([0.5 * np.log(2) + 0.5 * np.log(2 / 3)])


def test_peak_memory_never_falls() -> None:
    """It is the most that was ever held, so freeing does not lower it, but for pages that the system counts late."""
    before = peak_memory_mb()[0]
    held = np.ones(50_000_000)
    during = peak_memory_mb()[0]
    del held
    assert during > before > 1
    assert peak_memory_mb()[0] > during - 10


def test_dropping_files_leaves_them_as_they_are(tmp_path: Path) -> None:
    """Nothing but the page cache changes."""
    (tmp_path / "folder").mkdir()
    file = tmp_path / "folder" / "file"
    file.write_bytes(b"content")
    page_cache.drop([tmp_path])
    assert file.read_bytes() == b"content"


@pytest.mark.parametrize(("text", "line"), [("a\nb: why \n\n", "b: why"), ("", "it stopped without a word")])
def test_the_reason_is_the_last_thing_that_was_said(text: str, line: str) -> None:
    """Tracebacks and installers say it there."""
    assert last_line(text) == line
