"""What OpenAPI says of the answers of a route.

Answers are referred to by name, and their schemas are made when the document is read: told to the framework with the route,
it would build a validator for each, which no request needs and every start would wait for.
"""

from collections.abc import Mapping
from types import UnionType
from typing import Any, get_args

from fastapi import FastAPI
from fastapi.openapi.constants import REF_TEMPLATE
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from handler.api.body_guard import MALFORMED, NOT_JSON, TOO_LONG
from handler.api.contracts.problems import ErrorBody
from handler.api.problems import INTERNAL_ERROR, PROBLEMS, WRONG_REQUEST, Problem

Responses = dict[int | str, dict[str, Any]]

WRONG_BODY = (TOO_LONG, NOT_JSON, MALFORMED, WRONG_REQUEST)
DESCRIPTIONS = {
    400: "The request makes no sense here.",
    404: "There is no such thing here, or it has expired.",
    409: "The session has changed or is finished.",
    413: "The body is too long.",
    415: "The body is not JSON.",
    422: "The request does not fit its contract or asks for too much, or its key was used with another request.",
    500: "Something unexpected; the log has its place.",
    503: "The model or the store does not answer: try again after Retry-After seconds.",
}


_contracts: dict[str, type[BaseModel]] = {}


class DocumentedApp(FastAPI):
    """An app whose document has the schemas of the answers too."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            contracts: list[tuple[type[BaseModel], JsonSchemaMode]] = [(one, "serialization") for one in _contracts.values()]
            schemas = models_json_schema(contracts, ref_template=REF_TEMPLATE)[1]["$defs"]
            super().openapi()["components"]["schemas"] |= schemas
        return super().openapi()


def answers(
    contract: type[BaseModel] | UnionType,
    *causes: type[Exception] | Problem,
    status: int = 200,
    description: str = "Successful Response",
    others: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None,
) -> Responses:
    """The responses of a route that answers by `contract`, or in `others`' media types, and fails as `failures` says."""
    content = {"application/json": {"schema": _schema(contract)}, **(others or {})}
    success = {"description": description, "content": content, **({"headers": headers} if headers else {})}
    return {status: success, **failures(*causes)}


def text_header(description: str) -> dict[str, Any]:
    """A header of an answer."""
    return {"description": description, "schema": {"type": "string"}}


def failures(*causes: type[Exception] | Problem) -> Responses:
    """The error responses of a route that raises the given errors and answers the given problems."""
    problems = [cause if isinstance(cause, Problem) else PROBLEMS[cause] for cause in causes]
    responses: Responses = {}
    for problem in (*problems, INTERNAL_ERROR):
        content = responses.setdefault(problem.status, _failure(problem.status))["content"]
        content["application/json"]["examples"][problem.code] = {
            "value": {"detail": problem.detail or "a sentence that says why", "code": problem.code}
        }
    return responses


def _failure(status: int) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(ErrorBody), "examples": {}}}
    return {"description": DESCRIPTIONS[status], "content": content}


def _schema(contract: type[BaseModel] | UnionType) -> dict[str, Any]:
    if isinstance(contract, UnionType):
        return {"anyOf": [_reference(one) for one in get_args(contract)]}
    return _reference(contract)


def _reference(contract: type[BaseModel]) -> dict[str, str]:
    _contracts[contract.__name__] = contract
    return {"$ref": REF_TEMPLATE.format(model=contract.__name__)}
