"""Fine-tune a baked model on preference pairs: SFT on the chosen texts, then DPO of chosen over rejected.

A run is decided by base, pairs and plan: stopped by a kill or a deadline and taken up by another process with as many threads
on the same kind of processor, it ends with the very weights of one that was not. The reference of DPO is the model after SFT,
as in https://arxiv.org/abs/2305.18290 section 4; its log-probabilities of the pairs are computed once, so that no second model
stays in memory.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from model_layer.config import Gpt2Config
from model_layer.constitution.checkpoint import Position, read_checkpoint, write_checkpoint
from model_layer.constitution.encoding import EncodedPair, encode_pair
from model_layer.constitution.memory import peak_memory_mb
from model_layer.constitution.pace import Kind, Pace
from model_layer.constitution.pairs import Pair
from model_layer.constitution.phases import dpo_gradients, sft_gradients
from model_layer.constitution.plan import Phase, Plan, Progress
from model_layer.constitution.policy import Policy
from model_layer.constitution.report import TrainingReport
from model_layer.constitution.result import bake_result, write_float32
from model_layer.manifest import Manifest
from model_layer.tokenizer import Tokenizer


def _nothing(_: Path) -> None:
    """Nobody waits for checkpoints."""


class Training:
    """One run, whose checkpoint lies in `work`; a new object in any process goes on where the last one stopped.

    `seconds_left` is asked before every piece of work. `on_checkpoint` is called with each new checkpoint and may take its
    time, which is counted as part of saving. What it or `on_progress` raises ends the run, which can be taken up again.
    `held_out` pairs are scored before and after, never trained on.
    """

    def __init__(
        self,
        base_folder: Path,
        pairs: Sequence[Pair],
        plan: Plan,
        work: Path,
        *,
        on_progress: Callable[[Progress], None],
        seconds_left: Callable[[], float],
        held_out: Sequence[Pair] = (),
        on_checkpoint: Callable[[Path], None] = _nothing,
    ) -> None:
        """Raises ValueError when there is no pair, ModelNotLoadableError when the base is not a baked model."""
        if not pairs:
            raise ValueError("there is no pair to train on")
        self._base, self._manifest = base_folder, Manifest.read(base_folder)
        self._plan, self._work = plan, work
        self._on_progress, self._seconds_left, self._on_checkpoint = on_progress, seconds_left, on_checkpoint
        self._end_of_text_id = Gpt2Config.read(base_folder).end_of_text_id
        self._pairs, self._held_out = self._encoded(pairs), self._encoded(held_out)
        self._position = Position()
        self._run = _fingerprint(self._manifest, plan, pairs, held_out)
        self._phase_steps = plan.steps(len(pairs))

    @property
    def steps(self) -> int:
        """Steps of both phases."""
        return 2 * self._phase_steps

    @property
    def times(self) -> Mapping[str, Sequence[float]]:
        """Seconds of every piece of work by its kind; of the runs that this one took up, too."""
        return self._position.times

    def run(self, to: Path, *, name: str, description: str) -> TrainingReport | None:
        """Train to the end and bake the result into `to`; None when time ran out before, and all is saved in `work`.

        Raises ForeignCheckpointError for a checkpoint of another run, BakeError when the result cannot be baked.
        """
        self._take_up()
        while kind := self._next_kind():
            if not self._pace.allows(kind, self._seconds_left()):
                self._save()
                return None
            with self._pace.timed(kind):
                self._score() if kind == "score" else self._step()
            if kind != "score":
                self._tell()
        self._save()
        if not self._pace.allows("bake", self._seconds_left()):
            return None
        return self._bake(to, name=name, description=description)

    def _take_up(self) -> None:
        self._work.mkdir(parents=True, exist_ok=True)
        self._policy = Policy(self._base, end_of_text_id=self._end_of_text_id)
        found = read_checkpoint(self._work, run=self._run)
        self._position = found[0] if found else Position()
        self._optimizer = self._new_optimizer()
        if found:
            self._policy.adopt(found[1]["weights"])
            self._optimizer.load_state_dict(found[1]["optimizer"])
        self._saved = found is not None
        learning = sum(weights.nbytes for weights in self._policy.learning.values())
        self._pace = Pace(self._position.times, checkpoint_bytes=3 * learning)  # weights and two moments

    def _new_optimizer(self) -> torch.optim.Optimizer:
        """AdamW of the phase that the next step belongs to; each phase begins with moments of its own."""
        rate = self._plan.sft_learning_rate if self._phase == "sft" else self._plan.dpo_learning_rate
        return torch.optim.AdamW(self._policy.learning.values(), lr=rate, weight_decay=0.0, fused=True)

    @property
    def _phase(self) -> Phase:
        return "sft" if self._position.step < self._phase_steps else "dpo"

    def _next_kind(self) -> Kind | None:
        if self._unscored():
            return "score"
        return self._phase if self._position.step < self.steps else None

    def _unscored(self) -> tuple[str, Sequence[EncodedPair]] | None:
        """Which log-probabilities are due at this step, and the pairs that still lack them."""
        due = {
            0: ("before", self._held_out),
            self._phase_steps: ("reference", self._pairs),
            self.steps: ("after", self._held_out),
        }
        what, pairs = due.get(self._position.step, ("", ()))
        missing = pairs[len(self._position.scores.get(what, ())) :]
        return (what, missing) if missing else None

    def _score(self) -> None:
        """Log-probabilities of the next few pairs."""
        what, missing = self._unscored() or ("", ())
        batch = missing[: self._plan.batch]
        scores = [self._policy.scores([pair.chosen, pair.rejected]) for pair in batch]
        self._position.scores.setdefault(what, []).extend(scores)
        self._saved = False

    def _step(self) -> None:
        phase, position = self._phase, self._position
        step = position.step % self._phase_steps
        batch = self._plan.batch_of(step, pairs=len(self._pairs), phase=phase)
        loss, margin = self._gradients(phase, batch)
        self._optimizer.step()
        self._optimizer.zero_grad()
        position.step += 1
        position.curve.append((phase, position.step, loss, margin))
        self._saved = False
        if position.step == self._phase_steps:
            self._optimizer = self._new_optimizer()

    def _gradients(self, phase: Phase, batch: Sequence[int]) -> tuple[float, float | None]:
        """Add the gradients of the pairs of these indices; loss and margin."""
        pairs = [self._pairs[index] for index in batch]
        if phase == "sft":
            return sft_gradients(self._policy, [pair.chosen for pair in pairs]), None
        references = [self._position.scores["reference"][index] for index in batch]
        return dpo_gradients(self._policy, pairs, references, beta=self._plan.beta)

    def _tell(self) -> None:
        """Save when it is time, and report the step that was done."""
        phase, step, loss, margin = self._position.curve[-1]
        if step % self._plan.checkpoint_every_steps == 0:
            self._save()
        self._on_progress(Progress(phase, step, self.steps, loss, margin, self._pace.eta_s(self._pieces_after(step))))

    def _pieces_after(self, step: int) -> dict[Kind, int]:
        """What is left of the run after a step."""
        scored = len(self._held_out) + (len(self._pairs) if step < self._phase_steps else 0)
        return {
            "sft": max(0, self._phase_steps - step),
            "dpo": min(self._phase_steps, self.steps - step),
            "score": math.ceil(scored / self._plan.batch),
            "save": (self.steps - step) // self._plan.checkpoint_every_steps + 1,
            "bake": 1,
        }

    def _save(self) -> None:
        if self._saved:
            return
        self._position.peak_memory_mb = max(self._position.peak_memory_mb, peak_memory_mb())
        tensors = {"weights": self._policy.learning, "optimizer": self._optimizer.state_dict()}
        with self._pace.timed("save"):
            path = write_checkpoint(self._work, run=self._run, position=self._position, tensors=tensors)
            self._on_checkpoint(path)
        self._saved = True

    def _bake(self, to: Path, *, name: str, description: str) -> TrainingReport:
        """The result in its place; the network and its optimiser are let go before, to make room."""
        report = TrainingReport.of(self._position, epochs=self._plan.epochs)
        source = self._work / "float32"
        write_float32(source, base=self._base, weights=self._policy.weights)
        del self._policy, self._optimizer
        training = self._details(report)
        with self._pace.timed("bake"):
            bake_result(source, to, base=self._manifest, name=name, description=description, training=training)
        shutil.rmtree(source)
        return report

    def _details(self, report: TrainingReport) -> dict[str, Any]:
        curve = [dict(zip(("phase", "step", "loss", "margin"), point, strict=True)) for point in self._position.curve]
        held_out = {when: self._position.scores.get(when, []) for when in ("before", "after")}
        base = {"name": self._manifest.name, "revision": self._manifest.revision}
        plan = asdict(self._plan) | {"pairs": len(self._pairs)}
        return {"base": base, "plan": plan, "report": asdict(report), "curve": curve, "held_out": held_out}

    def _encoded(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        tokenizer = Tokenizer(self._base)
        most = min(self._plan.max_tokens, self._manifest.context_window)
        return [encode_pair(tokenizer, pair, end_of_text_id=self._end_of_text_id, max_tokens=most) for pair in pairs]


def _fingerprint(base: Manifest, plan: Plan, pairs: Sequence[Pair], held_out: Sequence[Pair]) -> str:
    """A hash of everything that decides a run."""
    files = {file: record.sha256 for file, record in base.files.items()}
    decides = [files, asdict(plan), [asdict(pair) for pair in pairs], [asdict(pair) for pair in held_out]]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
