"""A template as one Region will see it: parameters, conditions and intrinsic functions evaluated."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from builder.lint.finding import Fault

ACCOUNT = "123456789012"
NO_VALUE = object()

# What GetAtt Arn gives, by type: an ARN's resource part with {Name} of the properties.
ARNS = {
    "AWS::DynamoDB::GlobalTable": "dynamodb:{region}:{account}:table/{TableName}",
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{TableName}",
    "AWS::Events::EventBus": "events:{region}:{account}:event-bus/{Name}",
    "AWS::IAM::ManagedPolicy": "iam::{account}:policy/{ManagedPolicyName}",
    "AWS::IAM::Role": "iam::{account}:role/{RoleName}",
    "AWS::KMS::Key": "kms:{region}:{account}:key/{logical_id}-{region}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{FunctionName}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{LogGroupName}:*",
    "AWS::S3::Bucket": "s3:::{BucketName}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{TopicName}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{QueueName}",
    "AWS::StepFunctions::StateMachine": "states:{region}:{account}:stateMachine:{StateMachineName}",
}
# The property that Ref gives, by type.
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
REFS_ARE_ARNS = ("AWS::IAM::ManagedPolicy", "AWS::SNS::Topic", "AWS::StepFunctions::StateMachine")


class UnresolvedError(ValueError):
    """A template, or a part of it, cannot be evaluated; `faults` tell what AWS would do and what to change."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{fault.logical_id}: {fault.effect}" for fault in faults))
        self.faults = faults


