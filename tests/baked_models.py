"""Tiny models, baked for the tests that need a folder with a manifest."""

from pathlib import Path

from model_layer.bake.baking import Order, bake
from tests.tiny_models import make_tiny_model


def make_baked_model(folder: Path, *, seed: int = 7, dtype: str = "float16") -> Path:
    """Bake a tiny random GPT-2 into `folder`; its name is that of the folder."""
    source = make_tiny_model(folder.parent / f".{folder.name}.source", seed=seed)
    bake(Order(source=str(source), target=folder, dtype=dtype, skip_reference=True))
    return folder
