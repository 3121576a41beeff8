"""Text and token ids are one another's exact image."""

import json
import shutil
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Bpe
from tokenizers import models

from model_layer.catalog import BUNDLED_FOLDER
from model_layer.errors import ModelNotLoadableError
from model_layer.token_table import INDEX_FILE, TokenTable
from model_layer.tokenizer import Tokenizer
from model_layer.vocabulary import END_OF_TEXT, Vocabulary
from tests.tiny_models import SENTENCES, make_tokenizer

CORPUS = Path(__file__).parents[1] / "data" / "corpus"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained tokenizer."""
    folder = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(folder)
    return folder


def read_by(way: str, source: Path, folder: Path) -> Tokenizer:
    """The tokenizer.json of `source`, copied to `folder` and read `way`: from the JSON or from an index."""
    shutil.copy(source / "tokenizer.json", folder)
    if way == "index":
        Vocabulary.read(folder).table().write(folder)
    assert (TokenTable.read(folder) is not None) == (way == "index")
    return Tokenizer(folder)


@pytest.fixture(scope="module", params=["JSON", "index"])
def tokenizer(folder: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Tokenizer:
    """The tokenizer in it, read both ways."""
    return read_by(request.param, folder, tmp_path_factory.mktemp("read"))


pieces = st.sampled_from(["\u00e9", "\U0001f98a", "\u0000", " ", "\n", "a", "the fox", END_OF_TEXT, "\ufffd"])


@pytest.fixture(scope="module", params=["JSON", "index"])
def bundled(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Tokenizer, Bpe]:
    """The bundled model's tokenizer, read by us, both ways, and by the tokenizers library."""
    ours = read_by(request.param, BUNDLED_FOLDER, tmp_path_factory.mktemp("read"))
    return ours, Bpe.from_file(str(BUNDLED_FOLDER / "tokenizer.json"))


@pytest.fixture(scope="module")
def library(folder: Path) -> Bpe:
    """The tokenizers library's own reading of the folder."""
    return Bpe.from_file(str(folder / "tokenizer.json"))


@given(text=st.text() | st.lists(pieces | st.text(max_size=3)).map("".join))
def test_ids_are_those_of_the_library(tokenizer: Tokenizer, library: Bpe, text: str) -> None:
    """Whatever unicode comes in, with the special token in it or not, the ids are those of the tokenizers library."""
    assert tokenizer.encode(text) == library.encode(text, add_special_tokens=False).ids


def test_every_kind_of_character_is_cut_as_the_library_cuts_it(tokenizer: Tokenizer, library: Bpe) -> None:
    """Some of each Unicode category, unassigned ones included: alone, and between letters, digits and spaces."""
    kinds = defaultdict(list)
    for code in range(0x110000):
        kinds[unicodedata.category(chr(code))].append(chr(code))
    del kinds["Cs"]  # surrogates are no text
    assert len(kinds) == 29
    for characters in kinds.values():
        some = characters[:: 1 + len(characters) // 200]
        text = "".join(f"a{character}1 {character}{character}" for character in some)
        assert tokenizer.encode(text) == library.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.txt")), ids=lambda path: path.stem)
def test_books_have_the_ids_of_the_library(path: Path, bundled: tuple[Tokenizer, Bpe]) -> None:
    """Whole books, by the vocabulary of the bundled model, which has thousands of merges."""
    ours, library = bundled
    text = path.read_text(encoding="utf-8")
    assert ours.encode(text) == library.encode(text, add_special_tokens=False).ids


@given(text=st.text(alphabet="ab", min_size=20) | st.text(alphabet="theand ", min_size=20))
def test_merges_of_repeated_letters_are_those_of_the_library(bundled: tuple[Tokenizer, Bpe], text: str) -> None:
    """Where many merges compete, the same ones win."""
    ours, library = bundled
    assert ours.encode(text) == library.encode(text, add_special_tokens=False).ids


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


OTHER_KINDS: list[dict[str, object]] = [
    {"normalizer": {"type": "NFC"}},
    {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}},
    {"pre_tokenizer": None},
    {"decoder": None},
    {"model": {"dropout": 0.1}},
    {"model": {"ignore_merges": True}},
    {"model": {"end_of_word_suffix": "</w>"}},
    {"model": {"vocab": {"a": 0}, "merges": []}},
    {"added_tokens": [{"id": 0, "content": "<|endoftext|>", "lstrip": True}]},
]


@pytest.mark.parametrize("change", OTHER_KINDS, ids=str)
def test_what_would_give_other_ids_is_refused(folder: Path, tmp_path: Path, change: dict[str, object]) -> None:
    """A tokenizer.json that asks for what is not computed here cannot be loaded, rather than read as if it did not ask."""
    fields = json.loads((folder / "tokenizer.json").read_text())
    model = change.get("model")
    changed = {**fields, **change, "model": {**fields["model"], **(model if isinstance(model, dict) else {})}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(changed))
    with pytest.raises(ModelNotLoadableError, match="not byte-level"):
        Tokenizer(tmp_path)


