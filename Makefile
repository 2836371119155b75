# `make demo` shows it at work, `make test` checks all of it; `make help` lists the rest.

# Evaluated when a recipe runs, so after the packages are there. The same for every call of cargo:
# nothing is built twice. The workspace is built as a whole for the same reason.
CARGO = $(if $(shell command -v ccache),CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache) cargo
FLAGS := --release --locked --workspace
export CARGO_TARGET_DIR := $(CURDIR)/target

.DEFAULT_GOAL := help
.PHONY: help demo test build lint bench bench-engine models foreign clean
# One compiler at a time fills the machine.
.NOTPARALLEL:

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: build ## build, fetch the starter models, index docs/ and ask a question
	@.ci/demo

test: lint build models foreign ## check format, lints, unit tests and end-to-end tests with real models
	$(CARGO) test $(FLAGS) --doc
	$(CARGO) test $(FLAGS) --lib --bins
# Last, so that the output ends with what matters most.
	$(CARGO) test $(FLAGS) --test '*'

build: ## leave target/release/qmdd and target/release/qmdctl
	@.ci/deps build
	$(CARGO) build $(FLAGS)

lint: ## check format and lints, warnings denied
	@.ci/deps build lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(FLAGS) --all-targets -- -D warnings

bench: build models ## measure quality and speed (QMD_BENCH_DATA, QMD_BENCH_UPSTREAM: docs/benchmarks.md)
	target/release/bench

bench-engine: build models ## measure the inference engine by itself (the same variables)
	target/release/bench engine

models: build ## fetch the starter models into the user's cache
	@.ci/demo models

# What the Python and Node clients of the end-to-end tests stand on. The Python packages belong to
# one version of Python.
PYTHON_STAMP = target/foreign/python/for-$(shell python3 -c 'import sys; print(sys.implementation.cache_tag)')
NODE_STAMP := tests/node/node_modules/.package-lock.json

foreign: ## fetch what the Python and Node test clients need
	@.ci/deps foreign
	@$(MAKE) --silent --no-print-directory $(PYTHON_STAMP) $(NODE_STAMP)

target/foreign/python/for-%: tests/python/requirements.txt
	rm -rf target/foreign/python
	PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
		--only-binary :all: --target target/foreign/python --requirement $<
	touch $@

$(NODE_STAMP): tests/node/package-lock.json
	cd tests/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

clean: ## stop the demo and remove everything built
	@.ci/demo stop
	rm -rf target tests/node/node_modules
