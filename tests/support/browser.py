"""A real browser without a screen: Chromium, driven over WebDriver (w3.org/TR/webdriver2) by chromedriver.

Debian has both, in the packages `chromium` and `chromium-driver`; the protocol is JSON over HTTP, so that no library
is needed.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Optional

from tests.support.processes import unused_port

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
PATIENCE = 30.0
"""Seconds until what the page is to show has to be there: a busy machine takes some of them."""

SWITCHES = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en"]  # fmt: skip


def missing() -> Optional[str]:
    """Why there is no browser; None if there is one."""
    for name in ("chromium", "chromedriver"):
        if shutil.which(name) is None:
            return f"no {name} here: Debian has it in chromium and chromium-driver"
    return None


class Browser:
    """One window. Selectors are those of CSS. As a context manager it leaves no process behind."""

    def __init__(self, folder: Path, width: int = 1400, height: int = 900) -> None:
        self.port = unused_port()
        self._driver = subprocess.Popen(
            ["chromedriver", f"--port={self.port}", f"--log-path={folder / 'chromedriver.log'}"],
            env={**os.environ, "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._session = ""
        try:
            self._wait_for_driver()
            switches = [*SWITCHES, f"--window-size={width},{height}", f"--user-data-dir={folder / 'profile'}"]
            options = {"args": switches, "binary": shutil.which("chromium")}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{made['sessionId']}"
        except BaseException:
            self.close()
            raise

    def _wait_for_driver(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self._call("GET", "/status")
                return
            except OSError:
                assert self._driver.poll() is None, "chromedriver has ended"
                assert time.monotonic() < end, "chromedriver does not answer"
                time.sleep(0.05)

    def _call(self, method: str, path: str, body: Optional[dict[str, Any]] = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{method} {path}: {value['error']}: {value['message']}")
        return value

    # -- doing

    def open(self, url: str) -> None:
        """Load a page."""
        self._call("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """The result of a function body of JavaScript."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector: str) -> None:
        """Click as a user: on what can be seen, and is not covered."""
        self._call("POST", f"{self._session}/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Replace the text of an input."""
        element = f"{self._session}/element/{self._find(selector)}"
        self._call("POST", f"{element}/clear", {})
        self._call("POST", f"{element}/value", {"text": text})

    def devtools(self, command: str, **parameters: Any) -> Any:
        """A command of Chromium's own protocol."""
        return self._call("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def dark(self, dark: bool = True) -> None:
        """As if the system was dark, or light."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", features=[scheme])

    def key(self, name: str) -> None:
        """Press a key, where the focus is: "Enter", "ArrowDown", "a"."""
        codes = {"Enter": 13, "Escape": 27, "End": 35, "Home": 36}
        codes.update(ArrowLeft=37, ArrowUp=38, ArrowRight=39, ArrowDown=40)
        what = {"key": name, "windowsVirtualKeyCode": codes.get(name, ord(name[0].upper()))}
        for kind in ("rawKeyDown", "keyUp"):
            self.devtools("Input.dispatchKeyEvent", type=kind, **what)

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Move the mouse to a place in the window, or press or release its button there."""
        self.devtools("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    # -- looking

    def text(self, selector: str) -> str:
        """The text of the first that there is, as it can be seen; "" without one."""
        return str(self.run("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector))

    def texts(self, selector: str) -> list[str]:
        """The texts of all that there are."""
        return list(self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector))

    def wait(self, selector: str, text: str) -> str:
        """Wait until the element has this text in it; its text."""
        return str(self.wait_until(f"{selector} has {text!r}", lambda: self._has(selector, text)))

    def _has(self, selector: str, text: str) -> str:
        found = self.text(selector)
        return found if text in found else ""

    def wait_until(self, about: str, condition: Any) -> Any:
        """Wait until `condition()` is true; its result."""
        end = time.monotonic() + PATIENCE
        while True:
            result = condition()
            if result:
                return result
            if time.monotonic() > end:
                raise AssertionError(f"not within {PATIENCE:.0f} s: {about}; the page: {self.text('body')}")
            time.sleep(0.05)

    def log(self) -> list[str]:
        """What the page has written to the console, errors of its security policy among it."""
        return [entry["message"] for entry in self._call("POST", f"{self._session}/se/log", {"type": "browser"})]

    def screenshot(self, file: Path) -> None:
        """What the window shows, as a PNG."""
        file.write_bytes(base64.b64decode(self._call("GET", f"{self._session}/screenshot")))

    def frame(self, number: Optional[int]) -> None:
        """Look into the frame of that number in the page, or out of it again (None)."""
        self._call("POST", f"{self._session}/frame", {"id": number})

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.devtools("Page.printToPDF", printBackground=True)["data"])

    def _find(self, selector: str) -> str:
        found = self._call("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        return str(found[ELEMENT])

    # -- end

    def close(self) -> None:
        """End the browser and its driver."""
        try:
            if self._session:
                self._call("DELETE", self._session)
        finally:
            self._driver.terminate()
            self._driver.wait(PATIENCE)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()
