# What a person types; everything else is in cargo and scripts/. GNU make.
SHELL := /bin/sh
.DEFAULT_GOAL := help
# The targets share cargo's build directory, and `demo` is an order of steps.
.NOTPARALLEL:

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
TRIPLE     := $(shell uname -m)-unknown-linux-gnu
# The container build runs in images without a libc.
CONTAINER  := $(TARGET_DIR)/$(TRIPLE)/container/lem

PROFILE  ?= debug
PREFIX   ?= /usr/local
DESTDIR  ?=
SHARE     = $(DESTDIR)$(PREFIX)/share
# Where bash, zsh and fish look.
COMPLETIONS = $(SHARE)/bash-completion/completions/lem $(SHARE)/zsh/site-functions/_lem \
              $(SHARE)/fish/vendor_completions.d/lem.fish
STRATEGY ?= ephemeral

# place FROM,TO: by rename, since a container may be running the old file; and only where they
# differ, so that TO's time says when it last changed.
define place
@mkdir -p $(dir $(2))
@cmp -s $(1) $(2) || { cp $(1) $(2).new && mv -f $(2).new $(2) && echo "placed $(2)"; }
endef

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## make this machine ready: engine, Compose plugin, compilers (does nothing twice)
	@scripts/setup.sh

.PHONY: build
build: ## compile lem for this machine (PROFILE=debug or release)
	cargo build --locked $(if $(filter release,$(PROFILE)),--release)

.PHONY: container
container: ## compile the static lem that is mounted into containers
	RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --no-default-features --profile container --target $(TRIPLE)
	$(call place,$(CONTAINER),$(TARGET_DIR)/debug/lem-container)
	$(call place,$(CONTAINER),$(TARGET_DIR)/release/lem-container)

.PHONY: release
release: container ## compile both for use: optimised lem and lem-container beside it
	cargo build --locked --release

.PHONY: demo
demo: setup release ## from a fresh checkout to results: the demo campaign
	$(TARGET_DIR)/release/lem campaign fixtures/campaigns/demo.yaml --fresh --yes

.PHONY: demo-services
demo-services: setup release ## switch between two model servers on a made-up GPU
	@scripts/demo-services.sh

.PHONY: file-named
file-named:
	$(if $(FILE),@:,$(error FILE is not set: make campaign FILE=fixtures/campaigns/demo.yaml))

.PHONY: campaign
campaign: file-named release ## run a campaign: FILE=campaign.yaml STRATEGY=ephemeral|persistent
	$(TARGET_DIR)/release/lem campaign $(FILE) --container-strategy $(STRATEGY) --yes

# Goes on where something is missing: what needs it fails by itself, and the rest still speaks.
.PHONY: setup-for-tests
setup-for-tests:
	-@scripts/setup.sh --for-tests

# Most tests wait for an engine, and not for a core.
THREADS ?= $(shell echo $$((2 * $$(nproc))))

.PHONY: test
test: setup-for-tests container ## run the whole test suite
	@if command -v cargo-nextest >/dev/null; then set -x; cargo nextest run --locked --no-fail-fast --test-threads $(THREADS); \
	else set -x; cargo test --locked; fi

# Not by $(MAKE): `make -n` would run the line.
define on-modern
@selected=$$(scripts/engine.sh up) && eval "$$selected" && make $(1)
endef

.PHONY: test-modern
test-modern: ## run it on a second, modern engine beside this machine's own (scripts/engine.sh)
	$(call on-modern,test)

# `cargo test` shows what a test prints while it runs.
.PHONY: test-slow
test-slow: setup-for-tests container ## run what takes minutes: engines that go away, a gigabyte of output, the torture tests (LEM_TORTURE=200, LEM_TORTURE_SECONDS=60), and those of operations with a server for a ledger
	cargo test --locked --test slow --test containers --test services --test coordination -- --ignored --nocapture
	LEM_TEST_LEDGER=postgres cargo test --locked --test coordination
	LEM_TEST_LEDGER=postgres cargo test --locked --test slow coordination -- --ignored --nocapture

.PHONY: test-slow-modern
test-slow-modern: ## run that on the modern engine
	$(call on-modern,test-slow)

.PHONY: fuzz
fuzz: ## feed the readers of files and of docker's answers with rubbish (FUZZ_SECONDS=60 in total)
	@scripts/fuzz.sh

.PHONY: check
check: ## formatting, lints and documentation, for both builds of the crate
	cargo fmt --check
	cargo clippy --locked --all-targets --features bench -- -D warnings
	cargo clippy --locked --all-targets --no-default-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items
	@if command -v cargo-deny >/dev/null; then set -x; cargo deny --locked check; \
	else echo "cargo-deny is not installed: licences and advisories are not checked"; fi

.PHONY: bench
bench: setup-for-tests release ## measure what lem adds to docker compose (BENCH_ROUNDS=3)
	cargo bench --locked --bench scale
	cargo bench --locked --bench overhead

.PHONY: bench-switch
bench-switch: ## measure what a switch between model servers adds to them (BENCH_ROUNDS=3)
	cargo bench --locked --bench switch

.PHONY: bench-coordination
bench-coordination: ## measure the ledger of operations: many processes, wake-ups, those who wait, what `lem op` adds
	cargo bench --locked --features bench --bench coordination

.PHONY: install
install: release ## install under PREFIX (/usr/local), below DESTDIR
	install -D -m 0755 $(TARGET_DIR)/release/lem $(DESTDIR)$(PREFIX)/bin/lem
	install -D -m 0755 $(CONTAINER) $(DESTDIR)$(PREFIX)/libexec/lem/lem-container
	$(TARGET_DIR)/release/lem man --dir $(SHARE)/man/man1
	@mkdir -p $(dir $(COMPLETIONS))
	$(TARGET_DIR)/release/lem completions bash >$(word 1,$(COMPLETIONS))
	$(TARGET_DIR)/release/lem completions zsh >$(word 2,$(COMPLETIONS))
	$(TARGET_DIR)/release/lem completions fish >$(word 3,$(COMPLETIONS))

.PHONY: uninstall
uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/lem $(DESTDIR)$(PREFIX)/libexec/lem/lem-container
	rm -f $(SHARE)/man/man1/lem.1 $(SHARE)/man/man1/lem-*.1 $(COMPLETIONS)
	@rmdir $(DESTDIR)$(PREFIX)/libexec/lem 2>/dev/null || true

.PHONY: clean
clean: ## remove what was compiled; results stay
	cargo clean
