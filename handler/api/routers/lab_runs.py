"""Training runs of the lab: start, watch, take up again, report, download, remove."""

import json
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import FileResponse, RedirectResponse, Response

from handler.api.answers import json_response, rendered
from handler.api.contracts.lab_reports import ReportBody
from handler.api.contracts.lab_runs import (
    FileBody,
    FilesBody,
    PlanBody,
    PlansBody,
    PointBody,
    RunHead,
    RunRemoved,
    RunsBody,
    RunView,
    StartRunRequest,
    head_fields,
)
from handler.api.documents import WRONG_BODY, answers, failures, text_header
from handler.api.lab_reports import REPORT_FILES, report_of, table_of
from handler.api.problems import WRONG_REQUEST
from handler.api.requests import App, BeginConditions, RootPath, is_uuid
from handler.lab.errors import (
    FilesGoneError,
    LabOffError,
    RunFileNotFoundError,
    RunNotFinishedError,
    RunNotFoundError,
    TooManyRunsError,
)
from handler.lab.run import LabRun
from handler.wheel.errors import IdempotencyKeyReusedError, StoreUnavailableError
from handler.wiring import Application
from model_layer.constitution.errors import NoProbeError
from model_layer.constitution.plan import PLANS
from model_layer.errors import ModelNotFoundError, ModelNotLoadableError
from model_layer.manifest import MANIFEST_FILE, Manifest

router = APIRouter(tags=["lab runs"])

FAILURES = (RunNotFoundError, StoreUnavailableError, WRONG_REQUEST)
FINISHED = (*FAILURES, RunNotFinishedError, FilesGoneError)
NOT_STARTED = (LabOffError, TooManyRunsError, IdempotencyKeyReusedError, StoreUnavailableError)
START_FAILURES = (NoProbeError, ModelNotFoundError, ModelNotLoadableError, *NOT_STARTED)
LOCATION = text_header("where the run is")
CSV = {"text/csv": {"schema": {"type": "string"}}}
FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


async def run_id_of(run_id: Annotated[str, Path(description="a uuid")]) -> str:
    """The id in its one spelling. Raises RunNotFoundError for what cannot be one."""
    if not is_uuid(run_id):
        raise RunNotFoundError
    return run_id.lower()


RunId = Annotated[str, Depends(run_id_of)]
After = Annotated[int, Query(ge=0, le=1_000_000, description="only points of the curve beyond this step")]
ReportForm = Annotated[Literal["json", "csv"], Query(alias="format")]


@router.get("/api/constitution/plans", responses=answers(PlansBody))
def list_plans() -> Response:
    """The plans that a run can follow."""
    return json_response(rendered(PlansBody, plans=[PlanBody.of(plan) for plan in PLANS.values()]))


@router.post(
    "/api/constitution/runs",
    status_code=202,
    responses=answers(
        RunHead,
        *START_FAILURES,
        *WRONG_BODY,
        status=202,
        description="The run is accepted; a worker of the lab does it.",
        headers={"Location": LOCATION},
    ),
)
def start_run(body: StartRunRequest, application: App, write: BeginConditions, root_path: RootPath) -> Response:
    """Fine-tune a model on the constitution. The same key starts one run."""
    run = application.lab.start(body.plan, body.base or application.catalog.default, write)
    response = json_response(rendered(RunHead, **_head(run, application)), 202)
    response.headers["Location"] = f"{root_path}/api/constitution/runs/{run.id}"
    return response


@router.get("/api/constitution/runs", responses=answers(RunsBody, StoreUnavailableError))
def list_runs(application: App) -> Response:
    """All runs, the newest first."""
    return json_response(
        rendered(RunsBody, runs=[RunHead.model_validate(_head(run, application)) for run in application.lab.all()])
    )


@router.get("/api/constitution/runs/{run_id}", responses=answers(RunView, *FAILURES))
def get_run(run_id: RunId, application: App, after: After = 0) -> Response:
    """How far a run is, and its loss curve beyond a step: ask again with the last step that you have."""
    run = application.lab.load(run_id)
    curve = [PointBody.of(point) for point in run.curve if point.step > after]
    return json_response(rendered(RunView, **_head(run, application), curve=curve))


@router.post("/api/constitution/runs/{run_id}/resume", status_code=202, responses=answers(RunHead, *FAILURES, status=202))
def resume_run(run_id: RunId, application: App) -> Response:
    """Have a run that waits, or whose worker is gone, taken up from its last checkpoint. One that is at work stays as it is."""
    return json_response(rendered(RunHead, **_head(application.lab.resume(run_id), application)), 202)


@router.delete("/api/constitution/runs/{run_id}", responses=answers(RunRemoved, *FAILURES))
def remove_run(run_id: RunId, application: App) -> Response:
    """Remove a run with its checkpoints and its model. A worker that is at it stops at its next step."""
    run = application.lab.remove(run_id)
    return json_response(rendered(RunRemoved, run_id=run.id, message="the run and its model are removed"))


@router.get(
    "/api/constitution/runs/{run_id}/report",
    responses=answers(ReportBody, *FINISHED, NoProbeError, ModelNotFoundError, others=CSV),
)
def get_report(run_id: RunId, application: App, form: ReportForm = "json") -> Response:
    """What a finished run learnt and changed: every figure with its interval and its judge."""
    run = application.lab.load(run_id)
    files = {name: application.lab.read(run, name) for name in REPORT_FILES}
    report = report_of(run, files, application.judges.probes(run.base))
    if form == "json":
        return json_response(report.model_dump_json())
    attached = {"Content-Disposition": f'attachment; filename="{run.model_name}.csv"'}
    return Response(table_of(report.impact), headers=attached, media_type="text/csv")


@router.get("/api/constitution/runs/{run_id}/files", responses=answers(FilesBody, *FINISHED))
def list_files(run_id: RunId, application: App) -> Response:
    """The files of a finished model, with their hashes."""
    run = application.lab.load(run_id)
    records = _manifest(run, application).files
    files = [FileBody(name=name, bytes=one.bytes, sha256=one.sha256) for name, one in records.items()]
    return json_response(rendered(FilesBody, model_name=run.model_name, files=files))


@router.get(
    "/api/constitution/runs/{run_id}/files/{name}",
    response_class=Response,
    responses={
        200: {"description": "The file.", "content": FILE},
        307: {"description": "Where the file is, for some minutes."},
        **failures(*FINISHED, RunFileNotFoundError),
    },
)
def get_file(run_id: RunId, name: str, application: App) -> Response:
    """One file of a finished model. On Lambda, whose answers are small, the answer leads to where it lies."""
    run = application.lab.load(run_id)
    if name != MANIFEST_FILE and name not in _manifest(run, application).files:
        raise RunFileNotFoundError
    link = application.lab.link(run, name)
    if link is not None:
        return RedirectResponse(link)
    return FileResponse(application.lab.model_folder(run) / name, filename=f"{run.model_name}-{name}")


def _head(run: LabRun, application: Application) -> dict[str, object]:
    return head_fields(run, now=application.clock())


def _manifest(run: LabRun, application: Application) -> Manifest:
    return Manifest.from_json(json.loads(application.lab.read(run, MANIFEST_FILE)))
