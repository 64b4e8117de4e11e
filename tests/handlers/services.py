"""The services at the other end of the wire: they parse real requests, do them in the simulated world, and answer as
AWS and the processor do. What they do not know they refuse, so that no request can be half understood.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from payments.protocol.ports import (
    CANCELLED,
    LOST,
    NOT_SENT,
    Charge,
    PutEvent,
    Refusal,
    StartWorkflow,
    Verdict,
    WriteReceipt,
)

from tests.handlers.calls import ENVIRONMENT, Call, Refused, Reply, encode, moment_of
from tests.handlers.stripe import Stripe
from tests.handlers.tables import Tables
from tests.handlers.wire import Message, answer
from tests.simulation.dice import Dice
from tests.simulation.traffic import ACCOUNT
from tests.simulation.world import REGIONS, World

PROCESSOR = "https://processor.example"
APART = 300
"""Seconds that a signature may be off."""
HOST = re.compile(r"(?:(?P<bucket>[a-z0-9-]+)\.)?(?P<service>[a-z0-9]+)\.(?P<region>[a-z]+-[a-z]+-\d)\.amazonaws\.com")
GLOBAL_S3, REGIONAL_S3 = ".s3.amazonaws.com", ".s3.us-east-1.amazonaws.com"
"""What the SDK calls the buckets of one Region, and what they are called besides."""
SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ")
INVOCATION = re.compile(r"/2015-03-31/functions/(?P<name>[\w-]+)/invocations")
THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")


class Services(Tables):
    """`secret` is what the processor takes, `secrets` what each Region's Secrets Manager says."""

    def __init__(self, world: World, dice: Dice) -> None:
        super().__init__(world, dice)
        self.secret = "secret-1"
        self.secrets = dict.fromkeys(REGIONS, self.secret)
        self.inputs: dict[tuple[str, str], str] = {}
        self.invoked: Callable[[str, Mapping[str, Any]], None] = lambda _region, _event: None

    @staticmethod
    def region(host: str) -> str:
        """Where a host is; "" is nowhere's."""
        match = HOST.fullmatch(host.replace(GLOBAL_S3, REGIONAL_S3))
        return match["region"] if match else ""

    def read(self, message: Message) -> Call:
        """What a request asks for. Raises what cannot be understood."""
        if f"https://{message.host}" == PROCESSOR:
            return self._processor(message)
        match = HOST.fullmatch(message.host.replace(GLOBAL_S3, REGIONAL_S3))
        if match is None:
            raise AssertionError(f"no such host: {message.host}")
        region, service = match["region"], match["service"]
        self._signed(message, region, service)
        if not self._recent(message):
            return self.call("clock", region, "TOO SKEWED", self._skewed)
        if service == "s3":
            return self._object(message, match["bucket"], region)
        if service == "lambda":
            return self._invoke(message, region)
        target = message.headers["x-amz-target"].partition(".")[2]
        fields = json.loads(message.body)
        return SERVICES[service](self, region, target, fields)

    # --- signatures

    @staticmethod
    def _signed(message: Message, region: str, service: str) -> None:
        scope = SCOPE.match(message.headers["authorization"])
        if scope is None or (scope["region"], scope["service"]) != (region, service):
            raise AssertionError(f"signed for {scope and scope.groups()}, sent to {region}, {service}")

    def _recent(self, message: Message) -> bool:
        if "user-agent" in message.headers:  # botocore signs by the real clock
            return True
        return abs(moment_of(message.headers["x-amz-date"]) - self.world.time) <= APART

    @staticmethod
    def _skewed() -> Any:
        raise Refused("InvalidSignatureException", 403)

    # --- the workflow's service, the bus, secrets, the bucket

    def states(self, region: str, action: str, fields: dict[str, Any]) -> Call:
        name, text = fields["name"], fields["input"]
        if action != "StartExecution" or f":{region}:" not in fields["stateMachineArn"]:
            raise AssertionError(f"{action} of {fields['stateMachineArn']} in {region}")

        def do() -> Any:
            if self.inputs.setdefault((region, name), text) != text or self.dice.chance(
                0.5 if name in self.world.executions[region] else 0.0
            ):
                raise Refused("ExecutionAlreadyExists")
            self.world.perform(region, StartWorkflow(name, text))
            return {"executionArn": f"arn:aws:states:{region}::execution:{name}"}

        return self.call("bus", region, "START", do)

    def events(self, region: str, _action: str, fields: dict[str, Any]) -> Call:
        def do() -> Any:
            if {entry["Source"] for entry in fields["Entries"]} == {"payment.outcomes"}:
                return self._in_doubt(fields["Entries"])
            for entry in fields["Entries"]:
                if (entry["Source"], entry["DetailType"]) != ("payment.processing", "Payment Transaction"):
                    raise AssertionError(entry)
                self.world.perform(region, PutEvent(entry["Detail"]))
            return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

        return self.call("bus", region, "EVENT", do)

    @staticmethod
    def _in_doubt(entries: list[dict[str, str]]) -> Any:
        """What janitors tell subscribers."""
        for entry in entries:
            if entry["DetailType"] != "payment.in_doubt" or json.loads(entry["Detail"])["status"] != "IN_DOUBT":
                raise AssertionError(entry)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}] * len(entries)}

    def secretsmanager(self, region: str, _action: str, _fields: dict[str, Any]) -> Call:
        return self.call("secrets", region, "SECRET", lambda: {"SecretString": self.secrets[region]})

    def _invoke(self, message: Message, region: str) -> Call:
        """A function is called, and nobody waits for it."""
        called = INVOCATION.fullmatch(message.path)
        if not called or called["name"] != f"payment-janitor-{region}-{ENVIRONMENT}":
            raise AssertionError(f"{message.method} {message.path}")
        if message.headers["x-amz-invocation-type"] != "Event":
            raise AssertionError("a janitor that waits for another")

        def do() -> Reply:
            self.invoked(region, json.loads(message.body))
            return 202, b""

        return self.call("lambda", region, "INVOKE", do)

    def _object(self, message: Message, bucket: str, region: str) -> Call:
        key = message.path.removeprefix("/")
        if message.method == "HEAD":  # of what is missing S3 says 403 to whoever may not list
            there = self.world.buckets[region]
            return self.call("bucket", region, f"HEAD {key}", lambda: (200 if key in there else 403, b""))
        if message.method == "GET":
            return self._list(key, region)
        if message.method != "PUT" or message.headers.get("if-none-match") != "*":
            raise AssertionError(f"{message.method} of {key} with {message.headers}")
        if bucket != f"payment-receipts-{region}-{ENVIRONMENT}-{ACCOUNT}":
            raise AssertionError(f"no bucket {bucket}")

        def do() -> Reply:
            there = key in self.world.buckets[region]
            self.world.perform(region, WriteReceipt(key, message.body.decode()))
            return (412, b"<Error/>") if there else (200, b"")

        return self.call("bucket", region, f"PUT {key}", do)

    def _list(self, query: str, region: str) -> Call:
        """Keys of receipts after one of them, three at a time."""
        asked = {name: values[0] for name, values in parse_qs(query.removeprefix("?")).items()}
        if asked.pop("list-type") != "2" or asked.keys() - {"prefix", "start-after", "encoding-type"}:
            raise AssertionError(f"a list of {query}")

        def do() -> Reply:
            keys = sorted(key for key in self.world.buckets[region] if key.startswith(asked["prefix"]))
            keys = [key for key in keys if key > asked["start-after"]]
            shown = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys[:3])
            truncated = str(len(keys) > 3).lower()
            text = f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{shown}</ListBucketResult>"
            return 200, text.encode()

        return self.call("bucket", region, "LIST", do)

    # --- the processor

    def _processor(self, message: Message) -> Call:
        rail, world = self.world.rail, self.world
        path = message.path.split("/")[1:]

        def asked(what: str, do: Callable[[], Reply]) -> Call:
            def run() -> Reply:
                allowed = message.headers.get("authorization") == f"Bearer {self.secret}"
                return do() if allowed else (401, b"{}")

            return self.call("rail", "", what, run)

        if isinstance(rail, Stripe):
            if path[-1] != "confirm":
                return asked(f"{message.method} {message.path}", lambda: rail.answer(message, world.time))
            payment = rail.intents[path[-2]].payment
            if (payment, path[-2]) not in world.named:
                world.watcher.unnamed(payment, path[-2])
            return asked(f"CHARGE {path[-2]}", lambda: rail.answer(message, world.time))
        if (message.method, path) == ("POST", ["charges"]):
            fields, key = json.loads(message.body), message.headers["idempotency-key"]
            charge = Charge(
                PROCESSOR, key, fields["reference"], fields["amount"], fields["currency"], fields.get("source", "")
            )
            return asked(f"CHARGE {charge.id}", lambda: charged(rail.charge(charge, world.time)))
        key = path[1]
        if message.method == "GET":
            return asked(f"LOOKUP {key[:8]}", lambda: looked(rail.lookup(key, world.time)))
        if (message.method, path[2:]) != ("POST", ["cancel"]):
            raise AssertionError(f"{message.method} {message.path}")
        return asked(f"CANCEL {key[:8]}", lambda: cancelled(rail.cancel(key, world.time)))

    # --- errors

    def turned_away(self, call: Call, dice: Dice) -> bytes:
        """Throttled or out of order: nothing was done."""
        if call.service == "rail":
            return answer(dice.pick((429, 503, 502)), b"{}")
        if call.what.startswith("HEAD"):  # such an answer has no body
            return answer(dice.pick((503, 502)), b"")
        if dice.chance(0.3):
            return answer(dice.pick((503, 502)), b"<html>unavailable</html>")
        if call.service == "bucket":
            return answer(503, b"<Error><Code>SlowDown</Code></Error>")
        return answer(400, encode({"__type": f"com.amazonaws#{dice.pick(THROTTLED)}"}))

    def failed(self, call: Call, dice: Dice) -> bytes:
        """An error, whatever was done."""
        if call.what.startswith("HEAD"):
            return answer(dice.pick((500, 504)), b"")
        if call.service == "rail" or dice.chance(0.3):
            return answer(dice.pick((500, 504)), b"<html>gateway time-out</html>")
        return answer(500, encode({"__type": "com.amazonaws#InternalServerError"}))

    def in_flight(self) -> bytes:
        """The processor works on this very key."""
        return answer(409, b'{"error": "in flight"}')


