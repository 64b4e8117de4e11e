"""Writes docs/openapi.json: the API as OpenAPI 3.1, made of the rules that the function and the gateway obey.

Run it as `python docs/openapi.py FILE`.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from payments import api
from payments.merchants import HEADER
from payments.protocol import transactions as rules
from payments.protocol.currencies import MINOR_UNITS, UNITS
from payments.protocol.values import DECLINED, IN_DOUBT, NOT_CHARGED, PENDING, SETTLED, VOID

from builder import gateway_responses
from builder import settings as settings_file

Schema = dict[str, Any]
ROOT: Final = Path(__file__).parents[1]
POST: Final = {
    200: "The same request again, in any Region: this is how the payment ended. The same body as the first time.",
    201: "The payment ended just now: settled, declined, or closed without a charge. `status` says which.",
    202: "Accepted, and not final yet. It will end by itself: read `Location` again after `Retry-After` seconds.",
}
FINAL: Final = {
    SETTLED: "charged, once",
    DECLINED: "refused by the payment processor; nothing was charged",
    NOT_CHARGED: "closed: nothing was charged, and never will be",
}
OPEN: Final = {
    PENDING: "accepted, and it will end by itself",
    IN_DOUBT: "only the processor or an operator knows how it ends: keep reading, and never pay it under another id",
    VOID: "closed by an earlier version of this system: nothing was charged",
}
# What the gateway says of paths and methods that exist, without asking the function: all of them have the rest.
OF_BODIES: Final = ("BAD_REQUEST_BODY", "REQUEST_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")
OF_PARAMETERS: Final = ("BAD_REQUEST_PARAMETERS",)
ELSEWHERE: Final = ("DEFAULT_4XX", "RESOURCE_NOT_FOUND")
THROTTLED: Final = next(wait for _, status, _, _, wait in gateway_responses.RESPONSES if status == 429)
EXAMPLE: Final = {"id": "ORDER-2024-A17", "amount": "99.99", "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}
SETTLED_EXAMPLE: Final = {
    "message": "Payment settled",
    "status": SETTLED,
    "transactionId": EXAMPLE["id"],
    "amount": "99.99",
    "currency": "USD",
    "timestamp": "2024-01-15T10:30:00Z",
    "region": "eu-west-1",
    "decidedAt": 1705314601,
}


def document() -> Schema:
    """The whole document."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"', project, re.MULTILINE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Multi-region payments",
            "version": version[1] if version else "",
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": (
                "Payments that run identically in three AWS Regions. The transaction id is the idempotency key: the "
                "same request may be repeated, in any Region, and is charged once. **503, another 5xx and no answer "
                "mean that the outcome is unknown, not that the payment was refused**: repeat the same request with "
                "the same id, in any Region, or read it until its status is final. docs/integrate.md is the guide."
            ),
        },
        "servers": [
            {
                "url": "https://{api}.execute-api.{region}.amazonaws.com/prod",
                "description": "One address a Region; `payctl outputs` prints all three as `api_endpoints`.",
                "variables": {
                    "api": {"default": "example", "description": "The id of the Region's API."},
                    "region": {"default": regions()[0], "enum": regions()},
                },
            }
        ],
        "security": [{"sigv4": []}],
        "paths": {
            "/payments": {"post": post()},
            "/payments/{id}": {"get": get()},
            "/health": {"get": health()},
        },
        "components": {
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4, for `execute-api` in the Region of the address.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
            "schemas": schemas(),
        },
    }


def regions() -> list[str]:
    """The Regions of the settings, in rank order."""
    return list(settings_file.load(ROOT / "deployment.toml", {}).regions)


def post() -> Schema:
    """POST /payments."""
    links = {"links": {"read": {"operationId": "getPayment", "parameters": {"id": "$response.body#/transactionId"}}}}
    return {
        "operationId": "postPayment",
        "summary": "Make a payment, or repeat one",
        "parameters": [merchant()],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ref("PaymentRequest"), "example": {"transaction": EXAMPLE}}},
        },
        "responses": {
            "200": paid(POST[200], "FinalPayment", {"Idempotent-Replayed": text("true", "true")}) | links,
            "201": paid(POST[201], "FinalPayment") | links,
            "202": paid(POST[202], "OpenPayment", {"Location": text("Where to read it."), **retry_after(202)}) | links,
            **problems((400, 403, 409, 422, 503), without=OF_PARAMETERS),
        },
    }


