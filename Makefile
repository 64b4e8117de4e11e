# Everything runs from .venv, which `make setup` builds from requirements/dev.txt (hashed); what only deploys builds it
# from requirements/deploy.txt.
PYTHON ?= python3
VENV   := .venv
LOCK   := requirements/dev.txt
BIN    := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Tests start hundreds of processes: without bytecode each compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo tour test drill anew soak simulate model search fuzz mutants evidence accept profile templates docs site release pictures check lint format audit sbom vulnerabilities up down deploy destroy bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.done ## Build the virtual environment (the other targets do it too)

$(VENV)/.done: $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.12 or so")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Others that clash with it, or that only one target needs: one for each lock file.
$(VENV)-%/.done: requirements/%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

demo: setup ## Build, lint, start three Regions here, deploy, pay, read back in each
	$(BIN)/python -m localcloud.demo

PAGE ?= 0
tour: setup ## A live page of three Regions here: take one down, cut a link, heal (PAGE=8000 for its port; Ctrl-C ends it)
	@$(BIN)/python -m payctl.tour --port $(PAGE)

test: setup check $(VENV)-moto/.done $(VENV)-stripe/.done $(VENV)-model/.done $(VENV)-contract/.done ## Lint and run every test but the longest, which `make evidence` runs
	$(BIN)/pytest --numprocesses 3 --dist loadgroup --durations 12

drill: setup ## Lose a Region under 2,000 payments here; verdict, and a report in build/drill.html
	@$(BIN)/python -m tests.drills.run --payments 2000

anew: setup ## Lose a Region for good under load here, and make it anew; the verdict
	@$(BIN)/python -m tests.drills.anew

soak: setup ## Ten minutes of load here: what waits, what is stuck, what memory it takes; report in build/soak.html
	@$(BIN)/python -m tests.drills.soak

PAYMENTS ?= 1000000
simulate: setup ## Simulate PAYMENTS=1000000 payments under faults, 2 % of them through whole handlers, on all cores
	@$(BIN)/python -m tests.simulation.run --payments $(PAYMENTS); flows=$$?; \
		$(BIN)/python -m tests.handlers.run --share-of $(PAYMENTS) && exit $$flows

model: setup $(VENV)-model/.done ## Check the formal model of docs/spec/ with TLC, and its mutants (needs Java; else it says so)
	@$(BIN)/python -m tests.spec.run $(WRITE)

search: setup ## Explore the schedules of small scopes, a minute each, and show that broken rules are found
	@$(BIN)/python -m tests.search.run

INPUTS ?= 100000
fuzz: setup ## Send INPUTS=100000 right, wrong and hostile requests, executions and events to the handlers, in memory
	@FUZZ=$(INPUTS) $(BIN)/pytest tests/fuzz --timeout 0

mutants: setup ## Break lambda/payments in one place after the other: do the tests see it? (ALL=--all: everything again)
	@$(BIN)/python -m tests.mutants.run $(ALL)

accept: setup ## Run `payctl accept` on a local cloud, then show that each of its checks can fail there
	@$(BIN)/payctl accept --local --yes
	@$(BIN)/python -m tests.payctl.acceptance.run

evidence: model $(VENV)-contract/.done $(VENV)-site/.done ## What takes longer than a test run: model, search, campaigns, mutants, fuzzing, drills, acceptance
	@$(MAKE) --no-print-directory search
	@$(MAKE) --no-print-directory simulate PAYMENTS=50000
	@$(MAKE) --no-print-directory fuzz INPUTS=10000
	@$(BIN)/python -m tests.simulation.run --mutants
	@$(BIN)/python -m tests.handlers.run --mutants
	@$(BIN)/python -m tests.mutants.run --minutes 4
	@$(BIN)/pytest -m "evidence or e2e" --numprocesses 2 --dist loadgroup --durations 12 --ignore tests/drills
	@$(BIN)/pytest -m evidence tests/drills
	@$(BIN)/python -m tests.payctl.acceptance.run

profile: setup ## Count anew what payments use of AWS, on a local cloud, for `payctl estimate`
	$(BIN)/python -m tests.costs.count
	$(BIN)/python -m payctl.costs.page docs/cost.md

templates: setup ## Write templates/*.json from builder/
	$(BIN)/python -m builder

PAGES ?= docs
docs: setup ## Write docs/{commands,json,unverified,cost,licences,settings}.md, openapi.json and schemas/ from what they tell of
	$(BIN)/python docs/manual.py $(PAGES)/commands.md
	$(BIN)/python -m payctl.acceptance.page $(PAGES)/unverified.md
	$(BIN)/python -m payctl.costs.page $(PAGES)/cost.md
	$(BIN)/python docs/licences.py $(PAGES)/licences.md
	$(BIN)/python docs/openapi.py $(PAGES)/openapi.json
	$(BIN)/python docs/settings.py $(PAGES)/settings.md
	$(BIN)/python docs/schemas.py $(PAGES)

