"""The StackSets API: the calls this tool uses, and nothing else of CloudFormation."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from stacksets.errors import NEUTRAL, Advice, OperationInProgressError, SilentError, code_of
from stacksets.model import (
    Definition,
    Instance,
    InstanceDetail,
    InstanceStatus,
    Operation,
    OperationStatus,
    Result,
    ResultStatus,
    StackSet,
)

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

IN_PROGRESS = {"OperationInProgressException", "StaleRequestException"}


class StackSetClient:
    """One StackSet, by name, through a boto3 CloudFormation client of the administrator account's home Region.

    Every call that starts an operation takes its id: repeating a call whose reply was lost starts nothing twice.
    Raises OperationInProgressError where another operation runs, ToolError for every other refusal.
    """

    def __init__(self, api: "CloudFormationClient", name: str, advice: Advice = NEUTRAL) -> None:
        self.api = api
        self.name = name
        self.advice = advice

    def describe(self) -> StackSet | None:
        """The StackSet, None where there is none. Read only."""
        with self._doing("describe", ignore={"StackSetNotFoundException"}):
            answer = self.api.describe_stack_set(StackSetName=self.name)["StackSet"]
            return StackSet(
                name=self.name,
                arn=answer.get("StackSetARN", ""),
                template=answer.get("TemplateBody", ""),
                parameters={p["ParameterKey"]: p.get("ParameterValue", "") for p in answer.get("Parameters", [])},
                tags={tag["Key"]: tag["Value"] for tag in answer.get("Tags", [])},
                administration_role_arn=answer.get("AdministrationRoleARN", ""),
                execution_role_name=answer.get("ExecutionRoleName", ""),
            )
        return None

    def names(self) -> tuple[str, ...]:
        """The names of all StackSets of the account in this Region. Read only."""
        with self._doing("list StackSets beside"):
            pages = self.api.get_paginator("list_stack_sets").paginate(Status="ACTIVE")
            return tuple(summary["StackSetName"] for page in pages for summary in page["Summaries"])

    def create(self, definition: Definition, *, administration_role_arn: str, execution_role_name: str) -> None:
        """Create the StackSet, without instances; one that exists already is a success."""
        with self._doing("create", ignore={"NameAlreadyExistsException"}):
            self.api.create_stack_set(
                StackSetName=self.name,
                AdministrationRoleARN=administration_role_arn,
                ExecutionRoleName=execution_role_name,
                PermissionModel="SELF_MANAGED",
                **arguments_of(definition),
            )

    def update(
        self,
        definition: Definition,
        *,
        token: str,
        order: Sequence[str],
        parallel: bool = False,
        administration_role_arn: str,
        execution_role_name: str,
    ) -> None:
        """Start an update of all instances in the given order of Regions.

        One Region after another, and none after the first that fails, unless `parallel`. Always of all: a template or
        parameters make every instance OUTDATED, and one that is left out stays so. The roles are named in every call,
        or AWS refuses it (docs/aws.md, "An update marks every instance" and "Roles are named in every update").
        """
        with self._starting("update"):
            self.api.update_stack_set(
                StackSetName=self.name,
                OperationId=token,
                OperationPreferences=_preferences(order, parallel=parallel),
                AdministrationRoleARN=administration_role_arn,
                ExecutionRoleName=execution_role_name,
                **arguments_of(definition),
            )

    def create_instances(self, account: str, regions: Sequence[str], *, token: str) -> None:
        """Start creating an instance in each of the Regions, all at once."""
        with self._starting("create the instances of"):
            self.api.create_stack_instances(
                StackSetName=self.name,
                Accounts=[account],
                Regions=list(regions),
                OperationId=token,
                OperationPreferences=_preferences(regions, parallel=True),
            )

    def delete_instances(self, account: str, regions: Sequence[str], *, token: str, retain: bool = False) -> None:
        """Start deleting the instances of the Regions, all at once; `retain` leaves their stacks."""
        with self._starting("delete the instances of"):
            self.api.delete_stack_instances(
                StackSetName=self.name,
                Accounts=[account],
                Regions=list(regions),
                RetainStacks=retain,
                OperationId=token,
                OperationPreferences=_preferences(regions, parallel=True),
            )

    def delete(self) -> None:
        """Delete the StackSet, which has no instance any more; one that is gone is a success."""
        with self._doing("delete", ignore={"StackSetNotFoundException"}):
            self.api.delete_stack_set(StackSetName=self.name)

    def stop(self, token: str) -> None:
        """Ask an operation to start no further Region; one that has ended already is a success."""
        with self._doing("stop an operation of", ignore={"InvalidOperationException", "OperationNotFoundException"}):
            self.api.stop_stack_set_operation(StackSetName=self.name, OperationId=token)

    def detect_drift(self, *, token: str, regions: Sequence[str]) -> None:
        """Start comparing every instance's resources with its template."""
        with self._starting("detect the drift of"):
            self.api.detect_stack_set_drift(
                StackSetName=self.name,
                OperationId=token,
                OperationPreferences=_preferences(regions, parallel=True),
            )

    def instances(self) -> tuple[Instance, ...]:
        """Every instance, () where there is no StackSet. Read only."""
        with self._doing("list the instances of", ignore={"StackSetNotFoundException"}):
            pages = self.api.get_paginator("list_stack_instances").paginate(StackSetName=self.name)
            return tuple(_instance(summary) for page in pages for summary in page["Summaries"])
        return ()

    def operations(self) -> tuple[Operation, ...]:
        """The operations of late, the newest first, () where there is no StackSet; as they were some seconds ago.
        Read only."""
        with self._doing("list the operations of", ignore={"StackSetNotFoundException"}):
            return tuple(
                _operation(summary)
                for summary in self.api.list_stack_set_operations(StackSetName=self.name).get("Summaries", [])
            )
        return ()

    def operation(self, token: str) -> Operation:
        """One operation. Read only."""
        with self._doing("describe an operation of"):
            answer = self.api.describe_stack_set_operation(StackSetName=self.name, OperationId=token)
            return _operation(answer["StackSetOperation"])

    def results(self, token: str) -> tuple[Result, ...]:
        """What an operation did in each Region, as it was some seconds ago. Read only."""
        with self._doing("list the results of"):
            pages = self.api.get_paginator("list_stack_set_operation_results").paginate(
                StackSetName=self.name, OperationId=token
            )
            return tuple(_result(summary) for page in pages for summary in page["Summaries"])

    @contextmanager
    def _starting(self, verb: str) -> Iterator[None]:
        # The SDK repeats a call whose reply was lost; its first try then holds the id.
        with self._doing(verb, ignore={"OperationIdAlreadyExistsException"}):
            yield

    @contextmanager
    def _doing(self, verb: str, *, ignore: Collection[str] = ()) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            if code_of(error) in ignore:
                return
            if code_of(error) in IN_PROGRESS:
                raise OperationInProgressError(f"another operation runs on StackSet {self.name}") from error
            refusal = self.advice.failure(verb, f"StackSet {self.name}", error)
            if isinstance(refusal, SilentError):
                refusal.remedy = self.advice.text(self.advice.silent)
            raise refusal from error


