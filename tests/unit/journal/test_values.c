/* Large values in files of their own: they are there when the log says so, whatever happens, and not longer
 * than somebody can need them. */
#include "fixture.c"

#include <errno.h>

#include "journal/value_file.h"

static char context[128]; /* which crash, told when a test fails */

static int tell_context(void **state)
{
    (void)state;
    if (context[0])
        print_message("at %s\n", context);
    context[0] = '\0';
    return 0;
}

static int count_files(struct fixture *f)
{
    return fixture_count_files(f, "value-");
}

static void commit(struct fixture *f)
{
    journal_submit(f->journal, false);
    fixture_work(f);
}

static void restart(struct fixture *f)
{
    fixture_crash(f, CRASH_LOSING_ALL, 0);
    fixture_start(f);
}

static struct journal_stats stats_of(struct fixture *f)
{
    struct journal_stats stats;
    journal_stats_read(f->journal, &stats);
    return stats;
}

/* Shows: a value comes back, the log has only a reference, and LSNs count the value all the same. */
static void a_value_comes_back(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.segment_size = 4096;
    fixture_start(&f);
    fixture_append(&f, 1, 10);
    fixture_append_value(&f, 100000);
    fixture_append(&f, 2, 10);
    commit(&f);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    assert_true(f.stream.size > 100000);
    assert_int_equal(count_files(&f), 1);
    assert_int_equal(stats_of(&f).value_files, 1);
    assert_int_equal(stats_of(&f).value_bytes, 100000);
    struct buffer *segment = memory_disk_file(f.memory, "log-00000000000000000000.dkv");
    assert_true(segment->size < 100000);
    restart(&f);
    assert_int_equal(fixture_count_values(&f), 1);
    assert_int_equal(f.recovered.size, f.stream.size);
    fixture_free(&f);
}

/* Shows: several values in a batch, some of a key that is set again at once, and a unit that is moved while
 * it is built. */
static void many_values_in_a_batch(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    for (size_t i = 1; i < 20; i++) {
        fixture_append_value(&f, 1000 * i);
        fixture_append(&f, i % 3 == 0, 5);
    }
    commit(&f);
    fixture_pass(&f, 2000000);
    commit(&f);
    assert_int_equal(fixture_count_values(&f), 3);
    assert_int_equal(count_files(&f), 3);
    restart(&f);
    fixture_work(&f); /* what the crash brought back */
    assert_int_equal(count_files(&f), 3);

    struct blob *blob = blob_new(3000);
    memset(blob->data, 'v', 3000);
    blob->size = 3000;
    struct buffer *unit = journal_unit_begin(f.journal, 0);
    size_t begin = unit->size;
    buffer_append_text(unit, "<3@0:");
    journal_unit_value(f.journal, blob, slice_of("key"));
    buffer_append_text(unit, ">");
    buffer_append_text(unit, "....");
    memmove(unit->data + begin + 4, unit->data + begin, unit->size - 4 - begin);
    memcpy(unit->data + begin, "<1@>", 4);
    journal_unit_moved(f.journal, begin, 4);
    journal_unit_end(f.journal);
    buffer_append_text(&f.stream, "<1@><3@0:");
    buffer_append(&f.stream, blob->data, blob->size);
    buffer_append_text(&f.stream, ">");
    set_value(&f, 0, blob, f.stream.size - 3001);
    commit(&f);
    restart(&f);
    assert_int_equal(f.recovered.size, f.stream.size);
    fixture_free(&f);
}

/* Shows: under everysec, what is acknowledged already does not wait for a value that may take long to write:
 * it is synced before that is begun. */
static void what_is_acknowledged_does_not_wait_for_a_value(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.policy = SYNC_EVERYSEC;
    fixture_start(&f);
    fixture_append(&f, 1, 10);
    commit(&f);
    lsn_t before = f.stream.size;
    assert_int_equal(journal_acknowledged(f.journal), before);
    assert_true(journal_durable(f.journal) < before);
    fixture_append_value(&f, 5000);
    memory_disk_fail(f.memory, CALL_CREATE, 0, 1, -ENOSPC);
    commit(&f);
    assert_true(memory_disk_has_failed(f.memory));
    assert_int_equal(journal_durable(f.journal), before);
    fixture_pass(&f, 2000000);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    fixture_free(&f);
}

