"""Fine-tuning of a tiny model: it learns, it tells how far it is, and what comes of it is served."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from model_layer.bake.verify import holds
from model_layer.catalog import ModelCatalog
from model_layer.constitution.plan import PHASES
from model_layer.language_model import LanguageModel
from model_layer.manifest import Manifest
from tests.baked_models import make_baked_model
from tests.fine_tuning import CHOSEN, HELD_OUT, NAMES, PLAN, PROMPT, REJECTED, TRAINED, Whole, curve, training, whole_run


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny baked model in float16."""
    return make_baked_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A run that nothing interrupted."""
    return whole_run(base, tmp_path_factory.mktemp("whole"))


def test_it_learns(whole: Whole) -> None:
    """Both losses fall, and on pairs that it never saw the margin grows until every pair is preferred rightly."""
    for phase in PHASES:
        losses = [point["loss"] for point in curve(whole.folder)["curve"] if point["phase"] == phase]
        assert losses[-1] < losses[0]
    assert whole.told[-1].margin is not None
    assert whole.told[-1].margin > 0
    report = whole.report
    assert report.margin_before is not None
    assert report.margin_after is not None
    assert report.margin_after > report.margin_before
    assert report.accuracy_after == 1.0
    assert report.held_out_pairs == len(HELD_OUT)


def test_dpo_begins_at_its_reference(whole: Whole) -> None:
    """The first loss is ln 2 and the first margin 0: the reference is the model after SFT, computed in the same way."""
    first = next(point for point in curve(whole.folder)["curve"] if point["phase"] == "dpo")
    assert first["loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert first["margin"] == pytest.approx(0, abs=1e-5)


def test_progress_counts_both_phases(whole: Whole) -> None:
    """Every step is told once, SFT without a margin."""
    steps = 2 * PLAN.steps(len(TRAINED))
    assert whole.report.steps == steps
    assert [one.step for one in whole.told] == list(range(1, steps + 1))
    assert {one.steps for one in whole.told} == {steps}
    assert [one.phase for one in whole.told] == ["sft"] * (steps // 2) + ["dpo"] * (steps // 2)
    assert all((one.margin is None) == (one.phase == "sft") for one in whole.told)
    assert all(one.eta_s > 0 for one in whole.told)


def test_the_result_is_served(base: Path, whole: Whole) -> None:
    """A catalogue finds it, and its wheel differs from the base's in the direction that was taught."""
    tuned = ModelCatalog.discover([whole.folder.parent], wanted="kinder").get("kinder")
    before = LanguageModel.open(base)
    token_ids = before.encode(PROMPT)
    assert tuned.encode(PROMPT) == token_ids
    change = tuned.next_logits(token_ids) - before.next_logits(token_ids)
    chosen, rejected = (before.encode(text)[0] for text in (CHOSEN, REJECTED))
    assert change[chosen] > change[rejected]


def test_its_manifest_holds(base: Path, whole: Whole) -> None:
    """It names the base's files as its source and holds the hashes of its own, those of its training among them."""
    manifest = Manifest.read(whole.folder)
    assert holds(manifest, whole.folder)
    assert "training.json" in manifest.files
    assert (manifest.name, manifest.description, manifest.source) == ("kinder", "a test", "model_layer.constitution.training")
    assert manifest.source_files == Manifest.read(base).files
    assert manifest.numerics["contexts"] > 0
    assert json.loads((whole.folder / "training.json").read_text(encoding="utf-8"))["report"] == asdict(whole.report)


def test_embeddings_stay_and_blocks_learn(base: Path, whole: Whole) -> None:
    """What is frozen is the base's to the bit."""
    old, new = load_file(base / "model.safetensors"), load_file(whole.folder / "model.safetensors")
    same = {name for name in old if np.array_equal(old[name], new[name])}
    assert {name for name in old if "wte" in name or "wpe" in name} <= same
    assert not any(".h." in name and name.endswith("weight") for name in same)


def test_a_finished_run_leaves_no_weights_in_float32(whole: Whole) -> None:
    """They are half a gigabyte at full size, on a disk that is small; what can be taken up again stays."""
    assert [path.name for path in (whole.folder.parent / "work").iterdir()] == ["checkpoint.pt"]


def test_without_held_out_pairs_nothing_is_claimed(base: Path, tmp_path: Path) -> None:
    """No margin and no accuracy where none was measured."""
    report = training(base, tmp_path, held_out=()).run(tmp_path / "kinder", **NAMES)
    assert report is not None
    assert report.held_out_pairs == 0
    assert (report.margin_before, report.margin_after, report.accuracy_before, report.accuracy_after) == (None,) * 4


def test_an_int8_base_is_dequantised(tmp_path: Path) -> None:
    """The result is an ordinary float16 folder."""
    base = make_baked_model(tmp_path / "base", dtype="int8")
    assert training(base, tmp_path / "work").run(tmp_path / "kinder", **NAMES)
    assert Manifest.read(tmp_path / "kinder").dtype == "float16"
    assert "quantization_config" not in json.loads((tmp_path / "kinder" / "config.json").read_text(encoding="utf-8"))


def test_no_pairs_are_an_error(base: Path, tmp_path: Path) -> None:
    """There is nothing to train on."""
    with pytest.raises(ValueError, match="no pair"):
        training(base, tmp_path, pairs=())
