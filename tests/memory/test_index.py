import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agora.domain.settings import load
from memory.chroma import ChromaFiles, ChromaServer, IndexHeldError, IndexLostError, choose_chroma
from memory.index import Collection, Index
from tests.serving import START_S, free_port, until

HERE = "installation-1"
NAME = Collection(HERE, "answers", "default", "wordllama", 2)
EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[Index]:
    index = Index(ChromaFiles(tmp_path / "index"))
    yield index
    await index.close()


@pytest.fixture(scope="module")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Chroma server, as `chroma run` starts it."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--host", "127.0.0.1"]
    folder = tmp_path_factory.mktemp("chroma")
    command += ["--port", str(port), "--path", str(folder)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def is_up() -> bool:
        assert running.poll() is None, "chroma has ended"
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(is_up, START_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(60)


async def fill(index: Index) -> None:
    await index.put(NAME, [1, 2], [EAST, NORTH])


async def nearest(index: Index) -> list[int]:
    return [one.id for one in (await index.near(NAME, [[0.9, 0.1]], 5))[0]]


async def test_the_nearest_comes_first_with_its_cosine(index: Index) -> None:
    await fill(index)
    [[first, second]] = await index.near(NAME, [EAST], 5)
    assert (first.id, second.id) == (1, 2)
    assert first.cosine == pytest.approx(1, abs=1e-5) and second.cosine == pytest.approx(
        0, abs=1e-5
    )


async def test_what_is_put_twice_stands_once_and_what_is_forgotten_is_gone(index: Index) -> None:
    await fill(index)
    await fill(index)
    assert await index.count(NAME) == 2
    await index.forget(NAME, [1, 99])
    assert await nearest(index) == [2]


async def test_vectors_outlive_the_process_that_has_put_them(tmp_path: Path, index: Index) -> None:
    await fill(index)
    before = await index.opened(NAME)
    await index.close()
    again = Index(ChromaFiles(tmp_path / "index"))
    assert await nearest(again) == [1, 2] and await again.opened(NAME) == before
    await again.close()


async def test_each_tenant_and_each_embedder_has_a_collection_of_its_own(index: Index) -> None:
    others = {
        Collection(HERE, "answers", tenant, embedder, dimension)
        for tenant in ("a", "b", "A", "ünïcode " * 40)
        for embedder in ("wordllama", "ollama-nomic-embed-text")
        for dimension in (256, 768)
    }
    assert len({other.name for other in others}) == 16
    await fill(index)
    for other in others:
        assert await index.count(other) == 0


async def test_files_that_cannot_be_read_are_made_anew(tmp_path: Path, index: Index) -> None:
    await fill(index)
    before = await index.opened(NAME)
    await index.close()
    (tmp_path / "index" / "chroma.sqlite3").write_bytes(b"no database at all" * 1000)
    again = Index(ChromaFiles(tmp_path / "index"))
    assert await nearest(again) == []
    assert await again.opened(NAME) != before, "whoever fills it must begin anew"
    await fill(again)
    assert await nearest(again) == [1, 2]
    await again.close()


async def test_files_that_vanish_under_us_are_made_anew(tmp_path: Path, index: Index) -> None:
    await fill(index)
    before = await index.opened(NAME)
    shutil.rmtree(tmp_path / "index")
    await index.put(NAME, [3], [EAST])
    again = await index.opened(NAME)
    assert again != before
    assert 3 in await nearest(index)


async def test_a_folder_in_the_way_is_no_error_to_whoever_asks(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file")
    index = Index(ChromaFiles(tmp_path / "index"))
    with pytest.raises(IndexLostError):
        await nearest(index)


async def test_files_belong_to_one_process_at_a_time(tmp_path: Path, index: Index) -> None:
    await fill(index)
    script = (
        "import sys, asyncio\n"
        "from pathlib import Path\n"
        "from memory.chroma import ChromaFiles, IndexHeldError\n"
        "try:\n"
        "    ChromaFiles(Path(sys.argv[1])).client()\n"
        "except IndexHeldError:\n"
        "    sys.exit(7)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "index")]
    assert subprocess.run(command, timeout=60).returncode == 7
    await index.close()
    assert subprocess.run(command, timeout=60).returncode == 0


async def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from memory.chroma import ChromaFiles\n"
        "ChromaFiles(Path(sys.argv[1])).client()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "index")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        index = Index(ChromaFiles(tmp_path / "index"))
        with pytest.raises(IndexHeldError):
            await fill(index)
        os.kill(holder.pid, signal.SIGKILL)
    await fill(index)
    assert await nearest(index) == [1, 2]
    await index.close()


async def test_a_server_does_what_files_do(chroma: str) -> None:
    index = Index(choose_chroma(load({"CHROMA_URL": chroma})))
    assert isinstance(index.chroma, ChromaServer)
    await fill(index)
    assert await nearest(index) == [1, 2]
    await index.forget(NAME, [1])
    assert await nearest(index) == [2]
    before = await index.opened(NAME)
    assert await index.clear("installation-2") == 0, "a server has collections of others, too"
    assert await index.clear(HERE, but=NAME.space) == 0
    assert await index.clear(HERE) == 1
    assert await nearest(index) == [] and await index.opened(NAME) != before
    await index.close()


async def test_a_server_that_is_down_is_named_with_its_remedy() -> None:
    index = Index(ChromaServer("http://user:secret@127.0.0.1:9"))
    started = time.monotonic()
    with pytest.raises(IndexLostError, match="Chroma at 127.0.0.1") as told:
        await fill(index)
    assert "secret" not in str(told.value) and "chroma run" in told.value.hint
    assert time.monotonic() - started < 30