pictures: setup $(VENV)-site/.done ## Record docs/pictures/ again, but the architecture (the tour and the site need Chromium)
	$(BIN)/python docs/record.py
	$(BIN)/python -m tests.docs.pictures
	$(BIN)/python -m tests.drills.pictures

site: $(VENV)-site/.done ## Build the site of these pages in build/site; a link that leads nowhere ends it
	@$(VENV)-site/bin/python docs/web.py build/site

check: setup lint ## Lint, and fail when templates/*.json or a page that `make docs` writes is stale
	$(BIN)/python -m builder --check
	@rm -rf build/pages && mkdir -p build/pages && $(MAKE) --no-print-directory --silent docs PAGES=build/pages >/dev/null
	@(diff -r build/pages/schemas docs/schemas && cd build/pages && for page in $$(find . -type f); do \
		cmp $$page ../../docs/$$page || exit 1; \
	done) || (echo 'docs/ is not what `make docs` writes: run it' >&2; exit 1)

audit: $(VENV)-audit/.done ## checkov over the templates, in an environment of its own
	$(VENV)-audit/bin/checkov --directory templates --framework cloudformation --skip-download --compact --quiet

sbom: $(VENV)-supply/.done ## Write build/sbom.json (CycloneDX): what deploying installs, with licences
	@$(MAKE) --no-print-directory setup VENV=$(VENV)-deploy LOCK=requirements/deploy.txt
	@mkdir -p build
	$(VENV)-supply/bin/cyclonedx-py environment $(VENV)-deploy --pyproject pyproject.toml --output-reproducible --validate --output-file build/sbom.json

release: site sbom ## Build in build/release what a release consists of: package, templates, site, SBOM (TAG=v1.2.3)
	@$(VENV)-deploy/bin/python docs/release.py build/release $(TAG)

vulnerabilities: $(VENV)-supply/.done ## Ask PyPI for known vulnerabilities of everything that is locked here (pip-audit)
	@code=0; for file in requirements/*.txt; do echo "$$file:"; \
		$(VENV)-supply/bin/pip-audit --strict --disable-pip --require-hashes --requirement $$file || code=1; done; exit $$code

BOOKS ?= 1000000
bench: setup $(if $(PEERS),$(VENV)-cdk/.done) ## Measure side by side; PEERS=1 also beside the AWS CDK (needs Node.js); reconcile BOOKS=1000000 payments
	@BOOKS="$(BOOKS)" $(BIN)/python -m bench $(if $(PEERS),--peers)

$(VENV)-cdk/.done: bench/cdk/requirements.txt
	$(PYTHON) -m venv $(VENV)-cdk
	$(VENV)-cdk/bin/pip install --quiet --disable-pip-version-check -r bench/cdk/requirements.txt
	@touch $@

lint: setup ## ruff, mypy, cfn-lint, cloudformation-validate and builder.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m builder.lint --public

format: setup ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

PORT ?= 4566
# Builds nothing to stop something: any Python will do.
LOCAL := $(firstword $(wildcard $(BIN)/python) $(PYTHON)) -m localcloud
up: setup ## Start the local cloud in the background, unless it runs (three Regions, 127.0.0.1, PORT=4566)
	@$(BIN)/python -m localcloud --background --port $(PORT)

down: ## Stop the local cloud that `make up PORT=4566` started
	@$(LOCAL) --stop --port $(PORT)

deploy: setup ## Deploy to AWS with the credentials of the environment
	$(BIN)/payctl bootstrap --yes
	$(BIN)/payctl deploy --yes

destroy: setup ## Remove the environment from AWS (keeps data: see payctl destroy --help)
	$(BIN)/payctl destroy

lock: ## Rewrite the hashed lock files (needs uv)
	uv pip compile pyproject.toml --all-extras --group dev --generate-hashes --universal --no-emit-index-url --no-header -p 3.11 -o requirements/dev.txt -q
	uv pip compile pyproject.toml --group deploy -c requirements/dev.txt --generate-hashes --universal --no-emit-index-url --no-header -p 3.11 -o requirements/deploy.txt -q
	uv pip compile --group supply --generate-hashes --universal --no-emit-index-url --no-header -p 3.11 -o requirements/supply.txt -q
	uv pip compile --group audit --generate-hashes --universal --no-emit-index-url --no-header -p 3.11 -o requirements/audit.txt -q
	uv pip compile --group moto --generate-hashes --universal --no-emit-index-url --no-header -p 3.11 -o requirements/moto.txt -q
	uv pip compile --group stripe --generate-hashes --universal --no-emit-index-url --no-header -p 3.11 -o requirements/stripe.txt -q
	uv pip compile --group contract --generate-hashes --universal --no-emit-index-url --no-header -p 3.11 -o requirements/contract.txt -q
	uv pip compile --group model --generate-hashes --universal --no-emit-index-url --no-header -p 3.11 -o requirements/model.txt -q
	uv pip compile --group site --generate-hashes --universal --no-emit-index-url --no-header -p 3.11 -o requirements/site.txt -q

clean: ## Remove what was built here, unless a local cloud of this folder runs
	@$(LOCAL) --none
	rm -rf .run/localcloud-* $(VENV) $(VENV)-* build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
