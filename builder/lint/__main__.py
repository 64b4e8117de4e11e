"""`python -m builder.lint` lints templates/*.json, or any three files, and prints each finding with its remedy."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from builder.lint import public
from builder.lint.templates import Source, lint, regions_of

EXAMPLE = """Example:
  python -m builder.lint --regional changed.json --global templates/global.json

Exit code: 0 no finding, 1 findings, 2 wrong usage."""


def main(arguments: list[str] | None = None) -> int:
    """Print the findings; exit code 0 without any, 1 with some, 2 on wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m builder.lint",
        description="Find what AWS would refuse or silently not do with the templates, in every Region.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--regional", type=Path, metavar="FILE", help="template of one Region")
    parser.add_argument("--global", type=Path, metavar="FILE", dest="world", help="template of what spans Regions")
    parser.add_argument("--bootstrap", type=Path, metavar="FILE", help="template of an account's preparation")
    parser.add_argument("--public", action="store_true", help="run cfn-lint and cloudformation-validate as well")
    options = parser.parse_args(arguments)
    if (options.regional is None) != (options.world is None) or (options.bootstrap and not options.regional):
        parser.error("--regional and --global go together")
    default = options.regional is None
    files = [options.regional, options.world, options.bootstrap]
    if default:
        files = [Path("templates") / f"{name}.json" for name in ("regional", "global", "bootstrap")]
    sources = [_read(parser, file) for file in files if file]
    regions = regions_of(sources[0].document)
    lines = [f"{finding}\n  Remedy: {finding.remedy}" for finding in lint(*sources, regions=regions)]
    if options.public:
        try:
            for source in sources:
                lines += public.lint(source.file, json.dumps(source.document), regions)
        except ImportError as error:
            parser.error(f"--public: {error.name} is not installed; run `make setup`")
    for line in lines:
        print(line)
    return 1 if lines else 0


def _read(parser: argparse.ArgumentParser, file: Path) -> Source:
    """The template in a file; ends the program where there is none."""
    try:
        document: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        parser.error(f"{file}: {error}")
    return Source(str(file), document)


if __name__ == "__main__":
    sys.exit(main())
