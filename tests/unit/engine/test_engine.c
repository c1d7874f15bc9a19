/* The engine on a real folder without its commit thread: what is executed comes back after a crash, in every
 * way that a command can say it; replies wait for what they tell of; time is the test's. */
#include "command/block.h"
#include "command/observe/latency.h"
#include "engine/private.h"
#include "fixture.h"

/* --- tests
 * ---------------------------------------------------------------------------------------------------- */

/* Shows that each writing command's effect, replayed, gives the state that the command itself gave. */
static void every_effect_replays(void **state)
{
    struct fixture *fixture = *state;
    static const char *const scripts[][8] = {
        {"set a 1", "set a 2 ex 100", "set b x", "set b y keepttl"},
        {"set a 1 px 100000", "set a 2 keepttl", "set a 3 get", "set a 4 xx", "set a 5 nx"},
        {"set a 1", "set a 2 ifeq 1", "set a 3 ifeq 1", "set a 3 ifeq 2 ex 50"},
        {"set a 1", "delifeq a 2", "set b 1", "delifeq b 1"},
        {"setnx a 1", "setnx a 2", "setex b 100 v", "psetex c 100000 v", "getset a 9", "getdel b"},
        {"set a 1 ex 100", "getex a persist", "set b 1", "getex b ex 100", "getex b exat 1"},
        {"mset a 1 b 2", "msetnx a 3 c 4", "msetnx d 3 e 4"},
        {"append a x", "append a y", "setrange a 5 zz", "setrange new 3 q", "append a 1"},
        {"incr a", "incrby a 10", "decr a", "decrby a 3", "incrbyfloat a 0.5", "incrbyfloat a 1e3"},
        {"set a 1", "expire a 100", "pexpire a 5000", "expireat a 1800000000",
         "pexpireat a 1800000000123 gt"},
        {"set a 1 ex 10", "persist a", "set b 1", "expire b -1"},
        {"set a 1 ex 100", "rename a b", "set c 2", "renamenx b c", "renamenx b d"},
        {"set a 1 ex 100", "copy a b", "copy a b db 2", "copy a c replace", "move a 1"},
        {"set a 1", "select 1", "set a 2", "swapdb 0 1", "select 3", "set z 3"},
        {"mset a 1 b 2 c 3", "del a x b", "unlink c"},
        {"set a 1", "select 2", "set b 2", "flushdb", "set c 3"},
        {"set a 1", "select 2", "set b 2", "flushall", "set c 3"},
        {"hset h a 1 b 2", "hmset h a 3", "hsetnx h c 1", "hsetnx h c 2", "hdel h a x", "hdel h b"},
        {"hincrby h a 5", "hincrby h a -7", "hincrbyfloat h b 0.1", "hincrbyfloat h b 1e3", "hset g a 1",
         "hdel g a"},
        {"hset h a 1 b 2 c 3 d 4", "hexpire h 100 fields 1 a", "hpexpire h 5000 nx fields 2 a b",
         "hexpireat h 1800000000 fields 1 c", "hpexpireat h 1800000000123 gt fields 2 a d",
         "hincrbyfloat h a 0.5", "hset h b 1", "hpersist h fields 2 c d"},
        {"hset h a 1 b 2", "hexpire h 0 fields 1 a", "hset g a 1", "hpexpireat g 1 fields 1 a"},
        {"hsetex h ex 100 fields 2 a 1 b 2", "hsetex h keepttl fields 2 a 2 c 1", "hsetex h fnx fields 1 d 1",
         "hsetex h px 0 fields 2 d 1 e 1", "hgetex h persist fields 1 a",
         "hgetex h exat 1800000000 fields 1 c", "hgetex h ex 0 fields 1 c", "hgetdel h fields 2 b zz"},
        {"hsetex h ex 100 fields 1 a 1", "expire h 50", "copy h g", "rename h i", "move i 1", "hset g b 1"},
        {"multi", "set a 1", "select 2", "incr b", "exec"},
        {"multi", "set a 1", "discard", "set b 1"},
        {"watch a", "multi", "set a 1", "get a", "exec"},
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        ask(fixture, "select 0");
        ask(fixture, "flushall");
        for (size_t j = 0; j < 8 && scripts[i][j]; j++)
            ask(fixture, scripts[i][j]);
        uint64_t before = state_digest(fixture);
        crash_and_recover(fixture);
        if (state_digest(fixture) != before)
            fail_msg("another state after the script that begins with: %s", scripts[i][0]);
    }
}

