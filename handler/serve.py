"""`python -m handler.serve`: page and API on this machine, until SIGTERM or Ctrl-C."""

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from handler.api.app import create_app
from handler.settings import Settings
from handler.wiring import application, build
from model_layer.errors import ModelLayerError

GRACE_S = 10  # for requests that are under way when the server is told to stop


def development_app() -> FastAPI:
    """The app for `uvicorn --factory --reload handler.serve:development_app`."""
    return create_app(application())


def serve(settings: Settings) -> None:
    """Serve until told to stop. The port is taken first and the model primed next: whoever connects finds it ready.

    Raises ModelNotFoundError or ModelNotLoadableError.
    """
    parts = build(settings)
    config = uvicorn.Config(
        create_app(parts),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # ours has no paths and no queries in it
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE_S,
    )
    socket = config.bind_socket()
    parts.prime()
    port = socket.getsockname()[1]
    sys.stdout.write(f"Token Wheel with {parts.catalog.default}: http://{settings.host}:{port}{settings.base_path}/\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[socket])


def main() -> None:
    """Serve with the settings of the environment; what keeps it from starting is one line and exit code 1."""
    try:
        serve(Settings.from_environment())
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors())
        raise SystemExit(f"wrong settings: {wrong}") from None
    except ModelLayerError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
