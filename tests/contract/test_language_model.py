"""One suite for all engines and precisions, on tiny random models and on the bundled one."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_layer.config import Gpt2Config
from model_layer.errors import ContextWindowExceededError, EmptySequenceError, TokenIdOutOfRangeError
from model_layer.kernels.binding import library
from model_layer.language_model import TOKENS_PER_PASS, LanguageModel
from model_layer.reference import float32_model
from model_layer.weights import Weights
from tests.baked_models import make_baked_model
from tests.tiny_models import make_tiny_model

STORYBOOK = Path(__file__).parents[2] / "model_layer" / "storybook" / "baked"
TOLERANCE = 1e-4  # in natural-log probability
HALF_CACHE_TOLERANCE = 2e-2  # keys and values in float16: a tenth of what weights in float16 cost
ENGINES: dict[str, dict[str, Any]] = {
    "kernel": {"engine": "kernel"},
    "kernel, float32 cache": {"engine": "kernel", "cache_dtype": "float32"},
    "numpy": {"engine": "numpy"},
    "transformers": {"engine": "transformers"},
}
TEXT = "Once upon a time the fox said: caf\u00e9, \U0001f98a and \u6d77."

OpenModel = Callable[..., LanguageModel]
Oracle = Callable[[Sequence[int]], NDArray[np.float64]]
Compare = Callable[[NDArray[np.float32], NDArray[np.float64]], None]


@pytest.fixture(scope="module", params=["tiny", "tiny-float16", "tiny-int8", "storybook"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model."""
    if request.param == "storybook":
        return STORYBOOK
    folder = tmp_path_factory.mktemp("models") / request.param
    if request.param == "tiny-int8":
        return make_baked_model(folder, dtype="int8")
    return make_tiny_model(folder, dtype=torch.float16 if request.param == "tiny-float16" else torch.float32)


@pytest.fixture(params=ENGINES)
def open_model(request: pytest.FixtureRequest, folder: Path) -> OpenModel:
    """Opens the model anew, with its caches empty, by one of the engines."""

    def open_anew(**options: Any) -> LanguageModel:
        return LanguageModel.open(folder, **ENGINES[request.param], **options)

    return open_anew


@pytest.fixture
def assert_same(request: pytest.FixtureRequest, folder: Path) -> Compare:
    """Compares logits with log-probabilities, as closely as the engine computes."""
    half_cache = (
        request.node.callspec.params["open_model"] == "kernel" and not Weights.open(folder, Gpt2Config.read(folder)).exact
    )
    tolerance = HALF_CACHE_TOLERANCE if half_cache else TOLERANCE

    def compare(found: NDArray[np.float32], expected: NDArray[np.float64]) -> None:
        np.testing.assert_allclose(log_probabilities(found), expected, rtol=0, atol=tolerance)

    return compare


@pytest.fixture(scope="module")
def oracle(folder: Path) -> Oracle:
    """Log-probabilities of every position by transformers on the stored weights, without any cache: (tokens, vocab_size)."""
    network = float32_model(folder)

    @torch.inference_mode()
    def log_probabilities_of(token_ids: Sequence[int]) -> NDArray[np.float64]:
        return log_probabilities(network(torch.tensor([token_ids]), use_cache=False).logits[0].numpy())

    return log_probabilities_of


def log_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-softmax of logits, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def random_ids(model: LanguageModel, tokens: int, seed: int = 0) -> list[int]:
    """Ids from the whole vocabulary."""
    ids: list[int] = np.random.default_rng(seed).integers(0, model.vocab_size, tokens).tolist()
    return ids


def cost(model: LanguageModel, look: Callable[[], object]) -> tuple[int, int]:
    """Forward passes and tokens that a look takes."""
    passes, tokens = model.forward_passes, model.tokens_computed
    look()
    return model.forward_passes - passes, model.tokens_computed - tokens


def test_distributions_are_those_of_transformers(open_model: OpenModel, oracle: Oracle, assert_same: Compare) -> None:
    """Every prefix, up to a full context window, has the distribution that transformers computes without a cache."""
    model = open_model(prefix_cache_bytes=0)
    ids = random_ids(model, model.context_window)
    expected = oracle(ids)
    for length in (1, 2, 17, model.context_window - 1, model.context_window):
        assert_same(model.next_logits(ids[:length]), expected[length - 1])


