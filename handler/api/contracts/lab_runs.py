"""Training runs of the lab on the wire: start, look up, take up again, remove."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from handler.api.contracts.settings import ClosedBody
from handler.lab.run import Activity, LabRun, Point, Status
from model_layer.constitution.plan import Plan


class StartRunRequest(ClosedBody):
    """What to train, and how long."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"plan": "quick_demo"}]}, protected_namespaces=())

    plan: Literal["quick_demo", "standard"] = "quick_demo"
    base: str | None = Field(default=None, description="a model with probes; the default model without it")


class PlanBody(BaseModel):
    """How long and how fast a run learns. Each of its two phases, SFT and DPO, lasts `epochs`; `batch` counts pairs."""

    name: str
    prompts: int
    epochs: int
    batch: int
    sft_learning_rate: float
    dpo_learning_rate: float
    beta: float

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The wire form of a plan."""
        return cls(**{field: getattr(plan, field) for field in cls.model_fields})


class PlansBody(BaseModel):
    """The plans that there are."""

    plans: list[PlanBody]


class PointBody(BaseModel):
    """A step of the loss curve: `loss` and `margin` in nats; only DPO has a margin."""

    phase: Literal["sft", "dpo"]
    step: int
    loss: float
    margin: float | None

    @classmethod
    def of(cls, point: Point) -> Self:
        """The wire form of a point."""
        return cls(phase=point.phase, step=point.step, loss=point.loss, margin=point.margin)


class RunHead(BaseModel):
    """A run. `step` of `steps` are done, both phases together; `eta_s` is null while nothing is known of it."""

    model_config = ConfigDict(protected_namespaces=())

    run_id: str
    status: Status
    activity: Activity = Field(description="what the worker does, or did last")
    base: str
    plan: str
    model_name: str = Field(description="the model that comes of it; it can be used once the run has succeeded")
    created_at: datetime
    step: int
    steps: int | None
    eta_s: float | None
    attempts: int = Field(description="how often a worker has begun or taken it up")
    stalled: bool = Field(description="no worker has it now, though one had: it waits to be taken up again")
    problem: str | None = Field(description="the code of what a failed run failed at")


class RunView(RunHead):
    """A run with its loss curve."""

    curve: list[PointBody]


class RunsBody(BaseModel):
    """The runs that there are, the newest first."""

    runs: list[RunHead]


class RunRemoved(BaseModel):
    """A run that is gone, with its model and its files."""

    run_id: str
    message: str


class FileBody(BaseModel):
    """A file of a finished model."""

    name: str
    bytes: int
    sha256: str


class FilesBody(BaseModel):
    """The files of a finished model: a Hugging Face folder."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    files: list[FileBody]


def head_fields(run: LabRun, *, now: datetime) -> dict[str, object]:
    """The fields of a run's head."""
    same = ("status", "activity", "base", "plan", "model_name", "created_at", "step", "steps", "eta_s", "problem")
    stalled = run.status == "running" and run.waits_at(now)
    return {"run_id": run.id, "attempts": run.leases, "stalled": stalled, **{name: getattr(run, name) for name in same}}
