/* Clients that wait for keys, by commands of the test's own, as there are none of the server's yet:
 *
 *     give KEY FIELD ...           adds fields to a hash
 *     pop KEY ... TIMEOUT          waits for the first hash that is there and takes a field
 *     hand FROM TO TIMEOUT         the same, and gives it to another hash
 *     gone KEY TIMEOUT             waits until a hash is no more
 *     event, event!                wait for an event; the second one writes, as far as its flags say */
#include "stage.h"

#include "command/args.h"
#include "command/effect.h"
#include "command/lookup.h"
#include "store/value_hash.h"

static void give(struct call *call, struct slice key, struct slice field)
{
    uint64_t hash = store_hash(call->world->store, key);
    struct entry *entry = lookup_write(call, key, hash);
    database_hash_set(call->db, key, hash, entry, field, SLICE_LITERAL("1"), FIELD_NEVER, 0);
    call_changed(call, key, hash);
}

static void give_command(struct call *call)
{
    for (int i = 2; i < call->argc; i++)
        give(call, call->argv[1], call->argv[i]);
    reply_int(call->reply, call->argc - 2);
}

/* Takes a field into text. False: the key is not a hash. */
static bool take(struct call *call, struct slice key, char text[64])
{
    uint64_t hash = store_hash(call->world->store, key);
    struct entry *entry = lookup_write(call, key, hash);
    if (!entry || entry_type(entry) != VALUE_HASH)
        return false;
    struct hash_field field;
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    assert_true(entry_hash_iterate(&iterator, &field));
    size_t size = (size_t)snprintf(text, 64, "%.*s", (int)field.name.size, field.name.data);
    entry = database_hash_delete(call->db, entry, slice_make(text, size)).entry;
    if (entry_hash_size(entry) == 0)
        database_delete(call->db, key, hash);
    call_changed(call, key, hash);
    return true;
}

/* Whether the command has to wait; if it may not, its time is up. */
static bool has_to_wait(struct call *call, int64_t *deadline_ms)
{
    assert_true(call_deadline(call, call->argc - 1, deadline_ms));
    if (slice_is(call->argv[call->argc - 1], "0"))
        *deadline_ms = 0;
    if (call->origin->may_block && call->resumed != RESUME_TIMEOUT)
        return true;
    reply_null(call->reply);
    return false;
}

static void pop_command(struct call *call)
{
    char text[64];
    int64_t deadline_ms;
    int keys[8];
    for (int i = 1; i < call->argc - 1; i++) {
        keys[i - 1] = i;
        if (take(call, call->argv[i], text)) {
            reply_bulk_text(call->reply, text);
            return;
        }
    }
    if (has_to_wait(call, &deadline_ms))
        call_block_on_keys(call, keys, call->argc - 2, VALUE_HASH, false, deadline_ms);
}

static void hand_command(struct call *call)
{
    char text[64];
    int64_t deadline_ms;
    if (take(call, call->argv[1], text)) {
        give(call, call->argv[2], slice_of(text));
        reply_bulk_text(call->reply, text);
    } else if (has_to_wait(call, &deadline_ms)) {
        call_block_on_keys(call, (const int[]){1}, 1, VALUE_HASH, false, deadline_ms);
    }
}

static void gone_command(struct call *call)
{
    int64_t deadline_ms;
    if (!lookup_peek(call, call->argv[1], call_hash(call, 1)))
        reply_ok(call->reply);
    else if (has_to_wait(call, &deadline_ms))
        call_block_on_keys(call, (const int[]){1}, 1, VALUE_HASH, true, deadline_ms);
}

static void event_command(struct call *call)
{
    if (call->resumed == RESUME_NOT)
        call_block_on_event(call);
    else
        reply_ok(call->reply);
}

static const struct command commands[] = {
    {.name = "event", .arity = 1, .function = event_command},
    {.name = "event!", .arity = 1, .flags = CMD_WRITE, .function = event_command},
    {.name = "give", .arity = -3, .flags = CMD_WRITE, .keys = {KEY_AT(1, KEY_RW)}, .function = give_command},
    {.name = "pop", .arity = -3, .flags = CMD_WRITE, .keys = {KEY_AT(1, KEY_RW)}, .function = pop_command},
    {.name = "hand", .arity = 4, .flags = CMD_WRITE, .keys = {KEY_AT(1, KEY_RW)}, .function = hand_command},
    {.name = "gone",
     .arity = 3,
     .flags = CMD_READONLY,
     .keys = {KEY_AT(1, KEY_RO)},
     .function = gone_command},
};

