"""The roles of self-managed StackSets: one administers, one creates the resources (docs/aws.md, "Roles of self-managed
StackSets")."""

from awacs.aws import ArnEquals, AWSPrincipal, PolicyDocument
from troposphere import If, NoValue, Ref, Sub, Template
from troposphere.iam import ManagedPolicy, Policy, Role

from builder.execution_rights import DOMAIN, execution_statements
from builder.names import ADMINISTRATION_ROLE, EXECUTION_ROLE
from builder.policies import allow, allow_listed, document, from_account, from_source, trust


def add_roles(template: Template) -> None:
    """Both in the home Region only: IAM is one for all Regions."""
    execution = If("NamesNoExecutionRole", EXECUTION_ROLE, Ref("ExistingExecutionRoleName"))
    template.add_resource(
        Role(
            "AdministrationRole",
            Condition="MakesAdministrationRole",
            RoleName=ADMINISTRATION_ROLE,
            # The account of the StackSets, so that no other account's StackSet can use the role.
            AssumeRolePolicyDocument=trust(
                "cloudformation",
                from_account(),
                from_source(Sub("arn:${AWS::Partition}:cloudformation:*:${AWS::AccountId}:stackset/payments-*")),
            ),
            Policies=[
                Policy(
                    PolicyName="assume",
                    PolicyDocument=document(
                        If(
                            "NamesExecutionRoles",
                            allow_listed("sts:AssumeRole", "ExecutionRoleArns"),
                            allow(
                                "sts:AssumeRole",
                                Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${Role}", Role=execution),
                            ),
                        )
                    ),
                )
            ],
        )
    )
    policies = {
        concern: template.add_resource(
            ManagedPolicy(
                f"Execution{concern.capitalize()}",
                Condition="MakesDomainRights" if concern == DOMAIN else "MakesExecutionRole",
                Description=f"What the StackSets of payments may do in this account: {concern}",
                PolicyDocument=document(*statements),
            )
        )
        for concern, statements in execution_statements().items()
    }
    template.add_resource(
        Role(
            "ExecutionRole",
            Condition="MakesExecutionRole",
            RoleName=EXECUTION_ROLE,
            AssumeRolePolicyDocument=trusts_administration(),
            ManagedPolicyArns=[
                If("NamesZones", policy.ref(), NoValue) if concern == DOMAIN else policy.ref()
                for concern, policy in policies.items()
            ],
        )
    )


def trusts_administration() -> PolicyDocument:
    """The administrator's account, but in it only the administration role; so the role need not exist first."""
    account = If("NamesAdministrator", Ref("AdministratorAccount"), Ref("AWS::AccountId"))
    administration = If(
        "NamesNoAdministrationRole",
        Sub(f"arn:${{AWS::Partition}}:iam::${{Account}}:role/{ADMINISTRATION_ROLE}", Account=account),
        Ref("ExistingAdministrationRoleArn"),
    )
    trusted = allow("sts:AssumeRole", NoValue, ArnEquals("aws:PrincipalArn", administration))
    del trusted.properties["Resource"]
    trusted.Principal = AWSPrincipal(Sub("arn:${AWS::Partition}:iam::${Account}:root", Account=account))
    return document(trusted)
