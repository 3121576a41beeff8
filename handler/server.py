"""A server that is ready to run: its port taken, its model primed, its app made."""

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handler.jobs.background import BackgroundWorker
from handler.settings import Settings
from handler.wiring import Application, build
from model_layer.errors import ModelLayerError

if TYPE_CHECKING:
    from uvicorn import Server

GRACE_S = 10  # for requests that are under way when the server is told to stop


@dataclass(frozen=True, slots=True)
class Service:
    """A server, its socket, and the worker of its jobs, if it has one."""

    parts: Application
    server: "Server"
    listener: socket.socket
    jobs: BackgroundWorker | None

    def run(self) -> None:
        """Serve until SIGTERM or Ctrl-C. What the worker has not finished then is taken up at the next start."""
        # The server, once it has ended in good order, raises the signal again; by default that would end the process at once.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with self.listener, closing(self.parts), self._jobs_done(), suppress(KeyboardInterrupt):
            self.server.run(sockets=[self.listener])

    @contextmanager
    def _jobs_done(self) -> Iterator[None]:
        """Work jobs off in the meantime."""
        if self.jobs is None:
            yield
            return
        self.jobs.start()
        try:
            yield
        finally:
            self.jobs.stop(within_s=GRACE_S)


def started() -> Service:
    """The service by the settings of the environment. Raises SystemExit with one line that says what is wrong."""
    settings = Settings.or_exit()
    try:
        listener = bound_socket(settings)
    except OSError as error:
        raise SystemExit(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
    try:
        parts = build(settings)
        return Service(parts, prepared(parts, listener), listener, parts.background_worker() if settings.run_jobs else None)
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


def prepared(parts: Application, listener: socket.socket) -> "Server":
    """The server, its model primed. Raises ModelNotFoundError or ModelNotLoadableError."""
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
    port, settings = listener.getsockname()[1], parts.settings
    sys.stdout.write(f"Token Wheel with {parts.catalog.default}: http://{settings.host}:{port}{settings.base_path}/\n")
    sys.stdout.flush()
    return uvicorn.Server(config)
