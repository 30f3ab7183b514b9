"""Metrics in Prometheus' text format, computed from records; every name begins with `agora_`."""

from collections.abc import Iterator, Mapping
from typing import Any

from agora.app import reports
from agora.domain.contracts import Json
from agora.team import Team
from memory import tallies
from memory.database import Row

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HEALTH = {"pass": 1.0, "warn": 0.5, "fail": 0.0}
BREAKERS = {"closed": 0.0, "half_open": 0.5, "open": 1.0}
Families = Iterator[Any]


async def metrics(team: Team) -> bytes:
    """Return all metrics as text; the caller serves it as CONTENT_TYPE."""
    from prometheus_client import CollectorRegistry, generate_latest

    figures = await reports.figures(team)
    async with team.database.autocommit() as connection:
        counted = await tallies.every(connection)
    beats, offered = await team.monitoring.known(), await team.market.offered()
    families = [
        *_counted(counted),
        *_figures(figures),
        *_beats(beats, team),
        *_models(offered),
        *_here(team),
    ]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(families))
    return bytes(generate_latest(registry))


class _Told:
    """What a registry asks for its families of metrics."""

    def __init__(self, families: list[Any]) -> None:
        self.families = families

    def collect(self) -> list[Any]:
        """Return all families."""
        return self.families


def _counted(counted: Mapping[str, list[Row]]) -> Families:
    """Yield counters of what stands in tables: each row has labels and a `value`."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    for name, rows in counted.items():
        tally = tallies.TALLIES[name]
        kind = CounterMetricFamily if tally.only_grows else GaugeMetricFamily
        family = kind(f"agora_{name}", tally.about, labels=tally.labels)
        for row in rows:
            family.add_metric([str(row[label]) for label in tally.labels], float(row["value"]))
        yield family


def _figures(figures: Json) -> Families:
    """Yield the product's own figures; one that has nothing to count yet is left out."""
    from prometheus_client.core import GaugeMetricFamily

    for name, value in figures.items():
        if isinstance(value, int | float):
            yield GaugeMetricFamily(f"agora_figure_{name}", f"as in agora stats: {name}", value)


def _beats(beats: list[Row], team: Team) -> Families:
    from prometheus_client.core import GaugeMetricFamily

    status = GaugeMetricFamily("agora_health", "1 well, 0.5 warns, 0 has failed", labels=["part"])
    age = GaugeMetricFamily("agora_beat_age_seconds", "since a sign of life", labels=["part"])
    value = GaugeMetricFamily("agora_measure", "as last measured", labels=["part", "unit"])
    now = team.clock()
    for beat in beats:
        status.add_metric([beat["name"]], HEALTH[beat["status"]])
        age.add_metric([beat["name"]], max(0.0, (now - beat["at"]).total_seconds()))
        if beat["value"] is not None:
            value.add_metric([beat["name"], beat["unit"]], beat["value"])
    yield from (status, age, value)


def _models(offered: list[Json]) -> Families:
    from prometheus_client.core import GaugeMetricFamily

    weight = GaugeMetricFamily("agora_model_health", "the weight of its bids", labels=["model"])
    breaker = GaugeMetricFamily("agora_model_breaker", "1 open, 0.5 on trial", labels=["model"])
    busy = GaugeMetricFamily("agora_model_busy", "answers it works on now", labels=["model"])
    for one in offered:
        weight.add_metric([one["name"]], one["health"])
        breaker.add_metric([one["name"]], BREAKERS[one["breaker"]])
        busy.add_metric([one["name"]], one["busy"])
    yield from (weight, breaker, busy)


def _here(team: Team) -> Families:
    import psutil
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    itself, used = psutil.Process(), team.database.usage
    times = itself.cpu_times()
    yield GaugeMetricFamily(
        "agora_process_resident_bytes", "memory of this process", itself.memory_info().rss
    )
    yield CounterMetricFamily(
        "agora_process_cpu_seconds", "CPU time of this process", times.user + times.system
    )
    yield GaugeMetricFamily("agora_process_threads", "of this process", itself.num_threads())
    pool = GaugeMetricFamily("agora_pool_connections", "of this process", labels=["state"])
    for state, count in used.items():
        pool.add_metric([state], count)
    yield pool
