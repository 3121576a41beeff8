"""Laws of scoring a given text."""

import math

import numpy as np
import pytest

from handler.wheel.score import POSITIONS_PER_PIECE, score
from handler.wheel.session import WheelSettings
from handler.wheel.wheel import make_wheel
from model_layer.errors import ContextWindowExceededError, EmptySequenceError
from model_layer.language_model import LanguageModel
from tests.tiny_models import make_tiny_model

TEXT = "The raven sang: once upon a time, é"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """A tiny random model whose window is longer than a piece."""
    folder = make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", n_positions=2 * POSITIONS_PER_PIECE + 20)
    return LanguageModel.open(folder)


def test_every_token_has_the_numbers_of_the_wheel_before_it(model: LanguageModel) -> None:
    """Probability, logarithm and rank are those that the wheel of the tokens before shows, at temperature 1."""
    token_ids = model.encode(TEXT)
    scored = score(model, TEXT).tokens
    assert [token.token_id for token in scored] == token_ids
    assert b"".join(token.token_bytes for token in scored) == TEXT.encode()
    for place in range(1, len(token_ids)):
        wheel = make_wheel(model.next_logits(token_ids[:place]), WheelSettings(), model.token_bytes)
        share = wheel.share_of(token_ids[place])
        assert scored[place].probability == pytest.approx(share.probability, rel=1e-3)
        assert scored[place].log_probability == pytest.approx(share.log_probability, abs=1e-4)
        assert scored[place].rank == share.rank


def test_the_first_token_has_nothing_before_it(model: LanguageModel) -> None:
    """It has no numbers, and a text of one token no perplexity."""
    first = score(model, TEXT).tokens[0]
    assert (first.probability, first.log_probability, first.rank) == (None, None, None)
    alone = score(model, "T")
    assert len(alone.tokens) == 1
    assert (alone.total_log_probability, alone.perplexity, alone.bits_per_character) == (0, None, None)


def test_the_sums_are_those_of_the_tokens(model: LanguageModel) -> None:
    """Total log-probability, perplexity per token and bits per character tell the same of the tokens after the first."""
    scored = score(model, TEXT)
    total = math.fsum(token.log_probability for token in scored.tokens if token.log_probability is not None)
    characters = len(TEXT) - len(scored.tokens[0].token_text)
    assert scored.total_log_probability == pytest.approx(total)
    assert scored.perplexity == pytest.approx(math.exp(-total / (len(scored.tokens) - 1)))
    assert scored.bits_per_character == pytest.approx(-total / math.log(2) / characters)


def test_pieces_join_without_a_seam(model: LanguageModel) -> None:
    """A text longer than two pieces is scored as from one softmax over all positions."""
    token_ids = np.random.default_rng(5).integers(97, 122, size=2 * POSITIONS_PER_PIECE + 9)
    text = "".join(map(chr, token_ids))
    scored = score(model, text)
    ids = [token.token_id for token in scored.tokens]
    assert len(ids) > 2 * POSITIONS_PER_PIECE
    logits = model.logits(model.hidden_states(ids)).astype(np.float64)[:-1]
    logs = logits[np.arange(len(ids) - 1), ids[1:]] - np.log(np.exp(logits).sum(axis=1))
    assert [token.log_probability for token in scored.tokens[1:]] == pytest.approx(logs.tolist(), abs=1e-4)


def test_a_text_without_tokens_or_over_the_window_is_refused(model: LanguageModel) -> None:
    """The limits are named, not met by an index error."""
    with pytest.raises(EmptySequenceError):
        score(model, "")
    with pytest.raises(ContextWindowExceededError, match=f"window of {model.context_window}"):
        score(model, "é" * model.context_window)