/* Shows: what was replaced goes when the replacement is durable, and not before. */
static void a_replaced_file_goes(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.policy = SYNC_EVERYSEC;
    fixture_start(&f);
    fixture_append_value(&f, 5000);
    commit(&f);
    fixture_pass(&f, 2000000);
    assert_int_equal(count_files(&f), 1);
    fixture_delete_value(&f, 0);
    commit(&f);
    /* Written, but not durable. */
    assert_int_equal(journal_written(f.journal), f.stream.size);
    assert_true(journal_durable(f.journal) < f.stream.size);
    assert_int_equal(count_files(&f), 1);
    assert_int_equal(stats_of(&f).value_files_dead, 1);
    fixture_pass(&f, 2000000);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    assert_int_equal(count_files(&f), 0);
    assert_int_equal(stats_of(&f).value_files, 0);
    restart(&f);
    fixture_free(&f);
}

/* Shows: what recovery finds replaced goes when that is on record, and not before: until then the log may
 * lose its end, and nobody could tell. */
static void after_a_start_a_replaced_file_waits_for_the_record(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append_value(&f, 5000);
    commit(&f);
    fixture_pass(&f, 1000000);
    fixture_delete_value(&f, 0);
    commit(&f);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    assert_int_equal(count_files(&f), 1);
    restart(&f);
    fixture_work(&f);
    assert_int_equal(count_files(&f), 1);
    fixture_pass(&f, 1000000);
    assert_int_equal(count_files(&f), 0);
    fixture_free(&f);
}

/* Shows: where the policy never syncs, one is made for the sake of what waits to be removed, once a second.
 */
static void removal_asks_for_a_sync(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.policy = SYNC_NO;
    fixture_start(&f);
    for (int i = 0; i < 6; i++)
        fixture_append_value(&f, 5000);
    commit(&f);
    assert_int_equal(count_files(&f), 6);
    uint64_t syncs = stats_of(&f).syncs;
    fixture_pass(&f, 2000000);
    assert_int_equal(stats_of(&f).syncs, syncs);
    journal_submit(f.journal, false);
    fixture_pass(&f, 10000000);
    assert_int_equal(count_files(&f), 3);
    /* One for the replacements, one for the frame that puts that on record. */
    assert_int_equal(stats_of(&f).syncs, syncs + 2);
    fixture_free(&f);
}

/* Shows: a file whose bytes were changed in part stays until a rewrite has made the change unnecessary. */
static void a_pinned_file_stays(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append_value(&f, 5000);
    commit(&f);
    journal_value_used(f.journal, f.values[0].blob->origin);
    fixture_delete_value(&f, 0);
    commit(&f);
    fixture_pass(&f, 3000000);
    assert_int_equal(count_files(&f), 1);
    fixture_rewrite(&f);
    fixture_pass(&f, 3000000);
    assert_int_equal(count_files(&f), 0);
    fixture_free(&f);
}

/* Shows: a pin outlives a rewrite that was begun before. */
static void a_pin_behind_the_cut_stays(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append_value(&f, 5000);
    commit(&f);
    lsn_t lsn = journal_rewrite_begin(f.journal);
    assert_int_equal(fixture_write_base(&f, lsn), 0);
    journal_value_used(f.journal, f.values[0].blob->origin);
    fixture_delete_value(&f, 0);
    journal_rewrite_end(f.journal, true);
    commit(&f);
    fixture_pass(&f, 3000000);
    assert_int_equal(stats_of(&f).base_lsn, lsn);
    assert_int_equal(count_files(&f), 1);
    fixture_rewrite(&f);
    fixture_pass(&f, 3000000);
    assert_int_equal(count_files(&f), 0);
    fixture_free(&f);
}

/* Shows: as long as an older state is kept, so are its values, also over a restart. */
static void history_keeps_files(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.history_bases = 1;
    fixture_start(&f);
    fixture_append_value(&f, 5000);
    commit(&f);
    fixture_rewrite(&f);
    fixture_delete_value(&f, 0);
    commit(&f);
    fixture_rewrite(&f);
    fixture_pass(&f, 3000000);
    assert_int_equal(count_files(&f), 1);
    restart(&f);
    fixture_pass(&f, 3000000);
    assert_int_equal(count_files(&f), 1);
    fixture_append(&f, 1, 10);
    fixture_work(&f);
    fixture_rewrite(&f);
    fixture_pass(&f, 3000000);
    assert_int_equal(count_files(&f), 0);
    fixture_free(&f);
}

