"""The part of a request's path that routes know."""

from collections.abc import MutableMapping
from typing import Any


def route_path(scope: MutableMapping[str, Any]) -> str:
    """The path without the stage or base path that stands before it."""
    path, prefix = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(prefix) :] if prefix and f"{path}/".startswith(f"{prefix}/") else path
