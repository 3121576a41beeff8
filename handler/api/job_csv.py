"""Results of a job as a table: one row for each slice of a wheel, each token of a completion, each error."""

import csv
import io
from collections.abc import Iterable, Iterator

from handler.api.contracts.tokens import TokenBody
from handler.api.contracts.wheels import SliceBody
from handler.api.csv_export import Row, cell
from handler.jobs.result import CompletionBody, FailureBody, RequestResult

RESULT_COLUMNS = ("index", "kind", "prompt", "prompt_token_count")
PLACE_COLUMNS = ("completion", "position")
TOKEN_COLUMNS = ("token_id", "token_text", "token_bytes_hex", "probability", "log_probability", "model_probability", "rank")
WHEEL_COLUMNS = ("slice", "start_angle", "end_angle")
COMPLETION_COLUMNS = ("seed", "finish_reason")
ERROR_COLUMNS = ("error_code", "error_detail")
COLUMNS = (*RESULT_COLUMNS, *PLACE_COLUMNS, *TOKEN_COLUMNS, *WHEEL_COLUMNS, *COMPLETION_COLUMNS, *ERROR_COLUMNS)


def header() -> str:
    """The line of the columns' names."""
    return _text([dict(zip(COLUMNS, COLUMNS, strict=True))])


def rows_of(body: str) -> str:
    """The rows of a result, from its JSON. Numbers are exact (shortest decimal that reads back the same).

    `prompt` stands in the first of them only: with each of 1,024 tokens, a long one would make megabytes of one result.
    """
    result = RequestResult.model_validate_json(body)
    rows = [{"index": result.index, "kind": result.kind, **row} for row in _rows(result)]
    rows[0] |= {"prompt": cell(result.prompt or ""), "prompt_token_count": result.prompt_token_count}
    return _text(rows)


def _text(rows: Iterable[Row]) -> str:
    out = io.StringIO()
    csv.DictWriter(out, COLUMNS, restval="").writerows(rows)
    return out.getvalue()


def _rows(result: RequestResult) -> Iterator[Row]:
    if result.error is not None:
        yield _error(result.error)
    if result.wheel is not None:
        yield from map(_slice, result.wheel.slices)
    for number, completion in enumerate(result.completions or []):
        yield from ({"completion": number, **row} for row in _completion(completion))


def _error(error: FailureBody) -> Row:
    fields = "".join(f"; {problem.field}: {problem.message}" for problem in error.errors or [])
    return {"error_code": error.code, "error_detail": cell(error.detail + fields)}


def _slice(piece: SliceBody) -> Row:
    token = {} if piece.token is None else _token(piece.token)
    angles = {"start_angle": piece.start_angle, "end_angle": piece.end_angle}
    return {"position": piece.index, **token, "probability": piece.probability, "slice": piece.kind, **angles}


def _completion(completion: CompletionBody) -> Iterator[Row]:
    """A row a token; one without a token for a completion that has none."""
    about: Row = {"seed": cell(completion.seed), "finish_reason": completion.finish_reason}
    if not completion.tokens:
        yield about
    for position, token in enumerate(completion.tokens):
        yield {"position": position, **_token(token), **about}


def _token(token: TokenBody) -> Row:
    numbers = {name: getattr(token, name) for name in ("probability", "log_probability", "model_probability", "rank")}
    content = bytes(token.token_bytes)
    return {"token_id": token.token_id, "token_text": cell(token.token_text), "token_bytes_hex": content.hex(), **numbers}
