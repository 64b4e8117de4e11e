"""The payctl application that the commands register with."""

from typing import Annotated

import typer

# The panels of --help: what one works on.
ENVIRONMENT = "Environment"
OPERATIONS = "Operations"
PAYMENTS = "Payments"

app = typer.Typer(
    name="payctl",
    help="Deploys payments to three AWS Regions by StackSet, and tends them. "
    "ENVIRONMENT_SUFFIX names the environment (dev), AWS_REGION the home Region.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
