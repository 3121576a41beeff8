"""The vocabulary and the merges of a folder's byte-level BPE, read from its standard files. Refuses any other kind."""

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, count
from pathlib import Path
from typing import Any, Self

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from model_layer.errors import ModelNotLoadableError
from model_layer.token_table import NUMBER, TOKENIZER_FILE, Numbers, TokenTable

END_OF_TEXT = "<|endoftext|>"
VOCABULARY_FILE, MERGES_FILE = "vocab.json", "merges.txt"
# What else a tokenizer.json can ask for, and what GPT-2's says or leaves out.
_PLAIN_MODEL: Mapping[str, Sequence[object]] = {
    "type": ("BPE", None),
    "dropout": (None,),
    "unk_token": (None,),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (False, None),
    "ignore_merges": (False, None),
}
_PLAIN_TOKEN = ("single_word", "lstrip", "rstrip")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Ids of tokens in the spelling of GPT-2's alphabet, merges by rank, and ids of the texts that are one token as a whole."""

    ids: Mapping[str, int]
    merges: Numbers  # (merges, 3) ids of left, right and merged
    special: Mapping[str, int]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The vocabulary of a folder. Raises ModelNotLoadableError when it is missing, damaged or of another kind."""
        if not folder.is_dir():
            raise ModelNotLoadableError(f"{folder} is not a folder")
        path = folder / TOKENIZER_FILE
        try:
            found = cls._from_fields(json.loads(path.read_bytes())) if path.exists() else cls._from_two_files(folder)
        except _NotByteLevelError:
            raise ModelNotLoadableError(f"the tokenizer in {folder} is not byte-level BPE as GPT-2 has it") from None
        except FileNotFoundError as error:
            needed = f"neither a {TOKENIZER_FILE} nor {VOCABULARY_FILE} and {MERGES_FILE}"
            raise ModelNotLoadableError(f"{folder} has {needed}") from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise ModelNotLoadableError(f"the tokenizer in {folder} cannot be read") from error
        return found

    def table(self) -> TokenTable:
        """The same as arrays. Raises ModelNotLoadableError for a token that is not spelled in GPT-2's alphabet."""
        spellings = {token_id: spelling for spelling, token_id in self.ids.items()}
        spellings |= {token_id: _spelling_of(text) for text, token_id in self.special.items()}
        token_ids = sorted(spellings)
        tokens = [spellings[token_id] for token_id in token_ids]
        return TokenTable(
            byte_ids=_numbers(self.ids[character] for character in alphabet()),
            special_ids=_numbers(self.special.values()),
            merges=self.merges,
            token_ids=_numbers(token_ids),
            bounds=_numbers(accumulate(map(len, tokens), initial=0)),
            spelled=_bytes_of("".join(tokens)),
        )

    def save(self, path: Path) -> None:
        """Write it as one standard `tokenizer.json`. Raises OSError, which the library's own `save` does not."""
        spellings = {token_id: spelling for spelling, token_id in self.ids.items()}
        pairs = [(spellings[left], spellings[right]) for left, right, _ in self.merges.tolist()]
        written = tokenizers.Tokenizer(models.BPE(dict(self.ids), pairs))
        written.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        written.decoder = decoders.ByteLevel()
        written.add_special_tokens(list(self.special))
        path.write_text(written.to_str(), encoding="utf-8")

    @classmethod
    def _from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Of a decoded `tokenizer.json`."""
        model, added = fields["model"], fields["added_tokens"]
        _require_plain(fields, model, added)
        merges = model["merges"]  # older files spell a pair as one text
        pairs = merges if not merges or isinstance(merges[0], list) else [merge.split(" ") for merge in merges]
        return cls._checked(model["vocab"], pairs, {token["content"]: token["id"] for token in added})

    @classmethod
    def _from_two_files(cls, folder: Path) -> Self:
        ids = json.loads((folder / VOCABULARY_FILE).read_bytes())
        lines = (folder / MERGES_FILE).read_text(encoding="utf-8").split("\n")
        pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
        return cls._checked(ids, pairs, {END_OF_TEXT: ids.get(END_OF_TEXT, len(ids))})

    @classmethod
    def _checked(cls, ids: Mapping[str, int], pairs: Sequence[Sequence[str]], special: Mapping[str, int]) -> Self:
        """Of decoded files; a merge of what is no token, an id that is no u32 and a special that is no text cannot be read."""
        if not all(character in ids for character in alphabet()):
            raise _NotByteLevelError
        _numbers([*ids.values(), *special.values()])
        "".join(special).encode()
        merges = _numbers(ids[part] for left, right in pairs for part in (left, right, left + right))
        return cls(ids, merges.reshape(-1, 3), special)


class _NotByteLevelError(Exception):
    """Raise for a tokenizer of another kind."""


def _require_plain(fields: Mapping[str, Any], model: Mapping[str, Any], added: Sequence[Mapping[str, Any]]) -> None:
    pieces, decoder = fields["pre_tokenizer"] or {}, fields["decoder"] or {}
    plain = (
        all(model.get(key) in allowed for key, allowed in _PLAIN_MODEL.items())
        and fields.get("normalizer") is None
        and pieces.get("type") == decoder.get("type") == "ByteLevel"
        and pieces.get("add_prefix_space") is False
        and pieces.get("use_regex", True)
        and not any(token.get(key) for token in added for key in _PLAIN_TOKEN)
    )
    if not plain:
        raise _NotByteLevelError


def _numbers(values: Iterable[int]) -> Numbers:
    """Raises TypeError or OverflowError for what is no u32, which numpy would round or wrap."""
    return np.array(array("I", values), dtype=NUMBER)


@cache
def alphabet() -> Mapping[str, int]:
    """GPT-2's alphabet in the order of the bytes: one that prints stands for itself, the n-th other is spelled U+0100 + n."""
    printing = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = count(256)
    return {chr(byte if byte in printing else next(others)): byte for byte in range(256)}


def _spelling_of(text: str) -> str:
    characters = list(alphabet())
    return "".join(characters[byte] for byte in text.encode())


def _bytes_of(spelling: str) -> bytes:
    byte_of = alphabet()
    try:
        return bytes(map(byte_of.__getitem__, spelling))
    except KeyError as error:
        raise ModelNotLoadableError("the tokenizer has a token outside the byte-level alphabet") from error