static void random_command(struct fixture *fixture, struct random *random)
{
    static const char *const forms[] = {
        "set k%d %d",
        "set k%d v%d ex 1000",
        "append k%d %d",
        "incrby n%d %d",
        "incrbyfloat n%d %d.5",
        "del k%d k%d",
        "rename k%d k%d",
        "copy k%d k%d replace",
        "expire k%d %d",
        "persist k%d",
        "setrange k%d %d xyz",
        "mset k%d 1 n%d 2",
        "move k%d 1",
        "getdel k%d",
        "getex k%d px 10%d",
        "select %d",
        "swapdb 0 %d",
        "set k%d %d px 20",
        "setnx k%d %d",
        "msetnx k%d 1 z%d 2",
        "hset h1 f%d %d",
        "hset h2 f%d 1 f%d 2",
        "hdel h1 f%d f%d",
        "hincrby h1 f%d %d",
        "hincrbyfloat h2 f%d %d.5",
        "hpexpire h1 30 fields 2 f%d f%d",
        "hpexpire h2 2%d fields 1 f%d",
        "hsetex h1 px 1%d fields 1 f%d 1",
        "hgetex h1 persist fields 2 f%d f%d",
        "hset k%d f%d 1",
        "hgetdel h2 fields 2 f%d f%d",
        "copy h1 k%d replace",
    };
    char line[128];
    size_t form = random_below(random, sizeof(forms) / sizeof(forms[0]));
    int first = (int)random_below(random, 20);
    int second = (int)random_below(random, 20);
    if (strncmp(forms[form], "select", 6) == 0)
        first %= DATABASES;
    if (strncmp(forms[form], "swapdb", 6) == 0)
        first %= DATABASES;
        // NOLINTNEXTLINE: the formats are those above
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(line, sizeof(line), forms[form], first, second);
#pragma GCC diagnostic pop
    send_line(fixture, &fixture->client, line);
}

/* Shows that random histories with expiry, transactions, rewrites and crashes come back as they were. */
static void random_histories_replay(void **state)
{
    struct fixture *fixture = *state;
    struct random random;
    uint64_t seed = (uint64_t)getpid();
    const char *given = getenv("SEED");
    if (given)
        seed = strtoull(given, NULL, 10);
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 200; i++) {
            bool multi = !fixture->client.session->in_multi && random_below(&random, 10) == 0;
            if (multi)
                send_line(fixture, &fixture->client, "multi");
            random_command(fixture, &random);
            if (fixture->client.session->in_multi && random_below(&random, 3) == 0)
                send_line(fixture, &fixture->client, "exec");
            fixture->clock.now_us += (int64_t)random_below(&random, 20000);
            engine_begin_round(fixture->engine);
            engine_tick(fixture->engine);
            if (random_below(&random, 200) == 0)
                engine_rewrite(fixture->engine);
            if (random_below(&random, 4) == 0)
                commit(fixture);
            output_rewind(&fixture->client.output, fixture->client.output.sent);
        }
        commit(fixture);
        uint64_t before = state_digest(fixture);
        crash_and_recover(fixture);
        assert_int_equal(state_digest(fixture), before);
    }
}

/* Shows D2: neither the writer nor a reader of that key, nor one who counts keys, hears of a write before it
 * is durable; a reader of another key does not wait. */
static void replies_wait_for_what_they_tell_of(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "set quiet 1");
    send_line(fixture, &fixture->client, "set a 1");
    assert_int_equal(sendable(fixture, &fixture->client), 0);
    send_line(fixture, &fixture->other, "get quiet");
    assert_string_equal(receive(fixture, &fixture->other), "$1\r\n1\r\n");
    static const char *const telling[] = {"get a",        "exists a",          "dbsize",     "setnx a 2",
                                          "ttl a",        "strlen a",          "keys *",     "scan 0",
                                          "mget quiet a", "object encoding a", "incrby a x", "type a"};
    for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++) {
        send_line(fixture, &fixture->other, telling[i]);
        if (sendable(fixture, &fixture->other) != 0)
            fail_msg("answered before the write was durable: %s", telling[i]);
        commit(fixture);
        assert_true(sendable(fixture, &fixture->other) > 0);
        receive(fixture, &fixture->other);
        receive(fixture, &fixture->client);
        send_line(fixture, &fixture->client, "append a 1");
    }
    commit(fixture);
    receive(fixture, &fixture->client);
    send_line(fixture, &fixture->client, "flushall");
    send_line(fixture, &fixture->other, "get quiet");
    assert_int_equal(sendable(fixture, &fixture->other), 0);
    commit(fixture);
    assert_string_equal(receive(fixture, &fixture->other), "$-1\r\n");
}

