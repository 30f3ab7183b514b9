"""Alerts: what a person should know without asking, and the ways by which it reaches him.

A webhook is told in Slack's format (https://api.slack.com/messaging/webhooks), a mail by SMTP.
"""

import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal
from urllib.parse import unquote, urlsplit

import httpx

from agora.domain.contracts import Contract, Json
from agora.domain.doors import require_act
from agora.domain.errors import AgoraError
from agora.domain.settings import AlertSettings

Severity = Literal["notice", "warning", "critical"]
COLORS: dict[str, str] = {"notice": "#3b82f6", "warning": "#f59e0b", "critical": "#dc2626"}
LONGEST = 3000
"""Characters of a text; Slack cuts longer ones."""
SHORT = 120
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class AlertUnsentError(AgoraError):
    """A channel did not take an alert; it is tried again."""


class Alert(Contract):
    """One thing that a person should know; `kind` and `subject` together say what it is about."""

    id: str
    kind: str
    subject: str
    severity: Severity = "warning"
    text: str
    at: datetime

    @property
    def headline(self) -> str:
        """Return it in one short line, without line breaks."""
        line = " ".join(self.text.split())
        return f"[{self.severity}] " + (line if len(line) <= SHORT else f"{line[: SHORT - 1]}…")


def slack(alert: Alert) -> Json:
    """Return the body of a Slack webhook."""
    fields = [("kind", alert.kind), ("subject", alert.subject), ("at", alert.at.isoformat())]
    told = [{"title": title, "value": _escaped(text), "short": True} for title, text in fields]
    attachment: Json = {"color": COLORS[alert.severity], "text": _escaped(alert.text[:LONGEST])}
    attachment |= {"fields": told, "fallback": _escaped(alert.headline)}
    return {"text": f"Agora: {_escaped(alert.headline)}", "attachments": [attachment]}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def letter(alert: Alert, settings: AlertSettings) -> EmailMessage:
    """Return the mail; its Message-ID is the alert's, so that a second one is seen to be one."""
    mail = EmailMessage()
    mail["From"], mail["To"] = settings.mail_from, ", ".join(settings.mail_to)
    mail["Subject"] = f"Agora: {alert.headline}"
    mail["Date"] = format_datetime(alert.at)
    mail["Message-ID"] = f"<{alert.id}@agora.localhost>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{alert.text}\n\nkind: {alert.kind}\nsubject: {alert.subject}\n")
    return mail


async def post(alert: Alert, settings: AlertSettings) -> None:
    """Tell the webhook; raise AlertUnsentError, which never holds the address: it is a secret."""
    require_act("send_alert")
    assert settings.webhook_url
    try:
        async with httpx.AsyncClient(timeout=settings.timeout_s) as client:
            url = settings.webhook_url.get_secret_value()
            answer = await client.post(url, json=slack(alert))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise AlertUnsentError(f"the webhook does not answer: {type(error).__name__}") from None
    if answer.is_error or answer.has_redirect_location:
        raise AlertUnsentError(f"the webhook answered {answer.status_code}")


def mail(alert: Alert, settings: AlertSettings) -> None:
    """Send the mail, by TLS where the server offers it; raise AlertUnsentError.

    A password goes out over TLS only, unless the server is on this machine.
    """
    require_act("send_alert")
    assert settings.smtp_url
    try:
        with _connected(settings.smtp_url.get_secret_value(), settings.timeout_s) as server:
            server.send_message(letter(alert, settings))
    except (OSError, smtplib.SMTPException, ValueError) as error:
        said = error if isinstance(error, smtplib.SMTPResponseException) else ""
        said = said or getattr(error, "strerror", None) or type(error).__name__
        raise AlertUnsentError(f"the mail server did not take it: {said}") from None


def _connected(url: str, timeout_s: float) -> smtplib.SMTP:
    parts = urlsplit(url)
    host, safe = parts.hostname or "localhost", ssl.create_default_context()
    if parts.scheme == "smtps":
        secure = smtplib.SMTP_SSL(host, parts.port or 465, timeout=timeout_s, context=safe)
        return _greeted(secure, url, is_safe=True)
    plain = smtplib.SMTP(host, parts.port or 25, timeout=timeout_s)
    plain.ehlo()
    if is_safe := plain.has_extn("starttls"):
        plain.starttls(context=safe)
    return _greeted(plain, url, is_safe=is_safe or host in LOOPBACK)


def _greeted(server: smtplib.SMTP, url: str, *, is_safe: bool) -> smtplib.SMTP:
    parts = urlsplit(url)
    if parts.username:
        if not is_safe:
            server.close()
            raise AlertUnsentError("the mail server offers no TLS for the password")
        server.login(unquote(parts.username), unquote(parts.password or ""))
    return server
