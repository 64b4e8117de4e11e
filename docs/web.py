"""Builds the site from the project's own pages: `make site` runs it as `python docs/web.py FOLDER`.

The pages are written for GitHub. What differs on a site is done to a copy: a link out of docs/ leads to a page that
shows the file, a diagram becomes a picture, a list is indented as Python-Markdown wants it. A link that leads nowhere
ends the build.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
COPY: Final = Path("build", "site-pages")
# What is read from where; a pattern stands for the pages that there are, an index first.
NAV: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("Home", ("README.md",)),
    ("Tour", ("docs/tour.md",)),
    ("Integrate", ("docs/integrate.md",)),
    ("Operate", ("docs/operations.md", "docs/failover.md", "docs/runbooks/*.md", "localcloud/README.md")),
    ("Processor", ("docs/processor.md",)),
    ("Protocol", ("docs/protocol.md", "docs/design.md", "docs/faults.md", "docs/mutants.md")),
    ("Scale and cost", ("docs/scale.md", "docs/cost.md")),
    ("Security", ("SECURITY.md", "docs/controls.md", "docs/rights.md", "docs/licences.md")),
    ("AWS facts", ("docs/aws.md", "docs/unverified.md")),
    ("Decisions", ("docs/decisions/*.md",)),
    ("Reference", ("docs/commands.md", "docs/settings.md", "docs/json.md", "CONTRIBUTING.md", "CHANGELOG.md")),
)
NAMES: Final = {"README.md": "index.md", "localcloud/README.md": "local-cloud.md"}
LANGUAGES: Final = {".py": "python", ".mjs": "javascript", ".toml": "toml", ".yml": "yaml", ".json": "json"}
PICTURE: Final = (
    '<div markdown="0" style="background: #fff; padding: .5em; overflow-x: auto; text-align: center">{}</div>'
)

FENCE: Final = re.compile(r" *(`{3,})")
ITEM: Final = re.compile(r"( *)(?:[*+-]|\d+\.) +")
DIAGRAM: Final = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE: Final = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"(?<=\]\()([^)\s]+)|(?<=^\[)([^]]+\]: )(\S+)", re.MULTILINE)


class Site:
    """The copy of the pages: what is on it, by path in the project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shown: set[Path] = set()

    def page(self, path: Path) -> None:
        """Copy a page, and after it the files that it leads to."""
        if path not in self._shown:
            self._shown.add(path)
            text = (ROOT / path).read_text(encoding="utf-8")
            self._write(path, indented(drawn(self._led(path, text))))

    def _led(self, path: Path, text: str) -> str:
        """The page with the links of the site."""
        code = [match.span() for match in CODE.finditer(text)]

        def lead(match: "re.Match[str]") -> str:
            if any(begin <= match.start() < end for begin, end in code):
                return match[0]
            return (match[2] or "") + self._target(path, match[3] or match[1])

        return LINK.sub(lead, text)

    def _target(self, path: Path, link: str) -> str:
        file, mark, anchor = link.partition("#")
        if not file or re.match(r"[a-z]+:", file):
            return link
        aim = Path(os.path.normpath(path.parent / file))
        if not (ROOT / aim).exists():
            raise SystemExit(f"{path}: the link {link} leads to no file")
        if not (aim.suffix == ".md" or aim.parts[0] == "docs"):
            self._show(aim)
        return os.path.relpath(place(aim), place(path).parent) + mark + anchor

    def _show(self, path: Path) -> None:
        """A page of a file that is none, or of a folder: of the files in it."""
        if path in self._shown:
            return
        self._shown.add(path)
        if (ROOT / path).is_dir():
            files = sorted(each.relative_to(ROOT) for each in (ROOT / path).glob("*.*"))
            for each in files:
                self._show(each)
            body = "\n".join(f"* [{each.name}]({os.path.relpath(place(each), place(path).parent)})" for each in files)
        else:
            text = (ROOT / path).read_text(encoding="utf-8")
            body = f"````{LANGUAGES.get(path.suffix, 'text')}\n{text}````"
        self._write(path, f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n{body}\n")

    def _write(self, path: Path, text: str) -> None:
        file = self.folder / place(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def place(path: Path) -> Path:
    """Where a file of the project is on the site."""
    if path.parts[0] == "docs":
        return path.relative_to("docs")
    if path.suffix == ".md":
        return Path(NAMES.get(path.as_posix(), path.name.lower()))
    return Path("source", f"{path}.md")


def pages(pattern: str) -> Sequence[Path]:
    """The pages that there are, an index first."""
    found = [each.relative_to(ROOT) for each in ROOT.glob(pattern)]
    return sorted(found, key=lambda each: (each.name != "index.md", each))


def drawn(text: str) -> str:
    """A page with its diagrams as pictures."""

    def draw(match: "re.Match[str]") -> str:
        import mmdr  # noqa: PLC0415 - of the site's own environment; most pages have no diagram

        picture = mmdr.render(match[1]).svg()
        # Names within a picture are of the whole page.
        return PICTURE.format(re.sub(r"\s*\n\s*", " ", picture.replace("merman", f"diagram-{match.start()}")))

    return DIAGRAM.sub(draw, text)


def indented(text: str) -> str:
    """A page with what belongs to an item of a list below it by four columns, and a blank line before each list."""
    return "\n".join(_indented(text.split("\n")))


def _indented(lines: Sequence[str]) -> Iterator[str]:
    columns: list[int] = []  # where the text of each open item begins
    fence, before = "", ""
    for line in lines:
        item, width = ITEM.match(line), len(line) - len(line.lstrip())
        if fence:
            fence = "" if line.strip() == fence else fence
        elif line.strip():
            if item or not before.strip() or FENCE.match(line):
                while columns and width < columns[-1]:
                    columns.pop()
            if item and not columns and before.strip() and not ITEM.match(before) and before[0] != " ":
                yield ""
            fence = mark[1] if (mark := FENCE.match(line)) else ""
        offset = columns[-1] if columns else 0
        own = line[min(offset, width) :]
        yield "    " * len(columns) + own if own.strip() and width >= offset else line
        if item and not fence:
            columns.append(item.end())
        before = line


def settings() -> str:
    """Zensical's settings file."""
    nav: list[Any] = []
    for name, patterns in NAV:
        found = [place(each).as_posix() for pattern in patterns for each in pages(pattern)]
        nav.append({name: found[0] if len(found) == 1 else found})
    rows = ", ".join(f"{{ {json.dumps(key)} = {json.dumps(value)} }}" for each in nav for key, value in each.items())
    own = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return f"[project]\nnav = [{rows}]\n{own}"


def main(target: Path) -> int:
    """Build the site into a folder. Exit code 1 where a link leads nowhere, or anything else is warned of."""
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    pictures = shutil.ignore_patterns("*.md", "*.py", "web.toml", "spec", "__pycache__")
    shutil.copytree(ROOT / "docs", COPY / "docs", ignore=pictures)
    site = Site(COPY / "docs")
    for _, patterns in NAV:
        for pattern in patterns:
            for path in pages(pattern):
                site.page(path)
    (COPY / "zensical.toml").write_text(settings(), encoding="utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", "zensical.toml"]
    code = subprocess.run(command, cwd=COPY, check=False).returncode  # noqa: S603 - our own
    if not code:
        shutil.move(COPY / "site", target)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
