"""The web page's files, for every path that no route answers."""

import os
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parents[1] / "page"
REVALIDATED = "no-cache"  # browsers keep the file and ask with its ETag: a new version of the page is never mixed with an old one


class Page(StaticFiles):
    """Static files of which only GET and HEAD know: for any other method the path does not exist."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file of a path. Raises HTTPException 404."""
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(404)
        return await super().get_response(path, scope)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, or 304 when the browser has it."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = REVALIDATED
        return response
