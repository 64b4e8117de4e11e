"""Where AWS calls go: credentials, accounts, Regions and the endpoint, as one factory of boto3 clients; and where the
internet is asked for a name."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from builder.names import ADMINISTRATION_ROLE, EXECUTION_ROLE
from builder.settings import Settings
from localcloud import client as local_cloud
from payctl import endpoint as endpoints
from payctl import sdk
from payctl.journal import JOURNAL
from stacksets.errors import REGION, ToolError, silent

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

AT_ONCE: Final = 32
"""Calls of one kind, and connections to one service of a Region."""
Item = TypeVar("Item")
Answer = TypeVar("Answer")


def answered_at(answer: Any) -> int:
    """Seconds since 1970 of an answer of AWS, by the clock of the service."""
    return int(parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp())


class Cloud:
    """The clients of one run. Those of `administrator` see the StackSet, all others the target account.

    They are the same account unless the settings name another target; then `accounts.access_role_arn` is assumed.
    """

    def __init__(self, settings: Settings, *, session: "sdk.boto3.Session", endpoint: str = "") -> None:
        self.settings = settings
        self.endpoint = endpoint
        self._session = session
        self._clients: dict[tuple[str, str, bool], Any] = {}
        self._listeners: list[Callable[..., None]] = []
        self._lock = threading.Lock()  # a session may not make two clients at once

    @classmethod
    def of(
        cls, settings: Settings, *, local: bool = False, endpoint: str = "", environ: Mapping[str, str] = os.environ
    ) -> "Cloud":
        """The cloud that the options or the settings name, in this order; else AWS. Raises ToolError."""
        base = _session()
        endpoint = endpoints.chosen(settings, base, environ, local=local, endpoint=endpoint)
        if local and not environ.get("AWS_ACCESS_KEY_ID"):
            # Never a profile's keys: the local cloud is no place for them.
            base.set_credentials("test", "test")
        return cls(settings, session=sdk.boto3.Session(botocore_session=base), endpoint=endpoint)

    def listen(self, heard: Callable[..., None]) -> None:
        """Have `heard` called with every answer to clients made from now on, as botocore's event `after-call`."""
        self._listeners.append(heard)

    @cached_property
    def _identity(self) -> tuple[str, Mapping[str, Any]]:
        """Who the credentials are, and the Region that says so: home, or the next that answers."""
        *others, last = sorted(self.settings.regions, key=lambda region: region != self.settings.home)
        for region in others:
            try:
                return region, self._client("sts", region, target=False).get_caller_identity()
            except (ClientError, BotoCoreError) as error:
                everything = self.endpoint and isinstance(error, EndpointConnectionError)  # all Regions are one address
                if everything or not silent(error):
                    raise
        return last, self._client("sts", last, target=False).get_caller_identity()

    @property
    def administrator(self) -> str:
        """The account of the credentials, which owns the StackSet."""
        return str(self._identity[1]["Account"])

    @cached_property
    def account(self) -> str:
        """The account that the environment lives in."""
        return self.settings.accounts.target or self.administrator

    @property
    def caller(self) -> str:
        """Who runs this, as an ARN."""
        return str(self._identity[1]["Arn"])

    @property
    def stack_set_roles(self) -> dict[str, str]:
        """The role that StackSets assumes first, and the name of the role in the target account that this assumes."""
        accounts = self.settings.accounts
        own = f"arn:aws:iam::{self.administrator}:role/{ADMINISTRATION_ROLE}"
        return {
            "administration_role_arn": accounts.administration_role_arn or own,
            "execution_role_name": accounts.execution_role_name or EXECUTION_ROLE,
        }

    @property
    def two_accounts(self) -> bool:
        """Whether the environment lives in another account than the StackSet."""
        return self.account != self.administrator

    @property
    def _foreign(self) -> bool:
        """As two_accounts, without a call where the settings name no target: even STS is a client of this class."""
        return bool(self.settings.accounts.target) and self.two_accounts

    @property
    def stack_sets(self) -> "CloudFormationClient":
        """CloudFormation of the administrator account, home Region."""
        return cast("CloudFormationClient", self._client("cloudformation", self.settings.home, target=False))

    def administrator_client(self, service: str, region: str) -> Any:
        """Any service of the administrator account."""
        return self._client(service, region, target=False)

    def target_client(self, service: str, region: str) -> Any:
        """Any service of the target account."""
        return self._client(service, region)

    def cloudformation(self, region: str) -> "CloudFormationClient":
        return cast("CloudFormationClient", self._client("cloudformation", region))

    def s3(self, region: str) -> "S3Client":
        return cast("S3Client", self._client("s3", region))

    def dynamodb(self, region: str) -> "DynamoDBClient":
        return cast("DynamoDBClient", self._client("dynamodb", region))

    def cloudwatch(self, region: str) -> "CloudWatchClient":
        return cast("CloudWatchClient", self._client("cloudwatch", region))

    def stepfunctions(self, region: str) -> "SFNClient":
        return cast("SFNClient", self._client("stepfunctions", region))

    def sqs(self, region: str) -> "SQSClient":
        return cast("SQSClient", self._client("sqs", region))

    def logs(self, region: str) -> "CloudWatchLogsClient":
        return cast("CloudWatchLogsClient", self._client("logs", region))

    def functions(self, region: str) -> "LambdaClient":
        return cast("LambdaClient", self._client("lambda", region))

    def apigateway(self, region: str) -> "APIGatewayClient":
        return cast("APIGatewayClient", self._client("apigateway", region))

    def credentials(self) -> Any:
        """Credentials of the target account, whose API admits no other account's. Raises NoCredentialsError."""
        credentials = (self._target_session if self._foreign else self._session).get_credentials()
        if credentials is None:
            raise NoCredentialsError
        return credentials

    def target_keys(self) -> tuple[str, str, str]:
        """Access key, secret and token ("" for none) of the target account, as they are now."""
        frozen = self.credentials().get_frozen_credentials()
        return str(frozen.access_key), str(frozen.secret_key), frozen.token or ""

    def name_servers(self, zone: str) -> frozenset[str]:
        """Who the internet is told to ask for a zone, nobody where it is told of none. Raises ToolError where it cannot
        be asked."""
        import dns.resolver  # noqa: PLC0415  # 46 ms of each start, and hardly ever needed

        try:
            if self.endpoint:
                servers: Iterable[str] = local_cloud.admin(self.endpoint, "GET", f"/dns/{zone}")["name_servers"]
            else:
                servers = [str(record) for record in dns.resolver.resolve(f"{zone}.", "NS")]
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            servers = ()
        except (dns.exception.DNSException, local_cloud.LocalCloudError, OSError, ValueError) as error:
            raise ToolError(f"the name servers of {zone} cannot be looked up: {error}") from error
        return frozenset(server.rstrip(".").lower() for server in servers)

    def everywhere(self, call: Callable[[str], Answer], regions: Iterable[str] = ()) -> dict[str, Answer]:
        """Call for every Region at once; answers in rank order. The first error is raised after all have ended."""
        return together(call, tuple(regions) or self.settings.regions)

    def _client(self, service: str, region: str, *, target: bool = True) -> Any:
        foreign = target and self._foreign
        with self._lock:
            key = (service, region, foreign)
            if key not in self._clients:
                session = self._target_session if foreign else self._session
                client = session.client(
                    service,  # type: ignore[call-overload]  # the callers above give each name its type
                    region_name=region,
                    endpoint_url=self.endpoint or None,
                    config=self._config(service),
                )
                client.meta.events.register("before-call", JOURNAL.listener(region))
                _name_region(client, region)
                for heard in self._listeners:
                    client.meta.events.register("after-call", heard)
                self._clients[key] = client
            return self._clients[key]

    def _config(self, service: str) -> "sdk.config.Config":
        Config = sdk.config.Config
        # The first call of all is to STS: a wrong address or network must not take half a minute to show.
        first = service == "sts"
        retries: Any = {"mode": "standard", "total_max_attempts": 2 if first else 5}
        read_timeout = 10 if first else 60
        config = Config(connect_timeout=5, read_timeout=read_timeout, retries=retries, max_pool_connections=AT_ONCE)
        if endpoints.loopback(self.endpoint):
            # Neither a proxy nor the address at which EC2 tells about itself, whatever the environment says.
            config = config.merge(Config(proxies={}, defaults_mode="legacy"))  # type: ignore[arg-type]
        if self.endpoint and service == "s3":
            config = config.merge(Config(s3={"addressing_style": "path"}))
        if self.endpoint and service == "stepfunctions":
            config = config.merge(Config(inject_host_prefix=False))  # of TestState: no host of another name is served
        return config

    @cached_property
    def _target_session(self) -> "sdk.boto3.Session":
        """A session of the target account."""
        role = self.settings.accounts.access_role_arn
        if not role:
            raise ToolError(
                f"accounts.target is {self.account}, the credentials are of {self.administrator}",
                remedy="name a role of the target account in accounts.access_role_arn",
            )

        def create_client(service: str, **arguments: Any) -> Any:
            where = {
                "region_name": self._identity[0],
                "endpoint_url": self.endpoint or None,
                "config": self._config("sts"),
            }
            return operator.create_client(service, **{**arguments, **where})

        operator = _session()
        fetcher = sdk.credentials.AssumeRoleCredentialFetcher(
            create_client, self._session.get_credentials(), role, extra_args={"RoleSessionName": "payctl"}
        )
        session = _session()
        session.register_component("credential_provider", sdk.credentials.CredentialResolver([_assumed(fetcher)]))
        return sdk.boto3.Session(botocore_session=session)


