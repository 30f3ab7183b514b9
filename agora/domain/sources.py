"""Where settings come from: files, the environment, arguments; each key keeps who has said it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from agora.domain.errors import SettingsError

SHIPPED = Path(__file__).parents[2] / "config" / "local.yaml"
OWN_NAMES = {
    "DATABASE_URL": "database.url",
    "REDIS_URL": "redis.url",
    "OLLAMA_HOST": "ollama.host",
    "OPENAI_API_KEY": "openai.api_key",
    "OPENAI_BASE_URL": "openai.base_url",
    "AGORA_HOME": "home",
    "CHROMA_URL": "memory.chroma_url",
    "AGORA_TOKEN": "serve.token",
}
PREFIX = "AGORA_"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads YAML; libyaml's is some ten times as fast, and every wheel has it."""


def merge(
    env: Mapping[str, str], arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what all sources say together, the later one winning, and by key its source.

    Raises SettingsError for a file that cannot be read.
    """
    said_by: dict[str, str] = {}
    merged: dict[str, Any] = {}
    for source, key, value in _entries(env, arguments):
        _put(merged, key, value)
        said_by[key] = source
    return merged, said_by


def explain(
    error: ValidationError, said_by: Mapping[str, str], settings: type[BaseModel]
) -> SettingsError:
    """Return in words which source has said what is not allowed, and what would be."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    below = [name for name in said_by if name.startswith(f"{key}.")]
    known = [key] if key in said_by else below
    while not known and "." in key:  # an item of a list: its list is what was set
        key = key.rpartition(".")[0]
        known = [name for name in said_by if name == key]
    source = said_by[known[0]] if known else "settings"
    if first["type"] == "extra_forbidden":
        return SettingsError(
            f"{source}: unknown key {key}", f"allowed here: {_allowed(key, settings)}"
        )
    return SettingsError(f"{source}: {key}: {first['msg']}", f"got {first['input']!r}")


def _entries(
    env: Mapping[str, str], arguments: Mapping[str, Any]
) -> Iterator[tuple[str, str, Any]]:
    for path in (SHIPPED, *_own_file(env)):
        for key, value in _flat(_read(path), ""):
            yield str(path), key, value
    for name, value in sorted(env.items()):
        # Empty is unset: how shells and compose files say "no value".
        if value and (known := _key_of(name)):
            said = value if known in OWN_NAMES.values() else _parse(value)
            yield f"environment {name}", known, said
    for key, value in arguments.items():
        yield "argument", key, value


def _own_file(env: Mapping[str, str]) -> list[Path]:
    named = env.get("AGORA_CONFIG")
    return [Path(named).expanduser()] if named else []


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text("utf-8"), LOADER) or {}
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read ({error.strerror})", "see AGORA_CONFIG"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise SettingsError(f"{path}: is not YAML ({where})", "see config/local.yaml") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: must hold `section: {{key: value}}`", "see config/local.yaml")
    return content


def _flat(tree: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _key_of(name: str) -> str | None:
    if name in OWN_NAMES:
        return OWN_NAMES[name]
    if name.startswith(PREFIX) and "__" in name:
        return name.removeprefix(PREFIX).lower().replace("__", ".")
    return None


def _parse(value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        below = tree.setdefault(section, {})
        if not isinstance(below, dict):
            below = tree[section] = {}
        tree = below
    tree[last] = tree.get(last) or value if value == {} else value


def _allowed(key: str, settings: type[BaseModel]) -> str:
    model: Any = settings
    for section in key.split(".")[:-1]:
        if not hasattr(model, "model_fields"):  # the name in a section of named entries
            model = get_args(model)[1]
        elif field := model.model_fields.get(section):
            model = field.annotation
        else:
            break
    return ", ".join(model.model_fields)
