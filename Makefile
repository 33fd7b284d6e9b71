# Build, test and run Tollgate. `make help` lists the targets; `make test` is everything a contributor must pass.
# Nothing is registered here: sources, unit tests and golden cases are found by their place.

CC ?= gcc
PKGS := libcurl jansson yaml-0.1 libuv libmicrohttpd gnutls gmp
FLAVOUR ?= release
OUT := build/$(FLAVOUR)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wcast-qual \
	-Wwrite-strings -Wformat=2 -Wundef -Wpointer-arith -Wimplicit-fallthrough -Wswitch-enum -Werror
# `make V=1` shows the compiler's command lines.
Q := $(if $(V),,@)
SAY := $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),@:,@echo)
VERSION := $(shell cat VERSION 2>/dev/null || echo dev)
CPPFLAGS += -D_GNU_SOURCE -Iinclude $(shell pkg-config --cflags $(PKGS))
# Whoever unwinds reads .debug_frame, which goes with the debug information; nothing here throws.
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -fno-asynchronous-unwind-tables
# Addresses that the loader has to relocate take 24 bytes each, or packed a few bits; glibc can unpack them since 2.36.
PACKED := $(shell getconf GNU_LIBC_VERSION 2>/dev/null | awk '$$2 >= 2.36 { print "-Wl,-z,pack-relative-relocs" }')
LDFLAGS_release := -pie -Wl,-z,relro,-z,now $(PACKED)
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_asan-clang := $(CFLAGS_asan)
LDFLAGS_asan-clang := $(LDFLAGS_asan)
CFLAGS_analyze := -O1 -fanalyzer
CFLAGS_debug := -O0 -g
CFLAGS_cover := -O0 -g --coverage
LDFLAGS_cover := --coverage
CFLAGS_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined
CFLAGS := -std=c11 $(WARN) $(CFLAGS_$(FLAVOUR)) $(EXTRA_CFLAGS)
LDFLAGS := $(LDFLAGS_$(FLAVOUR))
LDLIBS := $(shell pkg-config --libs $(PKGS))