def get() -> Schema:
    """GET /payments/{id}."""
    answers = problems((403, 404, 503), without=OF_BODIES)
    answers["503"]["description"] = f"{api.UNREAD} Or: {answers['503']['description']}"
    return {
        "operationId": "getPayment",
        "summary": "Read a payment",
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "example": EXAMPLE["id"]},
            merchant(),
        ],
        "responses": {
            "200": paid("The payment as this Region knows it. Ask again while its status is not final.", "Payment"),
            **answers,
        },
    }


def health() -> Schema:
    """GET /health."""
    state = {"200": "ok", "503": "`out`: an operator took it out of service; `unavailable`: its register is silent"}
    answers: Schema = {
        status: {
            "description": f"This Region says of itself: {said}.",
            "headers": {"Cache-Control": text("no-store", "no-store")},
            "content": {"application/json": {"schema": ref("Health")}},
        }
        for status, said in state.items()
    }
    answers["503"] |= {"headers": {}, "content": answers["503"]["content"] | problem_content()}  # or the gateway's own
    return {
        "operationId": "getHealth",
        "summary": "Whether this Region should be sent payments",
        "security": [],
        "responses": {**problems((), without=OF_BODIES + OF_PARAMETERS), **answers},
    }


def merchant() -> Schema:
    """The header by which an operator acts for a merchant."""
    return {
        "name": "-".join(word.capitalize() for word in HEADER.split("-")),
        "in": "header",
        "required": False,
        "description": "For operators only: the merchant to act for. 403 where there are none, or for anybody else's.",
        "schema": {"type": "string", "pattern": "^([a-z][a-z0-9-]{0,31})?$"},
    }


def paid(description: str, schema: str, headers: Schema | None = None) -> Schema:
    """An answer that shows a payment."""
    return {
        "description": description,
        "headers": {"Cache-Control": text("no-store", "no-store"), **(headers or {})},
        "content": {"application/json": {"schema": ref(schema)}},
    }


def problems(function: tuple[int, ...], *, without: tuple[str, ...]) -> Schema:
    """The answers that show no payment: the function's, and all but some types of the gateway's."""
    said = {status: [api.PROBLEMS[status][1]] for status in function}
    for kind, code, _, detail, _ in gateway_responses.RESPONSES:
        if code and kind not in without + ELSEWHERE:
            said.setdefault(code, []).append(detail)
    return {
        str(status): {
            "description": " Or: ".join(said[status]),
            "headers": retry_after(status),
            "content": problem_content(),
        }
        for status in sorted(said)
    }


def problem_content() -> Schema:
    """RFC 9457."""
    return {"application/problem+json": {"schema": ref("Problem")}}


def retry_after(status: int) -> Schema:
    """The header that says how long to wait, where there is one."""
    seconds = THROTTLED if status == 429 else api.RETRY_AFTER.get(status)
    return {"Retry-After": text("Seconds to wait, at least.", str(seconds))} if seconds else {}


def text(description: str, only: str = "") -> Schema:
    """A header that always comes; `only` with this value."""
    schema = {"type": "string", "const": only} if only else {"type": "string"}
    return {"description": description, "required": True, "schema": schema}