/* A value's file is forgotten, as after a partial change: the next rewrite writes another. */
static void plan_another_file(struct journal *journal, struct blob *blob)
{
    blob_forget_origin(blob);
    journal_value_plan(journal, blob);
}

/* Shows: a rewrite names files again instead of copying, and one that a rewrite wrote is the value's from
 * then on. */
static void a_rewrite_refers_to_files(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append_value(&f, 100000);
    commit(&f);
    fixture_rewrite(&f);
    assert_true(stats_of(&f).base_bytes < 2000);
    assert_int_equal(count_files(&f), 1);
    restart(&f);
    assert_true(f.base_seen);
    journal_value_used(f.journal, f.values[0].blob->origin);
    plan_another_file(f.journal, f.values[0].blob);
    fixture_append(&f, 1, 10);
    fixture_work(&f);
    assert_int_equal(count_files(&f), 1);
    fixture_rewrite(&f);
    fixture_pass(&f, 3000000);
    assert_int_equal(count_files(&f), 1);
    assert_true(stats_of(&f).base_bytes < 2000);
    restart(&f);
    fixture_append(&f, 1, 10);
    fixture_work(&f);
    fixture_rewrite(&f);
    assert_int_equal(count_files(&f), 1);
    restart(&f);
    fixture_free(&f);
}

/* Shows: while the child of a rewrite writes a value's file, a unit that sets another key to the same bytes
 * gets a file of its own. The child's stays for the key that the base has, until the next rewrite. */
static void a_value_is_set_while_the_child_writes_it(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) {
        struct fixture f;
        fixture_init(&f);
        fixture_start(&f);
        fixture_append_value(&f, 5000);
        commit(&f);
        plan_another_file(f.journal, f.values[0].blob);
        commit(&f);
        fixture_pass(&f, 1000000);
        lsn_t lsn = journal_rewrite_begin(f.journal);
        assert_int_equal(fixture_write_base(&f, lsn), 0);
        struct blob *blob = blob_share(f.values[0].blob);
        struct buffer *unit = journal_unit_begin(f.journal, 0);
        buffer_append_text(unit, "<4@0:");
        journal_unit_value(f.journal, blob, slice_of("key"));
        buffer_append_text(unit, ">");
        buffer_append_text(&f.stream, "<4@0:");
        buffer_append(&f.stream, blob->data, blob->size);
        buffer_append_text(&f.stream, ">");
        assert_int_equal(journal_unit_end(f.journal), f.stream.size);
        set_value(&f, 4, blob, f.stream.size - 5001);
        journal_rewrite_end(f.journal, true);
        commit(&f);
        commit(&f);
        fixture_pass(&f, 3000000);
        assert_int_equal(count_files(&f), 2);
        if (again) {
            fixture_rewrite(&f);
            fixture_pass(&f, 3000000);
            assert_int_equal(count_files(&f), 1);
        }
        restart(&f);
        assert_int_equal(fixture_count_values(&f), 2);
        fixture_free(&f);
    }
}

/* Shows: what the child of a rewrite wrote that came to nothing is removed, whether the value lives on or
 * not, and the next rewrite writes it again. */
static void a_failed_rewrite_leaves_nothing(void **state)
{
    (void)state;
    for (int dies = 0; dies < 2; dies++) {
        struct fixture f;
        fixture_init(&f);
        fixture_start(&f);
        fixture_append_value(&f, 10000);
        fixture_append_value(&f, 10000);
        commit(&f);
        plan_another_file(f.journal, f.values[0].blob);
        commit(&f);
        fixture_pass(&f, 1000000);
        assert_int_equal(count_files(&f), 1);
        lsn_t lsn = journal_rewrite_begin(f.journal);
        assert_int_equal(fixture_write_base(&f, lsn), 0);
        assert_int_equal(count_files(&f), 2);
        if (dies)
            fixture_delete_value(&f, 0);
        journal_rewrite_end(f.journal, false);
        commit(&f);
        fixture_pass(&f, 1000000);
        assert_int_equal(count_files(&f), 1);
        fixture_append(&f, 1, 10);
        fixture_rewrite(&f);
        fixture_pass(&f, 1000000);
        assert_int_equal(count_files(&f), dies ? 1 : 2);
        restart(&f);
        assert_int_equal(fixture_count_values(&f), dies ? 1 : 2);
        fixture_free(&f);
    }
}

