"""The manifest of a baked model: where it came from, what it is, how exact it is, and the hash and size of every file.

A manifest vouches for the plain files beside it, so a name in it can never point out of the folder.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

from model_layer.errors import ModelNotLoadableError

MANIFEST_FILE = "manifest.json"
FORMAT = 1
Dtype = Literal["float16", "float32", "int8"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """SHA-256 (hexadecimal) and size of one file."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is known of a baked model; `files` are those of its folder, `source_files` those it was made of.

    `numerics` compares the weights as stored with the same weights in float32 (the fields of bake.difference.Difference),
    `checks` holds what the bake proved; log-probabilities and KL divergences are in nats.
    """

    name: str
    description: str
    source: str
    revision: str
    license: str
    architecture: str
    dtype: str
    parameters: int
    vocab_size: int
    context_window: int
    files: Mapping[str, FileRecord]
    source_files: Mapping[str, FileRecord] = field(default_factory=dict)
    numerics: Mapping[str, float] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of `folder`. Raises ModelNotLoadableError when there is none or it is not a manifest of this format."""
        try:
            return cls.from_json(json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise ModelNotLoadableError(f"{folder} has no {MANIFEST_FILE}: bake it with python -m model_layer.bake") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelNotLoadableError(f"{folder / MANIFEST_FILE} cannot be read: {error}") from error

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """The manifest of a decoded JSON object. Raises ValueError, TypeError or KeyError when it is not one."""
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError(f"not a manifest of format {FORMAT}")
        if values["dtype"] not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}")
        texts = {key: _of_type(values, key, str) for key in _TEXTS}
        numbers = {key: _of_type(values, key, int) for key in _NUMBERS}
        notes = {key: _of_type(values, key, dict) for key in ("numerics", "checks")}
        if any(type(value) not in (int, float) for value in notes["numerics"].values()):
            raise TypeError("numerics must be numbers")
        files, source_files = (_records(_of_type(values, key, dict)) for key in ("files", "source_files"))
        return cls(**texts, **numbers, **notes, files=files, source_files=source_files)

    def write(self, folder: Path) -> None:
        """Write `manifest.json`: the same manifest gives the same bytes."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False)
        (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")

    def check_sizes(self, folder: Path) -> None:
        """The cheap check of serving: every file is there in full length. Raises ModelNotLoadableError otherwise."""
        for name, record in self.files.items():
            path = folder / name
            size = path.stat().st_size if path.is_file() else None
            if size != record.bytes:
                found = "missing" if size is None else f"{size} bytes long"
                raise ModelNotLoadableError(f"{path} is {found}, its manifest says {record.bytes} bytes: bake it again")


_TEXTS = ("name", "description", "source", "revision", "license", "architecture", "dtype")
_NUMBERS = ("parameters", "vocab_size", "context_window")


def _of_type(values: Mapping[str, Any], key: str, kind: type) -> Any:
    value = values[key]
    if type(value) is not kind:
        raise TypeError(f"{key} must be of type {kind.__name__}")
    return value


def _records(values: Mapping[str, Any]) -> dict[str, FileRecord]:
    for name in values:
        if Path(name).name != name:
            raise ValueError("a file of the manifest must lie in its folder")
    return {name: FileRecord(_of_type(value, "sha256", str), _of_type(value, "bytes", int)) for name, value in values.items()}
