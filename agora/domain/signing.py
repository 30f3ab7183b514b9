"""Chaining and signing: canonical JSON (RFC 8785 in spirit), SHA-256, Ed25519 (RFC 8032)."""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agora.domain.errors import SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def canonical(body: Any) -> str:
    """Return the one text that stands for this JSON value."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def link(previous: str, body: str) -> str:
    """Return the hash that ties `body` to the entry before it; "" for the first."""
    return sha256(f"{previous}\n{body}".encode()).hexdigest()


@dataclass(frozen=True)
class Signer:
    """A private key in a file that only its owner reads; made when first needed."""

    folder: Path

    @cached_property
    def _key(self) -> "Ed25519PrivateKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        path = self.folder / "decisions.pem"
        try:
            self._make(path)
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{path}: the signing key cannot be used ({error})",
                "set AGORA_HOME to a folder that you may write to",
            ) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingsError(f"{path}: is not an Ed25519 key")
        return key

    def _make(self, path: Path) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        if path.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(pem)
        try:
            os.link(fresh, path)  # of two processes the first wins, and neither sees half a key
        except FileExistsError:
            pass
        finally:
            fresh.unlink()

    @cached_property
    def public(self) -> str:
        """Return the public key, hexadecimal: what others verify with."""
        return self._key.public_key().public_bytes_raw().hex()

    def sign(self, digest: str) -> str:
        """Return the signature of a hash, hexadecimal."""
        return self._key.sign(digest.encode()).hex()


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
