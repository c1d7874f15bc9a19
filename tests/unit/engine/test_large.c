/* Large values in files of their own, as clients see them: they come back, commands wait for the bytes that
 * they look at and for no others, damage is told and not served, and a rewrite does not copy them. */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>

#include "resp/request.h"

#define LARGE  ((size_t)100000)
#define MEDIUM ((size_t)60000)

static int setup_large(void **state)
{
    int rc = setup(state);
    struct fixture *fixture = *state;
    if (rc == 0) {
        fixture->value_file_threshold = 64 << 10;
        crash_and_recover(fixture);
    }
    return rc;
}

/* --- saying things with large words ------------------------------------------------------------------- */

/* The words of a line; V1, V2 and so on stand for large values, M1, M2 and so on for such as are not. */
static enum dispatch_result say(struct fixture *fixture, struct client *client, const char *line)
{
    struct buffer *words;
    struct buffer input = {0};
    struct parser_limits limits = {.bulk_max = 512 << 20, .query_max = 1 << 30};
    int count = words_split(slice_of(line), &words);
    request_append_count(&input, count);
    for (int i = 0; i < count; i++) {
        if (words[i].size == 2 && (words[i].data[0] == 'V' || words[i].data[0] == 'M')) {
            size_t size = words[i].data[0] == 'V' ? LARGE : MEDIUM;
            char letter = words[i].data[1];
            buffer_clear(&words[i]);
            memset(buffer_reserve(&words[i], size), letter, size);
            words[i].size = size;
        }
        request_append_argument(&input, buffer_slice(&words[i]));
    }
    words_free(words, count);
    size_t consumed;
    engine_begin_round(fixture->engine);
    parser_run(client->parser, buffer_slice(&input), &limits, &count, &consumed);
    assert_int_equal(count, 1);
    const struct request *request = parser_request(client->parser, 0);
    struct prepared prepared;
    dispatch_prepare(fixture->world, client->session, &request, &prepared, 1);
    enum dispatch_result result = dispatch(fixture->world, client->session, request, &prepared);
    if (result == DISPATCH_WAIT)
        parser_rewind(client->parser);
    buffer_free(&input);
    return result;
}

/* All that may be sent to a client, into heard. */
static void hear(struct fixture *fixture, struct client *client, struct buffer *heard)
{
    struct iovec vectors[64];
    uint64_t size = 0;
    int count = output_vectors(&client->output, sendable(fixture, client), vectors, 64);
    for (int i = 0; i < count; i++) {
        buffer_append(heard, vectors[i].iov_base, vectors[i].iov_len);
        size += vectors[i].iov_len;
    }
    output_sent(&client->output, size);
}

/* Says it until it need not wait. Returns what was answered, but of a large value its letter and size. */
static const char *answer(struct fixture *fixture, const char *line)
{
    static char text[512];
    struct buffer heard = {0};
    for (int tries = 0; say(fixture, &fixture->client, line) == DISPATCH_WAIT; tries++) {
        assert_true(tries < 10);
        commit(fixture);
    }
    commit(fixture);
    hear(fixture, &fixture->client, &heard);
    if (heard.size >= LARGE && heard.data[0] == '$')
        snprintf(text, sizeof(text), "%c %zu %c", heard.data[12], heard.size, heard.data[heard.size - 3]);
    else
        snprintf(text, sizeof(text), "%.*s", (int)heard.size, heard.data);
    buffer_free(&heard);
    return text;
}

/* What answer gives for a value of LARGE bytes of one letter. */
#define IS_LARGE(letter) letter " 100011 " letter

static int count_files(struct fixture *fixture, char name[256])
{
    int count = 0;
    DIR *folder = opendir(fixture->folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strncmp(entry->d_name, "value-", 6) == 0) {
            count++;
            if (name)
                snprintf(name, 256, "%s", entry->d_name);
        }
    closedir(folder);
    return count;
}

static void let_time_pass(struct fixture *fixture)
{
    for (int i = 0; i < 20; i++) {
        fixture->clock.now_us += 200000;
        engine_begin_round(fixture->engine);
        engine_tick(fixture->engine);
        commit(fixture);
    }
}

/* --- tests -------------------------------------------------------------------------------------------- */

/* Shows: every way to set a value whole gives it one file, which COPY and RENAME share, and which goes with
 * the value. */
