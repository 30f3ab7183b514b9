# Everything one types: `make demo` and `make test` need nothing before them.
# ARGS is passed on: make ask ARGS='"what is this?"'. PYTHON names another interpreter.

SHELL := /bin/bash
BIN := .venv/bin
STAMP := .venv/installed
WITHOUT_DATA = overhead bidding chaos budget_race freshness upkeep retention parallel loop pages \
	drills capabilities governance injection evolution load crash scale faster
# Those that read data run where DATA names the folder that benchmarks/prepare.py has written.
BENCHMARKS = $(WITHOUT_DATA) $(if $(DATA),repair gate routing cache consensus)
# Each of these processes has a PostgreSQL of its own: more than four would gain nothing.
ON_ALL_CORES = -n logical --maxprocesses 4 --dist worksteal

.PHONY: setup programs tested-with pictures demo ask test check bench studio serve lock clean
.NOTPARALLEL:

setup: programs $(STAMP)

# Not an error where they stay missing: what needs them says so, and all else works without.
programs:
	@command -v git >/dev/null || scripts/add_packages git || true
	@command -v bwrap >/dev/null || scripts/add_packages bubblewrap || true

# Only the tests need these.
tested-with:
	@command -v redis-server >/dev/null || scripts/add_packages redis-server || true
	@command -v chromium >/dev/null || scripts/add_packages chromium || true
	@command -v npm >/dev/null || scripts/add_packages nodejs npm || true
	@[[ -d .venv/javascript ]] || scripts/add_javascript || true
	@[[ .venv/finetuning/installed -nt pyproject.toml ]] || scripts/add_finetuning || true

$(BIN)/uv:
	@scripts/make_venv

# Order only, because uv is as old as its release.
$(STAMP): pyproject.toml requirements.lock | $(BIN)/uv
	@scripts/install_locked
	@touch $@

demo: setup
	@$(BIN)/agora demo $(ARGS)

ask: $(STAMP)
	@$(BIN)/agora ask $(ARGS)

test: setup tested-with
	@LANGGRAPH_STRICT_MSGPACK=true $(BIN)/python -m pytest $(ON_ALL_CORES) $(ARGS)

check: setup tested-with
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@LANGGRAPH_STRICT_MSGPACK=true $(BIN)/python -m pytest $(ON_ALL_CORES) $(ARGS)

bench: setup
	@failed=0; for benchmark in $(BENCHMARKS); do \
		echo "== $$benchmark"; \
		data=(); [[ " $(WITHOUT_DATA) " == *" $$benchmark "* ]] || data=(--data "$(DATA)/$$benchmark"); \
		$(BIN)/python "benchmarks/$$benchmark.py" "$${data[@]}" $(ARGS) || failed=1; \
	done; exit $$failed

studio: setup
	@LANGGRAPH_CLI_NO_ANALYTICS=1 LANGGRAPH_STRICT_MSGPACK=true \
		$(BIN)/langgraph dev --no-browser --n-jobs-per-worker 10 $(ARGS)

serve: setup
	@$(BIN)/agora serve $(ARGS)

# Keeps what is locked: ARGS=--upgrade takes the newest, ARGS='-P NAME' the newest of one.
lock: $(BIN)/uv
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --quiet \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
		--output-file requirements.lock $(ARGS)

# The pictures of docs/pages.md, taken anew.
pictures: setup tested-with
	@LANGGRAPH_STRICT_MSGPACK=true $(BIN)/python -m pytest -q tests/web/screenshots.py

clean:
	@rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +
