"""The code package: the same bytes everywhere, uploaded once."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payctl.environments import package
from payctl.names import artifact_bucket
from stacksets.errors import ToolError
from tests.payctl.conftest import REGIONS, Project


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "payments" / "__pycache__").mkdir(parents=True)
    (folder / "payments" / "b.py").write_text("b = 2")
    (folder / "payments" / "a.py").write_text("a = 1")
    (folder / "payments" / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"compiled")
    (folder / ".DS_Store").write_text("")
    return folder


def test_package_holds_sources_sorted_and_nothing_else(code: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(package.build(code).content)) as archive:
        assert archive.namelist() == ["payments/a.py", "payments/b.py"]
        assert archive.read("payments/a.py") == b"a = 1"
        # Readable for the function, whatever the mask of the machine that packed it.
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o644}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_equal_sources_make_equal_bytes_whenever_and_however_they_were_written(code: Path) -> None:
    before = package.build(code)
    for file in code.rglob("*.py"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
        file.chmod(0o700)
    assert package.build(code).hash == before.hash


def test_changed_source_is_another_package(code: Path) -> None:
    before = package.build(code)
    (code / "payments" / "a.py").write_text("a = 2")
    assert package.build(code).hash != before.hash


def test_folder_without_code_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="holds no code"):
        package.build(tmp_path)


def test_code_is_uploaded_to_every_region_once(project: Project, aws: Callable[[str, str], Any]) -> None:
    cloud = project.environment().cloud
    project.code(f"print('{project.suffix}')")
    built = package.build()
    assert package.upload_code(cloud, built) == REGIONS
    assert package.upload_code(cloud, built) == ()
    for region in REGIONS:
        found = aws("s3", region).get_object(Bucket=artifact_bucket(region, cloud.account), Key=built.key)
        assert found["Body"].read() == built.content


def test_account_without_buckets_is_told_to_bootstrap(project: Project) -> None:
    built = package.build()
    s3 = project.environment().cloud.s3(REGIONS[0])
    with pytest.raises(ToolError, match="run `payctl bootstrap`"):
        package.put_once(s3, "payment-artifacts-none", built.key, built.content, region=REGIONS[0], owner="0" * 12)
