"""What the project's pages and comments point at: headings, links, paths and names that are not there."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

COLUMNS: Final = 120
BUILT: Final = re.compile(r"\.(?!github$|ci$).*|build|node_modules|__pycache__|.*\.egg-info")
READ: Final = (".py", ".md", ".toml", ".yml", ".css", "Makefile", "run")

# A line end within a sentence, in Markdown or in a comment.
GAP: Final = r"(?:[ ]|[ ]*\n[ \t]*(?:[#>][ ]?)?)"
CITATION: Final = re.compile(
    rf'(?<![\w/])(?P<page>[\w./-]+\.md)(?P<headings>(?:(?:,{GAP}(?:and{GAP})?|{GAP}and{GAP})\\?"[^"\\]{{1,120}}\\?")+)'
)
FAULT: Final = re.compile(rf"docs/faults\.md,{GAP}fault{GAP}(\d+)|[Ff]ault{GAP}(\d+){GAP}of{GAP}docs/faults\.md")
PAGE: Final = re.compile(r"(?<![\w/.:-])(?:docs|localcloud|bench|tests)/[\w/-]+\.md\b")
# Pages that the project once was written from, and does not ship.
FOREIGN: Final = re.compile(
    rf"\b(?:DESIGN(?:\.md)?{GAP}\d|SPEC(?:\.md)?{GAP}[A-D]\d*\b|FACTS(?:\.md)?{GAP}[FN]\d+|FAULTS{GAP}\d"
    r"|(?:DESIGN|SPEC|FACTS|FAULTS|BASELINES|STYLE|PRICES|SURVEY)\.md)"
)
BARE: Final = re.compile(r'"""[BF]\d+[ .]|\([FN]\d+\)')
MODULE: Final = re.compile(r"(?<![\w/.$<{-])[\w/*-]+\.py\b")
CONSTANT: Final = re.compile(r"`([a-z_]+)\.([A-Z][A-Z_]{2,})`")
# What stands for anything: a name in braces or in capitals.
ANYTHING: Final = re.compile(r"\{[^}]*\}|\b[A-Z][A-Z_]+\b(?!\.md|file)")
LINK: Final = re.compile(r"!?\[[^]]*\]\(([^)\s]+)\)")
REFERENCE: Final = re.compile(r"\[[^]]+\]\[([^]]+)\]")
DEFINITION: Final = re.compile(r"^\[([^]]+)\]: (\S+)", re.MULTILINE)
# A module's comments, its strings (a # in one is none), and those that begin a line: docstrings, also of attributes.
SAID: Final = re.compile(
    r'''(?P<comment>\#[^\n]*)|(?P<docstring>^[ ]*r?"""(?:\\.|(?!""").)*""")'''
    r'''|(?P<quote>"""|"|\'{3}|\')(?:\\.|(?!(?P=quote)).)*(?P=quote)''',
    re.MULTILINE | re.DOTALL,
)
ADDRESS: Final = re.compile(r"https?://[^\s)>\"]+")


class Finding(NamedTuple):
    """`file` relative to the project, `line` from 1."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


class Project:
    """The text files below a folder, by path relative to it. What is built or installed is left out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths: set[str] = set()
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if not BUILT.fullmatch(name)]
            near = Path(folder).relative_to(root)
            self.paths |= {(near / name).as_posix() for name in (*folders, *files)}
        self.files = {
            path: root / path for path in sorted(self.paths) if path.endswith(READ) and (root / path).is_file()
        }
        self.folders = {path for path in self.paths if "/" not in path and (root / path).is_dir()}

    def text(self, path: str) -> str:
        return self.files[path].read_text(encoding="utf-8")

    def has(self, path: str, near: str = "") -> bool:
        """Whether a path exists, from the project's folder or from the one of the file `near`."""
        pattern = ANYTHING.sub("*", path.rstrip("/"))
        patterns = {pattern, os.path.join(os.path.dirname(near), pattern)}
        return bool(patterns & self.paths) or any(
            "*" in each and fnmatch(known, each) for each in patterns for known in self.paths
        )

    def has_module(self, name: str) -> bool:
        """Whether some file's path ends so."""
        name = ANYTHING.sub("*", name)
        return any(fnmatch(path, name) or fnmatch(path, f"*/{name}") for path in self.files if path.endswith(".py"))

    def defines(self, module: str, constant: str) -> bool:
        """Whether a module of that name assigns the constant."""
        assigned = re.compile(rf"^{constant}\b.*=", re.MULTILINE)
        return any(Path(path).name == f"{module}.py" and assigned.search(self.text(path)) for path in self.files)


