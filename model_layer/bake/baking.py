"""The bake from end to end: find, verify, convert, prove, describe, publish. Nothing shows at the target before all is done."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_layer.bake.convert import parameters, weights_bytes, write_model
from model_layer.bake.download import fetch
from model_layer.bake.publish import check_space, new_folder, place_of
from model_layer.bake.self_check import check_known_answers, check_reference, check_rounding, require_reference
from model_layer.bake.sources import CATALOGUE, WEIGHTS, PinnedModel, files_of, recognise, require_folder
from model_layer.bake.verify import check_pins, file_records, holds
from model_layer.config import Gpt2Config
from model_layer.constitution.probe_fit import add_probes
from model_layer.errors import ModelNotLoadableError
from model_layer.language_model import LanguageModel
from model_layer.manifest import FileRecord, Manifest

SMALL_FILES_BYTES = 16 * 2**20  # room for tokenizer, configuration and manifest

log = logging.getLogger(__name__)

Records = Mapping[str, FileRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to bake, and where to. A text that is None is taken from the catalogue, or else says that nothing is known.

    With `probes` the model can judge in the constitution lab: they are fitted on what was baked.
    """

    source: str
    target: Path
    dtype: str = "float16"
    skip_reference: bool = False
    probes: bool = False
    name: str | None = None
    description: str | None = None
    origin: str | None = None
    license: str | None = None

    def labels(self, pinned: PinnedModel | None, weights_sha256: str = "") -> dict[str, str]:
        """The fields of the manifest that say which model this is."""
        return {
            "name": self.name or self.target.resolve().name,
            "description": self.description or (pinned.description if pinned else "a model of GPT-2's architecture"),
            "source": self.origin or (pinned.repository if pinned else "a local folder"),
            "revision": pinned.revision if pinned else f"sha256:{weights_sha256}",
            "license": self.license or (pinned.license if pinned else "unknown"),
            "dtype": self.dtype,
        }


def bake(order: Order) -> Manifest:
    """Bake one model into `order.target`; an identical bake that is already there is left as it is.

    Raises ModelLayerError, whose message is one line for the person at the terminal, or OSError when the disk is full or
    cannot be written. A folder that was at the target is only replaced by a whole new one.
    """
    if not order.skip_reference:
        require_reference()
    target = order.target.resolve()
    pinned = CATALOGUE.get(order.source)
    if not pinned:
        require_folder(order.source)
    with place_of(target):
        if pinned and (done := _already_there(target, order, order.labels(pinned))):
            return done
        folder = fetch(pinned) if pinned else Path(order.source)
        records = file_records(folder, files_of(folder))
        if pinned:
            check_pins(pinned, folder, records)
        pinned = pinned or recognise({file: record.sha256 for file, record in records.items()})
        labels = order.labels(pinned, records[WEIGHTS].sha256)
        done = _already_there(target, order, labels, records)
        return done or _bake_folder(folder, target, order, labels=labels, records=records)


def _already_there(target: Path, order: Order, labels: Mapping[str, str], records: Records | None = None) -> Manifest | None:
    """The manifest of an undamaged bake at `target` with these labels, proved no less, and made of the files of `records`."""
    try:
        manifest = Manifest.read(target)
    except ModelNotLoadableError:
        return None
    same = all(getattr(manifest, key) == value for key, value in labels.items())
    same = same and records in (None, manifest.source_files) and (order.skip_reference or "reference" in manifest.checks)
    same = same and (not order.probes or "probes" in manifest.checks)
    if not (same and holds(manifest, target)):
        return None
    log.info("already baked: %s", target)
    return manifest


def _bake_folder(folder: Path, target: Path, order: Order, *, labels: Mapping[str, str], records: Records) -> Manifest:
    config = Gpt2Config.read(folder)
    check_space(target.parent, weights_bytes(config, order.dtype) + SMALL_FILES_BYTES)
    with new_folder(target) as staging:
        log.info("writing %s parameters as %s", f"{parameters(config):,}", order.dtype)
        write_model(folder, staging, config, order.dtype)
        numerics, checks = _prove(folder, staging, records[WEIGHTS].sha256, order)
        manifest = Manifest(
            **labels,
            architecture="GPT2LMHeadModel",
            parameters=parameters(config),
            vocab_size=config.vocab_size,
            context_window=config.context_window,
            files=file_records(staging, [path.name for path in staging.iterdir()]),
            source_files=records,
            numerics=numerics,
            checks=checks,
        )
        manifest.write(staging)
        if order.probes:
            log.info("fitting the probes of the constitution lab")
            add_probes(staging)
    log.info("baked: %s", target)
    return Manifest.read(target)


def _prove(folder: Path, staging: Path, weights_sha256: str, order: Order) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the manifest says of numerics and of checks. Raises BakeError when a check fails."""
    baked = LanguageModel.open(staging)
    log.info("comparing with the source in float32")
    numerics, checks = _compare_with_source(LanguageModel.open(folder), baked, weights_sha256, order.dtype)
    if not order.skip_reference:
        log.info("comparing with transformers")
        checks["reference"] = check_reference(staging, LanguageModel.open(staging, cache_dtype="float32"))
    return numerics, checks


def _compare_with_source(
    source: LanguageModel, baked: LanguageModel, weights_sha256: str, dtype: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    golden = check_known_answers(weights_sha256, source, baked, dtype)
    return check_rounding(source, baked, dtype).rounded(), {} if golden is None else {"golden": golden}
