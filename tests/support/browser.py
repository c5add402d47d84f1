"""A headless Chromium driven as a reader would, through the DevTools protocol over a pipe."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_PATIENCE = 60.0
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
# Chromium reads commands from descriptor 3 and answers on 4.
_WITH_PIPES = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4)"
_RUN = f"{_WITH_PIPES}; os.execv(sys.argv[3], sys.argv[3:])"
_CODES = {"Enter": 13, "Escape": 27, "Tab": 9, " ": 32}
_CODES |= {f"Arrow{way}": 37 + i for i, way in enumerate(("Left", "Up", "Right", "Down"))}
_SHIFT = 8


class Browser:
    """One window. `requests` are the addresses it asked for, `errors` what scripts complained of."""

    def __init__(self, folder: Path) -> None:
        command_read, self._write = os.pipe()
        self._read, answer_write = os.pipe()
        pipes = (command_read, answer_write)
        command = [sys.executable, "-c", _RUN, *map(str, pipes), str(CHROMIUM), *_FLAGS]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={folder}"],
            pass_fds=pipes,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in pipes:
            os.close(end)
        self._number = 0
        self._rest = b""
        self._session: str | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Network", "Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(_PATIENCE)
        os.close(self._read)
        os.close(self._write)

    # --- the protocol

    def send(self, method: str, **params: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], _PATIENCE)
            assert ready, "Chromium does not answer"
            read = os.read(self._read, 1 << 16)
            assert read, "Chromium ended"
            self._rest += read
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(str(params["exceptionDetails"]))
            case "Log.entryAdded":
                self.errors.append(str(params["entry"]["text"]))
        return message

    # --- what a reader does

    def open(self, page: Path, width: int = 1400, height: int = 900, *, dark: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.requests.clear()
        self.errors.clear()
        self.send("Page.navigate", url=page.as_uri())

    def wait(self, condition: str) -> None:
        """Until a JavaScript expression is true."""
        end = time.monotonic() + _PATIENCE
        while not self.value(f"Boolean({condition})"):
            assert time.monotonic() < end, f"never true: {condition}"
            time.sleep(0.02)

    def value(self, expression: str) -> Any:
        done = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def middle(self, element: str) -> tuple[float, float]:
        """The place of the element that a JavaScript expression gives."""
        box = self.value(
            f"(e => {{ const b = e.getBoundingClientRect();"
            f"return [b.x + b.width / 2, b.y + b.height / 2]; }})({element})"
        )
        return box[0], box[1]

    def point(self, x: float, y: float) -> None:
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float, *, shift: bool = False) -> None:
        self.point(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            button = {"x": x, "y": y, "button": "left", "clickCount": 1}
            held = _SHIFT if shift else 0
            self.send("Input.dispatchMouseEvent", type=kind, modifiers=held, **button)

    def drag(self, x: float, y: float, dx: float, dy: float) -> None:
        self.point(x, y)
        steps = [("mousePressed", 0), *(("mouseMoved", i / 4) for i in range(1, 5))]
        for kind, part in (*steps, ("mouseReleased", 1)):
            where = {"x": x + dx * part, "y": y + dy * part, "button": "left", "buttons": 1}
            self.send("Input.dispatchMouseEvent", type=kind, clickCount=1, **where)

    def wheel(self, x: float, y: float, dy: float) -> None:
        self.send("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=dy)

    def pinch(self, x: float, y: float, before: float, after: float) -> None:
        """Two fingers around a point, so far from it and then so far."""
        for kind, apart in (("touchStart", before), ("touchMove", before), ("touchMove", after)):
            fingers = [{"x": x + side * apart, "y": y, "id": side + 1} for side in (-1, 1)]
            self.send("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def write(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def press(self, key: str, *, shift: bool = False) -> None:
        known = {"key": key, "code": "Space" if key == " " else key}
        code = {"windowsVirtualKeyCode": _CODES.get(key, ord(key[0].upper()))}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else None)
        typed = {"text": text} if text else {}
        held = _SHIFT if shift else 0
        down = {**known, **code, **typed, "modifiers": held}
        self.send("Input.dispatchKeyEvent", type="keyDown", **down)
        self.send("Input.dispatchKeyEvent", type="keyUp", **known, **code)


@contextmanager
def browser() -> Iterator[Browser]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Browser(Path(folder)) as window,
    ):
        yield window
