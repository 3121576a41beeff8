"""What a language model asks of its network: never twice at once, never too much at once, never anything twice."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model_layer.config import Gpt2Config
from model_layer.gpt2 import Gpt2
from model_layer.kv_cache import KvCache
from model_layer.language_model import LEAST_TOKENS, PREFIX_CACHE_BYTES, TOKENS_PER_PASS, LanguageModel
from model_layer.network import Continuation, Pass
from model_layer.numpy_layers import NumpyLayers
from model_layer.tokenizer import Tokenizer
from model_layer.weights import Weights
from tests.tiny_models import make_tiny_model

WINDOW = 256
FULL = TOKENS_PER_PASS // WINDOW  # sequences of a full window in one pass


class WatchedNetwork(Gpt2):
    """Records what every pass is given, what it gives, and how many threads are inside at once; lingers there."""

    linger_s = 0.0

    def __init__(self, config: Gpt2Config, weights: Weights) -> None:
        super().__init__(config, weights, NumpyLayers(np.dtype(np.float32)))
        self.entered = threading.Event()
        self.inside = self.most_inside = 0
        self.new_tokens: list[list[int]] = []

    def forward(self, batch: Sequence[Continuation[KvCache]], *, every_position: bool = False) -> Pass[KvCache]:
        """Run the pass and record it."""
        self._enter()
        self.new_tokens.append([len(one.new_ids) for one in batch])
        done = super().forward(batch, every_position=every_position)
        self.inside -= 1
        return done

    def logits(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the head and record who is inside."""
        self._enter()
        logits = super().logits(hidden)
        self.inside -= 1
        return logits

    def _enter(self) -> None:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.entered.set()
        time.sleep(self.linger_s)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with a window of WINDOW tokens."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", n_positions=WINDOW)


@pytest.fixture
def network(folder: Path) -> WatchedNetwork:
    """Its network, watched."""
    config = Gpt2Config.read(folder)
    return WatchedNetwork(config, Weights.open(folder, config))


@pytest.fixture
def model(folder: Path, network: WatchedNetwork) -> LanguageModel:
    """The model of that network, with nothing cached."""
    tokenizer = Tokenizer(folder)
    return LanguageModel("tiny", Gpt2Config.read(folder), network, tokenizer, prefix_cache_bytes=PREFIX_CACHE_BYTES)


def prompts(count: int, shared: int, own: int = 1) -> list[list[int]]:
    """That many prompts with `shared` first tokens in common."""
    return [[5] * shared + [10 + number] * own for number in range(count)]


def test_one_thread_at_a_time(model: LanguageModel, network: WatchedNetwork) -> None:
    """However many threads ask for logits, batches, hidden states and heads, the network is never entered by two at once."""
    network.linger_s = 0.005
    hidden = np.zeros((1, model.config.width), np.float32)

    def ask(number: int) -> None:
        model.next_logits([number])
        model.next_logits_batch([[number, 1], [number, 2]])
        model.hidden_states([number])
        model.logits(hidden)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(6)))
    assert len(network.new_tokens) == 6 * 3
    assert network.most_inside == 1


def test_a_pass_computes_no_more_than_its_bound(model: LanguageModel, network: WatchedNetwork) -> None:
    """Long prompts fill passes of TOKENS_PER_PASS new tokens, and each is computed once."""
    model.next_logits_batch(prompts(5 * FULL, 0, WINDOW))
    assert [sum(tokens) for tokens in network.new_tokens] == [TOKENS_PER_PASS] * 5


def test_steps_of_long_sequences_are_one_pass(model: LanguageModel, network: WatchedNetwork) -> None:
    """What is cached costs a pass nothing, so that a step of 64 sequences is one pass however long they are."""
    stories = prompts(64, 20, 80)
    model.next_logits_batch(stories)
    network.new_tokens.clear()
    model.next_logits_batch([[*story, 7] for story in stories])
    assert network.new_tokens == [[1] * 64]


def test_short_sequences_count_by_their_room(model: LanguageModel, network: WatchedNetwork) -> None:
    """A sequence of one token may need a page, so a batch of many is several passes too."""
    most = TOKENS_PER_PASS // LEAST_TOKENS
    model.next_logits_batch([[number] for number in range(most + 1)])
    assert [len(tokens) for tokens in network.new_tokens] == [most, 1]


def test_a_prefix_of_an_earlier_pass_serves_the_next(model: LanguageModel, network: WatchedNetwork) -> None:
    """Prompts that share a prefix and fill several passes compute it in the first alone."""
    model.next_logits_batch(prompts(12, WINDOW - 1))
    assert network.new_tokens == [[WINDOW] * FULL, [1] * (12 - FULL)]


def test_a_long_batch_lets_others_in(model: LanguageModel, network: WatchedNetwork) -> None:
    """A single step that is asked for while a batch of many passes runs waits for one pass and no more."""
    network.linger_s = 0.1
    with ThreadPoolExecutor(2) as pool:
        batch = pool.submit(model.next_logits_batch, prompts(5 * FULL, 0, WINDOW))
        network.entered.wait()
        pool.submit(model.next_logits, [1, 2, 3]).result()
        batch.result()
    assert len(network.new_tokens) == 5 + 1
    assert network.new_tokens[1] == [3]


def test_nobody_computes_what_another_computed_meanwhile(model: LanguageModel, network: WatchedNetwork) -> None:
    """Of many threads that ask for the same sequences, one computes them."""
    network.linger_s = 0.05
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(model.next_logits_batch, [[[1, 2], [3]]] * 6))
    assert network.new_tokens == [[2, 1]]


def test_remembered_logits_hold_no_more_than_themselves(model: LanguageModel) -> None:
    """What is remembered of one sequence of a batch does not keep the logits of the others in memory."""
    batch = prompts(5, 3)
    model.next_logits_batch(batch)
    for ids in batch:
        logits = model.next_logits(ids)
        held = logits if logits.base is None else logits.base
        assert isinstance(held, np.ndarray)
        assert held.nbytes == logits.nbytes == 4 * model.vocab_size
