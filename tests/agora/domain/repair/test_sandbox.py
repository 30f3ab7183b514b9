import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from agora.domain.contracts import Act
from agora.domain.doors import opened
from agora.domain.errors import OutsideOfActError, SandboxFailedError, SandboxMissingError
from agora.domain.repair.interpreters import OWN
from agora.domain.repair.sandbox import CancelledRunError, Ran, Sandbox, choose_sandbox
from agora.domain.settings import load
from tests.serving import until

inside = pytest.mark.needs("bubblewrap")
ENDLESS = f"9999.{os.getpid()}"  # whose sleep it is can be seen from outside


def sleeping() -> list[int]:
    """Return the processes that sleep for ever and were started here."""
    running = psutil.process_iter(["cmdline"])
    return [one.pid for one in running if ENDLESS in (one.info["cmdline"] or ())]


def python(sandbox: Sandbox, folder: Path, code: str, timeout_s: float = 60) -> Ran:
    readable = OWN.readable(folder)
    return sandbox.run(folder, [sys.executable, "-c", code], timeout_s=timeout_s, readable=readable)


def shell(sandbox: Sandbox, folder: Path, script: str, timeout_s: float = 60) -> Ran:
    return sandbox.run(folder, ["/bin/sh", "-c", script], timeout_s=timeout_s)


def test_nothing_runs_outside_of_an_act(folder: Path) -> None:
    sandbox = choose_sandbox(load({}).sandbox, trust_workspace=True)
    with pytest.raises(OutsideOfActError):
        sandbox.run(folder, ["/bin/true"], timeout_s=1)


def test_without_bubblewrap_the_error_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxMissingError) as caught:
        choose_sandbox(load({}).sandbox, trust_workspace=False)
    assert "apt-get install bubblewrap" in caught.value.hint
    assert "--trust-workspace" in caught.value.hint
    assert choose_sandbox(load({}).sandbox, trust_workspace=True).is_trusted


@inside
def test_a_command_gets_its_input_and_gives_output_and_status(
    sandbox: Sandbox, folder: Path
) -> None:
    ran = sandbox.run(folder, ["/bin/sh", "-c", "cat; exit 7"], timeout_s=5, stdin=b"x" * 100_000)
    assert ran.status == 7 and ran.output == b"x" * 100_000 and not ran.is_timed_out


@inside
def test_only_its_own_folder_can_be_written(sandbox: Sandbox, folder: Path) -> None:
    ran = shell(sandbox, folder, "echo mine > kept; touch /usr/x; touch /etc/x; touch /x")
    assert ran.text.count("cannot touch") == 3
    assert (folder / "kept").read_text() == "mine\n"


@inside
def test_nobody_inside_is_root_even_when_root_asks(sandbox: Sandbox, folder: Path) -> None:
    uid = shell(sandbox, folder, "id -u; grep CapEff /proc/self/status").text.split()
    assert uid[0] == (str(os.getuid()) if os.getuid() else "65534")
    assert uid[2] == "0000000000000000"


@inside
def test_there_is_no_network(sandbox: Sandbox, folder: Path) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"
    assert "unreachable" in python(sandbox, folder, code).text


