"""`python -m model_layer.bake.take_over FOLDER TARGET`: a copy of a baked model, proved whole by the hashes of its manifest."""

import shutil
import sys
from pathlib import Path

from model_layer.bake.publish import make_folders, make_world_readable
from model_layer.bake.verify import holds
from model_layer.errors import BakeError, ModelLayerError
from model_layer.manifest import Manifest


def take_over(folder: Path, target: Path) -> None:
    """Copy the baked model in `folder` to `target`, readable for all.

    Raises BakeError when a file is not what the manifest says, and ModelNotLoadableError for a folder that was not baked.
    """
    manifest = Manifest.read(folder)
    if not holds(manifest, folder):
        raise BakeError(f"{folder} is damaged: a file is not the one that its manifest names")
    make_folders(target.parent)
    shutil.copytree(folder, target)
    make_world_readable(target)


def main(folder: str, target: str) -> None:
    """Run the command; what is in the way is one line and exit code 1."""
    try:
        take_over(Path(folder), Path(target))
    except ModelLayerError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main(*sys.argv[1:])
