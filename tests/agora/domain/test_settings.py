from pathlib import Path
from typing import Any

import pytest

from agora.domain.errors import SettingsError
from agora.domain.settings import load
from agora.domain.sources import SHIPPED


def written(folder: Path, text: str) -> dict[str, str]:
    path = folder / "own.yaml"
    path.write_text(text)
    return {"AGORA_CONFIG": str(path)}


def refusal(env: dict[str, str], **arguments: Any) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(env, **arguments)
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2
    return caught.value


def test_later_sources_win(tmp_path: Path) -> None:
    env = written(tmp_path, "budget: {day_usd: 2}\n")
    assert load({}).budget.day_usd == 5.0
    assert load(env).budget.day_usd == 2
    env |= {"AGORA_BUDGET__DAY_USD": "3"}
    assert load(env).budget.day_usd == 3
    assert load(env, **{"budget.day_usd": 4}).budget.day_usd == 4
    assert load(env).execution.tool_rounds == load({}).execution.tool_rounds


def test_the_names_that_others_have_given_are_understood() -> None:
    env = {
        "DATABASE_URL": "postgresql://db/agora",
        "OLLAMA_HOST": "box:11434",
        "OPENAI_API_KEY": "sk-1",
        "OPENAI_BASE_URL": "http://llm/v1",
        "AGORA_HOME": "~/agora",
        "AGORA_TOKEN": "open sesame",
    }
    settings = load(env | {"PATH": "/bin", "AGORA_PORT": "not a setting"})
    assert settings.database.url and settings.openai.api_key
    assert settings.database.url.get_secret_value() == "postgresql://db/agora"
    assert settings.openai.api_key.get_secret_value() == "sk-1"
    assert settings.serve.token and settings.serve.token.get_secret_value() == "open sesame"
    assert (settings.ollama.host, settings.openai.base_url) == ("box:11434", "http://llm/v1")
    assert settings.folder == Path.home() / "agora"


def test_an_empty_variable_says_nothing() -> None:
    assert load({"OPENAI_API_KEY": "", "AGORA_BUDGET__DAY_USD": ""}) == load({})


def test_a_key_that_looks_like_a_number_stays_a_text() -> None:
    key = load({"OPENAI_API_KEY": "0123"}).openai.api_key
    assert key and key.get_secret_value() == "0123"


def test_lists_may_stand_in_the_environment() -> None:
    assert load({"AGORA_OLLAMA__MODELS": "[a:1b, b]"}).ollama.models == ("a:1b", "b")


def test_secrets_do_not_show() -> None:
    settings = load({"OPENAI_API_KEY": "sk-secret", "DATABASE_URL": "postgresql://a:pw@b/c"})
    shown = f"{settings!r} {settings.model_dump_json()}"
    assert "sk-secret" not in shown and "pw" not in shown
    assert set(settings.secrets) == {"sk-secret", "postgresql://a:pw@b/c"}


def test_an_unknown_key_is_named_with_its_source_and_what_is_allowed(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "budget: {day_eur: 2}\n"))
    assert str(error) == f"{tmp_path}/own.yaml: unknown key budget.day_eur"
    assert error.hint.startswith("allowed here: day_usd, day_tokens, task_usd")
    error = refusal({"AGORA_BUGDET__DAY_USD": "2"})
    assert "environment AGORA_BUGDET__DAY_USD: unknown key bugdet" in str(error)
    assert "budget" in error.hint
    assert "argument: unknown key nothing" in str(refusal({}, nothing=1))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("AGORA_BUDGET__DAY_USD", "-1", "greater than or equal to 0"),
        ("AGORA_BUDGET__DAY_USD", "much", "valid number"),
        ("AGORA_DATABASE__CONNECTIONS", "500", "less than or equal to 40"),
        ("AGORA_STAGE__LEASE_S", "0", "greater than 0"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    error = refusal({name: value})
    key = name.removeprefix("AGORA_").lower().replace("__", ".")
    assert f"environment {name}: {key}: " in str(error) and allowed in str(error)
    assert value in error.hint


def test_a_bad_item_of_a_list_is_laid_to_the_list(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, "ollama: {models: [good, 7]}\n"))
    assert "own.yaml: ollama.models" in str(error)


@pytest.mark.parametrize(
    ("text", "said"),
    [("budget: [", "is not YAML"), ("- a\n", "must hold `section:"), ("budget: 5\n", "budget")],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, text: str, said: str) -> None:
    error = refusal(written(tmp_path, text))
    assert "own.yaml" in str(error) and said in str(error)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    error = refusal({"AGORA_CONFIG": str(tmp_path / "none.yaml")})
    assert "none.yaml: cannot be read" in str(error) and "AGORA_CONFIG" in error.hint


def test_every_setting_is_in_the_shipped_file() -> None:
    assert SHIPPED.is_file() and load({}) == load({"HOME": "/nowhere"})
