"""Who may import whom: what serves loads neither torch nor the other layer's libraries."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.baked_models import make_baked_model
from tests.tiny_models import make_tiny_model

ROOT = Path(__file__).parents[2]
LAB = {"torch", "transformers", "safetensors", "huggingface_hub"}
LAMBDA = {"aws_lambda_function_memory_size": 1769}
WEB_AND_AWS = {"boto3", "botocore", "fastapi", "starlette", "pydantic", "mangum", "aws_lambda_powertools", "handler"}

RUN_A_MODEL = """
from pathlib import Path
from model_layer.language_model import LanguageModel
LanguageModel.open(Path({folder!r})).next_logits([1, 2, 3])
"""


def top_level_modules_after(program: str) -> set[str]:
    """The names of all packages that a fresh interpreter has loaded after the program."""
    report = "\nimport sys\nprint(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program + report], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def importing(modules: list[str]) -> str:
    """A program that imports them all."""
    assert modules
    return "\n".join(f"import {module}" for module in modules)


def modules_in(package: str, pattern: str) -> list[str]:
    """The modules of a package whose files match."""
    files = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / package).glob(pattern)]
    return sorted(".".join(file.parts) for file in files if file.name not in {"__init__", "__main__"})


def test_the_model_layer_serves_with_numpy_and_tokenizers_alone(tmp_path: Path) -> None:
    """All modules of the model layer but the reference, and a forward pass, load no laboratory, web or AWS library."""
    modules = [module for module in modules_in("model_layer", "*.py") if module != "model_layer.reference"]
    program = importing(modules) + RUN_A_MODEL.format(folder=str(make_tiny_model(tmp_path)))
    loaded = top_level_modules_after(program)
    assert loaded >= {"numpy", "tokenizers"}
    assert not loaded & (LAB | WEB_AND_AWS)


def test_the_handler_serves_without_the_laboratory() -> None:
    """No module of the handler loads torch, transformers or what bakes."""
    assert not top_level_modules_after(importing(modules_in("handler", "**/*.py"))) & LAB


def test_the_core_knows_no_web_and_no_aws() -> None:
    """The wheel loads no web and no AWS library: the doors and the stores know it, not it them."""
    loaded = top_level_modules_after(importing(modules_in("handler/wheel", "*.py")))
    assert not loaded & (WEB_AND_AWS - {"handler"})


def test_the_reference_does_load_torch() -> None:
    """The names that are looked for are those that a load leaves behind."""
    assert top_level_modules_after("import model_layer.reference") >= {"torch", "transformers"}


SERVE_ONE_WHEEL = """
from handler.api.app import create_app
from handler.settings import Settings
from handler.wiring import build
parts = build(Settings(model={folder!r}, data_folder={folder!r}, **{settings!r}))
create_app(parts)
parts.prime()
"""
AWS_CLIENT = {"boto3", "urllib3", "dateutil"}  # not botocore: Powertools loads the outermost of its packages
UNUSED = LAB | {
    "scipy",
    "pandas",
    "moto",
    "pytest",
    "hypothesis",
    "httpx",
    "requests",
    "rich",
    "websockets",
    "multipart",
    "jinja2",
}


def test_serving_loads_nothing_that_the_first_wheel_does_not_need(tmp_path: Path) -> None:
    """With SQLite: no AWS client, no door of Lambda, nothing of tests or training; the metrics are those of this machine."""
    folder = str(make_baked_model(tmp_path / "tiny"))
    program = "import handler.serve, handler.server, uvicorn" + SERVE_ONE_WHEEL.format(folder=folder, settings={})
    loaded = top_level_modules_after(program)
    assert loaded >= {"fastapi", "uvicorn", "numpy", "prometheus_client"}
    assert not loaded & (UNUSED | AWS_CLIENT | {"mangum"})


def test_lambda_loads_nothing_that_the_first_wheel_does_not_need(tmp_path: Path) -> None:
    """No server of its own, no metrics of a machine; and boto3 only where the sessions lie in DynamoDB."""
    folder = str(make_baked_model(tmp_path / "tiny"))
    program = "import handler.entrypoint" + SERVE_ONE_WHEEL.format(folder=folder, settings=LAMBDA)
    loaded = top_level_modules_after(program)
    assert loaded >= {"fastapi", "mangum", "numpy"}
    assert not loaded & (UNUSED | AWS_CLIENT | {"uvicorn", "prometheus_client"})


def test_the_client_of_dynamodb_is_loaded_with_its_store(tmp_path: Path) -> None:
    """The name that the laws above look for is the one that a load leaves behind."""
    folder = str(make_baked_model(tmp_path / "tiny"))
    settings = {"session_store": "dynamodb", "sessions_table": "sessions"}
    assert top_level_modules_after(SERVE_ONE_WHEEL.format(folder=folder, settings=settings)) >= AWS_CLIENT


@pytest.mark.parametrize("package", ["handler", "model_layer"])
def test_packages_are_there(package: str) -> None:
    """The laws above walk real folders."""
    assert len(modules_in(package, "**/*.py")) > 5