/* Shows D2 for a command that reads, and keeps the count that it found: whoever reads the bytes waits. */
static void a_kept_count_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "pfadd h a b c");
    lsn_t before = journal_executed(fixture->world->journal);
    send_line(fixture, &fixture->client, "pfcount h");
    assert_true(journal_executed(fixture->world->journal) > before);
    send_line(fixture, &fixture->other, "get h");
    assert_int_equal(sendable(fixture, &fixture->other), 0);
    commit(fixture);
    assert_true(sendable(fixture, &fixture->other) > 0);
    assert_string_equal(receive(fixture, &fixture->client), ":3\r\n");
    receive(fixture, &fixture->other);
}

/* Shows D2 for messages: none leaves before all that had been executed when its command ended is durable,
 * the writes of its own transaction included; replies keep their place among messages; under the other
 * policies, and with nothing on its way to the disk, messages wait for nothing. */
static void messages_wait_for_what_was_executed(void **state)
{
    struct fixture *fixture = *state;
    struct client *reader = &fixture->other;
    send_line(fixture, reader, "hello 3");
    send_line(fixture, reader, "subscribe ch");
    commit(fixture);
    receive(fixture, reader);
    send_line(fixture, &fixture->client, "publish ch now");
    assert_string_equal(receive(fixture, reader), ">3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$3\r\nnow\r\n");
    send_line(fixture, &fixture->client, "set a 1");
    send_line(fixture, &fixture->client, "publish ch a");
    send_line(fixture, reader, "ping");
    assert_int_equal(sendable(fixture, reader), 0);
    commit(fixture);
    assert_string_equal(receive(fixture, reader), ">3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$1\r\na\r\n+PONG\r\n");
    static const char *const transaction[] = {"multi", "publish ch t", "set a 2", "exec"};
    for (size_t i = 0; i < 4; i++)
        send_line(fixture, &fixture->client, transaction[i]);
    assert_int_equal(sendable(fixture, reader), 0);
    commit(fixture);
    assert_true(strlen(receive(fixture, reader)) > 0);
    journal_set_policy(fixture->world->journal, SYNC_EVERYSEC);
    send_line(fixture, &fixture->client, "set a 3");
    send_line(fixture, &fixture->client, "publish ch e");
    assert_true(strlen(receive(fixture, reader)) > 0);
    commit(fixture);
    receive(fixture, &fixture->client);
}

/* Flips a byte in the middle of the only segment. */
static void harm_log(struct fixture *fixture)
{
    char command[256];
    snprintf(command, sizeof(command),
             "printf '\\377' | dd of=$(ls %s/log-*) bs=1 seek=120 conv=notrunc status=none", fixture->folder);
    assert_int_equal(system(command), 0);
}

/* Shows that a reload makes durable what was executed and comes to the same state, before and after a
 * rewrite; that what follows goes on in the same log; and that it is refused, with everything as it was,
 * within a transaction that has written, and when the log cannot be read. */
