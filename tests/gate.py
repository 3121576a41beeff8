"""Whether these tests decide about a change, as in `.ci/run` and on GitHub, or run on somebody's machine."""

import os


def is_gate() -> bool:
    """CI=1 and CI=true say so; CI=0, CI=false and an empty CI do not."""
    return os.environ.get("CI", "").lower() in {"1", "true"}