def test_cached_steps_equal_whole_passes(open_model: OpenModel, oracle: Oracle, assert_same: Compare) -> None:
    """A sequence grown token by token over its cache has the distributions of whole passes."""
    model = open_model()
    ids = random_ids(model, 64)
    expected = oracle(ids)
    for length in range(5, len(ids) + 1):
        assert_same(model.next_logits(ids[:length]), expected[length - 1])
    assert model.tokens_computed == len(ids)


def test_a_batch_equals_its_sequences(open_model: OpenModel, oracle: Oracle, assert_same: Compare) -> None:
    """Sequences of unequal length in one batch, some cached, one twice, give in order what each gives alone."""
    model = open_model()
    batch = [random_ids(model, tokens, seed) for seed, tokens in enumerate((1, model.context_window, 7, 7, 30))]
    model.next_logits(batch[4][:29])
    model.next_logits(batch[2][:3])
    batch += [batch[2], [*batch[4][:20], 1, 2]]
    found = model.next_logits_batch(batch)
    assert found.shape == (len(batch), model.vocab_size)
    for row, ids in zip(found, batch, strict=True):
        assert_same(row, oracle(ids)[-1])


def test_a_batch_is_one_pass_until_it_is_too_long(open_model: OpenModel, oracle: Oracle, assert_same: Compare) -> None:
    """A batch runs each sequence once, in one pass up to TOKENS_PER_PASS tokens and in as few as hold them beyond."""
    model = open_model(prefix_cache_bytes=0)
    few = [random_ids(model, 5, seed) for seed in range(8)]
    assert cost(model, lambda: model.next_logits_batch([*few, *few])) == (1, 40)
    many = [random_ids(model, model.context_window, seed) for seed in range(TOKENS_PER_PASS // model.context_window + 1)]
    found: list[NDArray[np.float32]] = []
    assert cost(model, lambda: found.extend(model.next_logits_batch(many))) == (2, len(many) * model.context_window)
    assert_same(found[-1], oracle(many[-1])[-1])


def test_an_empty_batch_costs_nothing(open_model: OpenModel) -> None:
    """No sequences give no rows and no pass."""
    model = open_model()
    assert model.next_logits_batch([]).shape == (0, model.vocab_size)
    assert model.forward_passes == 0


def test_only_what_is_new_is_computed(open_model: OpenModel, oracle: Oracle, assert_same: Compare) -> None:
    """A second look runs nothing, one more token is one step, an undo nothing, and a fork runs its own tokens alone."""
    model = open_model()
    ids = random_ids(model, 12)
    assert cost(model, lambda: model.next_logits(ids)) == (1, 12)
    assert cost(model, lambda: model.next_logits(ids)) == (0, 0)
    assert cost(model, lambda: model.next_logits([*ids, 3])) == (1, 1)
    assert cost(model, lambda: model.next_logits(ids)) == (0, 0)
    assert cost(model, lambda: model.next_logits([*ids, 4])) == (1, 1)
    assert cost(model, lambda: model.next_logits([*ids[:10], 5, 6])) == (1, 2)
    assert cost(model, lambda: model.next_logits([*ids, 3, 9])) == (1, 1)
    for grown in ([*ids, 3], [*ids, 4], [*ids[:10], 5, 6], [*ids, 3, 9]):
        assert_same(model.next_logits(grown), oracle(grown)[-1])


def test_a_prefix_never_looked_at_costs_one_token(open_model: OpenModel, oracle: Oracle, assert_same: Compare) -> None:
    """An undo into the middle of a prompt reuses its cache, and leaves the longer sequence's as it was."""
    model = open_model()
    ids = random_ids(model, 20)
    model.next_logits(ids)
    assert cost(model, lambda: model.next_logits(ids[:9])) == (1, 1)
    assert_same(model.next_logits(ids[:9]), oracle(ids)[8])
    assert_same(model.next_logits([*ids, 2]), oracle([*ids, 2])[-1])


def test_threads_get_their_solo_results(open_model: OpenModel, oracle: Oracle, assert_same: Compare) -> None:
    """Sequences that grow at the same time in many threads have the distributions that each has alone."""
    model = open_model()
    prompt = random_ids(model, 6)
    stories = [[*prompt, *random_ids(model, 8, seed)] for seed in range(8)]

    def grow(story: list[int]) -> list[NDArray[np.float32]]:
        return [model.next_logits(story[:length]) for length in range(len(prompt), len(story) + 1)]

    with ThreadPoolExecutor(len(stories)) as pool:
        grown = list(pool.map(grow, stories))
    for story, found in zip(stories, grown, strict=True):
        assert_same(np.array(found), oracle(story)[len(prompt) - 1 :])


def test_hidden_states_lead_to_the_logits(open_model: OpenModel, oracle: Oracle, assert_same: Compare) -> None:
    """The head applied to the hidden states of every position gives every position's distribution."""
    model = open_model()
    ids = random_ids(model, model.context_window)
    hidden = model.hidden_states(ids)
    assert hidden.shape == (len(ids), model.config.width)
    assert hidden.dtype == np.float32
    assert_same(model.logits(hidden), oracle(ids))


def test_early_states_are_those_of_a_shorter_model(open_model: OpenModel) -> None:
    """In a batch as alone; after all blocks they are the hidden states, after none what the embeddings say of each token."""
    model = open_model()
    sequences = [random_ids(model, length) for length in (1, 9, 5)]
    for blocks in range(model.config.layers + 1):
        together = list(model.early_states(sequences, blocks=blocks))
        for ids, states in zip(sequences, together, strict=True):
            assert states.shape == (len(ids), model.config.width)
            np.testing.assert_allclose(states, next(model.early_states([ids], blocks=blocks)), rtol=1e-3, atol=1e-3)
            if blocks == model.config.layers:
                np.testing.assert_allclose(states, model.hidden_states(ids), rtol=1e-3, atol=1e-3)
    first, second = model.early_states([[1, 2], [1, 3]], blocks=0)
    np.testing.assert_array_equal(first[0], second[0])
    assert np.abs(first[1] - second[1]).max() > 0


def test_engines_agree_on_early_states(folder: Path) -> None:
    """Ours after so many blocks are those of transformers."""
    ours, theirs = LanguageModel.open(folder, cache_dtype="float32"), LanguageModel.open(folder, engine="transformers")
    ids = random_ids(ours, 12)
    for blocks in range(ours.config.layers + 1):
        [found], [expected] = (model.early_states([ids], blocks=blocks) for model in (ours, theirs))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_logits_cannot_be_written(open_model: OpenModel) -> None:
    """What a caller gets is shared with later callers, so it is float32 and read-only."""
    model = open_model()
    for logits in (model.next_logits([1, 2]), model.next_logits_batch([[1, 2], [3]])):
        assert logits.dtype == np.float32
        assert not logits.flags.writeable


def test_what_cannot_be_computed_is_refused_first(open_model: OpenModel) -> None:
    """No tokens, too many and ids outside the vocabulary are errors that name the limit, before any pass."""
    model = open_model()
    too_long = [1] * (model.context_window + 1)
    for ids, error in (([], EmptySequenceError), (too_long, ContextWindowExceededError)):
        for look in (model.next_logits, model.hidden_states, lambda ids: model.next_logits_batch([[1], ids])):
            with pytest.raises(error):
                look(ids)
    for bad in (-1, model.vocab_size, 2**40):
        for refuse in (model.token_bytes, lambda bad: model.decode([1, bad]), lambda bad: model.next_logits([1, bad])):
            with pytest.raises(TokenIdOutOfRangeError, match=str(model.vocab_size - 1)):
                refuse(bad)
    assert model.forward_passes == 0


def test_text_survives_its_tokens(open_model: OpenModel) -> None:
    """Text to ids to text is the identity, and the tokens' bytes in a row are the text's UTF-8."""
    model = open_model()
    ids = model.encode(TEXT)
    assert model.decode(ids) == TEXT
    assert b"".join(map(model.token_bytes, ids)) == TEXT.encode()
    assert model.token_bytes(model.end_of_text_id) == b"<|endoftext|>"


def test_a_wheel_is_the_same_however_it_was_computed(folder: Path) -> None:
    """By the kernels, logits have the same bits in one piece, step by step, in a batch and after an undo."""
    if library() is None:
        pytest.skip("needs the C kernels: python -m model_layer.kernels.build")
    model = LanguageModel.open(folder)
    ids = random_ids(model, 60)
    whole = model.logits(model.hidden_states(ids))
    steps = np.array([model.next_logits(ids[:length]) for length in range(1, 61)])
    np.testing.assert_array_equal(steps, whole)
    anew = LanguageModel.open(folder)
    lengths = [60, 1, 33, 32, 7]
    np.testing.assert_array_equal(anew.next_logits_batch([ids[:length] for length in lengths]), whole[[n - 1 for n in lengths]])
    anew.next_logits([*ids[:40], 1, 2])
    np.testing.assert_array_equal(anew.next_logits(ids[:45]), whole[44])