static void reload_comes_to_the_same(void **state)
{
    struct fixture *fixture = *state;
    static const char *const lines[] = {"set a 1 px 100000", "select 2", "set b 2", "incr b", "multi",
                                        "set c 3",           "select 1", "set d 4", "exec",   "append d x"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        send_line(fixture, &fixture->client, lines[i]);
    for (int round = 0; round < 2; round++) {
        uint64_t before = state_digest(fixture);
        assert_null(engine_reload(fixture->engine));
        assert_int_equal(state_digest(fixture), before);
        assert_int_equal(journal_durable(fixture->world->journal), journal_executed(fixture->world->journal));
        ask(fixture, "append d y");
        assert_null(engine_rewrite(fixture->engine));
        for (int i = 0; i < 10; i++) {
            engine_begin_round(fixture->engine);
            fixture->clock.now_us += 200000;
            engine_tick(fixture->engine);
            commit(fixture);
        }
    }
    uint64_t before = state_digest(fixture);
    crash_and_recover(fixture);
    assert_int_equal(state_digest(fixture), before);
    fixture->world->unit_open = true;
    assert_non_null(engine_reload(fixture->engine));
    fixture->world->unit_open = false;
    ask(fixture, "set e 0123456789012345678901234567890123456789012345678901234567890123456789");
    before = state_digest(fixture);
    harm_log(fixture);
    assert_non_null(engine_reload(fixture->engine));
    assert_int_equal(state_digest(fixture), before);
}

/* Shows that a write that finds nothing to do is acknowledged no earlier than the write that left it so,
 * under every policy; and that reads wait for nothing where the policy does not ask for the disk. */
static void writes_of_nothing_wait(void **state)
{
    struct fixture *fixture = *state;
    static const enum sync_policy policies[] = {SYNC_ALWAYS, SYNC_EVERYSEC, SYNC_NO};
    static const char *const rows[][2] = {{"flushall", "flushall"},   {"flushall", "flushdb"},
                                          {"flushall", "swapdb 1 1"}, {"del a", "del a"},
                                          {"del a", "getdel a"},      {"set a 2", "setnx a 1"}};
    for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++) {
        journal_set_policy(fixture->world->journal, policies[p]);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            ask(fixture, "set a 1");
            send_line(fixture, &fixture->client, rows[i][0]);
            send_line(fixture, &fixture->other, rows[i][1]);
            if (sendable(fixture, &fixture->other) != 0)
                fail_msg("answered before %s was acknowledged: %s", rows[i][0], rows[i][1]);
            commit(fixture);
            receive(fixture, &fixture->client);
            assert_true(strlen(receive(fixture, &fixture->other)) > 0);
        }
    }
    send_line(fixture, &fixture->client, "set a 1");
    send_line(fixture, &fixture->other, "get a");
    assert_string_equal(receive(fixture, &fixture->other), "$1\r\n1\r\n");
    commit(fixture);
    receive(fixture, &fixture->client);
}

/* Shows that a transaction that fails because of somebody's write does not say so before that write is
 * durable. */
static void a_failed_watch_waits(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "set a 1");
    send_line(fixture, &fixture->other, "watch a");
    send_line(fixture, &fixture->other, "multi");
    receive(fixture, &fixture->other);
    send_line(fixture, &fixture->client, "set a 2");
    send_line(fixture, &fixture->other, "exec");
    assert_int_equal(sendable(fixture, &fixture->other), 0);
    commit(fixture);
    assert_string_equal(receive(fixture, &fixture->other), "*-1\r\n");
}

/* Shows that what was executed and not yet handed over is lost whole in a crash, never half: a transaction is
 * a unit. */
static void a_transaction_is_one_unit(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "mset a 0 b 0");
    send_line(fixture, &fixture->client, "multi");
    send_line(fixture, &fixture->client, "set a 1");
    send_line(fixture, &fixture->client, "set b 1");
    lsn_t before = journal_executed(fixture->world->journal);
    send_line(fixture, &fixture->client, "exec");
    lsn_t after = journal_executed(fixture->world->journal);
    assert_true(after > before);
    crash_and_recover(fixture);
    assert_string_equal(ask(fixture, "mget a b"), "*2\r\n$1\r\n0\r\n$1\r\n0\r\n");
}

/* Shows D9: what has expired is deleted by the tick, by way of the log, and never comes back, though the
 * clock of the next start may say less. */
static void what_expired_stays_expired(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "set a 1 px 50");
    ask(fixture, "set b 1 px 5000");
    fixture->clock.now_us += 200000;
    assert_string_equal(ask(fixture, "get a"), "$-1\r\n");
    engine_begin_round(fixture->engine);
    engine_tick(fixture->engine);
    commit(fixture);
    assert_string_equal(ask(fixture, "dbsize"), ":1\r\n");
    fixture->clock.now_us -= 190000;
    crash_and_recover(fixture);
    assert_string_equal(ask(fixture, "get a"), "$-1\r\n");
    assert_string_equal(ask(fixture, "pttl b"), ":4800\r\n");
    fixture->clock.now_us += 6000000;
    crash_and_recover(fixture);
    assert_string_equal(ask(fixture, "get b"), "$-1\r\n");
}

/* Shows the same of fields of hashes: within a second, and what was shown as gone is on record even while
 * nothing deletes it. */
