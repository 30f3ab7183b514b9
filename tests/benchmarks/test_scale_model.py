import pytest

from benchmarks.scale_model import Costs, Site, simulate

COSTS = Costs(core_s=0.05, database_s=0.005, model_s=1.0)


def test_a_task_alone_takes_what_it_costs() -> None:
    found = simulate(Site(1, 1), Costs(0.05, 0.005, 0), per_s=0.001, tasks=100)
    assert found.p50_s == pytest.approx(0.055) == pytest.approx(found.p95_s)


def test_throughput_ends_where_the_first_part_is_full() -> None:
    site = Site(2, 4)
    part, most = site.bottleneck(COSTS)
    assert part == "slots" and most == pytest.approx(8 / 1.055)
    found = simulate(site, COSTS, per_s=100, tasks=4000)
    assert found.per_s == pytest.approx(most, rel=0.05)


def test_many_workers_meet_the_limit_of_the_database() -> None:
    assert Site(1, 4).bottleneck(COSTS)[0] == "slots"
    part, most = Site(1000, 4).bottleneck(COSTS)
    assert part == "database" and most == pytest.approx(200)
    assert simulate(Site(1000, 4), COSTS, per_s=400, tasks=4000).per_s < 200


def test_who_waits_for_a_slot_takes_longer_the_fuller_the_site() -> None:
    easy = simulate(Site(4, 4), COSTS, per_s=2, tasks=4000)
    full = simulate(Site(4, 4), COSTS, per_s=15, tasks=4000)
    assert full.p50_s > 1.3 * easy.p50_s