SRC := $(wildcard include/*.c reconcilers/*.c crds/*.c controller/*.c)
OBJ := $(SRC:%.c=$(OUT)/%.o)
LIBOBJ := $(filter-out $(OUT)/controller/main.o,$(OBJ))
UNIT := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(wildcard tests/unit/*_test.c))

.PHONY: all help unit test asan valgrind layers format tidy clean
all: build/tollgate ## Build build/tollgate

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

layers: $(OBJ) ## Hold every #include and every call of a reconciler to the layers
	@tests/layers.py $(OUT)

LAYERS := --check "layers: tests/layers.py $(OUT)"

SIM_SEEDS := 20000
SIMULATED = --check "simulator: $(OUT)/tests/sim/sim --seeds $(SIM_SEEDS)"

.PHONY: units
units: $(UNIT)

unit: $(UNIT) $(OBJ) ## Unit tests and layers, no cluster
	@tests/run.py $(LAYERS) $(UNIT) --pytest tests/schema_test.py

test: all $(UNIT) fuzzers $(OUT)/tests/sim/sim $(OUT)/tests/bench/instructions controlplane ## Everything a contributor must pass
	@tests/run.py $(LAYERS) $(SIMULATED) --check "instructions: tests/bench/instructions.py $(OUT)/tests/bench/instructions" \
		--check "soak: python3 tests/soak/soak.py --seconds=60 --seed=4" $(UNIT) $(REPLAY) --pytest tests/schema_test.py --pytest tests/adding_a_kind_test.py \
		--pytest tests/controlplane --pytest tests/e2e

# Two compilers, two sanitizer runtimes: each sees what the other does not. `make asan CC=clang` is the other one.
asan: ## Unit tests, simulator and end-to-end tests under AddressSanitizer and UndefinedBehaviorSanitizer, of gcc or with CC=clang
	@$(if $(findstring clang,$(CC)),tests/local/packages.sh --check)
	@$(MAKE) --no-print-directory FLAVOUR=asan$(if $(findstring clang,$(CC)),-clang) sanitized

.PHONY: sanitized
sanitized: SIM_SEEDS = 3000
sanitized: $(OUT)/tollgate $(UNIT) $(OUT)/tests/sim/sim controlplane
	@ASAN_OPTIONS=abort_on_error=1 UBSAN_OPTIONS=abort_on_error=1:print_stacktrace=1 TOLLGATE_BINARY=$(CURDIR)/$(OUT)/tollgate \
		tests/run.py $(SIMULATED) $(UNIT) --pytest tests/e2e

MEMCHECK := valgrind -q --leak-check=full --errors-for-leak-kinds=definite,possible --error-exitcode=99
# Thirty times slower: of the end-to-end tests those that ask for no haste.
MEMCHECKED := $(patsubst %,--pytest tests/e2e/test_%.py,project account binding method invoice arrangement events credentials)
valgrind: all $(UNIT) $(OUT)/tests/sim/sim controlplane ## Unit tests, simulator and the slower end-to-end tests under valgrind memcheck
	@TOLLGATE_BINARY=$(CURDIR)/tests/local/valgrind.sh tests/run.py --check "simulator: $(MEMCHECK) $(OUT)/tests/sim/sim --seeds 1000" \
		$(UNIT) $(MEMCHECKED) --wrap "$(MEMCHECK)"

.PHONY: analyze analyzed cover covered
analyze: ## gcc's static analyser over the C code
	@$(MAKE) --no-print-directory CC=gcc FLAVOUR=analyze analyzed

analyzed: $(OBJ)

cover: ## Lines and branches that unit tests run, file by file; reconcilers are held to all of their lines
	@$(MAKE) --no-print-directory CC=gcc FLAVOUR=cover covered

# Counts of earlier runs, and of objects that have been rebuilt since, are none.
covered: $(OBJ) $(UNIT)
	@find $(OUT) -name '*.gcda' -delete
	@tests/run.py $(UNIT)
	@tests/cover.py $(OUT)

# Debian names them with their version; what is missing is named as one looks for it.
tool = $(or $(firstword $(shell which $(1) $(foreach v,20 19 18 17 16 15 14,$(1)-$(v)) 2>/dev/null)),$(1))

format: ## Rewrite the C code with clang-format
	$(call tool,clang-format) -i $(wildcard include/*.[ch] reconcilers/*.[ch] crds/*.[ch] controller/*.[ch] tests/unit/*.[ch])

# One file a process: clang-tidy 14 loses sight of va_start in the second file of many.
tidy: ## clang-tidy over the C code
	@tests/local/packages.sh --check
	@printf '%s\n' $(SRC) | xargs -P"$$(nproc)" -I{} $(call tool,clang-tidy) --quiet {} -- -std=c11 $(CPPFLAGS) -Icontroller -Icrds \
		-Ireconcilers '-DTOLLGATE_VERSION="x"' -fno-caret-diagnostics

clean: ## Remove what was built, but for the control plane
	rm -rf build/release build/asan build/asan-clang build/analyze build/debug build/cover build/fuzz build/tollgate

build/tollgate: $(OUT)/tollgate
	@mkdir -p build && cp -f $< $@

$(OUT)/tollgate: $(OBJ)
	$(SAY) "  link $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) "  cc   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/controller/main.o $(OUT)/controller/options.o: CPPFLAGS += -DTOLLGATE_VERSION='"$(VERSION)"'
$(OUT)/controller/main.o $(OUT)/controller/options.o: VERSION

# Tests get the private headers too: what they test are the rooms, not the front door.
$(OUT)/tests/%.o: tests/unit/%.c
	@mkdir -p $(@D)
	$(SAY) "  cc   $<"
	$(Q)$(CC) $(CPPFLAGS) -Icontroller -Ireconcilers $(CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/tests/%_test: $(OUT)/tests/%_test.o $(LIBOBJ)
	$(SAY) "  link $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# What tests/schema_test.py compares with the schemas: the field tables as JSON.
$(OUT)/tests/dump_shapes: $(OUT)/tests/dump_shapes.o $(filter-out %/kind.o,$(filter $(OUT)/include/% $(OUT)/crds/%,$(OBJ)))
	$(SAY) "  link $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

.PRECIOUS: $(OUT)/tests/%.o $(OUT)/tests/sim/%.o
-include $(OBJ:.o=.d) $(wildcard $(OUT)/tests/*.d $(OUT)/tests/sim/*.d)

# The simulator: the real objects on a world that is made up. Of the archive the linker takes what it needs.
SIM := $(patsubst tests/sim/%.c,$(OUT)/tests/sim/%.o,$(wildcard tests/sim/*.c))

$(OUT)/tests/sim/%.o: tests/sim/%.c
	@mkdir -p $(@D)
	$(SAY) "  cc   $<"
	$(Q)$(CC) $(CPPFLAGS) -Icontroller $(CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/tollgate.a: $(LIBOBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/tests/sim/sim: $(SIM) $(OUT)/tollgate.a
	$(SAY) "  link $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -Wl,--wrap=json_loadb -o $@ $^ $(LDLIBS)

.PHONY: sim sim-long sim-mutants
sim: $(OUT)/tests/sim/sim ## 20,000 random schedules of the real runtime in a simulated world; SIM_SEEDS=... for another number
	@$< --seeds $(SIM_SEEDS)

sim-long: $(OUT)/tests/sim/sim ## The same, 1,000,000 of them
	@$< --seeds 1000000

sim-mutants: ## Put known bugs in, one by one: the simulator must find each; ARGS=tie-break for one
	@tests/sim/mutants.py $(ARGS)

# The control plane: a Go too old to build it has been put right by packages.sh.
.PHONY: controlplane up down demo e2e packages
controlplane: ## Build the Kubernetes control plane for tests and demo, once
	@PATH="$(CURDIR)/build/go/bin:$$PATH" GOTOOLCHAIN=$${GOTOOLCHAIN:-auto} tests/controlplane/build.sh

packages:
	@tests/local/packages.sh

# A make of its own: what pkg-config says may be new since this Makefile was read.
up: packages ## Start a cluster in build/local with Tollgate at work in it
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" build/tollgate
	@$(MAKE) --no-print-directory controlplane
	@python3 tests/local/local.py up

down: ## Stop what `make up` started
	@python3 tests/local/local.py down

demo: packages ## Play the whole story on a cluster of its own; installs what is missing
	@echo "demo: building tollgate"
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" build/tollgate
	@$(MAKE) --no-print-directory controlplane
	@python3 tests/demo/demo.py

e2e: all controlplane ## End-to-end tests on a real API server
	@python3 -m pytest -q tests/e2e

# The loops that Tollgate is measured against link nothing of it.
YARDSTICKS := build/bench/bare build/bench/react
$(YARDSTICKS): build/bench/%: tests/bench/%.c tests/bench/client.c tests/bench/client.h
	@mkdir -p $(@D)
	$(SAY) "  cc   $<"
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 $(WARN) $(shell pkg-config --cflags libcurl) $(EXTRA_CFLAGS) -o $@ $< tests/bench/client.c \
		$(shell pkg-config --libs libcurl)

# What an object costs in instructions, which a busy machine does not change.
$(OUT)/tests/bench/instructions: tests/bench/instructions.c tests/unit/cluster.h tests/unit/decide.h $(OUT)/tollgate.a
	@mkdir -p $(@D)
	$(SAY) "  link $@"
	$(Q)$(CC) $(CPPFLAGS) -Icontroller -Ireconcilers -Itests/unit $(CFLAGS) $(LDFLAGS) -o $@ $< $(OUT)/tollgate.a $(LDLIBS) -lcmocka

.PHONY: instructions
instructions: $(OUT)/tests/bench/instructions ## Instructions for decoding and deciding an object, held against the recorded table; ARGS=--record
	@tests/bench/instructions.py $< $(ARGS)

.PHONY: bench performance
bench: ## Time, memory, CPU and latency beside bare loops of the same requests, 1k to 100k bindings; ARGS=--sizes=1000
	@tests/local/packages.sh --bench
	@$(MAKE) --no-print-directory all controlplane $(YARDSTICKS)
	@python3 tests/bench/bench.py $(ARGS)

performance: ## The table and the plots of docs/performance.md from the last `make bench`
	@python3 tests/bench/document.py $(ARGS)

# Fuzzers: tests/fuzz/NAME_fuzz.c with the inputs in tests/fuzz/corpus/NAME. clang links libFuzzer to them; any compiler can link
# replay.c instead, which feeds them those inputs and no others.
FUZZ := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
REPLAY := $(foreach name,$(FUZZ),--check "fuzz $(name): $(OUT)/fuzz/$(name) tests/fuzz/corpus/$(name)")

$(OUT)/fuzz/%.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(SAY) "  cc   $<"
	$(Q)$(CC) $(CPPFLAGS) -Icontroller -Ireconcilers -Icrds $(CFLAGS) -MMD -MP -c -o $@ $<

$(FUZZ:%=$(OUT)/fuzz/%): $(OUT)/fuzz/%: $(OUT)/fuzz/%_fuzz.o $(OUT)/fuzz/support.o $(LIBOBJ) $(if $(filter fuzz,$(FLAVOUR)),,$(OUT)/fuzz/replay.o)
	$(SAY) "  link $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

-include $(wildcard $(OUT)/fuzz/*.d)

.PHONY: fuzz fuzzers fuzz-replay
fuzzers: $(FUZZ:%=$(OUT)/fuzz/%)

fuzz-replay: fuzzers ## Every committed input of the fuzzers once more, without clang
	@tests/run.py $(REPLAY)

fuzz: ## Each fuzzer for FUZZ_SECONDS (60), one a core; ARGS=--merge keeps what they find in tests/fuzz/corpus
	@tests/local/packages.sh --check
	@$(MAKE) --no-print-directory CC=$(call tool,clang) FLAVOUR=fuzz fuzzers
	@tests/fuzz/fuzz.py $(ARGS) $(FUZZ)

SOAK_SECONDS ?= 600
.PHONY: soak
soak: all controlplane ## Random users while everything is killed and restarted, for SOAK_SECONDS (600); SEED=... repeats a run
	@python3 tests/soak/soak.py --seconds=$(SOAK_SECONDS) $(if $(SEED),--seed=$(SEED))