static void play(const struct scene *scenes, size_t count)
{
    struct stage stage;
    stage_begin(&stage);
    command_table_add(stage.dialog.world->commands, commands, sizeof(commands) / sizeof(commands[0]));
    stage_play_on(&stage, scenes, count);
    stage_end(&stage);
}
#define PLAY_SCENES(scenes) play(scenes, sizeof(scenes) / sizeof((scenes)[0]))

/* Shows: those who came first are served first, one push wakes one, and what was there is taken at once. */
static void test_order(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 pop k 0", {NULL}},
        {"1 pop k 0", {NULL}},
        {"2 pop k 0", {NULL}},
        {"3 give k a", {"$1\r\na\r\n", NULL, NULL, ":1\r\n"}},
        {"3 give k b c d", {NULL, "$1\r\nb\r\n", "$1\r\nc\r\n", ":3\r\n"}},
        {"0 pop k 0", {"$1\r\nd\r\n"}},
        {"3 exists k", {NULL, NULL, NULL, ":0\r\n"}},
        /* Who waits for several keys is served by the first that comes, and leaves the other lines. */
        {"0 pop a b a 0", {NULL}},
        {"1 pop b 0", {NULL}},
        {"3 give b x", {"$1\r\nx\r\n", NULL, NULL, ":1\r\n"}},
        {"3 give a y", {NULL, NULL, NULL, ":1\r\n"}},
        {"3 give b z", {NULL, "$1\r\nz\r\n", NULL, ":1\r\n"}},
    };
    PLAY_SCENES(scenes);
}

/* Shows: whatever makes the key wakes; what is no hash does not. */
static void test_what_wakes(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 pop k 0", {NULL}},
        {"3 set k string", {NULL, NULL, NULL, "+OK\r\n"}},
        {"3 del k", {NULL, NULL, NULL, ":1\r\n"}},
        {"3 give other a", {NULL, NULL, NULL, ":1\r\n"}},
        {"3 rename other k", {"$1\r\na\r\n", NULL, NULL, "+OK\r\n"}},
        {"0 pop k 0", {NULL}},
        {"3 give other b", {NULL, NULL, NULL, ":1\r\n"}},
        {"3 copy other k", {"$1\r\nb\r\n", NULL, NULL, ":1\r\n"}},
        {"0 select 1", {"+OK\r\n"}},
        {"0 pop other 0", {NULL}},
        {"3 move other 1", {"$1\r\nb\r\n", NULL, NULL, ":1\r\n"}},
        {"0 pop k 0", {NULL}},
        {"3 give k c", {NULL, NULL, NULL, ":1\r\n"}},
        {"3 swapdb 0 1", {"$1\r\nc\r\n", NULL, NULL, "+OK\r\n"}},
        {"0 pop k 0", {NULL}},
        {"3 select 1", {NULL, NULL, NULL, "+OK\r\n"}},
        {"3 multi", {NULL, NULL, NULL, "+OK\r\n"}},
        {"3 give k d", {NULL, NULL, NULL, "+QUEUED\r\n"}},
        {"3 pop k 0", {NULL, NULL, NULL, "+QUEUED\r\n"}},
        {"3 pop k 0", {NULL, NULL, NULL, "+QUEUED\r\n"}},
        /* A transaction does not wait, and what it took itself wakes nobody. */
        {"3 exec", {NULL, NULL, NULL, "*3\r\n:1\r\n$1\r\nd\r\n$-1\r\n"}},
        {"3 multi", {NULL, NULL, NULL, "+OK\r\n"}},
        {"3 give k e", {NULL, NULL, NULL, "+QUEUED\r\n"}},
        {"3 ping", {NULL, NULL, NULL, "+QUEUED\r\n"}},
        {"3 exec", {"$1\r\ne\r\n", NULL, NULL, "*2\r\n:1\r\n+PONG\r\n"}},
    };
    PLAY_SCENES(scenes);
}

