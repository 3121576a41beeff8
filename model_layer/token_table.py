"""A byte-level BPE as arrays, and the index file that holds them: at a start, it opens many times faster than JSON.

The file is numbers (u32, little-endian): a checksum, how many specials, merges and tokens there are, then the fields of
TokenTable in their order, the bytes of all tokens last. The checksum goes on from that of the tokenizer.json beside it, so an
index that is damaged, or of another tokenizer.json, is as good as none.
"""

import zlib
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

TOKENIZER_FILE, INDEX_FILE = "tokenizer.json", "tokenizer.index"
LAYOUT = 1  # of the index file; begins its checksum
NUMBER = np.dtype("<u4")
Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class TokenTable:
    """The tokens and merges of a byte-level BPE."""

    byte_ids: Numbers  # (256,) the id of each byte
    special_ids: Numbers  # (specials,) of the texts that are one token as a whole
    merges: Numbers  # (merges, 3) ids of left, right and merged, by rank
    token_ids: Numbers  # (tokens,) ascending
    bounds: Numbers  # (tokens + 1,) where the bytes of each begin and end
    spelled: bytes  # those of all tokens in a row

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What the folder's index holds; None when it has none that is whole and was made of its `tokenizer.json`."""
        try:
            raw, source = (folder / INDEX_FILE).read_bytes(), (folder / TOKENIZER_FILE).read_bytes()
        except OSError:
            return None
        body = raw[NUMBER.itemsize :]
        return cls._of_body(body) if raw[: NUMBER.itemsize] == _checksum(body, source) else None

    def write(self, folder: Path) -> None:
        """Write the index of the `tokenizer.json` in the folder, which this is the table of. Raises OSError."""
        sizes = np.array([self.special_ids.size, len(self.merges), self.token_ids.size])
        numbers = (sizes, self.byte_ids, self.special_ids, self.merges, self.token_ids, self.bounds)
        body = b"".join(part.astype(NUMBER).tobytes() for part in numbers) + self.spelled
        (folder / INDEX_FILE).write_bytes(_checksum(body, (folder / TOKENIZER_FILE).read_bytes()) + body)

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of one token; none for an id that has no token."""
        at = bisect_left(self.token_ids, token_id)
        if at == self.token_ids.size or self.token_ids[at] != token_id:
            return b""
        return self.spelled[self.bounds[at] : self.bounds[at + 1]]

    @classmethod
    def _of_body(cls, body: bytes) -> Self:
        specials, merges, tokens = np.frombuffer(body, NUMBER, count=3).tolist()
        lengths = (3, 256, specials, 3 * merges, tokens, tokens + 1)
        numbers = np.frombuffer(body, NUMBER, count=sum(lengths))
        _, byte_ids, special_ids, triples, token_ids, bounds = np.split(numbers, np.cumsum(lengths)[:-1])
        return cls(byte_ids, special_ids, triples.reshape(-1, 3), token_ids, bounds, body[numbers.nbytes :])


def _checksum(body: bytes, source: bytes) -> bytes:
    return zlib.crc32(body, zlib.crc32(source, LAYOUT)).to_bytes(NUMBER.itemsize, "little")
