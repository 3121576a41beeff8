"""A tiny model with probes, for the tests that need a judge; its probes are real, and know little."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from handler.settings import Settings
from handler.wiring import Application, Clock, build, utc_now
from model_layer.bake.baking import Order, bake
from tests.tiny_models import make_tiny_model

WINDOW = 128  # tokens: the lab's prompts and what follows them


@cache
def judging_model_folder() -> Path:
    """One baked tiny model with probes for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="judging-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    source = make_tiny_model(folder / ".source", n_positions=WINDOW)
    bake(Order(source=str(source), target=folder / "tiny", skip_reference=True, probes=True))
    return folder / "tiny"


def judging_application(data_folder: Path, *, clock: Clock = utc_now, **changes: Any) -> Application:
    """An application round that model, with these settings."""
    folder = str(judging_model_folder())
    return build(Settings(model=folder, models_folders=(), data_folder=data_folder, threads=1, **changes), clock=clock)