static void what_expired_of_a_hash_stays_expired(void **state)
{
    struct fixture *fixture = *state;
    struct database *db = store_database(fixture->world->store, 0);
    ask(fixture, "hset h a 1 b 1 c 1");
    ask(fixture, "hset g a 1");
    ask(fixture, "hpexpire h 50 fields 1 a");
    ask(fixture, "hpexpire g 50 fields 1 a");
    ask(fixture, "hpexpire h 5000 fields 1 b");
    fixture->clock.now_us += 40000;
    assert_in_range(engine_tick(fixture->engine), 1, 100000);
    fixture->clock.now_us += 160000;
    assert_string_equal(ask(fixture, "hlen h"), ":2\r\n");
    assert_string_equal(ask(fixture, "exists g"), ":0\r\n");
    fixture->clock.now_us -= 190000;
    crash_and_recover(fixture);
    assert_string_equal(ask(fixture, "hmget h a b"), "*2\r\n$-1\r\n$1\r\n1\r\n");
    assert_string_equal(ask(fixture, "exists g"), ":0\r\n");
    fixture->clock.now_us += 1000000;
    engine_begin_round(fixture->engine);
    engine_tick(fixture->engine);
    db = store_database(fixture->world->store, 0);
    assert_int_equal(database_size(db), 1);
    assert_int_equal(fixture->world->stats.expired_fields, 2);
    commit(fixture);
    fixture->clock.now_us -= 900000;
    crash_and_recover(fixture);
    assert_string_equal(ask(fixture, "hkeys h"), "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    fixture->clock.now_us += 6000000;
    crash_and_recover(fixture);
    assert_string_equal(ask(fixture, "hkeys h"), "*1\r\n$1\r\nc\r\n");
}

/* Shows that a rewrite keeps the state, what is written during it included, and shortens the log. */
static void a_rewrite_keeps_the_state(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 500; i++)
        ask(fixture, "incr counter");
    ask(fixture, "select 2");
    ask(fixture, "set other 1 ex 1000");
    struct engine_stats before;
    engine_stats_read(fixture->engine, &before);
    assert_null(engine_rewrite(fixture->engine));
    assert_non_null(engine_rewrite(fixture->engine));
    ask(fixture, "set during 1");
    finish_rewrite(fixture);
    struct engine_stats after;
    engine_stats_read(fixture->engine, &after);
    assert_int_equal(after.rewrites, 1);
    assert_false(after.rewriting);
    assert_true(after.log_bytes < before.log_bytes / 10);
    ask(fixture, "set behind 1");
    uint64_t digest = state_digest(fixture);
    crash_and_recover(fixture);
    assert_int_equal(state_digest(fixture), digest);
    assert_string_equal(ask(fixture, "get counter"), "$3\r\n500\r\n");
}

/* Shows that how long rewrites take is told, of the last one and of all, failed ones included. */
static void rewrites_are_timed(void **state)
{
    struct fixture *fixture = *state;
    struct engine_stats stats;
    ask(fixture, "set a 1");
    engine_stats_read(fixture->engine, &stats);
    assert_int_equal(stats.last_rewrite_us, -1);
    assert_int_equal(stats.last_rewrite_seconds, -1);
    assert_null(engine_rewrite(fixture->engine));
    fixture->clock.now_us += 1500000;
    finish_rewrite(fixture);
    engine_stats_read(fixture->engine, &stats);
    assert_in_range(stats.last_rewrite_us, 1500000, 1999999);
    assert_int_equal(stats.last_rewrite_seconds, 1);
    assert_int_equal(stats.rewrite_us_total, stats.last_rewrite_us);
    uint64_t first_us = stats.rewrite_us_total;
    ask(fixture, "set a 2");
    assert_null(engine_rewrite(fixture->engine));
    fixture->clock.now_us += 2500000;
    engine_begin_round(fixture->engine);
    engine_rewrite_cancel(fixture->engine);
    finish_rewrite(fixture);
    engine_stats_read(fixture->engine, &stats);
    assert_in_range(stats.last_rewrite_us, 2500000, 2999999);
    assert_int_equal(stats.rewrite_us_total, first_us + (uint64_t)stats.last_rewrite_us);
}

/* How many writes are told to have waited from begin_us to end_us. */
static uint64_t writes_waited(struct fixture *fixture, uint64_t begin_us, uint64_t end_us)
{
    struct engine_stats stats;
    uint64_t count = 0;
    engine_stats_read(fixture->engine, &stats);
    for (unsigned i = histogram_bucket(begin_us); stats.write_waits && i <= histogram_bucket(end_us); i++)
        count += stats.write_waits->buckets[i];
    return count;
}

/* Shows that every write is told once to have waited, from its round's beginning to the sync that covers it
 * and no longer, however late somebody looks; that what does not write is not; and that more rounds between
 * two syncs than there is room for lose none. */
