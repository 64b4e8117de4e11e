"""The command line: each command parses, calls the library, prints."""

import os
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from builder.settings import SettingsError
from stacksets import bootstrap as bootstrapping
from stacksets import deploy as deploying
from stacksets import destroy as destroying
from stacksets import outputs as gathering
from stacksets import pay as paying
from stacksets import preflight as preflighting
from stacksets import render
from stacksets import status as looking
from stacksets import why as explaining
from stacksets.errors import InterruptedRunError, PayctlError, explain
from stacksets.run import Run, command, confirmer

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


@command(app, ENVIRONMENT)
def bootstrap(run: Run, *, yes: Yes = False) -> None:
    """Prepare the account, once: buckets in every Region, StackSet roles in the home Region.

    Example: `payctl bootstrap --yes`
    """
    with run.open() as environment:
        confirm = confirmer(yes=yes, report=environment.report, verb="bootstrap")
        where = ", ".join(environment.regions)
        if not confirm([f"create or update stack payment-bootstrap of account {environment.cloud.account} in {where}"]):
            raise PayctlError("nothing was changed")
        found = bootstrapping.bootstrap(environment)
    if run.as_json:
        render.as_json(found)
    else:
        print(f"bootstrapped {', '.join(found)}; next: payctl deploy")


@command(app, ENVIRONMENT)
def deploy(
    run: Run,
    *,
    yes: Yes = False,
    parallel: Annotated[bool, typer.Option("--parallel", help="Update all Regions at once: for tests only.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end, or only start it.")] = True,
    lint: Annotated[bool, typer.Option("--lint/--no-lint", help="Lint changed templates before.")] = True,
    recreate: Annotated[
        list[str] | None, typer.Option(help="Make a Region anew whose stack is lost.", metavar="REGION")
    ] = None,
    test_faults: Annotated[bool, typer.Option("--test-faults", hidden=True)] = False,
) -> None:
    """Create or update the environment in every Region; nothing to change is a success.

    Goes on where an interrupted or failed run stopped. Example: `ENVIRONMENT_SUFFIX=test2 payctl deploy --yes`
    """
    with run.open() as environment:
        if test_faults and not environment.cloud.endpoint:
            raise PayctlError("--test-faults is for the local cloud only")
        options = deploying.Options(
            parallel=parallel,
            wait=wait,
            lint=lint,
            recreate=tuple(recreate or ()),
            test_faults=test_faults,
            confirm=confirmer(yes=yes, report=environment.report, verb="deploy"),
        )
        done = deploying.deploy(environment, options)
    if run.as_json:
        render.as_json(asdict(done) | {"environment": environment.settings.environment})
    elif not done.finished:
        print("started; `payctl status` shows it, `payctl deploy` finishes it")
    elif done.steps:
        print(f"deployed {environment.names.stack_set}; next: payctl outputs, payctl pay")
    else:
        print(f"nothing to change in {environment.names.stack_set}; every Region is healthy")


@command(app, ENVIRONMENT)
def preflight(run: Run) -> None:
    """Check in every Region what would make a deployment fail. Read only; exit code 1 if a check fails.

    Example: `payctl preflight --json`
    """
    with run.open() as environment:
        checks = preflighting.preflight(environment)
    if run.as_json:
        render.as_json([asdict(check) for check in checks])
    else:
        render.checks(checks)
    if any(check.ok is False for check in checks):
        raise typer.Exit(1)


@command(app, OPERATIONS)
def why(
    run: Run, *, operation: Annotated[str, typer.Option(help="An operation's id; the last one if not given.")] = ""
) -> None:
    """Say why the last operation failed, by Region: the first real failure, and its fix if known. Read only.

    Example: `payctl why`
    """
    with run.open() as environment:
        found = explaining.why(environment, operation)
    if run.as_json:
        render.as_json(asdict(found))
    else:
        render.explanation(found)


@command(app, ENVIRONMENT)
def status(run: Run) -> None:
    """Show the last operation, the Regions' stacks and the global stack. Read only; exit code 1 unless all is deployed.

    Example: `payctl status --json`
    """
    with run.open() as environment:
        found = looking.status(environment)
    if run.as_json:
        render.as_json(found)
    else:
        render.status(found)
    if not found["deployed"]:
        raise typer.Exit(1)


