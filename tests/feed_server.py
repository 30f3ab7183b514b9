"""A small real web server of feeds, with the faults that feeds have."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape


@dataclass
class FeedServer:
    """What is served by path: status, headers and body; and what was asked for."""

    port: int = 0
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        """Return the address of a page."""
        return f"http://127.0.0.1:{self.port}{path}"

    def page(self, path: str, body: bytes | str = b"", status: int = 200, **headers: str) -> str:
        """Serve a page and return its address; `_` in names of headers stands for `-`."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = (status, said, body.encode() if isinstance(body, str) else body)
        return self.url(path)


def rss(*items: tuple[str, str], link: str = "https://news.example/", days: float = 1) -> str:
    """Return an RSS feed of titles and summaries, each some days old."""
    at = format_datetime(datetime.now(UTC) - timedelta(days=days))
    entries = "".join(
        f"<item><title>{escape(title)}</title><link>{link}{number}</link>"
        f"<description>{escape(summary)}</description><pubDate>{at}</pubDate></item>"
        for number, (title, summary) in enumerate(items)
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{entries}</channel></rss>'


@contextmanager
def serving() -> Iterator[FeedServer]:
    """Serve on 127.0.0.1 while the block runs."""
    told = FeedServer()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            status, headers, body = told.pages.get(self.path, (404, {}, b""))
            etag = headers.get("ETag")
            if etag and self.headers.get("If-None-Match") == etag:
                status, body = 304, b""
            if "Stall" in headers:
                told.stalled.wait(20)
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                pass  # who reads us has read enough

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.stalled.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def titles(pages: Sequence[tuple[str, dict[str, str]]]) -> list[str]:
    """Return which paths were asked for."""
    return [path for path, _ in pages]
