"""Schemathesis makes requests of docs/openapi.json, right and wrong ones, and holds every answer of the deployed API
against it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.contract.answers import DOCUMENT
from tests.contract.environment import program as contract_program
from tests.e2e.support import REGIONS, ROOT, Environment

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
)


@pytest.mark.evidence
def test_schemathesis_finds_no_answer_outside_the_document(dev: Environment, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))
    address = dev.outputs()["api_endpoints"][REGIONS[0]]
    command = [contract_program("schemathesis"), "run", "openapi.json", "--url", address]
    command += ["--checks", ",".join(CHECKS), "--max-examples", "150", "--seed", "1", "--no-color"]
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ
        | {
            "SCHEMATHESIS_HOOKS": "tests.contract.sigv4",
            "PYTHONPATH": str(ROOT),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGIONS[0],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    print(ran.stdout[-20_000:], ran.stderr[-3000:])
    assert ran.returncode == 0, ran.stdout[-10_000:] + ran.stderr
