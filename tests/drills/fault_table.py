"""`python -m tests.drills.fault_table` writes docs/faults.md: which tests cover each fault that must be borne."""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "faults.md"
# test_fault_07_..., test_fault_18_and_19_...
NAME: Final = re.compile(r"test_fault_((?:\d\d_and_)*\d\d)_")

FAULTS: Final = {
    1: "the same request many times in one Region, at once",
    2: "the same request in two or three Regions, at once or across a failover",
    3: "the same id with another payload, afterwards or racing",
    4: "the function dies after any step, from the first cell to the result",
    5: "no time is left when the call of the processor is claimed",
    6: "a burst above the function's reserved concurrency",
    7: "DynamoDB throttles or fails in one Region",
    8: "poison: no JSON, too long, NaN, negative, a card number; a poison message in a queue",
    9: "a Region is lost at any step",
    10: "the network is partitioned: one Region from the two others, or all from each other",
    11: "replication is late, up to hours, and out of order",
    12: "clocks are an hour off, or run backwards",
    13: "a worker sleeps for hours before it calls the processor, and another takes over",
    14: "an event comes twice, late or never",
    15: "all dead letters are redriven, twice, after settling",
    16: "the receipts bucket fails, its key is denied, its replication is late",
    17: "the processor charges and does not answer, fails, declines, forgets keys",
    18: "failover flaps, or is a false alarm",
    19: "a Region comes back after hours with unfinished work",
    20: "a deployment amid traffic: two versions of the code",
    21: "one Region's table is away while its functions run, and the other way round",
    22: "a crash between result, publishing and finishing; a Region lost right after a 201",
    23: "two versions or two rails side by side",
    24: "a register table is emptied, restored or swapped",
}
HEAD: Final = """# Which test covers which fault

After this page you can point at the test of every fault that the design answers.

Written by `python -m tests.drills.fault_table` from the names of the tests; a test compares. Those in
`tests/simulation` run the code of `lambda/payments` in a simulated world, others run it deployed on the local cloud.

| # | fault | tests |
|---|---|---|
"""


def tests() -> dict[int, list[str]]:
    """By number of the fault: its tests, as `FOLDER/FILE.py::name`, in order."""
    found: dict[int, list[str]] = defaultdict(list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            match = NAME.match(node.name) if isinstance(node, ast.FunctionDef) else None
            for number in match[1].split("_and_") if match else ():
                found[int(number)].append(f"{file.relative_to(ROOT / 'tests')}::{getattr(node, 'name', '')}")
    return {number: sorted(names) for number, names in found.items()}


def page() -> str:
    """The page as it should be."""
    found = tests()
    rows = []
    for number, fault in FAULTS.items():
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in found.get(number, []):
            file, _, name = test.partition("::")
            by_file[file].append(f"`{NAME.sub('', name)}`")
        told = "<br>".join(f"[{file}](../tests/{file}): {', '.join(names)}" for file, names in by_file.items())
        rows.append(f"| {number} | {fault} | {told} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(ROOT)} written")
