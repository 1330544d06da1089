# the interpreter itself, not a version manager's shim
PYTHON ?= $(shell $$(command -v python3.11 || command -v python3) -c 'import sys; print(sys.executable)')
PORT ?= 8000
export PORT
UV := .tools/bin/uv
PY := .venv/bin/python
# uv keeps its downloads where the user's cache is; the lock file pins every package by hash
SYNC := $(UV) sync --quiet --frozen --inexact --no-python-downloads

.PHONY: run test test-services torture bench lint openapi clean

run: .venv/.runtime
	@$(PYTHON) config/preflight.py run --installed
	@$(PY) manage.py serve

test: .venv/.test
	@$(PY) -m pytest -q -n 2 --dist loadgroup $(ARGS)

# The same tests against PostgreSQL with Redis as broker; both must be running. What touches neither is left out.
PURE := tests/measures tests/clients tests/house/test_docs.py tests/house/test_design.py tests/house/test_styleguide.py \
	tests/house/test_components.py tests/house/test_house.py \
	$(patsubst %,tests/audits/test_%.py,artifacts catboost charts hostile_files sandbox sessions showing) \
	$(patsubst %,tests/registry/test_%.py,identify_formats model_signing table_sizes) \
	$(patsubst %,tests/trail/test_%.py,canonical cosigning dsse merkle notes packing tiles timestamps tlog_proof) \
	$(patsubst %,tests/reports/test_%.py,card documents oscal pdf_signing renderings) \
	$(patsubst %,tests/journeys/test_%_story.py,browser passkey)
test-services: .venv/.test
	@COUNTERSIGN_DATABASE_URL=$${COUNTERSIGN_TEST_DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres} \
	 COUNTERSIGN_BROKER_URL=$${COUNTERSIGN_TEST_BROKER_URL:-redis://127.0.0.1:6379/9} \
	 $(PY) -m pytest -q -n 2 --dist loadgroup $(PURE:%=--ignore=%) $(ARGS)

lint: .venv/.lint
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy
	@.venv/bin/mypy clients/verify.py clients/gate.py clients/witness.py
	@.venv/bin/lint-imports --no-cache
	@.venv/bin/djlint --lint --quiet templates
	@$(PY) manage.py makemigrations --check --dry-run

openapi: .venv/.runtime
	@$(PY) manage.py spectacular --fail-on-warn --file openapi.yaml

# At least a thousand kills over producers, sequencers and signers, ten stops of the database and a full disk; then SQLite
torture: .venv/.test
	@$(PY) -m tests.torture.hammer --kills 1000 --rounds 10 --fill
	@$(PY) -m tests.torture.hammer --sqlite --kills 200 --rounds 2 --inject 150

# Speed, beside what it is compared with; the trail's part needs PostgreSQL. The peers get environments of their own.
bench: .venv/.runtime .bench/.made .bench-checks/.made
	@$(PY) -m bench.trail --write
	@$(PY) -m bench.checks --write

.bench/.made: bench/peers.txt | .tools/bin/uv
	@$(UV) venv --quiet --python $(PYTHON) .bench
	@$(UV) pip install --quiet --python .bench/bin/python -r bench/peers.txt
	@touch $@

.bench-checks/.made: bench/check_peers.txt | .tools/bin/uv
	@$(UV) venv --quiet --clear --python $(PYTHON) .bench-checks
	@$(UV) pip install --quiet --python .bench-checks/bin/python -r $<
	@touch $@

clean:
	rm -rf .venv .tools .data .bench .bench-checks

.tools/bin/uv:
	@$(PYTHON) config/preflight.py
	@echo "Fetching the installer"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools uv

.venv/.runtime: uv.lock | .tools/bin/uv
	@$(PYTHON) config/preflight.py
	@echo "Installing what the app needs (about 1 GB, once)"
	@test -x $(PY) || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(SYNC)
	@touch $@

.venv/.test: uv.lock | .venv/.runtime
	@echo "Installing what the tests need"
	@$(SYNC) --group test
	@touch $@

.venv/.lint: uv.lock | .venv/.test
	@echo "Installing what the linters need"
	@$(SYNC) --group test --group lint
	@touch $@
