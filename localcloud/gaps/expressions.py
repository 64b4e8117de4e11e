"""Update expressions that DynamoDB refuses: the emulator takes the last of two sections of a kind, and the last of two
writes of an attribute, and overlooks commas that are missing or too many.

Expressions of functions are put together of parts, so what two parts have twice is found here.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from itertools import combinations
from typing import Any, Final

from ministack.services import dynamodb

from localcloud.cloud import Cloud
from localcloud.gaps import patching

Token = tuple[str, str]
Answer = tuple[int, dict[str, str], bytes]
SECTIONS: Final = ("SET", "REMOVE", "ADD", "DELETE")
EXPRESSIONS: Final = 4096


class RefusedError(ValueError):
    """An expression that DynamoDB refuses, in its words."""


def install(_: Cloud) -> None:
    """Judge the expression before anything is done."""
    judge = lru_cache(EXPRESSIONS)(_fault)

    def update(original: Any, data: dict[str, Any]) -> Answer:
        names = data.get("ExpressionAttributeNames") or {}
        if fault := judge(str(data.get("UpdateExpression") or ""), tuple(sorted(names.items()))):
            refusal: Answer = dynamodb.error_response_json("ValidationException", fault, HTTPStatus.BAD_REQUEST)
            return refusal
        answer: Answer = original(data)
        return answer

    patching.wrap(dynamodb, "_update_item", update)


def _fault(expression: str, names: tuple[tuple[str, str], ...]) -> str:
    """What is wrong with an update expression, "" where nothing is, or what the emulator finds as well."""
    try:
        paths = [path for section, tokens in _sections(expression) for path in _paths(section, tokens, dict(names))]
    except RefusedError as refused:
        return f"Invalid UpdateExpression: {refused}"
    for one, two in combinations(paths, 2):
        shorter = min(len(one), len(two))
        if one[:shorter] == two[:shorter]:
            first, second = (f"[{', '.join(map(str, path))}]" for path in (one, two))
            return (
                "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of "
                f"these paths; path one: {first}, path two: {second}"
            )
    return ""


def _sections(expression: str) -> Iterator[tuple[str, list[Token]]]:
    """Each section once, with what follows its word."""
    section, found = "", dict[str, list[Token]]()
    for kind, text in dynamodb._tokenize(expression):
        if kind == "IDENT" and text.upper() in SECTIONS:
            section = text.upper()
            if section in found:
                raise RefusedError(f'The "{section}" section can only be used once in an update expression;')
            found[section] = []
        elif kind != "EOF" and section:
            found[section].append((kind, text))
    yield from found.items()


def _paths(section: str, tokens: list[Token], names: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    """The paths that a section writes."""
    for part in _parts(tokens):
        kinds = [kind for kind, _ in part]
        if not part or (section == "SET" and kinds.count("EQ") != 1):
            near = " ".join(text for _, text in part) or "<EOF>"
            raise RefusedError(f'Syntax error; token: "{near.split()[-1]}", near: "{near}"')
        end = kinds.index("EQ") if section == "SET" else len(part)
        yield tuple(dynamodb._parse_path_from_tokens(part[:end], names))


def _parts(tokens: list[Token]) -> list[list[Token]]:
    """What stands between commas, those within brackets aside; [] where there is nothing between two."""
    parts, depth = list[list[Token]]([[]]), 0
    for kind, text in tokens:
        depth += (kind == "LPAREN") - (kind == "RPAREN")
        if kind == "COMMA" and not depth:
            parts.append([])
        else:
            parts[-1].append((kind, text))
    return parts
