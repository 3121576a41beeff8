"""Training runs that a worker has done, with few prompts: everything else is the real thing."""

import math
import tempfile
from dataclasses import replace
from pathlib import Path

from starlette.testclient import TestClient

from handler.lab.run import LabRun
from handler.lab.worker import LabWorker
from handler.wiring import Application
from model_layer.constitution.making import Making
from model_layer.constitution.plan import QUICK_DEMO
from model_layer.constitution.suites import Prompt, impact_prompts
from model_layer.constitution.watch import Watch

PLAN = replace(QUICK_DEMO, prompts=5, epochs=1)
ONE_OF_EACH = tuple({prompt.principle: prompt for prompt in impact_prompts()}.values())


def finished_run(client: TestClient, application: Application) -> str:
    """The id of a new run that has succeeded."""
    run_id = str(client.post("/api/constitution/runs", json={}).json()["run_id"])
    with tempfile.TemporaryDirectory() as work:
        lab, find = application.lab, application.catalog.folder
        worker = LabWorker(
            lab.store,
            lab.files,
            find,
            clock=application.clock,
            work_root=Path(work),
            lease_s=60,
            report=application.telemetry.worker_failed,
            make=make,
        )
        assert worker.work(run_id, seconds_left=lambda: math.inf) == "succeeded", lab.load(run_id).problem
    return run_id


def make(run: LabRun, base_folder: Path, work: Path, watch: Watch) -> Path | None:
    """As the worker does it, with a prompt of each principle."""
    prompts: tuple[Prompt, ...] = ONE_OF_EACH
    return Making(base_folder, PLAN, run.model_name, measured_prompts=prompts, samples=1).run(work, watch)
