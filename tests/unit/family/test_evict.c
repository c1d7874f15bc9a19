/* Eviction: what goes under each policy, and what is refused when nothing may go. Every key counts as much
 * here, so that what has to go can be told to the key. */
#include "dialog.h"

#include "command/evict.h"
#include "command/world.h"
#include "store/remains.h"
#include "store/value_hash.h"

#define KEY_MEMORY 100

static size_t memory_by_keys(const struct world *world)
{
    size_t keys = 0;
    for (int i = 0; i < store_database_count(world->store); i++)
        keys += database_size(store_database(world->store, i));
    return keys * KEY_MEMORY;
}

static void limit(struct dialog *dialog, uint64_t keys, enum evict_policy policy)
{
    struct world_settings settings = dialog->world->settings;
    settings.maxmemory = keys * KEY_MEMORY;
    settings.evict_policy = policy;
    settings.evict_samples = 10;
    settings.evict_tenacity = 10;
    settings.lfu_log_factor = 10;
    settings.lfu_decay_minutes = 1;
    dialog->world->memory_used = memory_by_keys;
    world_set_settings(dialog->world, &settings);
}

static void __attribute__((format(printf, 2, 3))) say(struct dialog *dialog, const char *format, ...)
{
    char line[100];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    dialog_say(dialog, line);
}

static bool has(struct dialog *dialog, int number)
{
    char line[100];
    snprintf(line, sizeof(line), "exists k%d", number);
    return strcmp(dialog_say(dialog, line), ":1\r\n") == 0;
}

#define OOM "OOM command not allowed when used memory > 'maxmemory'.\r\n"

/* Without eviction, what may take memory is refused, everything else runs; between MULTI and EXEC nothing
 * more is queued, and a transaction that takes memory is given up at its EXEC. */
static void nothing_goes_and_writes_are_refused(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k5 v", "-" OOM},
        {"append k1 v", "-" OOM},
        {"get k1", "$1\r\nv\r\n"},
        {"expire k1 100", ":1\r\n"},
        {"multi", "+OK\r\n"},
        {"get k1", "-" OOM},
        {"exec", "-EXECABORT Transaction discarded because of previous errors.\r\n"},
        {"multi", "+OK\r\n"},
        {"discard", "+OK\r\n"},
        {"del k1", ":1\r\n"},
        {"multi", "+OK\r\n"},
        {"set k6 v", "+QUEUED\r\n"},
    };
    struct dialog dialog;
    dialog_begin(&dialog);
    for (int i = 0; i < 5; i++)
        say(&dialog, "set k%d v", i);
    limit(&dialog, 4, EVICT_NONE);
    for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
        dialog_turn(&dialog, &turns[i]);
    limit(&dialog, 3, EVICT_NONE);
    dialog_turn(&dialog, &(struct turn){"exec", "-EXECABORT Transaction discarded because of: " OOM});
    /* Only keys with a time to live may go, and there is none. */
    limit(&dialog, 3, EVICT_VOLATILE_TTL);
    dialog_turn(&dialog, &(struct turn){"set k7 v", "-" OOM});
    limit(&dialog, 0, EVICT_NONE);
    dialog_turn(&dialog, &(struct turn){"set k7 v", "+OK\r\n"});
    dialog_end(&dialog);
}

/* Keys go until what is left fits, however many that takes, in whatever databases they are. */
static void memory_is_brought_within_its_limit(void **state)
{
    (void)state;
    static const enum evict_policy policies[] = {
        EVICT_ALLKEYS_LRU,  EVICT_ALLKEYS_LFU,     EVICT_ALLKEYS_RANDOM, EVICT_VOLATILE_LRU,
        EVICT_VOLATILE_LFU, EVICT_VOLATILE_RANDOM, EVICT_VOLATILE_TTL};
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct dialog dialog;
        dialog_begin(&dialog);
        for (int key = 0; key < 1000; key++) {
            say(&dialog, "select %d", key % 7);
            say(&dialog, "set k%d v ex 1000", key);
        }
        limit(&dialog, 10, policies[i]);
        assert_int_equal(world_evict(dialog.world), EVICT_OK);
        assert_int_equal(memory_by_keys(dialog.world), 10 * KEY_MEMORY);
        assert_int_equal(dialog.world->stats.evicted, 990);
        dialog_end(&dialog);
    }
}