static void each_value_has_one_file(void **state)
{
    struct fixture *fixture = *state;
    answer(fixture, "set a V1");
    answer(fixture, "setex b 1000 V2");
    answer(fixture, "mset c V3 small x d V4");
    answer(fixture, "getset d V5");
    answer(fixture, "multi");
    answer(fixture, "set e V6");
    answer(fixture, "incr n");
    answer(fixture, "exec");
    answer(fixture, "copy a a2");
    answer(fixture, "rename b b2");
    let_time_pass(fixture);
    assert_int_equal(count_files(fixture, NULL), 5);
    uint64_t digest = state_digest(fixture);
    for (int i = 0; i < 2; i++) {
        crash_and_recover(fixture);
        assert_int_equal(state_digest(fixture), digest);
        assert_int_equal(count_files(fixture, NULL), 5);
    }
    assert_string_equal(answer(fixture, "get a2"), IS_LARGE("1"));
    assert_string_equal(answer(fixture, "get b2"), IS_LARGE("2"));
    assert_string_equal(answer(fixture, "get d"), IS_LARGE("5"));
    answer(fixture, "del a");
    let_time_pass(fixture);
    assert_int_equal(count_files(fixture, NULL), 5);
    answer(fixture, "flushall");
    let_time_pass(fixture);
    assert_int_equal(count_files(fixture, NULL), 0);
}

/* Shows: the same key twice in one MSET holds the last value, also after a restart. */
static void the_last_of_a_pair_counts(void **state)
{
    struct fixture *fixture = *state;
    answer(fixture, "mset k V1 k V2 j V3 k V4");
    crash_and_recover(fixture);
    assert_string_equal(answer(fixture, "get k"), IS_LARGE("4"));
    assert_string_equal(answer(fixture, "get j"), IS_LARGE("3"));
}

/* Shows: a large value that the same MSET replaces takes no room in the log, where none was made for it. */
static void what_mset_replaces_itself_is_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct journal_stats before;
    struct journal_stats after;
    commit(fixture);
    journal_stats_read(engine_world(fixture->engine)->journal, &before);
    answer(fixture, "mset k V1 j V2 k small");
    commit(fixture);
    journal_stats_read(engine_world(fixture->engine)->journal, &after);
    assert_true(after.bytes - before.bytes < 2 * LARGE);
    crash_and_recover(fixture);
    assert_string_equal(answer(fixture, "get k"), "$5\r\nsmall\r\n");
    assert_string_equal(answer(fixture, "get j"), IS_LARGE("2"));
}

/* Shows: what changes a value in part keeps its file until a rewrite, which writes the result into another;
 * unchanged values are not written again. */
static void partial_changes_keep_the_file(void **state)
{
    static const char *const changes[] = {"append a x", "setrange a 5 y", "setbit a 7 0",
                                          "bitfield a set u8 0 65", "bitop not a a"};
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct fixture *fixture = *state;
        struct engine_stats stats;
        answer(fixture, "flushall");
        answer(fixture, "set a V1");
        answer(fixture, "set b V2");
        answer(fixture, changes[i]);
        answer(fixture, "set c V3");
        let_time_pass(fixture);
        assert_int_equal(count_files(fixture, NULL), 3);
        uint64_t digest = state_digest(fixture);
        crash_and_recover(fixture);
        assert_int_equal(state_digest(fixture), digest);
        assert_null(engine_rewrite(fixture->engine));
        finish_rewrite(fixture);
        let_time_pass(fixture);
        engine_stats_read(fixture->engine, &stats);
        assert_int_equal(stats.rewrites, 1);
        assert_true(stats.log_bytes < 2000);
        assert_int_equal(count_files(fixture, NULL), 3);
        crash_and_recover(fixture);
        assert_int_equal(state_digest(fixture), digest);
    }
}

/* Shows: a value may become large by a command that changes it in part, and go on being changed, before a
 * rewrite and while its child runs, whether that comes to something or not; it comes back each time. */
static void values_grow_large(void **state)
{
    static const char *const grow[] = {"append a M2", "setrange a 70000 y", "setbit a 600000 1",
                                       "bitfield a set u8 600000 65", "bitop or a a b"};
    static const char *const change[] = {"append a x", "setrange a 5 z", "setbit a 7 0",
                                         "bitfield a set u8 0 66", "bitop not a a"};
    for (size_t i = 0; i < sizeof(grow) / sizeof(grow[0]) * sizeof(change) / sizeof(change[0]); i++) {
        struct fixture *fixture = *state;
        const char *growing = grow[i / (sizeof(change) / sizeof(change[0]))];
        const char *changing = change[i % (sizeof(change) / sizeof(change[0]))];
        answer(fixture, "flushall");
        answer(fixture, "set a M1");
        answer(fixture, "set b V2");
        answer(fixture, growing);
        answer(fixture, changing);
        answer(fixture, "copy a c replace");
        answer(fixture, "append c y");
        answer(fixture, changing);
        assert_null(engine_rewrite(fixture->engine));
        answer(fixture, changing);
        fixture->host.ok = fixture->host.ok && i % 2 == 0;
        finish_rewrite(fixture);
        answer(fixture, changing);
        let_time_pass(fixture);
        uint64_t digest = state_digest(fixture);
        for (int again = 0; again < 2; again++) {
            crash_and_recover(fixture);
            assert_int_equal(state_digest(fixture), digest);
            assert_null(engine_rewrite(fixture->engine));
            finish_rewrite(fixture);
            let_time_pass(fixture);
            assert_int_equal(count_files(fixture, NULL), 3);
        }
    }
}

