"""The answers about jobs, as JSON text."""

from dataclasses import replace

from handler.api.answers import rendered
from handler.api.contracts.jobs import JobForgotten, JobHead, JobView, head_fields
from handler.api.job_pages import Page
from handler.jobs.job import Job


def accepted(job: Job) -> str:
    """A job as it was when it was handed in, so that whoever hands it in again by the same key gets the same answer."""
    total = job.total if job.source is None else None
    return head_of(replace(job, total=total, done=0, failed=0, cancelled=False))


def head_of(job: Job) -> str:
    """A job without results."""
    return rendered(JobHead, **head_fields(job))


def view_of(job: Job, page: Page) -> str:
    """A job with results, which are JSON as they were stored: they go in as they are, at the end of the answer."""
    text = rendered(JobView, **head_fields(job), next_after=page.next_after, results=[])
    return f"{text.removesuffix(']}')}{','.join(page.texts)}]}}"


def forgotten(job_id: str) -> str:
    """A job that is gone."""
    return rendered(JobForgotten, job_id=job_id, message="the job is forgotten")
