"""`python -m handler.serve`: page and API on this machine, until SIGTERM or Ctrl-C."""

from typing import TYPE_CHECKING

from handler.starting import nothing_collected

if TYPE_CHECKING:
    from fastapi import FastAPI


def development_app() -> "FastAPI":
    """The app for `uvicorn --factory --reload handler.serve:development_app`."""
    from handler.api.app import create_app  # noqa: PLC0415 - as below
    from handler.wiring import application  # noqa: PLC0415

    if application().settings.run_jobs:
        application().background_worker().start()
    return create_app(application())


def main() -> None:
    """Serve with the settings of the environment; what keeps it from starting is one line and exit code 1."""
    with nothing_collected():
        from handler.server import started  # noqa: PLC0415 - what it imports is most of the start

        service = started()
    service.run()


if __name__ == "__main__":
    main()