/* Shows: what one who waited writes wakes the next, in one go. */
static void test_chains(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 hand a b 0", {NULL}},
        {"1 hand b c 0", {NULL}},
        {"2 pop c 0", {NULL}},
        {"3 give a x", {"$1\r\nx\r\n", "$1\r\nx\r\n", "$1\r\nx\r\n", ":1\r\n"}},
        {"3 dbsize", {NULL, NULL, NULL, ":0\r\n"}},
        {"0 hand a a 0", {NULL}},
        {"1 hand a a 0", {NULL}},
        {"3 give a x", {"$1\r\nx\r\n", "$1\r\nx\r\n", NULL, ":1\r\n"}},
        {"3 dbsize", {NULL, NULL, NULL, ":1\r\n"}},
    };
    PLAY_SCENES(scenes);
}

/* Shows: who waits for a key to go is told when it does, by whatever way; the others are not bothered. */
static void test_gone(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"3 give k a", {NULL, NULL, NULL, ":1\r\n"}},
        {"0 gone k 0", {NULL}},
        {"3 give k b", {NULL, NULL, NULL, ":1\r\n"}},
        {"3 del k", {"+OK\r\n", NULL, NULL, ":1\r\n"}},
        {"3 give k a", {NULL, NULL, NULL, ":1\r\n"}},
        {"0 gone k 0", {NULL}},
        {"3 flushall", {"+OK\r\n", NULL, NULL, "+OK\r\n"}},
        {"3 give k a", {NULL, NULL, NULL, ":1\r\n"}},
        {"0 gone k 0", {NULL}},
        {"1 pop k2 0", {NULL}},
        {"3 pop k 0", {"+OK\r\n", NULL, NULL, "$1\r\na\r\n"}},
    };
    PLAY_SCENES(scenes);
}

/* Shows: deadlines end waits in their order, each in a round; who is answered has left every line. */
static void test_deadlines(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 pop k 200", {NULL}},
        {"1 pop k 100", {NULL}},
        {"2 pop k 0", {NULL}},
        {"@+50", {NULL}},
        {"@round", {NULL}},
        {"@+50", {NULL}},
        {"@round", {NULL, "$-1\r\n"}},
        {"@+99", {NULL}},
        {"@round", {NULL}},
        {"@+1", {NULL}},
        {"@round", {"$-1\r\n"}},
        {"@+100000000", {NULL}},
        {"@round", {NULL}},
        {"3 give k a", {NULL, NULL, "$1\r\na\r\n", ":1\r\n"}},
    };
    PLAY_SCENES(scenes);
}

/* Shows: sessions that go leave the line, and CLIENT REPLY keeps what it said. */
static void test_leaving(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        {"0 pop k 0", {NULL}},   {"1 pop k 0", {NULL}},
        {"0 @gone", {NULL}},     {"3 give k a", {NULL, "$1\r\na\r\n", NULL, ":1\r\n"}},
        {"0 pop k 100", {NULL}}, {"0 @gone", {NULL}},
        {"@+100", {NULL}},       {"@round", {NULL}},
    };
    PLAY_SCENES(scenes);
}

/* Shows: an answer that nobody wants is not given, and later ones are. */
static void test_silent(void **state)
{
    (void)state;
    for (int mode = REPLY_ON; mode <= REPLY_SKIP; mode++) {
        struct stage stage;
        stage_begin(&stage);
        command_table_add(stage.dialog.world->commands, commands, sizeof(commands) / sizeof(commands[0]));
        stage.actors[0].session->reply_mode = (enum reply_mode)mode;
        stage_say(&stage, 0, "pop k 0");
        if (mode == REPLY_SKIP_NEXT)
            assert_int_equal(stage.actors[0].session->reply_mode, REPLY_SKIP);
        stage_say(&stage, 3, "give k a");
        bool is_heard = mode == REPLY_ON || mode == REPLY_SKIP_NEXT;
        assert_string_equal(stage_heard(&stage, 0), is_heard ? "$1\r\na\r\n" : "");
        stage_end(&stage);
    }
}

