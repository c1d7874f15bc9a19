#include "command/large.h"

/* The blob of an entry of any type; NULL where it has none. */
static struct blob *entry_blob_of(const struct entry *entry)
{
    return entry_type(entry) == VALUE_STRING ? entry_blob(entry) : NULL;
}

struct blob *large_blob(const struct world *world, const struct entry *entry)
{
    uint64_t threshold = world->settings.value_file_threshold;
    struct blob *blob = entry_blob_of(entry);
    return blob && threshold > 0 && blob->size >= threshold && world->value_journal ? blob : NULL;
}

void large_changed(struct world *world, const struct entry *entry)
{
    struct blob *blob = large_blob(world, entry);
    if (blob && !blob->origin)
        journal_value_plan(world->value_journal, blob);
}

/* --- what a command looks at --------------------------------------------------------------------------- */

/* Whether the bytes of a key are looked at, by its place in the command. */
static bool key_is_looked_at(unsigned flags)
{
    if (flags & (KEY_OW | KEY_RM | KEY_RO))
        return flags & KEY_ACCESS;
    return true;
}

struct look_test {
    const struct command *command;
    int argc;
    const struct slice *argv;
    bool looks;
};

static void look_test_visit(void *context, int index, unsigned key_flags)
{
    (void)index;
    struct look_test *test = context;
    test->looks |=
        key_is_looked_at(command_key_flags_as_called(test->command, test->argc, test->argv, key_flags));
}

/* Whether a command looks at the bytes of values at all. */
static bool command_looks(const struct command *command, int argc, const struct slice *argv)
{
    if (!command_has_keys(command) || command->traits & TRAIT_KEEPS_VALUES)
        return false;
    struct look_test test = {command, argc, argv, false};
    command_each_key(command, argc, argv, look_test_visit, &test);
    return test.looks;
}

struct look {
    struct world *world;
    struct database *db;
    const struct command *command;
    int argc;
    const struct slice *argv;
    void (*visit)(struct look *look, struct blob *blob);
    int index;
    bool waits;
    const char *wrong;
};

static void look_in(struct look *look, struct database *db, struct slice key)
{
    struct entry *entry = database_find(db, key, store_hash(look->world->store, key));
    struct blob *blob = entry ? entry_blob_of(entry) : NULL;
    if (blob && blob->origin)
        look->visit(look, blob);
}

static void look_visit(void *context, int index, unsigned key_flags)
{
    struct look *look = context;
    look->index = index;
    if (key_is_looked_at(command_key_flags_as_called(look->command, look->argc, look->argv, key_flags)))
        look_in(look, look->db, look->argv[index]);
}

/* --- running -------------------------------------------------------------------------------------------- */

/* A key whose value lies in a file, before the command changes it. */
struct looked_at {
    struct blob_origin *origin;
    int index; /* of the argument that names it */
};

/* Mostly they are there by now (large_is_ready). */
static void prepare_blob(struct look *look, struct blob *blob)
{
    struct world *world = look->world;
    struct looked_at looked_at = {blob->origin, look->index};
    if (!blob_is_loaded(blob) && !look->wrong)
        look->wrong = journal_value_load(world->value_journal, blob);
    buffer_append(&world->looked_at, &looked_at, sizeof(looked_at));
}

/* Out of line, as is what large_finish does: hardly any command comes here, and all of them would save
 * registers for it. */
static __attribute__((noinline)) const char *look_at_values(struct call *call)
{
    struct world *world = call->world;
    const struct command *command = call->command->row;
    if (!command_looks(command, call->argc, call->argv))
        return NULL;
    struct look look = {.world = world,
                        .db = call->db,
                        .command = command,
                        .argc = call->argc,
                        .argv = call->argv,
                        .visit = prepare_blob};
    command_each_key(command, call->argc, call->argv, look_visit, &look);
    return look.wrong;
}

const char *large_prepare(struct call *call)
{
    struct world *world = call->world;
    bool may_write = call->command->row->flags & (CMD_WRITE | CMD_MAY_REPLICATE);
    buffer_clear(&world->looked_at);
    if (!world->value_journal ||
        !(may_write ? journal_has_values(world->value_journal) : world->has_unloaded))
        return NULL;
    return look_at_values(call);
}

static struct looked_at looked_at_next(const struct world *world, size_t at)
{
    struct looked_at looked_at;
    memcpy(&looked_at, world->looked_at.data + at, sizeof(looked_at));
    return looked_at;
}

void large_note_effect(struct world *world, const struct command *command, int argc, const struct slice *argv)
{
    if (world->looked_at.size == 0 || !command_looks(command, argc, argv))
        return;
    for (size_t at = 0; at < world->looked_at.size; at += sizeof(struct looked_at))
        journal_value_used(world->value_journal, looked_at_next(world, at).origin);
}

/* A command may take a value apart from its file without changing a byte of it, and say nothing; the log
 * still sets the key from that file. Where it said something that replaces the value, that does no harm. */
static __attribute__((noinline)) void finish_values(struct call *call)
{
    struct world *world = call->world;
    for (size_t at = 0; at < world->looked_at.size; at += sizeof(struct looked_at)) {
        struct looked_at looked_at = looked_at_next(world, at);
        struct slice key = call->argv[looked_at.index];
        struct entry *entry = database_find(call->db, key, store_hash(world->store, key));
        struct blob *blob = entry ? entry_blob_of(entry) : NULL;
        if (!blob || blob->origin == looked_at.origin)
            continue;
        if (!blob->origin)
            journal_value_used(world->value_journal, looked_at.origin);
        large_changed(world, entry);
    }
    buffer_clear(&world->looked_at);
}

void large_finish(struct call *call)
{
    if (call->world->looked_at.size > 0)
        finish_values(call);
}

/* --- waiting -------------------------------------------------------------------------------------------- */

static void request_blob_bytes(struct look *look, struct blob *blob)
{
    if (!blob_is_loaded(blob) && !journal_value_request(look->world->value_journal, blob))
        look->waits = true;
}

/* What a key is called, and which database is selected, may change within a transaction, so every key that it
 * names is looked for in all of them. */
static void look_everywhere(void *context, int index, unsigned key_flags)
{
    struct look *look = context;
    (void)key_flags;
    for (int i = 0; i < store_database_count(look->world->store); i++)
        look_in(look, store_database(look->world->store, i), look->argv[index]);
}

static void look_at_queue(struct look *look, const struct session *session)
{
    for (size_t i = 0; i < session->queue_size; i++) {
        const struct queued_command *queued = &session->queue[i];
        const struct command *command = queued->entry->row;
        look->argv = queued->argv;
        if (command_has_keys(command))
            command_each_key(command, queued->argc, queued->argv, look_everywhere, look);
    }
}

bool large_is_ready(struct world *world, struct session *session, const struct command_entry *entry,
                    const struct request *request)
{
    const struct command *command = entry->row;
    struct look look = {.world = world,
                        .db = store_database(world->store, session->database),
                        .command = command,
                        .argc = request->argc,
                        .argv = request->argv,
                        .visit = request_blob_bytes};
    if (command_looks(command, request->argc, request->argv))
        command_each_key(command, request->argc, request->argv, look_visit, &look);
    else if (session->in_multi && (command->traits & TRAIT_RUNS_QUEUE))
        look_at_queue(&look, session);
    return !look.waits;
}
