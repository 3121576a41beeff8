"""What the template must hold to where students train models of their own, and where they do not."""

import re
import subprocess
from pathlib import Path

import pytest

from handler.settings import Settings
from tests.template.template import (
    ROOT,
    granted,
    of_type,
    plain,
    properties,
    referred,
    resources,
    statements,
    template,
    texts,
    variables,
)

CHECKOV = ROOT / ".cache" / "lint" / "bin" / "checkov"
LAB = {"EnableLab": "true"}
PARTS = {"LabFunction", "LabRole", "LabTable", "LabBucket", "LabBucketPolicy", "LabDeadLetters", "LabLogGroup"}
MADE_ELSEWHERE = {"AWS::NoValue", "ServerlessDeploymentApplication"}
FOLDER, LISTS = {"${LabBucket.Arn}/lab/*"}, {"StringLikeIfExists": {"s3:prefix": "lab/*"}}
ITSELF = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-lab"
READS = {"dynamodb:GetItem", "dynamodb:Query"}
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
FIRST_RETRY_S, LONGEST_WAIT_S = 60, 6 * 3600
GPT2_BYTES, GPT2_BLOCKS_BYTES = 4 * 124_439_808, 4 * 85_056_000  # in float32; its blocks are what learns
BYTES_A_SECOND = 20e6  # from S3, and less than is usual


def test_the_lab_is_there_for_those_who_ask_for_it() -> None:
    """Without it nothing of it is made, and no variable, no right and no room is left of it."""
    without, with_lab = resources(), resources(**LAB)
    assert with_lab.keys() - without.keys() >= PARTS
    assert not [name for name in without if "Lab" in name]
    assert {name for name in referred(without) if "Lab" in name} == {"EnableLab"}  # the label of an image
    for function in ("WebFunction", "BatchFunction"):
        assert {value for name, value in variables(function).items() if name.startswith("LAB_")} == {""}
        assert "EphemeralStorage" not in without[function]["Properties"]


@pytest.mark.parametrize("lab", ["true", "false"])
def test_nothing_refers_to_what_is_not_there(lab: str) -> None:
    """Whether students train or not."""
    there = resources(EnableLab=lab)
    assert referred(there) - MADE_ELSEWHERE <= there.keys() | template()["Parameters"].keys()


def test_outputs_are_of_what_is_there() -> None:
    """One that names a part of the lab has the lab's condition."""
    for output in template()["Outputs"].values():
        assert (output.get("Condition") == "HasLab") == bool(referred(output["Value"]) & PARTS)


def test_the_lab_touches_its_own_parts_alone() -> None:
    """Items that are there, the files of its folder, its dead letters, its log, and itself."""
    assert granted("LabRole", "dynamodb") == {action: {"LabTable.Arn"} for action in (*READS, "dynamodb:UpdateItem")}
    files = granted("LabRole", "s3")
    assert files.pop("s3:ListBucket") == {"LabBucket.Arn"}
    assert set().union(*files.values()) == FOLDER
    assert granted("LabRole", "lambda") == {"lambda:InvokeFunction": {ITSELF}}
    assert granted("LabRole", "sqs") == {"sqs:SendMessage": {"LabDeadLetters.Arn"}}
    assert set().union(*granted("LabRole", "logs").values()) == {"LabLogGroup.Arn"}
    assert not granted("LabRole", "iam")


def test_the_lab_calls_itself_by_its_name() -> None:
    """Its role and its variable name it before it is there; both are the name that it gets."""
    name = properties("LabFunction")["FunctionName"]["Fn::Sub"]
    assert variables("LabFunction", **LAB)["LAB_FUNCTION_NAME"] == {"Fn::Sub": name}
    assert ITSELF.endswith(f":function:{name}")
    assert properties("LabFunction")["ImageConfig"]["Command"] == ["handler.lab_entrypoint.handler"]


def test_students_start_the_lab_and_write_no_model() -> None:
    """The web's function calls itself and the lab; it reads and removes files, and puts none there."""
    assert granted("WebRole", "lambda") == {"lambda:InvokeFunction": {"${WebFunction.Arn}:live", "LabFunction.Arn"}}
    jobs = {"s3:GetObject", "s3:PutObject"}
    lab = {action for action, where in granted("WebRole", "s3").items() if where & (FOLDER | {"LabBucket.Arn"})}
    assert lab == {"s3:GetObject", "s3:DeleteObject", "s3:ListBucket"}
    assert granted("WebRole", "s3").keys() == lab | jobs


def test_jobs_read_tuned_models_and_change_none() -> None:
    """The worker of jobs may choose among them."""
    assert {action for action, where in granted("BatchRole", "dynamodb").items() if "LabTable.Arn" in where} == READS
    files = {action for action, where in granted("BatchRole", "s3").items() if where & (FOLDER | {"LabBucket.Arn"})}
    assert files == {"s3:GetObject", "s3:ListBucket"}
    assert not granted("BatchRole", "lambda")


def test_everyone_means_the_same_runs_and_files() -> None:
    """Table and folder are the same for all three, and make settings."""
    names = ("LAB_STORE", "LAB_TABLE", "LAB_LOCATION")
    given = [variables(function, **LAB) for function in ("WebFunction", "BatchFunction", "LabFunction")]
    assert all([one[name] for name in names] == [given[0][name] for name in names] for one in given)
    assert given[0]["LAB_FUNCTION_NAME"] == {"Ref": "LabFunction"}
    settings = Settings.from_environment({name: plain(value) for name, value in given[-1].items()})
    assert (settings.lab_store, settings.lab_location) == ("dynamodb", "s3://xxx/lab/")


