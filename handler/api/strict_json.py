"""JSON as the standard has it: no NaN, no Infinity, no number beyond float64, no half of a surrogate pair."""

import json
import math
from typing import NoReturn


def canonical(body: bytes) -> bytes:
    """The same bytes for the same JSON value: UTF-8, sorted keys, no white space.

    >>> canonical(b'{"b": 1, "a": 2.50}')
    b'{"a":2.5,"b":1}'

    Raises ValueError for what is not strict JSON, RecursionError for what is nested too deeply.
    """
    value = json.loads(body.decode(), parse_constant=_refuse, parse_float=_finite)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _refuse(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError("number beyond float64")
    return number