static void writes_are_timed(void **state)
{
    struct fixture *fixture = *state;
    struct engine_stats stats;
    send_line(fixture, &fixture->client, "set a 1");
    send_line(fixture, &fixture->client, "get a");
    fixture->clock.now_us += 3000;
    commit(fixture);
    assert_int_equal(writes_waited(fixture, 0, 1000000000), 0);
    fixture->clock.now_us += 9000000;
    commit(fixture);
    engine_begin_round(fixture->engine);
    assert_int_equal(writes_waited(fixture, 3000, 3000), 1);
    assert_int_equal(writes_waited(fixture, 0, 1000000000), 1);
    send_line(fixture, &fixture->client, "multi");
    send_line(fixture, &fixture->client, "incr b");
    send_line(fixture, &fixture->client, "incr b");
    send_line(fixture, &fixture->client, "exec");
    engine_end_round(fixture->engine, false);
    fixture->clock.now_us += 20000;
    send_line(fixture, &fixture->client, "set a 2");
    send_line(fixture, &fixture->client, "del b");
    commit(fixture);
    engine_begin_round(fixture->engine);
    assert_int_equal(writes_waited(fixture, 20000, 20000), 1);
    assert_int_equal(writes_waited(fixture, 0, 0), 2);
    for (int i = 0; i < 3000; i++) {
        send_line(fixture, &fixture->client, "incr c");
        engine_end_round(fixture->engine, false);
    }
    fixture->clock.now_us += 500;
    commit(fixture);
    engine_begin_round(fixture->engine);
    assert_int_equal(writes_waited(fixture, 500, 500), 3000);
    engine_stats_read(fixture->engine, &stats);
    assert_int_equal(stats.write_waits->count, 3004);
    assert_int_equal(stats.write_waits_us_total, 3000 + 20000 + 3000 * 500);
}

/* Adds keys to a database, with values of size bytes. */
static void add_keys(struct fixture *fixture, int database, int count, int size)
{
    char line[512];
    snprintf(line, sizeof(line), "select %d", database);
    send_line(fixture, &fixture->client, line);
    for (int i = 0; i < count; i++) {
        snprintf(line, sizeof(line), "set key:%d %0*d", i, size, i);
        send_line(fixture, &fixture->client, line);
        if (i % 4 == 0)
            ask(fixture, "ping");
    }
    ask(fixture, "ping");
}

/* Shows that what a database was given as room for keys that the base seemed to hold, and that were
 * another's, is given back, so that tables end about as large as they were. */
static void room_made_for_a_base_is_given_back(void **state)
{
    struct fixture *fixture = *state;
    journal_set_policy(fixture->world->journal, SYNC_NO);
    add_keys(fixture, 0, 15000, 100);
    add_keys(fixture, 1, 60000, 100);
    size_t before = store_overhead(fixture->world->store);
    assert_null(engine_rewrite(fixture->engine));
    finish_rewrite(fixture);
    uint64_t digest = state_digest(fixture);
    crash_and_recover(fixture);
    assert_int_equal(state_digest(fixture), digest);
    assert_true(store_overhead(fixture->world->store) > before + before / 4); /* it was made */
    for (int i = 0; i < 500; i++) {
        fixture->clock.now_us += 10000;
        engine_begin_round(fixture->engine);
        engine_tick(fixture->engine);
        commit(fixture);
    }
    assert_in_range(store_overhead(fixture->world->store), before - before / 4, before + before / 4);
}

/* One tick; how long there is nothing to do after it. */
static int64_t tick(struct fixture *fixture)
{
    engine_begin_round(fixture->engine);
    return engine_tick(fixture->engine);
}

/* Shows that an engine at rest wakes once a second although keys expire some day, in time for one that does
 * so sooner, and soon after commands, which may have given keys less time. */
static void a_tick_waits_for_what_expires(void **state)
{
    struct fixture *fixture = *state;
    struct database *db = store_database(fixture->world->store, 0);
    journal_set_policy(fixture->world->journal, SYNC_NO);
    ask(fixture, "set later 1 px 20000000");
    fixture->clock.now_us += 2000000;
    assert_in_range(tick(fixture), 900000, 1000000);
    ask(fixture, "set soon 1 px 150");
    assert_in_range(tick(fixture), 1, 100000);
    fixture->clock.now_us += 100000;
    int64_t wait_us = tick(fixture);
    assert_in_range(wait_us, 1, 100000);
    fixture->clock.now_us += wait_us;
    wait_us = tick(fixture);
    assert_int_equal(database_size(db), 1);
    assert_in_range(wait_us, 900000, 1000000);
    ask(fixture, "set soon 1 px 500");
    fixture->clock.now_us += 100000;
    wait_us = tick(fixture);
    assert_in_range(wait_us, 390000, 450000);
    fixture->clock.now_us += wait_us;
    tick(fixture);
    assert_int_equal(database_size(db), 1);
}

