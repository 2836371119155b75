# `make demo` shows it at work, `make test` checks all of it; `make help` lists the rest.

# Evaluated when a recipe runs, so after the packages are there. The same for every call of cargo:
# nothing is built twice. The workspace is built as a whole for the same reason.
CARGO = $(if $(shell command -v ccache),CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache) cargo
FLAGS := --release --locked --workspace
export CARGO_TARGET_DIR := $(CURDIR)/target

.DEFAULT_GOAL := help
.PHONY: help demo test build modal-only lint models foreign remote llama-server modal-local clean
.PHONY: bench bench-chunk bench-durability bench-engine bench-fusion bench-lexical bench-load bench-remote bench-search bench-soak bench-update bench-vectors bench-watch
# One compiler at a time fills the machine.
.NOTPARALLEL:

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: build ## build, fetch the starter models, index docs/ and ask a question
	@.ci/demo

test: lint modal-only models foreign remote ## check format, lints, unit tests and end-to-end tests with real models
	$(CARGO) test $(FLAGS) --doc
	$(CARGO) test $(FLAGS) --lib --bins
	QMD_TEST_QMDD=$(CURDIR)/$(MODAL_ONLY) $(CARGO) test $(FLAGS) --test e2e modal::
# Last, so that the output ends with what matters most.
	$(CARGO) test $(FLAGS) --test '*'

build: ## leave target/release/qmdd and target/release/qmdctl
	@.ci/deps build
	$(CARGO) build $(FLAGS)

# The daemon without llama.cpp, for machines where that does not build. It shares what it can with the usual
# one, whose place it takes while it is built.
MODAL_ONLY := target/modal-only/qmdd
modal-only: build ## leave target/modal-only/qmdd, a daemon without llama.cpp
	$(CARGO) build $(FLAGS) --bin qmdd --no-default-features --features qmdd/modal
	@mkdir -p $(dir $(MODAL_ONLY))
	cp target/release/qmdd $(MODAL_ONLY)
	$(CARGO) build $(FLAGS)

lint: ## check format and lints, warnings denied
	@.ci/deps build lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(FLAGS) --all-targets -- -D warnings
# As the README has it: with no more features of its packages than it asks for itself.
	$(CARGO) check --release --locked -p qmdd --no-default-features --features modal

bench: build models ## measure quality and speed (QMD_BENCH_DATA, QMD_BENCH_UPSTREAM: docs/benchmarks.md)
	target/release/bench

bench-durability: build models ## kill the daemon and flip bytes of its database, 200 times each (QMD_BENCH_COUNT, QMD_BENCH_SEED)
	target/release/bench durability

bench-engine: build models ## measure the inference engine by itself (the same variables)
	target/release/bench engine

bench-lexical: build ## measure search by words, also in a large index (QMD_BENCH_DATA)
	target/release/bench lexical

bench-fusion: build models ## sweep the weights of hybrid search (QMD_BENCH_DATA)
	target/release/bench fusion

bench-load: build ## measure a thousand connections, and a greedy one beside an editor
	target/release/bench load

bench-soak: build models ## ask as much as a day brings, and see whether the daemon grows; takes a quarter of an hour
	target/release/bench soak

bench-remote: build models foreign llama-server ## measure the remote end against this machine (QMD_BENCH_DATA)
	target/release/bench remote

bench-search: build models ## measure how long searches take in a warm daemon, and within a budget (the same variables)
	target/release/bench search

bench-chunk: build models ## measure how documents are cut (QMD_BENCH_CODE, QMD_BENCH_DATA)
	target/release/bench chunk

bench-vectors: build models ## measure vector search up to a million vectors (QMD_BENCH_DATA); takes half an hour
	target/release/bench vectors

bench-update: build ## measure scans of ten thousand files (QMD_BENCH_UPSTREAM)
	target/release/bench update

bench-watch: build models ## measure how soon a saved file is found, and what watching costs
	target/release/bench watch

models: build ## fetch the starter models into the user's cache
	@.ci/demo models

# What the Python and Node clients of the end-to-end tests, and the remote end's gateway, stand on.
# Python packages belong to one version of Python.
PYTHON = $(shell python3 -c 'import sys; print(sys.implementation.cache_tag)')
PYTHON_STAMPS = target/foreign/python/for-$(PYTHON) target/foreign/modal/for-$(PYTHON)
NODE_STAMP := tests/node/node_modules/.package-lock.json

foreign: ## fetch what the Python and Node test clients, and the gateway, need
	@.ci/deps foreign
	@$(MAKE) --silent --no-print-directory $(PYTHON_STAMPS) $(NODE_STAMP)

target/foreign/python/for-%: tests/python/requirements.txt
	$(pip)

target/foreign/modal/for-%: modal/requirements-dev.txt modal/requirements.txt
	$(pip)

# Installs the packages a stamp stands for, beside it.
define pip
rm -rf $(@D)
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
	--only-binary :all: --target $(@D) --requirement $<
touch $@
endef

$(NODE_STAMP): tests/node/package-lock.json
	cd tests/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

# Ten minutes the first time; kept in the user's cache, so once for all checkouts. Where it cannot be
# built the tests with it are skipped, with a loud line, unless QMD_REQUIRE_REAL=1.
llama-server: ## build the llama-server that the remote end is tested with
	@modal/build_llama_server.sh >/dev/null || test "$$QMD_REQUIRE_REAL" != 1

remote: models foreign llama-server ## test the remote end at Modal, in modal/
	cd modal && export PYTHONPATH=$(CURDIR)/target/foreign/modal PYTHONDONTWRITEBYTECODE=1 && \
		python3 -m ruff check --quiet && python3 -m ruff format --check --quiet && \
		python3 -m pytest --quiet -p no:cacheprovider

modal-local: build models foreign ## run the remote end on this machine, and a qmdd that uses it
	@.ci/modal-local

clean: ## stop the demo and remove everything built
	@.ci/demo stop
	rm -rf target tests/node/node_modules
