PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 8
DEBIAN_ROOT ?= /var/tmp/did-router-debian
PAGES := README.md CONTRIBUTING.md CHANGELOG.md docs tests/README.md benchmarks/README.md
SWITCHES_ROOT ?= /var/tmp/did-router-sid

.DEFAULT_GOAL := help
.PHONY: help install demo test test-unit coverage lint lint-deploy format docs site proto lock wheel audit-dependencies test-couchdb test-switches test-console console-pictures soak guards fuzz edge-faults hostile bench overload bench-peers

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

install: $(STAMP) ## install everything into .venv

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "The venv module is missing: install it (Debian: apt-get install python3-venv) and run make again"; exit 2; }
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## run the main job on embedded stores (ARGS=--once exits by itself)
	$(BIN)/did-router demo $(ARGS)

# Tests wait more than they reckon, so two cores do with eight workers. A file stays with one worker, which makes its
# fixtures once; tests/conftest.py has the longest files begin first.
#
# An environment that keeps Python from writing bytecode, as images of containers have it, would have every worker and
# every command compile all of the sources again.
#
# In a fresh checkout each worker would rewrite the asserts of every test. Two processes do it once before, for all.
test: export PYTHONDONTWRITEBYTECODE :=
test: install ## run every test (WORKERS=4 ARGS="-k copies")
	@test -d tests/unit/numbers/__pycache__ || { $(BIN)/pytest --collect-only -qq tests/[a-h]*/ & $(BIN)/pytest --collect-only -qq tests/[i-z]*/; wait; } >/dev/null
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

# These reckon and do not wait, so a worker a core is best. `make test` makes five times as many examples of a property.
test-unit: export PYTHONDONTWRITEBYTECODE :=
test-unit: install ## run the tests of single modules, which need no server (ARGS="-k status")
	$(BIN)/pytest -n auto --maxprocesses 4 --hypothesis-profile quick tests/unit $(ARGS)

coverage: install ## hold the branch coverage of the unit and component tests and fuzz targets at what it is
	$(BIN)/pytest -n $(WORKERS) --cov=router --cov-report=term $(ARGS) tests/unit tests/component tests/fuzz

lint: install ## check style, types, layers, names of code and tests, length of files, pages and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.language.retired_words
	$(BIN)/python -m tests.language.names_of_tests
	$(BIN)/python -m tests.language.file_length
	$(BIN)/pymarkdown scan $(PAGES)
	$(BIN)/codespell

lint-deploy: export DEBIAN_ROOT := $(DEBIAN_ROOT)
lint-deploy: install ## check deploy/, the image and the protos by the tools made for them (DEBIAN_ROOT=folder for the image's steps)
	$(BIN)/pip install --quiet --no-build-isolation -e '.[deploy]'
	tests/deploy/install.sh build/deploy-tools "$(DEBIAN_ROOT)"
	$(BIN)/pytest tests/deploy $(ARGS)

format: install ## format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test-couchdb: install ## run the contract tests against a real CouchDB (COUCHDB_URL=http://admin:pw@host:5984)
	@test -n "$(COUCHDB_URL)" || { echo "say which: make test-couchdb COUCHDB_URL=http://admin:password@127.0.0.1:5984"; exit 2; }
	$(BIN)/pytest tests/contract --couchdb-url "$(COUCHDB_URL)" $(ARGS)

test-switches: install ## run the examples for Kamailio and Asterisk with real ones from Debian (SWITCHES_ROOT=folder for a newer Debian)
	tests/switches/install.sh "$(SWITCHES_ROOT)"
	SWITCHES_ROOT="$(SWITCHES_ROOT)" $(BIN)/pytest -v tests/switches tests/cli/test_examples.py $(ARGS)

test-console: install ## install Chromium and axe from Debian and npm, and run the tests of the console in a browser
	tests/integration/console/install.sh "$(VENV)/node"
	$(BIN)/pytest tests/unit/console tests/component/console tests/integration/console $(ARGS)