/* Shows: a value that a command takes apart from its file, without changing a byte and so without a word in
 * the log, can still be recovered: the base names the file, and its LSN is the very one at which that
 * happened. */
static void a_change_of_nothing_keeps_the_file(void **state)
{
    struct fixture *fixture = *state;
    answer(fixture, "set a V1");
    assert_null(engine_rewrite(fixture->engine));
    finish_rewrite(fixture);
    let_time_pass(fixture);
    uint64_t digest = state_digest(fixture);
    assert_string_equal(answer(fixture, "bitfield a overflow fail incrby u1 7 1"), "*1\r\n$-1\r\n");
    let_time_pass(fixture);
    crash_and_recover(fixture);
    assert_int_equal(state_digest(fixture), digest);
    assert_string_equal(answer(fixture, "get a"), IS_LARGE("1"));
    /* What is written next replaces it, and then the file goes. */
    answer(fixture, "set a V2");
    let_time_pass(fixture);
    assert_int_equal(count_files(fixture, NULL), 1);
}

/* Shows: a command that looks at a value's bytes waits for them; others, of it and of other keys, do not. */
static void commands_wait_for_what_they_look_at(void **state)
{
    static const struct {
        const char *line;
        bool waits;
    } rows[] = {{"get a", true},          {"getrange a 0 1", true},     {"append a x", true},
                {"set a x get", true},    {"getdel a", true},           {"dump a", true},
                {"strlen a", false},      {"exists a", false},          {"type a", false},
                {"ttl a", false},         {"expire a 100", false},      {"copy a z", false},
                {"rename a z", false},    {"set a x", false},           {"del a", false},
                {"get b", false},         {"object encoding a", false}, {"mget b a", true},
                {"set a x ex 10", false}, {"bitcount a", true},         {"move a 1", false}};
    struct fixture *fixture = *state;
    answer(fixture, "set a V1");
    answer(fixture, "set b small");
    fixture->value_load = VALUE_LOAD_FIRST_USE;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        crash_and_recover(fixture);
        answer(fixture, "restore_nothing");
        bool waits = say(fixture, &fixture->client, rows[i].line) == DISPATCH_WAIT;
        if (waits != rows[i].waits)
            fail_msg("%s %s", rows[i].line, waits ? "waits" : "does not wait");
        if (waits)
            assert_int_equal(say(fixture, &fixture->other, "get b"), DISPATCH_DONE);
        assert_int_not_equal(*answer(fixture, rows[i].line), '\0');
        answer(fixture, "flushall");
        answer(fixture, "set a V1");
        answer(fixture, "set b small");
    }
}

/* Shows: EXEC waits for all that its commands name, also where one renames what another reads. */
static void a_transaction_waits_for_all_keys(void **state)
{
    struct fixture *fixture = *state;
    answer(fixture, "set a V1");
    answer(fixture, "set b V2");
    fixture->value_load = VALUE_LOAD_FIRST_USE;
    crash_and_recover(fixture);
    answer(fixture, "multi");
    answer(fixture, "rename a c");
    answer(fixture, "append c x");
    answer(fixture, "swapdb 0 1");
    answer(fixture, "strlen b");
    assert_int_equal(say(fixture, &fixture->client, "exec"), DISPATCH_WAIT);
    assert_string_equal(answer(fixture, "exec"), "*4\r\n+OK\r\n:100001\r\n+OK\r\n:0\r\n");
    uint64_t digest = 0;
    answer(fixture, "select 1");
    assert_string_equal(answer(fixture, "get b"), IS_LARGE("2"));
    digest = state_digest(fixture);
    fixture->value_load = VALUE_LOAD_START;
    crash_and_recover(fixture);
    assert_int_equal(state_digest(fixture), digest);
}

