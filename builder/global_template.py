"""The template of what spans the Regions, deployed once, in the home Region (docs/design.md, "One command, three
phases")."""

from troposphere import GetAtt, Parameter, Template

from builder import dashboard, parameters, queues, tables
from builder.regional_template import add_outputs
from builder.settings import Settings


def global_template(settings: Settings) -> Template:
    """The global table, the inbox for alerts and the dashboard; it needs every Region's key."""
    template = Template(Description="Payments: what spans the Regions")
    parameters.add_environment(template)
    parameters.add_peers(template, settings)
    template.add_parameter(
        Parameter("KeyArns", Type="String", Description="Keys of all Regions in rank order, comma between")
    )
    template.add_parameter(
        Parameter(
            "AbsentReplica",
            Type="String",
            Default="",
            AllowedValues=["", *settings.regions],
            Description="Region whose replica is dropped until it is made anew; empty is none",
        )
    )
    table = tables.add_records(template, settings)
    inbox = queues.add_inbox(template, settings)
    board = dashboard.add_dashboard(template, settings)
    add_outputs(
        template,
        DashboardName=board.ref(),
        InboxQueueArn=GetAtt(inbox, "Arn"),
        InboxQueueUrl=inbox.ref(),
        TableArn=GetAtt(table, "Arn"),
        TableName=table.ref(),
    )
    return template
