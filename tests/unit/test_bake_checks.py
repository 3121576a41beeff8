"""The checks of a bake: they pass what is right and stop what is not."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_layer.bake.difference import difference, log_probabilities
from model_layer.bake.golden import GOLDEN_FOLDER, GoldenCase, check_golden
from model_layer.bake.publish import check_space
from model_layer.bake.self_check import ROUNDED, TARGET_MEAN_KL, check_known_answers, check_reference, check_rounding
from model_layer.bake.sources import CATALOGUE, recognise, with_weights
from model_layer.bake.texts import TEXTS
from model_layer.config import Gpt2Config
from model_layer.errors import BakeError
from model_layer.gpt2 import Gpt2
from model_layer.kv_cache import KvCache
from model_layer.language_model import PREFIX_CACHE_BYTES, LanguageModel
from model_layer.manifest import DTYPES
from model_layer.network import Continuation, Pass
from model_layer.numpy_layers import NumpyLayers
from model_layer.tokenizer import Tokenizer
from model_layer.weights import Weights
from tests.tiny_models import make_tiny_model

GOLDEN = GoldenCase.read_all(GOLDEN_FOLDER / "gpt2.json")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """A tiny model."""
    return LanguageModel.open(make_tiny_model(tmp_path_factory.mktemp("models") / "one"))


@pytest.fixture(scope="module")
def case(model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> GoldenCase:
    """Known answers of that model, as transformers gives them."""
    folder = make_tiny_model(tmp_path_factory.mktemp("models") / "same")
    token_ids = tuple(model.encode("The fox said"))
    known = log_probabilities(LanguageModel.open(folder, engine="transformers"), token_ids)[-1]
    ranked = np.argsort(-known).tolist()
    listed = [*ranked[:30], *ranked[100::50]]
    return GoldenCase("The fox said", token_ids, tuple(ranked[:30]), {index: float(known[index]) for index in listed})


def test_pins() -> None:
    """The catalogue pins the published commits, and the hashes of the published files as far as they are known."""
    assert {name: (model.repository, model.revision) for name, model in CATALOGUE.items()} == {
        "gpt2": ("openai-community/gpt2", "607a30d783dfa663caf39e06633721c8d4cfcd7e"),
        "gpt2-medium": ("openai-community/gpt2-medium", "6dcaa7a952f72f9298047fd5137cd6e4f05f41da"),
        "distilgpt2": ("distilbert/distilgpt2", "2290a62682d06624634c1f46a6ad5be0f47f38aa"),
    }
    hashes = {(name, file): value for name, model in CATALOGUE.items() for file, value in model.sha256.items()}
    assert hashes == {
        ("gpt2", "model.safetensors"): "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
        ("gpt2", "config.json"): "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4",
        ("gpt2", "tokenizer.json"): "8414cab924d8b9b33013f0d221c5862f365ee9be39c5c2bfae8a5a9e970478a6",
        ("distilgpt2", "model.safetensors"): "e1ff18884359fe8beb795a5f414feb85a6ce3d929ad019c0d958c039d2b94a1b",
    }


def test_recognised_by_every_file() -> None:
    """Files that all have the hashes of a pin are that model wherever they lie; with one other or missing they are not."""
    sha256 = CATALOGUE["gpt2"].sha256
    assert recognise({**sha256, "generation_config.json": "0" * 64}) is CATALOGUE["gpt2"]
    for file in ("model.safetensors", "config.json", "tokenizer.json"):
        assert recognise({**sha256, file: "0" * 64}) is None
        assert recognise({other: sha256[other] for other in sha256 if other != file}) is None


def test_not_recognised_by_weights_alone() -> None:
    """A pin of which a hash is not known vouches for no local folder."""
    for name in ("distilgpt2", "gpt2-medium"):
        assert recognise({"config.json": "0" * 64, "tokenizer.json": "0" * 64, **CATALOGUE[name].sha256}) is None


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case.prompt[:20])
def test_golden_numbers_are_a_distribution(case: GoldenCase) -> None:
    """The known answers are those of one distribution: sorted, distinct, inside the vocabulary, adding up to less than 1."""
    top = [case.log_probabilities[token_id] for token_id in case.top]
    assert top == sorted(top, reverse=True)
    assert len(set(case.top)) == 30
    assert all(0 <= token_id < 50257 for token_id in (*case.token_ids, *case.log_probabilities))
    assert 0.3 < sum(map(math.exp, top)) < 1
    rest = [value for token_id, value in case.log_probabilities.items() if token_id not in case.top]
    assert rest
    assert max(rest) < top[-1]


def test_golden_answers_are_found(model: LanguageModel, case: GoldenCase) -> None:
    """Our engine finds the answers of transformers on the same weights."""
    assert check_golden(model, [case, case], bound=1e-4, same_top=True) <= 1e-4


def test_golden_answers_can_be_missed(model: LanguageModel, case: GoldenCase) -> None:
    """One log-probability beyond the bound, one other top token or one other token id is enough to fail."""
    last = list(case.log_probabilities)[-1]
    off = case.log_probabilities | {last: case.log_probabilities[last] + 2e-3}
    other_top = (*case.top[:-1], last)
    wrong = {
        "log-probability": replace(case, log_probabilities=off),
        "most probable": replace(case, top=other_top),
        "token ids": replace(case, token_ids=case.token_ids[1:]),
    }
    for because, golden in wrong.items():
        with pytest.raises(BakeError, match=because):
            check_golden(model, [case, golden], bound=1e-3, same_top=True)


def test_difference(model: LanguageModel, tmp_path: Path) -> None:
    """A model does not differ from itself, and differs from another by what the definition says."""
    other = LanguageModel.open(make_tiny_model(tmp_path / "other", seed=8))
    same = difference(model, model)
    assert (same.max_log_probability_change, same.max_probability_change, same.max_kl, same.top_1_agreement) == (0, 0, 0, 1)
    found = difference(model, other)
    sequences = [model.encode(text)[: model.context_window] for text in TEXTS]
    pairs = [pair for ids in sequences for pair in zip(log_probabilities(model, ids), log_probabilities(other, ids), strict=True)]
    assert found.contexts == len(pairs) > 200
    assert found.max_log_probability_change == max(float(abs(p - q).max()) for p, q in pairs)
    assert found.max_probability_change == max(float(abs(np.exp(p) - np.exp(q)).max()) for p, q in pairs)
    assert found.top_1_agreement == np.mean([p.argmax() == q.argmax() for p, q in pairs])
    kls = [sum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True)) for p, q in pairs]
    assert found.max_kl == pytest.approx(max(kls), rel=1e-9)
    assert found.mean_kl == pytest.approx(sum(kls) / len(kls), rel=1e-9)


def test_rounding_that_shows(model: LanguageModel, tmp_path: Path) -> None:
    """A baked model whose distributions visibly differ from its source's is stopped, whatever its precision."""
    other = LanguageModel.open(make_tiny_model(tmp_path / "other", seed=8))
    for dtype in DTYPES:
        with pytest.raises(BakeError, match="--dtype float"):
            check_rounding(model, other, dtype)


