# DataArts Backup. Needs Go, git and make; `make` alone says what there is.

SHELL := /bin/sh
.DEFAULT_GOAL := help

FUNCTIONS := backup restore console

# What the binaries are built for: the functions run on linux/amd64 unless told otherwise (make build GOARCH=arm64).
# These two are for `build` alone. Everything else runs on this machine.
GOOS ?= linux
GOARCH ?= amd64
unexport GOOS GOARCH

# The toolchain that go.mod names, fetched where it is not the one at hand: another compiler makes other bytes. TOOLCHAIN=local takes the one at hand.
TOOLCHAIN ?= $(shell awk '$$1 == "toolchain" { print $$2 }' go.mod)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# Extra arguments for go test, e.g. make test TESTFLAGS='-run TestLease ./shared/lease/...'
TESTFLAGS ?= ./...
FUZZTIME ?= 20000x
# Extra arguments for go test, e.g. make browser BROWSERFLAGS='-run TestRestore -v'
BROWSERFLAGS ?=
DEMO_FLAGS ?=
BENCH_FLAGS ?=
GOLANGCI_LINT ?= go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# What checks the supply chain, in the versions that tools/supplychain/go.mod has.
SUPPLYCHAIN := go tool -modfile=tools/supplychain/go.mod
# What a dependency of the binaries may be licensed under (SPDX ids): whatever lets them be passed on under Apache-2.0 with its notice kept.
LICENCES := Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT
# Where the database of vulnerabilities is; empty: the Go project's.
VULNDB ?=

.PHONY: help build $(FUNCTIONS:%=build-%) sbom vulncheck licences test browser screenshots lint demo invoke fuzz bench gobench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: $(FUNCTIONS:%=build-%) ## build dist/<function>/bootstrap and dist/<function>.zip (GOARCH=arm64 works too)

$(FUNCTIONS:%=build-%): build-%:
	GOTOOLCHAIN=$(TOOLCHAIN) CGO_ENABLED=0 GOOS=$(GOOS) GOARCH=$(GOARCH) go build -mod=readonly -trimpath -buildvcs=false -tags lambda.norpc \
		-ldflags '$(LDFLAGS)' -o dist/$*/bootstrap ./functions/$*
	GOTOOLCHAIN=$(TOOLCHAIN) go run -mod=readonly ./infra/zip dist/$*/bootstrap dist/$*.zip

# Made of the binaries themselves, so that it lists what is in them and nothing else; the standard library is among it. Same binary, same bytes.
sbom: build ## list what is in each binary: dist/<function>.cdx.json (CycloneDX)
	@for function in $(FUNCTIONS); do \
		$(SUPPLYCHAIN) cyclonedx-gomod bin -json -std -noserial -notimestamp -version '$(VERSION)' \
			-output dist/$$function.cdx.json dist/$$function/bootstrap || exit 1; \
		echo "dist/$$function.cdx.json"; \
	done

# Exit code 1 with this text is the only outcome that is no verdict: the database is fetched each time.
vulncheck: ## look for known vulnerabilities in the code that the functions call; says so where their database cannot be reached
	@output=$$("$$($(SUPPLYCHAIN) -n govulncheck)" $(if $(VULNDB),-db $(VULNDB)) ./functions/... 2>&1); code=$$?; printf '%s\n' "$$output"; \
	case "$$code:$$output" in \
		0:*) ;; \
		1:*"fetching vulnerabilities:"*) echo "NOT CHECKED: the database of vulnerabilities cannot be reached from here." ;; \
		*) exit "$$code" ;; \
	esac

licences: ## check the licences of everything in the binaries, and list them in dist/licences.csv
	@mkdir -p dist
	@tool=$$($(SUPPLYCHAIN) -n go-licenses) && $$tool check --logtostderr=false --allowed_licenses=$(LICENCES) ./functions/... && \
		$$tool report --logtostderr=false ./functions/... > dist/licences.csv 2>/dev/null && \
		echo "dist/licences.csv: $$(wc -l < dist/licences.csv) licences, all of them among $(LICENCES)"

