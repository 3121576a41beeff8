"""JSON as the standard has it: no NaN, no Infinity, no number beyond float64, no half of a surrogate pair."""

import json
import math
import re
from itertools import accumulate
from typing import NoReturn

DEEPEST_NESTING = 64
# A string without its end runs to the end of the text, so that every character is looked at once.
_NO_BRACKETS = re.compile(r'"(?:[^"\\]+|\\.)*"?|[^"\[\]{}]+', re.DOTALL)


def canonical(body: bytes) -> bytes:
    """The same bytes for the same JSON value: UTF-8, sorted keys, no white space.

    >>> canonical(b'{"b": 1, "a": 2.50}')
    b'{"a":2.5,"b":1}'

    Raises ValueError for what is not strict JSON or has more than DEEPEST_NESTING arrays and objects within each other.
    """
    text = body.decode()
    if _nesting(text) > DEEPEST_NESTING:
        raise ValueError("nested too deeply")
    value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _nesting(text: str) -> int:
    """How many brackets are open at once at most. Counted before parsing, which would recurse."""
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in _NO_BRACKETS.sub("", text)), default=0)


def _refuse(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError("number beyond float64")
    return number
