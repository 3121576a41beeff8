"""A fine-tuned network as a baked folder, which is served like any other model."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from model_layer.bake.convert import parameters, write_model
from model_layer.bake.difference import Difference, difference
from model_layer.bake.layout import header, stored_tensors
from model_layer.bake.publish import new_folder, place_of
from model_layer.bake.sources import CONFIG, OPTIONAL, TOKENIZER, WEIGHTS
from model_layer.bake.verify import file_records
from model_layer.config import Gpt2Config
from model_layer.errors import BakeError
from model_layer.language_model import LanguageModel
from model_layer.manifest import Manifest
from model_layer.weights import full_name

SOURCE = "model_layer.constitution.training"
TRAINING_FILE = "training.json"
DTYPE = "float16"
# In nats at the worst context, the bound of an int8 bake. Other bakes are held to less, since they shall be the published model;
# what training did is measured on the rounded weights themselves, and a trained network is not thrown away for little.
MOST_KL = 5e-2


def write_float32(folder: Path, *, base: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Write `folder` anew: the base with these weights by their full names, a tensor at a time without a copy in memory."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    fields = json.loads((base / CONFIG).read_text(encoding="utf-8"))
    fields.pop("quantization_config", None)
    (folder / CONFIG).write_text(json.dumps(fields), encoding="utf-8")
    for name in (TOKENIZER, OPTIONAL):
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    tensors = stored_tensors(Gpt2Config.read(folder), "float32")
    with (folder / WEIGHTS).open("wb") as file:
        file.write(header(tensors))
        for tensor in tensors:
            file.write(weights[full_name(tensor.name)].detach().contiguous().numpy().data)


def bake_result(source: Path, to: Path, *, base: Manifest, name: str, description: str, training: Mapping[str, Any]) -> Manifest:
    """Bake the float32 folder `source` into `to`, with `training` beside the weights; it shows there whole or not at all.

    The manifest's `source_files` are those of the base, its `numerics` are measured as every bake measures them.
    Raises BakeError when the weights do not bear float16, or when `to` is something else than a baked model.
    """
    config, to = Gpt2Config.read(source), to.resolve()
    with place_of(to), new_folder(to) as staging:
        write_model(source, staging, config, DTYPE)
        numerics = _rounding(source, staging).rounded()
        (staging / TRAINING_FILE).write_text(json.dumps(training, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        files = file_records(staging, [path.name for path in staging.iterdir()])
        manifest = Manifest(
            name=name,
            description=description,
            source=SOURCE,
            revision=f"sha256:{files[WEIGHTS].sha256}",
            license=base.license,
            architecture=base.architecture,
            dtype=DTYPE,
            parameters=parameters(config),
            vocab_size=config.vocab_size,
            context_window=config.context_window,
            files=files,
            source_files=base.files,
            numerics=numerics,
        )
        manifest.write(staging)
    return manifest


def _rounding(source: Path, rounded: Path) -> Difference:
    found = difference(LanguageModel.open(source), LanguageModel.open(rounded))
    if not found.max_kl <= MOST_KL:
        raise BakeError(f"{DTYPE} changes what was learnt too much (KL {found.max_kl:.1e}, bound {MOST_KL:.0e})")
    return found