/* Of keys that are used and keys that are not, few of the used ones go. */
static void check_used_stay(enum evict_policy policy)
{
    struct dialog dialog;
    dialog_begin(&dialog);
    limit(&dialog, 200, policy);
    for (int key = 0; key < 200; key++)
        say(&dialog, "set k%d v ex 1000", key);
    for (int i = 0; i < 20; i++) {
        dialog.now_ms += 1000;
        for (int key = 0; key < 100; key++)
            say(&dialog, "get k%d", key);
    }
    for (int key = 200; key < 280; key++)
        say(&dialog, "set k%d v ex 1000", key);
    dialog_say(&dialog, "ping");
    int used = 0;
    int unused = 0;
    for (int key = 0; key < 100; key++) {
        used += has(&dialog, key);
        unused += has(&dialog, 100 + key);
    }
    assert_true(used >= 95);
    assert_true(unused <= 25);
    dialog_end(&dialog);
}

static void used_keys_stay(void **state)
{
    (void)state;
    check_used_stay(EVICT_ALLKEYS_LRU);
    check_used_stay(EVICT_ALLKEYS_LFU);
    check_used_stay(EVICT_VOLATILE_LRU);
    check_used_stay(EVICT_VOLATILE_LFU);
}

/* A volatile policy takes nothing but keys with a time to live, also those that got it, or lost it, later. */
static void only_volatile_keys_go(void **state)
{
    (void)state;
    static const enum evict_policy policies[] = {EVICT_VOLATILE_LRU, EVICT_VOLATILE_LFU,
                                                 EVICT_VOLATILE_RANDOM, EVICT_VOLATILE_TTL};
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct dialog dialog;
        dialog_begin(&dialog);
        for (int key = 0; key < 50; key++)
            say(&dialog, key % 2 ? "set k%d v ex 1000" : "set k%d v", key);
        limit(&dialog, 1000, policies[i]);
        for (int key = 50; key < 100; key++)
            say(&dialog, key % 2 ? "set k%d v ex 1000" : "set k%d v", key);
        dialog_say(&dialog, "expire k0 1000");
        dialog_say(&dialog, "persist k1");
        dialog_say(&dialog, "rename k3 k300");
        limit(&dialog, 50, policies[i]);
        assert_int_equal(world_evict(dialog.world), EVICT_OK);
        for (int key = 2; key < 100; key++)
            assert_int_equal(has(&dialog, key), key % 2 == 0);
        assert_true(!has(&dialog, 0) && has(&dialog, 1) && !has(&dialog, 300));
        limit(&dialog, 49, policies[i]);
        assert_int_equal(world_evict(dialog.world), EVICT_FAILED);
        dialog_end(&dialog);
    }
}

/* volatile-ttl takes what would go first anyway. */
static void the_soonest_to_expire_go_first(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    for (int key = 0; key < 100; key++) {
        char line[100];
        snprintf(line, sizeof(line), "set k%d v ex %d", key, 1000 + 100 * ((key * 37) % 100));
        dialog_say(&dialog, line);
    }
    limit(&dialog, 50, EVICT_VOLATILE_TTL);
    assert_int_equal(world_evict(dialog.world), EVICT_OK);
    for (int key = 0; key < 100; key++)
        assert_int_equal(has(&dialog, key), (key * 37) % 100 >= 50);
    dialog_end(&dialog);
}

/* A key that becomes a candidate and is used before its turn comes is not taken. */
static void a_candidate_that_is_used_stays(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    for (int key = 0; key < 10; key++)
        say(&dialog, "set k%d v", key);
    dialog.now_ms += 100000;
    limit(&dialog, 9, EVICT_ALLKEYS_LRU);
    dialog_say(&dialog, "ping"); /* one goes, the others are candidates now */
    for (int key = 0; key < 10; key++)
        say(&dialog, "get k%d", key);
    dialog.now_ms += 2000;
    for (int key = 10; key < 19; key++) {
        say(&dialog, "set k%d v", key);
        dialog.now_ms += 1000;
    }
    int left = 0;
    for (int key = 0; key < 10; key++)
        left += has(&dialog, key);
    assert_in_range(left, 0, 2);
    for (int key = 12; key < 19; key++)
        assert_true(has(&dialog, key));
    dialog_end(&dialog);
}

