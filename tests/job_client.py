"""Jobs over HTTP, with a worker that is run by hand."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from starlette.testclient import TestClient

from handler.jobs.job import Delivery, TaskResult
from handler.jobs.result import RequestResult
from handler.wheel.errors import GivenUpError
from handler.wiring import Application

WHEEL: dict[str, Any] = {"prompt": "The fox said"}
COMPLETION: dict[str, Any] = {"prompt": "Once upon a time", "max_new_tokens": 6, "n": 2, "settings": {"top_k": 40}}


def hand_in(client: TestClient, *requests: dict[str, Any], **fields: Any) -> str:
    """The id of a new job of these requests."""
    answer = client.post("/api/jobs", json={"requests": requests, **fields})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def delivered(application: Application) -> list[Delivery]:
    """All messages that are waiting."""
    return application.queue.receive(10_000)


def steps_of(application: Application, deliveries: list[Delivery] | None = None) -> Iterator[None]:
    """Run the worker on messages, on all that are waiting if none are given, step by step."""
    for finished in application.worker.work(delivered(application) if deliveries is None else deliveries):
        application.queue.finish(finished)
        yield


def work_off(application: Application, deliveries: list[Delivery] | None = None) -> None:
    """Run the worker to the end: on the messages given, or on all that are waiting and those that it makes of these."""
    while deliveries is None and (waiting := delivered(application)):
        deque(steps_of(application, waiting), maxlen=0)
    deque(steps_of(application, deliveries or []), maxlen=0)


def give_up(application: Application, job_id: str, index: int) -> None:
    """Keep the result of a request whose every attempt failed."""
    failed = RequestResult.failed(index, GivenUpError())
    store = application.desk.store
    store.keep(store.load(job_id), [TaskResult(index, failed.text(), done=0, failed=1)])


def done(client: TestClient, application: Application, *requests: dict[str, Any], **fields: Any) -> str:
    """The id of a job whose requests have their results."""
    job_id = hand_in(client, *requests, **fields)
    work_off(application)
    assert look(client, job_id)["state"] == "completed"
    return job_id


def look(client: TestClient, job_id: str, **query: Any) -> dict[str, Any]:
    """A job with a page of its results."""
    answer = client.get(f"/api/jobs/{job_id}", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def pages(client: TestClient, job_id: str, limit: int) -> list[list[dict[str, Any]]]:
    """The results of a job, page by page."""
    found, after = [], -1
    while after is not None:
        body = look(client, job_id, after=after, limit=limit)
        found.append(body["results"])
        after = body["next_after"]
    return found
