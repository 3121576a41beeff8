"""What CodeDeploy is told of a version that it is about to give traffic."""

from typing import TYPE_CHECKING

import boto3.session
from botocore.config import Config

from handler.stores.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_codedeploy import CodeDeployClient


def make_client() -> "CodeDeployClient":
    """A client that gives up in time."""
    config = Config(connect_timeout=1, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.session.Session().client("codedeploy", config=config)


def report(deployment_id: str, execution_id: str, *, passed: bool, client: "CodeDeployClient | None" = None) -> None:
    """Let the deployment go on, or roll it back. Raises StoreUnavailableError when CodeDeploy does not take the word.

    https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_PutLifecycleEventHookExecutionStatus.html
    """
    with translated():
        (client or make_client()).put_lifecycle_event_hook_execution_status(
            deploymentId=deployment_id,
            lifecycleEventHookExecutionId=execution_id,
            status="Succeeded" if passed else "Failed",
        )