/* OBJECT FREQ and IDLETIME tell what the policy remembers, and refuse what it does not. */
static void object_tells_what_is_remembered(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    limit(&dialog, 100, EVICT_ALLKEYS_LFU);
    dialog_say(&dialog, "set k v");
    static const struct turn turns[] = {
        {"object freq k", ":5\r\n"},
        {"get k", "$1\r\nv\r\n"},
        {"object freq k", ":6\r\n"},
        {"@+180000", ""},
        {"object freq k", ":3\r\n"},
        {"object freq nosuch", "$-1\r\n"},
        {"object idletime k",
         "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching "
         "between policies at runtime LRU and LFU data will take some time to adjust.\r\n"},
    };
    for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
        dialog_turn(&dialog, &turns[i]);
    limit(&dialog, 100, EVICT_NONE);
    dialog_say(&dialog, "set k v");
    dialog.now_ms += 3000;
    dialog_turn(&dialog, &(struct turn){"object idletime k", ":3\r\n"});
    dialog_turn(&dialog,
                &(struct turn){"object freq k",
                               "-ERR An LFU maxmemory policy is not selected, access frequency not "
                               "tracked. Please note that when switching between policies at runtime "
                               "LRU and LFU data will take some time to adjust.\r\n"});
    dialog_end(&dialog);
}

/* What the store has handed over to be freed later is as good as gone: while it is still in memory, no more
 * than what had to go goes. */
static struct {
    struct remains *remains;
    size_t bytes;
} kept;

static void keep_remains(void *context, struct remains *remains)
{
    (void)context;
    assert_null(kept.remains);
    kept.remains = remains;
    kept.bytes = 100 * KEY_MEMORY;
}

static size_t kept_bytes(const struct world *world)
{
    (void)world;
    return kept.bytes;
}

static size_t memory_with_kept(const struct world *world)
{
    const struct database *db = store_database(world->store, 0);
    bool has_large = database_parts_size(db) > 0;
    return memory_by_keys(world) + (has_large ? 99 * KEY_MEMORY : 0) + kept.bytes;
}

static void what_is_being_freed_counts_as_gone(void **state)
{
    (void)state;
    struct dialog dialog;
    dialog_begin(&dialog);
    for (int key = 0; key < 50; key++)
        say(&dialog, "set k%d v", key);
    struct store *store = dialog.world->store;
    struct database *db = store_database(store, 0);
    struct slice large = slice_of("large");
    uint64_t hash = store_hash(store, large);
    struct entry *entry = NULL;
    for (int field = 0; field < 10000; field++) {
        char name[16];
        int size = snprintf(name, sizeof(name), "%d", field);
        entry = database_hash_set(db, large, hash, entry, slice_make(name, (size_t)size), slice_of("value"),
                                  dialog.world->now_ms + 1000000, 0)
                    .entry;
    }
    database_set_expire(db, entry, dialog.world->now_ms + 10);

    kept.bytes = 0;
    store_set_free_later(store, keep_remains, NULL);
    limit(&dialog, 60, EVICT_VOLATILE_TTL);
    dialog.world->memory_used = memory_with_kept;
    dialog.world->free_later_bytes = kept_bytes;
    assert_int_equal(evict_memory(dialog.world), 150 * KEY_MEMORY);
    for (int turn = 0; turn < 3; turn++) {
        assert_int_equal(world_evict(dialog.world), EVICT_OK);
        assert_int_equal(dialog.world->stats.evicted, 1);
        assert_int_equal(memory_with_kept(dialog.world), 150 * KEY_MEMORY);
        assert_int_equal(evict_memory(dialog.world), 50 * KEY_MEMORY);
    }
    assert_non_null(kept.remains);
    remains_free(kept.remains);
    kept.remains = NULL;
    kept.bytes = 0;
    assert_int_equal(world_evict(dialog.world), EVICT_OK);
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes_and_writes_are_refused),
        cmocka_unit_test(memory_is_brought_within_its_limit),
        cmocka_unit_test(used_keys_stay),
        cmocka_unit_test(only_volatile_keys_go),
        cmocka_unit_test(the_soonest_to_expire_go_first),
        cmocka_unit_test(a_candidate_that_is_used_stays),
        cmocka_unit_test(object_tells_what_is_remembered),
        cmocka_unit_test(what_is_being_freed_counts_as_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
