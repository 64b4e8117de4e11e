"""The check of a release: a custom resource asks a Region's functions to do their work once they have other code or
variables, and fails the stack where one does not (docs/design.md, "The check of a release")."""

from pathlib import Path

from troposphere import GetAtt, If, NoValue, Ref, Sub, Template
from troposphere.awslambda import Code, Function, LoggingConfig, TracingConfig
from troposphere.cloudformation import CustomResource

from builder import waivers
from builder.functions import RUNTIME, Functions, add_log_group
from builder.intrinsics import tags
from builder.merchants import example
from builder.names import CHECK
from builder.parameters import of_rank
from builder.policies import allow, role, trust, write_logs

SOURCE = Path(__file__).parent / "inline" / "release_check.py"
STACK_SECONDS = 60
"""After which a stack goes on without an answer."""
FUNCTION_SECONDS = 55
"""After which the function ends; its own limits add up to less."""


class ReleaseCheck(CustomResource):
    """The properties are what the function reads, and what has it asked again when it changes."""

    resource_type = "Custom::ReleaseCheck"
    props = CustomResource.props | {
        "Caller": (str, True),
        "CodeHash": (str, True),
        "CodeVersion": (object, True),
        "Health": (str, True),
        "Janitor": (str, True),
        "KeyArns": (str, True),
        "Linked": (object, True),
        "Outcomes": (str, True),
        "Processor": (str, True),
        "Secrets": (object, False),  # rights to be there before
        "Variables": (dict, True),
    }


def add_check(
    template: Template,
    functions: Functions,
    *,
    processor: Function,
    health: Function,
    janitor: Function,
    outcomes: Function,
) -> None:
    """The function's code is part of the template, so that it is never what is checked.

    The custom resource stands for nothing that could be deleted: it is retained, and so never holds up a deletion.
    """
    asked = [GetAtt(function, "Arn") for function in (processor, health, outcomes, janitor)]
    group = add_log_group(template, "Check", CHECK, functions.key)
    execution_role = template.add_resource(
        role(
            "CheckRole",
            CHECK,
            trust("lambda"),
            write_logs(f"/aws/lambda/{CHECK}"),
            allow("lambda:InvokeFunction", asked),
            allow("cloudformation:DescribeStacks", Ref("AWS::StackId")),
        )
    )
    check = template.add_resource(
        Function(
            "Check",
            FunctionName=Sub(CHECK),
            Architectures=["arm64"],
            Code=Code(ZipFile=SOURCE.read_text()),
            Handler="index.handler",
            LoggingConfig=LoggingConfig(LogGroup=group.ref()),
            MemorySize=512,
            Role=GetAtt(execution_role, "Arn"),
            Runtime=RUNTIME,
            Timeout=FUNCTION_SECONDS,
            TracingConfig=TracingConfig(Mode="PassThrough"),
            Tags=tags(CHECK),
            Metadata=waivers.skip(waivers.NO_VPC, waivers.NO_LETTERS, waivers.CHECK_UNCAPPED),
        )
    )
    invocation = functions.call_once("CheckInvocation", check)
    template.add_resource(
        ReleaseCheck(
            "Release",
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            DependsOn=[invocation.title, "JanitorInvocation"],
            ServiceToken=GetAtt(check, "Arn"),
            ServiceTimeout=STACK_SECONDS,
            Caller=example(functions.settings),
            CodeHash=Ref("CodeHash"),
            CodeVersion=of_rank("CodeVersions", "Rank"),
            Health=health.ref(),
            Janitor=janitor.ref(),
            KeyArns=Ref("KeyArns"),
            Linked=If("Linked", "true", "false"),
            Outcomes=outcomes.ref(),
            Processor=processor.ref(),
            Secrets=If("HasSecret", [Ref("JanitorSecretPolicy"), Ref("ProcessorSecretPolicy")], NoValue),
            Variables=functions.variables(),
        )
    )
