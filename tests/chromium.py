"""A real Chromium without a window, driven over the DevTools protocol; a tab is a stranger."""

import asyncio
import base64
import itertools
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from agora.domain.contracts import Json

FLAGS = (
    "--headless=new --remote-debugging-port=0 --no-first-run --disable-gpu --disable-extensions "
    "--disable-background-networking --disable-component-update --disable-sync --mute-audio "
    "--disable-dev-shm-usage --force-color-profile=srgb --hide-scrollbars"
).split()
WAIT_S = 30.0
KEYS = {"Tab": 9, "Enter": 13, " ": 32}


class BrowserError(AssertionError):
    """The browser refused a command, or a script has thrown."""


@dataclass
class Browser:
    """One Chromium, and what it says of its tabs."""

    socket: ClientConnection
    contexts: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _asked: dict[int, asyncio.Future[Json]] = field(default_factory=dict)
    _tabs: dict[str, "Tab"] = field(default_factory=dict)

    async def listen(self) -> None:
        """Sort what comes in until the socket is closed."""
        async for text in self.socket:
            told = json.loads(text)
            if "id" in told:
                self._asked.pop(told["id"]).set_result(told)
            elif tab := self._tabs.get(told.get("sessionId", "")):
                tab.hear(told["method"], told["params"])

    async def send(self, method: str, session: str = "", **params: Any) -> Json:
        """Give a command and return its result."""
        number = next(self._numbers)
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        told = {"id": number, "method": method, "params": params}
        await self.socket.send(json.dumps(told | ({"sessionId": session} if session else {})))
        async with asyncio.timeout(3 * WAIT_S):
            answer = await asked
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return dict(answer["result"])

    async def tab(self, width: int = 1280, height: int = 900) -> "Tab":
        """Open a tab that shares no cookie with any other."""
        context = (await self.send("Target.createBrowserContext"))["browserContextId"]
        self.contexts.append(context)
        target = await self.send("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.send(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        tab = self._tabs[attached["sessionId"]] = Tab(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            await tab.send(f"{domain}.enable")
        await tab.size(width, height)
        return tab


@dataclass
class Tab:
    """One page of a browser, and what went wrong in it."""

    browser: Browser
    session: str
    problems: list[str] = field(default_factory=list)  # errors on its console, and exceptions
    dialogs: list[str] = field(default_factory=list)  # what a script has shown, such as alert()
    _loaded: asyncio.Event = field(default_factory=asyncio.Event)
    headers: dict[str, Json] = field(default_factory=dict)  # of each document, by address

    async def send(self, method: str, **params: Any) -> Json:
        """Give this tab a command."""
        return await self.browser.send(method, self.session, **params)

    def hear(self, method: str, params: Json) -> None:
        """Take in an event."""
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"].get("text")))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.problems.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(params["message"])
        elif method == "Network.responseReceived" and params["type"] == "Document":
            self.headers[params["response"]["url"]] = params["response"]["headers"]

    async def open(self, address: str) -> None:
        """Go to a page and wait until it is there."""
        self._loaded.clear()
        went = await self.send("Page.navigate", url=address)
        if "errorText" in went:
            raise BrowserError(f"{address}: {went['errorText']}")
        await self._arrived()

    async def _arrived(self) -> None:
        async with asyncio.timeout(2 * WAIT_S):
            await self._loaded.wait()

    async def run(self, script: str) -> Any:
        """Return the value of an expression, awaited if it is a promise."""
        told = await self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if problem := told.get("exceptionDetails"):
            said = problem.get("exception", {}).get("description", problem["text"])
            raise BrowserError(f"{script[:200]}: {said}")
        return told["result"].get("value")

    async def until(self, script: str) -> Any:
        """Wait until an expression is true, and return its value."""
        for _ in range(round(WAIT_S / 0.05)):
            with suppress(BrowserError):  # between two pages there is nothing to ask
                if value := await self.run(script):
                    return value
            await asyncio.sleep(0.05)
        raise AssertionError(f"never true: {script}; the page says: {(await self.text())[:2000]}")

    async def text(self, selector: str = "body") -> str:
        """Return the text that an element shows."""
        return str(await self.run(f"document.querySelector({json.dumps(selector)})?.innerText"))

    async def fill(self, selector: str, value: str) -> None:
        """Write into a field."""
        await self.run(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)}); it.focus();"
            f" it.value = {json.dumps(value)};"
            " it.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )

    async def click(self, selector: str) -> None:
        """Click in the middle of an element, as a mouse does."""
        place = await self.until(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            " if (!it) return null; it.scrollIntoView({block: 'center', behavior: 'instant'});"
            " const box = it.getBoundingClientRect();"
            " return box.width ? {x: box.x + box.width / 2, y: box.y + box.height / 2} : null })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.send(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place
            )

    async def submit(self, selector: str) -> None:
        """Click what leads to another page, and wait for that."""
        self._loaded.clear()
        await self.click(selector)
        await self._arrived()

    async def press(self, key: str) -> None:
        """Press a key, as on a keyboard."""
        code = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        await self.send("Input.dispatchKeyEvent", type="keyDown", **code, **text)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **code)

    async def size(self, width: int, height: int) -> None:
        """Make the window so wide and high."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def theme(self, name: str) -> None:
        """Prefer light or dark."""
        feature = {"name": "prefers-color-scheme", "value": name}
        await self.send("Emulation.setEmulatedMedia", features=[feature])

    async def without_scripts(self) -> None:
        """Switch JavaScript off; `run` still works."""
        await self.send("Emulation.setScriptExecutionDisabled", value=True)

    async def unnamed(self) -> list[str]:
        """Return the controls that a screen reader has no name for."""
        nodes = (await self.send("Accessibility.getFullAXTree"))["nodes"]
        roles = {"button", "link", "textbox", "combobox", "checkbox", "searchbox", "img"}
        roles |= {"region", "DisclosureTriangle", "Date", "navigation", "form", "table"}
        return [
            f"{node['role']['value']} {node.get('backendDOMNodeId')}"
            for node in nodes
            if not node["ignored"]
            and node["role"]["value"] in roles
            and not str(node.get("name", {}).get("value", "")).strip()
            and node["role"]["value"] != "form"
        ]

    async def picture(self, path: Path, height: int | None = None) -> None:
        """Save what the window shows, or the page down to a height."""
        clip: Json = {}
        if height:
            width = await self.run("window.innerWidth")
            clip = {"clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}}
        shot = await self.send("Page.captureScreenshot", captureBeyondViewport=bool(height), **clip)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))


@asynccontextmanager
async def browsing(address: str) -> AsyncIterator[Browser]:
    """Yield a browser that runs already; its tabs end with the block."""
    async with connect(address, max_size=None, proxy=None) as socket:
        browser = Browser(socket)
        listening = asyncio.create_task(browser.listen())
        try:
            yield browser
        finally:
            for context in browser.contexts:
                await browser.send("Target.disposeBrowserContext", browserContextId=context)
            listening.cancel()
            await asyncio.wait({listening})


@contextmanager
def chromium() -> Iterator[str]:
    """Run a browser while the block runs; yield where it listens."""
    with TemporaryDirectory(prefix="agora-chromium-", ignore_cleanup_errors=True) as folder:
        flags = [*FLAGS, f"--user-data-dir={folder}"]
        flags += ["--no-sandbox"] if os.geteuid() == 0 else []
        process = subprocess.Popen(
            ["chromium", *flags, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield _address(Path(folder))
        finally:
            process.kill()
            process.wait()


def _address(folder: Path) -> str:
    """Return where the browser listens: it says so in a file once it does."""
    told = folder / "DevToolsActivePort"
    for _ in range(round(4 * WAIT_S / 0.05)):
        lines = told.read_text().split() if told.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)  # noqa: TID251
    raise AssertionError("chromium does not start")
