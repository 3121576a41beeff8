"""Jobs of files in S3, from hand-in to manifest, by workers that die and messages that come often and in any order."""

import json
import math
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from handler.api.contracts.precision import PrecisionBody
from handler.jobs.answering import answer_all
from handler.jobs.desk import JobDesk
from handler.jobs.job import Delivery, Job
from handler.jobs.keeping import Keeping
from handler.jobs.opening import Opening
from handler.jobs.parts import Parts
from handler.jobs.reading import read_requests
from handler.jobs.result import RequestResult
from handler.jobs.worker import Worker
from handler.stores.s3 import S3Objects
from handler.stores.sqlite_queue import SqliteJobQueue
from handler.wheel.errors import SourceNotFoundError
from handler.wheel.ledger import Write
from handler.wiring import utc_now
from model_layer.catalog import ModelCatalog
from tests.api_client import make_settings
from tests.contract.session_values import local_session
from tests.dying_store import DyingStore, WorkerDiedError
from tests.memory_objects import LOCATION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET, FOLDER = LOCATION.removeprefix("s3://").split("/", 1)
SOURCE, OUTPUT = f"{LOCATION}input.jsonl", f"{LOCATION}out/"
BAD = [b"not JSON", b"\xff\xfe{}", b'{"prompt": ""}', b'{"prompt": "Once", "n": 99}', b"[]"]


@dataclass(frozen=True)
class Service:
    """What hands in, queues, keeps and works."""

    client: "S3Client"
    catalog: ModelCatalog
    store: DyingStore
    queue: SqliteJobQueue
    desk: JobDesk
    worker: Worker

    def put(self, content: bytes, name: str = "input.jsonl") -> None:
        """Put a file into the folder, by default that of the requests."""
        self.client.put_object(Bucket=BUCKET, Key=f"{FOLDER}{name}", Body=content)

    def submit(self) -> Job:
        """Hand in a job of that file."""
        return self.desk.submit_file(SOURCE, OUTPUT, model_name=None, name=None, write=Write())

    def file(self, job: Job, name: str) -> list[Any]:
        """The lines of a file of the job."""
        text = self.client.get_object(Bucket=BUCKET, Key=f"{prefix_of(job)}{name}")["Body"].read().decode()
        assert text.endswith("\n")
        return [json.loads(line) for line in text.splitlines()]

    def results(self, job: Job) -> list[Any]:
        """All results, in the order of the files that are listed."""
        return [result for part in self.file(job, "parts.jsonl") for result in self.file(job, part["file"])]

    def files(self, job: Job) -> set[str]:
        """The names of the job's files."""
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix_of(job)).get("Contents", [])
        return {one["Key"].removeprefix(prefix_of(job)) for one in found}


def prefix_of(job: Job) -> str:
    """What the keys of the job's files begin with."""
    assert job.folder is not None
    assert job.folder.startswith(OUTPUT)
    return job.folder.removeprefix(f"s3://{BUCKET}/")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service on SQLite and moto's S3."""
    settings = make_settings(tmp_path)
    catalog = ModelCatalog.discover((), wanted=settings.model, engine="numpy", prefix_cache_bytes=0)
    with ExitStack() as stack:
        stack.enter_context(mock_aws())
        client = local_session().client("s3")
        client.create_bucket(Bucket=BUCKET)
        store = stack.enter_context(closing(DyingStore(tmp_path / "jobs.sqlite3", clock=utc_now)))
        store.chance = random.Random(7)
        queue = stack.enter_context(closing(SqliteJobQueue(tmp_path / "queue.sqlite3", clock=utc_now)))
        objects = S3Objects(LOCATION, client=client)
        ignored = list[Exception]().append
        opening = Opening(store, catalog, queue, Parts(objects), settings, report=ignored)
        worker = Worker(store, catalog, opening, Keeping(store, Parts(objects), report=ignored), report=ignored)
        desk = JobDesk(store, queue, catalog, objects, clock=utc_now, settings=settings)
        yield Service(client, catalog, store, queue, desk, worker)


