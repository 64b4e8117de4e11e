"""The code package: the same bytes everywhere, uploaded once."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payctl.names import artifact_bucket
from payctl.releases import package
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
    first, second = package.upload_code(cloud, built), package.upload_code(cloud, built)
    assert [placed.fresh for placed in first.values()] == [True] * 3
    assert [placed.fresh for placed in second.values()] == [False] * 3
    for region in REGIONS:
        assert first[region].version == second[region].version
        found = aws("s3", region).get_object(
            Bucket=artifact_bucket(region, cloud.account), Key=built.key, ChecksumMode="ENABLED"
        )
        assert found["Body"].read() == built.content
        assert (found["ChecksumSHA256"], found["VersionId"]) == (built.sha256, first[region].version)


def test_account_without_buckets_is_told_to_bootstrap(project: Project) -> None:
    built = package.build()
    s3 = project.environment().cloud.s3(REGIONS[0])
    with pytest.raises(ToolError, match="run `payctl bootstrap`"):
        package.place(s3, "payment-artifacts-none", built.key, built.content, region=REGIONS[0], owner="0" * 12)


@pytest.mark.parametrize("content", [b"built", b"other"])  # of one length
def test_object_without_that_checksum_is_compared_by_its_bytes(
    project: Project, aws: Callable[[str, str], Any], content: bytes
) -> None:
    """As earlier versions uploaded it."""
    cloud, key = project.environment().cloud, f"code/{project.suffix}.zip"
    bucket, s3 = artifact_bucket(REGIONS[0], cloud.account), cloud.s3(REGIONS[0])
    version = aws("s3", REGIONS[0]).put_object(Bucket=bucket, Key=key, Body=content)["VersionId"]
    if content == b"built":
        assert package.place(s3, bucket, key, b"built", region=REGIONS[0], owner=cloud.account).version == version
    else:
        with pytest.raises(ToolError, match=f"{key}, version {version}, is not what was built"):
            package.place(s3, bucket, key, b"built", region=REGIONS[0], owner=cloud.account)


def test_who_uploads_at_the_same_moment_is_compared_and_never_overwritten(
    project: Project, aws: Callable[[str, str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, key = project.environment().cloud, f"code/{project.suffix}.zip"
    bucket, s3, put = artifact_bucket(REGIONS[0], cloud.account), cloud.s3(REGIONS[0]), cloud.s3(REGIONS[0]).put_object

    def be_late(**arguments: Any) -> Any:
        aws("s3", REGIONS[0]).put_object(Bucket=bucket, Key=key, Body=b"other")
        return put(**arguments)

    monkeypatch.setattr(s3, "put_object", be_late)
    with pytest.raises(ToolError, match="is not what was built"):
        package.place(s3, bucket, key, b"built", region=REGIONS[0], owner=cloud.account)


def test_bucket_without_versions_is_refused(project: Project, aws: Callable[[str, str], Any]) -> None:
    """Nothing in it can be pinned."""
    cloud, bucket = project.environment().cloud, f"payment-artifacts-{project.suffix}"
    aws("s3", REGIONS[0]).create_bucket(Bucket=bucket)
    with pytest.raises(ToolError, match=f"bucket {bucket} keeps no versions.*`payctl bootstrap`"):
        package.place(cloud.s3(REGIONS[0]), bucket, "key", b"built", region=REGIONS[0], owner=cloud.account)