def test_merges_spelled_as_texts_are_the_same(folder: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Older files, OpenAI's gpt2 among them, have "a b" where newer ones have ["a", "b"]."""
    fields = json.loads((folder / "tokenizer.json").read_text())
    fields["model"]["merges"] = [" ".join(pair) for pair in fields["model"]["merges"]]
    (tmp_path / "tokenizer.json").write_text(json.dumps(fields))
    text = "Once upon a time there was a little fox"
    assert Tokenizer(tmp_path).encode(text) == tokenizer.encode(text)


DAMAGED_MODELS: list[dict[str, Any]] = [
    {"merges": [["a", "a"]]},
    {"merges": [["\u0120", "t", "h"]]},
    {"merges": ["th"]},
    *[{"vocab": {"th": token_id}} for token_id in (-1, 2**32, 1.5, "7", None)],
]


@pytest.mark.parametrize("change", DAMAGED_MODELS, ids=str)
def test_merges_and_ids_that_cannot_be_are_refused(folder: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    """A merge of what is no pair or makes no token, and an id that is no u32, cannot be loaded: nor do they in the library."""
    fields = json.loads((folder / "tokenizer.json").read_text())
    change = {**change, "vocab": fields["model"]["vocab"] | change.get("vocab", {})}
    assert "aa" not in fields["model"]["vocab"]
    (tmp_path / "tokenizer.json").write_text(json.dumps({**fields, "model": {**fields["model"], **change}}))
    with pytest.raises(ModelNotLoadableError, match="cannot be read"):
        Tokenizer(tmp_path)
    with pytest.raises(Exception, match=r"."):  # the library raises nothing narrower
        Bpe.from_file(str(tmp_path / "tokenizer.json"))


def test_a_token_that_no_merge_makes_has_its_bytes(folder: Path, tmp_path: Path) -> None:
    """It may have any id, beyond a gap too, and so may a special that is spelled in no alphabet; from an index all the same."""
    fields = json.loads((folder / "tokenizer.json").read_text())
    fields["model"]["vocab"]["\u0120caf\u00c3\u00a9"] = 70_000
    fields["added_tokens"].append({"id": 2**31, "content": "\u6771 \u4eac"})
    (tmp_path / "tokenizer.json").write_text(json.dumps(fields))
    from_json = Tokenizer(tmp_path)
    Vocabulary.read(tmp_path).table().write(tmp_path)
    for ours in (from_json, Tokenizer(tmp_path)):
        assert ours.vocab_size == 392
        assert ours.decode([70_000, 69_999, 2**31]) == " caf\u00e9\u6771 \u4eac"
        assert ours.encode("a\u6771 \u4eaca")[1:-1] == [2**31]


def test_a_spelling_outside_the_alphabet_is_refused(folder: Path, tmp_path: Path) -> None:
    """A token whose spelling stands for no bytes cannot be loaded."""
    fields = json.loads((folder / "tokenizer.json").read_text())
    fields["model"]["vocab"]["\u6771"] = 400
    (tmp_path / "tokenizer.json").write_text(json.dumps(fields))
    with pytest.raises(ModelNotLoadableError, match="outside the byte-level alphabet"):
        Tokenizer(tmp_path)


def test_the_index_is_read_instead_of_the_json(bundled: tuple[Tokenizer, Bpe], monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled folder's index is that of its tokenizer.json, is read alone, and has the bytes and texts of every id."""
    monkeypatch.delattr(Vocabulary, "read")
    indexed, (ours, library) = Tokenizer(BUNDLED_FOLDER), bundled
    assert indexed.vocab_size == ours.vocab_size == library.get_vocab_size() == 3840
    for token_id in range(-1, 3841):
        assert indexed.token_bytes(token_id) == ours.token_bytes(token_id)
    every = list(range(3840))
    assert indexed.decode(every) == library.decode(every, skip_special_tokens=False)


@pytest.fixture(scope="module")
def indexed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same tokenizer.json, and the index of it."""
    target = tmp_path_factory.mktemp("indexed")
    read_by("index", folder, target)
    return target


@given(data=st.data())
def test_a_damaged_index_is_as_good_as_none(indexed: Path, data: st.DataObject) -> None:
    """Cut short, made longer or changed in any byte, it is not read; whole, it is."""
    whole = (indexed / INDEX_FILE).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytes([whole[at] ^ data.draw(st.integers(1, 255))])
    try:
        for damaged in (whole[:at], whole + whole[:1], whole[:at] + flipped + whole[at + 1 :]):
            (indexed / INDEX_FILE).write_bytes(damaged)
            assert TokenTable.read(indexed) is None
            assert Tokenizer(indexed).vocab_size == 390
    finally:
        (indexed / INDEX_FILE).write_bytes(whole)
    assert TokenTable.read(indexed) is not None


def test_the_index_of_another_tokenizer_is_as_good_as_none(indexed: Path, tmp_path: Path) -> None:
    """Where tokenizer.json is not the one that the index was made of, tokenizer.json holds."""
    shutil.copy(indexed / INDEX_FILE, tmp_path)
    library = make_tokenizer(tmp_path, vocab_size=300)
    text = SENTENCES[0]
    assert Tokenizer(tmp_path).encode(text) == library.encode(text).ids != Tokenizer(indexed).encode(text)


def test_what_is_saved_is_the_same_tokenizer(folder: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Saved and read again, by us and by the library, it gives the same ids."""
    Vocabulary.read(folder).save(tmp_path / "tokenizer.json")
    text = f"Once upon a time {END_OF_TEXT} there was caf\u00e9"
    assert Tokenizer(tmp_path).encode(text) == tokenizer.encode(text)
    assert Bpe.from_file(str(tmp_path / "tokenizer.json")).encode(text).ids == tokenizer.encode(text)


def test_a_long_text_without_a_space_is_quick_work(tokenizer: Tokenizer, library: Bpe) -> None:
    """A piece of thirty thousand characters is one list of symbols and one heap, not a list for each pair."""
    text = "the" * 10_000
    assert tokenizer.encode(text) == library.encode(text, add_special_tokens=False).ids