console-pictures: install ## make the pictures of docs/console.md, with Chromium
	tests/integration/console/install.sh "$(VENV)/node"
	CONSOLE_PICTURES=docs/pictures $(BIN)/pytest tests/integration/console/test_console_pictures.py tests/integration/console/test_console_fault_found.py $(ARGS)

soak: install ## kill, freeze and cut under load, seed after seed (SEED=0 SEEDS=90 ARGS="--fault 'redis killed'")
	$(BIN)/python -m tests.faults.soak $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) $(ARGS)

guards: install ## take out each guard of the cache's truth and see its test fail
	$(BIN)/python -m tests.faults.guards

fuzz: install ## fuzz every reader of foreign bytes (SECONDS=600 TARGET=feeds ARGS=--no-keep)
	$(BIN)/pip install --quiet --no-build-isolation -e '.[fuzz]' || echo "atheris can't be had here: hypothesis makes up the inputs" >&2
	$(BIN)/python -m tests.fuzz.run $(if $(SECONDS),--seconds $(SECONDS)) $(if $(TARGET),--target $(TARGET)) $(ARGS)

edge-faults: install ## replace, kill and freeze workers behind the edge under load, and count lost calls (ARGS="--times 20")
	$(BIN)/python -m tests.edge $(ARGS)

hostile: install ## attack the edge with floods, bombs and silence, and see what it does to others (ARGS=--seconds=3)
	$(BIN)/python -m tests.abuse $(ARGS)

docs: install ## generate what is made from code: pages, schemas and the dashboard
	$(BIN)/python -m router.cli.configuration_page > docs/configuration.md
	$(BIN)/python -m router.cli.settings_schema > docs/schemas/settings.json
	$(BIN)/python deploy/grafana/dashboard.py > deploy/grafana/did-router.json
	$(BIN)/python -m router.cli.metrics_page > docs/metrics.md
	$(BIN)/python -m router.cli.alert_rules_page

proto: install ## generate router/v1 from proto/
	$(BIN)/python -m grpc_tools.protoc -I proto --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc --python_out=. --grpc_python_out=. --mypy_out=. --mypy_grpc_out=. proto/router/v1/*.proto

site: install ## build the documentation with an API reference into site/ (ARGS="--site-dir /tmp/site")
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet $(ARGS)

lock: LOCK = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
lock: install ## pin every dependency with its hashes: of the checkout, and of the image
	$(LOCK) --extra dev --extra docs -o requirements.lock pyproject.toml
	$(LOCK) --constraint requirements.lock --extra edge --extra console --extra otel -o deploy/docker/runtime.lock pyproject.toml
	echo hatchling | $(LOCK) --constraint requirements.lock -o deploy/docker/build.lock -

audit-dependencies: install ## ask PyPI's database of known vulnerabilities about every pinned dependency
	$(BIN)/uv tool run pip-audit@2.10.1 --strict --require-hashes --disable-pip -r requirements.lock

wheel: install ## build the wheel of what is committed into dist/, the same bytes each time
	@set -e; from=$$PWD; epoch=$${SOURCE_DATE_EPOCH:-}; made=$$PWD/dist; hatchling=$$(cd $(BIN) && pwd)/hatchling; \
	if [ -e .git ]; then \
		from=$$(mktemp -d); trap 'rm -rf "$$from"' EXIT; \
		git archive --output "$$from/committed.tar" HEAD; tar -xf "$$from/committed.tar" -C "$$from"; \
		epoch=$${epoch:-$$(git log -1 --format=%ct)}; \
	fi; \
	cd "$$from"; $${epoch:+env SOURCE_DATE_EPOCH=$$epoch} "$$hatchling" build -t wheel -d "$$made"

bench: install ## measure it beside its peers (ARGS=--quick for a look; make bench-peers first)
	$(BIN)/python -m benchmarks.run $(ARGS)

overload: install ## offer ten times what a worker can answer (ARGS="database --minute 10"; make bench-peers first)
	$(BIN)/python -m benchmarks.overload $(ARGS)

bench-peers: install ## install what it is measured beside, from Debian and npm
	$(BIN)/pip install --quiet --no-build-isolation -e '.[bench,native]'
	benchmarks/peers/install.sh
	$(BIN)/python -m benchmarks.peers.build
