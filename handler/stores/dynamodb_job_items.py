"""The items of the jobs table: one partition for a job, its tasks and its results.

| pk        | sk                     | what                                                             |
|-----------|------------------------|------------------------------------------------------------------|
| JOB#<id>  | HEAD                   | the job                                                          |
| JOB#<id>  | TASK#<make>#000017     | a task, as JSON text                                             |
| JOB#<id>  | RESULT#<make>#000017   | the first result of the task                                     |

`make` is drawn by each create and stands in the head that it puts. What a create left that failed, and what an expired job
left under the same id, is reached by no head. `expires_at_epoch_s` is the table's TTL attribute and the same in all items
of a job. DynamoDB removes items days late, so every read and condition looks at the head's too.
"""

from typing import TYPE_CHECKING, Literal, get_args

from handler.jobs.job import Job, TaskResult
from handler.stores.codec import job_from, job_record
from handler.stores.dynamodb_items import FoundItem, Item, attribute, record_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Kind = Literal["TASK", "RESULT"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def head_key(job_id: str) -> Item:
    """The key of a job's head."""
    return {"pk": attribute(f"JOB#{job_id}"), "sk": attribute("HEAD")}


def key_of(item: FoundItem) -> Item:
    """The key of an item."""
    return {"pk": item["pk"], "sk": item["sk"]}


def head_item(job: Job, make: str) -> Item:
    """The item that `job_of` turns back into an equal job.

    `requests` is the job's total, whose own name is a reserved word of expressions. `counted` is done + failed, because a
    condition cannot add.
    """
    record = job_record(job)
    record |= {"requests": record.pop("total"), "counted": job.done + job.failed, "make": make}
    return head_key(job.id) | {name: attribute(value) for name, value in record.items() if value is not None}


def job_of(head: FoundItem) -> Job:
    """The job of a head item."""
    record = record_of(head)
    return job_from(record | {"total": record.get("requests")})


def task_key(head: FoundItem, index: int) -> Item:
    """The key of a task; keys sort as their indices do."""
    return {"pk": head["pk"], "sk": _numbered("TASK", head, f"{index:06d}")}


def task_item(head: FoundItem, index: int, body: str) -> Item:
    """A task, which expires with its job."""
    return {**task_key(head, index), "body": attribute(body), "expires_at_epoch_s": head["expires_at_epoch_s"]}


def result_key(head: FoundItem, index: int) -> Item:
    """The key of a task's result; keys sort as their indices do."""
    return {"pk": head["pk"], "sk": _numbered("RESULT", head, f"{index:06d}")}


def bounds(kind: Kind, head: FoundItem) -> tuple[Item, Item]:
    """Keys before and beyond those of all tasks or results, since ":" follows the digits."""
    first, last = (_numbered(kind, head, number) for number in ("", ":"))
    return {"pk": head["pk"], "sk": first}, {"pk": head["pk"], "sk": last}


def result_item(head: FoundItem, result: TaskResult) -> Item:
    """The item that `result_of` turns back into an equal result. It expires with its job."""
    counts = {name: attribute(int(getattr(result, name))) for name in ("done", "failed", "given_up")}
    key = result_key(head, result.index)
    return {**key, "body": attribute(result.body), **counts, "expires_at_epoch_s": head["expires_at_epoch_s"]}


def result_of(item: FoundItem) -> TaskResult:
    """The result of a result item."""
    done, failed = (int(item[name]["N"]) for name in ("done", "failed"))
    return TaskResult(index_of(item), item["body"]["S"], done, failed, is_given_up(item))


def is_given_up(item: FoundItem) -> bool:
    """Whether a result says that its task was given up."""
    return item["given_up"]["N"] == "1"


def index_of(item: FoundItem) -> int:
    """The index in the key of a task or a result."""
    return int(item["sk"]["S"].rpartition("#")[2])


def _numbered(kind: Kind, head: FoundItem, number: str) -> "AttributeValueTypeDef":
    return attribute(f"{kind}#{head['make']['S']}#{number}")
