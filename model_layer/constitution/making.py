"""The whole way from a base model to a tuned one with its report: prepare pairs, train, measure. Any of it can be taken up again.

What is done lies in the working folder: `pairs.jsonl` and `held_out.jsonl`, the checkpoint of the training, the texts that
were measured. The finished folder is a baked model with `training.json`, `impact.json` and the pairs beside its weights.
"""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from model_layer.bake.verify import file_records
from model_layer.constitution.continuations import Sampling
from model_layer.constitution.errors import NothingToLearnError
from model_layer.constitution.evaluation import Evaluator
from model_layer.constitution.impact import Impact, impact
from model_layer.constitution.pairs import read_pairs, write_pairs
from model_layer.constitution.plan import Plan
from model_layer.constitution.preparing import Prepared, prepare
from model_layer.constitution.principles import load_principles
from model_layer.constitution.probe import Probes
from model_layer.constitution.suites import Prompt, impact_prompts, neutral_texts, training_prompts
from model_layer.constitution.watch import Watch
from model_layer.language_model import LanguageModel
from model_layer.manifest import MANIFEST_FILE, Manifest

PAIRS_FILE, HELD_OUT_FILE, IMPACT_FILE = "pairs.jsonl", "held_out.jsonl", "impact.json"
MEASURED = Sampling(max_new_tokens=32, temperature=1.0, top_k=50)
MEASURING_S = 300  # GPT-2 124M on two virtual CPUs needs less


@dataclass(frozen=True, slots=True)
class Making:
    """One run. `base_folder` is a baked model with probes; `prompts` and `samples` are less than all in tests only."""

    base_folder: Path
    plan: Plan
    name: str
    measured_prompts: tuple[Prompt, ...] = ()
    samples: int = 4

    def run(self, work: Path, watch: Watch) -> Path | None:
        """The folder of the finished model, in `work`; None when time ran out and another call is to go on.

        Raises NothingToLearnError, ModelLayerError.
        """
        work.mkdir(parents=True, exist_ok=True)
        watch.activity("preparing")
        model = LanguageModel.open(self.base_folder)
        evaluator = Evaluator(load_principles(), model=model, probes=Probes.read(self.base_folder))
        prepared = self._prepared(work, model, evaluator, watch)
        finished = work / "model"
        if not (finished / MANIFEST_FILE).exists() and not self._trained(work, finished, prepared, watch):
            return None
        if IMPACT_FILE not in Manifest.read(finished).files:
            if watch.seconds_left() < MEASURING_S:
                return None
            watch.activity("measuring")
            self._measured(work, finished, model, evaluator, prepared)
        return finished

    def _prepared(self, work: Path, model: LanguageModel, evaluator: Evaluator, watch: Watch) -> Prepared:
        files = (work / PAIRS_FILE, work / HELD_OUT_FILE)
        if not files[1].exists():
            prompts = training_prompts()[: self.plan.prompts]
            prepared = prepare(model, evaluator, prompts, f"{self.plan.name}:{self.plan.seed}")
            write_pairs(files[0], prepared.pairs)
            write_pairs(files[1], prepared.held_out)  # the last one, which says that both are there
            watch.kept()
        prepared = Prepared(*(list(read_pairs(path)) for path in files))
        if not prepared.pairs:
            raise NothingToLearnError("no draft was flagged: there is nothing to learn from")
        return prepared

    def _trained(self, work: Path, finished: Path, prepared: Prepared, watch: Watch) -> bool:
        from model_layer.constitution.checkpoint import CHECKPOINT_FILE  # noqa: PLC0415 - torch loads in seconds: only to train
        from model_layer.constitution.training import Training  # noqa: PLC0415 - as above

        watch.activity("training")
        training = Training(
            self.base_folder,
            prepared.pairs,
            self.plan,
            work,
            on_progress=watch.progress,
            seconds_left=watch.seconds_left,
            held_out=prepared.held_out,
            on_checkpoint=lambda _: watch.kept(),
        )
        description = f"tuned on the constitution from {self.base_folder.name} by the plan {self.plan.name}"
        if training.run(finished, name=self.name, description=description) is None:
            return False
        (work / CHECKPOINT_FILE).unlink()  # most of the folder, and nobody needs it any more
        watch.kept()
        return True

    def _measured(self, work: Path, finished: Path, model: LanguageModel, evaluator: Evaluator, prepared: Prepared) -> None:
        found = impact(
            model,
            LanguageModel.open(finished),
            evaluator,
            prompts=self.measured_prompts or impact_prompts(),
            pairs=prepared.held_out,
            neutral_texts=neutral_texts(),
            sampling=MEASURED,
            samples=self.samples,
        )
        for name in (PAIRS_FILE, HELD_OUT_FILE):
            shutil.copy(work / name, finished / name)
        write_impact(finished / IMPACT_FILE, found)
        _vouch_for(finished, (PAIRS_FILE, HELD_OUT_FILE, IMPACT_FILE))


def write_impact(path: Path, found: Impact) -> None:
    """Write it as JSON."""
    path.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")


def _vouch_for(folder: Path, names: tuple[str, ...]) -> None:
    """Add files to the folder's manifest, which by that says that the measuring is done."""
    manifest, staging = Manifest.read(folder), folder / ".manifest"
    staging.mkdir(exist_ok=True)
    replace(manifest, files={**manifest.files, **file_records(folder, names)}).write(staging)
    (staging / MANIFEST_FILE).replace(folder / MANIFEST_FILE)
    staging.rmdir()