/* Shows: CLIENT PAUSE holds waiters back, and none is forgotten when it ends. */
static void test_pause(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    struct world *world = stage.dialog.world;
    command_table_add(world->commands, commands, sizeof(commands) / sizeof(commands[0]));
    stage_say(&stage, 0, "pop k 0");
    stage_say(&stage, 3, "give k2 a");
    world->pause = PAUSE_ALL;
    block_note_key(world, 0, slice_of("k"), store_hash(world->store, slice_of("k")));
    block_round(world);
    world->pause = PAUSE_NONE;
    stage_say(&stage, 3, "rename k2 k");
    assert_string_equal(stage_heard(&stage, 0), "$1\r\na\r\n");
    stage_end(&stage);
}

/* Shows: an event that comes while clients are paused is told of at once to who waited for it already, and is
 * not lost on one who writes. */
static void test_event(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    struct world *world = stage.dialog.world;
    command_table_add(world->commands, commands, sizeof(commands) / sizeof(commands[0]));
    stage_say(&stage, 0, "event!");
    stage_say(&stage, 1, "event");
    stage_say(&stage, 2, "event!");
    block_round(world);
    stage_leave(&stage, 2);
    stage.actors[2] = (struct actor){0};
    stage_enter(&stage, 2);
    world->pause = PAUSE_ALL;
    block_wake_events(world);
    stage_say(&stage, 2, "event!");
    block_round(world);
    assert_string_equal(stage_heard(&stage, 1), "+OK\r\n");
    assert_string_equal(stage_heard(&stage, 0), "");
    world->pause = PAUSE_NONE;
    stage_say(&stage, 2, "event!"); /* comes too late */
    block_round(world);
    assert_string_equal(stage_heard(&stage, 0), "+OK\r\n");
    assert_string_equal(stage_heard(&stage, 2), "");
    block_wake_events(world);
    assert_string_equal(stage_heard(&stage, 2), "+OK\r\n");
    stage_end(&stage);
}

/* Shows: CLIENT UNBLOCK's two ways. */
static void test_break(void **state)
{
    (void)state;
    struct stage stage;
    stage_begin(&stage);
    struct world *world = stage.dialog.world;
    command_table_add(world->commands, commands, sizeof(commands) / sizeof(commands[0]));
    assert_false(block_break(stage.actors[0].session, false));
    for (int error = 0; error < 2; error++) {
        stage_say(&stage, 0, "pop k 0");
        assert_true(block_break(stage.actors[0].session, error));
        assert_string_equal(stage_heard(&stage, 0), "");
        assert_true(block_next_deadline_ms(world) == 0);
        block_round(world);
        assert_string_equal(stage_heard(&stage, 0),
                            error ? "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n" : "$-1\r\n");
        assert_false(stage.actors[0].session->blocked);
    }
    stage_end(&stage);
}

/* Shows: a hundred thousand who wait are not walked along for one push. Counted, not timed: each look at a
 * waiter that cannot be served would run its command. */
static void test_many(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    static struct output outputs[MANY];
    static struct session *sessions[MANY];
    struct stage stage;
    stage_begin(&stage);
    struct world *world = stage.dialog.world;
    command_table_add(world->commands, commands, sizeof(commands) / sizeof(commands[0]));
    const struct slice argv[] = {slice_of("pop"), slice_of("k"), slice_of("0")};
    const struct request request = {.argc = 3, .argv = argv};
    const struct request *requests[] = {&request};
    for (int i = 0; i < MANY; i++) {
        struct prepared prepared;
        sessions[i] = session_new(world, &outputs[i], NULL);
        dispatch_prepare(world, sessions[i], requests, &prepared, 1);
        assert_int_equal(dispatch(world, sessions[i], &request, &prepared), DISPATCH_BLOCKED);
    }
    assert_int_equal(world->blocked_count, MANY);
    for (int i = 0; i < 1000; i++) {
        uint64_t before = world->stats.commands;
        stage_say(&stage, 3, "give k a");
        assert_int_equal(world->stats.commands - before, 2);
        assert_false(sessions[i]->blocked);
        assert_true(sessions[i + 1]->blocked);
    }
    for (int i = 0; i < MANY; i++) {
        session_free(sessions[i]);
        output_free(&outputs[i]);
    }
    assert_int_equal(world->blocked_count, 0);
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),  cmocka_unit_test(test_what_wakes), cmocka_unit_test(test_chains),
        cmocka_unit_test(test_gone),   cmocka_unit_test(test_deadlines),  cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_silent), cmocka_unit_test(test_pause),      cmocka_unit_test(test_event),
        cmocka_unit_test(test_break),  cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
