"""What can be baked: the pinned models of the Hugging Face Hub, and local folders in the same format.

A pin is a repository, a commit and the SHA-256 of each file as far as it is known; a local folder is a pinned model when
every file has its known hash: the same weights under another configuration or tokenizer are another model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_layer.errors import BakeError

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
VOCABULARY_AND_MERGES = ("vocab.json", "merges.txt")
OPTIONAL = "generation_config.json"
PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # torch.save's archive, bare pickles
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5")


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedModel:
    """A model of the Hub at one commit; `sha256` holds the hashes that are known, by file."""

    name: str
    description: str
    repository: str
    revision: str
    license: str
    sha256: Mapping[str, str]

    @property
    def files(self) -> tuple[str, ...]:
        """Files to download."""
        return CONFIG, TOKENIZER, WEIGHTS


CATALOGUE = {
    model.name: model
    for model in (
        PinnedModel(
            name="gpt2",
            description="GPT-2 124M by OpenAI",
            repository="openai-community/gpt2",
            revision="607a30d783dfa663caf39e06633721c8d4cfcd7e",
            license="MIT",
            sha256={
                WEIGHTS: "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
                CONFIG: "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4",
                TOKENIZER: "8414cab924d8b9b33013f0d221c5862f365ee9be39c5c2bfae8a5a9e970478a6",
            },
        ),
        PinnedModel(
            name="gpt2-medium",
            description="GPT-2 355M by OpenAI",
            repository="openai-community/gpt2-medium",
            revision="6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
            license="MIT",
            sha256={},  # not known: the commit is the pin
        ),
        PinnedModel(
            name="distilgpt2",
            description="DistilGPT2 82M by Hugging Face, distilled from GPT-2",
            repository="distilbert/distilgpt2",
            revision="2290a62682d06624634c1f46a6ad5be0f47f38aa",
            license="Apache-2.0",
            sha256={WEIGHTS: "e1ff18884359fe8beb795a5f414feb85a6ce3d929ad019c0d958c039d2b94a1b"},
        ),
    )
}


def recognise(sha256: Mapping[str, str]) -> PinnedModel | None:
    """The pinned model of which these hashes, by file, are all of the files; never one of which a hash is not known."""
    for model in CATALOGUE.values():
        if all(file in model.sha256 and sha256.get(file) == model.sha256[file] for file in model.files):
            return model
    return None


def with_weights(sha256: str) -> PinnedModel | None:
    """The pinned model of which these are the weights, whatever lies beside them."""
    return next((model for model in CATALOGUE.values() if model.sha256.get(WEIGHTS) == sha256), None)


def require_folder(source: str) -> None:
    """Raise BakeError when `source`, which is not in the catalogue, is not a folder either."""
    if not Path(source).is_dir():
        raise BakeError(f"{source} is neither a folder nor one of {', '.join(CATALOGUE)}")


def files_of(folder: Path) -> tuple[str, ...]:
    """Names of the files that a bake of `folder` reads. Raises BakeError when one is missing.

    Pickles are never opened: loading one runs whatever code is in it.
    """
    present = {path.name for path in folder.iterdir() if path.is_file()}
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if WEIGHTS not in present and pickles:
        raise BakeError(f"{folder} holds its weights as a pickle ({pickles[0]}), which is refused: {WEIGHTS} is needed")
    if f"{WEIGHTS}.index.json" in present:
        raise BakeError(f"{folder} holds its weights in several files, which is not supported: one {WEIGHTS} is needed")
    missing = sorted({WEIGHTS, CONFIG} - present)
    if missing:
        raise BakeError(f"{folder} has no {missing[0]}")
    with (folder / WEIGHTS).open("rb") as file:
        if file.read(4).startswith(PICKLE_STARTS):
            raise BakeError(f"{folder / WEIGHTS} is a pickle and not a safetensors file, which is refused")
    tokenizer = (TOKENIZER,) if TOKENIZER in present else VOCABULARY_AND_MERGES
    if not present.issuperset(tokenizer):
        raise BakeError(f"{folder} has no tokenizer: {TOKENIZER}, or vocab.json and merges.txt, is needed")
    return CONFIG, *tokenizer, WEIGHTS, *sorted({OPTIONAL} & present)
