"""Who is answered by the tour's server, and what; over real HTTP, of a tour that says what it was asked to break."""

import http.client
import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from payctl.tour.server import HEADERS, LARGEST, PAGE, TYPES, Server, serving
from payctl.tour.tour import Tour
from stacksets.errors import ToolError

UPLOT = "19c8d4c6ad88929a"  # of the package uplot 1.6.32

CUT = b'{"kind": "cut", "regions": ["eu-west-1", "us-east-1"]}'


class Told:
    """A tour, as far as its server knows it."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.faults = self
        self.wrong: type[Exception] | None = None

    def state(self) -> dict[str, Any]:
        if self.wrong:
            raise self.wrong
        return {"now": 1.5}

    def begin(self, kind: Any, regions: Any) -> None:
        if kind != "cut":
            raise ToolError("this is nothing to break")
        self.asked.append(("begin", kind, regions))

    def end(self, kind: Any, regions: Any) -> None:
        self.asked.append(("end", kind, regions))

    def heal(self) -> None:
        self.asked.append("heal")


@pytest.fixture
def tour() -> Told:
    return Told()


@pytest.fixture
def server(tour: Told) -> Iterator[Server]:
    with serving(cast("Tour", tour)) as running:
        yield running


def ask(
    server: Server, method: str, name: str, body: bytes | None = None, *, path: str = "", **headers: str
) -> tuple[int, bytes, Any]:
    """What is answered: status, body, headers. `path` stands for the whole path; a header's _ is a hyphen."""
    address = urlsplit(server.address)
    connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=5)
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, path or f"{address.path}{name}", body, {"Content-Type": "application/json", **named})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def test_the_page_and_its_parts_are_served_with_headers_that_keep_everything_here(server: Server) -> None:
    for name, kind in {"": TYPES["index.html"], **TYPES}.items():
        status, content, headers = ask(server, "GET", name)
        assert (status, headers["Content-Type"]) == (200, kind), name
        assert content
        assert HEADERS.items() <= dict(headers).items()
    assert "'unsafe" not in HEADERS["Content-Security-Policy"]
    assert HEADERS["Content-Security-Policy"].startswith("default-src 'none'")


def test_the_state_is_json(server: Server) -> None:
    status, content, _ = ask(server, "GET", "state")
    assert (status, json.loads(content)) == (200, {"now": 1.5})


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "tour.example"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "name"), [("GET", ""), ("GET", "state"), ("POST", "heal")])
def test_no_other_page_and_no_other_name_is_answered(
    server: Server, tour: Told, method: str, name: str, headers: dict[str, str]
) -> None:
    status, content, _ = ask(server, method, name, b"{}" if method == "POST" else None, **headers)
    assert status == 403
    assert "served" in json.loads(content)["error"] or "answered" in json.loads(content)["error"]
    assert tour.asked == []


@pytest.mark.parametrize("path", ["/", "/state", "/heal", "/guess/", "/guess/state", "/guess/heal", "//state", "/%00/"])
def test_nothing_is_answered_without_the_token(server: Server, tour: Told, path: str) -> None:
    for method, body in (("GET", None), ("POST", b"{}")):
        assert ask(server, method, "", body, path=path)[0] == 403
    assert tour.asked == []


def test_each_tour_has_a_token_of_its_own(server: Server, tour: Told) -> None:
    with serving(cast("Tour", tour)) as other:
        assert len(server.token) >= 32
        assert server.token != other.token
        assert ask(other, "GET", "", path=urlsplit(server.address).path)[0] == 403


def test_its_own_page_is_answered(server: Server, tour: Told) -> None:
    origin = server.address.rpartition(server.token)[0].removesuffix("/")
    own = {"Origin": origin, "Sec_Fetch_Site": "same-origin"}
    for name in ("break", "heal"):
        assert ask(server, "POST", name, CUT, **own)[0] == 200
    assert ask(server, "POST", "heal", b"{}", **own)[0] == 200
    cut = ("cut", json.loads(CUT)["regions"])
    assert tour.asked == [("begin", *cut), ("end", *cut), "heal"]


@pytest.mark.parametrize(
    ("name", "body", "headers"),
    [
        ("break", b'{"kind": "region-down"}', {}),  # what the tour itself refuses
        ("break", b"{", {}),
        ("break", b"[]", {}),
        ("break", CUT, {"Content_Type": "text/plain"}),
        ("break", CUT + b" " * LARGEST, {}),
        ("break", b"{}", {"Content_Length": "-1"}),
        ("state", b"{}", {}),
        ("", b"{}", {}),
    ],
)
def test_what_no_button_sends_is_refused(
    server: Server, tour: Told, name: str, body: bytes, headers: dict[str, str]
) -> None:
    status, content, _ = ask(server, "POST", name, body, **headers)
    assert status == (400 if name == "break" else 404)
    assert json.loads(content)["error"]
    assert tour.asked == []


@pytest.mark.parametrize("name", ["../server.py", "uplot/../../server.py", "%2e%2e/server.py", "tour.py", "uplot/"])
def test_no_other_file_is_served(server: Server, name: str) -> None:
    assert ask(server, "GET", name)[0] == 404


def test_no_file_leads_to_another_machine_and_the_library_is_as_npm_has_it() -> None:
    addresses = {
        address for name in TYPES for address in re.findall(r"(?:https?:)?//[\w.-]+\.\w+", (PAGE / name).read_text())
    }
    assert addresses == {"https://github.com", "http://www.w3.org"}, "its authors, and the namespace of SVG"
    assert sha256((PAGE / "uplot/uPlot.iife.min.js").read_bytes()).hexdigest().startswith(UPLOT)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(BrokenPipeError, False), (ConnectionResetError, False), (TimeoutError, False), (ValueError, True)],
)
def test_nothing_is_said_of_a_browser_that_went_away(
    tour: Told, capfd: pytest.CaptureFixture[str], wrong: type[Exception], said: bool
) -> None:
    tour.wrong = wrong
    with serving(cast("Tour", tour)) as server, pytest.raises(http.client.RemoteDisconnected):
        ask(server, "GET", "state")
    assert bool(capfd.readouterr().err) == said


def test_a_port_that_is_taken_is_named(server: Server, tour: Told) -> None:
    with (
        pytest.raises(ToolError, match=f"port {server.server_port} cannot be used"),
        serving(cast("Tour", tour), port=server.server_port),
    ):
        pass
