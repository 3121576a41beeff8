"""Text to token ids and back, exactly. A token is a run of bytes; only whole sequences are text (Radford 2019, section 2.2)."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from model_layer.errors import ModelNotLoadableError

END_OF_TEXT = "<|endoftext|>"
TOKENIZER_FILE = "tokenizer.json"


class Tokenizer:
    """The byte-level BPE of a folder: its `tokenizer.json`, or else its `vocab.json` and `merges.txt`.

    Raises ModelNotLoadableError when they are missing, damaged or not byte-level.
    """

    def __init__(self, folder: Path) -> None:
        self._bpe = _read(folder)
        if not isinstance(self._bpe.decoder, decoders.ByteLevel):
            raise ModelNotLoadableError(f"the tokenizer in {folder} is not byte-level")
        self._bpe.no_truncation()
        self._bpe.no_padding()
        self._special = {index: token.content.encode() for index, token in self._bpe.get_added_tokens_decoder().items()}

    @property
    def vocab_size(self) -> int:
        """The number of tokens, special ones included."""
        return self._bpe.get_vocab_size(with_added_tokens=True)

    def save(self, path: Path) -> None:
        """Write it as one standard `tokenizer.json`. Raises OSError, which the tokenizer's own `save` does not."""
        path.write_text(self._bpe.to_str(), encoding="utf-8")

    def encode(self, text: str) -> list[int]:
        """Token ids of the text. `<|endoftext|>` in it is that one token. The text holds no lone surrogates."""
        return self._bpe.encode(text, add_special_tokens=False).ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of a whole sequence; bytes that are not UTF-8 show as U+FFFD."""
        return b"".join(map(self.token_bytes, token_ids)).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The exact bytes of one token; none for an id to which the tokenizer gives no token."""
        special = self._special.get(token_id)
        if special is not None:
            return special
        spelling = self._bpe.id_to_token(token_id)
        return b"" if spelling is None else _bytes_of(spelling)


def _read(folder: Path) -> tokenizers.Tokenizer:
    if not folder.is_dir():
        raise ModelNotLoadableError(f"{folder} is not a folder")
    path = folder / TOKENIZER_FILE
    if not path.exists():
        return _from_vocabulary(folder)
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception for every kind of damage
        raise ModelNotLoadableError(f"{path} is not a tokenizer") from error


def _from_vocabulary(folder: Path) -> tokenizers.Tokenizer:
    try:
        bpe = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    except Exception as error:  # as above
        raise ModelNotLoadableError(f"{folder} has neither a tokenizer.json nor a good vocab.json and merges.txt") from error
    tokenizer = tokenizers.Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


@lru_cache(maxsize=1)
def _byte_of_character() -> dict[str, int]:
    """GPT-2's alphabet: a byte that prints stands for itself, the n-th of the others is spelled U+0100 + n."""
    printing = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printing]
    return {chr(byte): byte for byte in printing} | {chr(256 + n): byte for n, byte in enumerate(others)}


def _bytes_of(spelling: str) -> bytes:
    alphabet = _byte_of_character()
    try:
        return bytes([alphabet[character] for character in spelling])
    except KeyError as error:
        raise ModelNotLoadableError("the tokenizer has a token outside the byte-level alphabet") from error
