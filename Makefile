# dkv. `make help` lists the targets.
#
# Every floor of src/ becomes a library. What is linked from a floor has that floor and those it uses, nothing else: a call
# in a wrong direction does not link, and `make floors-check` finds an #include in one.

FLOORS  := base value store journal resp rdb command family engine net http server tools
# Which floors each may use; what these use comes with them.
uses_base    :=
uses_value   := base
uses_store   := base value
uses_journal := base
uses_resp    := base
uses_rdb     := base value store
uses_command := base value store journal resp rdb
uses_family  := base value store resp rdb command
uses_engine  := base store journal resp command family
uses_net     := base resp command
uses_http    := base resp command net engine
uses_server  := base value store journal resp rdb command family engine net http
uses_tools   := base store journal resp rdb command family engine server
# Libraries from outside that each needs.
libs_base    := $(if $(SANITIZE)$(filter libc,$(MALLOC)),,-ljemalloc) -lm
libs_rdb     := -llzf
libs_command := -lcrypto
libs_http    := -lmicrohttpd -ljansson -lcrypto
libs_server  := -ldw
BUILD   ?= build
PREFIX  ?= /usr/local
# Where dkv.conf is installed.
CONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
# The data folder that the installed dkv.conf names: the same one wherever the server is started.
DATADIR ?= $(if $(filter /usr,$(PREFIX)),/var/lib/dkv,$(PREFIX)/var/lib/dkv)
CLANG   ?= clang
ifeq ($(origin CC),default)
CC      := gcc
endif
# SANITIZE=address,undefined builds with sanitizers and the C library's allocator.
SANITIZE ?=
# V=1 shows whole commands, V=q nothing but what goes wrong.
V ?= 0
quiet = $(if $(filter 1,$(V)),,@$(if $(filter q,$(V)),,echo '  $(1)' && ))
# How much of a processor's time each fuzzer gets.
FUZZ_SECONDS ?= 10