/* Shows: a value whose file was damaged is an error for whoever looks at it, and no more. */
static void damage_is_told_and_not_served(void **state)
{
    struct fixture *fixture = *state;
    char name[256];
    char path[512];
    answer(fixture, "set a V1");
    assert_int_equal(count_files(fixture, name), 1);
    snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
    int file = open(path, O_WRONLY);
    assert_int_equal(pwrite(file, "!", 1, 50000), 1);
    close(file);
    fixture->value_load = VALUE_LOAD_FIRST_USE;
    for (int i = 0; i < 2; i++) {
        crash_and_recover(fixture);
        const char *told = answer(fixture, i ? "append a x" : "get a");
        assert_non_null(strstr(told, "-ERR a value cannot be loaded"));
        assert_non_null(strstr(told, name));
        assert_string_equal(answer(fixture, "strlen a"), ":100000\r\n");
        assert_non_null(strstr(answer(fixture, "get a"), "-ERR a value cannot be loaded"));
    }
    assert_string_equal(answer(fixture, "set a V2"), "+OK\r\n");
    assert_string_equal(answer(fixture, "get a"), IS_LARGE("2"));
    let_time_pass(fixture);
    assert_int_equal(count_files(fixture, NULL), 1);
}

/* Shows: the live log is not loaded while it refers to a value whose file is gone with the value. */
static void a_log_that_refers_to_values_is_not_reloaded(void **state)
{
    struct fixture *fixture = *state;
    answer(fixture, "set a V1");
    assert_non_null(engine_reload(fixture->engine));
    answer(fixture, "set a small");
    let_time_pass(fixture);
    assert_int_equal(count_files(fixture, NULL), 0);
    const char *refused = engine_reload(fixture->engine);
    assert_non_null(refused);
    assert_non_null(strstr(refused, "ERR large values"));
    assert_string_equal(answer(fixture, "get a"), "$5\r\nsmall\r\n");
    assert_null(engine_rewrite(fixture->engine));
    finish_rewrite(fixture);
    assert_null(engine_reload(fixture->engine));
    assert_string_equal(answer(fixture, "get a"), "$5\r\nsmall\r\n");
}

/* Shows: a large value of a field stays in the log, and in the base after a rewrite. */
static void values_of_fields_have_no_files(void **state)
{
    struct fixture *fixture = *state;
    assert_string_equal(answer(fixture, "hset h f V1"), ":1\r\n");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(count_files(fixture, NULL), 0);
        crash_and_recover(fixture);
        assert_string_equal(answer(fixture, "hget h f"), IS_LARGE("1"));
        assert_null(engine_rewrite(fixture->engine));
        finish_rewrite(fixture);
    }
}

/* How much of what was flushed the thread has to free yet, or has freed. */
static uint64_t handed_to_thread(struct fixture *fixture, bool freed)
{
    struct engine_stats stats;
    engine_stats_read(fixture->engine, &stats);
    return freed ? stats.lazyfreed : stats.lazyfree_pending;
}

/* Shows: recovery frees what is flushed before it looks which files are in use. Beside it a file could seem
 * to be in use that is gone, since the flush is durable. */
static void a_recovered_flush_needs_no_file(void **state)
{
    struct fixture *fixture = *state;
    fixture->background_free = true;
    crash_and_recover(fixture);
    answer(fixture, "set a V1");
    assert_null(engine_rewrite(fixture->engine));
    finish_rewrite(fixture);
    assert_string_equal(answer(fixture, "flushall"), "+OK\r\n");
    while (handed_to_thread(fixture, false) > 0)
        sched_yield();
    assert_int_equal(handed_to_thread(fixture, true), 1);
    let_time_pass(fixture);
    assert_int_equal(count_files(fixture, NULL), 0);
    crash_and_recover(fixture);
    assert_int_equal(handed_to_thread(fixture, false) + handed_to_thread(fixture, true), 0);
    assert_string_equal(answer(fixture, "get a"), "$-1\r\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_large, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_value_has_one_file),
        TEST(the_last_of_a_pair_counts),
        TEST(what_mset_replaces_itself_is_left_out),
        TEST(partial_changes_keep_the_file),
        TEST(values_grow_large),
        TEST(a_change_of_nothing_keeps_the_file),
        TEST(commands_wait_for_what_they_look_at),
        TEST(a_transaction_waits_for_all_keys),
        TEST(damage_is_told_and_not_served),
        TEST(a_log_that_refers_to_values_is_not_reloaded),
        TEST(values_of_fields_have_no_files),
        TEST(a_recovered_flush_needs_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
