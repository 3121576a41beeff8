"""An object store in memory."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from handler.wheel.errors import SourceNotFoundError

LOCATION = "s3://class-jobs/spring/"


@dataclass
class MemoryObjects:
    """An `ObjectStore` of the files of LOCATION. A test puts and looks at `files` by their whole names."""

    files: dict[str, bytes] = field(default_factory=dict)
    chunk_bytes: int = 1000

    def check(self, folder: str) -> None:
        """Refuse what is no folder's name."""
        if not folder.endswith("/"):
            raise SourceNotFoundError
        _check_name(f"{folder}file")

    def version(self, uri: str) -> str:
        """The hash of the file."""
        _check_name(uri)
        if uri not in self.files:
            raise SourceNotFoundError
        return hashlib.sha256(self.files[uri]).hexdigest()

    def chunks(self, uri: str, version: str) -> Iterator[bytes]:
        """The file cut into chunks of one size."""
        content = self._content(uri, version)
        for start in range(0, len(content), self.chunk_bytes):
            yield content[start : start + self.chunk_bytes]

    def read(self, uri: str, version: str, *, start: int, stop: int) -> bytes:
        """The slice."""
        return self._content(uri, version)[start:stop]

    def write_once(self, uri: str, content: bytes) -> None:
        """Keep a new file."""
        _check_name(uri)
        self.files.setdefault(uri, content)

    def _content(self, uri: str, version: str) -> bytes:
        if self.version(uri) != version:
            raise SourceNotFoundError
        return self.files[uri]


def _check_name(uri: str) -> None:
    place, below = uri[: len(LOCATION)], uri[len(LOCATION) :]
    names = below.split("/")
    if place != LOCATION or {"", ".", ".."} & set(names) or not below.isprintable() or len(uri) > 900:
        raise SourceNotFoundError
