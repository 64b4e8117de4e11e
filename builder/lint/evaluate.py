"""A template as one Region will see it: parameters, conditions and intrinsic functions worked out, for checks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "123456789012"
NO_VALUE = object()

# What Ref and GetAtt Arn give, by type: an ARN's resource part with {Name} of the properties. "" marks a name.
ARNS = {
    "AWS::DynamoDB::GlobalTable": "dynamodb:{region}:{account}:table/{TableName}",
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{TableName}",
    "AWS::Events::EventBus": "events:{region}:{account}:event-bus/{Name}",
    "AWS::IAM::Role": "iam::{account}:role/{RoleName}",
    "AWS::KMS::Key": "kms:{region}:{account}:key/{logical_id}-{region}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{FunctionName}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{LogGroupName}:*",
    "AWS::S3::Bucket": "s3:::{BucketName}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{TopicName}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{QueueName}",
    "AWS::StepFunctions::StateMachine": "states:{region}:{account}:stateMachine:{StateMachineName}",
}
NAMES = {
    "AWS::DynamoDB::GlobalTable": "TableName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
}
REFS_ARE_ARNS = ("AWS::SNS::Topic", "AWS::StepFunctions::StateMachine")


class UnresolvedError(ValueError):
    """A template refers to something that is not there."""


@dataclass(frozen=True)
class Resolved:
    """The resources of one stack, without those whose condition is false, every function worked out."""

    region: str
    account: str
    resources: Mapping[str, dict[str, Any]]
    outputs: Mapping[str, Any]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties of all resources of a type, by logical id."""
        return {name: body["Properties"] for name, body in self.resources.items() if body["Type"] == kind}


@dataclass
class _Resolver:
    template: Mapping[str, Any]
    parameters: Mapping[str, Any]
    region: str
    account: str
    conditions: dict[str, bool] = field(default_factory=dict)

    def condition(self, name: str) -> bool:
        if name not in self.conditions:
            self.conditions[name] = bool(self.value(self.template["Conditions"][name]))
        return self.conditions[name]

    def value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((key, argument),) = node.items()
            if key == "Condition" and isinstance(argument, str):
                return self.condition(argument)
            if key == "Ref" or key.startswith("Fn::"):
                return getattr(self, "_" + key.removeprefix("Fn::").lower())(argument)
        values = {key: self.value(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not NO_VALUE}

    def _ref(self, name: str) -> Any:
        pseudo = {
            "AWS::AccountId": self.account,
            "AWS::NoValue": NO_VALUE,
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.template.get("Parameters", {}):
            return self.parameters[name]
        resource = self._resource(name)
        if resource["Type"] in REFS_ARE_ARNS:
            return self._getatt([name, "Arn"])
        if resource["Type"] in NAMES and NAMES[resource["Type"]] in resource["Properties"]:
            return self.value(resource["Properties"][NAMES[resource["Type"]]])
        return f"{name}-{self.region}"

    def _getatt(self, argument: list[str]) -> str:
        name, attribute = argument
        resource = self._resource(name)
        kind, properties = resource["Type"], resource.get("Properties", {})
        if attribute == "Arn" and kind == "AWS::Events::Rule":
            bus = self.value(properties["EventBusName"]) + "/" if "EventBusName" in properties else ""
            return f"arn:aws:events:{self.region}:{self.account}:rule/{bus}{self.value(properties['Name'])}"
        if attribute == "Arn" and kind in ARNS:
            wanted = re.findall(r"{([A-Z]\w+)}", ARNS[kind])
            known = {key: self.value(properties[key]) if key in properties else name for key in wanted}
            place = {"region": self.region, "account": self.account, "logical_id": name}
            return "arn:aws:" + ARNS[kind].format(**place, **known)
        if attribute == "QueueName":
            return str(self.value(properties["QueueName"]))
        return f"{name}.{attribute}-{self.region}"

    def _resource(self, name: str) -> Any:
        if name not in self.template["Resources"]:
            raise UnresolvedError(f"nothing is called {name}")
        return self.template["Resources"][name]

    def _sub(self, argument: Any) -> str:
        text, given = argument if isinstance(argument, list) else (argument, {})
        given = {key: self.value(value) for key, value in given.items()}

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name in given:
                return str(given[name])
            return str(self._getatt(name.split(".")) if "." in name else self._ref(name))

        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", replace, text)

    def _if(self, argument: list[Any]) -> Any:
        return self.value(argument[1] if self.condition(argument[0]) else argument[2])

    def _findinmap(self, argument: list[Any]) -> Any:
        name, first, second = map(self.value, argument)
        return self.template["Mappings"][name][first][second]

    def _select(self, argument: list[Any]) -> Any:
        index, values = map(self.value, argument)
        return values[int(index)]

    def _split(self, argument: list[Any]) -> list[str]:
        separator, text = map(self.value, argument)
        return str(text).split(separator)

    def _equals(self, argument: list[Any]) -> bool:
        left, right = map(self.value, argument)
        return str(left) == str(right)

    def _not(self, argument: list[Any]) -> bool:
        return not self.value(argument[0])

    def _and(self, argument: list[Any]) -> bool:
        return all(map(self.value, argument))

    def _or(self, argument: list[Any]) -> bool:
        return any(map(self.value, argument))


def resolve(template: Mapping[str, Any], *, region: str, **parameters: str | int) -> Resolved:
    """Work a template out for one Region of one example account.

    Parameters that are not given take their defaults; none may be missing, or UnresolvedError is raised.
    """
    declared = template.get("Parameters", {})
    values = {name: body["Default"] for name, body in declared.items() if "Default" in body} | parameters
    if missing := sorted(set(declared) - set(values)):
        raise UnresolvedError(f"parameter {missing[0]} has no default and was not given")
    if unknown := sorted(set(values) - set(declared)):
        raise UnresolvedError(f"no parameter {unknown[0]}")
    resolver = _Resolver(template, values, region, ACCOUNT)
    resources = {
        name: {"Properties": {}} | {key: resolver.value(value) for key, value in body.items() if key != "Condition"}
        for name, body in template["Resources"].items()
        if "Condition" not in body or resolver.condition(body["Condition"])
    }
    outputs = {
        name: resolver.value(body["Value"])
        for name, body in template.get("Outputs", {}).items()
        if "Condition" not in body or resolver.condition(body["Condition"])
    }
    return Resolved(region, ACCOUNT, resources, outputs)
