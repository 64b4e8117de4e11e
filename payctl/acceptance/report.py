"""The report of an acceptance: one HTML file with everything in it, and the same as JSON beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from payctl import pages
from payctl.acceptance.check import Group, Verdict

STYLE: Final = Path(__file__).with_name("report.css")
WORDS: Final = {Verdict.TRUE: "true", Verdict.FALSE: "false", Verdict.UNCHECKED: "not checkable here"}


def write(data: Mapping[str, Any], file: Path) -> Path:
    """Write the report, and its JSON beside it; the JSON's path."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(html(data), encoding="utf-8")
    beside = file.with_suffix(".json")
    beside.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return beside


def html(data: Mapping[str, Any]) -> str:
    """The whole page."""
    findings = data["findings"]
    word = "failed" if data["counts"]["false"] else "passed"
    figures = "".join(
        f"<div{_class('wrong', verdict is Verdict.FALSE and data['counts'][verdict])}>"
        f'<dt>{WORDS[verdict]}</dt><dd data-figure="{pages.words(verdict)}">{data["counts"][verdict]}</dd></div>'
        for verdict in Verdict
    )
    parts = [
        f'<header class="{word}"><h1>Acceptance</h1><p class="verdict">{word}</p>',
        f"<p>{pages.words(_sentence(data))}</p></header>",
        pages.listed(
            "failures", (f"{each['id']}: {each['reason']}" for each in findings if each["verdict"] == Verdict.FALSE)
        ),
        f'<dl class="figures">{figures}</dl>',
        *(_group(group, [each for each in findings if each["group"] == group]) for group in Group),
        pages.embedded("acceptance", data),
    ]
    return pages.page(f"Acceptance: {word}", STYLE.read_text(), parts)


def _sentence(data: Mapping[str, Any]) -> str:
    where = "the local cloud" if data["local"] else "AWS"
    return (
        f"Environment {data['environment']} on {where}, home {data['home']}, {data['began']}, {data['seconds']:g} s. "
        f"payctl {data['version']}, commit {data['commit']}."
    )


def _group(group: Group, findings: list[Mapping[str, Any]]) -> str:
    if not findings:
        return ""
    return f"<section><h2>{group.value}</h2>{''.join(_finding(each) for each in findings)}</section>"


def _finding(finding: Mapping[str, Any]) -> str:
    verdict = Verdict(finding["verdict"])
    more = (
        f"<p>{pages.words(finding['claim'])}</p>",
        f"<p>{pages.words(finding['reason'])}</p>" if finding["reason"] else "",
        f'<p class="source">{pages.words(finding["source"])}</p>',
        pages.listed("evidence", finding["evidence"]),
        _requests(finding["requests"]),
    )
    return (
        f'<details class="{verdict.name.lower()}"{" open" if verdict is Verdict.FALSE else ""}><summary>'
        f"<span>{WORDS[verdict]}</span> <code>{pages.words(finding['id'])}</code> {finding['seconds']:g} s</summary>"
        f"{''.join(more)}</details>"
    )


def _requests(requests: list[Mapping[str, Any]]) -> str:
    if not requests:
        return ""
    columns = ("at", "service", "operation", "region", "status", "request")
    return pages.table(columns, [[each[name] for name in columns] for each in requests])


def _class(name: str, given: object) -> str:
    return f' class="{name}"' if given else ""