# The race detector needs a C compiler. Without one the tests still run.
test: ## run all tests, with the race detector where there is a C compiler; THOROUGH=1 with every kill and every seed, as CI does without the race detector
	@if command -v "$$(go env CC | cut -d ' ' -f 1)" >/dev/null 2>&1; then \
		echo "go test -race -shuffle=on -timeout 30m $(TESTFLAGS)"; \
		CGO_ENABLED=1 go test -race -shuffle=on -timeout 30m $(TESTFLAGS); \
	else \
		echo "No C compiler ($$(go env CC)) was found: the tests run WITHOUT the race detector."; \
		echo "go test -shuffle=on -timeout 30m $(TESTFLAGS)"; \
		go test -shuffle=on -timeout 30m $(TESTFLAGS); \
	fi

# The browser and Node are not needed for anything else, so these tests are a module of their own. CHROMIUM says where the browser is, if not in the PATH.
browser: infra/browser/node_modules ## test the page in a real browser (needs Chromium and Node: apt-get install chromium nodejs npm)
	cd infra/browser && go test -shuffle=on -timeout 15m $(BROWSERFLAGS) ./...

infra/browser/node_modules: infra/browser/package-lock.json
	cd infra/browser && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

screenshots: ## take the pictures in docs/images again (needs Chromium and, for the Chinese letters, a font like fonts-wqy-microhei)
	cd infra/browser && go run ./screenshots

lint: ## check style, errors and the rules of the layers (builds golangci-lint at first)
	$(GOLANGCI_LINT) run ./...
	cd infra/browser && $(GOLANGCI_LINT) run ./...

# The local cloud runs the binaries on this machine, so they are built for it.
demo: ## run the whole story on a local cloud (KEEP=1: and keep serving)
	@$(MAKE) --no-print-directory build GOOS="$$(go env GOHOSTOS)" GOARCH="$$(go env GOHOSTARCH)"
	go run ./infra/local/demo $(if $(KEEP),-keep) $(DEMO_FLAGS)

invoke: ## send one event to a function: FUNCTION=backup EVENT=events/command-backup.json
	@case " $(FUNCTIONS) " in \
		*" $(FUNCTION) "*) ;; \
		*) echo "FUNCTION is '$(FUNCTION)': want one of $(FUNCTIONS)" >&2; exit 2 ;; \
	esac; \
	if [ ! -r "$(EVENT)" ] || [ -d "$(EVENT)" ]; then \
		echo "EVENT is '$(EVENT)': want a file, e.g. one of" >&2; ls events/*.json >&2; exit 2; \
	fi; \
	if [ ! -x "dist/$(FUNCTION)/bootstrap" ]; then echo "dist/$(FUNCTION)/bootstrap is not there: run make build first" >&2; exit 2; fi; \
	exec "dist/$(FUNCTION)/bootstrap" < "$(EVENT)"

# Executions, not seconds: before Go 1.27 a run that ends by time sometimes fails at that moment, with nothing found (https://go.dev/issue/75804).
fuzz: ## fuzz every target FUZZTIME (20000x) times
	@found=$$(go test -list '^Fuzz' ./...) || { echo "$$found"; exit 1; }; \
	echo "$$found" | awk '/^Fuzz/ { name[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, name[i]; n = 0 }' | \
	while read -r package target; do \
		echo "fuzz $$package $$target: $(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$$package" </dev/null || exit 1; \
	done

# Minutes on an idle machine; with e.g. BENCH_FLAGS='-n 500 -out -' it is a look that leaves the page alone.
bench: ## measure the functions as whole processes, into docs/benchmarks.md (BENCH_FLAGS='-rows 3,4': some of it, on the screen only)
	go run ./infra/bench $(BENCH_FLAGS)

gobench: ## run the benchmarks of single functions
	go test -run '^$$' -bench . -benchmem ./...

clean: ## remove what was built
	rm -rf dist coverage.out