# As many jobs as there are processors, unless -j says otherwise. `make clean all` is done in that order.
ifeq ($(MAKELEVEL)$(filter clean,$(MAKECMDGOALS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wformat=2 -Werror
# What an initializer leaves out is zero on purpose; gcc says nothing of that within designated ones anyway.
WARNINGS += -Wno-missing-field-initializers
CFLAGS   ?= -O2 -g
ALL_CFLAGS := -std=gnu17 $(WARNINGS) -fno-omit-frame-pointer -pthread -Isrc -D_GNU_SOURCE $(CFLAGS)
ifneq ($(SANITIZE),)
ALL_CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -DDKV_SYSTEM_MALLOC
else ifeq ($(MALLOC),libc)
ALL_CFLAGS += -DDKV_SYSTEM_MALLOC
endif

# The files of a floor and of its rooms.
sources  = $(wildcard src/$(1)/*.c src/$(1)/*/*.c)
objects  = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
library  = $(BUILD)/lib/libdkv-$(1).a
# A floor and all that it uses, in link order (users first).
closure  = $(1) $(foreach floor,$(uses_$(1)),$(call closure,$(floor)))
reverse  = $(if $(1),$(call reverse,$(wordlist 2,99,$(1))) $(firstword $(1)))
linked   = $(filter $(call closure,$(1)),$(call reverse,$(FLOORS)))
stack    = $(foreach floor,$(call linked,$(1)),$(call library,$(floor)))
libs     = $(foreach floor,$(call linked,$(1)),$(libs_$(floor)))

SERVER       := $(BUILD)/dkv-server
TOOL         := $(BUILD)/dkv-log
PROGRAMS     := $(SERVER) $(if $(wildcard src/tools/main.c),$(TOOL))
UNIT_SOURCES := $(wildcard tests/unit/*/test_*.c)
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(UNIT_SOURCES))
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
FUZZERS      := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(FUZZ_SOURCES))
FORMATTED    := $(wildcard $(foreach depth,src/* src/*/* tests/* tests/*/* redis-tests/*,$(depth)/*.c $(depth)/*.h))

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:

all: $(PROGRAMS) ## build the programs: build/dkv-server and build/dkv-log

$(SERVER): $(BUILD)/src/server/main.o $(call stack,server)
$(TOOL): $(BUILD)/src/tools/main.o $(call stack,tools)
$(SERVER): LIBS = $(call libs,server)
$(TOOL): LIBS = $(call libs,tools)
$(SERVER) $(TOOL):
	$(call quiet,LINK $@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# Changes with the compiler and its flags, so that objects of two kinds never mix.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' > $@

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC   $<)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The live page's parts are within that object.
$(BUILD)/src/http/page.o: $(wildcard src/http/page/*)
# They are put there by assembly, whose symbols link-time optimization would not see.
$(BUILD)/src/http/page.o: ALL_CFLAGS += -fno-lto

define floor_library
$(call library,$(1)): $(filter-out $(BUILD)/src/$(1)/main.o,$(call objects,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach floor,$(FLOORS),$(eval $(call floor_library,$(floor))))

# tests/unit/<floor>/test_x.c links that floor and those it may use.
define unit_rule
$(BUILD)/tests/unit/$(1)/%: $(BUILD)/tests/unit/$(1)/%.o $(call stack,$(1))
	$$(call quiet,LINK $$@)$$(CC) $$(ALL_CFLAGS) $$(LDFLAGS) -o $$@ $$^ -lcmocka $(call libs,$(1))
endef
$(foreach floor,$(FLOORS),$(eval $(call unit_rule,$(floor))))

# --- using it -----------------------------------------------------------------------------------------------

run: ## install what is missing, build, and run the server with dkv.conf; ARGS="--port 7777" adds directives
	@deps/install.sh build
	@$(MAKE) --no-print-directory all
	@exec $(SERVER) dkv.conf $(ARGS)

# dkv.conf as it is installed.
INSTALLED_CONF := sed 's|^dir \./data$$|dir $(DATADIR)|' dkv.conf

install: $(PROGRAMS) ## install into PREFIX (/usr/local), below DESTDIR if that is set
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	@if [ -e $(DESTDIR)$(CONFDIR)/dkv.conf ]; then echo "keeping $(DESTDIR)$(CONFDIR)/dkv.conf"; else \
	    echo install -D -m 644 dkv.conf $(DESTDIR)$(CONFDIR)/dkv.conf; \
	    $(INSTALLED_CONF) | install -D -m 644 /dev/stdin $(DESTDIR)$(CONFDIR)/dkv.conf; fi

uninstall: ## remove what install installed, but for a dkv.conf that was changed
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(notdir $(SERVER) $(TOOL)))
	@if $(INSTALLED_CONF) | cmp -s - $(DESTDIR)$(CONFDIR)/dkv.conf; then rm -f $(DESTDIR)$(CONFDIR)/dkv.conf; fi

# --- testing it ---------------------------------------------------------------------------------------------

test: ## install what tests need, then build and run all of them
	@deps/install.sh test
	@BUILD=$(BUILD) tests/run.py test

# SECONDS and FUZZ_SECONDS count here only if they are given.
given = $(if $(filter command environment,$(firstword $(origin $(1)))),$(2) $($(1)))

prove: ## show that the promises hold, with figures: the long tests (QUICK=1, STEPS="sim kill", LIST=1, SECONDS=3600)
	@$(if $(LIST),,deps/install.sh test)
	@BUILD=$(BUILD) tests/run.py prove $(STEPS) $(if $(QUICK),--quick) $(if $(LIST),--list) \
	    $(call given,SECONDS,--seconds) $(call given,FUZZ_SECONDS,--fuzz-seconds)

unit: $(UNIT_TESTS) ## build and run the unit tests (unit-<floor>: one floor's)
	@tests/unit.sh $(UNIT_TESTS)

# One floor's tests: make unit-store
unit-%:
	@$(MAKE) --no-print-directory UNIT_SOURCES="$(wildcard tests/unit/$*/test_*.c)" unit

unit-build: $(UNIT_TESTS)

clang: ## build the server and the unit tests with clang
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=$(CLANG) all unit-build

sanitize: ## build all and run the unit tests under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined all unit

fuzz: ## build the fuzzers and run each for FUZZ_SECONDS
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=$(CLANG) SANITIZE=address,undefined,fuzzer-no-link \
	    fuzz-build
	@tests/fuzz.sh $(FUZZ_SECONDS) $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/tests/fuzz/%,$(FUZZ_SOURCES))

fuzz-build: $(FUZZERS)

$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(call stack,tools)
	$(call quiet,LINK $@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(call libs,tools)

# The load program of tests/process.
load: $(BUILD)/tests/load

LOAD_OBJECTS := $(addprefix $(BUILD)/tests/process/,load.o readers.o check.o model.o change.o type_string.o type_hash.o)

$(BUILD)/tests/load: $(LOAD_OBJECTS)
	$(call quiet,LINK $@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lhiredis $(call libs,base)

# What `make bench` makes load with where redis-benchmark cannot.
LOAD_GENERATOR := $(BUILD)/tests/bench/load

$(LOAD_GENERATOR): $(BUILD)/tests/bench/load.o
	$(call quiet,LINK $@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^

# FIELD=0 leaves the newer servers out.
FIELD ?= 1
BENCH := /usr/bin/python3 tests/bench/bench.py --dkv $(SERVER) --load $(LOAD_GENERATOR) --dir $(BUILD) \
         --json $(BUILD)/bench.json --only "$(ONLY)" --servers "$(SERVERS)"

bench: $(SERVER) $(LOAD_GENERATOR) ## measure beside other servers (ONLY="set-p16 get-*", SERVERS="valkey=/path", FULL=1, FIELD=0)
	@deps/install.sh test
	@$(BENCH) $(if $(FULL),--full) $(if $(filter-out 0,$(FIELD)),--newer $(BUILD)/servers) $(BENCH_ARGS)

bench-short: $(SERVER) $(LOAD_GENERATOR) ## see that each case of the bench runs; judges no speed
	@$(BENCH) --short

bench-http: $(SERVER) ## measure HTTP with wrk against its floors (BENCH_ARGS="--first")
	@deps/install.sh test
	@/usr/bin/python3 tests/bench/http.py $(BENCH_ARGS)

format: ## format the sources
	@clang-format -i $(FORMATTED)

format-check: floors-check ## tell which sources are not formatted, or include what their floor may not use
	@clang-format --dry-run -Werror $(FORMATTED)

# The floors whose headers a floor includes without a right to.
floor_strays = $(filter-out $(call closure,$(1)),$(shell sed -n 's|^\#include "\([a-z]*\)/.*|\1|p' $(wildcard src/$(1)/*.[ch] src/$(1)/*/*.[ch]) | sort -u))

floors-check: ## tell which floors include what they may not use
	@$(foreach floor,$(FLOORS),$(foreach stray,$(call floor_strays,$(floor)),echo 'src/$(floor) includes src/$(stray), which it may not use' >&2; exit 1;)) true

# sim: the engine on a simulated disk.
-include tests/sim/sim.mk

# --- the rest -----------------------------------------------------------------------------------------------

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(filter Makefile %/sim.mk,$(MAKEFILE_LIST)) | \
	    awk -F '|' '{ printf "  make %-13s %s\n", $$1, $$2 }'

-include $(wildcard $(patsubst %.c,$(BUILD)/%.d,$(wildcard src/*/*.c src/*/*/*.c tests/*/*.c tests/*/*/*.c)))

FORCE:

.PHONY: all run install uninstall test prove unit unit-build clang sanitize fuzz fuzz-build load bench bench-short bench-http \
        format format-check floors-check clean help FORCE
