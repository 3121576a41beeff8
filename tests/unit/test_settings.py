"""Laws of the settings."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from handler.settings import Settings

ROOT = Path(__file__).parents[2]


def test_an_empty_environment_gives_the_defaults() -> None:
    """Nothing has to be set to serve."""
    assert Settings.from_environment({}) == Settings()


def test_an_empty_variable_counts_as_not_set() -> None:
    """SAM and Compose hand over declared but unset variables as empty strings."""
    empty = {name.upper(): "" for name in Settings.model_fields}
    assert Settings.from_environment(empty) == Settings()


def test_every_field_is_read_from_its_variable() -> None:
    """A field's variable is its own name in capitals, and lists are split."""
    settings = Settings.from_environment(
        {"MODEL": "gpt2", "MODELS_FOLDERS": "a:b", "PORT": "0", "CORS_ORIGINS": "https://one.example, http://localhost:5173 ,"}
    )
    assert settings.model == "gpt2"
    assert settings.models_folders == (Path("a"), Path("b"))
    assert settings.port == 0
    assert settings.cors_origins == ("https://one.example", "http://localhost:5173")


def test_other_variables_are_ignored() -> None:
    """The environment holds more than settings."""
    assert Settings.from_environment({"PATH": "/bin", "HOME": "/"}) == Settings()


@pytest.mark.parametrize(
    "environment",
    [
        {"PORT": "70000"},
        {"PORT": "many"},
        {"ENGINE": "abacus"},
        {"SESSION_STORE": "memory"},
        {"SESSION_STORE": "dynamodb"},
        {"SESSION_IDLE_TTL_S": "0"},
        {"MAX_TURNS": "-1"},
        {"CORS_ORIGINS": "*"},
        {"BASE_PATH": "prod/"},
        {"LOG_LEVEL": "LOUD"},
        {"JOBS_LOCATION": "bucket"},
        {"JOBS_LOCATION": "s3://bucket"},
        {"JOBS_LOCATION": "s3://bucket/folder"},
        {"JOBS_LOCATION": "s3://bucket//"},
        {"JOBS_LOCATION": "s3://bucket/\n"},
    ],
)
def test_a_wrong_value_is_refused(environment: dict[str, str]) -> None:
    """A setting outside its bounds stops the start, an open CORS policy too."""
    with pytest.raises(ValidationError):
        Settings.from_environment(environment)


@pytest.mark.parametrize("location", ["s3://bucket/", "s3://bucket/folder/", "s3://my.bucket-2/a/B_c/"])
def test_a_place_for_files_is_a_folder(location: str) -> None:
    """Of a bucket, or the whole bucket."""
    assert Settings.from_environment({"JOBS_LOCATION": location}).jobs_location == location


def test_a_wrong_place_for_files_is_told_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of whoever sets it."""
    monkeypatch.setenv("JOBS_LOCATION", "s3://bucket/folder")
    with pytest.raises(SystemExit, match=r"JOBS_LOCATION: wanted: s3://bucket/ or s3://bucket/folder/$"):
        Settings.or_exit()


@pytest.mark.parametrize(("memory", "threads"), [("128", 1), ("1769", 1), ("3008", 1), ("3538", 2), ("10240", 5)])
def test_threads_follow_the_memory_on_lambda(memory: str, threads: int) -> None:
    """Lambda shows more cores than it gives time on: 1,769 MB are one."""
    settings = Settings.from_environment({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory})
    assert settings.on_lambda
    assert settings.compute_threads == threads
    assert settings.model_copy(update={"threads": 7}).compute_threads == 7


def test_off_lambda_all_cores_compute() -> None:
    """A laptop's own cores are all its own."""
    assert not Settings().on_lambda
    assert Settings().compute_threads >= 1


def test_settings_are_frozen() -> None:
    """No code changes a setting after the start."""
    with pytest.raises(ValidationError):
        Settings().port = 1


def test_the_environment_is_read_in_one_file() -> None:
    """`os.environ` and `getenv` appear in settings.py and nowhere else in the handler."""
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "handler").rglob("*.py")
        if re.search(r"os\.environ|getenv|from os import", path.read_text())
    }
    assert readers == {"handler/settings.py"}


def test_importing_needs_no_environment_and_no_training_library() -> None:
    """Every module of the handler imports in a bare environment, and none brings torch or transformers."""
    modules = [
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for path in sorted((ROOT / "handler").rglob("*.py"))
        if path.name not in {"__init__.py", "__main__.py"}
    ]
    program = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
