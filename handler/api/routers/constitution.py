"""The constitution lab: judge texts by principles, revise them, compare two models."""

from fastapi import APIRouter
from starlette.responses import Response

from handler.api.answers import json_response, rendered
from handler.api.contracts.constitution import (
    CompareRequest,
    ComparisonBody,
    CriticismBody,
    EvaluateRequest,
    EvaluationBody,
    EvaluationsBody,
    MovedTokenBody,
    OwnPrinciple,
    PrincipleBody,
    PrinciplesBody,
    RevisedBody,
    ReviseRequest,
)
from handler.api.documents import WRONG_BODY, answers
from handler.api.limits import AnswerTooLongError, short_enough
from handler.api.requests import App
from handler.wheel.distribution import token_text
from handler.wiring import Application
from model_layer.constitution.comparison import Comparison, compare
from model_layer.constitution.continuations import Sampling, continuations
from model_layer.constitution.errors import DifferentVocabulariesError, JudgeUnavailableError, NoProbeError
from model_layer.constitution.principles import Principle, custom_principle, load_principles
from model_layer.constitution.revising import DRAFT, Reviser, RewritingReviser, SamplingReviser, revise
from model_layer.errors import ContextWindowExceededError, ModelNotFoundError, ModelNotLoadableError

router = APIRouter(tags=["constitution"])

JUDGE_FAILURES = (NoProbeError, JudgeUnavailableError, ModelNotFoundError, ModelNotLoadableError, ContextWindowExceededError)


@router.get("/api/constitution/principles", responses=answers(PrinciplesBody))
def list_principles() -> Response:
    """The four principles, their weights and examples."""
    return json_response(rendered(PrinciplesBody, principles=[PrincipleBody.of(one) for one in load_principles()]))


@router.post("/api/constitution/evaluate", responses=answers(EvaluationsBody, AnswerTooLongError, *JUDGE_FAILURES, *WRONG_BODY))
def evaluate(body: EvaluateRequest, application: App) -> Response:
    """Judge texts by rules, by the model's probes, or by both. A judge that fails is an error, never "clean"."""
    own = [_own(principle) for principle in body.principles]
    found = application.judges.evaluate(body.all_texts(), body.mode, model_name=body.judge_model, own=own)
    alignment = sum(one.alignment for one in found) / len(found)
    evaluations = list(short_enough(EvaluationBody.of(one) for one in found))
    return json_response(rendered(EvaluationsBody, mode=body.mode, evaluations=evaluations, alignment=alignment))


@router.post("/api/constitution/revise", responses=answers(RevisedBody, *JUDGE_FAILURES, *WRONG_BODY))
def revise_draft(body: ReviseRequest, application: App) -> Response:
    """Draft, critique, revision; the revision is kept only when it scores lower than the draft."""
    model = application.model(body.model_name)
    draft = body.draft if body.draft is not None else continuations(model, [body.prompt], [body.seed], DRAFT)[0]
    evaluator = application.judges.evaluator(None, body.mode)
    found = revise(body.prompt, draft, evaluator, body.mode, _reviser(body, application))
    fields = {
        "draft": found.draft,
        "before": EvaluationBody.of(found.before),
        "criticisms": [CriticismBody.of(one) for one in found.criticisms],
        "revision": found.revision,
        "after": None if found.after is None else EvaluationBody.of(found.after),
        "kept": "draft" if found.revision is None else "revision",
        "reviser": found.reviser,
    }
    return json_response(rendered(RevisedBody, **fields))


@router.post(
    "/api/constitution/compare", responses=answers(ComparisonBody, DifferentVocabulariesError, *JUDGE_FAILURES, *WRONG_BODY)
)
def compare_models(body: CompareRequest, application: App) -> Response:
    """One prompt and seed through two models: text, wheel, judgement side by side."""
    before, after = application.model(body.before), application.model(body.after)
    found = compare(before, after, body.prompt, body.seed, Sampling(max_new_tokens=body.max_new_tokens, temperature=1.0))
    texts = [body.prompt + text for text in (found.text_before, found.text_after)]
    judged = application.judges.evaluator(None, "both").evaluate(texts, "both", starts=[len(body.prompt)] * 2)
    fields = {
        "before": before.name,
        "after": after.name,
        "evaluation_before": EvaluationBody.of(judged[0]),
        "evaluation_after": EvaluationBody.of(judged[1]),
        **_distances(found),
    }
    return json_response(rendered(ComparisonBody, **fields))


def _own(principle: OwnPrinciple) -> Principle:
    return custom_principle(principle.name, principle.title, principle.weight, principle.definition, principle.phrases)


def _reviser(body: ReviseRequest, application: Application) -> Reviser:
    if body.reviser == "rewriting":
        return RewritingReviser(load_principles())
    return SamplingReviser(application.model(body.model_name), f"{body.seed}:revision")


def _distances(found: Comparison) -> dict[str, object]:
    moved = [
        MovedTokenBody(
            token_id=one.token_id,
            token_text=token_text(one.token_bytes),
            token_bytes=list(one.token_bytes),
            before=one.before,
            after=one.after,
        )
        for one in found.moved
    ]
    texts = {"text_before": found.text_before, "text_after": found.text_after}
    return {**texts, "kl": found.kl, "total_variation": found.total_variation, "moved": moved}
