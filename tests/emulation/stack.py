"""What our own template says, read by SAM: functions with their variables, tables, the queue, and the routes of the API."""

from pathlib import Path
from typing import Any

from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.local.apigw.local_apigw_service import LocalApigwService

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
PARAMETERS = {"EnableLab": "true"}
OF_THE_IMAGE = "handler.entrypoint.lambda_handler"


class Stack:
    """The template after SAM's transformation. Raises whatever samcli raises for a template that is none."""

    def __init__(self, template: Path = TEMPLATE) -> None:
        """Read it with the lab, and the defaults of other parameters."""
        self._template = template
        self._stacks, _ = SamLocalStackProvider.get_stacks(str(template), parameter_overrides=PARAMETERS)

    def properties(self, name: str) -> dict[str, Any]:
        """The properties of a resource."""
        found: dict[str, Any] = self._stacks[0].resources[name]["Properties"]
        return found

    def variables(self, function: str) -> dict[str, str]:
        """The environment of a function as Lambda makes it: what the template gives, and what Lambda adds."""
        given = self.properties(function)
        own = {name: value for name, value in given["Environment"]["Variables"].items() if isinstance(value, str)}
        return {
            **own,
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(given["MemorySize"]),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(given["Timeout"]),
        }

    def entry_point(self, function: str) -> str:
        """What a function calls: the image's command, or its own."""
        (command,) = self.properties(function).get("ImageConfig", {}).get("Command", [OF_THE_IMAGE])
        return str(command)

    def gateway(self, runner: Any, *, host: str, port: int) -> LocalApigwService:
        """The API in front of a runner, whose `invoke` answers for the functions that the routes name."""
        api = ApiProvider(self._stacks, cwd=str(self._template.parent)).api
        service = LocalApigwService(api=api, lambda_runner=runner, port=port, host=host)
        service.create()
        return service
