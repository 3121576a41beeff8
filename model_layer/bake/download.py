"""Fetch a pinned model through huggingface_hub: from its cache, or from the Hub with its progress bar.

`hf_hub_download` resumes a broken connection but begins anew in a new process, and a bake should not. So files that are
not in the cache go to a folder of our own beside it, where an interrupted download is taken up by the next bake.
"""

import fcntl
import os
from pathlib import Path

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # the base of its transport errors
from huggingface_hub.file_download import http_get

from model_layer.bake.sources import PinnedModel
from model_layer.errors import BakeError

CONNECT_TIMEOUT_S = 10.0


def fetch(model: PinnedModel) -> Path:
    """The folder that holds `model.files` at the pinned commit; needs no network when they were downloaded before.

    Raises BakeError when they cannot be downloaded, OSError when they cannot be written.
    """
    cached = [try_to_load_from_cache(model.repository, file, revision=model.revision) for file in model.files]
    if isinstance(cached[0], str) and all(isinstance(path, str) for path in cached):
        return Path(cached[0]).parent
    folder = download_folder(Path(constants.HF_HUB_CACHE), model)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for file in model.files:
            _download(model, file, folder)
    except (HTTPError, ConnectionError) as error:
        raise BakeError(
            f"cannot download {model.repository} at {model.revision[:12]}: {error} "
            f"(without a network, give the folder of an earlier download in place of {model.name!r})"
        ) from error
    return folder


def download_folder(hub_cache: Path, model: PinnedModel) -> Path:
    """Where files of `model` are kept that were not in the Hub's own cache."""
    return hub_cache / "bake" / f"{model.repository.replace('/', '--')}--{model.revision}"


def _download(model: PinnedModel, file: str, folder: Path) -> None:
    """Download one file after what is there of it; the lock keeps two bakes from writing to one file."""
    if (folder / file).exists():
        return
    remote = get_hf_file_metadata(hf_hub_url(model.repository, file, revision=model.revision), timeout=CONNECT_TIMEOUT_S)
    partial = folder / f"{file}.incomplete"
    with partial.open("ab") as output:
        fcntl.flock(output, fcntl.LOCK_EX)
        if not (folder / file).exists():
            http_get(remote.location, output, resume_size=output.seek(0, os.SEEK_END), expected_size=remote.size)
            output.flush()
            partial.rename(folder / file)
