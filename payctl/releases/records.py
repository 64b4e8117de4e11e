"""What an environment was deployed from, which a rollback deploys again (docs/design.md, "Releases").

Code and templates lie in the home Region's artifact bucket. What they were, and with which parameters, is an item of
the home Region's register table: whoever may write to the bucket cannot choose what is deployed next.
"""

import ast
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from payctl.advice import doing
from payctl.environment import Environment
from payctl.names import artifact_bucket
from payctl.outcomes import streams
from payctl.releases.package import MISSING, Package, place
from payctl.releases.templates import Template, parse
from stacksets.errors import ToolError, code_of

KEPT: Final = 20
TRIES: Final = 10
"""To write what another run changes at the same time."""
KEY: Final = {"TransactionId": {"S": ":releases"}}
"""No payment's id begins so."""
PASSING = {"AbsentReplica", "CodeVersions", "KeyArns", *streams.NAMES}
"""Parameters that tell the state of an environment, not what it was deployed from."""
DECLARATION = "payments/release.py"
"""Where the code says which release it is; code from before there were numbers is release 1."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A version of an object of the home Region's artifact bucket."""

    key: str
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Release:
    """What was deployed. `release` is its number, `oldest_reader` that of the oldest release that can read all that
    this one writes; `good` once every Region had it and was well, and until it was rolled back from."""

    at: str
    release: int
    oldest_reader: int
    code_hash: str
    code: Stored
    regional: Stored
    world: Stored
    regional_parameters: Mapping[str, str]
    global_parameters: Mapping[str, str]
    tags: Mapping[str, str]
    good: bool = False

    @property
    def name(self) -> str:
        """As it is shown and named."""
        return self.id[:12]

    @property
    def id(self) -> str:
        """What it consists of, whenever it was deployed."""
        content = asdict(replace(self, at="", good=False))
        content |= {part: content[part]["key"] for part in ("code", "regional", "world")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def numbers(package: Package) -> tuple[int, int]:
    """RELEASE and OLDEST_READER of the code, read and not run."""
    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        if DECLARATION not in archive.namelist():
            return 1, 1
        tree = ast.parse(archive.read(DECLARATION))
    found = {
        node.target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    return int(str(found["RELEASE"])), int(str(found["OLDEST_READER"]))


@dataclass(frozen=True)
class Records:
    """The records of one environment, the oldest first."""

    environment: Environment

    def all(self) -> tuple[Release, ...]:
        """() where there is no register. Read only."""
        return _releases(self._text())

    def _text(self) -> str:
        """What is kept, as it is written; nothing where there is none. Read only."""
        api = self.environment.cloud.dynamodb(self.environment.home)
        with doing("read", f"table {self._table}"):
            try:
                item = api.get_item(TableName=self._table, Key=KEY, ConsistentRead=True).get("Item", {})
            except api.exceptions.ResourceNotFoundException:
                return ""
        return item.get("releases", {"S": ""})["S"]

    def record(
        self,
        *,
        package: Package,
        regional: Template,
        world: Template,
        regional_parameters: Mapping[str, str],
        global_parameters: Mapping[str, str],
        tags: Mapping[str, str],
        good: bool,
    ) -> None:
        """Put a release at the end, in the place of an equal one, and keep what it consists of. What was good stays so
        while it is deployed again."""
        number, oldest = numbers(package)
        release = Release(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            release=number,
            oldest_reader=oldest,
            code_hash=package.hash,
            code=Stored(key=package.key),
            regional=Stored(key=regional.key),
            world=Stored(key=world.key),
            regional_parameters=_lasting(regional_parameters),
            global_parameters=_lasting(global_parameters),
            tags=tags,
            good=good,
        )
        releases = self.all()
        if releases and releases[-1].id == release.id and releases[-1].good:
            return
        code, first, second = self._store(package, regional, world)
        placed = replace(release, code=code, regional=first, world=second)

        def add(known: Sequence[Release]) -> list[Release]:
            same = any(each.good for each in known if each.id == placed.id)
            return [*(each for each in known if each.id != placed.id), replace(placed, good=good or same)]

        self.change(add)

    def change(self, how: Callable[[Sequence[Release]], Sequence[Release]]) -> None:
        """Replace them by what `how` makes of them, asked again where another run has changed them meanwhile. While the
        register is lost, none is kept. Raises ToolError."""
        api = self.environment.cloud.dynamodb(self.environment.home)
        for _ in range(TRIES):
            before = self._text()
            values = {":releases": {"S": json.dumps([asdict(each) for each in _kept(how(_releases(before)))])}}
            with doing("write to", f"table {self._table}"):
                try:
                    api.update_item(
                        TableName=self._table,
                        Key=KEY,
                        UpdateExpression="SET releases = :releases",
                        ConditionExpression="releases = :before" if before else "attribute_not_exists(releases)",
                        ExpressionAttributeValues=values | ({":before": {"S": before}} if before else {}),
                    )
                except api.exceptions.ConditionalCheckFailedException:
                    continue
                except api.exceptions.ResourceNotFoundException:
                    pass
            return
        raise ToolError("others change the records of releases all the time", remedy="repeat the command")

    def _store(self, package: Package, regional: Template, world: Template) -> tuple[Stored, Stored, Stored]:
        """Keep code and templates in the home Region, whatever their size."""
        contents = {
            package.key: package.content,
            regional.key: regional.text.encode(),
            world.key: world.text.encode(),
        }
        cloud, home = self.environment.cloud, self.environment.home
        code, first, second = (
            Stored(
                key=key,
                version=place(cloud.s3(home), self.bucket, key, content, region=home, owner=cloud.account).version,
            )
            for key, content in contents.items()
        )
        return code, first, second

    def package(self, release: Release) -> Package:
        """Its code. Raises ToolError where that is not what it was."""
        content = self._fetch(release.code)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return Package(content=content, files=len(archive.namelist()))

    def template(self, name: str, stored: Stored) -> Template:
        """Its template. Raises ToolError where that is not what it was."""
        return parse(name, self._fetch(stored).decode())

    def _fetch(self, stored: Stored) -> bytes:
        cloud = self.environment.cloud
        content = b""
        with doing("read", f"{self.bucket}/{stored.key}"):
            try:
                content = (
                    cloud.s3(self.environment.home)
                    .get_object(
                        Bucket=self.bucket, Key=stored.key, VersionId=stored.version, ExpectedBucketOwner=cloud.account
                    )["Body"]
                    .read()
                )
            except ClientError as error:
                if code_of(error) not in MISSING | {"NoSuchVersion"}:
                    raise
        if not content:
            raise ToolError(
                f"{self.bucket}/{stored.key}, version {stored.version}, is gone",
                remedy="name another release with --to, or deploy from a checkout",
            )
        if hashlib.sha256(content).hexdigest() not in stored.key:
            raise ToolError(
                f"{self.bucket}/{stored.key}, version {stored.version}, is not what was deployed",
                remedy="find out who wrote it (CloudTrail, PutObject), and deploy from a checkout",
            )
        return content

    @property
    def bucket(self) -> str:
        """Where everything is kept."""
        return artifact_bucket(self.environment.home, self.environment.cloud.account)

    @property
    def _table(self) -> str:
        return self.environment.names.register(self.environment.home)


def _kept(releases: Sequence[Release]) -> list[Release]:
    """The last KEPT. What failed makes room before what was good, or whoever tries often has nothing to go back to."""
    kept = [*releases]
    while len(kept) > KEPT:
        kept.remove(next((each for each in kept[:-1] if not each.good), kept[0]))
    return kept


def _releases(text: str) -> tuple[Release, ...]:
    return tuple(_release(each) for each in json.loads(text or "[]"))


def _lasting(parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name not in PASSING}


def _release(fields: Mapping[str, Any]) -> Release:
    stored = {part: Stored(**fields[part]) for part in ("code", "regional", "world")}
    return Release(**{**fields, **stored})
