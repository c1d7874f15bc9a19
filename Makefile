# dkv. `make help` lists the targets.
#
# Every floor of src/ becomes a library; a floor links only floors listed before it (see src/README.md).

FLOORS  := base store journal resp command engine net server
BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= gcc
# SANITIZE=address,undefined builds with sanitizers and the C library's allocator.
SANITIZE ?=

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wformat=2 -Werror
CFLAGS   ?= -O2 -g
ALL_CFLAGS := -std=gnu17 $(WARNINGS) -fno-omit-frame-pointer -pthread -Isrc -D_GNU_SOURCE $(CFLAGS)
LIBS       := -lm
ifneq ($(SANITIZE),)
ALL_CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -DDKV_SYSTEM_MALLOC
else ifeq ($(MALLOC),libc)
ALL_CFLAGS += -DDKV_SYSTEM_MALLOC
else
LIBS += -ljemalloc
endif

sources  = $(wildcard src/$(1)/*.c)
objects  = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
library  = $(BUILD)/lib/libdkv-$(1).a
# A floor's library and those of the floors before it, in link order (users first).
up_to    = $(if $(filter $(1),$(firstword $(2))),$(firstword $(2)),$(firstword $(2)) $(call up_to,$(1),$(wordlist 2,99,$(2))))
reverse  = $(if $(1),$(call reverse,$(wordlist 2,99,$(1))) $(firstword $(1)))
stack    = $(foreach floor,$(call reverse,$(call up_to,$(1),$(FLOORS))),$(call library,$(floor)))

SERVER      := $(BUILD)/dkv-server
UNIT_SOURCES := $(wildcard tests/unit/*/test_*.c)
UNIT_TESTS  := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(UNIT_SOURCES))

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:

all: $(SERVER) ## build the server

$(SERVER): $(BUILD)/src/server/main.o $(call stack,server)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define floor_library
$(call library,$(1)): $(filter-out $(BUILD)/src/server/main.o,$(call objects,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach floor,$(FLOORS),$(eval $(call floor_library,$(floor))))

# tests/unit/<floor>/test_x.c links that floor and those before it.
define unit_rule
$(BUILD)/tests/unit/$(1)/%: $(BUILD)/tests/unit/$(1)/%.o $(call stack,$(1))
	$$(CC) $$(ALL_CFLAGS) $$(LDFLAGS) -o $$@ $$^ -lcmocka $$(LIBS)
endef
$(foreach floor,$(FLOORS),$(eval $(call unit_rule,$(floor))))

unit: $(UNIT_TESTS) ## build and run the unit tests
	@set -e; for t in $(UNIT_TESTS); do echo "== $$t"; $$t; done

# One floor's tests: make unit-store
unit-%:
	@$(MAKE) --no-print-directory UNIT_SOURCES="$(wildcard tests/unit/$*/test_*.c)" unit

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: all unit clean help
