"""Every setting of the service in one frozen value, read from the environment here and nowhere else."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

MEGABYTE = 1024 * 1024
MEGABYTES_OF_ONE_CPU = 1769  # Lambda's share: 1,769 MB of memory buy the time of one virtual CPU


def _parts(value: str, separator: str) -> list[str]:
    return [part.strip() for part in value.split(separator) if part.strip()]


def _split(separator: str) -> BeforeValidator:
    """Read a separated list, as environment variables hold it."""
    return BeforeValidator(lambda value: _parts(value, separator) if isinstance(value, str) else value)


Folders = Annotated[tuple[Path, ...], _split(os.pathsep)]
LOCATION = re.compile(r"s3://[a-z0-9.-]{3,63}/([A-Za-z0-9._-]+/)*")


def _location(value: str) -> str:
    if not LOCATION.fullmatch(value):
        raise PydanticCustomError("location", "wanted: s3://bucket/ or s3://bucket/folder/")
    return value


Origin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$")]
Location = Annotated[str, AfterValidator(_location)]
Origins = Annotated[tuple[Origin, ...], _split(",")]


class Settings(BaseModel):
    """Each field is the environment variable of the same name in capitals; what is not given has the default here."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str | None = Field(default=None, description="name or folder of the model to serve")
    models_folders: Folders = Field(default=(Path("/opt/models"), Path(".models")), description="where model folders lie")
    engine: Literal["kernel", "numpy", "transformers"] = "kernel"
    threads: int | None = Field(default=None, ge=1, le=256, description="threads of a matrix product")
    prefix_cache_mb: int = Field(default=256, ge=0, le=65_536)

    session_store: Literal["sqlite", "dynamodb"] = "sqlite"
    sessions_table: str | None = Field(default=None, description="the table's name; needed for dynamodb")
    data_folder: Path = Path(".data")
    session_idle_ttl_s: int = Field(default=3600, ge=60, le=86_400)
    session_max_age_s: int = Field(default=7 * 86_400, ge=60, le=30 * 86_400)
    max_turns: int = Field(default=512, ge=1, le=1024)

    job_store: Literal["sqlite", "dynamodb"] = "sqlite"
    jobs_table: str | None = Field(default=None, description="the table's name; needed for dynamodb")
    job_queue: Literal["sqlite", "sqs"] = "sqlite"
    job_queue_url: str | None = Field(default=None, description="the queue's URL; needed for sqs")
    jobs_location: Location | None = Field(
        default=None,
        description="the folder of a bucket in which files of requests and results may lie; without it there are no such jobs",
    )
    job_ttl_s: int = Field(default=86_400, ge=60, le=30 * 86_400)
    run_jobs: bool = Field(default=True, description="whether a server works jobs off in its own process")
    max_job_requests: int = Field(default=1000, ge=1, le=1000)

    lab_store: Literal["sqlite", "dynamodb"] = "sqlite"
    lab_table: str | None = Field(default=None, description="the table's name; needed for dynamodb")
    lab_location: Location | None = Field(
        default=None, description="the folder of a bucket in which files of training runs lie; without it in data_folder"
    )
    lab_function_name: str | None = Field(
        default=None, description="name or ARN of the function that trains; without it `python -m handler.lab` does"
    )
    lab_lease_s: int = Field(default=60, ge=5, le=900, description="how long a worker that was killed keeps its run")

    body_bytes: int = Field(default=16 * 1024, ge=1024, le=MEGABYTE)
    batch_body_bytes: int = Field(default=256 * 1024, ge=1024, le=4 * MEGABYTE)
    prompt_characters: int = Field(default=2000, ge=1, le=100_000)
    max_batch: int = Field(default=64, ge=1, le=64)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535, description="0 takes any free port")
    base_path: str = Field(
        default="", pattern=r"^(/[A-Za-z0-9._~-]+)*$", description="prefix that a proxy in front puts before every path"
    )
    cors_origins: Origins = Field(default=(), description="other sites whose pages may call the API; none by default")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    warm_up_alias: str = Field(default="live", pattern=r"^[A-Za-z0-9_-]+$", description="the alias whose environments are warmed")
    aws_lambda_function_name: str | None = Field(default=None, description="set by Lambda")
    aws_lambda_function_memory_size: int | None = Field(default=None, ge=128, description="set by Lambda, in MB")
    new_version: str | None = Field(default=None, description="what the check before traffic tries: a version's ARN")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings from `environment` (default: this process's). An empty variable counts as not set.

        Raises pydantic's ValidationError, which names every wrong variable at once.
        """
        variables = os.environ if environment is None else environment
        given = {name: variables.get(name.upper()) for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in given.items() if value})

    @classmethod
    def or_exit(cls) -> Self:
        """The settings of this process's environment, for a command. Raises SystemExit with one line that names what is wrong."""
        try:
            return cls.from_environment()
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors())
            raise SystemExit(f"wrong settings: {wrong}") from None

    @model_validator(mode="after")
    def _parts_are_named(self) -> Self:
        if self.session_store == "dynamodb" and not self.sessions_table:
            raise ValueError("SESSIONS_TABLE is needed with SESSION_STORE=dynamodb")
        if self.job_store == "dynamodb" and not self.jobs_table:
            raise ValueError("JOBS_TABLE is needed with JOB_STORE=dynamodb")
        if self.job_queue == "sqs" and not self.job_queue_url:
            raise ValueError("JOB_QUEUE_URL is needed with JOB_QUEUE=sqs")
        if self.lab_store == "dynamodb" and not self.lab_table:
            raise ValueError("LAB_TABLE is needed with LAB_STORE=dynamodb")
        return self

    @property
    def on_lambda(self) -> bool:
        """Whether this process is a Lambda execution environment."""
        return self.aws_lambda_function_memory_size is not None

    @property
    def compute_threads(self) -> int:
        """Threads to compute with: as given, else what Lambda's memory pays for, else this machine's cores."""
        if self.threads is not None:
            return self.threads
        if self.aws_lambda_function_memory_size is not None:
            return max(1, self.aws_lambda_function_memory_size // MEGABYTES_OF_ONE_CPU)
        return os.cpu_count() or 1
