"""Vendors that packages plug in: the example in tests/acme, built and installed for real."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agora.domain import plugs
from agora.domain.errors import SettingsError
from agora.domain.plugs import plugged
from agora.domain.roster import discover
from agora.domain.settings import load
from tests.asking import asked, fault_of
from tests.conftest import ask
from tests.model_server import ModelServer
from tests.reading import ROOT
from tests.running import Hire, plainly

UV = Path(sys.executable).with_name("uv")
PRICES = {"acme-large": (2.0, 8.0)}
ENTRY = "acme: {acme-large: {family: acme, usd_in: 2, usd_out: 8, residency: eu}}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package into a folder of its own."""
    source, site = tmp_path_factory.mktemp("acme"), tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "tests" / "acme", source, dirs_exist_ok=True)
    install = ["pip", "install", "--offline", "--no-deps", "--no-build-isolation", "--quiet"]
    where = ["--python", sys.executable, "--target", str(site), str(source)]
    subprocess.run([UV, *install, *where], check=True, cwd=source)
    return site


@pytest.fixture
def acme(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    plugged.cache_clear()
    monkeypatch.syspath_prepend(str(site))
    yield
    plugged.cache_clear()
    sys.modules.pop("acme_agora", None)


@pytest.fixture
def vendor() -> Iterator[ModelServer]:
    with ModelServer(plainly, models=tuple(PRICES), prices=PRICES, api_key="sk-acme") as served:
        yield served


def named(vendor: ModelServer, home: Path, key: str = "sk-acme") -> dict[str, Any]:
    home.mkdir(exist_ok=True)
    (home / "models.yaml").write_text(ENTRY)
    own = {"base_url": vendor.openai_url, "api_key": key}
    return {"home": home} | {f"vendors.acme.{name}": value for name, value in own.items()}


async def test_the_models_of_a_plugged_vendor_bid_and_answer(
    acme: None, vendor: ModelServer, hire: Hire, tmp_path: Path
) -> None:
    staff = hire(local=(), **named(vendor, tmp_path / "acme"))
    outcome = await staff.ask("What is six by seven?")
    assert (outcome["status"], outcome["answer"]) == ("answered", "forty-two")
    assert outcome["model"] == "acme-large"
    assert vendor.last.headers["x-acme"] == "1"
    (booked,) = await ask(staff.team, "SELECT sum(cost_usd) AS usd FROM acts")
    assert float(booked["usd"]) == pytest.approx(vendor.served().usd)


async def test_its_place_is_what_its_entry_says(
    acme: None, vendor: ModelServer, hire: Hire, tmp_path: Path
) -> None:
    staff = hire(local=(), **named(vendor, tmp_path / "acme"))
    allowed = await staff.ask("Reply with exactly: yes", policy="compliance")
    assert allowed["status"] == "answered", "the policy admits models in the eu"
    refused = await staff.ask("Reply with exactly: no", on="two", labels=["residency:us"])
    assert refused["status"] == "refused" and "place_and_vendor" in refused["error"]


async def test_its_faults_have_names_and_cost_what_was_served(
    acme: None, vendor: ModelServer, tmp_path: Path
) -> None:
    settings = load({}, **named(vendor, tmp_path / "acme", key="sk-wrong"))
    (model,) = (await discover(settings)).models
    fault = await fault_of(vendor, "acme", model=model, settings=settings)
    assert fault.code == "wrong_key" and "vendors.acme.api_key" in fault.hint
    assert fault.spent.cost_usd == 0 and "sk-wrong" not in str(fault)
    sound = load({}, **named(vendor, tmp_path / "acme"))
    vendor.fail("cut")
    cut = await fault_of(vendor, "acme", model=model, settings=sound)
    assert cut.code == "cut_short" and cut.spent.is_estimate
    assert (await asked(vendor, "acme", "say yes", model=model, settings=sound)).text == "forty-two"


def test_a_vendor_without_its_package_is_named() -> None:
    with pytest.raises(SettingsError, match="vendors.acme: no package brings this vendor"):
        plugged("acme")


async def test_a_model_without_a_price_is_no_bidder(
    acme: None, vendor: ModelServer, tmp_path: Path
) -> None:
    own = {"models": ["acme-small"], "base_url": "https://api.acme.example/v1"}
    given = {f"vendors.acme.{name}": value for name, value in own.items()}
    given = named(vendor, tmp_path / "acme") | given
    with pytest.raises(SettingsError, match="no price is known for the acme model acme-small"):
        await discover(load({}, **given))


def test_a_package_that_is_broken_is_named(
    acme: None, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("acme_agora")
    monkeypatch.delattr(module, "Acme")
    with pytest.raises(SettingsError, match="vendors.acme: acme_agora:Acme cannot be used"):
        plugs.plugged("acme")