def arguments_of(definition: Definition) -> dict[str, Any]:
    """A definition as the API wants it; its template by address, inline, or the one that is there."""
    template = {"TemplateURL": definition.url} if definition.url else {"TemplateBody": definition.body}
    return {
        **(template if definition.url or definition.body else {"UsePreviousTemplate": True}),
        "Parameters": [{"ParameterKey": key, "ParameterValue": v} for key, v in sorted(definition.parameters.items())],
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(definition.tags.items())],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],  # templates may name their roles
    }


def _preferences(order: Sequence[str], *, parallel: bool) -> Any:
    # FailureToleranceCount counts accounts per Region: with one account, 0 stops at the first Region that fails
    # (docs/aws.md, "Order and failure tolerance").
    return {
        "RegionConcurrencyType": "PARALLEL" if parallel else "SEQUENTIAL",
        "RegionOrder": list(order),
        "FailureToleranceCount": 0,
        "MaxConcurrentCount": 1,
    }


def _instance(summary: Mapping[str, Any]) -> Instance:
    detail = summary.get("StackInstanceStatus", {}).get("DetailedStatus")
    return Instance(
        account=summary["Account"],
        region=summary["Region"],
        status=InstanceStatus(summary["Status"]),
        detail=InstanceDetail(detail) if detail else None,
        stack_id=summary.get("StackId") or "",
        reason=summary.get("StatusReason") or "",
        drift=summary.get("DriftStatus") or "NOT_CHECKED",
        operation=summary.get("LastOperationId") or "",
    )


def _operation(summary: Mapping[str, Any]) -> Operation:
    return Operation(
        id=summary["OperationId"],
        action=summary.get("Action", ""),
        status=OperationStatus(summary["Status"]),
        started=summary.get("CreationTimestamp"),
        ended=summary.get("EndTimestamp"),
        reason=summary.get("StatusReason") or "",
        failed_instances=summary.get("StatusDetails", {}).get("FailedStackInstancesCount", 0),
    )


def _result(summary: Mapping[str, Any]) -> Result:
    return Result(
        account=summary.get("Account", ""),
        region=summary.get("Region", ""),
        status=ResultStatus(summary["Status"]),
        reason=summary.get("StatusReason") or "",
    )