/* Shows that a rewrite that is asked for within a transaction waits for the unit to end, and then is done. */
static void a_rewrite_within_a_unit_waits(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "set a 1");
    assert_null(engine_rewrite_later(fixture->engine, REWRITE_LOG));
    struct engine_stats stats;
    engine_stats_read(fixture->engine, &stats);
    assert_false(stats.rewriting);
    finish_rewrite(fixture);
    engine_stats_read(fixture->engine, &stats);
    assert_int_equal(stats.rewrites, 1);
    crash_and_recover(fixture);
    assert_string_equal(ask(fixture, "get a"), "$1\r\n1\r\n");
}

/* Shows that what is asked for while one is running follows it, one of each kind, and that each is counted as
 * what it was asked for. */
static void rewrites_follow_each_other(void **state)
{
    struct fixture *fixture = *state;
    bool ok;
    ask(fixture, "set a 1");
    assert_null(engine_rewrite(fixture->engine));
    assert_true(engine_is_rewriting(fixture->engine, REWRITE_LOG));
    assert_false(engine_is_rewriting(fixture->engine, REWRITE_SAVE));
    assert_non_null(engine_rewrite_as(fixture->engine, REWRITE_SAVE));
    for (int i = 0; i < 3; i++)
        assert_null(engine_rewrite_later(fixture->engine, REWRITE_SAVE));
    assert_null(engine_rewrite_later(fixture->engine, REWRITE_LOG));
    struct engine_stats stats;
    engine_stats_read(fixture->engine, &stats);
    assert_true(stats.rewrite_scheduled);
    /* The next one does not wait for an idle server's tick. */
    for (int rounds = 0; rounds < 100 && engine_rewrites_ended(fixture->engine) < 3; rounds++) {
        engine_begin_round(fixture->engine);
        fixture->clock.now_us += engine_tick(fixture->engine) < 10000 ? 1000 : 10000;
        commit(fixture);
    }
    engine_stats_read(fixture->engine, &stats);
    assert_false(stats.rewrite_scheduled);
    assert_int_equal(engine_rewrites_ended(fixture->engine), 3);
    assert_int_equal(engine_rewrites_ended_as(fixture->engine, REWRITE_LOG, &ok), 2);
    assert_true(ok);
    assert_int_equal(engine_rewrites_ended_as(fixture->engine, REWRITE_SAVE, &ok), 1);
    assert_true(ok);
}

/* Shows that what a log holds from before a start counts for the next rewrite, once. */
static void a_log_from_before_the_start_is_rewritten(void **state)
{
    struct fixture *fixture = *state;
    const struct rewrite_triggers triggers = {.writes = 100};
    for (int i = 0; i < 100; i++)
        ask(fixture, "append a 1");
    crash_and_recover(fixture);
    engine_set_triggers(fixture->engine, &triggers);
    struct engine_stats stats;
    for (int round = 0; round < 2; round++) {
        fixture->clock.now_us += 1000000;
        engine_begin_round(fixture->engine);
        finish_rewrite(fixture);
        engine_stats_read(fixture->engine, &stats);
        assert_int_equal(stats.rewrites, 1);
    }
    crash_and_recover(fixture);
    engine_set_triggers(fixture->engine, &triggers);
    finish_rewrite(fixture);
    engine_stats_read(fixture->engine, &stats);
    assert_int_equal(stats.rewrites, 0);
    assert_string_equal(ask(fixture, "strlen a"), ":100\r\n");
}

/* Shows that a rewrite that cannot fork is counted, changes nothing, and may be tried again. */
static void a_failed_fork_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, "set a 1");
    fixture->host.fork_error = -11;
    assert_non_null(engine_rewrite(fixture->engine));
    finish_rewrite(fixture);
    struct engine_stats stats;
    engine_stats_read(fixture->engine, &stats);
    assert_int_equal(stats.rewrites_failed, 1);
    assert_false(stats.last_rewrite_ok);
    fixture->host.fork_error = 0;
    assert_null(engine_rewrite(fixture->engine));
    finish_rewrite(fixture);
    crash_and_recover(fixture);
    assert_string_equal(ask(fixture, "get a"), "$1\r\n1\r\n");
}

