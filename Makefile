# make lab: install, open copies of the lessons (FOLDER=… elsewhere than in work/).  make test: install, check everything.
export OMP_WAIT_POLICY := PASSIVE
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: lab test elsewhere notebooks scoreboard stress experiments speedrun book slides studio

lab: $(STAMP)
	$(BIN)/python -m ae_utils.course.lab $(if $(FOLDER),--folder "$(FOLDER)")

test: $(STAMP)
	@echo "1 of 3: style (seconds)"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@echo "2 of 3: the package, the page and the rules for notebooks (six minutes on two cores; a dot is a test)"
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not slow" \
		--junitxml=.pytest_cache/tests.xml --cov --cov-report=term:skip-covered --cov-fail-under=95
	@echo "3 of 3: every notebook, compared with its outputs (minutes each; a dot is a cell)"
	OMP_NUM_THREADS=1 $(BIN)/pytest --nbval -n 2 --dist loadscope notebooks --junitxml=.pytest_cache/cells.xml
	@$(BIN)/python tests/summary.py tests=.pytest_cache/tests.xml cells=.pytest_cache/cells.xml

elsewhere: $(STAMP)  # what takes longest; then every notebook as another processor rounds it, its claims with another seed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder -m slow
	$(BIN)/python tests/stress/other_machines.py --rows avx2 "seed 3" --jobs 2 --fresh

notebooks: $(STAMP)
	$(BIN)/python tests/execute_notebooks.py

studio: $(STAMP)  # a page to draw on, with trained models in it, opened in the browser
	$(BIN)/python -m ae_utils studio --open

stress: $(STAMP)  # kills, broken files and odd arguments by the hundred, checks that train; `make test` runs a few of each
	STRESS=1 OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadscope tests/stress tests/test_properties.py tests/test_parallel.py \
		tests/browser/test_page.py tests/browser/test_studio_page.py tests/test_checks_03.py tests/notebooks/test_notebooks.py

scoreboard: $(STAMP)  # trains every recipe in full, or goes on where it was stopped
	OMP_NUM_THREADS=1 $(BIN)/python -m ae_utils scoreboard

speedrun: $(STAMP)  # verifies the record of each track, or goes on where it was stopped
	OMP_NUM_THREADS=1 $(BIN)/python -m ae_utils speedrun

experiments: $(STAMP)  # runs what is missing in results/experiments, the tables that lessons read
	OMP_NUM_THREADS=1 $(BIN)/python -m ae_utils experiments

book: $(STAMP)  # executes lessons whose code has changed (all with FRESH=1; minutes each), makes book/, a static site
	OMP_NUM_THREADS=1 $(BIN)/python -m ae_utils.course.book $(if $(FRESH),--fresh)

slides: $(STAMP)  # the lessons, executed as for the book, as slides in slides/: one file each, which needs no network
	OMP_NUM_THREADS=1 $(BIN)/python -m ae_utils.course.book --slides

$(STAMP): requirements.txt pyproject.toml ae_utils/course/book/nbconvert_settings.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -c 'from ae_utils.course.lab import keep_sliders; keep_sliders()'
	$(BIN)/python -c 'from ae_utils.course.book.nbconvert_settings import set_up; set_up()'
	touch $(STAMP)
