# The commands of the project. Each one sets up what it needs, and says what it does.
#
#   make demo       a certificate authority in a folder of its own, doing its main work
#   make test       the tests, without the long ones
#   make test-all   everything that guards a change: style, types, contracts, all tests
#   make bench      the benchmarks, in their short form

PYTHON := .venv/bin/python
JOBS ?= auto

.PHONY: demo test test-all test-long test-future lint bench setup setup-test lock

demo: setup
	.venv/bin/antin demo $(ARGS)

test: setup-test
	$(PYTHON) -m pytest -n $(JOBS) -m "not long" $(ARGS)

test-all: lint test-long test-future
	@echo "test-all: style, types, contracts and all tests are good"

# Every test, the long ones too, the migrations on both databases among them.
test-long: setup-test
	@echo "test-long: every test"
	$(PYTHON) -m pytest -n $(JOBS) $(ARGS)

# Ten years from now: nothing may depend on the date on which it was written. The clock that
# only measures durations stays as it is, because time limits hang on it (tests/support/ahead.c).
# One kind of database is enough here: PostgreSQL would take half of the time. What is left out
# knows no present: the key holder, the laws of the code, the rules alone, recorded springs.
AHEAD := .venv/ahead.so
OF_DATES := $(addprefix tests/,core ca crl ocsp policy web app) \
    --ignore-glob='*/test_rules_*' --ignore=tests/app/test_replay.py
test-future: setup-test
	@echo "test-future: the tests with the clock ten years ahead"
	gcc -shared -fPIC -O1 -o $(AHEAD) tests/support/ahead.c
	LD_PRELOAD="$(CURDIR)/$(AHEAD) $$(echo /usr/lib/*/faketime/libfaketime.so.1)" \
	FAKETIME='+3650d' FAKETIME_DONT_FAKE_MONOTONIC=1 \
	    $(PYTHON) -m pytest -n $(JOBS) $(OF_DATES) -m "not long" -k "not postgresql" $(ARGS)

lint: setup-test
	@echo "lint: style, types, import contracts"
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: setup-test
	@set -e; for file in bench/*.py; do \
	    case "$$file" in */_*|"bench/*.py") continue ;; esac; \
	    echo "bench: $$file --quick"; $(PYTHON) "$$file" --quick; \
	done

setup:
	@deploy/setup.sh

setup-test:
	@deploy/setup.sh --test

# Writes the lock files anew from the .in files: the same versions, every hash, no address.
lock: setup-test
	.venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-emit-index-url requirements.in -o requirements.lock
	.venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-emit-index-url requirements-dev.in -o requirements-dev.lock
