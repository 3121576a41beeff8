"""The constitution lab on the wire: principles, evaluations, revisions, comparisons."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from handler.api.contracts.settings import ClosedBody
from handler.api.contracts.spins import Seed
from model_layer.constitution.critique import Criticism
from model_layer.constitution.evaluation import Evaluation, PrincipleResult, Verdict
from model_layer.constitution.principles import NAMES, Principle

LONGEST_TEXT = 10_000
MOST_TEXTS = 100
MOST_READ_BYTES = (
    50_000  # UTF-8 of all texts that a model is to read: English of that length, GPT-2 reads before a gateway gives up
)
MOST_OWN_PRINCIPLES = 10

JudgedText = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
Phrase = Annotated[str, Field(min_length=2, max_length=100)]
Mode = Literal["rules", "model", "both"]


class OwnPrinciple(ClosedBody):
    """A principle of a request's own: a text that holds one of its phrases is flagged. It is judged by rules only."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    title: str = Field(min_length=1, max_length=100)
    weight: float = Field(gt=0, le=10)
    definition: str = Field(default="", max_length=500)
    phrases: list[Phrase] = Field(min_length=1, max_length=50)


class EvaluateRequest(ClosedBody):
    """One `text`, or up to 100 `texts`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "All sailors are lazy.", "mode": "both"}]})

    text: JudgedText | None = None
    texts: list[JudgedText] | None = Field(default=None, min_length=1, max_length=MOST_TEXTS)
    mode: Mode = "both"
    principles: list[OwnPrinciple] = Field(default=[], max_length=MOST_OWN_PRINCIPLES, description="besides the four")
    judge_model: str | None = Field(default=None, description="a model with probes; the default model without it")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.text is None) == (self.texts is None):
            raise ValueError("give either text or texts")
        if self.principles and self.mode != "rules":
            raise ValueError("principles of your own have no probe: give mode rules")
        names = [*NAMES, *(principle.name for principle in self.principles)]
        if len(set(names)) < len(names):
            raise ValueError("each of your principles needs a name of its own, and none of the four")
        if self.mode != "rules" and sum(len(text.encode()) for text in self.all_texts()) > MOST_READ_BYTES:
            raise ValueError("texts that the model is to judge may have 50000 bytes in all: send fewer, or give mode rules")
        return self

    def all_texts(self) -> list[str]:
        """The texts, however they were given."""
        return [self.text] if self.text is not None else list(self.texts or [])


class PrincipleBody(BaseModel):
    """A principle, with examples of both kinds."""

    name: str
    title: str
    weight: float
    definition: str
    groups: list[str] = Field(description="of its rules")
    violating_examples: list[str]
    clean_examples: list[str]

    @classmethod
    def of(cls, principle: Principle) -> Self:
        """The wire form of a principle."""
        return cls(
            name=principle.name,
            title=principle.title,
            weight=principle.weight,
            definition=principle.definition,
            groups=list(dict.fromkeys(pattern.group for pattern in principle.patterns)),
            violating_examples=list(principle.violating_examples),
            clean_examples=list(principle.clean_examples),
        )


class PrinciplesBody(BaseModel):
    """The constitution."""

    principles: list[PrincipleBody]


class SpanBody(BaseModel):
    """`text[start:end]`, counted in characters (code points), and why it counts against the text."""

    start: int
    end: int
    reason: str


class VerdictBody(BaseModel):
    """What one judge says."""

    method: Literal["rules", "model"]
    flagged: bool
    score: float
    spans: list[SpanBody]
    reasoning: str

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """The wire form of a verdict."""
        spans = [SpanBody(start=one.start, end=one.end, reason=one.reason) for one in verdict.evidence]
        return cls(method=verdict.method, flagged=verdict.flagged, score=verdict.score, spans=spans, reasoning=verdict.reasoning)


class ResultBody(BaseModel):
    """A principle's result: flagged when any judge flags it."""

    principle: str
    flagged: bool
    score: float
    weight: float
    method: str = Field(description="the judges: rules, model, or rules+model")
    judges_disagree: bool
    verdicts: list[VerdictBody]

    @classmethod
    def of(cls, result: PrincipleResult) -> Self:
        """The wire form of a result."""
        return cls(
            principle=result.principle,
            flagged=result.flagged,
            score=result.score,
            weight=result.weight,
            method="+".join(verdict.method for verdict in result.verdicts),
            judges_disagree=result.disagree,
            verdicts=[VerdictBody.of(verdict) for verdict in result.verdicts],
        )


class EvaluationBody(BaseModel):
    """A text by all principles."""

    results: list[ResultBody]
    weighted_score: float = Field(description="the weights of the flagged principles, summed; 0 is best")
    alignment: float = Field(description="1 - weighted_score / the sum of all weights")

    @classmethod
    def of(cls, evaluation: Evaluation) -> Self:
        """The wire form of an evaluation."""
        results = [ResultBody.of(result) for result in evaluation.results]
        return cls(results=results, weighted_score=evaluation.weighted_score, alignment=evaluation.alignment)


class EvaluationsBody(BaseModel):
    """One evaluation for each text, in order."""

    mode: Mode
    evaluations: list[EvaluationBody]
    alignment: float = Field(description="the mean of the texts")


class ReviseRequest(ClosedBody):
    """A draft after a prompt; without a draft the model writes one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"prompt": "Everyone knows that sailors are", "seed": 7}]})

    prompt: str = Field(min_length=1, max_length=2000)
    draft: str | None = Field(default=None, min_length=1, max_length=2000)
    mode: Mode = "both"
    reviser: Literal["rewriting", "sampling"] = "rewriting"
    model_name: str | None = Field(default=None, description="the model that writes; the judge is the default model")
    seed: Seed = "0"


class CriticismBody(BaseModel):
    """A place of prompt + draft that counts against a principle."""

    principle: str
    start: int
    end: int
    reason: str
    judge: str

    @classmethod
    def of(cls, one: Criticism) -> Self:
        """The wire form of a criticism."""
        return cls(principle=one.principle, start=one.start, end=one.end, reason=one.reason, judge=one.judge)


class RevisedBody(BaseModel):
    """`revision` and `after` are null when the draft was clean, or nothing that scored lower was found (`kept` says so)."""

    draft: str
    before: EvaluationBody
    criticisms: list[CriticismBody]
    revision: str | None
    after: EvaluationBody | None
    kept: Literal["draft", "revision"]
    reviser: str


class CompareRequest(ClosedBody):
    """One prompt and seed through two models."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"prompt": "Everyone knows that sailors are", "seed": 7}]})

    prompt: str = Field(min_length=1, max_length=2000)
    before: str | None = Field(default=None, description="a model's name; the default model without it")
    after: str | None = Field(default=None, description="the same")
    seed: Seed = "0"
    max_new_tokens: int = Field(default=40, ge=1, le=200)


class MovedTokenBody(BaseModel):
    """A token whose probability changed."""

    token_id: int
    token_text: str
    token_bytes: list[int]
    before: float
    after: float


class ComparisonBody(BaseModel):
    """What both write, how both texts are judged, and how far the next wheels are apart."""

    before: str
    after: str
    text_before: str
    text_after: str
    evaluation_before: EvaluationBody
    evaluation_after: EvaluationBody
    kl: float = Field(description="KL(after || before) of the next token, in nats")
    total_variation: float
    moved: list[MovedTokenBody]
