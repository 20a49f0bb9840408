# make alone lists the targets. make check is all that CI runs.

SHELL       := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
export PATH := $(CURDIR)/.tools/bin:$(PATH)
FUZZTIME    ?= 30s
SOAKTIME    ?= 30m
ROUNDS      ?= 5

# Each package is compiled once for everything but the race detector, and once for that, wherever the clone is.
export CGO_ENABLED ?= 0
export GOFLAGS     ?= -trimpath
# Who cannot install Debian's packages runs what needs none of them, and is told what was left out.
export SREG_TEST_PARTIAL ?= $(shell [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || echo 1)

# stage runs one part of check and prints how long it took.
stage = @begun=$$(date +%s); $(MAKE) --no-print-directory $(1) && \
	echo "== $(1): $$(($$(date +%s) - begun)) s"

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/sreg, one static binary
	go build -o bin/sreg ./cmd/sreg

.PHONY: build-cost
build-cost: ## compile sreg with an empty build cache, and print which modules take the time
	tools/build-cost.sh

.PHONY: check
check: ## everything that CI runs: lint, fresh, test
	$(call stage,lint)
	$(call stage,fresh)
	$(call stage,test)

.PHONY: lint
lint: ## formatting, vet and linters
	@tools/install.sh lint
	@unformatted=$$(gofumpt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make format:"; echo "$$unformatted"; exit 1; fi
	golangci-lint run
	cd internal/bench && go build -o /dev/null ./... && go vet ./...
	shellcheck tools/*.sh .ci/run
	for page in man/*; do mandoc -T lint -W error "$$page"; done

.PHONY: format
format: ## format all Go files
	@tools/install.sh lint
	gofumpt -w $$(git ls-files '*.go')

.PHONY: generate
generate: ## rewrite what is generated: man pages, completions, docs/configuration.md, words in docs/policies.md
	go test ./commands ./internal/config ./internal/policy -run 'Generated|Docs' -update

.PHONY: tidy
tidy: ## bring go.mod up to date, here and in the module of the benchmark
	go mod tidy
	cd internal/bench && go mod tidy

.PHONY: fresh
fresh: ## check that generated files and go.mod are as they would be made now
	go mod tidy -diff
	cd internal/bench && go mod tidy -diff
	go mod verify
	go test ./commands ./internal/config ./internal/policy -run 'Generated|Docs' -count=1

.PHONY: test
test: ## all tests that CI runs, with real clients, under the race detector
	@tools/install.sh test
	@tools/test.sh 30m

.PHONY: test-all
test-all: ## also what is slow to build or to run
	@tools/install.sh test all bench
	SREG_TEST_ALL=1 tools/test.sh 60m
	cd internal/bench && go test ./...

.PHONY: bench
bench: build ## measure beside a bare server and the Docker registry, write docs/performance.md
	@tools/install.sh bench
	go build -C internal/bench -o $(CURDIR)/bin/bench ./cmd/bench
	bin/bench -rounds $(ROUNDS) -sreg bin/sreg -peer .tools/bin/registry -write docs/performance.md

.PHONY: bench-gc
bench-gc: build ## measure the collector beside the Docker registry's, write its part of docs/performance.md
	@tools/install.sh bench
	go build -C internal/bench -o $(CURDIR)/bin/bench ./cmd/bench
	bin/bench -gc -rounds $(ROUNDS) -sreg bin/sreg -peer .tools/bin/registry -write docs/performance.md

.PHONY: bench-s3
bench-s3: build ## measure on S3 beside the Docker registry, write its part of docs/performance.md
	@tools/install.sh bench test
	go build -C internal/bench -o $(CURDIR)/bin/bench ./cmd/bench
	bin/bench -s3 .tools/bin/versitygw -rounds $(ROUNDS) -sreg bin/sreg -peer .tools/bin/registry -write docs/performance.md

.PHONY: profile
profile: build ## record what the compiler should make fast: cmd/sreg/default.pgo
	@tools/install.sh bench
	go build -C internal/bench -o $(CURDIR)/bin/bench ./cmd/bench
	bin/bench -sreg bin/sreg -peer .tools/bin/registry -profile cmd/sreg/default.pgo

.PHONY: soak
soak: ## races, slow clients and random requests, each for SOAKTIME (default 30m)
	SREG_TEST_SOAK=$(SOAKTIME) CGO_ENABLED=1 go test -race -timeout 0 -count 1 -run TestNothingIsLostInARace ./internal/gc
	SREG_TEST_SOAK=$(SOAKTIME) go test -timeout 0 -count 1 -v -run 'TestSlowClientsKeepNobodyWaiting|TestRandomRequestsLeaveNothingBehind' ./cmd/sreg
	$(MAKE) --no-print-directory fuzz FUZZTIME=$(SOAKTIME) ONLY=FuzzSurface

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (default 30s); ONLY=FuzzName for one
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz$(ONLY:Fuzz%=%)' "$$package" | grep '^Fuzz' || true); do \
			echo "== $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package"; \
		done; \
	done

.PHONY: tools
tools: ## install all tools of tools/tools.txt
	@tools/install.sh lint test all bench

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin .tools
