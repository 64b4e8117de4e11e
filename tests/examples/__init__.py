"""The examples in Python and JavaScript, run as a merchant runs them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / "examples" / "python" / "payments.py"
JAVASCRIPT: Final = ROOT / "examples" / "javascript" / "payments.mjs"
LANGUAGES: Final = ("python", "javascript")


def node() -> str:
    """Node.js 20 or newer; the test is skipped where there is none."""
    program = shutil.which("node") or pytest.skip("Node.js is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int((re.match(r"v(\d+)", version) or ["", "0"])[1]) < 20:
        pytest.skip(f"Node.js 20 is needed, this is {version}")
    return program


def start(
    language: str,
    folder: Path,
    addresses: Mapping[str, str],
    orders: Sequence[Mapping[str, Any]],
    *more: str,
    keys: tuple[str, str] = ("test", "test"),
) -> "subprocess.Popen[str]":
    """The example, paying these orders at these addresses."""
    (folder / "outputs.json").write_text(json.dumps({"api_endpoints": addresses}))
    (folder / "orders.jsonl").write_text("".join(json.dumps(order) + "\n" for order in orders))
    command = [sys.executable, str(PYTHON)] if language == "python" else [node(), str(JAVASCRIPT)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ |= {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1], "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.Popen(
        [*command, "outputs.json", "orders.jsonl", *more],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
