"""Laws of texts that go forward together: whoever the neighbours are, each reads what it would read alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model_layer.continuous_batch import TOKENS_PER_PASS, ContinuousBatch
from model_layer.language_model import LanguageModel
from model_layer.network import Continuation, Pass

VOCABULARY = 256  # the tiny model has more tokens; these are enough


class Recorder:
    """Goes on with the likeliest token until it has read `reads` times, and keeps what it read."""

    def __init__(self, reads: int) -> None:
        self.reads = reads
        self.rows: list[NDArray[np.float32]] = []

    def __call__(self, logits: NDArray[np.float32]) -> int | None:
        """The likeliest token, or None at the end."""
        self.rows.append(logits.copy())
        return int(np.argmax(logits)) if len(self.rows) < self.reads else None


def run(batch: ContinuousBatch) -> int:
    """Run the batch to its end; how many passes it took."""
    passes = 0
    while not batch.is_empty:
        batch.step()
        passes += 1
    return passes


def alone(model: LanguageModel, prompt: Sequence[int], reads: int) -> list[NDArray[np.float32]]:
    """What a text reads by single calls."""
    ids, rows = list(prompt), []
    for _ in range(reads):
        rows.append(model.next_logits(ids))
        ids.append(int(np.argmax(rows[-1])))
    return rows


texts = st.lists(
    st.tuples(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=50), st.integers(1, 12), st.integers(1, 3)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40)
@given(texts=texts, at_once=st.sampled_from([1, 2, 5, 32]))
def test_each_reads_what_it_would_alone(model: LanguageModel, texts: list[tuple[list[int], int, int]], at_once: int) -> None:
    """Logits have the bits of a single call, whatever the prompts, the lengths, the order and the places."""
    batch = ContinuousBatch(model, texts_at_once=at_once)
    added = []
    for prompt, reads, readers in texts:
        recorders = [Recorder(reads) for _ in range(readers)]
        batch.add(prompt, recorders, longest=len(prompt) + reads - 1)
        added.append((prompt, recorders))
    run(batch)
    for prompt, recorders in added:
        for recorder in recorders:
            assert len(recorder.rows) == recorder.reads
            np.testing.assert_array_equal(recorder.rows, alone(model, prompt, recorder.reads))


def test_a_text_joins_where_one_ends(model: LanguageModel) -> None:
    """With 4 places, 8 texts of 5 reads and one of 20 take the passes of the long one, and not one more."""
    batch = ContinuousBatch(model, texts_at_once=4)
    recorders = [Recorder(20), *(Recorder(5) for _ in range(8))]
    for number, recorder in enumerate(recorders):
        batch.add([number + 1], [recorder], longest=20)
    assert run(batch) == 20
    assert [len(recorder.rows) for recorder in recorders] == [20, *[5] * 8]


def test_a_prompt_is_run_once_for_all_its_readers(model: LanguageModel) -> None:
    """Five readers of one prompt cost its tokens once, and then one token each a pass."""
    batch = ContinuousBatch(model)
    prompt = list(range(30))
    batch.add(prompt, [Recorder(3) for _ in range(5)], longest=40)
    before = model.tokens_computed
    run(batch)
    assert model.tokens_computed - before == len(prompt) + 5 * 2


def test_what_prompts_have_in_common_is_run_once(model: LanguageModel) -> None:
    """With one place, the second prompt computes only where it differs from the first."""
    batch = ContinuousBatch(model, texts_at_once=1)
    shared = list(range(40))
    batch.add([*shared, 100], [Recorder(1)], longest=41)
    batch.add([*shared, 200, 201], [Recorder(1)], longest=42)
    before = model.tokens_computed
    run(batch)
    assert model.tokens_computed - before == 41 + 2


def test_no_pass_is_longer_than_its_limit(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts of many more tokens than a pass may have are run in pieces, beside those that go on."""
    sizes = []
    advance = model.advance

    def counting(batch: Sequence[Continuation[Any]]) -> Pass[Any]:
        sizes.append(sum(len(one.new_ids) for one in batch))
        return advance(batch)

    monkeypatch.setattr(model, "advance", counting)
    batch = ContinuousBatch(model)
    for number in range(30):
        batch.add([(number * 7 + position) % VOCABULARY for position in range(50)], [Recorder(4)], longest=53)
    run(batch)
    assert max(sizes) <= TOKENS_PER_PASS
    assert max(sizes) > TOKENS_PER_PASS / 2


def test_the_models_own_prefix_cache_is_left_alone(model: LanguageModel) -> None:
    """What students did lately stays remembered: a batch neither reads nor fills the model's cache."""
    student = [9, 8, 7, 6]
    model.next_logits(student)
    batch = ContinuousBatch(model)
    for number in range(50):
        batch.add([number, 3, 4], [Recorder(6)], longest=10)
    run(batch)
    before = model.tokens_computed
    model.next_logits(student)
    assert model.tokens_computed == before
