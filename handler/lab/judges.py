"""The judges of the service: evaluators on the models that have probes, made once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from model_layer.catalog import ModelCatalog
from model_layer.constitution.evaluation import Evaluation, Evaluator, Mode
from model_layer.constitution.principles import Principle, load_principles
from model_layer.constitution.probe import Probes


@dataclass(frozen=True, slots=True)
class Judges:
    """Evaluators by model. A tuned model has no probes of its own: its texts are judged by another."""

    catalog: ModelCatalog
    _probes: dict[str, Probes] = field(default_factory=dict)

    def evaluator(self, model_name: str | None, mode: Mode, own: Sequence[Principle] = ()) -> Evaluator:
        """A judge by the four principles, and by those of a request. The model is only loaded for a mode that asks it.

        Raises ModelNotFoundError, ModelNotLoadableError, NoProbeError.
        """
        principles = (*load_principles(), *own)
        if mode == "rules":
            return Evaluator(principles)
        name = model_name or self.catalog.default
        return Evaluator(principles, model=self.catalog.get(name), probes=self.probes(name))

    def probes(self, name: str) -> Probes:
        """The probes of a model. Raises ModelNotFoundError, NoProbeError."""
        if name not in self._probes:
            self._probes[name] = Probes.read(self.catalog.folder(name))
        return self._probes[name]

    def evaluate(self, texts: Sequence[str], mode: Mode, *, model_name: str | None, own: Sequence[Principle]) -> list[Evaluation]:
        """Each text by all principles. Raises as `evaluator` does, and JudgeUnavailableError."""
        return self.evaluator(model_name, mode, own).evaluate(texts, mode)
