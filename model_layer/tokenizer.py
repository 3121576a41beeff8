"""Text to token ids and back, exactly. A token is a run of bytes; only whole sequences are text (Radford 2019, section 2.2).

Only the cut of a text into pieces, whose pattern needs all of Unicode, is the tokenizers library's. Its whole tokenizer gives
the same ids, but builds for many times as long, which every start would wait for.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from tokenizers import pre_tokenizers

from model_layer.byte_pairs import merged, ranks_of
from model_layer.token_table import TokenTable
from model_layer.vocabulary import Vocabulary, alphabet


class Tokenizer:
    """The byte-level BPE of a folder: of its index, or else its `tokenizer.json`, or else its `vocab.json` and `merges.txt`.

    Raises ModelNotLoadableError when they are missing, damaged or not GPT-2's kind of BPE.
    """

    def __init__(self, folder: Path) -> None:
        table = TokenTable.read(folder) or Vocabulary.read(folder).table()
        self._table = table
        self._pieces = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._byte_ids = dict(zip(alphabet(), table.byte_ids.tolist(), strict=True))
        self._ranks, self._results = ranks_of(table.merges), table.merges[:, 2].tolist()
        self._special = {table.token_bytes(token_id).decode(): token_id for token_id in table.special_ids.tolist()}
        self._bytes: dict[int, bytes] = {}

    @property
    def vocab_size(self) -> int:
        """The number of tokens, special ones included."""
        return len(self._table.token_ids)

    def encode(self, text: str) -> list[int]:
        """Token ids of the text. `<|endoftext|>` in it is that one token. The text holds no lone surrogates."""
        token_ids: list[int] = []
        for part in self._special_pattern.split(text):
            if part in self._special:
                token_ids.append(self._special[part])
            else:
                token_ids.extend(self._encoded(part))
        return token_ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of a whole sequence; bytes that are not UTF-8 show as U+FFFD."""
        return b"".join(map(self.token_bytes, token_ids)).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The exact bytes of one token; none for an id to which the tokenizer gives no token."""
        known = self._bytes.get(token_id)
        if known is None:
            known = self._bytes[token_id] = self._table.token_bytes(token_id)
        return known

    def _encoded(self, text: str) -> list[int]:
        """The ids of a text without special tokens."""
        pieces = ([self._byte_ids[character] for character in piece] for piece, _ in self._pieces.pre_tokenize_str(text))
        return [token_id for piece in pieces for token_id in merged(piece, self._ranks, self._results)]

    @cached_property
    def _special_pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self._special, key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, longest_first))})" if longest_first else r"(?!)")
