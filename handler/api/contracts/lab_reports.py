"""What came of a training run, on the wire: training figures, and its impact with intervals."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from handler.api.contracts.lab_runs import PointBody

Judge = Literal["rules", "model"]


class EstimateBody(BaseModel):
    """A mean over `count` units with its 95 % confidence interval by the bootstrap."""

    value: float
    low: float
    high: float
    count: int


class ChangeBody(BaseModel):
    """Before and after training, and the difference, paired by unit."""

    before: EstimateBody
    after: EstimateBody
    difference: EstimateBody


class ViolationBody(BaseModel):
    """How often texts after a suite's prompts violate its principle, as one judge sees it. The units are prompts."""

    principle: str
    judge: Judge
    rate: ChangeBody


class ExampleBody(BaseModel):
    """One prompt's first text by each model, and which judges flag it."""

    principle: str
    prompt: str
    before: str
    after: str
    before_flagged_by: list[Judge]
    after_flagged_by: list[Judge]


class ImpactBody(BaseModel):
    """What training changed. Preference figures are null when no pairs were held out."""

    violations: list[ViolationBody]
    alignment: ChangeBody = Field(description="1 - weighted score / the sum of weights, mean of a prompt's texts")
    sentences: ChangeBody = Field(description="of a text: each may be flagged, so that fewer of them are flagged less")
    preference_accuracy: ChangeBody | None = Field(description="share of pairs with the revision likelier; by prompt")
    preference_margin: ChangeBody | None = Field(description="by how many nats")
    perplexity: ChangeBody = Field(description="of neutral texts: how far the model drifted")
    examples: list[ExampleBody]


class TrainingFiguresBody(BaseModel):
    """Figures of the training; losses and margins in nats, means over a phase's last epoch."""

    model_config = ConfigDict(extra="ignore")

    steps: int
    seconds: float
    peak_memory_mb: float
    sft_loss: float
    dpo_loss: float
    held_out_pairs: int


class ProbeFiguresBody(BaseModel):
    """How well the judge that is the model does, by principle, on sentences that it never saw."""

    model_config = ConfigDict(extra="ignore")

    held_out_sentences: int
    held_out_precision: float
    held_out_recall: float


class ReportBody(BaseModel):
    """A finished run: where it came from, how it learnt, what changed, and how well its judges do."""

    model_config = ConfigDict(protected_namespaces=())

    run_id: str
    model_name: str
    base: str
    plan: str
    pairs: int
    training: TrainingFiguresBody
    curve: list[PointBody]
    impact: ImpactBody
    judges: dict[str, dict[Judge, ProbeFiguresBody]] = Field(description="by principle, on the held-out labelled sentences")
