"""A page in headless Chromium that is clicked, typed at and photographed, over the pipe of the DevTools protocol."""

import base64
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tests.drills.browser import OPTIONS

# Chromium reads commands from descriptor 3 and writes to 4.
EXEC = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
KEYS = {"Tab": 9, "Enter": 13, " ": 32}
ANSWER_SECONDS = 30.0


class Page:
    """One page. `console` holds what was said on its console, and `requests` every address that it asked for."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = os.fdopen(commands, "wb", buffering=0)
        self._answers = os.fdopen(answers, "rb")
        self._number = 0
        self._replies: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._session: dict[str, str] = {}
        self.console: list[str] = []
        self.requests: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to one command."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters, **self._session}
        self._commands.write(json.dumps(command).encode() + b"\0")
        try:
            reply = self._replies.get(timeout=ANSWER_SECONDS)
        except Empty:
            raise AssertionError(f"Chromium does not answer {method}") from None
        assert "error" not in reply, (method, parameters, reply)
        result: dict[str, Any] = reply["result"]
        return result

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.wait("document.readyState == 'complete'")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, expression: str, *, seconds: float = 20) -> None:
        """Until a JavaScript expression is true."""
        until = time.monotonic() + seconds
        while not self.value(expression):
            text = f"not within {seconds:g} s: {expression}"
            assert time.monotonic() < until, f"{text}\n{self.console}\n{self.value('document.body.innerText')}"
            time.sleep(0.1)

    def text(self, selector: str) -> str:
        return str(self.value(f"document.querySelector({selector!r}).textContent"))

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element, as it lies on the screen."""
        middle = self.value(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=middle[0], y=middle[1], button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key."""
        code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"Enter": "\r", " ": " "}.get(key, "")
        self.call("Input.dispatchKeyEvent", type="keyDown", **code, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def size(self, width: int, height: int, *, scale: float = 1) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def prefer(self, scheme: str) -> None:
        """`dark` or `light`."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, **options: Any) -> bytes:
        """What is on the screen; see Page.captureScreenshot."""
        return base64.b64decode(self.call("Page.captureScreenshot", **options)["data"])

    def _listen(self) -> None:
        text = b""
        while part := self._answers.read1(65536):
            *messages, text = (text + part).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._replies.put(message)
                else:
                    self._note(message["method"], message["params"])

    def _note(self, method: str, said: dict[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.console.append(json.dumps(said["args"]))
        elif method == "Runtime.exceptionThrown":
            self.console.append(json.dumps(said["exceptionDetails"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.console.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])


@contextmanager
def opened(program: str, folder: Path) -> Iterator[Page]:
    """An empty page in a browser of its own, with a fresh profile below `folder`."""
    commands, write = os.pipe()
    read, answers = os.pipe()
    # Above the two numbers that Chromium wants.
    high = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (commands, answers)]
    for each in (commands, answers):
        os.close(each)
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", EXEC, *map(str, high), program, *OPTIONS),
            *("--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "--hide-scrollbars"),
        ],
        pass_fds=high,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for each in high:
        os.close(each)
    try:
        yield Page(write, read)
    finally:
        process.terminate()
        process.wait()
