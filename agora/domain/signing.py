"""Chaining and signing: canonical JSON (RFC 8785 in spirit), SHA-256, Ed25519 (RFC 8032)."""

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agora.domain.errors import SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Stamp = tuple[int, int]


def canonical(body: Any) -> str:
    """Return the one text that stands for this JSON value."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def link(previous: str, body: str) -> str:
    """Return the hash that ties `body` to the entry before it; "" for the first."""
    return sha256(f"{previous}\n{body}".encode()).hexdigest()


@dataclass(frozen=True)
class Key:
    """A private key as it was read, and the state of its file then."""

    private: "Ed25519PrivateKey"
    public: str  # hexadecimal: what others verify with
    stamp: Stamp

    def sign(self, digest: str) -> str:
        """Return the signature of a hash, hexadecimal."""
        return self.private.sign(digest.encode()).hex()


@dataclass
class Signer:
    """A private key in a file that only its owner reads; made when first needed.

    Beside it `decisions.keys` holds the public keys that this installation knows as its own, one
    a line: those before a rotation, and those of other machines that were accepted.
    """

    folder: Path
    _key: Key | None = field(default=None, init=False)

    @property
    def is_ready(self) -> bool:
        """Return whether the key was read, so that using it again reads no more than a date."""
        return self._key is not None

    @property
    def key(self) -> Key:
        """Return the key in force: read again when its file is another one."""
        try:
            if self._key is None or self._key.stamp != _stamp_of(self.path):
                self._make()
                self._key = _read(self.path)
                self.accept(self._key.public)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{self.path}: the signing key cannot be used ({error})",
                "set AGORA_HOME to a folder that you may write to",
            ) from None
        return self._key

    @property
    def public(self) -> str:
        """Return the public key in force, hexadecimal."""
        return self.key.public

    def sign(self, digest: str) -> str:
        """Return the signature of a hash by the key in force, hexadecimal."""
        return self.key.sign(digest)

    @property
    def path(self) -> Path:
        """Return where the private key is."""
        return self.folder / "decisions.pem"

    @property
    def next_path(self) -> Path:
        """Return where a key lies that is about to take its place."""
        return self.folder / "decisions.pem.next"

    def known(self) -> list[str]:
        """Return every public key that counts as ours, oldest first."""
        try:
            return (self.folder / "decisions.keys").read_text("ascii").split()
        except FileNotFoundError:
            return []

    def accept(self, public: str) -> None:
        """Write down that a public key counts as ours."""
        if public in self.known():
            return
        line = os.open(
            self.folder / "decisions.keys", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
        )
        try:
            os.write(line, f"{public}\n".encode())
        finally:
            os.close(line)

    def prepare(self) -> str:
        """Make the key that shall come next, and return its public half."""
        self.next_path.unlink(missing_ok=True)
        self._write(self.next_path)
        return self.next_public()

    def next_public(self) -> str:
        """Return the public half of the key that is about to take over."""
        return _read(self.next_path).public

    def take_over(self) -> None:
        """Put the next key into force; somebody else may have been quicker."""
        with suppress(FileNotFoundError):
            os.replace(self.next_path, self.path)

    def _make(self) -> None:
        if self.path.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write(self.path)

    def _write(self, path: Path) -> None:
        # A name of its own for each thread: one must not write into what another has linked.
        line, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        fresh = Path(name)
        with os.fdopen(line, "wb") as file:
            file.write(_fresh_pem())
        try:
            os.link(fresh, path)  # of two processes the first wins, and neither sees half a key
        except FileExistsError:
            pass
        finally:
            fresh.unlink()


def _fresh_pem() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _stamp_of(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino


def _read(path: Path) -> Key:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    stamp = _stamp_of(path)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey) or stamp is None:
        raise SettingsError(f"{path}: is not an Ed25519 key")
    return Key(key, key.public_key().public_bytes_raw().hex(), stamp)


def is_signed(public: str, digest: str, signature: str) -> bool:
    """Return whether the owner of `public` has signed this hash."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), digest.encode())
    except (InvalidSignature, ValueError):
        return False
    return True