SERVICES: Mapping[str, Callable[[Services, str, str, dict[str, Any]], Call]] = {
    "dynamodb": Services.dynamodb,
    "states": Services.states,
    "events": Services.events,
    "secretsmanager": Services.secretsmanager,
}


def charged(word: Any) -> Reply:
    """The processor's answer to a charge."""
    if word is LOST:
        return 409, b"{}"
    if word is NOT_SENT:
        return 429, b"{}"
    if isinstance(word, Refusal):
        return int(word.cause), b"{}"
    return (410 if word == CANCELLED else 201 if word.settled else 402), told(word)


def looked(word: Any) -> Reply:
    """The processor's answer to a lookup."""
    if word is LOST:
        return 200, b'{"status": "processing"}'
    return (404, b"{}") if word is None else (200, told(word))


def cancelled(word: Any) -> Reply:
    """The processor's answer to a cancel: 409 where it is too late, 405 where it cannot."""
    if word is LOST:
        return 405, b"{}"
    return (200, b'{"status": "cancelled"}') if word is None else (409, told(word))


def told(verdict: Verdict) -> bytes:
    """The body with the processor's final word."""
    status = "cancelled" if verdict == CANCELLED else "succeeded" if verdict.settled else "declined"
    return encode({"status": status, **({"id": verdict.reference} if verdict.reference else {})})