def schemas() -> Schema:
    """What requests and answers hold."""
    metadata = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": rules.NOTES,
        "propertyNames": {"pattern": whole(rules.NOTE)},
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": rules.NOTED},
    }
    source = {"type": "string", "pattern": whole(rules.SOURCE)}
    reference = {"type": "string", "pattern": whole(rules.REFERENCE)}
    return {
        "PaymentRequest": closed({"transaction": ref("Transaction")}, required=("transaction",)),
        "Transaction": closed(
            {
                "id": {
                    "type": "string",
                    "pattern": whole(rules.ID),
                    "description": "The idempotency key, yours to choose. A UUID or ULID is best.",
                },
                "amount": {
                    "description": "Above zero, with no more decimals than its currency has. A text is exact.",
                    "oneOf": [
                        {"type": "string", "pattern": whole(rules.AMOUNT)},
                        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": int(rules.LARGEST)},
                    ],
                },
                "currency": {"type": "string", "enum": sorted(MINOR_UNITS), "description": "ISO 4217."},
                "timestamp": {
                    "description": "ISO 8601 with a zone, or seconds since 1970; in 1970 to 2199.",
                    "oneOf": [
                        {"type": "string", "pattern": moment()},
                        {"type": "number", "minimum": 0, "exclusiveMaximum": rules.MICROS_OF_LAST // 10**6},
                    ],
                },
                "source": source
                | {"description": "The processor's token of what is charged. Never a card number, never shown again."},
                "reference": reference | {"description": "Yours, for people; the processor gets it too."},
                "metadata": metadata | {"description": "Your notes by name; the processor gets them too."},
            },
            required=rules.FIELDS,
        )
        | {"description": "Nothing in it may look like a card number: that is refused."},
        "FinalPayment": payment(FINAL, final=True),
        "OpenPayment": payment(OPEN, final=False),
        "Payment": {"oneOf": [ref("FinalPayment"), ref("OpenPayment")]},
        "Details": {
            "type": "object",
            "description": "What was given beside the necessary.",
            "minProperties": 1,
            "properties": {
                "source": {"type": "string", "pattern": r"^\*{4}.{4}$", "description": "Its last four characters."},
                "reference": reference,
                "metadata": metadata,
            },
        },
        "Problem": {
            "type": "object",
            "description": "RFC 9457. Never a refusal where `status` is 5xx.",
            "required": ["type", "title", "detail"],
            "properties": {
                "type": {"const": "about:blank"},
                "title": {"type": "string"},
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
                "detail": {"type": "string"},
                "faults": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["field", "detail"],
                        "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
                    },
                },
            },
        },
        "Health": {
            "type": "object",
            "required": ["status", "region"],
            "properties": {"status": {"enum": ["ok", "out", "unavailable"]}, "region": {"enum": regions()}},
        },
    }


def payment(statuses: Mapping[str, str], *, final: bool) -> Schema:
    """A payment as answers show it. New members may come: ignore what you do not know."""
    members: Schema = {
        "message": {"type": "string", "description": "For people."},
        "status": {"enum": list(statuses), "description": "; ".join(f"{s}: {why}" for s, why in statuses.items())},
        "transactionId": {"type": "string", "pattern": whole(rules.ID)},
        "amount": {"type": "string", "pattern": whole(rules.AMOUNT)},
        "currency": {"enum": sorted(UNITS)},
        "timestamp": {"type": "string", "format": "date-time"},
    }
    required = list(members)
    members["details"] = ref("Details")
    if final:
        members["region"] = {"enum": regions(), "description": "Where it was charged."}
        members["decidedAt"] = {"type": "integer", "description": "Seconds since 1970."}
        members["reference"] = {"type": "string", "description": "The processor's."}
        required += ["region", "decidedAt"]
    schema: Schema = {"type": "object", "required": required, "properties": members}
    return schema | {"examples": [SETTLED_EXAMPLE]} if final else schema


def closed(properties: Schema, *, required: tuple[str, ...]) -> Schema:
    """An object that has no other members."""
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


def ref(name: str) -> Schema:
    """A schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def whole(pattern: re.Pattern[str]) -> str:
    """A pattern for the whole text, as JSON Schema writes it: there `\\d` is an ASCII digit, as the flag says here."""
    return f"^{pattern.pattern}$"


def moment() -> str:
    """The pattern of moments, whose letters may be of either case: JSON Schema has no flag for that."""
    return whole(rules.MOMENT).replace("[T ]", "[Tt ]").replace("(Z|", "([Zz]|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(document(), indent=2) + "\n", encoding="utf-8")
