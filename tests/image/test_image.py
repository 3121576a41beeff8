"""The image of Dockerfile.lambda, on a stand-in of AWS's base, run as hard as Lambda runs it."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.baked_models import make_baked_model
from tests.gate import is_gate
from tests.image import stand_in
from tests.image.engine import NoEngineError, docker, engine
from tests.image.hardened import AS_LAMBDA, EVENTS, FUNCTION, invoked, is_answer, running
from tests.image.layers import layers
from tests.image.sam_local import asked, local_api

ROOT = Path(__file__).parents[2]
READY_S = 60


@pytest.fixture(scope="module", autouse=True)
def _engine() -> Iterator[None]:
    """A container engine, or the reason why there is none; the gate has one."""
    try:
        with engine():
            docker_images()
            yield
    except NoEngineError as error:
        if is_gate() and os.geteuid() == 0 and shutil.which("apt-get"):
            raise
        pytest.skip(str(error))


def docker_images() -> None:
    """Make the stand-in and both targets on it, from a copy of what the image needs, with a tiny baked model."""
    if not (stand_in.SAM / "bin" / "sam").is_file():
        raise NoEngineError("the runtime emulator is needed: make .cache/sam/bin/sam")
    stand_in.main()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build context: the files that .dockerignore lets in, and a baked model."""
    folder = tmp_path_factory.mktemp("context")
    for name in ("handler", "model_layer"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "Dockerfile.lambda", ".dockerignore", "template.yaml"):
        shutil.copy(ROOT / name, folder / name)
    make_baked_model(folder / ".models" / "tiny")
    return folder


@pytest.fixture(scope="module")
def image(context: Path) -> str:
    """The target that Lambda runs."""
    return built(context, "serve")


def built(context: Path, target: str) -> str:
    """A target's tag, built by the plain builder."""
    tag = f"token-wheel-test:{target}"
    arguments = {"BASE_IMAGE": stand_in.TAG, "MODELS": "tiny", "MODELS_FROM": ".models"}
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    docker(
        "build", "--network=host", "-f", str(context / "Dockerfile.lambda"), "--target", target, *given, "-t", tag, str(context)
    )
    return tag


@pytest.fixture(scope="module")
def function(image: str) -> Iterator[str]:
    """A container that Lambda's emulator serves."""
    with running(*AS_LAMBDA, *FUNCTION, "--env=MODEL=tiny", image) as container:
        yield container


def within(image: str, program: str, *options: str) -> str:
    """What a program prints in a container of the image, as Lambda's user."""
    return docker("run", "--rm", *AS_LAMBDA, *options, "--entrypoint=python", image, "-c", program)


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_event_is_answered(function: str, path: Path) -> None:
    """Read-only, without a network, shared memory, home or rights; what needs AWS says so."""
    event = json.loads(path.read_text(encoding="utf-8"))
    answer = invoked(function, event)
    assert is_answer(event, answer), answer


def test_the_kernels_compute(image: str) -> None:
    """The library was built here and loads; NumPy alone would be several times slower."""
    assert within(image, "from model_layer.kernels.binding import library; print(library() is not None)").strip() == "True"


def test_nothing_is_left_of_the_build(image: str) -> None:
    """No compiler, no laboratory, no installer's cache, no tests."""
    program = """
import importlib.util, pathlib, shutil
print([name for name in ("torch", "transformers", "ziglang", "pytest", "tests") if importlib.util.find_spec(name)])
print([str(path) for path in map(pathlib.Path, ("/root/.cache", "/build", "/code", "/tmp/pip")) if path.exists()])
print([name for name in ("cc", "gcc", "clang", "make", "git") if shutil.which(name)])
"""
    assert within(image, program, "--user=0:0").splitlines() == ["[]"] * 3


def test_everything_is_readable_and_compiled(image: str) -> None:
    """By any user, whatever the modes were where it was built, and without writing bytecode."""
    program = """
import os, pathlib
for root in ("/opt/python", "/opt/models", "/var/task"):
    files = [path for path in pathlib.Path(root).rglob("*")]
    print(all(os.access(path, os.R_OK) for path in files), len(files) > 3)
sources = [path for path in pathlib.Path("/var/task").rglob("*.py")]
print(all(list((path.parent / "__pycache__").glob(path.stem + ".*.pyc")) for path in sources))
"""
    assert within(image, program).splitlines() == ["True True"] * 3 + ["True"]


def test_the_layers_go_from_stable_to_changing(image: str) -> None:
    """Packages, models, code."""
    sources = [layer.made_by for layer in layers(image, stand_in.TAG)]
    assert [next(part for part in ("/opt/python", "/opt/models", "/var/task") if part in one) for one in sources] == [
        "/opt/python",
        "/opt/models",
        "/var/task",
    ]


def test_it_is_a_plain_web_server_too(context: Path) -> None:
    """On $PORT, healthy by its own check, writing to a volume, until SIGTERM, after which it ends in good order."""
    as_server = [one for one in AS_LAMBDA if one != "--ipc=none"]
    arguments = (*as_server, "--volume=/data", "--env=PORT=9123", "--env=MODEL=tiny", "--health-interval=1s")
    with running(*arguments, built(context, "web")) as container:
        deadline = time.monotonic() + READY_S
        while state(container, ".State.Health.Status") != "healthy":
            assert time.monotonic() < deadline, docker("logs", container)
            time.sleep(0.2)
        docker("exec", container, "python", "-c", "open('/data/new', 'w')")
        docker("stop", "--time=30", container)
        assert state(container, ".State.ExitCode") == "0"


def test_sam_local_serves_a_session(context: Path) -> None:
    """Built by `sam build` from the template, then created, spun and undone through `sam local start-api`."""
    with local_api(context) as api:
        session = asked("POST", f"{api}/api/sessions", {"prompt": "Once upon a time"})["session_id"]
        assert asked("POST", f"{api}/api/sessions/{session}/spin", {"seed": 7})["version"] == 1
        assert asked("POST", f"{api}/api/sessions/{session}/undo")["current_text"] == "Once upon a time"


def state(container: str, field: str) -> str:
    """What docker knows of a container."""
    return docker("inspect", f"--format={{{{{field}}}}}", container).strip()