/* Shows that WAITAOF answers when the session's writes are durable, and not before. */
static void waitaof_waits_for_the_disk(void **state)
{
    struct fixture *fixture = *state;
    journal_set_policy(fixture->world->journal, SYNC_NO);
    send_line(fixture, &fixture->client, "set a 1");
    send_line(fixture, &fixture->client, "waitaof 1 0 0");
    block_round(fixture->world);
    assert_true(fixture->client.session->blocked);
    commit(fixture);
    block_round(fixture->world);
    assert_false(fixture->client.session->blocked);
    assert_string_equal(receive(fixture, &fixture->client), "+OK\r\n*2\r\n:1\r\n:0\r\n");
}

/* Shows that files of dead values that go by themselves are no reason for a rewrite, and those that only the
 * log keeps are. */
static void dead_values_are_no_reason_to_rewrite(void **state)
{
    (void)state;
    const struct journal_stats stats = {.base_bytes = 100,
                                        .log_bytes = 20,
                                        .value_bytes = 5000,
                                        .value_bytes_dead = 4000,
                                        .value_bytes_pinned = 3};
    assert_int_equal(engine_bytes_on_disk(&stats), 123);
}

/* --- a clock that is set back -----------------------------------------------------------------------------
 */

#define SET_BACK_US (INT64_C(1000000) * 1000000)

static int64_t wall_set_back(struct clock *clock)
{
    return ((struct test_clock *)clock)->now_us - SET_BACK_US;
}

/* Shows that time does not follow the clock before the deletion of what had expired is written; and that a
 * key which is given a time that has passed meanwhile is deleted as well: it was shown as gone. */
static void what_expires_while_time_is_held_stays_gone(void **state)
{
    struct fixture *fixture = *state;
    char line[128];
    fixture->world->settings.clock_follows = true;
    ask(fixture, "set a 1 exat 1");
    ask(fixture, "hset h a 1 b 1");
    ask(fixture, "hpexpire h 1 fields 1 a");
    fixture->clock.now_us += 50000;
    assert_string_equal(ask(fixture, "hget h a"), "$-1\r\n");
    fixture->clock.clock.wall_us = wall_set_back;
    engine_begin_round(fixture->engine);
    assert_true(world_time_ahead_us(fixture->world) > 0);
    engine_tick(fixture->engine); /* holds time, and deletes */
    engine_tick(fixture->engine); /* the deletion is not written yet */
    assert_true(world_time_ahead_us(fixture->world) > 0);
    assert_string_equal(ask(fixture, "hget h a"), "$-1\r\n");
    snprintf(line, sizeof(line), "set k v exat %lld", (long long)(fixture->world->now_ms / 1000 - 10));
    assert_string_equal(ask(fixture, line), "+OK\r\n");
    assert_string_equal(ask(fixture, "get k"), "$-1\r\n");
    for (int i = 0; i < 100 && world_time_ahead_us(fixture->world) > 0; i++) {
        engine_tick(fixture->engine);
        assert_string_equal(ask(fixture, "get k"), "$-1\r\n");
    }
    assert_int_equal(world_time_ahead_us(fixture->world), 0);
    assert_string_equal(ask(fixture, "hkeys h"), "*1\r\n$1\r\nb\r\n");
    fixture->clock.clock.wall_us = test_clock_now;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_effect_replays, setup, teardown),
        cmocka_unit_test_setup_teardown(random_histories_replay, setup, teardown),
        cmocka_unit_test_setup_teardown(replies_wait_for_what_they_tell_of, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kept_count_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_of_nothing_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_watch_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_wait_for_what_was_executed, setup, teardown),
        cmocka_unit_test_setup_teardown(reload_comes_to_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(a_transaction_is_one_unit, setup, teardown),
        cmocka_unit_test_setup_teardown(what_expired_stays_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(what_expired_of_a_hash_stays_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rewrite_keeps_the_state, setup, teardown),
        cmocka_unit_test_setup_teardown(rewrites_are_timed, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_are_timed, setup, teardown),
        cmocka_unit_test_setup_teardown(room_made_for_a_base_is_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tick_waits_for_what_expires, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rewrite_within_a_unit_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(rewrites_follow_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(what_expires_while_time_is_held_stays_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_log_from_before_the_start_is_rewritten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_fork_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(waitaof_waits_for_the_disk, setup, teardown),
        cmocka_unit_test(dead_values_are_no_reason_to_rewrite),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
