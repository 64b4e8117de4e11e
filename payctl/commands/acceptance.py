"""The command that shows, in an account, what no test without one can: `payctl accept`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from builder import settings as settings_file
from payctl import card_numbers
from payctl.acceptance import report as page
from payctl.acceptance import run as acceptance
from payctl.acceptance.check import Verdict
from payctl.acceptance.run import Memory
from payctl.acceptance.site import Trace
from payctl.cloud import Cloud
from payctl.commands import completion
from payctl.commands.options import OPERATIONS, Command, Options, Run, Yes, confirmer, without
from payctl.commands.show import render
from payctl.drills.local_cloud import LocalCloud
from payctl.endpoint import LOCAL_ENDPOINT
from payctl.environment import Environment
from payctl.environments import bootstrap
from stacksets import progress
from stacksets.errors import ToolError
from stacksets.progress import Words
from stacksets.waiting import Pace

STYLES = {Verdict.TRUE: "green", Verdict.FALSE: "red", Verdict.UNCHECKED: "dim"}

app = typer.Typer()


@app.command("accept", cls=Command, rich_help_panel=OPERATIONS)
def run_accept(
    run: Run,
    *,
    yes: Yes = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only this group, or check.", metavar="NAME", autocompletion=completion.groups),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(help="Not this group, or check.", metavar="NAME", autocompletion=completion.groups),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Do not remove the environment.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Only remove what earlier runs left.")] = False,
    suffix: Annotated[str, typer.Option(help="The environment's name: accept- and up to 9 more.", metavar="NAME")] = "",
    domain: Annotated[str, typer.Option(help="Check this domain name too, in the hosted zone of the settings.")] = "",
    report: Annotated[
        Path, typer.Option(help="Write the report to this HTML file, and its JSON beside it.", metavar="FILE")
    ] = Path("build/accept.html"),
) -> None:
    """Check on AWS what no test without an account can, in an environment made for it and removed afterwards.

    Goes on where a run was broken off. With `--local` it starts a local cloud, unless one runs. Exit code 1 if anything
    is false. Example: `payctl accept --only pay --skip idle-connections`
    """
    with _place(run.options) as (endpoint, folder), progress.reporter() as shown:
        card_numbers.refuse_in_settings(run.options.settings)
        settings = settings_file.load(run.options.settings)
        trace, cloud = Trace(), Cloud.of(settings, local=run.options.local, endpoint=endpoint)
        trace.listen(cloud)

        def environment(name: str = "", memory: Memory | None = None) -> Environment:
            made = Environment(cloud, shown, Pace(), settings_file=run.options.settings)
            made.settings = settings._replace(environment=name or settings.environment)
            if memory:
                made.settings = acceptance.throwaway(settings, memory, domain)
            return made

        if clean:
            left = acceptance.clean(environment(), environment, confirmer(environment(), "clean", yes=yes))
            run.answer(left, _cleaned)
            if any(left.values()):
                raise typer.Exit(1)
            return
        memory = acceptance.memory_of(environment(), suffix, folder)
        site = environment(memory=memory)
        if run.options.local:
            bootstrap.bootstrap(site)
        options = acceptance.Options(
            only=tuple(only or ()),
            skip=tuple(skip or ()),
            keep=keep,
            confirm=confirmer(site, "accept", yes=yes),
        )
        data = acceptance.accept(site, options, memory, trace)
    page.write(data, report)
    run.answer(data, lambda _: _show(data, report))
    if data["counts"][Verdict.FALSE]:
        raise typer.Exit(1)


@contextmanager
def _place(options: Options) -> Iterator[tuple[str, Path]]:
    """Where AWS calls go, and where a run is remembered: with --local the cloud that runs at its usual address, or one
    of this run's own, which ends with all that was made in it."""
    if not options.local or options.endpoint:
        yield options.endpoint, acceptance.FOLDER
        return
    try:
        LocalCloud(LOCAL_ENDPOINT).faults()
    except ToolError:
        try:
            from localcloud.client import running  # noqa: PLC0415 - an extra: nothing else of payctl needs it
        except ModuleNotFoundError as error:
            raise without("local", "the local cloud", error) from None
        with running() as cloud, TemporaryDirectory() as folder:
            yield cloud.endpoint, Path(folder)
    else:
        yield LOCAL_ENDPOINT, acceptance.FOLDER


def _show(data: Mapping[str, Any], report: Path) -> None:
    """`payctl accept` for people."""
    rows = []
    for finding in data["findings"]:
        verdict = Verdict(finding["verdict"])
        rows.append((finding["group"], finding["id"], Words(verdict, STYLES[verdict]), finding["reason"]))
    render.table("", ("group", "check", "", "why"), rows)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in data["counts"].items())
    render.say(f"{counts}; report: {report}")
    if data["left"]:
        render.say(f"environment {data['environment']} is still there; remove it with `payctl accept --clean`")


def _cleaned(left: Mapping[str, list[str]]) -> None:
    for suffix, rest in left.items():
        render.say(f"{suffix}: {f'could not remove {len(rest)}: ' + ', '.join(rest) if rest else 'removed'}")
    if not left:
        render.say("nothing was left by earlier runs")
