# The simulator, included by the Makefile.
#
#   make sim                 a minute from a fresh seed
#   make sim SECONDS=3600    longer; START=N from that seed on
#   make sim SEED=N          one seed, with its trace
#   make sim-seeds           every seed that ever failed
#   make sim-sanitize        both under the address and undefined-behaviour sanitizers
#   make sim-mutations       break the server on purpose, and see that it is noticed

SIM         := $(BUILD)/tests/sim/sim
SIM_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/sim/*.c))
SECONDS     ?= 60

$(SIM): $(SIM_OBJECTS) $(call stack,engine)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--wrap=journal_unit_end,--wrap=large_prepare,--wrap=large_finish -o $@ $^ $(call libs,engine)

sim-build: $(SIM)

sim: $(SIM) ## search with the simulator (SECONDS=60, START=), or replay SEED= with its trace
ifneq ($(SEED),)
	$(SIM) --seed $(SEED) --trace
else
	$(SIM) --seconds $(SECONDS) $(if $(START),--start $(START))
endif

sim-seeds: $(SIM) ## run every seed that ever failed in the simulator
	$(SIM) --seeds tests/sim/seeds.txt

sim-sanitize: ## the seeds, then a search (SECONDS=60), under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined sim-build
	@$(MAKE) --no-print-directory -j1 BUILD=$(BUILD)/asan SANITIZE=address,undefined sim-seeds sim

sim-mutations: ## break the server on purpose, one way at a time: each is noticed
	tests/sim/mutations/run.py

.PHONY: sim sim-build sim-seeds sim-sanitize sim-mutations