/* Shows: a command may say that it used a value which it has let go of, though a rewrite was given up
 * meanwhile that was to write it, or there never was one. */
static void what_was_released_can_be_said_to_be_used(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct fixture f;
        fixture_init(&f);
        fixture_start(&f);
        fixture_append_value(&f, 10000);
        commit(&f);
        plan_another_file(f.journal, f.values[0].blob);
        struct blob_origin *origin = f.values[0].blob->origin;
        if (way > 0)
            assert_int_equal(fixture_write_base(&f, journal_rewrite_begin(f.journal)), 0);
        bool is_released_first = way % 2 == 0;
        if (is_released_first)
            blob_forget_origin(f.values[0].blob);
        if (way > 0) {
            journal_rewrite_end(f.journal, way == 3);
            fixture_work(&f);
        }
        if (!is_released_first)
            blob_forget_origin(f.values[0].blob);
        journal_value_used(f.journal, origin);
        fixture_delete_value(&f, 0);
        commit(&f);
        fixture_rewrite(&f);
        fixture_pass(&f, 3000000);
        assert_int_equal(count_files(&f), 0);
        assert_int_equal(stats_of(&f).value_files, 0);
        fixture_free(&f);
    }
}

/* Shows: a full disk refuses values before they are executed, takes small changes meanwhile, and takes values
 * again when there is room. */
static void a_full_disk_refuses_values(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    memory_disk_set_capacity(f.memory, 300000);
    fixture_start(&f);
    uint64_t small = 100 + VALUE_IN_UNIT;
    uint64_t large = 400000 + VALUE_FILE_OVERHEAD;
    assert_int_equal(journal_admit_values(f.journal, small, large), ADMIT_WAIT);
    fixture_work(&f);
    assert_int_equal(journal_admit_values(f.journal, small, large), ADMIT_FULL);
    assert_int_equal(journal_admit(f.journal, 100), ADMIT_YES);
    fixture_append(&f, 1, 10);
    fixture_work(&f);
    memory_disk_set_capacity(f.memory, 1000000);
    fixture_pass(&f, 1000000);
    assert_int_equal(journal_admit_values(f.journal, small, large), ADMIT_YES);
    assert_null(journal_full(f.journal));
    fixture_append_value(&f, 400000);
    commit(&f);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    restart(&f);
    fixture_free(&f);
}

/* Shows: a disk that fills up nevertheless holds the batch up, and nothing is lost or acknowledged. */
static void a_disk_that_fills_up_is_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 1, 10);
    fixture_work(&f);
    memory_disk_set_capacity(f.memory, memory_disk_used(f.memory) + 50000);
    lsn_t before = f.stream.size;
    fixture_append_value(&f, 30000);
    fixture_append_value(&f, 30000);
    commit(&f);
    assert_int_equal(journal_durable(f.journal), before);
    assert_non_null(journal_full(f.journal));
    assert_int_equal(journal_admit(f.journal, 100), ADMIT_FULL);
    fixture_pass(&f, 1000000);
    assert_int_equal(journal_durable(f.journal), before);
    memory_disk_set_capacity(f.memory, UINT64_MAX);
    fixture_pass(&f, 1000000);
    assert_int_equal(journal_durable(f.journal), f.stream.size);
    assert_null(journal_full(f.journal));
    restart(&f);
    assert_int_equal(fixture_count_values(&f), 2);
    fixture_free(&f);
}

static void value_name_of(struct fixture *f, char name[FILE_NAME_SIZE])
{
    struct buffer names = {0};
    memory_disk_names(f->memory, &names);
    name[0] = '\0';
    for (size_t at = 0; at < names.size; at += strlen(names.data + at) + 1)
        if (strncmp(names.data + at, "value-", 6) == 0)
            snprintf(name, FILE_NAME_SIZE, "%s", names.data + at);
    buffer_free(&names);
    assert_true(name[0]);
}

/* Shows: any wrong byte and any cut in a file that is needed stops the start and names it; what is loaded
 * later is looked at then. */
