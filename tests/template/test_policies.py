"""What the template must hold to, and what no linter looks for."""

import tomllib

import pytest

from handler.doors.warm_up import MOST_ENVIRONMENTS, WarmUp
from handler.jobs.task import MOST_RECEIVES
from handler.settings import Settings
from handler.stores.dynamodb import make_client
from tests.template.template import (
    ROOT,
    context_names,
    granted,
    of_type,
    plain,
    properties,
    resources,
    statements,
    template,
    texts,
    variables,
)

FUNCTIONS = ["WebFunction", "BatchFunction", "PreTrafficCheckFunction", "LabFunction"]
NOT_SETTINGS = {"AWS_ENDPOINT_URL", "POWERTOOLS_TRACER_CAPTURE_RESPONSE", "POWERTOOLS_TRACER_CAPTURE_ERROR"}
SHOWN_IN_LOGS = {
    "requestId",
    "requestTimeEpoch",
    "httpMethod",
    "status",
    "responseLatency",
    "integrationStatus",
    "integrationErrorMessage",
    "responseLength",
}


def test_all_functions_are_here() -> None:
    """A new one must be held to these policies too."""
    assert set(of_type("AWS::Serverless::Function")) == set(FUNCTIONS)


def test_a_message_stays_hidden_while_it_is_worked_on() -> None:
    """For six times as long as the function may take, and its receives are counted as the worker counts them."""
    queue, dead = properties("JobsQueue"), properties("JobsDeadLetters")
    assert queue["VisibilityTimeout"] >= 6 * properties("BatchFunction")["Timeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == MOST_RECEIVES
    assert dead["MessageRetentionPeriod"] == 14 * 86_400 > queue["MessageRetentionPeriod"]


def test_dead_letters_and_waiting_jobs_are_told() -> None:
    """Each queue has an alarm."""
    watched = texts([alarm["Dimensions"] for alarm in of_type("AWS::CloudWatch::Alarm").values()])
    assert {"JobsDeadLetters.QueueName", "JobsQueue.QueueName"} <= set(watched)


def test_a_batch_answers_for_each_message() -> None:
    """And reserves nothing: the queue's own bound holds messages back, a function's would throw them away."""
    events = properties("BatchFunction")["Events"]["Jobs"]["Properties"]
    assert events["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "MaximumConcurrency" in events["ScalingConfig"]
    assert "ReservedConcurrentExecutions" not in properties("BatchFunction")


def test_each_waits_longer_than_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store's attempts end before the function does, and the function before the gateway."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config = vars(make_client().meta.config)
    attempts_s = config["retries"]["total_max_attempts"] * config["read_timeout"]
    function_s = properties("WebFunction")["Timeout"]
    gateway_ms = properties("WebFunction")["Events"]["Api"]["Properties"]["TimeoutInMillis"]
    assert attempts_s <= 6 < function_s < gateway_ms / 1000 <= 30


def test_memory_is_what_a_new_account_may_have() -> None:
    """By default one virtual CPU."""
    memory = template()["Parameters"]["MemoryMb"]
    assert memory["MaxValue"] <= 3008
    assert memory["Default"] == 1769


def test_snapshots_and_provisioned_environments_exclude_each_other() -> None:
    """Whoever asks for both is told before anything is made; neither is on by itself."""
    rule = template()["Rules"]["SnapStartOrProvisioned"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "SnapStart"}, "on"]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::Equals": [{"Ref": "ProvisionedConcurrency"}, "0"]}
    assert resources()["WebFunction"]["Properties"].keys().isdisjoint({"SnapStart", "ProvisionedConcurrencyConfig"})
    web = resources(SnapStart="on")["WebFunction"]["Properties"]
    assert web["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert web.keys().isdisjoint({"EphemeralStorage", "FileSystemConfigs", "ProvisionedConcurrencyConfig"})


def test_pings_are_not_repeated_and_are_understood() -> None:
    """A schedule's default of 185 attempts would warm what nobody waits for."""
    ping = properties("WebFunction")["Events"]["WarmUp"]["Properties"]
    assert ping["RetryPolicy"] == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    assert properties("WebFunction")["EventInvokeConfig"]["MaximumRetryAttempts"] == 0
    text = ping["Input"]["Fn::Sub"].replace("${WarmUpEnvironments}", "8")
    assert WarmUp.model_validate_json(text.removeprefix('{"warm_up": ').removesuffix("}")).concurrency == 8
    assert template()["Parameters"]["WarmUpEnvironments"]["MaxValue"] == MOST_ENVIRONMENTS


def test_traffic_moves_by_an_alias_after_a_check() -> None:
    """The alias is the one that pings warm, and the check is named as CodeDeploy's role wants it."""
    web = properties("WebFunction")
    alias = web["AutoPublishAlias"]
    assert variables("WebFunction")["WARM_UP_ALIAS"] == alias == Settings().warm_up_alias
    assert web["DeploymentPreference"]["Hooks"]["PreTraffic"] == {"Ref": "PreTrafficCheckFunction"}
    assert web["DeploymentPreference"]["Alarms"]
    check = properties("PreTrafficCheckFunction")
    assert check["FunctionName"]["Fn::Sub"].startswith("CodeDeployHook_")
    assert check["ImageConfig"]["Command"] == ["handler.pre_traffic.lambda_handler"]
    assert properties("WebCallsItselfPolicy")["PolicyDocument"]["Statement"][0]["Resource"] == {
        "Fn::Sub": "${WebFunction.Arn}:" + alias
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_variable_is_a_setting(function: str) -> None:
    """A misspelt one would be ignored; AWS's own endpoint is declared so that sam local can give one."""
    given = variables(function, EnableLab="true")
    assert {name.lower() for name in given if name not in NOT_SETTINGS} <= set(Settings.model_fields)
    assert given["AWS_ENDPOINT_URL"] == ""


@pytest.mark.parametrize("lab", ["true", "false"])
@pytest.mark.parametrize("function", ["WebFunction", "BatchFunction"])
def test_the_variables_make_settings(function: str, lab: str) -> None:
    """What stands for values of AWS is text; nothing that the stores need is missing."""
    given = variables(function, EnableLab=lab)
    settings = Settings.from_environment({name: plain(value) for name, value in given.items()})
    assert (settings.job_store, settings.job_queue) == ("dynamodb", "sqs")
    assert settings.session_store == ("dynamodb" if function == "WebFunction" else "sqlite")
    assert settings.lab_store == ("dynamodb" if lab == "true" else "sqlite")


@pytest.mark.parametrize("table", ["SessionsTable", "JobsTable", "LabTable"])
def test_tables_forget_and_can_be_brought_back(table: str) -> None:
    """Expired items go by themselves; a table does not go by accident."""
    given = properties(table)
    assert given["TimeToLiveSpecification"] == {"AttributeName": "expires_at_epoch_s", "Enabled": True}
    assert given["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert given["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    assert [key["AttributeName"] for key in given["KeySchema"]] == ["pk", "sk"]


def test_roles_may_do_no_more_than_they_need() -> None:
    """No action and no resource is a wildcard, but for a function's versions, a deployment's groups and a folder's files."""
    found = list(statements())
    assert found
    for name, statement in found:
        assert not [action for action in texts(statement["Action"]) if "*" in action], name
        ends = [text for text in texts(statement["Resource"]) if text.endswith("*") or "*" in text]
        assert all(text.endswith((":*", "/*")) and text != "*" and text.count("*") == 1 for text in ends), name


def test_the_worker_of_jobs_sees_no_session() -> None:
    """Its role names the jobs' table alone."""
    tables = {table for those in granted("BatchRole", "dynamodb").values() for table in those}
    assert "JobsTable.Arn" in tables
    assert "SessionsTable.Arn" not in tables


def test_logs_are_kept_for_a_time_and_show_no_text() -> None:
    """Every function and the API write to a group of ours; no path, which holds a session's id, no query and no body."""
    groups = of_type("AWS::Logs::LogGroup")
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())
    used = {properties(function)["LoggingConfig"]["LogGroup"]["Ref"] for function in FUNCTIONS}
    access = properties("HttpApi")["AccessLogSettings"]
    assert used | {access["DestinationArn"]["Fn::GetAtt"].removesuffix(".Arn")} == set(groups)
    assert context_names(access["Format"]) == SHOWN_IN_LOGS


def test_the_api_is_throttled_and_tracing_is_off() -> None:
    """Unless the operator says otherwise."""
    assert properties("HttpApi")["DefaultRouteSettings"].keys() == {"ThrottlingRateLimit", "ThrottlingBurstLimit"}
    assert template()["Parameters"]["Tracing"]["Default"] == "PassThrough"


def test_every_deployment_names_parameters_of_the_template() -> None:
    """With BuildKit, and with the right to make roles."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    for name in ("default", "staging", "classroom"):
        deploy = config[name]["deploy"]["parameters"]
        given = dict(pair.split("=") for pair in deploy.get("parameter_overrides", "").split())
        assert given.keys() <= template()["Parameters"].keys()
        assert deploy["capabilities"] == "CAPABILITY_IAM"
        assert config[name]["build"]["parameters"]["use_buildkit"]