class Resolved(NamedTuple):
    """The resources of one stack, without those whose condition is false, every function evaluated."""

    region: str
    account: str
    resources: Mapping[str, dict[str, Any]]
    outputs: Mapping[str, Any]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties of all resources of a type, by logical id."""
        return {name: body["Properties"] for name, body in self.resources.items() if body["Type"] == kind}

    def arn(self, name: str) -> str:
        """The ARN of a resource whose type is in ARNS."""
        body = self.resources[name]
        return arn_of(body["Type"], body["Properties"], name, self.region)


def arn_of(kind: str, properties: Mapping[str, Any], logical_id: str, region: str) -> str:
    """The ARN of a resource; what has no name is called by its logical id."""
    variables = {key: properties.get(key, logical_id) for key in re.findall(r"{([A-Z]\w+)}", ARNS[kind])}
    return "arn:aws:" + ARNS[kind].format(region=region, account=ACCOUNT, logical_id=logical_id, **variables)


def resolve(template: Mapping[str, Any], *, region: str, **parameters: str | int) -> Resolved:
    """Evaluate a template for one Region of one example account.

    Parameters that are not given take their defaults. Raises UnresolvedError, with a fault for each resource and output
    that cannot be evaluated.
    """
    if unknown := sorted(set(parameters) - set(template.get("Parameters", {}))):
        raise UnresolvedError(Fault(unknown[0], "CloudFormation refuses a parameter that does not exist", "declare it"))
    evaluator = Evaluator(template, region, parameters)
    faults: list[Fault] = []

    def evaluated(section: str, evaluate: Callable[[Mapping[str, Any]], Any]) -> dict[str, Any]:
        values = {}
        for name, body in template.get(section, {}).items():
            try:
                if evaluator.holds(body.get("Condition")):
                    values[name] = evaluate(body)
            except UnresolvedError as error:
                faults.extend(fault._replace(logical_id=name) for fault in error.faults)
            except RecursionError:
                faults.append(Fault(name, "CloudFormation refuses a circular reference", "break the circle"))
        return values

    resources = evaluated("Resources", lambda body: {"Properties": {}} | evaluator.value(body))
    outputs = evaluated("Outputs", lambda body: evaluator.value(body.get("Value")))
    if faults:
        raise UnresolvedError(*faults)
    return Resolved(region, ACCOUNT, resources, outputs)


def created(template: Mapping[str, Any], region: str, parameters: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """The resources that a Region's stack will have with these parameters, by logical id, as the template has them.

    Raises UnresolvedError where a condition cannot be evaluated.
    """
    evaluator = Evaluator(template, region, parameters)
    return {name: body for name, body in template["Resources"].items() if evaluator.holds(body.get("Condition"))}


class Evaluator:
    """The functions of one template in one Region, with these parameters."""

    def __init__(self, template: Mapping[str, Any], region: str, parameters: Mapping[str, Any]) -> None:
        self.template = template
        self.region = region
        defaults = {name: body["Default"] for name, body in template.get("Parameters", {}).items() if "Default" in body}
        self.parameters = {
            **defaults,
            **parameters,
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": NO_VALUE,
            "AWS::Partition": "aws",
            "AWS::Region": region,
            "AWS::StackId": f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/StackSet-payments-dev-0/0",
            "AWS::URLSuffix": "amazonaws.com",
        }
        self._conditions: dict[str, bool] = {}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::And": lambda terms: all(map(self.value, terms)),
            "Fn::Equals": self._equals,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::If": lambda terms: self.value(terms[1] if self.holds(terms[0]) else terms[2]),
            "Fn::Join": lambda terms: str(terms[0]).join(map(str, self.value(terms[1]))),
            "Fn::Not": lambda terms: not self.value(terms[0]),
            "Fn::Or": lambda terms: any(map(self.value, terms)),
            "Fn::Select": self._select,
            "Fn::Split": lambda terms: str(self.value(terms[1])).split(terms[0]),
            "Fn::Sub": self._sub,
        }

    def holds(self, condition: str | None) -> bool:
        """Whether a condition is true; no condition is."""
        if condition is None:
            return True
        if condition not in self._conditions:
            self._conditions[condition] = bool(self.value(self.template["Conditions"][condition]))
        return self._conditions[condition]

    def value(self, node: Any) -> Any:
        """A part of the template with every function in it evaluated."""
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((key, argument),) = node.items()
            if key == "Condition" and argument in self.template.get("Conditions", ()):
                return self.holds(argument)
            if key == "Ref" or key.startswith("Fn::"):
                return self._apply(key, argument)
        values = {key: self.value(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not NO_VALUE}

    def _apply(self, function: str, argument: Any) -> Any:
        if function not in self._functions:
            raise _unresolved(
                f"the lint does not know {function}: what depends on it is not checked",
                "write the value out, or teach builder/lint/evaluate.py the function",
            )
        try:
            return self._functions[function](argument)
        except UnresolvedError:
            raise
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise _unresolved(
                f"CloudFormation cannot evaluate {function} of {argument}", "correct its argument"
            ) from None

    def _ref(self, name: str) -> Any:
        if name in self.parameters:
            return self.parameters[name]
        if name in self.template.get("Parameters", {}):
            raise _unresolved(
                f"CloudFormation asks for a value of the parameter {name}, and nothing gives one", "give it a default"
            )
        resource = self.template["Resources"][name]
        if resource["Type"] in REFS_ARE_ARNS:
            return self._get_att([name, "Arn"])
        if NAMES.get(resource["Type"]) in resource.get("Properties", {}):
            return self.value(resource["Properties"][NAMES[resource["Type"]]])
        return f"{name}-{self.region}"

    def _get_att(self, argument: list[str] | str) -> str:
        name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
        resource = self.template["Resources"][name]
        kind, properties = resource["Type"], resource.get("Properties", {})
        if attribute == "Arn" and kind == "AWS::Events::Rule":
            bus = self.value(properties["EventBusName"]) + "/" if "EventBusName" in properties else ""
            return f"arn:aws:events:{self.region}:{ACCOUNT}:rule/{bus}{self.value(properties['Name'])}"
        if attribute == "Arn" and kind in ARNS:
            named = {key: self.value(value) for key, value in properties.items() if f"{{{key}}}" in ARNS[kind]}
            return arn_of(kind, named, name, self.region)
        if attribute == "QueueName":
            return str(self.value(properties["QueueName"]))
        return f"{name}.{attribute}-{self.region}"

    def _sub(self, argument: Any) -> str:
        text, pairs = argument if isinstance(argument, list) else (argument, {})
        variables = {key: self.value(value) for key, value in pairs.items()}

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name in variables:
                return str(variables[name])
            return str(self._get_att(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", replace, text)

    def _find_in_map(self, argument: list[Any]) -> Any:
        name, first, second = map(self.value, argument)
        return self.template["Mappings"][name][first][second]

    def _select(self, argument: list[Any]) -> Any:
        index, values = map(self.value, argument)
        return values[int(index)]

    def _equals(self, argument: list[Any]) -> bool:
        left, right = map(self.value, argument)
        return str(left) == str(right)


def _unresolved(effect: str, remedy: str) -> UnresolvedError:
    return UnresolvedError(Fault("", effect, remedy))
