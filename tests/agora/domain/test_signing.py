import multiprocessing
from pathlib import Path

import pytest

from agora.domain.errors import SettingsError
from agora.domain.signing import Signer, canonical, is_signed, link


def test_a_json_value_has_one_text() -> None:
    assert canonical({"b": 1, "a": ["é", None]}) == '{"a":["é",null],"b":1}'
    assert canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1})


def test_a_link_depends_on_all_that_went_before() -> None:
    first = link("", "a")
    assert link(first, "b") != link(link("", "x"), "b") and len(first) == 64
    assert link("ab", "c") != link("a", "bc")


def test_only_the_owners_signature_of_the_same_hash_counts(tmp_path: Path) -> None:
    ours, theirs = Signer(tmp_path / "ours"), Signer(tmp_path / "theirs")
    signature = ours.sign("abc")
    assert is_signed(ours.public, "abc", signature)
    assert not is_signed(ours.public, "abd", signature)
    assert not is_signed(theirs.public, "abc", signature)
    assert not is_signed(ours.public, "abc", "not hexadecimal")
    assert not is_signed("", "abc", signature)


def test_the_key_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    assert Signer(tmp_path / "keys").public == Signer(tmp_path / "keys").public
    paths = sorted((tmp_path / "keys").iterdir())
    assert [path.name for path in paths] == ["decisions.keys", "decisions.pem"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (*paths, tmp_path / "keys"))


def test_a_key_that_was_lost_is_followed_by_another_and_still_known(tmp_path: Path) -> None:
    signer = Signer(tmp_path / "keys")
    first = signer.public
    signer.path.unlink()
    assert signer.public != first and signer.known() == [first, signer.public]


def test_a_rotated_key_is_taken_up_by_those_who_hold_the_old_one(tmp_path: Path) -> None:
    one, other = Signer(tmp_path / "keys"), Signer(tmp_path / "keys")
    old = other.public
    new = one.prepare()
    assert other.public == old, "not before it is in force"
    one.take_over()
    assert one.public == other.public == new != old


def public_of(folder: Path) -> str:
    return Signer(folder).public


def test_processes_that_need_the_key_at_once_get_the_same(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        keys = pool.map(public_of, 4 * [tmp_path / "keys"])
    assert len(set(keys)) == 1


@pytest.mark.parametrize("content", [b"", b"not a key", b"\xff\xfe"])
def test_a_spoilt_key_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "decisions.pem").write_bytes(content)
    with pytest.raises(SettingsError, match="decisions.pem: the signing key cannot be used"):
        Signer(tmp_path).sign("abc")


def test_a_key_of_another_kind_is_named(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    other = generate_private_key(SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "decisions.pem").write_bytes(pem)
    with pytest.raises(SettingsError, match="is not an Ed25519 key"):
        Signer(tmp_path).sign("abc")