@command(app, ENVIRONMENT)
def outputs(run: Run) -> None:
    """Print names, addresses and ARNs by Region, as JSON. Read only.

    Example: `payctl outputs | jq -r .api_endpoint`
    """
    with run.open() as environment:
        render.as_json(gathering.outputs(environment))


@command(app, ENVIRONMENT)
def destroy(
    run: Run,
    *,
    yes: Yes = False,
    delete_data: Annotated[bool, typer.Option("--delete-data", help="Delete payments and receipts too.")] = False,
    discard_open: Annotated[
        bool, typer.Option("--discard-open", help="Do not wait for open payments; needs --delete-data.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only list what would be done, and what is kept.")] = False,
    quiet_seconds: Annotated[float, typer.Option(help="How long open payments may take to finish.", min=0)] = 600.0,
) -> None:
    """Remove the environment, and nothing else. Stops before anything is deleted if it holds data.

    Example: `ENVIRONMENT_SUFFIX=test2 payctl destroy --delete-data --yes`
    """
    if discard_open and not delete_data:
        raise PayctlError("--discard-open gives up payments", remedy="add --delete-data if that is what you want")
    with run.open() as environment:
        if plan:
            preview = destroying.plan(environment, delete_data=delete_data)
            render.as_json(asdict(preview)) if run.as_json else render.destruction(preview)
            return
        options = destroying.Options(
            delete_data=delete_data,
            discard_open=discard_open,
            quiet_seconds=quiet_seconds,
            confirm=confirmer(yes=yes, report=environment.report, verb=f"destroy {environment.names.stack_set}"),
        )
        removed = destroying.destroy(environment, options)
    if run.as_json:
        render.as_json({"environment": environment.settings.environment, "removed": removed})
    else:
        what = "removed" if removed else "nothing to remove:"
        print(f"{what} {environment.names.stack_set} of account {environment.cloud.account}")


@command(app, PAYMENTS)
def pay(
    run: Run,
    *,
    amount: Annotated[str, typer.Option(help="In the currency's own units.")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    payment_id: Annotated[str, typer.Option("--id", help="The payment's id; a new one if not given.")] = "",
    timestamp: Annotated[str, typer.Option(help="ISO 8601 with zone, or epoch seconds; now if not given.")] = "",
    region: Annotated[list[str] | None, typer.Option(help="Where; the home Region if not given.")] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="In every Region: it is charged once.")] = False,
    status: Annotated[str, typer.Option("--status", help="Look at this payment instead.", metavar="ID")] = "",
) -> None:
    """Make a payment, signed with your credentials, or look at one. Exit code 1 unless it is made or accepted.

    Example: `payctl pay --amount 99.99 --id TXN001 --everywhere`
    """
    if bool(amount) == bool(status):
        raise PayctlError("give --amount to pay, or --status ID to look at a payment")
    with run.open() as environment:
        regions = environment.regions if everywhere else paying.chosen(environment, region or ())
        if status:
            replies = paying.look(environment, status, regions)
        else:
            transaction = paying.payment(payment_id=payment_id, amount=amount, currency=currency, timestamp=timestamp)
            replies = paying.pay(environment, transaction, regions)
    if run.as_json:
        render.as_json([asdict(reply) for reply in replies])
    else:
        render.replies(replies)
    if not paying.good(replies):
        raise typer.Exit(1)


def main() -> None:
    """Run payctl. Every failure is one line on stderr and exit code 1; --debug shows its trace."""
    debug = "--debug" in sys.argv[1:]
    try:
        app()
    except InterruptedRunError as error:
        render.error(error, json_wanted="--json" in sys.argv)
        sys.exit(130)
    except KeyboardInterrupt:
        render.error(PayctlError("interrupted", remedy="repeat the command to go on"), json_wanted=False)
        sys.exit(130)
    except (PayctlError, SettingsError, ClientError, BotoCoreError) as error:
        if debug:
            raise
        render.error(_as_payctl_error(error), json_wanted="--json" in sys.argv)
        sys.exit(1)
    except BrokenPipeError:
        # The reader, `head` perhaps, has seen enough: nothing may be written to it any more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        problem = PayctlError(f"{type(error).__name__}: {error}", remedy="this is a bug; --debug shows where")
        render.error(problem, json_wanted="--json" in sys.argv)
        sys.exit(1)


def _as_payctl_error(error: Exception) -> PayctlError:
    if isinstance(error, PayctlError):
        return error
    return PayctlError(str(error)) if isinstance(error, SettingsError) else explain(error)


if __name__ == "__main__":
    main()
