"""A server that is ready to run: its port taken, its model primed, its app made."""

import socket
import sys
from typing import TYPE_CHECKING

from pydantic import ValidationError

from handler.settings import Settings
from handler.wiring import build
from model_layer.errors import ModelLayerError

if TYPE_CHECKING:
    from uvicorn import Server

GRACE_S = 10  # for requests that are under way when the server is told to stop


def started() -> "tuple[Server, socket.socket]":
    """The server and its socket, by the settings of the environment. Raises SystemExit with one line that says what is wrong."""
    try:
        settings = Settings.from_environment()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors())
        raise SystemExit(f"wrong settings: {wrong}") from None
    try:
        listener = bound_socket(settings)
    except OSError as error:
        raise SystemExit(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
    try:
        return prepared(settings, listener), listener
    except ModelLayerError as error:
        raise SystemExit(str(error)) from None


def bound_socket(settings: Settings) -> socket.socket:
    """The port of the settings, taken but not yet listened on: whoever connects finds a server that is ready. Raises OSError."""
    bound = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it: a body goes out at once, and does not wait 40 ms for the receiver's word on its headers.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.bind((settings.host, settings.port))
    except OSError:
        bound.close()
        raise
    return bound


def prepared(settings: Settings, listener: socket.socket) -> "Server":
    """The server, its model primed. Raises ModelNotFoundError or ModelNotLoadableError."""
    parts = build(settings)
    parts.model()  # opened first: its file is read ahead while the web's side is imported
    import uvicorn  # noqa: PLC0415

    from handler.api.app import create_app  # noqa: PLC0415

    config = uvicorn.Config(
        create_app(parts),
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,  # ours has no paths and no queries in it
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE_S,
    )
    parts.prime()
    port = listener.getsockname()[1]
    sys.stdout.write(f"Token Wheel with {parts.catalog.default}: http://{settings.host}:{port}{settings.base_path}/\n")
    sys.stdout.flush()
    return uvicorn.Server(config)
