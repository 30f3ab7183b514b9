"""Which files a patch may touch: the tool's own sources, nothing that judges or ships them."""

import sys
from collections.abc import Collection
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import PurePosixPath

from agora.domain import git

# rule → patterns of a whole path, or of a folder's or file's name
PROTECTED = {
    "tests": ("test_*.py", "*_test.py", "tests/", "test/", "testing/", "testdata/", "fixtures/"),
    "test_configuration": (
        "conftest.py",
        "pytest.ini",
        ".pytest.ini",
        "tox.ini",
        "noxfile.py",
        ".coveragerc",
        "pytest.toml",
        ".pytest.toml",
    ),
    "ci": (
        ".github/",
        ".gitlab-ci.yml",
        ".gitlab/",
        ".circleci/",
        ".buildkite/",
        ".travis.yml",
        "azure-pipelines*",
        "Jenkinsfile*",
        "appveyor.yml",
        "bitbucket-pipelines.yml",
        ".drone.yml",
        ".woodpecker*",
        "Makefile",
        "justfile",
        "Dockerfile*",
    ),
    "hooks": (".git/", ".githooks/", ".husky/", ".pre-commit*", "lefthook.*", ".git*"),
    "packaging": (
        "pyproject.toml",
        "setup.py",
        "setup.cfg",
        "requirements*",
        "MANIFEST.in",
        "Pipfile*",
        "*.lock",
        "environment.y*ml",
        "*.pth",
        "*.egg-info/",
        "sitecustomize.py",
        "usercustomize.py",
        ".venv/",
        "venv/",
        "site-packages/",
    ),
}


# What decides over patches, and what must work with everything else off: no patch of ours.
OWN_MARKS = {"agora/domain/repair/gate.py", "agora/team/acting.py", "graphs/improvement.py"}
CORE = (
    "agora/domain/contracts.py",
    "agora/domain/auction.py",
    "agora/domain/policy.py",
    "agora/domain/signing.py",
    "agora/domain/doors.py",
    "agora/domain/redaction.py",
    "agora/domain/commits.py",
    "agora/domain/git.py",
    "agora/domain/git_locks.py",
    "agora/domain/sequential.py",
    "agora/domain/repair/gate.py",
    "agora/domain/repair/suspicions.py",
    "agora/domain/repair/capabilities.py",
    "agora/domain/repair/territory.py",
    "agora/domain/repair/patches.py",
    "agora/domain/repair/sandbox.py",
    "agora/domain/repair/walls.py",
    "agora/domain/repair/interpreters.py",
    "agora/domain/repair/inputs.py",
    "agora/domain/repair/races.py",
    "agora/domain/repair/race_inside.py",
    "agora/domain/repair/versions.py",
    "agora/domain/repair/trials.py",
    "agora/domain/repair/trial_inside.py",
    "agora/domain/repair/relevance.py",
    "agora/domain/repair/reach.py",
    "agora/domain/repair/workspace.py",
    "agora/domain/tool_runner.py",
    "agora/team/acting.py",
    "agora/team/admission.py",
    "agora/team/changing.py",
    "agora/team/subjects.py",
    "agora/team/holding.py",
    "agora/team/gating.py",
    "agora/team/repairing.py",
    "agora/team/speeding.py",
    "agora/team/testing.py",
    "agora/team/workbench.py",
    "agora/app/takeover.py",
    "agora/app/cli/approvals.py",
    "config/policies/*",
    "graphs/*",
    "memory/acts.py",
    "memory/changes.py",
    "memory/checkpoints.py",
    "memory/claims.py",
    "memory/database.py",
    "memory/decisions.py",
    "memory/folds.py",
    "nodes/approval.py",
    "nodes/deploying.py",
    "nodes/execution.py",
    "nodes/stage.py",
    "nodes/testing.py",
)


def is_core(path: str, tree: Collection[str]) -> bool:
    """Return whether a tree is Agora's own, and a file of it one that no patch of ours touches."""
    is_own = tree and all(mark in tree for mark in OWN_MARKS)
    return bool(is_own) and any(fnmatch(path.lower(), pattern) for pattern in CORE)


def trespass(path: str) -> str | None:
    """Return the rule that forbids to touch a path, None where it is the tool's own."""
    *folders, name = PurePosixPath(path).parts
    for rule, patterns in PROTECTED.items():
        for pattern in patterns:
            names = [f"{folder}/" for folder in folders] if pattern.endswith("/") else [name]
            if any(fnmatch(each.lower(), pattern.lower()) for each in names):
                return rule
    return None


def shadows(path: str) -> bool:
    """Return whether a new file would be imported in the place of a standard module."""
    parts = PurePosixPath(path).with_suffix("").parts
    well_known = sys.stdlib_module_names | {"pytest", "_pytest", "pluggy"}
    return any(part in well_known for part in parts) and path.endswith(".py")


def is_test(path: str) -> bool:
    """Return whether a file belongs to the tests: it is evidence, never repaired."""
    return trespass(path) in ("tests", "test_configuration")


def seen_at(workspace: str, path: str) -> str:
    """Return what names a file and all tests as they are committed; "" outside of any repository.

    Until it changes, whatever could not be repaired cannot be repaired now.
    """
    try:
        listed = git.read(workspace, "ls-tree", "-r", "-z", "HEAD").split("\0")
    except git.GitError:
        return ""
    wanted = [line for line in listed if line and _counts(line.partition("\t")[2], path)]
    return sha256("\n".join(wanted).encode("utf-8", "replace")).hexdigest()[:16]


def _counts(name: str, path: str) -> bool:
    return name == path or is_test(name)
