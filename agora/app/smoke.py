"""Smoke checks of a running server, over HTTP alone: is this deployment fit to be relied on?"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from agora.domain.contracts import Json

QUESTION = "What is six times seven?"
TASK_S = 120.0
"""How long the one task that is asked may take."""
WORKER_S = 30.0
"""How long a worker may take to show itself after a start."""


class SmokeError(Exception):
    """A check has not passed; the message says why."""


@dataclass
class Smoke:
    """The checks, each a method that says what it has seen or raises."""

    client: httpx.AsyncClient
    has_token: bool
    thread_id: str = ""

    async def alive(self) -> str:
        """The event loop answers."""
        return (await self._get("/livez")).text.strip()

    async def ready(self) -> str:
        """The database answers."""
        return (await self._get("/readyz")).text.strip()

    async def healthy(self) -> str:
        """What the whole rests on is well."""
        told = (await self._get("/healthz")).json()
        return str(told.get("output") or f"{len(told['checks'])} parts are well")

    async def measured(self) -> str:
        """Metrics are there to be read."""
        lines = (await self._get("/metrics")).text.splitlines()
        told = [line for line in lines if line.startswith("agora_")]
        return _so(bool(told), f"{len(told)} metrics")

    async def closed(self) -> str:
        """Whoever has no token, or is another site's page, stays outside."""
        headers = {"Origin": "https://elsewhere.example"}
        found = await self.client.post("/assistants/search", json={}, headers=headers)
        wanted = [found.status_code == 403]
        if self.has_token:
            async with httpx.AsyncClient(base_url=self.client.base_url) as stranger:
                found = await stranger.post("/assistants/search", json={})
            wanted.append(found.status_code == 401)
        return _so(all(wanted), "strangers are refused" if all(wanted) else "strangers may enter")

    async def graphs(self) -> str:
        """All graphs are offered, and say what they take."""
        offered = (await self._post("/assistants/search", {})).json()
        known = {one["graph_id"]: one["assistant_id"] for one in offered}
        missing = {"task", "improvement", "war_room"} - known.keys()
        _so(not missing, f"missing: {', '.join(sorted(missing))}")
        schemas = (await self._get(f"/assistants/{known['task']}/schemas")).json()
        properties = schemas["input_schema"]["properties"]["task"]["properties"]
        return _so("text" in properties, ", ".join(sorted(known)))

    async def task(self) -> str:
        """A task ends with an outcome."""
        self.thread_id = (await self._post("/threads", {})).json()["thread_id"]
        asked = {"assistant_id": "task", "input": {"task": {"text": QUESTION}}}
        done = (await self._post(f"/threads/{self.thread_id}/runs/wait", asked)).json()
        _so("outcome" in done, str(done)[:200])
        return str(done["outcome"]["status"])

    async def kept(self) -> str:
        """What the task has come to is in the database."""
        state = (await self._get(f"/threads/{self.thread_id}/state")).json()
        return _so(bool(state["values"].get("outcome")), "the outcome is stored")

    async def working(self) -> str:
        """A worker does the background work."""
        until = time.monotonic() + WORKER_S
        while (status := await self._jobs()) != "pass" and time.monotonic() < until:
            await asyncio.sleep(0.5)
        return _so(status == "pass", "jobs are done" if status == "pass" else f"jobs: {status}")

    async def _jobs(self) -> str:
        checks = (await self._get("/healthz")).json()["checks"]
        return str(checks.get("scheduler:jobs", [{"status": "no worker"}])[0]["status"])

    async def callable(self) -> str:
        """The team answers as an MCP server."""
        headers = {"Accept": "application/json, text/event-stream"}
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        found = await self.client.post("/mcp", json=asked, headers=headers)
        return _so(found.is_success and '"ask"' in found.text, f"/mcp answers {found.status_code}")

    async def _get(self, path: str) -> httpx.Response:
        return _well(await self.client.get(path))

    async def _post(self, path: str, body: Json) -> httpx.Response:
        return _well(await self.client.post(path, json=body))


def _well(found: httpx.Response) -> httpx.Response:
    said = f"{found.request.url.path} answers {found.status_code}: {found.text.strip()[:200]}"
    _so(found.is_success, said)
    return found


def _so(is_so: bool, said: str) -> str:
    if not is_so:
        raise SmokeError(said)
    return said


async def smoke(url: str, token: str | None) -> Json:
    """Return every check with what it saw, and the share that passed: Deployment Confidence.

    Deployment Confidence = checks passed / checks made, in [0, 1].
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TASK_S) as client:
        one = Smoke(client, token is not None)
        made = [one.alive, one.ready, one.healthy, one.measured, one.closed, one.graphs]
        made += [one.task, one.kept, one.working, one.callable]
        found = [await _checked(check.__name__, check) for check in made]
    passed = sum(check["passed"] for check in found)
    return {"url": url, "deployment_confidence": passed / len(found), "checks": found}


async def _checked(name: str, check: Callable[[], Awaitable[str]]) -> Json:
    begun = time.monotonic()
    try:
        said, passed = await check(), True
    except (SmokeError, httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        said, passed = str(error) or type(error).__name__, False
    ms = round(1000 * (time.monotonic() - begun), 1)
    return {"name": name, "passed": passed, "said": said, "ms": ms}
