"""`python -m handler.lab`: trains what students ask for, beside a server on the same data folder, until SIGTERM or Ctrl-C."""

import argparse
import importlib.util
import signal
import sys
import threading

from handler.lab.run import LabRun
from handler.starting import nothing_collected
from model_layer.constitution.plan import Progress


def main() -> None:
    """Work with the settings of the environment; what keeps it from starting is one line and exit code 1."""
    once = _arguments().once
    if importlib.util.find_spec("torch") is None:
        raise SystemExit("training needs torch, which is not installed here: run make run-lab")
    with nothing_collected():
        from handler.lab.polling import Polling  # noqa: PLC0415 - --help and the line above need none of these
        from handler.settings import Settings  # noqa: PLC0415
        from handler.wiring import build  # noqa: PLC0415
        from model_layer.errors import ModelLayerError  # noqa: PLC0415
    try:
        parts = build(Settings.or_exit())
    except ModelLayerError as error:
        raise SystemExit(str(error)) from None
    polling = Polling(
        parts.lab.store,
        parts.lab_worker(announced),
        clock=parts.clock,
        stopping=stopping_at_signals(),
        report=parts.telemetry.worker_failed,
    )
    say("ready: training runs are taken as they come")
    polling.work(once=once, ended=lambda name, outcome: say(f"{name}: {outcome}"))
    parts.close()


def announced(run: LabRun, what: str | Progress) -> None:
    """Say what is being done with a run."""
    if isinstance(what, Progress):
        margin = "" if what.margin is None else f", margin {what.margin:.3f}"
        what = f"{what.phase} step {what.step} of {what.steps}, loss {what.loss:.4f}{margin}, {what.eta_s:.0f} s left"
    say(f"{run.model_name}: {what}")


def say(line: str) -> None:
    """Write a line for whoever watches."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def stopping_at_signals() -> threading.Event:
    """What the first SIGTERM or Ctrl-C sets; the second one ends the process, and loses no more than a few steps."""
    stopping = threading.Event()
    signals = (signal.SIGTERM, signal.SIGINT)

    def stop(*_: object) -> None:
        stopping.set()
        for number in signals:
            signal.signal(number, signal.SIG_DFL)

    for number in signals:
        signal.signal(number, stop)
    return stopping


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m handler.lab", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when no run waits any more")
    return parser.parse_args()


if __name__ == "__main__":
    main()
