# Each target sets up what it needs from python3 and make, then does its work.

PYTHON ?= python3
RECIPE ?= seedling
BENCHMARKS := generate orchestration fid kid shards plan hps ocr gram fuse studies classifier report \
  overlap chaos
STAMP := .venv/installed
AUDIT := build/audit/installed

.PHONY: run brightness findings test test-all lint map bench docs audit sbom clean
.DELETE_ON_ERROR:

run: $(STAMP)
	.venv/bin/goldenseed run $(RECIPE)

# The table of the mean-grey flaw and its cures in docs/findings/changes.md, and its figures. About
# 15 minutes.
brightness: $(STAMP)
	for recipe in brightness-extremes brightness; do \
	  .venv/bin/goldenseed run $$recipe && \
	  .venv/bin/goldenseed study brightness runs/$$recipe/baseline \
	    --set truth=seedling/figures/brightness.json || exit 1; done

# The runs behind docs/findings and every study of them. Some hours on two cores, most of them the
# classifier of 1,024 seeds, its null, and the seedling's pictures. That page names what it had
# drawn in addition: unseen seeds, redrawn pictures, other prompts.
FINDINGS := showcase-turbo showcase-turbo-search showcase-turbo-planted showcase-turbo-scrambled \
  showcase-seedling seedling-spectrum seedling-mini-swap
findings: $(STAMP)
	for recipe in $(FINDINGS); do .venv/bin/goldenseed run $$recipe && \
	  .venv/bin/goldenseed study all runs/$$recipe || exit 1; done

test: $(STAMP)
	.venv/bin/python -m pytest -n 2 --dist loadfile --cov --cov-report=term --cov-fail-under=90

# The searches for faults too: some hours. Hypothesis tries 20 times as many examples, others in each
# run; the machine of commands and faults, random faults, and every error of every call are long.
LONG_TESTS := tests/fuzzing tests/pipeline/storage tests/benchmarks tests/goldenseed/test_run_machine.py
test-all: test
	GOLDENSEED_LONG_TESTS=1 .venv/bin/python -m pytest -n 2 --dist loadfile -m "not gpu and not network" \
	  --timeout 7200 $(LONG_TESTS)

lint: $(STAMP)
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/deptry .
	.venv/bin/python -m tests.unused_code
	.venv/bin/python -m docs.tools.printed_numbers

# The rooms of every package and the arrows between them: a table, and a figure in docs/.
map: $(STAMP)
	.venv/bin/python -m tests.rooms docs/rooms.svg

# One after the other, since two at once would measure one another; all of them, whatever comes.
# OPENBLAS_CORETYPE, where an environment pins it, would measure that pin and not the library.
bench: $(STAMP)
	@unset OPENBLAS_CORETYPE; failed=; for name in $(BENCHMARKS); do \
	  .venv/bin/python -m benchmarks.$$name || failed="$$failed $$name"; done; \
	test -z "$$failed" || { echo "below their goals, or ended early:$$failed" >&2; exit 1; }

# The site in build/site: docs/tools/fill.py writes what follows from the code into the pages, and a
# link that leads nowhere is an error.
docs: $(STAMP)
	.venv/bin/python docs/tools/fill.py
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet
	@echo "open build/site/index.html"

# Known vulnerabilities of the pinned versions; exit code 3 of .ci/audit: the database is not there.
audit: $(AUDIT)
	.ci/audit

# The software bill of materials of .venv, as CycloneDX, in build/sbom.json.
sbom: $(STAMP) $(AUDIT)
	build/audit/bin/cyclonedx-py environment .venv/bin/python --pyproject pyproject.toml \
	  --output-reproducible --output-file build/sbom.json
	@echo "wrote build/sbom.json"

# Both tools live in an environment of their own, so that they do not count as our libraries.
$(AUDIT): pyproject.toml constraints.txt
	test -x build/audit/bin/python || $(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt cyclonedx-bom pip-audit
	touch $@

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "found $$($(PYTHON) --version 2>&1 || echo no $(PYTHON)); wanted Python 3.11 or newer:" \
	         "install it, or name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu:" \
	         "apt-get install python3-venv" >&2; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv; the first time takes some minutes"
	.venv/bin/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
