"""Laws of strict JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.api.strict_json import DEEPEST_NESTING, canonical

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(VALUES)
def test_one_value_has_one_form(value: object) -> None:
    """Order of keys, white space and escapes change nothing; the value stays."""
    plain = json.dumps(value).encode()
    spaced = json.dumps(value, indent=3, ensure_ascii=False).encode()
    assert canonical(plain) == canonical(spaced) == canonical(canonical(plain))
    assert json.loads(canonical(plain)) == value


def test_key_order_does_not_matter() -> None:
    """An object is a set of members."""
    assert canonical(b'{"b": 1, "a": [2.50]}') == canonical(b'{"a":[2.5],"b":1}') == b'{"a":[2.5],"b":1}'


@pytest.mark.parametrize(
    "body",
    [b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b"[-1e400]", rb'"\ud800"', rb'{"\udfff": 1}', b"\xff", b"{", b"", b"'a'"],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """What other readers could not read, or would read as something else, is no JSON here."""
    with pytest.raises(ValueError):  # noqa: PT011 - three standard subclasses of it
        canonical(body)


@pytest.mark.parametrize(("start", "end"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_nesting_ends_at_a_depth(start: bytes, end: bytes) -> None:
    """As deep as allowed is read; one deeper, and as deep as a body can be, is no JSON; brackets in strings do not count."""
    levels = DEEPEST_NESTING // len(start.replace(b'"a":', b""))
    inner = rb'"[[{{\"[["'
    deepest = start * levels + inner + end * levels
    assert canonical(deepest) == deepest
    for deeper in (
        b"[" + deepest + b"]",
        start * 50_000,
        start * 50_000 + inner + end * 50_000,
        b'["' + b"[" * 99 + b'", ' + deepest + b"]",
    ):
        with pytest.raises(ValueError, match="deep"):
            canonical(deeper)


def test_a_surrogate_pair_is_one_character() -> None:
    """Only halves are refused."""
    assert canonical(rb'"\ud83e\udd8a"') == '"🦊"'.encode()
