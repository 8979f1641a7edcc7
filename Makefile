# One command each: `make` installs, `make demo` shows, `make test` proves, `make check` is the fast loop.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test check fast format lint docs lock bench soak powercut clean

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $(STAMP)

demo: install
	$(BIN)/maild demo

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

fast: install
	$(BIN)/pytest -m "not flow and not interop" -n 4 --dist loadfile

# Side by side; what each says stays together.
check: install
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint fast

test: check
	$(BIN)/pytest -m "flow or interop" -n 2 --dist loadfile

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install
	$(BIN)/python -m maild.documents .

lock: pyproject.toml
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --extra dev --strip-extras --no-emit-index-url --no-emit-find-links --no-header --output-file requirements.lock pyproject.toml

bench: install
	$(BIN)/python -m bench.hop
	$(BIN)/python -m bench.small
	$(BIN)/python -m bench.road
	$(BIN)/python -m bench.road --narrow
	$(BIN)/python -m bench.restart
	$(BIN)/python -m bench.fair
	$(BIN)/python -m bench.memory

# Everything is tried whatever fails; the exit status tells.  Short: ROUNDS=20 SIZE=256.
soak: install
	status=0; \
	$(BIN)/python -m tests.soak.kills --rounds $(or $(ROUNDS),200) || status=1; \
	$(BIN)/python -m tests.soak.one_item --size $(or $(SIZE),4096) || status=1; \
	$(BIN)/python -m tests.soak.crash_points || status=1; \
	$(BIN)/python -m tests.soak.clock_jumps || status=1; \
	$(BIN)/python -m tests.soak.device_errors || status=1; \
	exit $$status

# Takes root, for loop devices and mounting.  CUTS=5 is a short one.
powercut: install
	$(BIN)/python -m tests.soak.power_cut --cuts $(or $(CUTS),50)

clean:
	rm -rf $(VENV) build *.egg-info
