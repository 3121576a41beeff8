"""The checkpoint of a fine-tuning run: damaged, foreign, hostile or cut short, it never spoils the weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model_layer.constitution.checkpoint import CHECKPOINT_FILE
from model_layer.constitution.errors import ForeignCheckpointError
from model_layer.constitution.plan import Progress
from tests.baked_models import make_baked_model
from tests.fine_tuning import NAMES, PLAN, TRAINED, KilledError, Whole, stops_after, training, weights, whole_run


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny baked model in float16."""
    return make_baked_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A run that nothing interrupted."""
    return whole_run(base, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_truncated_checkpoint_is_none(base: Path, whole: Whole, tmp_path: Path, keep: int) -> None:
    """The run begins anew, and ends as it should."""
    assert training(base, tmp_path, seconds_left=stops_after(8)).run(tmp_path / "kinder", **NAMES) is None
    checkpoint = tmp_path / CHECKPOINT_FILE
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    told: list[Progress] = []
    assert training(base, tmp_path, on_progress=told.append).run(tmp_path / "kinder", **NAMES)
    assert told[0].step == 1
    assert weights(tmp_path / "kinder") == weights(whole.folder)


def test_a_write_cut_short_leaves_the_checkpoint_before_it(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was being written is never taken for a checkpoint."""
    assert training(base, tmp_path, seconds_left=stops_after(4)).run(tmp_path / "kinder", **NAMES) is None
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()

    def cut_short(_: object, file: Any) -> None:
        file.write(b"PK")
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", cut_short)
        with pytest.raises(KilledError):
            training(base, tmp_path).run(tmp_path / "kinder", **NAMES)
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == before
    assert training(base, tmp_path).run(tmp_path / "kinder", **NAMES)


def test_a_checkpoint_with_code_in_it_is_not_run(base: Path, tmp_path: Path) -> None:
    """A pickle that would make a file makes none; the run begins anew."""
    ran = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    torch.save({"run": Hostile(), "position": {}, "tensors": {}}, tmp_path / CHECKPOINT_FILE)
    assert training(base, tmp_path).run(tmp_path / "kinder", **NAMES)
    assert not ran.exists()


@pytest.mark.parametrize(
    "changes", [{"pairs": TRAINED[:4]}, {"plan": replace(PLAN, seed=21)}, {"held_out": ()}], ids=["pairs", "plan", "held out"]
)
def test_the_checkpoint_of_another_run_is_refused(base: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    """Other pairs, another plan: nothing of theirs goes into this one's weights."""
    assert training(base, tmp_path, seconds_left=stops_after(3)).run(tmp_path / "kinder", **NAMES) is None
    with pytest.raises(ForeignCheckpointError):
        training(base, tmp_path, **changes).run(tmp_path / "kinder", **NAMES)


def test_the_checkpoint_of_another_base_is_refused(base: Path, tmp_path: Path) -> None:
    """The same pairs and the same plan, but weights of another seed."""
    assert training(base, tmp_path / "work", seconds_left=stops_after(3)).run(tmp_path / "kinder", **NAMES) is None
    other = make_baked_model(tmp_path / "other", seed=8)
    with pytest.raises(ForeignCheckpointError):
        training(other, tmp_path / "work").run(tmp_path / "kinder", **NAMES)


def test_every_checkpoint_is_handed_over(base: Path, tmp_path: Path) -> None:
    """Whoever keeps them elsewhere is told of each: every third step, and the end."""
    sizes: list[int] = []
    told: list[int] = []
    run = training(
        base,
        tmp_path,
        on_progress=lambda progress: told.append(progress.step),
        on_checkpoint=lambda path: sizes.append(path.stat().st_size),
    )
    assert run.run(tmp_path / "kinder", **NAMES)
    assert len(sizes) == len(told) // PLAN.checkpoint_every_steps + 1
    assert all(sizes)
