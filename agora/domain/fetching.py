"""Fetching a feed: a public address only, a few redirects, and limits to size and time."""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from agora.domain.doors import require_act
from agora.domain.errors import AgoraError
from agora.domain.settings import ScoutSettings

REDIRECTS = 3
AGENT = "agora-scout/1 (reads feeds; a few times a day)"


class FeedSilentError(AgoraError):
    """A feed cannot be read now; the others can."""


@dataclass(frozen=True)
class Fetched:
    """What a server gave; the body is None where nothing has changed."""

    body: bytes | None
    etag: str
    modified: str


async def fetch(url: str, etag: str, modified: str, limits: ScoutSettings) -> Fetched:
    """Return a feed if it has changed since; raise FeedSilentError. Only in a `read_feed` act."""
    require_act("read_feed")
    known = {"If-None-Match": etag, "If-Modified-Since": modified}
    try:
        async with asyncio.timeout(limits.timeout_s):
            return await _follow(
                url, {name: value for name, value in known.items() if value}, limits
            )
    except TimeoutError:
        raise FeedSilentError(f"{url}: no whole answer in {limits.timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise FeedSilentError(f"{url}: {error or type(error).__name__}") from None


async def _follow(url: str, headers: Mapping[str, str], limits: ScoutSettings) -> Fetched:
    # No proxy from the environment: it would connect to what was not looked at.
    async with httpx.AsyncClient(trust_env=False, timeout=limits.timeout_s) as client:
        for _ in range(REDIRECTS + 1):
            request = await _request(client, url, headers, limits)
            response = await client.send(request, stream=True)
            try:
                if not response.has_redirect_location:
                    return await _read(url, response, limits)
                url = urljoin(url, response.headers["location"])
            finally:
                await response.aclose()
    raise FeedSilentError(f"{url}: redirects more than {REDIRECTS} times")


async def _request(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], limits: ScoutSettings
) -> httpx.Request:
    """Return a request to the very address that was looked at: a name may change in between."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FeedSilentError(f"{url}: is no address of the web")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = await _address(parts.hostname, port, limits.private_addresses)
    pinned = httpx.URL(url).copy_with(host=address, port=port, username=None, password=None)
    host = parts.netloc.rpartition("@")[2]
    return client.build_request(
        "GET",
        pinned,
        headers={"Host": host, "User-Agent": AGENT, "Accept-Encoding": "identity", **headers},
        extensions={"sni_hostname": parts.hostname},
    )


async def _address(host: str, port: int, may_be_private: bool) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    for address in addresses:
        if not may_be_private and not _is_public(address):
            raise FeedSilentError(f"{host}: is a private address, and feeds are public")
    return addresses[0]


def _is_public(address: str) -> bool:
    known = ipaddress.ip_address(address)
    inner = getattr(known, "ipv4_mapped", None) or getattr(known, "sixtofour", None) or known
    return bool(inner.is_global and not inner.is_multicast)


async def _read(url: str, response: httpx.Response, limits: ScoutSettings) -> Fetched:
    etag = response.headers.get("etag", "")[:500]
    modified = response.headers.get("last-modified", "")[:100]
    if response.status_code == httpx.codes.NOT_MODIFIED:
        return Fetched(None, etag, modified)
    if response.status_code != httpx.codes.OK:
        raise FeedSilentError(f"{url}: answers {response.status_code}")
    body = bytearray()
    async for chunk in response.aiter_bytes(65_536):
        body += chunk
        if len(body) > limits.feed_bytes:
            raise FeedSilentError(f"{url}: is longer than {limits.feed_bytes} bytes")
    return Fetched(bytes(body), etag, modified)
