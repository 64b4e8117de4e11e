"""Takes the decisions of a local cloud, says them in the words of the templates' example stacks, and keeps those that
prove a right.

`python -m tests.rights.record FILE...` reads what runs of tests/e2e have left and writes tests/rights/decisions.json.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.lint.evaluate import ACCOUNT
from builder.names import ARTIFACTS_KEY
from localcloud.client import ACCOUNT as LOCAL_ACCOUNT
from tests.rights import replay
from tests.rights.policies import OPERATORS, REGIONS
from tests.rights.replay import FILE, Decision

PLACES = "|".join(REGIONS)
# What is generated, or differs between environments, and decides nothing.
SAME = (
    (re.compile(LOCAL_ACCOUNT), ACCOUNT),
    (re.compile(rf"(payment[a-z-]*-(?:{PLACES})-)(?!\d{{12}})[a-z0-9]+"), r"\1dev"),
    (re.compile(r"(table/payments-|alerts-inbox-)[a-z0-9]+"), r"\1dev"),
    (re.compile(r"stack/StackSet-payments-[a-z0-9]+-[0-9a-f-]+/[0-9a-f-]+"), "stack/StackSet-payments-dev-0/0"),
    (re.compile(r"stackset/payments-[a-z0-9]+:[0-9a-f-]+"), "stackset/payments-dev:0"),
    (re.compile(r"code/[0-9a-f]{64}\.zip"), f"code/{'0' * 64}.zip"),
    (re.compile(r"secret:payment-psp-[a-z]+-[A-Za-z0-9]{6}"), "secret:processor-key-AbCdEf"),
    (re.compile(r"payment-bootstrap-(ApiGatewayLogRole)-[A-Z0-9]+"), r"\1"),
    (re.compile(r"receipts/[^/]+$"), "receipts/TXN-1.json"),
)
KEY = re.compile(rf"(arn:aws:kms:(?:{PLACES}):\d+:key/)([0-9a-f-]{{36}})")
API = re.compile(rf"(restapis(?:/|%2F)|execute-api:(?:{PLACES}):\d+:)([0-9a-f]{{8}})")


def in_words_of_templates(decisions: Iterable[Decision], keys: Mapping[str, str]) -> Iterator[Decision]:
    """Decisions about the environments that are deployed from the templates, each once; `keys` says
    what their keys are called."""

    told: set[str] = set()

    def name_of(key: str) -> str:
        return keys.get(key, OPERATORS)

    for decision in decisions:
        text = json.dumps(decision)
        others = not {found[2] for found in KEY.finditer(text)} <= set(keys)
        if others and "kms:EncryptionContext:SecretARN" not in decision["context"]:
            continue
        region = _region(decision)
        text = KEY.sub(lambda found: f"{found[1]}{name_of(found[2])}", text)
        text = API.sub(rf"\g<1>Api-{region}", text)
        said: Decision = json.loads(text)
        said = _in_texts(said, _same)
        if (same := json.dumps(said, sort_keys=True)) not in told:
            told.add(same)
            yield said


def keys_of(decisions: Iterable[Decision]) -> dict[str, str]:
    """What the examples call each key that has one of our aliases."""
    found = {}
    for decision in decisions:
        for alias in decision["context"].get("kms:ResourceAliases") or ():
            region, key = decision["resource"].split(":")[3], decision["resource"].rpartition("/")[2]
            if re.fullmatch(rf"alias/payment-processing-{region}-[a-z0-9]+", alias):
                found[key] = f"Key-{region}"
            elif alias == ARTIFACTS_KEY:
                found[key] = f"ArtifactKey-{region}"
    return found


def _region(decision: Decision) -> str:
    place = " ".join([decision["resource"], *map(str, decision["context"].values())])
    return next((region for region in REGIONS if region in place), REGIONS[0])


def _same(text: str) -> str:
    for pattern, same in SAME:
        text = pattern.sub(same, text)
    return text


def _in_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {name: _in_texts(each, change) for name, each in value.items()}
    if isinstance(value, list):
        return [_in_texts(each, change) for each in value]
    return change(value) if isinstance(value, str) else value


def proving(decisions: Iterable[Decision]) -> list[Decision]:
    """One decision for each right, as few as that takes; those that the templates' policies decide as recorded."""
    plain = map(_without_what_nothing_asks_for, decisions)
    unique = {json.dumps(each, sort_keys=True): each for each in plain}
    candidates = [each for _, each in sorted(unique.items()) if replay.allowed(each) == each["allowed"]]
    kept: dict[int, Decision] = {}
    for right in replay.rights():
        proofs = replay.proofs(right, candidates)
        first = next(iter(proofs), None)
        if first is not None and not any(id(proof) in kept for proof in replay.proofs(right, candidates)):
            kept[id(first)] = first
    return sorted(kept.values(), key=lambda each: json.dumps(each, sort_keys=True))


def _without_what_nothing_asks_for(decision: Decision) -> Decision:
    """The tags that no condition names, and the reason."""
    context = {
        key: value
        for key, value in decision["context"].items()
        if not key.startswith("aws:ResourceTag/") or key.endswith(("/Application", "/Environment"))
    }
    return {key: value for key, value in decision.items() if key != "reason"} | {"context": context}


def main() -> int:
    """Write the decisions that prove a right."""
    from tests.rights.computed import computed_decisions  # noqa: PLC0415 - loads the emulator, which tests do not

    seen: list[Decision] = []
    for file in sys.argv[1:]:
        made = json.loads(Path(file).read_text())
        seen += in_words_of_templates(made, keys_of(made))
    kept = proving([*seen, *computed_decisions()])
    lines = ",\n".join(json.dumps(each, sort_keys=True) for each in kept)
    FILE.write_text(f"[\n{lines}\n]\n")
    print(f"{len(kept)} of {len(seen)} decisions kept in {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
