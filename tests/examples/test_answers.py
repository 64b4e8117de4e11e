"""What the examples make of each answer, and of none; and their signatures. The server is scripted: most of this the
real one shows only in bad luck."""

import json
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.examples import JAVASCRIPT, LANGUAGES, node, start

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
SILENCE = (0, "")
PENDING, IN_DOUBT, SETTLED, DECLINED = ("PENDING", "IN_DOUBT", "SETTLED", "DECLINED")
Script = list[tuple[int, str]]
# By id: what POSTs are answered in turn, then what GETs are; the last one again and again. How the payment ends.
CASES: dict[str, tuple[Script, Script, str]] = {
    "accepted": ([(202, PENDING)], [(200, PENDING), (404, ""), SILENCE, (200, SETTLED)], "SETTLED"),
    "settled": ([(201, SETTLED)], [], "SETTLED"),
    "declined": ([(201, DECLINED)], [], "DECLINED"),
    "repeated": ([(503, ""), (200, SETTLED)], [], "SETTLED"),
    "no-answer": ([SILENCE, (503, ""), (200, SETTLED)], [], "SETTLED"),
    "not-this-api": ([(502, "<html>"), (302, "elsewhere"), (200, SETTLED)], [], "SETTLED"),
    "race-and-throttle": ([(409, ""), (429, ""), (201, SETTLED)], [], "SETTLED"),
    "invalid": ([(400, "")], [], "REFUSED"),
    "forbidden": ([(403, "")], [], "REFUSED"),
    "forbidden-after-silence": ([SILENCE, (403, "")], [], "UNKNOWN"),
    "forbidden-after-503": ([(503, ""), (403, "")], [], "UNKNOWN"),
    "taken": ([SILENCE, (422, "")], [], "REFUSED"),
}
# The same of those that never end.
ENDLESS: dict[str, tuple[Script, Script, str]] = {
    "in-doubt": ([(202, IN_DOUBT)], [(200, IN_DOUBT)], "UNKNOWN"),
    "never": ([SILENCE, (503, "")], [], "UNKNOWN"),
}


class Api(ThreadingHTTPServer):
    """Three Regions below one address, which answer by the script."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: dict[tuple[str, str], list[tuple[str, bytes]]] = defaultdict(list)
        """By method and id: the Region and the body of each request."""

    @property
    def addresses(self) -> dict[str, str]:
        return {region: f"http://127.0.0.1:{self.server_address[1]}/{region}" for region in REGIONS}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Api
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer("POST", json.loads(body)["transaction"]["id"], body)

    def do_GET(self) -> None:
        self._answer("GET", self.path.rpartition("/")[2], b"")

    def log_message(self, *_: Any) -> None:
        """Nothing is said."""

    def _answer(self, method: str, payment: str, body: bytes) -> None:
        asked = self.server.asked[method, payment]
        posts, gets, _ = (CASES | ENDLESS)[payment]
        script = gets if method == "GET" else posts
        answer = script[min(len(asked), len(script) - 1)]
        asked.append((self.path.split("/")[1], body))
        assert "AWS4-HMAC-SHA256" in self.headers["Authorization"]
        status, said = answer
        if answer == SILENCE:
            self.close_connection = True
            return
        content = said if said.startswith(("<", "else")) else json.dumps({"status": said, "detail": "told"})
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.server.addresses["us-east-1"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("cases", "patience"), [(CASES, "60"), (ENDLESS, "1")], ids=["ending", "endless"])
def test_each_answer_is_understood(
    language: str, api: Api, tmp_path: Path, cases: dict[str, tuple[Script, Script, str]], patience: str
) -> None:
    client = start(
        language, tmp_path, api.addresses, [{"id": payment, "amount": "1.00"} for payment in cases], patience
    )
    out, err = client.communicate(timeout=60)
    ends = {end["id"]: end["status"] for end in map(json.loads, out.splitlines())}
    assert ends == {payment: end for payment, (_, _, end) in cases.items()}, err
    assert (client.returncode, err) == (1, ""), "some are not final"
    for (method, payment), asked in api.asked.items():
        assert len({body for _, body in asked}) == 1, f"{method} {payment}: the same request each time"
        assert len(asked) < 10, "not in a hot loop"
    assert len(api.asked["POST", "accepted"]) <= 1, "what is accepted is read, not posted again"


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_an_answer_the_next_region_is_asked(language: str, api: Api, tmp_path: Path) -> None:
    client = start(language, tmp_path, api.addresses, [{"id": "no-answer", "amount": "1.00"}])
    _, err = client.communicate(timeout=60)
    assert (client.returncode, err) == (0, "")
    assert [region for region, _ in api.asked["POST", "no-answer"]] == list(REGIONS), "the nearest first"


def test_signatures_of_the_javascript_example_are_those_of_the_aws_sdk() -> None:
    """Over paths, bodies, Regions and session tokens, to the last character of the header."""
    cases = [
        (method, f"https://{host}/prod{path}", body, region, token)
        for method, path, body in (
            ("POST", "/payments", '{"transaction": {"reference": "Crème brûlée €"}}'),
            ("GET", "/payments/ORDER-1_a", None),
            ("GET", "/payments/a%20b%2Fc!'()*~", None),
        )
        for host, region in (("a1b2.execute-api.eu-west-1.amazonaws.com", "eu-west-1"), ("127.0.0.1:4566", "us-east-1"))
        for token in (None, "session/token+==")
    ]
    script = (
        f"import {{ sign }} from {json.dumps(JAVASCRIPT.as_uri())};"
        "const [now, cases] = JSON.parse(process.argv[1]);"
        "const signed = cases.map(([method, url, body, region, sessionToken]) => sign(method, new URL(url),"
        " body ?? undefined, region, { accessKeyId: 'AKIA', secretAccessKey: 'secret/+', sessionToken },"
        " new Date(now)).authorization);"
        "console.log(JSON.stringify(signed));"
    )
    now = datetime.now(UTC).replace(microsecond=0)
    command = [node(), "--input-type=module", "--eval", script, json.dumps([now.isoformat(), cases])]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    for (method, url, body, region, token), authorization in zip(cases, json.loads(ran.stdout), strict=True):
        kind = {} if body is None else {"Content-Type": "application/json"}
        request = AWSRequest(method=method, url=url, data=body, headers=kind)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("botocore.auth.get_current_datetime", lambda: now.replace(tzinfo=None))
            SigV4Auth(Credentials("AKIA", "secret/+", token), "execute-api", region).add_auth(request)
        assert authorization == request.headers["Authorization"], (method, url)
