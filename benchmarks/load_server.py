"""`agora serve` with one more graph beside Agora's own: a bare one, as a beginner writes it."""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from agora.app import aegra  # noqa: E402
from agora.app.cli import main  # noqa: E402
from benchmarks.overhead import bare_graph  # noqa: E402

graph = bare_graph(os.environ["OLLAMA_HOST"])


def configuration() -> Path:
    """Write the server's configuration with the bare graph, and return where."""
    told = json.loads(aegra.CONFIGURATION.read_text("utf-8"))
    place = aegra.CONFIGURATION.parent
    told["graphs"] = {n: str(place / path) for n, path in told["graphs"].items()}
    told["graphs"]["bare"] = f"{Path(__file__).absolute()}:graph"
    told["http"]["app"] = str(place / told["http"]["app"])
    told["dependencies"] = [str(ROOT)]
    path = Path(os.environ["AGORA_HOME"], "server.json")
    path.write_text(json.dumps(told), "utf-8")
    return path


if __name__ == "__main__":
    aegra.CONFIGURATION = configuration()
    sys.argv[0] = "agora"
    main()
