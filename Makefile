# emcli: `make demo` and `make test` need nothing but python3 (>= 3.11) and a package index.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PEERS := .venv/.peers
FUZZER := .venv/.atheris
.DEFAULT_GOAL := help
.PHONY: help demo figures docs test test-slow test-browser fuzz fuzz-readers attack lint bench bench-quick bench-scale \
  bench-trust clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "emcli needs Python 3.11 or newer; try: make PYTHON=python3.12 demo" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing emcli into .venv" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(READY)  ## set up and run the examples of the article and Old Faithful
	@for name in heights blobs two_coins mixture_1d do_batzoglou; do \
	  echo; echo "\$$ emcli fit configs/$$name.yaml"; $(BIN)/emcli fit configs/$$name.yaml || exit; done
	@echo; echo "\$$ emcli fit gmm sample_data/faithful.csv -k 2"; $(BIN)/emcli fit gmm sample_data/faithful.csv -k 2

figures: $(READY)  ## draw the figures of the article into docs/figures
	@mkdir -p docs/figures
	@for name in heights two_coins do_batzoglou; do \
	  $(BIN)/emcli fit configs/$$name.yaml -q --plot docs/figures/$$name.svg > /dev/null || exit; done
	@$(BIN)/emcli generate configs/blobs.yaml --labels -q --plot docs/figures/blobs_data.svg > /dev/null
	@$(BIN)/emcli fit configs/blobs.yaml --init random -q --iterations 0-3,last --plot docs/figures/blobs.svg > /dev/null
	@$(BIN)/emcli generate configs/heights.yaml -q --plot docs/figures/heights_data.svg > /dev/null
	@$(BIN)/emcli generate configs/mixture_1d.yaml -q --plot docs/figures/mixture_1d_data.svg > /dev/null
	@$(BIN)/emcli fit configs/mixture_1d.yaml --restarts 10 --max-iter 20 -q --plot docs/figures/mixture_1d.svg > /dev/null
	@$(BIN)/emcli fit gmm sample_data/faithful.csv -k 2 -q --init random --plot docs/figures/faithful.svg > /dev/null
	@$(BIN)/emcli fit configs/scattered.yaml -q --plot docs/figures/noise.svg > /dev/null
	@$(BIN)/emcli compare gmm sample_data/faithful.csv -k 1-5 --covariance full,tied -q \
	  --plot docs/figures/compare.svg > /dev/null
	@$(BIN)/emcli fit gmm sample_data/faithful.csv -k 2 --init random -q --size 8.6x4.3 --dpi 80 \
	  --plot docs/figures/em.gif > /dev/null
	@ls docs/figures/*

docs: $(READY)  ## make the tables of docs/ anew, from the code
	@$(BIN)/python -m tests.docs --write

test: $(READY)  ## set up if needed and run the tests
	@$(BIN)/python -m pytest

test-slow: $(READY)  ## the long properties: fifty seeds, every reference
	@$(BIN)/python -m pytest -m slow --hypothesis-profile explore

test-browser: $(READY)  ## animations and reports in headless Chromium (Debian's package chromium); SHOTS=DIR keeps screenshots
	@EMCLI_SHOTS=$(SHOTS) $(BIN)/python -m pytest -n0 -m browser tests/browser

fuzz: $(READY)  ## random inputs for parsers and fits; EMCLI_FUZZ=20000 of each instead of 3000
	@$(BIN)/python -m pytest -m fuzz --hypothesis-profile explore tests/cli/test_fuzz.py

$(FUZZER): $(READY)
	@echo "installing atheris into .venv" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris && touch $@

fuzz-readers: $(FUZZER)  ## inputs that coverage guides for the readers of tables, experiments, fits (MINUTES=30 READERS=csv)
	@$(BIN)/python -m tests.fuzz $(READERS) --minutes $(or $(MINUTES),30)

attack: $(READY)  ## try to break the promises of SECURITY.md for ATTACK=600 seconds (KINDS=kills SEED=1 TRIALS=9 TRIAL=3)
	@$(BIN)/python -m tests.attack $(KINDS) --seconds $(or $(ATTACK),600) $(if $(TRIALS),--trials $(TRIALS)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(TRIAL),--trial $(TRIAL))

lint: $(READY)  ## ruff and mypy --strict
	@$(BIN)/ruff check emcli tests
	@$(BIN)/mypy --strict emcli

$(PEERS): $(READY)
	@echo "installing the benchmark's peers into .venv" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,bench]' && touch $@ || \
	  echo "not all peers could be installed; those that are missing are left out" >&2

bench: $(PEERS)  ## time emcli and its peers (CASES="kmeans read": these; BASE=DIR: an earlier emcli too)
	@$(BIN)/python -m tests.bench $(CASES)

bench-quick: $(PEERS)  ## the same with fewer rows, under a minute
	@$(BIN)/python -m tests.bench --quick $(CASES)

bench-scale: $(READY)  ## seconds per iteration against rows, here and on workers (ROWS="1e5 3e7": these sizes)
	@$(BIN)/python -m tests.bench.rows $(ROWS)

bench-trust: $(READY)  ## how often a fit of a small problem misses the best optimum (SEEDS=3; BESIDE=peers: theirs too)
	@$(BIN)/python -m tests.bench.trust --seeds $(or $(SEEDS),3) $(if $(BESIDE),--peers)

clean:  ## remove what make made
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
