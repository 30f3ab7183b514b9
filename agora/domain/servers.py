"""Where model servers are: addresses, and which of them the internet cannot reach."""

import ipaddress
import re
from urllib.parse import urlsplit

from agora.domain.errors import SettingsError

OLLAMA_PORT = 11434
PRIVATE_SUFFIXES = (".local", ".localhost", ".internal", ".lan", ".home.arpa")


def ollama_url(host: str) -> str:
    """Complete a host as Ollama itself does: http and 11434 unless it says otherwise."""
    scheme, mark, rest = host.rstrip("/").rpartition("://")
    address, slash, path = rest.partition("/")
    if not re.search(r":\d+$", address):
        address += f":{({'https': 443}.get(scheme, 80)) if mark else OLLAMA_PORT}"
    # What a server binds to is no address that every system can connect to.
    address = re.sub(r"(^|@)(0\.0\.0\.0)?:", r"\g<1>127.0.0.1:", address)
    return f"{scheme or 'http'}://{address}{slash}{path}"


def checked(key: str, url: str) -> str:
    """Return the URL, or raise SettingsError naming the setting that it comes from."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that does not close
        is_url = False
    if not is_url:
        raise SettingsError(f"{key}: is no URL of a server", "such as http://127.0.0.1:11434")
    return url


def server_of(url: str) -> str:
    """Return scheme, host and port of a URL: what may be shown of it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def is_private(url: str) -> bool:
    """Return whether the host is this machine or on a network that the internet cannot reach."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(PRIVATE_SUFFIXES)
