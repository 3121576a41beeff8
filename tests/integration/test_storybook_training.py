"""The storybook model's training: the split, the schedule, and runs of a tiny recipe on two real excerpts."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_layer.storybook.attention import blocked_attention
from model_layer.storybook.corpus import END_OF_TEXT, Passage, read_passages, training_texts
from model_layer.storybook.evaluate import bigram_nats, passage_ids, passage_nats
from model_layer.storybook.tokenizer import train_tokenizer
from model_layer.storybook.train import DRY_RUN, Trainer, learning_rate_scale, prepare_tokenizer, windows

CORPUS = Path(__file__).parents[1] / "data" / "corpus"


@pytest.fixture(scope="module")
def passages() -> list[Passage]:
    """The passages of two excerpts, a chapter and a tale or two each."""
    return read_passages(CORPUS)


def trainer(work: Path, passages: list[Passage]) -> Trainer:
    """The tiny recipe's run in `work`, new or resumed."""
    work.mkdir(exist_ok=True)
    return Trainer(DRY_RUN, prepare_tokenizer(work / "tokenizer.json", passages, DRY_RUN), passages, work)


def test_passages_hold_every_lettered_line_once_and_in_order(passages: list[Passage]) -> None:
    """Joined in order, the passages of a book are the book."""
    for book in CORPUS.glob("*.txt"):
        lines = [line.strip() for line in book.read_text().splitlines() if any(c.isascii() and c.isalpha() for c in line)]
        read = [p.text.replace(END_OF_TEXT, "\n") for p in passages if p.book == book.stem]
        assert "\n".join(read).split("\n") == lines


def test_no_held_out_passage_is_trained_on(passages: list[Passage]) -> None:
    """Training texts hold every training passage and no held-out one, whichever passages are held out."""
    for held_out in range(len(passages)):
        split = [replace(p, held_out=index == held_out) for index, p in enumerate(passages)]
        text = "\n".join(training_texts(split))
        assert [p.text in text for p in split] == [not p.held_out for p in split]


def test_the_split_does_not_depend_on_other_books(passages: list[Passage], tmp_path: Path) -> None:
    """A passage is held out by its own name, not by its place among others."""
    book = CORPUS / "andersens-fairy-tales.txt"
    (tmp_path / book.name).write_bytes(book.read_bytes())
    assert read_passages(tmp_path) == [p for p in passages if p.book == book.stem]


def test_an_empty_corpus_is_an_error(tmp_path: Path) -> None:
    """No text is told, not trained on."""
    with pytest.raises(ValueError, match="no text"):
        read_passages(tmp_path)


def test_headings_part_chapters(passages: list[Passage]) -> None:
    """A chapter's heading follows an end of text, not a line break."""
    text = "\n".join(p.text for p in passages if p.book.startswith("alice"))
    assert f"{END_OF_TEXT}CHAPTER II. The Pool of Tears" in text


def test_every_text_survives_the_tokenizer(passages: list[Passage]) -> None:
    """Byte-level tokens lose nothing, also of writing the corpus never had."""
    tokenizer = train_tokenizer(training_texts(passages), vocab_size=400)
    for text in (passages[0].text, "é 🦊 日本 \t\n  x"):
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text
    assert tokenizer.token_to_id(END_OF_TEXT) == 0


def test_an_epoch_shows_every_window_once() -> None:
    """Over one epoch the batches cover disjoint windows of one shift, and the next epoch orders them anew."""
    tokens = np.arange(32 * 21, dtype=np.int64)
    per_epoch = (len(tokens) - 1) // 32 - 1
    recipe = replace(DRY_RUN, batch=per_epoch)
    first, second = windows(tokens, 0, recipe), windows(tokens, 1, recipe)
    starts = np.sort(first[:, 0])
    assert (np.diff(starts) == 32).all()
    assert first.shape == (per_epoch, 33)
    assert first[:, 0].tolist() != second[:, 0].tolist()


def test_the_learning_rate_rises_stays_and_falls_to_zero() -> None:
    """Warm-up, plateau at 1, linear fall that ends just above 0 at the last step."""
    recipe = replace(DRY_RUN, warm_up_steps=10, falling_share=0.4)
    scales = [learning_rate_scale(step, 100, recipe) for step in range(100)]
    assert scales[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert set(scales[10:61]) == {1.0}
    assert np.diff(scales[60:]) == pytest.approx(np.full(39, -1 / 40))
    assert scales[-1] == pytest.approx(1 / 40)


@pytest.mark.parametrize("positions", [5, 256, 300])
def test_blocked_attention_is_causal_attention(positions: int) -> None:
    """Blocks change nothing: torch's own causal attention gives the same."""
    query, key, value = torch.randn(3, 2, 2, positions, 8, generator=torch.Generator().manual_seed(1))
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    actual, _ = blocked_attention(torch.nn.Identity(), query, key, value, None)
    assert torch.allclose(actual, expected.transpose(1, 2), atol=1e-5)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(passages: list[Passage], tmp_path: Path) -> None:
    """Stopped after step 3 and taken up by a new process, six steps give the very same weights."""
    whole = trainer(tmp_path / "whole", passages)
    whole.run(stop_at_step=6)
    trainer(tmp_path / "parts", passages).run(stop_at_step=3)
    resumed = trainer(tmp_path / "parts", passages)
    assert resumed.step == 3
    resumed.run(stop_at_step=6)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_training_lowers_the_loss(passages: list[Passage], tmp_path: Path) -> None:
    """Forty steps of the tiny recipe learn at least the unigrams: the held-out loss falls by a fifth."""
    run = trainer(tmp_path / "run", passages)
    tokenizer = prepare_tokenizer(tmp_path / "run" / "tokenizer.json", passages, DRY_RUN)
    ids = passage_ids(tokenizer, passages[-1])
    before = passage_nats(run.model, ids, window=DRY_RUN.context)
    run.run(stop_at_step=40)
    assert passage_nats(run.model, ids, window=DRY_RUN.context) < 0.8 * before


def test_windows_score_every_token_once(passages: list[Passage], tmp_path: Path) -> None:
    """A uniform model needs ln(vocabulary) nats for each token but the first, however the windows fall."""
    run = trainer(tmp_path / "run", passages)
    torch.nn.init.zeros_(run.model.transformer.wte.weight)
    ids = passage_ids(prepare_tokenizer(tmp_path / "run" / "tokenizer.json", passages, DRY_RUN), passages[0])
    for length in (2, 31, 32, 33, 48, 49, 200):
        expected = (length - 1) * np.log(DRY_RUN.vocab_size)
        assert passage_nats(run.model, ids[:length], window=DRY_RUN.context) == pytest.approx(expected, rel=1e-4)


def test_the_bigram_baseline_is_a_distribution() -> None:
    """After every token the probabilities of all next tokens sum to 1."""
    train = np.array([0, 1, 2, 1, 2, 2, 0, 1], dtype=np.int64)
    for token in range(4):
        total = sum(np.exp(-bigram_nats(train, [[token, after]], vocab_size=4)) for after in range(4))
        assert total == pytest.approx(1.0)


def test_dry_run_of_the_command(tmp_path: Path) -> None:
    """`--dry-run` goes through every part: tokenizer, steps, checkpoint, a model folder that loads, held-out figure."""
    command = [sys.executable, "-m", "model_layer.storybook.train", "--corpus", str(CORPUS), "--work", str(tmp_path), "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "bits per character" in done.stdout
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2, 3, 4, 5, 6]
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in (tmp_path / "model").iterdir()}