@pytest.mark.parametrize(("shift", "warned"), [(1e-3, False), (0.07, True)])
def test_rounding_worth_a_warning(shift: float, warned: bool, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An int8 model within its bound is baked, and beyond the wanted mean KL with a warning."""
    found = check_rounding(LanguageModel.open(folder), broken(folder, wrong_row=0, wrong_by=shift), "int8")
    assert (found.mean_kl > TARGET_MEAN_KL) == warned
    assert ("WARNING" in caplog.text) == warned


class BrokenNetwork(Gpt2):
    """Computes as GPT-2 does, and wrongly from `wrong_row` on in a pass of many tokens, or in every step over a cache."""

    wrong_row: int | None = None
    wrong_step = False
    wrong_by = 1e-2

    def forward(self, batch: Sequence[Continuation[KvCache]], *, every_position: bool = False) -> Pass[KvCache]:
        """Run the pass and spoil it."""
        done = super().forward(batch, every_position=every_position)
        if self.wrong_row is not None and every_position:
            done.hidden[self.wrong_row :] += self.wrong_by
        if self.wrong_step and batch[0].cache.length:
            done.hidden[:] += self.wrong_by
        return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with a window of 256 tokens."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "long", n_positions=256)


def broken(folder: Path, **faults: object) -> LanguageModel:
    """The model of that folder with a network that has these faults."""
    config = Gpt2Config.read(folder)
    network = BrokenNetwork(config, Weights.open(folder, config), NumpyLayers(np.dtype(np.float32)))
    vars(network).update(faults)
    return LanguageModel("broken", config, network, Tokenizer(folder), prefix_cache_bytes=PREFIX_CACHE_BYTES)


def test_what_serving_uses_is_checked(folder: Path) -> None:
    """An engine that errs only after a block of queries, or only in a step over its cache, does not agree with transformers."""
    assert check_reference(folder, broken(folder))["max_log_probability_change"] <= 1e-4
    for fault in ({"wrong_row": 199}, {"wrong_step": True}):
        with pytest.raises(BakeError, match="disagree"):
            check_reference(folder, broken(folder, **fault))


@pytest.mark.parametrize("window", [1, 2, 3])
def test_the_shortest_windows_are_checked(window: int, tmp_path: Path) -> None:
    """A model whose window has hardly a token for a step is checked as far as it goes."""
    folder = make_tiny_model(tmp_path / "short", n_positions=window)
    assert check_reference(folder, LanguageModel.open(folder))["max_log_probability_change"] <= 1e-4


def test_what_is_not_finite_passes_no_check(folder: Path) -> None:
    """A model that answers NaN fails the check of rounding, of known answers and against transformers."""
    nowhere = broken(folder, wrong_row=0, wrong_step=True, wrong_by=math.nan)
    sound = LanguageModel.open(folder)
    token_ids = tuple(sound.encode("The fox"))
    known = log_probabilities(sound, token_ids)[-1]
    case = GoldenCase("The fox", token_ids, (0,), dict(enumerate(known.tolist())))
    for check in (
        lambda: check_rounding(sound, nowhere, "int8"),
        lambda: check_rounding(nowhere, sound, "int8"),
        lambda: check_golden(nowhere, [case], bound=1.0, same_top=False),
        lambda: check_reference(folder, nowhere),
        lambda: check_reference(folder, broken(folder, wrong_step=True, wrong_by=math.nan)),
    ):
        with pytest.raises(BakeError, match="not finite"):
            check()


def test_an_answer_that_is_not_a_number_is_missed(model: LanguageModel, case: GoldenCase) -> None:
    """A known answer of NaN is within no bound."""
    golden = replace(case, log_probabilities=dict.fromkeys(case.log_probabilities, math.nan))
    with pytest.raises(BakeError, match="log-probability"):
        check_golden(model, [golden], bound=1.0, same_top=False)


def test_known_answers_have_a_bound_for_each_precision(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A baked model that misses a known answer by what int8 may change, and float16 may not, is stopped in float16 alone."""
    source, baked = LanguageModel.open(folder), broken(folder, wrong_row=0, wrong_by=0.03)
    token_ids = source.encode("The fox said")
    known = log_probabilities(source, token_ids)[-1]
    change = float(np.abs(log_probabilities(baked, token_ids)[-1] - known).max())
    assert ROUNDED["float16"].golden < change < ROUNDED["int8"].golden
    answers = [{"token_id": token_id, "log_probability": value} for token_id, value in enumerate(known.tolist())]
    case = {"prompt": "The fox said", "token_ids": token_ids, "top": [], "tail": answers}
    (tmp_path / "gpt2.json").write_text(json.dumps({"cases": [case]}))
    monkeypatch.setattr("model_layer.bake.self_check.GOLDEN_FOLDER", tmp_path)
    weights = CATALOGUE["gpt2"].sha256["model.safetensors"]
    found = check_known_answers(weights, source, baked, "int8")
    assert found is not None
    assert found["source_max_log_probability_change"] == 0
    assert found["baked_max_log_probability_change"] == pytest.approx(change, rel=0.1)
    with pytest.raises(BakeError, match="over the bound"):
        check_known_answers(weights, source, baked, "float16")


def test_space(tmp_path: Path) -> None:
    """A bake that cannot fit is stopped before it begins."""
    check_space(tmp_path, 1)
    with pytest.raises(BakeError, match="the disk is full"):
        check_space(tmp_path, 2**60)


def test_pinned_weights_bring_their_golden_numbers() -> None:
    """Whatever lies beside them, the weights of gpt2 are held to its golden numbers, and other weights to none."""
    weights = CATALOGUE["gpt2"].sha256["model.safetensors"]
    assert with_weights(weights) is CATALOGUE["gpt2"]
    assert (GOLDEN_FOLDER / "gpt2.json").is_file()
    assert with_weights("0" * 64) is None