def _session() -> "sdk.session.Session":
    """A session that reads botocore's descriptions of AWS (endpoints.json alone has 1.2 MB) once a process."""
    session = sdk.session.Session()
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@cache
def _loader(path: str | None) -> "sdk.loaders.Loader":
    return sdk.loaders.create_loader(path)


def _assumed(fetcher: "sdk.credentials.AssumeRoleCredentialFetcher") -> "sdk.credentials.CredentialProvider":
    """The target account's role, assumed when needed and renewed before it expires."""

    class Assumed(sdk.credentials.CredentialProvider):
        METHOD = "assume-role"

        def load(self) -> "sdk.credentials.DeferredRefreshableCredentials":
            return sdk.credentials.DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)

    return Assumed()


def _name_region(client: Any, region: str) -> None:
    """Have the errors of a client tell its Region, which none of them does by itself (stacksets.errors.region_of)."""

    def answered(parsed: dict[str, Any], **_: Any) -> None:
        parsed.setdefault("ResponseMetadata", {})[REGION] = region

    def failed(exception: Exception, **_: Any) -> None:
        if isinstance(exception, BotoCoreError):
            exception.kwargs = {**exception.kwargs, REGION: region}

    client.meta.events.register("after-call", answered)
    client.meta.events.register("after-call-error", failed)


def together(call: Callable[[Item], Answer], items: Iterable[Item]) -> dict[Item, Answer]:
    """Call for every item, AT_ONCE at once; answers in the items' order. The first error is raised after all have
    ended."""
    items = tuple(items)
    with ThreadPoolExecutor(max_workers=max(1, min(AT_ONCE, len(items))), thread_name_prefix="payctl") as pool:
        futures = {item: pool.submit(call, item) for item in items}
    return {item: future.result() for item, future in futures.items()}


def batches(items: Iterable[Item], most: int) -> Iterator[tuple[Item, ...]]:
    """As many of them at once."""
    rest = iter(items)
    while batch := tuple(islice(rest, most)):
        yield batch