def test_what_is_gone_is_not_forbidden() -> None:
    """Whoever reads files may list them: S3 says 404 to nobody else. The request for a file has no prefix, hence `IfExists`."""
    lists = {role: one["Condition"] for role, one in statements() if "s3:ListBucket" in texts([one["Action"]])}
    assert lists == dict.fromkeys(("LabRole", "WebRole", "BatchRole"), LISTS)


def test_the_bucket_is_private_and_refuses_plain_http() -> None:
    """Encrypted, too; only a whole folder of it is ever listed; only unfinished uploads end by age: models are served on."""
    bucket = properties("LabBucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["BucketEncryption"]
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert rule.keys() == {"Id", "Status", "AbortIncompleteMultipartUpload"}
    policy = properties("LabBucketPolicy")
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert policy["Bucket"] == {"Ref": "LabBucket"}
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert set(texts(statement["Resource"])) == {"LabBucket.Arn", "${LabBucket.Arn}/*"}
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_run_goes_on_after_the_worker_that_died() -> None:
    """Its lease has ended when Lambda tries again, or nobody would; and a worker renews it many times before its time is out."""
    given = variables("LabFunction", **LAB)
    lease_s = Settings.from_environment({name: plain(value) for name, value in given.items()}).lab_lease_s
    assert lease_s < FIRST_RETRY_S < properties("LabFunction")["Timeout"] == 900
    assert properties("LabFunction")["EventInvokeConfig"]["MaximumRetryAttempts"] == 2


def test_runs_wait_for_each_other_and_those_given_up_are_told() -> None:
    """As long as Lambda keeps events; those are watched that wait long, fail, or are given up."""
    asynchronous = properties("LabFunction")["EventInvokeConfig"]
    assert asynchronous["MaximumEventAgeInSeconds"] == LONGEST_WAIT_S
    assert referred(asynchronous["DestinationConfig"]) == {"LabDeadLetters"}
    assert template()["Parameters"]["LabConcurrency"]["Default"] == 2
    watched = {alarm["MetricName"] for alarm in of_type("AWS::CloudWatch::Alarm").values() if referred(alarm) & PARTS}
    assert watched == {"Errors", "AsyncEventAge", "ApproximateNumberOfMessagesVisible"}
    assert properties("LabDeadLetters") == properties("JobsDeadLetters")


def test_there_is_room_for_gpt2() -> None:
    """Two checkpoints, while one takes the other's place, its float32 copy and the result; elsewhere several results."""
    megabytes = properties("LabFunction")["EphemeralStorage"]["Size"]
    checkpoint = 3 * GPT2_BLOCKS_BYTES  # the weights and AdamW's two moments
    assert 2 * checkpoint + GPT2_BYTES + GPT2_BYTES // 2 < megabytes * 2**20
    assert template()["Parameters"]["LabMemoryMb"]["Default"] <= 3008  # what a new account may have
    for function in ("WebFunction", "BatchFunction"):
        kept = resources(**LAB)[function]["Properties"]["EphemeralStorage"]["Size"] * 2**20
        assert kept >= 4 * GPT2_BYTES // 2


def test_a_tuned_model_comes_in_time() -> None:
    """The first student who asks for it waits, and is answered."""
    fetched_s = GPT2_BYTES / 2 / BYTES_A_SECOND
    assert fetched_s < properties("WebFunction")["Timeout"] / 2


def test_snapshots_have_no_room_for_tuned_models() -> None:
    """Whoever asks for both is told before anything is made."""
    rule = template()["Rules"]["SnapStartOrLab"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "SnapStart"}, "on"]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::Equals": [{"Ref": "EnableLab"}, "false"]}


def test_switching_the_lab_on_makes_another_image() -> None:
    """SAM publishes a version of the web's function for a new image alone, whatever its variables become."""
    for function in ("WebFunction", "LabFunction"):
        assert template()["Resources"][function]["Metadata"]["DockerBuildArgs"]["LAB"] == {"Ref": "EnableLab"}


def test_nobody_builds_torch_without_the_lab() -> None:
    """`sam build` builds every function, whatever its condition: this one is then built like the others."""
    metadata = template()["Resources"]["LabFunction"]["Metadata"]
    assert metadata["DockerBuildTarget"] == metadata["DockerTag"] == {"Fn::If": ["HasLab", "lab", "serve"]}


@pytest.mark.skipif(not CHECKOV.is_file(), reason="checkov is needed: make .cache/lint/bin/checkov")
def test_the_linter_finds_nothing_in_the_lab(tmp_path: Path) -> None:
    """`make check` shows it the template with its defaults; here the lab is switched on."""
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    switched_on, count = re.subn(r'(?s)( EnableLab:.*?Default: )"false"', r'\1"true"', text, count=1)
    assert count == 1
    (tmp_path / "template.yaml").write_text(switched_on, encoding="utf-8")
    command = [str(CHECKOV), "--config-file", str(ROOT / ".checkov.yaml"), "-f", str(tmp_path / "template.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
