from pathlib import Path

import pytest

from agora.domain import settings as configuration
from agora.domain.errors import SettingsError
from agora.domain.models import SHIPPED, Catalogue, family_of, most_spent, tokens_of
from agora.domain.servers import is_private, ollama_url


def catalogue(home: Path, **env: str) -> Catalogue:
    return Catalogue.load(SHIPPED, configuration.load(env | {"AGORA_HOME": str(home)}))


def test_the_shipped_catalogue_prices_every_openai_model(tmp_path: Path) -> None:
    known = catalogue(tmp_path)
    paid = [known.model("openai", name) for name in known.names("openai")]
    assert len(paid) + len(known.names("ollama")) >= 15
    assert all(0 < m.usd_cached <= m.usd_in < m.usd_out for m in paid)
    assert {m.residency for m in paid} == {"cloud"}


def test_an_unknown_paid_model_is_an_error_that_says_what_to_add_where(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="gpt-99") as raised:
        catalogue(tmp_path).model("openai", "gpt-99")
    assert "usd_in" in raised.value.hint
    assert str(tmp_path / "models.yaml") in raised.value.hint


def test_an_unknown_ollama_model_is_local_and_free(tmp_path: Path) -> None:
    model = catalogue(tmp_path).model("ollama", "my-own:7b")
    assert (model.residency, model.usd_in, model.usd_out) == ("local", 0.0, 0.0)
    assert (model.context, model.base_url) == (8192, "http://127.0.0.1:11434")


def test_a_tag_has_the_traits_of_its_name_unless_it_has_its_own(tmp_path: Path) -> None:
    known = catalogue(tmp_path)
    assert "reasoning" in known.model("ollama", "qwen3:8b").capabilities
    assert "vision" in known.model("ollama", "gemma3:12b").capabilities
    assert "vision" not in known.model("ollama", "gemma3:1b").capabilities


def test_an_unknown_model_behind_a_private_address_is_local_and_free(tmp_path: Path) -> None:
    known = catalogue(tmp_path, OPENAI_BASE_URL="http://192.168.1.7:8000/v1")
    model = known.model("openai", "Qwen/Qwen3-8B")
    assert (model.residency, model.usd_out, model.family) == ("local", 0.0, "qwen")


def test_a_paid_model_behind_a_private_gateway_stays_paid_and_in_the_cloud(tmp_path: Path) -> None:
    model = catalogue(tmp_path, OPENAI_BASE_URL="http://localhost:4000").model("openai", "gpt-4o")
    assert (model.residency, model.usd_out) == ("cloud", 10.0)


def test_an_ollama_server_on_the_internet_is_not_local(tmp_path: Path) -> None:
    model = catalogue(tmp_path, OLLAMA_HOST="https://ollama.example.com").model("ollama", "qwen3")
    assert (model.residency, model.usd_out) == ("cloud", 0.0)


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "qwen3:cloud"])
def test_a_model_that_ollama_runs_elsewhere_needs_a_price(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        catalogue(tmp_path).model("ollama", name)
    entry = f"ollama: {{'{name}': {{family: gpt, usd_in: 1, usd_out: 2}}}}"
    (tmp_path / "models.yaml").write_text(entry)
    model = catalogue(tmp_path).model("ollama", name)
    assert (model.residency, model.usd_out) == ("cloud", 2.0)


def test_an_entry_of_ones_own_wins_over_the_shipped_one(tmp_path: Path) -> None:
    entry = "openai: {gpt-4o: {family: gpt, usd_in: 7, usd_out: 9}}"
    (tmp_path / "models.yaml").write_text(entry)
    known = catalogue(tmp_path)
    assert known.model("openai", "gpt-4o").usd_cached == 7.0
    assert known.model("openai", "gpt-4o-mini").usd_in == 0.15


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("openai: {x: {family: gpt}}", "openai.x.usd_in"),
        ("openai: {x: {family: gpt, usd_in: -1, usd_out: 1}}", "openai.x.usd_in"),
        ("ollama: {x: {family: gpt, capabilities: [magic]}}", "ollama.x.capabilities"),
        ("somebody: {}", "somebody"),
        ("openai: [", "cannot be read"),
        ("[1, 2]", "models.yaml"),
    ],
)
def test_a_broken_entry_is_named_with_its_file(tmp_path: Path, content: str, named: str) -> None:
    (tmp_path / "models.yaml").write_text(content)
    with pytest.raises(SettingsError, match="models.yaml") as raised:
        catalogue(tmp_path)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("127.0.0.1:11434", "http://127.0.0.1:11434"),
        (":56789", "http://127.0.0.1:56789"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("http://10.0.0.1", "http://10.0.0.1:80"),
        ("https://ollama.example.com", "https://ollama.example.com:443"),
        ("https://ollama.example.com:8443/api/", "https://ollama.example.com:8443/api"),
        ("ann:secret@gpu:1", "http://ann:secret@gpu:1"),
        ("https://ann:0.0.0.0@gpu", "https://ann:0.0.0.0@gpu:443"),
        ("[::1]", "http://[::1]:11434"),
    ],
)
def test_a_host_is_completed_as_ollama_does(host: str, url: str) -> None:
    assert ollama_url(host) == url


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OLLAMA_HOST", "ftp://x"), ("OLLAMA_HOST", "http://[x"), ("OPENAI_BASE_URL", "api.x.com")],
)
def test_an_address_that_is_none_names_its_setting(
    tmp_path: Path, variable: str, value: str
) -> None:
    vendor: str = "ollama" if variable == "OLLAMA_HOST" else "openai"
    with pytest.raises(SettingsError, match=r"ollama\.host|openai\.base_url"):
        catalogue(tmp_path, **{variable: value}).model(vendor, "gpt-4o")


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1", True),
        ("[::1]", True),
        ("192.168.0.9", True),
        ("100.64.0.1", True),
        ("ollama", True),
        ("gpu.lan", True),
        ("host.docker.internal", True),
        ("8.8.8.8", False),
        ("api.openai.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_only_what_the_internet_cannot_reach_is_private(host: str, private: bool) -> None:
    assert is_private(f"http://{host}:8080/v1") is private


def test_a_message_shows_no_password(tmp_path: Path) -> None:
    model = catalogue(tmp_path, OLLAMA_HOST="http://ann:secret@gpu:1/path").model("ollama", "x")
    assert model.server == "http://gpu:1"


def test_costs_follow_the_prices_and_the_cache(tmp_path: Path) -> None:
    model = catalogue(tmp_path).model("openai", "gpt-4o")
    assert model.spent(1_000_000, 100_000).cost_usd == pytest.approx(2.5 + 1.0)
    most = most_spent(model, 750_000, 100_000)
    assert most.tokens_in == 1_000_000 and most.cost_usd == pytest.approx(2.5 + 1.0)
    assert model.spent(1_000_000, 0, cached=400_000).cost_usd == pytest.approx(1.5 + 0.5)
    assert model.spent(10, 0, cached=99).cost_usd == pytest.approx(10 * 1.25 / 1e6)


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_tokens_are_estimated_upwards(text: str, tokens: int) -> None:
    assert tokens_of(text) == tokens
    assert tokens_of("漢字" * 4) >= 6


@pytest.mark.parametrize(
    ("name", "family"),
    [("qwen3:8b", "qwen"), ("org/Llama-3.1", "llama"), ("phi4", "phi"), ("7b", "7b")],
)
def test_a_family_is_the_leading_word_of_a_name(name: str, family: str) -> None:
    assert family_of(name) == family