static void damage_is_noticed(void **state)
{
    (void)state;
    struct fixture f;
    char name[FILE_NAME_SIZE];
    fixture_init(&f);
    fixture_start(&f);
    fixture_append_value(&f, 3000);
    commit(&f);
    fixture_close(&f);
    value_name_of(&f, name);
    size_t size = memory_disk_file(f.memory, name)->size;
    assert_int_equal(size, value_file_size(3000));
    for (size_t at = 0; at < size; at += at < 100 || at > size - 100 ? 1 : 37) {
        memory_disk_file(f.memory, name)->data[at] ^= 4;
        assert_false(fixture_recover(&f));
        assert_non_null(strstr(f.error.text, name));
        assert_non_null(strstr(f.error.text, "dkv-log verify"));
        memory_disk_file(f.memory, name)->data[at] ^= 4;
    }
    for (size_t cut = 1; cut < size; cut += 511) {
        memory_disk_file(f.memory, name)->size = size - cut;
        assert_false(fixture_recover(&f));
        assert_non_null(strstr(f.error.text, name));
    }
    memory_disk_file(f.memory, name)->size = size;
    fixture_start(&f);
    fixture_close(&f);
    memory_disk_remove(f.memory, name);
    assert_false(fixture_recover(&f));
    assert_non_null(strstr(f.error.text, name));
    fixture_free(&f);
}

/* Recovers without reading values. */
static void start_lazily(struct fixture *f, enum value_load load)
{
    f->options.value_load = load;
    f->lazy = true;
    fixture_start(f);
}

/* Shows: values that are read when somebody asks, or in the background, are the same; what is dropped before
 * is not read. */
static void values_are_read_later(void **state)
{
    (void)state;
    for (int background = 0; background < 2; background++) {
        struct fixture f;
        fixture_init(&f);
        fixture_start(&f);
        for (int i = 0; i < 3; i++)
            fixture_append_value(&f, 3000);
        commit(&f);
        fixture_crash(&f, CRASH_LOSING_ALL, 0);
        start_lazily(&f, background ? VALUE_LOAD_BACKGROUND : VALUE_LOAD_FIRST_USE);
        assert_int_equal(stats_of(&f).values_unloaded, 3);
        assert_int_equal(stats_of(&f).values_unloaded_bytes, 9000);
        uint64_t wakes = f.wakes;
        fixture_delete_value(&f, 2);
        commit(&f);
        assert_null(journal_value_request(f.journal, f.values[1].blob));
        fixture_work(&f);
        assert_true(f.wakes > wakes);
        assert_null(f.values[1].blob->data);
        journal_values_install(f.journal);
        assert_non_null(f.values[1].blob->data);
        assert_int_equal(stats_of(&f).values_unloaded, background ? 0 : 1);
        assert_true((f.values[0].blob->data != NULL) == background);
        f.lazy = false;
        check_values(&f);
        assert_int_equal(stats_of(&f).values_unloaded, 0);
        commit(&f);
        fixture_pass(&f, 2000000);
        assert_int_equal(count_files(&f), 2);
        fixture_free(&f);
    }
}

/* Shows: damage that is found later is told to whoever asks, and only the value itself is lost. */
static void damage_found_later_is_told(void **state)
{
    (void)state;
    struct fixture f;
    char name[FILE_NAME_SIZE];
    fixture_init(&f);
    fixture_start(&f);
    fixture_append_value(&f, 3000);
    commit(&f);
    fixture_close(&f);
    value_name_of(&f, name);
    memory_disk_file(f.memory, name)->data[5000] ^= 4;
    start_lazily(&f, VALUE_LOAD_FIRST_USE);
    assert_null(journal_value_request(f.journal, f.values[0].blob));
    fixture_work(&f);
    journal_values_install(f.journal);
    assert_null(f.values[0].blob->data);
    const char *wrong = journal_value_request(f.journal, f.values[0].blob);
    assert_non_null(wrong);
    assert_non_null(strstr(wrong, name));
    fixture_delete_value(&f, 0);
    commit(&f);
    fixture_pass(&f, 1000000);
    assert_int_equal(count_files(&f), 0);
    fixture_free(&f);
}

/* --- crashes ------------------------------------------------------------------------------------------ */

static bool is_alive(struct fixture *f)
{
    return !memory_disk_has_crashed(f->memory);
}

