"""Wheels and scores of texts, without a session."""

from dataclasses import asdict

from fastapi import APIRouter
from starlette.responses import Response

from handler.api.answers import json_response, precision_of, rendered
from handler.api.contracts.stateless import ScoreBody, ScoredTokenBody, ScoreRequest, WheelRequest, WheelsBody
from handler.api.contracts.wheels import WheelBody
from handler.api.documents import WRONG_BODY, answers
from handler.api.limits import (
    AnswerTooLongError,
    PromptTooLongError,
    TooManyPromptsError,
    all_within_limit,
    short_enough,
    within_limit,
)
from handler.api.requests import App
from handler.wheel.batch import make_wheels
from handler.wheel.errors import BlankPromptError, SettingOutOfRangeError
from handler.wheel.score import ScoredToken, score
from model_layer.errors import ContextWindowExceededError, ModelNotFoundError, ModelNotLoadableError

router = APIRouter(tags=["texts"])

TEXT_FAILURES = (PromptTooLongError, ContextWindowExceededError, ModelNotFoundError, ModelNotLoadableError)
BATCH_FAILURES = (BlankPromptError, SettingOutOfRangeError, TooManyPromptsError, AnswerTooLongError)


@router.post("/api/wheel", responses=answers(WheelsBody, *TEXT_FAILURES, *BATCH_FAILURES, *WRONG_BODY))
def make(body: WheelRequest, application: App) -> Response:
    """One wheel for each prompt, computed together. The more prompts, the fewer slices a wheel may have: 128 down to 31."""
    texts = all_within_limit(body.texts(), application.settings)
    model = application.model(body.model_name)
    precision = precision_of(application, model.name)
    made = make_wheels(model, texts, body.settings.change())
    wheels = short_enough(WheelBody.of(wheel, precision) for wheel in made)
    return json_response(rendered(WheelsBody, model_name=model.name, wheels=list(wheels)))


@router.post("/api/score", responses=answers(ScoreBody, *TEXT_FAILURES, *WRONG_BODY))
def score_text(body: ScoreRequest, application: App) -> Response:
    """How likely the model finds each token of a text."""
    model = application.model(body.model_name)
    found = score(model, within_limit(body.text, application.settings))
    totals = {name: value for name, value in asdict(found).items() if name != "tokens"}
    tokens = [_token(token) for token in found.tokens]
    return json_response(rendered(ScoreBody, model_name=model.name, token_count=len(tokens), tokens=tokens, **totals))


def _token(token: ScoredToken) -> ScoredTokenBody:
    # Temperature 1 and no filter: the probability is the model's own.
    fields = {**asdict(token), "token_text": token.token_text, "token_bytes": list(token.token_bytes)}
    return ScoredTokenBody.model_validate({**fields, "model_probability": token.probability})
