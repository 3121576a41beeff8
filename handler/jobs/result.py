"""What came of a request, on the wire: a line of a result file, an item of a page, an answer to a direct call."""

import math
from typing import Literal, Self

from pydantic import BaseModel, Field, ValidationError

from handler.api.contracts.precision import PrecisionBody
from handler.api.contracts.problems import FieldProblem
from handler.api.contracts.tokens import TokenBody
from handler.api.contracts.wheels import WheelBody
from handler.api.problems import WRONG_REQUEST, field_problems, problem_of
from handler.jobs.answering import Answer
from handler.jobs.completion import Completion, CompletionEnd
from handler.jobs.request import CheckedRequest


class CompletionBody(BaseModel):
    """A sampled text, each token with its probability on the wheel it was drawn from. `seed` spins a session to the same."""

    seed: str
    text: str = Field(description="the decoding of all tokens but the end of text")
    finish_reason: CompletionEnd
    tokens: list[TokenBody]
    total_log_probability: float = Field(description="natural, of all tokens as they were drawn")

    @classmethod
    def of(cls, completion: Completion) -> Self:
        """The wire form of a completion that has ended."""
        assert completion.finish_reason is not None
        return cls(
            seed=completion.seed,
            text=completion.text,
            finish_reason=completion.finish_reason,
            tokens=[TokenBody.of(share) for share in completion.tokens],
            total_log_probability=math.fsum(share.log_probability or 0.0 for share in completion.tokens),
        )


class FailureBody(BaseModel):
    """Why a request has no answer."""

    code: str
    detail: str
    errors: list[FieldProblem] | None = Field(default=None, description="the fields that do not fit")

    @classmethod
    def of(cls, error: Exception) -> Self:
        """The wire form of an error. It never repeats what was sent, nor says what is for the log."""
        if isinstance(error, ValidationError):
            problems = field_problems(error.errors(include_input=False, include_context=False, include_url=False))
            return cls(code=WRONG_REQUEST.code, detail=str(WRONG_REQUEST.detail), errors=problems)
        problem = problem_of(error)
        return cls(code=problem.code, detail=problem.detail or str(error))


class RequestResult(BaseModel):
    """The result of the request of this index: a wheel, completions, or an error."""

    index: int
    kind: Literal["wheel", "completion", "error"]
    prompt: str | None = Field(default=None, description="left out where it could not be read")
    prompt_token_count: int | None = None
    wheel: WheelBody | None = None
    completions: list[CompletionBody] | None = None
    error: FailureBody | None = None

    @classmethod
    def of(cls, index: int, request: CheckedRequest, answer: Answer, precision: PrecisionBody) -> Self:
        """The result of a request that has its answer."""
        if answer.error is not None:
            return cls.failed(index, answer.error)
        result = cls(index=index, kind="completion", prompt=request.prompt, prompt_token_count=len(request.token_ids))
        if answer.wheel is None:
            result.completions = [CompletionBody.of(one) for one in answer.completions]
        else:
            result.kind, result.wheel = "wheel", WheelBody.of(answer.wheel, precision)
        return result

    @classmethod
    def failed(cls, index: int, error: Exception) -> Self:
        """The result of a request that cannot be answered."""
        return cls(index=index, kind="error", error=FailureBody.of(error))

    def text(self) -> str:
        """One line of JSON."""
        return self.model_dump_json(exclude_unset=True)
