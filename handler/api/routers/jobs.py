"""Jobs: hand in, look up, download, cancel, forget. Workers elsewhere, or in this process, do them."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from handler.api.answers import json_response
from handler.api.contracts.jobs import CreateJobRequest, JobForgotten, JobHead, JobView
from handler.api.documents import WRONG_BODY, answers, failures, text_header
from handler.api.job_answers import accepted, forgotten, head_of, view_of
from handler.api.job_files import MEDIA_TYPES, Form, ResultFile
from handler.api.job_pages import Page, Piece, page_of, stored_results
from handler.api.limits import LONGEST_ANSWER_BYTES, TooManyJobRequestsError, few_enough
from handler.api.problems import WRONG_REQUEST
from handler.api.requests import App, BeginConditions, JobId, RootPath
from handler.jobs.job import Job
from handler.wheel.errors import (
    FilesNotTakenError,
    IdempotencyKeyReusedError,
    JobNotFoundError,
    RefusedRequestError,
    ResultsElsewhereError,
    SourceNotFoundError,
    StoreUnavailableError,
)
from handler.wheel.ledger import Write
from handler.wiring import Application
from model_layer.errors import ModelNotFoundError, ModelNotLoadableError

router = APIRouter(tags=["jobs"])

MOST_RESULTS = 1000  # of a page
LAST_INDEX = 999_999
FAILURES = (JobNotFoundError, StoreUnavailableError, WRONG_REQUEST)
FILE_FAILURES = (FilesNotTakenError, SourceNotFoundError)
SUBMIT_FAILURES = (RefusedRequestError, TooManyJobRequestsError, *FILE_FAILURES, IdempotencyKeyReusedError)
MODEL_FAILURES = (ModelNotFoundError, ModelNotLoadableError)
LOCATION = text_header("where the job is")
LINK = text_header('where the file goes on, with rel="next"; left out when this is all of it')
FILES = {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES.values()}

After = Annotated[int, Query(ge=-1, le=LAST_INDEX, description="only results beyond this index")]
Limit = Annotated[int, Query(ge=0, le=MOST_RESULTS, description="results at most; a page of about 1 MB is full before")]
ResultForm = Annotated[Form, Query(alias="format", description="jsonl: a result a line; csv: a row a slice or token")]
Forget = Annotated[bool, Query(description="remove the job, its prompts and its results at once")]


@router.post(
    "/api/jobs",
    status_code=202,
    responses=answers(
        JobHead,
        *SUBMIT_FAILURES,
        *MODEL_FAILURES,
        StoreUnavailableError,
        *WRONG_BODY,
        status=202,
        description="The job is accepted.",
        headers={"Location": LOCATION},
    ),
)
def create_job(body: CreateJobRequest, application: App, write: BeginConditions, root_path: RootPath) -> Response:
    """Hand in requests to be done together. All are checked first: if one cannot be run, there is no job.

    Location names the job. A key that was used for a job that is forgotten by now makes a new one.
    """
    job = _submitted(body, application, write)
    response = json_response(accepted(job), 202)
    response.headers["Location"] = f"{root_path}/api/jobs/{job.id}"
    return response


@router.get("/api/jobs/{job_id}", responses=answers(JobView, *FAILURES))
def get_job(job_id: JobId, application: App, after: After = -1, limit: Limit = 100) -> Response:
    """How far a job is, and a page of its results. Requests end in any order: page through a job when it has ended."""
    job = application.desk.store.load(job_id)
    return json_response(view_of(job, _page(job, application, after, limit)))


@router.get(
    "/api/jobs/{job_id}/results",
    response_class=Response,
    responses={200: {"content": FILES, "headers": {"Link": LINK}}, **failures(*FAILURES, ResultsElsewhereError)},
)
def get_results(
    job_id: JobId,
    application: App,
    root_path: RootPath,
    form: ResultForm = "jsonl",
    after: After = -1,
) -> Response:
    """The results that there are, by index, as a file: one a line, or as a table of slices and tokens.

    The table begins with the names of its columns, unless `after` is given. Where a server cannot send a file as a whole, a Link
    header with rel="next" leads to what comes after this part: the parts, one after the other, are the file.
    """
    if application.desk.store.load(job_id).source is not None:
        raise ResultsElsewhereError
    file = ResultFile(application.desk.store, job_id, form, after)
    if not application.settings.on_lambda:
        return StreamingResponse(file.texts(), headers=_attached(job_id, form), media_type=file.media_type)
    part = file.part()
    headers = _attached(job_id, form)
    if part.next_after is not None:
        headers["Link"] = f'<{root_path}/api/jobs/{job_id}/results?format={form}&after={part.next_after}>; rel="next"'
    return Response("".join(part.texts), headers=headers, media_type=file.media_type)


@router.delete("/api/jobs/{job_id}", responses=answers(JobHead | JobForgotten, *FAILURES))
def cancel_job(job_id: JobId, application: App, forget: Forget = False) -> Response:
    """Take no more results. What is there stays, also of a job that was completed before; with `forget` nothing stays."""
    store = application.desk.store
    if not forget:
        return json_response(head_of(store.cancel(job_id)))
    store.forget(job_id)
    return json_response(forgotten(job_id))


def _submitted(body: CreateJobRequest, application: Application, write: Write) -> Job:
    desk, names = application.desk, {"model_name": body.model_name, "name": body.name}
    if body.requests is not None:
        return desk.submit(few_enough(body.requests, application.settings), **names, write=write)
    assert body.input is not None, "the contract has one of both"
    assert body.output is not None, "the contract has both or none"
    return desk.submit_file(body.input, body.output, **names, write=write)


def _page(job: Job, application: Application, after: int, limit: int) -> Page:
    if job.source is not None:
        return Page([], next_after=None)
    results = stored_results(application.desk.store, job.id, after=after)
    pieces = (Piece(result.index, result.body) for result in results)
    return page_of(pieces, after=after, most=limit, longest=LONGEST_ANSWER_BYTES)


def _attached(job_id: str, form: Form) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="job-{job_id}.{form}"'}
