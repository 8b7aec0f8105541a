# make lab: install, open copies of the lessons (FOLDER=… elsewhere than in work/).  make test: install, check everything.
export OMP_WAIT_POLICY := PASSIVE
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: lab test notebooks scoreboard stress

lab: $(STAMP)
	$(BIN)/python -m ae_utils.lab $(if $(FOLDER),--folder "$(FOLDER)")

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadscope
	OMP_NUM_THREADS=1 $(BIN)/pytest --nbval -n 2 --dist loadscope notebooks

notebooks: $(STAMP)
	$(BIN)/python tests/execute_notebooks.py

stress: $(STAMP)  # kills, broken files and odd arguments by the hundred; `make test` runs a few of each
	STRESS=1 OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadscope tests/stress tests/test_properties.py tests/test_parallel.py

scoreboard: $(STAMP)  # trains every recipe in full, or goes on where it was stopped
	OMP_NUM_THREADS=1 $(BIN)/python -m ae_utils scoreboard

$(STAMP): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --editable .
	touch $(STAMP)
