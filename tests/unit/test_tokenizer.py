"""Text and token ids are one another's exact image."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Bpe
from tokenizers import models

from model_layer.errors import ModelNotLoadableError
from model_layer.tokenizer import END_OF_TEXT, Tokenizer
from tests.tiny_models import make_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained tokenizer."""
    folder = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in it."""
    return Tokenizer(folder)


pieces = st.sampled_from(["\u00e9", "\U0001f98a", "\u0000", " ", "\n", "a", "the fox", END_OF_TEXT, "\ufffd"])


@given(text=st.text() | st.lists(pieces).map("".join))
def test_every_text_round_trips(tokenizer: Tokenizer, text: str) -> None:
    """Whatever unicode comes in, decoding its ids gives it back, and its tokens' bytes in a row are its UTF-8."""
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()


@given(token_ids=st.lists(st.integers(0, 389), max_size=20))
def test_any_ids_decode_to_the_text_of_their_bytes(tokenizer: Tokenizer, token_ids: list[int]) -> None:
    """Decoding is the UTF-8 reading of all bytes at once, with U+FFFD where they are not UTF-8."""
    assert tokenizer.vocab_size == 390
    whole = b"".join(map(tokenizer.token_bytes, token_ids))
    assert tokenizer.decode(token_ids) == whole.decode("utf-8", errors="replace")


def test_every_byte_is_a_token(tokenizer: Tokenizer) -> None:
    """Each of the 256 bytes is the whole of exactly one token, so that any text has ids."""
    every = [tokenizer.token_bytes(token_id) for token_id in range(tokenizer.vocab_size)]
    assert sorted(token for token in every if len(token) == 1) == [bytes([byte]) for byte in range(256)]
    assert len(set(every)) == len(every)


def test_a_character_of_several_tokens_has_only_bytes(tokenizer: Tokenizer) -> None:
    """Half an emoji is bytes and no text; the whole sequence is the emoji."""
    ids = tokenizer.encode("\U0001f98a")
    assert len(ids) == 4
    assert tokenizer.decode(ids) == "\U0001f98a"
    assert tokenizer.decode(ids[:3]) == "\ufffd"


def test_an_id_without_token_has_no_bytes(tokenizer: Tokenizer) -> None:
    """A vocabulary padded beyond the tokenizer's adds nothing to a text."""
    assert tokenizer.token_bytes(tokenizer.vocab_size) == b""


def test_vocabulary_and_merges_are_the_same_tokenizer(folder: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    """`vocab.json` with `merges.txt` gives the ids that `tokenizer.json` gives."""
    bpe = json.loads((folder / "tokenizer.json").read_text())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(bpe["vocab"]))
    merges = "\n".join(" ".join(pair) for pair in bpe["merges"])
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    text = f"Once upon a time {END_OF_TEXT} there was caf\u00e9"
    assert Tokenizer(tmp_path).encode(text) == tokenizer.encode(text)
    assert tokenizer.token_bytes(tokenizer.encode(END_OF_TEXT)[0]) == END_OF_TEXT.encode()


@pytest.mark.parametrize("content", [None, "", "{}", "not JSON"])
def test_a_damaged_tokenizer_is_refused(content: str | None, tmp_path: Path) -> None:
    """A folder whose tokenizer is missing or damaged cannot be loaded."""
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelNotLoadableError):
        Tokenizer(tmp_path)


def test_a_tokenizer_of_words_is_refused(tmp_path: Path) -> None:
    """A tokenizer that is not byte-level could not give exact bytes, so it is refused."""
    Bpe(models.WordLevel({"a": 0}, unk_token="a")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelNotLoadableError, match="not byte-level"):
        Tokenizer(tmp_path)
