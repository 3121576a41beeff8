"""Jobs on the wire: hand in, look up, cancel, forget."""

import re
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from handler.api.contracts.settings import ClosedBody
from handler.jobs.job import Job, State
from handler.jobs.request import JobRequest
from handler.jobs.result import RequestResult

CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LONGEST_S3_NAME = 1100  # a key has up to 1,024 bytes, a bucket's name 63

S3File = Annotated[str, Field(pattern=r"^s3://[a-z0-9.-]{3,63}/.*[^/]$", max_length=LONGEST_S3_NAME)]
S3Folder = Annotated[str, Field(pattern=r"^s3://[a-z0-9.-]{3,63}/(.*/)?$", max_length=LONGEST_S3_NAME)]


def _one_line(name: str) -> str:
    if CONTROL_CHARACTERS.search(name):
        raise PydanticCustomError("name", "a name has no control characters")
    return name


JobName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_line)]


class CreateJobRequest(ClosedBody):
    """Either `requests`, or `input`, a file of such requests in S3, and `output`, the folder for its results."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "beginnings",
                    "requests": [
                        {"prompt": "Once upon a time"},
                        {
                            "prompt": "The king",
                            "settings": {"temperature": 0.7},
                            "max_new_tokens": 20,
                            "seed": "class 7b",
                            "n": 2,
                        },
                    ],
                }
            ]
        }
    )

    requests: list[JobRequest] | None = Field(default=None, min_length=1, description="at most 1,000")
    input: S3File | None = Field(default=None, description="one request a line, as JSON", examples=["s3://bucket/prompts.jsonl"])
    output: S3Folder | None = Field(
        default=None,
        description="a folder; the answer's `folder`, below it, is where the results will lie",
        examples=["s3://bucket/results/"],
    )
    name: JobName | None = Field(default=None, description="for people")
    model_name: str | None = Field(default=None, description="a name of /api/models; the default model without it")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.requests is None) == (self.input is None) or (self.input is None) != (self.output is None):
            raise ValueError("give either requests, or input and output")
        return self


class JobCounts(BaseModel):
    """Requests: `total` = `done` + `failed` + `waiting`. `total` and `waiting` are null until a file's lines are counted."""

    total: int | None
    done: int = Field(description="have a wheel or completions")
    failed: int = Field(description="have an error")
    waiting: int | None = Field(description="have no result yet; those of a cancelled job will have none")


class JobHead(BaseModel):
    """What every answer about a job says of it."""

    job_id: str
    name: str | None
    model_name: str
    state: State
    counts: JobCounts
    progress: float | None = Field(description="share of the requests that have a result, 0 to 1; null while total is")
    created_at: datetime
    expires_at: datetime = Field(description="from then on the job, its prompts and its results are gone")
    input: str | None = Field(default=None, description="where the requests lie, if in S3")
    output: str | None = Field(default=None, description="the folder for the results, as it was given, if they go to S3")
    folder: str | None = Field(default=None, description="the job's own folder below `output`, in which its results lie")


class JobView(JobHead):
    """A job with a page of its results, by index.

    Requests end in any order: while a job runs there are gaps, and whoever goes on by `next_after` misses what fills them later.
    Page through a job that is completed or cancelled, from the beginning, and each result comes exactly once.
    """

    next_after: int | None = Field(description="the `after` of the next page; null when nothing lies beyond this one now")
    results: list[RequestResult] = Field(description="empty for a job of a file in S3: its results lie in `folder`")


class JobForgotten(BaseModel):
    """The job is gone, and its prompts and results with it."""

    message: str
    job_id: str


def head_fields(job: Job) -> dict[str, object]:
    """The fields of JobHead."""
    places = {} if job.source is None else {"input": job.source, "output": job.output, "folder": job.folder}
    return {
        "job_id": job.id,
        "name": job.name,
        "model_name": job.model_name,
        "state": job.state,
        "counts": _counts(job),
        "progress": _progress(job),
        "created_at": job.created_at,
        "expires_at": datetime.fromtimestamp(job.expires_at_epoch_s, UTC),
        **places,
    }


def _counts(job: Job) -> JobCounts:
    waiting = None if job.total is None else job.total - job.done - job.failed
    return JobCounts(total=job.total, done=job.done, failed=job.failed, waiting=waiting)


def _progress(job: Job) -> float | None:
    if job.total is None:
        return None
    return (job.done + job.failed) / job.total if job.total else 1.0