@inside
def test_the_callers_environment_stays_outside(
    sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    ran = shell(sandbox, folder, "env; cat /proc/1/environ; cat /proc/*/environ")
    assert "very-secret" not in ran.text and "HOME=/tmp" in ran.text


@inside
def test_other_files_of_the_machine_are_not_there(sandbox: Sandbox, folder: Path) -> None:
    (folder.parent / "private").write_text("a key")
    ran = shell(sandbox, folder, f"cat {folder.parent}/private /etc/passwd; ls /home")
    assert "a key" not in ran.text and ran.text.count("No such file") == 2
    assert "root:" not in ran.text, "of the accounts only its own"


@inside
def test_whoever_runs_inside_has_a_name_and_a_home(sandbox: Sandbox, folder: Path) -> None:
    code = (
        "import getpass, grp, os, pwd; print(getpass.getuser(), pwd.getpwuid(os.getuid()).pw_dir)"
    )
    assert python(sandbox, folder, code).text == "nobody /tmp\n"


@inside
def test_what_is_kept_in_memory_is_limited_too(folder: Path, act: None) -> None:
    limits = load({}, **{"sandbox.memory_mb": 64, "sandbox.file_mb": 100}).sandbox
    for place in ("/tmp", "/dev/shm"):
        ran = shell(Sandbox(limits), folder, f"head -c 90000000 /dev/zero > {place}/large")
        assert "No space left" in ran.text


@inside
def test_the_process_limit_holds(folder: Path, act: None) -> None:
    limits = load({}, **{"sandbox.processes": 8}).sandbox
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 3 & done; wait"
    assert "fork" in shell(Sandbox(limits), folder, script, timeout_s=5).text


@inside
def test_the_memory_limit_holds(sandbox: Sandbox, folder: Path) -> None:
    ran = python(sandbox, folder, "held = b'x' * (2 << 30)")
    assert "MemoryError" in ran.text


@inside
def test_the_size_of_a_file_is_limited(folder: Path, act: None) -> None:
    limits = load({}, **{"sandbox.file_mb": 1}).sandbox
    shell(Sandbox(limits), folder, "head -c 3000000 /dev/zero > large")
    assert (folder / "large").stat().st_size <= 1 << 20


@inside
def test_the_kernel_is_not_configured_from_inside(sandbox: Sandbox, folder: Path) -> None:
    ran = shell(sandbox, folder, "echo '|/bin/sh' > /proc/sys/kernel/core_pattern && echo written")
    assert "written" not in ran.text


@inside
def test_no_further_namespace_can_be_made(sandbox: Sandbox, folder: Path) -> None:
    ran = shell(sandbox, folder, "unshare --user --map-root-user echo nested")
    assert "nested" not in ran.text.splitlines() and ran.status != 0


@inside
def test_dev_null_can_be_written(sandbox: Sandbox, folder: Path) -> None:
    assert shell(sandbox, folder, "echo gone > /dev/null && echo fine").text == "fine\n"


@inside
def test_a_private_folder_can_be_lent(sandbox: Sandbox, folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "library").mkdir(parents=True)
    (home / "library" / "word").write_text("readable")
    home.chmod(0o700)
    lent = (home / "library",)
    command = ["/bin/sh", "-c", f"cat {home}/library/word; touch {home}/library/other"]
    ran = sandbox.run(folder, command, timeout_s=5, readable=lent)
    assert ran.text.startswith("readable") and "Read-only" in ran.text


@inside
def test_our_own_python_finds_its_packages(sandbox: Sandbox, folder: Path) -> None:
    ran = python(sandbox, folder, "import pytest, sys; print(sys.prefix)")
    assert ran.text.strip() == sys.prefix


@inside
def test_at_the_deadline_the_whole_family_is_gone(sandbox: Sandbox, folder: Path) -> None:
    started = time.monotonic()
    ran = shell(sandbox, folder, f"(sleep {ENDLESS}) & sleep {ENDLESS}", timeout_s=2)
    assert ran.is_timed_out and time.monotonic() - started < 60
    until(lambda: not sleeping(), 60)


@inside
def test_endless_output_is_cut(sandbox: Sandbox, folder: Path) -> None:
    ran = shell(sandbox, folder, "yes", timeout_s=3)
    assert len(ran.output) == 1_000_000


@inside
def test_a_run_can_be_stopped(sandbox: Sandbox, folder: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()
    with pytest.raises(CancelledRunError):
        sandbox.run(folder, ["/bin/sleep", "30"], timeout_s=30, cancel=stop)
    assert time.monotonic() - started < 25


@inside
def test_a_sandbox_that_does_not_start_is_no_verdict(sandbox: Sandbox, folder: Path) -> None:
    with pytest.raises(SandboxFailedError):
        sandbox.run(folder, ["/bin/true"], timeout_s=5, readable=[folder / "nowhere"])


def test_a_trusted_workspace_still_has_its_limits(trusted: Sandbox, folder: Path) -> None:
    ran = shell(trusted, folder, "ulimit -v; ulimit -c; pwd")
    assert ran.text.split() == [str(1024 * 1024), "0", str(folder)]


def test_a_trusted_run_ends_at_its_deadline(trusted: Sandbox, folder: Path) -> None:
    ran = shell(trusted, folder, f"(sleep {ENDLESS}) & sleep {ENDLESS}", timeout_s=1)
    assert ran.is_timed_out
    until(lambda: not sleeping(), 60)


def test_what_is_written_last_is_never_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A look that finds nothing, then words, then the end: the shorter the looks the likelier.
    monkeypatch.setattr("agora.domain.repair.sandbox.GLANCE_S", 0.0001)
    trusted = choose_sandbox(load({}).sandbox, trust_workspace=True)

    def said(number: int) -> bytes:
        with opened(Act(kind="call_tool", subject="echo")):
            return trusted.run(tmp_path, ["/bin/echo", str(number)], timeout_s=10).output

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(said, range(300))) == [b"%d\n" % n for n in range(300)]