def check(root: Path, *, ignore: Sequence[str] = ()) -> list[Finding]:
    """Every finding in the files below `root`, except for those that match `ignore`."""
    project = Project(root)
    found: list[Finding] = []
    for path in project.files:
        if any(fnmatch(path, pattern) for pattern in ignore):
            continue
        text = project.text(path)
        for at, what in (*check_citations(project, text), *check_prose(project, path, prose(path, text))):
            found.append(Finding(path, text.count("\n", 0, at) + 1, what))
        if path.endswith(".md"):
            found += [Finding(path, text.count("\n", 0, at) + 1, what) for at, what in check_links(project, path, text)]
            found += [Finding(path, line, what) for line, what in check_width(text)]
    return found


def check_citations(project: Project, text: str) -> Iterator[tuple[int, str]]:
    """Pages, headings and numbered faults that are cited and not there, and pages of elsewhere."""
    for match in CITATION.finditer(text):
        page = match["page"]
        if page not in project.files:
            yield match.start(), f"{page} is no page"
            continue
        for heading in re.findall(r'"([^"\\]+)', re.sub(rf"(?<=[\w,;:]){GAP}", " ", match["headings"])):
            if heading.strip(" ,") in ("", "and"):
                continue
            if heading not in headings(project.text(page)):
                yield match.start(), f"{page} has no heading {heading!r}"
    for match in PAGE.finditer(text):
        if match[0] not in project.files:
            yield match.start(), f"{match[0]} is no page"
    for match in FAULT.finditer(text):
        number = match[1] or match[2]
        if "docs/faults.md" in project.files and f"\n| {number} |" not in project.text("docs/faults.md"):
            yield match.start(), f"docs/faults.md has no fault {number}"
    for pattern in (FOREIGN, BARE):
        for match in pattern.finditer(text):
            yield match.start(), f"{match[0]!r} is not of this project"


def check_prose(project: Project, near: str, text: str) -> Iterator[tuple[int, str]]:
    """Files, folders and constants that comments and pages name and that are not there."""
    text = ADDRESS.sub(lambda match: " " * len(match[0]), text)
    tops = "|".join(sorted(map(re.escape, project.folders), key=len, reverse=True)) or "-"
    for match in re.finditer(rf"(?<![\w/.$@}}:-])(?:\.\./)*((?:{tops})/[\w.*/-]*(?:\{{[\w.,]+\}}[\w.*/-]*)*)", text):
        path = match[1].rstrip(".-")
        if path.strip("/") not in project.folders and not project.has(path, near):
            yield match.start(), f"{path} does not exist"
    for match in MODULE.finditer(text):
        if match[0].partition("/")[0] not in project.folders and not project.has_module(match[0]):
            yield match.start(), f"there is no module {match[0]}"
    for match in CONSTANT.finditer(text):
        if project.has_module(f"{match[1]}.py") and not project.defines(match[1], match[2]):
            yield match.start(), f"{match[1]}.py has no {match[2]}"


def check_links(project: Project, path: str, text: str) -> Iterator[tuple[int, str]]:
    """Links of a page that lead to no file or heading, and references that are not defined."""
    plain = without_code(text)
    defined = dict(DEFINITION.findall(plain))
    for match in REFERENCE.finditer(plain):
        if match[1] not in defined:
            yield match.start(), f"the link [{match[1]}] is not defined"
    for match in (*LINK.finditer(plain), *DEFINITION.finditer(plain)):
        target = match.groups()[-1]
        if re.match(r"https?:|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        near = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        if near not in project.paths:
            yield match.start(), f"the link {target} leads to no file"
        elif anchor and near in project.files and anchor not in anchors(project.text(near)):
            yield match.start(), f"the link {target} leads to no heading"


def check_width(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are too long; tables, code and link definitions cannot be wrapped."""
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        fenced ^= line.lstrip().startswith("```")
        if len(line) > COLUMNS and not (fenced or line.startswith(("|", "    ")) or DEFINITION.match(line)):
            yield number, f"{len(line)} columns"


@lru_cache
def headings(text: str) -> frozenset[str]:
    """The headings of a page, as they are written."""
    return frozenset(re.findall(r"^#+ (.*?)[ ]*$", without_code(text, inline=False), re.MULTILINE))


@lru_cache
def anchors(text: str) -> frozenset[str]:
    """The anchors that a page's headings get on GitHub."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.*?)[ ]*$", without_code(text, inline=False), re.MULTILINE):
        anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return frozenset(found)


def without_code(text: str, *, inline: bool = True) -> str:
    """A page with its code blanked out, every character at its place."""
    pattern = r"^```.*?^```|`[^`\n]+`" if inline else r"^```.*?^```"
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.MULTILINE | re.DOTALL)


def prose(path: str, text: str) -> str:
    """What a file says to people, every character at its place: all of a page, comments and docstrings of a module."""
    if not path.endswith(".py"):
        return text
    kept, at = [], 0
    for match in SAID.finditer(text):
        if match["comment"] or match["docstring"]:
            kept += [re.sub(r"[^\n]", " ", text[at : match.start()]), match[0]]
            at = match.end()
    return "".join([*kept, re.sub(r"[^\n]", " ", text[at:])])