/* One life with values: set, replaced, deleted, pinned and changed, rewritten. */
static void live(struct fixture *f)
{
    bool started = fixture_recover(f) && journal_start(f->journal, &f->error);
    if (!started) {
        if (is_alive(f))
            fail_msg("%s", f->error.text);
        return;
    }
    fixture_check(f);
    for (int round = 0; round < 5 && is_alive(f); round++) {
        for (size_t i = 0; i < 3; i++) {
            fixture_append_value(f, 600 + 700 * i);
            fixture_append(f, 1, 10);
            if (i == 1)
                fixture_append_value(f, 500);
            commit(f);
        }
        bool rewrites = round % 2 == 1;
        lsn_t lsn = rewrites ? journal_rewrite_begin(f->journal) : 0;
        fixture_delete_value(f, round % FIXTURE_KEYS);
        commit(f);
        if (rewrites) {
            bool ok = fixture_write_base(f, lsn) == 0;
            journal_rewrite_end(f->journal, ok && round != 3);
        }
        struct blob *blob = f->values[(round + 1) % FIXTURE_KEYS].blob;
        if (blob && !blob_is_shared(blob)) {
            journal_value_used(f->journal, blob->origin);
            plan_another_file(f->journal, blob);
            fixture_append(f, 1, 10);
        }
        fixture_pass(f, 1000000);
    }
    fixture_append_value(f, 1000);
    if (journal_close(f->journal))
        f->acknowledged = f->durable = f->stream.size;
    f->journal = NULL;
}

static void check_after_crash(struct fixture *f, enum memory_crash crash, uint64_t seed)
{
    fixture_crash(f, crash, seed);
    f->seed++;
    fixture_start(f);
    fixture_append_value(f, 700);
    commit(f);
    fixture_append_value(f, 800);
    fixture_crash(f, CRASH_LOSING_ALL, 0);
    fixture_start(f);
    fixture_rewrite(f);
    fixture_pass(f, 2000000);
    if (f->options.history_bases == 0)
        assert_int_equal(count_files(f), fixture_count_values(f));
    fixture_close(f);
    assert_true(fixture_recover(f));
    fixture_check(f);
}

static void crash_everywhere(enum sync_policy policy, int history_bases, enum memory_crash crash)
{
    for (uint64_t call = 1;; call++) {
        struct fixture f;
        snprintf(context, sizeof(context), "policy %d, history %d, crash %d, call %d", policy, history_bases,
                 crash, (int)call);
        fixture_init(&f);
        f.options.policy = policy;
        f.options.history_bases = history_bases;
        memory_disk_crash_at(f.memory, call);
        live(&f);
        bool crashed = !is_alive(&f);
        check_after_crash(&f, crash, call);
        fixture_free(&f);
        if (!crashed)
            break;
    }
    context[0] = '\0';
}

/* Shows: a crash at any call to the disk, whatever it takes, leaves a prefix with all that was acknowledged,
 * values included; and in the end nothing but what is in use. */
static void a_crash_anywhere_loses_nothing(void **state)
{
    (void)state;
    crash_everywhere(SYNC_ALWAYS, 0, CRASH_LOSING_ALL);
    crash_everywhere(SYNC_ALWAYS, 0, CRASH_LOSING_SOME);
    crash_everywhere(SYNC_ALWAYS, 0, CRASH_OF_PROCESS);
    crash_everywhere(SYNC_EVERYSEC, 1, CRASH_LOSING_SOME);
    crash_everywhere(SYNC_NO, 0, CRASH_LOSING_SOME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_comes_back),
        cmocka_unit_test(many_values_in_a_batch),
        cmocka_unit_test(what_is_acknowledged_does_not_wait_for_a_value),
        cmocka_unit_test(a_replaced_file_goes),
        cmocka_unit_test(after_a_start_a_replaced_file_waits_for_the_record),
        cmocka_unit_test(removal_asks_for_a_sync),
        cmocka_unit_test(a_pinned_file_stays),
        cmocka_unit_test(a_pin_behind_the_cut_stays),
        cmocka_unit_test(history_keeps_files),
        cmocka_unit_test(a_rewrite_refers_to_files),
        cmocka_unit_test(a_value_is_set_while_the_child_writes_it),
        cmocka_unit_test(a_failed_rewrite_leaves_nothing),
        cmocka_unit_test(what_was_released_can_be_said_to_be_used),
        cmocka_unit_test(a_full_disk_refuses_values),
        cmocka_unit_test(a_disk_that_fills_up_is_waited_for),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(values_are_read_later),
        cmocka_unit_test(damage_found_later_is_told),
        cmocka_unit_test_teardown(a_crash_anywhere_loses_nothing, tell_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
