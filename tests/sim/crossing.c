#include "crossing.h"

#include <inttypes.h>
#include <stdio.h>

#include "command/large.h"

/* What has to be seen of a command, and what was; of the others it is rarer. What a command finds expired it
 * takes away, whatever else it does. */
static struct crossing {
    const char *name;
    bool grows;   /* makes values large */
    bool shrinks; /* makes large ones small, or takes them away */
    uint64_t grown;
    uint64_t shrunk;
} crossings[] = {
    {"append", .grows = true},
    {"setrange", .grows = true},
    {"setbit", .grows = true},
    {"bitfield", .grows = true},
    {"bitop", .grows = true, .shrinks = true},
    {"set", .grows = true, .shrinks = true},
    {"setnx"},
    {"setex"},
    {"psetex"},
    {"getset", .grows = true, .shrinks = true},
    {"getdel", .shrinks = true},
    {"getex"},
    {"mset", .grows = true, .shrinks = true},
    {"msetnx"},
    {"pfadd", .grows = true},
    {"pfmerge"},
    {"pfcount"},
    {"pfdebug"},
    {"restore", .grows = true, .shrinks = true},
    {"restore-asking"},
    {"rename", .grows = true, .shrinks = true},
    {"renamenx"},
    {"copy", .grows = true},
    {"move"},
    {"sort"},
    {"del", .shrinks = true},
    {"unlink", .shrinks = true},
    {"delifeq"},
    {"expire"},
    {"expireat"},
    {"pexpire"},
    {"pexpireat"},
};
#define CROSSING_COUNT (sizeof(crossings) / sizeof(crossings[0]))

#define KEYS_MAX 16

/* The keys of the command that is being run, and whether their values were large before. EXEC has none, so
 * the commands within it take their turns. */
static struct {
    struct call *call;
    int count;
    int index[KEYS_MAX];
    bool was_large[KEYS_MAX];
} running;

static bool is_large(const struct call *call, int index)
{
    struct slice key = call->argv[index];
    struct entry *entry = database_find(call->db, key, store_hash(call->world->store, key));
    return entry && large_blob(call->world, entry);
}

static void note_key(void *context, int index, unsigned key_flags)
{
    (void)context, (void)key_flags;
    if (running.count == KEYS_MAX)
        return;
    running.index[running.count] = index;
    running.was_large[running.count++] = is_large(running.call, index);
}

/* The linker puts these around the real ones, which are called around every command's function. */
const char *__real_large_prepare(struct call *call);
const char *__wrap_large_prepare(struct call *call);
void __real_large_finish(struct call *call);
void __wrap_large_finish(struct call *call);

const char *__wrap_large_prepare(struct call *call)
{
    running.call = call;
    running.count = 0;
    if (command_has_keys(call->command->row) && call->origin->is_answered)
        command_each_key(call->command->row, call->argc, call->argv, note_key, NULL);
    return __real_large_prepare(call);
}

void __wrap_large_finish(struct call *call)
{
    __real_large_finish(call);
    for (int i = 0; i < running.count; i++) {
        bool large = is_large(call, running.index[i]);
        for (size_t j = 0; j < CROSSING_COUNT && large != running.was_large[i]; j++)
            if (strcmp(crossings[j].name, call->command->row->name) == 0)
                (*(large ? &crossings[j].grown : &crossings[j].shrunk))++;
    }
    running.count = 0;
}

static void print_counts(const char *what, bool grown)
{
    uint64_t total = 0;
    for (size_t i = 0; i < CROSSING_COUNT; i++)
        total += grown ? crossings[i].grown : crossings[i].shrunk;
    printf("%" PRIu64 " %s (", total, what);
    const char *comma = "";
    for (size_t i = 0; i < CROSSING_COUNT; i++) {
        uint64_t count = grown ? crossings[i].grown : crossings[i].shrunk;
        if (count > 0) {
            printf("%s%s %" PRIu64, comma, crossings[i].name, count);
            comma = "; ";
        }
    }
    printf(")");
}

bool crossing_report(bool all_are_due)
{
    bool complete = true;
    printf("figures: ");
    print_counts("values made large", true);
    printf(", ");
    print_counts("large values made small or taken away", false);
    printf("\n");
    for (size_t i = 0; all_are_due && i < CROSSING_COUNT; i++) {
        const struct crossing *each = &crossings[i];
        if ((!each->grows || each->grown > 0) && (!each->shrinks || each->shrunk > 0))
            continue;
        printf("%s did not make a value %s\n", each->name, each->grows && !each->grown ? "large" : "small");
        complete = false;
    }
    return complete;
}
