# One word to do a thing. `make help` lists them.

CARGO ?= cargo
FLAVOURS ?= mariadb,mysql
# What a program can be built with, as FEATURES=vitrail/otlp; tests and lints take all of it.
FEATURES ?=
ALL_FEATURES := --features vitrail/otlp
TARGET := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help demo check-demo build test test-clients test-sqlalchemy test-django bench-python lint fmt golden micro instructions accept-instructions diff fuzz-sql bench crowd tables soak deny fuzz servers clean

help: ## what each word does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-19s %s\n", $$1, $$2}'

demo: ## build Vitrail, start a sharded demo on real MySQL servers, and serve it until Ctrl-C
	@tools/harness/install-mariadb --unless-mysql
	@$(CARGO) build --release --bin vitrail
	@target/release/vitrail demo

check-demo: build ## run the demo's tour and compare every answer with one MySQL
	@target/release/vitrail demo --check

build: ## the release binary, target/release/vitrail (FEATURES=vitrail/otlp exports spans)
	@$(CARGO) build --release --bin vitrail $(if $(FEATURES),--features $(FEATURES))

servers: ## install the database servers that the tests run against
	@tools/harness/install-mariadb
	@case ",$(FLAVOURS)," in *,mysql,*) tools/harness/install-mysql ;; esac

test: servers ## all tests, against real MariaDB and MySQL 9 (FLAVOURS=mariadb leaves MySQL out)
	@$(CARGO) build --workspace $(ALL_FEATURES) --bin vitrail-harness
	@VITRAIL_FLAVOURS=$(FLAVOURS) $(TARGET)/debug/vitrail-harness $(CARGO) test --workspace $(ALL_FEATURES) --no-fail-fast

test-clients: ## the clients in other languages, the conformance of all, and suites of frameworks, against real servers; in target/clients/summary.json
	@tools/harness/install-mariadb
	@tools/harness/install-python
	@CARGO='$(CARGO)' python3 clients/check.py

test-sqlalchemy: ## SQLAlchemy's compliance suite through one shard and two, and over MariaDB alone; takes minutes (FLAVOUR=mysql: MySQL 9)
	@tools/harness/install-mariadb
	@$(if $(filter mysql,$(FLAVOUR)),tools/harness/install-mysql)
	@tools/harness/install-python
	@CARGO='$(CARGO)' VITRAIL_SUITE_FLAVOUR=$(or $(FLAVOUR),mariadb) python3 clients/check.py sqlalchemy

bench-python: $(if $(VITRAIL),,build) ## the Python client beside PyMySQL and asyncmy on the same MariaDB, in target/clients/speed.json (two minutes; VITRAIL=path: another release server; CHECK=1: an aim that is not reached fails)
	@tools/harness/install-mariadb
	@tools/harness/install-python
	@python3 clients/check.py speed --vitrail $(abspath $(or $(VITRAIL),$(TARGET)/release/vitrail)) $(if $(CHECK),--check)

test-django: ## Django's own tests of its databases through one shard and two, and over MariaDB alone; takes minutes
	@tools/harness/install-mariadb
	@tools/harness/install-python
	@CARGO='$(CARGO)' python3 clients/check.py django

lint: ## rustfmt and clippy, warnings denied
	@$(CARGO) fmt --all -- --check
	@$(CARGO) clippy --workspace --all-targets $(ALL_FEATURES) -- -D warnings
	@$(CARGO) clippy --workspace -- -D warnings

fmt: ## format everything
	@$(CARGO) fmt --all

golden: ## rewrite the golden files; read the diff with care
	@UPDATE_GOLDEN=1 $(CARGO) test --workspace $(ALL_FEATURES)

micro: ## micro-benchmarks of the hot path, in time (BENCH=planner: one crate)
	@$(CARGO) bench $(addprefix --package vitrail-,$(or $(BENCH),proto sql planner gate mysql)) --bench '*'

instructions: ## micro-benchmarks in instructions, compared with the accepted baseline (10 % more fail)
	@tools/instructions/install-valgrind
	@$(CARGO) build --release --package vitrail-instructions
	@$(TARGET)/release/vitrail-instructions

accept-instructions: ## make what is found the baseline of `make instructions`; commit it with the reason
	@tools/instructions/install-valgrind
	@$(CARGO) build --release --package vitrail-instructions
	@$(TARGET)/release/vitrail-instructions --accept

diff: servers ## every statement of testdata/sql on one MySQL and through Vitrail, in target/diff/summary.json (ONLY=shop/joins GREP=rollup UPDATE=1)
	@$(CARGO) build --package vitrail-differential
	@VITRAIL_FLAVOURS=$(FLAVOURS) $(TARGET)/debug/differential --json $(TARGET)/diff/summary.json \
		$(if $(ONLY),--only '$(ONLY)') $(if $(GREP),--grep '$(GREP)') $(if $(UPDATE),--update)

fuzz-sql: servers ## generated schemas, rows and statements on one MySQL and through Vitrail (N=100000 SEED=1 FLAVOUR=mysql STRICT=1: a refusal is a fault; see docs/correctness.md)
	@$(CARGO) build --release --package vitrail-generator
	@VITRAIL_FLAVOURS=$(or $(FLAVOUR),$(FLAVOURS)) $(TARGET)/release/generator --statements $(or $(N),100000) --seed $(or $(SEED),1) \
		$(if $(STRICT),--strict) --folder $(TARGET)/generator --json $(TARGET)/generator/summary.json

bench: build ## the table of the hot path's goals, in target/bench/table.json (five minutes; ONLY=sessions: a part; CHECK=1: a bound that does not hold fails)
	@tools/harness/install-mariadb
	@$(CARGO) build --release --package vitrail-trials --bin goals --bin counted
	@$(TARGET)/release/goals --vitrail $(TARGET)/release/vitrail --counted $(TARGET)/release/counted \
		--json $(TARGET)/bench/table.json $(foreach part,$(ONLY),--only $(part)) $(if $(CHECK),--check)

tables: build servers ## a keyspace of 10,000 tables: start, memory, DDL, refresh and statements meanwhile (some minutes)
	@VITRAIL_FLAVOURS=$(FLAVOURS) $(CARGO) run --release --package vitrail-trials --bin tables -- --vitrail target/release/vitrail

fragments: build servers ## what statements on the scratch server cost, beside one MySQL (a minute)
	@VITRAIL_FLAVOURS=$(FLAVOURS) $(CARGO) run --release --package vitrail-trials --bin fragments -- --vitrail target/release/vitrail

crowd: build servers ## 8,000 connections and 200,000 sessions over 20 connections to MySQL, their work checked (some minutes)
	@VITRAIL_FLAVOURS=$(FLAVOURS) $(CARGO) run --release --package vitrail-trials --bin crowd -- --vitrail target/release/vitrail

soak: build servers ## every kind of client and of trouble at random, ten minutes (SECONDS=600 SEED=…)
	@VITRAIL_FLAVOURS=$(FLAVOURS) $(if $(SEED),VITRAIL_SEED=$(SEED)) $(CARGO) run --release --package vitrail-trials --bin soak -- \
		--vitrail target/release/vitrail --seconds $${SECONDS:-600}

deny: ## licences, advisories and sources of the dependencies
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	@$(CARGO) deny --all-features check

fuzz: ## fuzz the protocol decoders with libFuzzer (SECONDS=60)
	@command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	@cd proto-spec && $(CARGO) +nightly fuzz run decode -- -max_total_time=$${SECONDS:-60}

clean: ## remove what was built
	@$(CARGO) clean
