"""Agora's own sources are a workspace like any other, its core apart."""

from agora.domain.repair import gate
from tests.reading import ROOT


def test_its_core_is_a_persons_work() -> None:
    path = "agora/domain/repair/gate.py"
    line = next(line for line in (ROOT / path).read_text().splitlines() if "MOST_LINES =" in line)
    at = (ROOT / path).read_text().splitlines().index(line) + 1
    diff = f"--- a/{path}\n+++ b/{path}\n@@ -{at} +{at} @@\n-{line}\n+MOST_LINES = 9000\n"
    texts = {
        name: (ROOT / name).read_text()
        for name in (path, "agora/team/acting.py", "graphs/improvement.py")
    }
    assert gate.judge(texts, diff).rule == "stable_core"
