"""What is looked at before a deployment changes anything: builder.lint, cfn-lint where it is installed, and whether the
functions' code can be imported."""

import importlib.util
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from typing import Final

from builder.lint import public, templates
from payctl.releases.package import Package
from payctl.releases.templates import FOLDER, Template
from stacksets.errors import ToolError

IMPORTS: Final = """
import importlib, pathlib, sys, traceback
folder, *handlers = sys.argv[1:]
sys.path.insert(0, folder)
where = "the package"
try:
    for file in sorted(pathlib.Path(folder).rglob("*.py")):
        compile(file.read_bytes(), str(file.relative_to(folder)), "exec", dont_inherit=True)
    for where in handlers:
        module, _, function = where.rpartition(".")
        if not callable(getattr(importlib.import_module(module), function)):
            raise TypeError("is no function")
except SyntaxError as error:
    sys.exit(f"{error.filename.removeprefix(folder + '/')}, line {error.lineno}: {error.msg}")
except BaseException as error:
    last = traceback.extract_tb(error.__traceback__)[-1]
    at = f", {last.filename.removeprefix(folder + '/')}, line {last.lineno}" if folder in last.filename else ""
    sys.exit(f"{where}{at}: {type(error).__name__}: {error}")
"""
"""Run by an interpreter of its own: compiles every file of the package, then imports every handler from it."""
IMPORT_SECONDS: Final = 60


def lint(regional: Template, world: Template, regions: Sequence[str]) -> None:
    """Raise ToolError naming the first finding of builder.lint and the number of the others."""
    sources = [templates.Source(f"{FOLDER}/{each.name}.json", each.document) for each in (regional, world)]
    if findings := templates.lint(*sources, regions=regions):
        first, *others = findings
        more = f" (and {len(others)} more: `python -m builder.lint` prints them)" if others else ""
        raise ToolError(f"nothing was changed: {first}{more}", remedy=first.remedy)


def cfn_lint(built: Sequence[Template], regions: Sequence[str], *, note: Callable[[str], None]) -> None:
    """Raise ToolError naming the first error of cfn-lint for any of the Regions; a note where it is not installed."""
    if importlib.util.find_spec("cfnlint") is None:
        note("cfn-lint is not installed: templates linted by builder.lint alone")
        return
    for template in built:
        if errors := list(public.cfn_lint(template.text, regions, errors_only=True)):
            raise ToolError(
                f"{FOLDER}/{template.name}.json: {errors[0]} ({len(errors)} in all)",
                remedy="correct builder/ and run `make templates check`",
            )


def code(package: Package, regional: Template, *, note: Callable[[str], None]) -> None:
    """Raise ToolError unless the finished package compiles, and every handler of the template can be imported from it,
    by the functions' version of Python; by this one, with a note, where that is not installed."""
    resources = regional.document.get("Resources", {}).values()
    functions = [each["Properties"] for each in resources if each.get("Type") == "AWS::Lambda::Function"]
    handlers = sorted({str(each["Handler"]) for each in functions if "S3Key" in each["Code"]})
    for runtime in sorted({str(each["Runtime"]) for each in functions}):
        python = runtime if _works(runtime) else sys.executable
        if python != runtime:
            note(f"{runtime} is not installed: the code is tried by Python {sys.version.split()[0]} alone")
        with tempfile.TemporaryDirectory() as folder:
            zipfile.ZipFile(io.BytesIO(package.content)).extractall(folder)
            tried = _run(python, IMPORTS, folder, *handlers)
        if tried.returncode:
            said = (tried.stderr.strip().splitlines() or ["the import ends the interpreter"])[-1]
            raise ToolError(f"nothing was changed: the functions' code does not work: {said}", remedy="correct lambda/")


def _works(python: str) -> bool:
    try:
        return _run(python, f"import sys; sys.exit('python%d.%d' % sys.version_info[:2] != {python!r})").returncode == 0
    except OSError:
        return False


def _run(python: str, script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Isolated: nothing installed, nothing of this process, its folder or its variables is seen."""
    return subprocess.run(  # noqa: S603 - a runtime's name from our own template, and no shell
        [python, "-I", "-S", "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=IMPORT_SECONDS,
        stdin=subprocess.DEVNULL,
    )
