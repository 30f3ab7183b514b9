"""Which files a patch may touch: the tool's own sources, nothing that judges or ships them."""

import sys
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
