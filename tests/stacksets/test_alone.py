"""The package stands alone: what it imports, what it knows, and the example that it gives to other projects."""

import ast
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import localcloud
import stacksets
from stacksets.model import InstanceStatus
from tests.localcloud.conftest import eventually
from tests.stacksets.conftest import ACCOUNT, ADMINISTRATION

FOLDER = Path(stacksets.__file__).parent
FILES = sorted(FOLDER.rglob("*.py"))
ALLOWED = {"boto3", "botocore", "mypy_boto3_cloudformation", "rich", "stacksets", *sys.stdlib_module_names}
REGIONS = ("us-east-1", "eu-west-1")


def imported(file: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    packages = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            packages |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            packages.add((node.module or "").partition(".")[0])
    return packages


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_of_this_house_is_imported(file: Path) -> None:
    assert imported(file) <= ALLOWED


def test_it_has_at_most_ten_modules() -> None:
    assert len(FILES) <= 10


@pytest.mark.parametrize("word", ["payctl", "payment", "register"])
def test_no_file_knows_what_it_is_used_for(word: str) -> None:
    assert [file.name for file in FILES if word in file.read_text().lower()] == []


def example() -> str:
    """The code in the package's docstring."""
    _, _, rest = (stacksets.__doc__ or "").partition("::\n")
    lines = rest.splitlines()
    end = next(number for number, line in enumerate(lines) if line and not line.startswith("    "))
    return textwrap.dedent("\n".join(lines[:end]))


def test_example_of_the_docstring_runs(cloud: localcloud.LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word for word: one operation creates a queue in every Region, one changes it; then all of it is removed."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    days = {"Type": "String", "Default": "1"}
    queue = {
        "Type": "AWS::SQS::Queue",
        "Properties": {"QueueName": "orders", "Tags": [{"Key": "Days", "Value": {"Ref": "Days"}}]},
    }
    names: dict[str, Any] = {
        "template": json.dumps({"Parameters": {"Days": days}, "Resources": {"Queue": queue}}),
        "account": ACCOUNT,
        "administration": ADMINISTRATION,
        "execution": "execution",
        "regions": REGIONS,
    }
    exec(example(), names)  # noqa: S102 - our own docstring
    shop = names["shop"]
    eventually(lambda: [operation.action for operation in shop.operations()] == ["UPDATE", "CREATE"])
    assert {instance.region: instance.status for instance in shop.instances()} == dict.fromkeys(
        REGIONS, InstanceStatus.CURRENT
    )
    for region in REGIONS:
        stack = names["stack"].Stacks(names["api"](region), region).instance_of("shop")
        assert stack.parameters == {"Days": "3"}
    with names["progress"].reporter(quiet=True) as report:
        runner = names["operation"].Runner(client=shop, stacks=names["run"].__self__.stacks, report=report)
        runner.remove(ACCOUNT, REGIONS, working=True)
    shop.delete()
    assert shop.describe() is None
