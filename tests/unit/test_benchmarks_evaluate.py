"""How the lab's benchmarks make their texts and probes, and what they take of their rounds."""

import random
import time
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.bench_evaluate import LEAST_ROUNDS, Case, measured, rounds
from benchmarks.lab_texts import probes_that_flag, text_of_characters, text_of_tokens
from model_layer.catalog import BUNDLED_FOLDER
from model_layer.constitution.principles import NAMES
from model_layer.constitution.probe import sentence_features
from model_layer.language_model import LanguageModel

CASE = Case(1, 1_000, 1.0)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    """The bundled one."""
    return LanguageModel.open(BUNDLED_FOLDER)


@pytest.mark.parametrize("tokens", [1, 40])
def test_a_text_has_so_many_tokens(model: LanguageModel, tokens: int) -> None:
    """As the model itself counts them."""
    assert len(model.encode(text_of_tokens(model, tokens, random.Random(1)))) == tokens


@pytest.mark.parametrize("characters", [1, 500, 10_000])
def test_a_text_has_so_many_characters(characters: int) -> None:
    """To the letter, and the next one is another."""
    rng = random.Random(1)
    first, second = (text_of_characters(characters, rng) for _ in range(2))
    assert len(first) == len(second) == characters
    assert characters == 1 or first != second


def test_probes_flag_a_share_of_the_texts(model: LanguageModel) -> None:
    """Each principle's probe flags a fifth of them, and two probes not the same."""
    rng = random.Random(1)
    texts = [text_of_characters(80, rng) for _ in range(50)]
    probes, features = probes_that_flag(model, texts, 0.2, seed=1), sentence_features(model, texts)
    flagged = [probes.probabilities(name, features) >= probes.of(name).threshold for name in NAMES]
    assert [int(each.sum()) for each in flagged] == [10] * len(NAMES)
    assert not np.array_equal(flagged[0], flagged[1])


def test_percentiles_are_those_of_the_rounds() -> None:
    """The median of a hundred rounds and the 95th, with what was asked for; met is what is below the target."""
    found = measured("none", "rules", CASE, [place / 100 for place in range(1, 101)])
    assert (found.p50_s, found.p95_s, found.rounds, found.met) == (0.505, 0.9505, 100, True)
    assert not measured("none", "rules", CASE, [1.0] * 3).met


def test_the_first_round_does_not_count() -> None:
    """Every batch is worked on once, and each but the first is timed."""
    seen: list[str] = []
    assert len(rounds(seen.extend, [["a"], ["b"], ["c"]])) == 2
    assert seen == ["a", "b", "c"]


def test_slow_rounds_end_after_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which each round takes an hour."""
    hours: Iterator[int] = iter(range(0, 3600 * 100, 3600))
    monkeypatch.setattr(time, "perf_counter", lambda: next(hours))
    assert rounds(lambda _: None, [["a"]] * 40) == [3600] * LEAST_ROUNDS