def work_off(service: Service, chance: random.Random) -> None:
    """Deliver every message one to four times, shuffled, and all again that were not finished, until none is left."""
    pending = service.queue.receive(1000)
    for _ in range(30):
        copies = [delivery for delivery in pending for _ in range(chance.randint(1, 4))]
        chance.shuffle(copies)
        finished: set[str] = set()
        while copies:
            batch, copies = copies[:3], copies[3:]
            finished |= worked(service, batch)
        service.queue.finish([delivery for delivery in pending if delivery.receipt in finished])
        pending = [delivery for delivery in pending if delivery.receipt not in finished] + service.queue.receive(1000)
    assert not pending, "some messages are never finished"


def worked(service: Service, batch: Sequence[Delivery]) -> set[str]:
    """The receipts of what a worker finished, before it died if it did."""
    finished: set[str] = set()
    with suppress(WorkerDiedError):
        for deliveries in service.worker.work(batch):
            finished |= {delivery.receipt for delivery in deliveries}
    return finished


def request(number: int) -> bytes:
    """A line of any kind: a wheel, completions with a seed or without, what is no request, or nothing."""
    if number % 23 == 0:
        return b" "
    if number % 19 == 0:
        return BAD[number // 19 % len(BAD)]
    fields: dict[str, Any] = {"prompt": "Once upon a time"[: 4 + number % 13], "settings": {"temperature": 0.5 + number % 3}}
    if number % 3:
        fields |= {"max_new_tokens": 1 + number % 5, "n": 1 + number % 2}
    if number % 3 == 2:
        fields["seed"] = f"class {number % 4}"
    return json.dumps(fields).encode()


CONTENT = b"\n".join(request(number) for number in range(300))
LINES = [line for line in CONTENT.split(b"\n") if line.strip()]


def alone(service: Service, job: Job, number: int) -> Any:
    """What a line gets that is answered alone."""
    model = service.catalog.get(job.model_name)
    line = {number: LINES[number].decode(errors="surrogateescape")}
    requests, refused = read_requests(line, model, seed=job.seed, limits=make_settings(Path()))
    precision = PrecisionBody.of(service.catalog.manifest(job.model_name))
    answers = [answer for answers in answer_all(model, requests) for _, answer in answers]
    results = [*refused.values(), *(RequestResult.of(number, requests[number], answer, precision) for answer in answers)]
    [text] = [result.text() for result in results]
    return json.loads(text)


def assert_close(found: Any, expected: Any) -> None:
    """Equal, but for the last digits of numbers."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        found, expected = list(found.values()), list(expected.values())
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for each, wanted in zip(found, expected, strict=True):
            assert_close(each, wanted)
    elif isinstance(expected, float):
        assert math.isclose(found, expected, rel_tol=1e-4, abs_tol=1e-4)
    else:
        assert found == expected


@pytest.mark.parametrize("danger", [0.0, 0.4])
def test_every_line_has_its_result_once(service: Service, danger: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """However messages come and workers die, each line has the one result that it gets alone, and is counted once."""
    # NumPy's last digits depend on the batch: of all seeds, some draw so near a border that another token comes.
    monkeypatch.setattr("handler.jobs.desk.secrets.token_hex", lambda _: "5eed")
    service.put(CONTENT)
    job = service.submit()
    service.store.danger = danger
    work_off(service, random.Random(3))
    assert (service.store.deaths > 3) == (danger > 0)
    results = service.results(job)
    assert [result["index"] for result in results] == list(range(len(LINES)))
    for number, result in enumerate(results):
        assert_close(result, alone(service, job, number))
    failed = [result for result in results if result["kind"] == "error"]
    done = service.store.load(job.id)
    assert (done.state, done.total, done.done, done.failed) == ("completed", len(LINES), len(LINES) - len(failed), len(failed))
    assert 10 < len(failed) < 20
    counts = {"requests": done.total, "done": done.done, "failed": done.failed}
    manifest = {"job_id": job.id, "model": job.model_name, **counts, "parts": "parts.jsonl"}
    assert service.file(job, "manifest.json") == [manifest]
    parts = [part["file"] for part in service.file(job, "parts.jsonl")]
    assert service.files(job) == {"manifest.json", "parts.jsonl", *parts}
    assert len(parts) == 5


def test_death_between_writing_and_keeping(service: Service) -> None:
    """A worker that dies when it has written its results and not kept them leaves a file that the next one does not touch."""
    service.put(CONTENT)
    job = service.submit()
    service.queue.finish([delivery for delivery in service.queue.receive(1) if worked(service, [delivery])])
    [delivery] = service.queue.receive(1)
    service.store.danger = 1
    assert worked(service, [delivery]) == set()
    assert service.store.load(job.id).done == 0
    [part, *_] = service.file(job, "parts.jsonl")
    assert part["file"] in service.files(job)
    service.put(b'"first"\n', f"{prefix_of(job).removeprefix(FOLDER)}{part['file']}")
    service.store.danger = 0
    assert worked(service, [delivery]) == {delivery.receipt}
    assert service.file(job, part["file"]) == ["first"]
    head = service.store.load(job.id)
    assert head.done + head.failed == part["count"]


def test_two_jobs_of_one_file(service: Service) -> None:
    """Two jobs with the same input and output have files of their own, and different seeds."""
    service.put(b"\n".join(LINES[:80]))
    jobs = [service.submit(), service.submit()]
    work_off(service, random.Random(5))
    first, second = (service.results(job) for job in jobs)
    assert len(first) == len(second) == 80
    assert [result["kind"] for result in first] == [result["kind"] for result in second]
    assert first != second


def test_parts_done_before_the_total_is_known(service: Service) -> None:
    """A job whose parts were all done before it was noted how many requests it has is complete when that is noted."""
    service.put(CONTENT)
    job = service.submit()
    [division] = service.queue.receive(1)
    service.store.danger = 1
    assert worked(service, [division]) == set()
    service.store.danger = 0
    assert len(worked(service, service.queue.receive(1000))) == 5
    assert worked(service, [division]) == {division.receipt}
    assert "manifest.json" in service.files(job)


def test_empty_file_is_a_complete_job(service: Service) -> None:
    """A file without a request is a job that has nothing to do, and is done."""
    service.put(b"\n \n")
    job = service.submit()
    work_off(service, random.Random(1))
    assert service.store.load(job.id).state == "completed"
    assert service.file(job, "manifest.json")[0]["requests"] == 0


@pytest.mark.parametrize("content", [b"x" * 70_000, b"\n" * 100_001])
def test_hopeless_file_ends_its_job(service: Service, content: bytes) -> None:
    """A file that cannot be divided ends its job at once, with no file written."""
    service.put(content)
    job = service.submit()
    work_off(service, random.Random(1))
    assert service.store.load(job.id).state == "cancelled"
    assert service.files(job) == set()


@pytest.mark.parametrize("divided", [False, True])
def test_changed_file_ends_its_job(service: Service, divided: bool) -> None:
    """A file that is changed before it was divided, or before it was all read, ends its job: no two versions are mixed."""
    service.put(CONTENT)
    job = service.submit()
    if divided:
        service.queue.finish([delivery for delivery in service.queue.receive(1) if worked(service, [delivery])])
    service.put(CONTENT + b"\n{}")
    work_off(service, random.Random(1))
    assert service.store.load(job.id).state == "cancelled"
    assert service.files(job) <= {"parts.jsonl"}


@pytest.mark.parametrize(
    ("source", "output", "field"),
    [(SOURCE, "s3://other/out/", "output"), ("s3://other/in", OUTPUT, "input"), (SOURCE, OUTPUT, "input")],
)
def test_files_elsewhere_make_no_job(service: Service, source: str, output: str, field: str) -> None:
    """A file that is not there, or a name outside the server's folder, is refused at the desk, and its field is named."""
    with pytest.raises(SourceNotFoundError, match=f"^{field} "):
        service.desk.submit_file(source, output, model_name=None, name=None, write=Write())
    assert service.queue.receive(1) == []
