"""The lint is silent on the templates, finds every planted fault, and stumbles over nothing that is edited by hand."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder import emit, workflow
from builder.lint.__main__ import main
from builder.lint.evaluate import ACCOUNT, UnresolvedError, created, resolve
from builder.lint.finding import Finding
from builder.lint.public import lint as public_lint
from builder.lint.templates import Source, lint, regions_of
from tests.templates.conftest import REGIONS, ROOT
from tests.templates.faults import PLANTED, Documents, Plant, arn, properties

HOME, STANDBY, THIRD = REGIONS
NAMES = ("regional", "global", "bootstrap")


@pytest.fixture
def documents(templates: Documents) -> Documents:
    return copy.deepcopy(templates)


def findings(documents: Documents) -> tuple[Finding, ...]:
    sources = [Source(f"templates/{name}.json", documents[name]) for name in NAMES]
    return lint(*sources, regions=regions_of(documents["regional"]))


def test_templates_have_no_finding(documents: Documents) -> None:
    assert findings(documents) == ()


def test_regions_are_those_the_template_was_built_for(documents: Documents) -> None:
    assert regions_of(documents["regional"]) == REGIONS


def test_what_needs_another_region_before_the_link_is_found(documents: Documents) -> None:
    """Every resource that names another Region is reported when it comes in phase 1."""
    resources = documents["regional"]["Resources"]
    for name in ("FailoverToFirst", "FailoverToSecond", "InboxSubscription"):
        del resources[name]["Condition"]
    bucket = resources["ReceiptsBucket"]["Properties"]
    bucket["ReplicationConfiguration"] = bucket["ReplicationConfiguration"]["Fn::If"][1]
    found = findings(documents)
    assert [(each.logical_id, each.region, each.effect) for each in found if each.region in ("", HOME)] == [
        ("FailoverToFirst", HOME, f"EventBridge refuses a target in {STANDBY} that does not exist yet"),
        ("FailoverToSecond", HOME, f"EventBridge refuses a target in {THIRD} that does not exist yet"),
        ("ReceiptsBucket", "", "S3 refuses to replicate to buckets that do not exist yet"),
        ("InboxSubscription", "", "SNS drops what it sends to a queue of the global stack, which comes later"),
    ]
    assert {each.region for each in found} == {"", *REGIONS}


def bus_that_is_not_there(documents: Documents) -> None:
    properties(documents, "FailoverToFirst")["Targets"][0]["Arn"] = arn("events", "event-bus/other")


def target_without_dead_letters(documents: Documents) -> None:
    del properties(documents, "FailoverIn")["Targets"][0]["DeadLetterConfig"]


def dead_letters_in_another_region(documents: Documents) -> None:
    queue = arn("sqs", "payment-dead-letters")
    properties(documents, "FailoverIn")["Targets"][0]["DeadLetterConfig"]["Arn"] = queue


def both_others_take_the_event(documents: Documents) -> None:
    del properties(documents, "FailoverToSecond")["EventPattern"]["detail"]["next"]


def nobody_takes_the_event(documents: Documents) -> None:
    properties(documents, "FailoverToSecond")["EventPattern"]["detail"]["failover"] = [True]


def own_events_come_back(documents: Documents) -> None:
    del properties(documents, "FailoverIn")["EventPattern"]["detail"]["region"]


def received_events_go_on(documents: Documents) -> None:
    detail = properties(documents, "FailoverToFirst")["EventPattern"]["detail"]
    del detail["region"], detail["next"]


def event_without_region_goes_nowhere(documents: Documents) -> None:
    properties(documents, "FailoverToFirst")["EventPattern"]["detail"]["next"].pop()


def pattern_nobody_can_read(documents: Documents) -> None:
    properties(documents, "FailoverIn")["EventPattern"]["source"] = [{"wildcard": "*"}]


def replication(documents: Documents) -> Any:
    return properties(documents, "ReceiptsBucket")["ReplicationConfiguration"]["Fn::If"][1]


def destination_without_versions(documents: Documents) -> None:
    home = {"Fn::Equals": [{"Ref": "AWS::Region"}, HOME]}
    documents["regional"]["Conditions"]["AtHome"] = home
    status = {"Fn::If": ["AtHome", "Suspended", "Enabled"]}
    properties(documents, "ReceiptsBucket")["VersioningConfiguration"]["Status"] = status


def replica_with_the_source_key(documents: Documents) -> None:
    destination = replication(documents)["Rules"][0]["Destination"]
    destination["EncryptionConfiguration"]["ReplicaKmsKeyID"] = {"Fn::GetAtt": ["Key", "Arn"]}


def equal_priorities(documents: Documents) -> None:
    for rule in replication(documents)["Rules"]:
        rule["Priority"] = 1


def one_destination_only(documents: Documents) -> None:
    replication(documents)["Rules"].pop()


def destination_that_is_not_there(documents: Documents) -> None:
    replication(documents)["Rules"][0]["Destination"]["Bucket"] = "arn:aws:s3:::other"


def protocol_sns(documents: Documents) -> None:
    properties(documents, "InboxSubscription")["Protocol"] = "sns"


def subscription_to_no_queue(documents: Documents) -> None:
    properties(documents, "InboxSubscription")["Endpoint"]["Fn::Sub"] += "-old"


def firehose_over_regions(documents: Documents) -> None:
    stream = {"Protocol": "firehose", "Endpoint": arn("firehose", "deliverystream/x")}
    properties(documents, "InboxSubscription").update(stream)


def role_nobody_made(documents: Documents) -> None:
    properties(documents, "Workflow")["RoleArn"] = {"Fn::Sub": "${WorkflowRole.Arn}x"}
    properties(documents, "Processor")["Role"] = {"Fn::Sub": "${ProcessorRole.Arn}x"}


def administration_role_trusted_by_another_service(documents: Documents) -> None:
    role = properties(documents, "AdministrationRole", "bootstrap")
    role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"] = "ec2.amazonaws.com"


def role_without_boundary(documents: Documents) -> None:
    del properties(documents, "JanitorRole")["PermissionsBoundary"]


def role_with_another_boundary(documents: Documents) -> None:
    properties(documents, "HealthRole")["PermissionsBoundary"] = "arn:aws:iam::aws:policy/AdministratorAccess"


def action_beyond_the_boundary(documents: Documents) -> None:
    statements(documents, "HealthRole")[0]["Action"].append("logs:DeleteLogGroup")


def resource_beyond_the_boundary(documents: Documents) -> None:
    statements(documents, "FailoverInRole")[0]["Resource"].append(
        "arn:aws:states:us-east-1:123456789012:stateMachine:*"
    )


def key_without_the_service_of_the_boundary(documents: Documents) -> None:
    (own,) = (each for each in statements(documents, "HealthRole") if "kms:Decrypt" in each["Action"])
    own["Condition"]["StringEquals"]["kms:ViaService"].append("ec2.us-east-1.amazonaws.com")


def statements(documents: Documents, role: str) -> Any:
    return properties(documents, role)["Policies"][0]["PolicyDocument"]["Statement"]


def drop(documents: Documents, role: str, *words: str) -> None:
    """Take the statements out of a role that hold all the words."""
    before = statements(documents, role)
    kept = [each for each in before if not all(word in str(each) for word in words)]
    assert len(kept) < len(before)
    before[:] = kept


def events_role_that_may_start_nothing(documents: Documents) -> None:
    statements(documents, "FailoverInRole")[0]["Action"] = ["events:PutEvents"]


def sender_without_rights_on_the_bus(documents: Documents) -> None:
    statements(documents, "FailoverOutRole")[0]["Resource"].pop()


def no_key_rights_for_a_peer(documents: Documents) -> None:
    drop(documents, "ProcessorRole", "dynamodb.${Peer}", "'First'")


def key_rights_without_the_alias(documents: Documents) -> None:
    for statement in statements(documents, "JanitorRole"):
        statement.get("Condition", {}).pop("ForAnyValue:StringEquals", None)


def no_key_rights_for_dead_letters(documents: Documents) -> None:
    drop(documents, "WorkflowRole", "kms:Decrypt")


def key_nobody_may_manage(documents: Documents) -> None:
    properties(documents, "Key")["KeyPolicy"]["Statement"] = []


def key_for_other_services(documents: Documents) -> None:
    for statement in properties(documents, "Key")["KeyPolicy"]["Statement"]:
        if statement.get("Sid") == "AccountDelegatesUse":
            statement["Condition"]["StringEquals"]["kms:ViaService"] = ["ec2.us-east-1.amazonaws.com"]


def states(documents: Documents) -> Any:
    return properties(documents, "Workflow")["Definition"]["States"]


def catch_names_no_state(documents: Documents) -> None:
    states(documents)["ProcessTransaction"]["Catch"][0]["Next"] = "Dead"


def state_nobody_reaches(documents: Documents) -> None:
    states(documents)["Outcome"]["Choices"] = []


def workflow_may_not_call_the_function(documents: Documents) -> None:
    drop(documents, "WorkflowRole", "lambda:InvokeFunction")


def task_on_nothing(documents: Documents) -> None:
    states(documents)["DeadLetter"]["Arguments"]["QueueUrl"] = "${Other}"


def task_nobody_knows(documents: Documents) -> None:
    states(documents)["DeadLetter"]["Resource"] = "arn:aws:states:::batch:submitJob"


def key_that_is_not_defined(documents: Documents) -> None:
    properties(documents, "RegisterTable")["AttributeDefinitions"].pop()


def global_table_without_stream(documents: Documents) -> None:
    del properties(documents, "PaymentsTable", "global")["StreamSpecification"]


def replica_missing(documents: Documents) -> None:
    properties(documents, "PaymentsTable", "global")["Replicas"].pop(0)


def replica_with_another_regions_key(documents: Documents) -> None:
    replicas = [each["Fn::If"][1] for each in properties(documents, "PaymentsTable", "global")["Replicas"]]
    replicas[0]["SSESpecification"] = replicas[1]["SSESpecification"]


def condition_that_is_not_there(documents: Documents) -> None:
    documents["regional"]["Resources"]["FailoverToFirst"]["Condition"] = "Connected"


def reference_to_nothing(documents: Documents) -> None:
    properties(documents, "Health")["Role"] = {"Fn::GetAtt": ["HealthRol", "Arn"]}


def region_without_peers(documents: Documents) -> None:
    del documents["regional"]["Mappings"]["Peers"][STANDBY]["First"]


def circle(documents: Documents) -> None:
    properties(documents, "ReceiptsBucket")["BucketName"] = {"Ref": "ReceiptsBucket"}


def function_nobody_knows(documents: Documents) -> None:
    properties(documents, "DeadLetterQueue")["QueueName"] = {"Fn::Cidr": ["10.0.0.0/8", 1, 8]}


def parameter_without_a_value(documents: Documents) -> None:
    del documents["regional"]["Parameters"]["ApiRate"]["Default"]


def rule_without_targets(documents: Documents) -> None:
    del properties(documents, "FailoverIn")["Targets"]


def statement_without_effect(documents: Documents) -> None:
    del statements(documents, "ProcessorRole")[0]["Effect"]


FAULTS: list[tuple[Plant, str, str]] = [
    *PLANTED,
    (bus_that_is_not_there, "FailoverToFirst", f"the template makes no event bus arn:aws:events:{STANDBY}"),
    (target_without_dead_letters, "FailoverIn", "the target has no dead-letter queue"),
    (dead_letters_in_another_region, "FailoverIn", f"refuses the dead-letter queue arn:aws:sqs:{STANDBY}"),
    (both_others_take_the_event, "EventBus", f"a failover event for {STANDBY} to {STANDBY} and {THIRD}"),
    (nobody_takes_the_event, "EventBus", f"a failover event for {THIRD} to nobody"),
    (own_events_come_back, "EventBus", f"a failover event for {STANDBY} to {HOME} and {STANDBY}"),
    (
        received_events_go_on,
        "EventBus",
        f"a failover event of {STANDBY} to states and events, not to one state machine",
    ),
    (event_without_region_goes_nowhere, "EventBus", "a failover event that names no Region to 0 Regions"),
    (pattern_nobody_can_read, "FailoverIn", "nobody can tell which events EventBridge gives the rule"),
    (destination_without_versions, "ReceiptsBucket", f"payment-receipts-{HOME}-dev-123456789012 keeps no versions"),
    (replica_with_the_source_key, "ReceiptsBucket", f"replicas there need a key of {STANDBY}, not arn:aws:kms:{HOME}"),
    (equal_priorities, "ReceiptsBucket", "without a filter and a priority"),
    (one_destination_only, "ReceiptsBucket", "replicates to 1 of 2 other Regions"),
    (destination_that_is_not_there, "ReceiptsBucket", "the template makes no bucket arn:aws:s3:::other"),
    (protocol_sns, "InboxSubscription", "refuses the protocol sns"),
    (subscription_to_no_queue, "InboxSubscription", "the templates make no queue"),
    (firehose_over_regions, "InboxSubscription", f"does not deliver to {STANDBY} by firehose"),
    (role_nobody_made, "Processor", "Lambda cannot assume arn:aws:iam"),
    (administration_role_trusted_by_another_service, "AdministrationRole", "CloudFormation cannot assume the role"),
    (role_without_boundary, "JanitorRole", "to make a role without the boundary"),
    (role_with_another_boundary, "HealthRole", "to make a role without the boundary"),
    (action_beyond_the_boundary, "HealthRole", "IAM denies the role logs:DeleteLogGroup on arn:aws:logs"),
    (resource_beyond_the_boundary, "FailoverInRole", "stateMachine:*: the boundary does not allow it"),
    (key_without_the_service_of_the_boundary, "HealthRole", "IAM denies the role kms:Decrypt on arn:aws:kms"),
    (events_role_that_may_start_nothing, "FailoverIn", "the target's role lacks states:StartExecution"),
    (sender_without_rights_on_the_bus, "FailoverToSecond", "the target's role lacks events:PutEvents"),
    (no_key_rights_for_a_peer, "ProcessorRole", f"its calls in {STANDBY}: KMS denies it kms:Decrypt through dynamodb"),
    (key_rights_without_the_alias, "JanitorRole", f"its calls in {THIRD}: KMS denies it kms:Decrypt through dynamodb"),
    (no_key_rights_for_dead_letters, "WorkflowRole", f"in {HOME}: KMS denies it kms:GenerateDataKey through sqs"),
    (key_nobody_may_manage, "Key", "KMS refuses the key: nobody could ever change its policy"),
    (key_for_other_services, "Key", "no use through dynamodb, events, lambda, s3, sqs, states is left to IAM"),
    (catch_names_no_state, "Workflow", "ProcessTransaction goes on to Dead, which is no state"),
    (state_nobody_reaches, "Workflow", "nothing leads to Parked"),
    (
        workflow_may_not_call_the_function,
        "Workflow",
        "ProcessTransaction: the state machine's role lacks lambda:",
    ),
    (task_on_nothing, "Workflow", "the execution fails in DeadLetter: its arguments name nothing"),
    (task_nobody_knows, "Workflow", "the lint does not know arn:aws:states:::batch:submitJob"),
    (key_that_is_not_defined, "RegisterTable", "its key due_shard is not defined"),
    (global_table_without_stream, "PaymentsTable", "several replicas without a stream"),
    (replica_missing, "PaymentsTable", f"DynamoDB makes no replica in {HOME}"),
    (replica_with_another_regions_key, "PaymentsTable", f"the replica in {HOME}: it needs a key of {HOME}"),
    (condition_that_is_not_there, "FailoverToFirst", "there is no condition Connected"),
    (reference_to_nothing, "Health", "there is no resource HealthRol"),
    (region_without_peers, "FailoverToFirst", "cannot evaluate Fn::FindInMap"),
    (circle, "ReceiptsBucket", "circular reference"),
    (function_nobody_knows, "DeadLetterQueue", "the lint does not know Fn::Cidr"),
    (parameter_without_a_value, "ApiStage", "asks for a value of the parameter ApiRate"),
    (rule_without_targets, "FailoverIn", "Properties.Targets is missing"),
    (statement_without_effect, "ProcessorRole", "Policies[0].PolicyDocument.Statement[0].Effect is missing"),
]


@pytest.mark.parametrize(("plant", "logical_id", "effect"), FAULTS, ids=[plant.__name__ for plant, *_ in FAULTS])
def test_planted_fault_is_found(documents: Documents, plant: Plant, logical_id: str, effect: str) -> None:
    plant(documents)
    found = findings(documents)
    assert [each for each in found if each.logical_id == logical_id and effect in each.effect], found
    assert all(each.file.startswith("templates/") and each.remedy for each in found)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to each part of a template."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


JUNK: tuple[Any, ...] = (
    None,
    "x",
    7,
    True,
    [],
    {},
    [1],
    {"a": 1},
    [[]],
    [{}],
    "arn:aws:x",
    {"Ref": "Nothing"},
    {"Fn::GetAtt": ["No", "Arn"]},
)


@pytest.mark.parametrize("edits", [8, pytest.param(60, marks=pytest.mark.evidence)])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_edited_by_hand_is_a_traceback(templates: Documents, name: str, edits: int) -> None:
    """Parts taken out, or replaced by something else, anywhere in a template, are read like everything else."""
    dice = random.Random(name)
    paths = list(places(templates[name]))
    for _ in range(edits):
        documents = templates | {name: copy.deepcopy(templates[name])}
        *path, last = dice.choice(paths)
        node = documents[name]
        for key in path:
            node = node[key]
        if dice.random() < 0.5:
            del node[last]
        else:
            node[last] = dice.choice(JUNK)
        for finding in findings(documents):
            assert finding.effect, (path, last)


@pytest.mark.parametrize(
    "document", [None, [], {}, {"Resources": {}}, {"Resources": {"A": {"Type": "AWS::SNS::Topic"}}}]
)
def test_file_that_is_no_template_of_ours_is_a_finding(templates: Documents, document: Any) -> None:
    assert findings(templates | {"regional": document})


class TestCommand:
    """`python -m builder.lint`."""

    def test_without_findings_it_is_silent_and_exits_0(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(ROOT)
        assert main([]) == 0
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize("fault", PLANTED, ids=[plant.__name__ for plant, *_ in PLANTED])
    def test_any_three_files_with_file_logical_id_effect_and_remedy(
        self,
        documents: Documents,
        fault: tuple[Plant, str, str],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        plant, logical_id, effect = fault
        plant(documents)
        for name, document in documents.items():
            (tmp_path / f"my-{name}.json").write_text(json.dumps(document))
        options = [part for name in NAMES for part in (f"--{name}", str(tmp_path / f"my-{name}.json"))]
        assert main(options) == 1
        finding, remedy, *_ = capsys.readouterr().out.splitlines()
        assert finding.startswith(str(tmp_path / "my-"))
        assert f".json: {logical_id}" in finding
        assert effect in finding
        assert remedy.startswith("  Remedy: ")

    @pytest.mark.parametrize(
        "options", [["--regional", "x"], ["--bootstrap", "x"], ["--regional", "x", "--global", "x"]]
    )
    def test_wrong_usage_exits_2(self, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(options)
        assert ended.value.code == 2
        assert "usage: python -m builder.lint" in capsys.readouterr().err

    def test_help_has_an_example(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["--help"])
        assert ended.value.code == 0
        assert "Example:\n  python -m builder.lint --regional" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_builder_neither_writes_nor_passes_what_has_findings(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deployment.toml").write_text((ROOT / "deployment.toml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workflow, "fail_over", lambda: {"Type": "Pass", "Next": "Done"})
    assert emit.main(arguments) == 1
    assert "templates/regional.json: Workflow: " in capsys.readouterr().err
    assert not (tmp_path / "templates").exists()


@pytest.mark.evidence
def test_public_linters_run_beside_it(documents: Documents) -> None:
    properties(documents, "Processor")["Timeout"] = 9000
    lines = public_lint("templates/regional.json", json.dumps(documents["regional"]), REGIONS)
    assert [line for line in lines if line.startswith("templates/regional.json: E3034 at ")]


def test_evaluator_raises_what_cannot_be_evaluated(documents: Documents) -> None:
    parameter_without_a_value(documents)
    with pytest.raises(UnresolvedError, match="ApiStage: CloudFormation asks for a value of the parameter ApiRate"):
        resolve(documents["regional"], region=HOME, EnvironmentSuffix="dev", CodeHash="0" * 64)
    with pytest.raises(UnresolvedError, match="Unknown: CloudFormation refuses a parameter that does not exist"):
        resolve(documents["regional"], region=HOME, Unknown="x")


def test_evaluator_tells_what_a_region_will_have(documents: Documents) -> None:
    linked = created(documents["regional"], HOME, {"KeyArns": "a,b,c"})
    alone = created(documents["regional"], HOME, {})
    assert {"FailoverToFirst", "InboxSubscription"} <= set(linked) - set(alone)
    assert "Certificate" not in linked
    assert ACCOUNT == "123456789012"
