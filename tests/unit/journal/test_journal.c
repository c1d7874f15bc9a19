/* The journal's life: what is appended comes back, in order, whatever happened between; and what is not the
 * journal's, or not what it should be, is left alone. */
#include "fixture.c"

#include <errno.h>

#include "journal/manifest.h"
#include "journal/names.h"

/* An empty folder becomes a journal, and an empty journal is read back as one. */
static void an_empty_folder_is_a_fresh_journal(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    for (int i = 0; i < 3; i++) {
        fixture_start(&f);
        assert_int_equal(f.recovered.size, 0);
        fixture_work(&f);
        fixture_close(&f);
    }
    assert_int_equal(fixture_count_files(&f, ""), 2);
    fixture_free(&f);
}

/* What was appended is there after a clean stop, over many lives and segments, without a torn tail. */
static void units_survive_clean_stops(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    for (int life = 0; life < 10; life++) {
        fixture_start(&f);
        assert_int_equal(f.progress.torn_frames, 0);
        for (int i = 0; i < 20; i++) {
            fixture_append(&f, life % 3 + 1, (size_t)(i * 7));
            fixture_work(&f);
            assert_int_equal(journal_durable(f.journal), f.stream.size);
        }
        fixture_append(&f, 1, 5); /* without work: closing writes it */
        fixture_close(&f);
    }
    assert_true(fixture_count_files(&f, "log-") > 5);
    assert_true(fixture_recover(&f));
    fixture_check(&f);
    fixture_free(&f);
}

/* A unit that is handed over while the committer is idle is not split from what joins it before it is taken.
 */
static void a_batch_gathers_until_it_is_taken(void **state)
{
    (void)state;
    struct fixture f;
    struct journal_stats stats;
    fixture_init(&f);
    f.options.segment_size = 1 << 20;
    fixture_start(&f);
    for (int i = 0; i < 10; i++)
        fixture_append(&f, 3, 10);
    fixture_work(&f);
    journal_stats_read(f.journal, &stats);
    assert_int_equal(stats.frames, 1);
    assert_int_equal(stats.syncs, 1);
    fixture_close(&f);
    assert_true(fixture_recover(&f));
    fixture_check(&f);
    fixture_free(&f);
}

/* A unit larger than any window or segment is written and read in one piece, and so is what follows. */
static void a_giant_unit_is_one_frame(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 2, 20);
    fixture_work(&f);
    fixture_append(&f, 1, 20 << 20);
    fixture_work(&f);
    fixture_append(&f, 2, 20);
    fixture_close(&f);
    assert_true(fixture_recover(&f));
    fixture_check(&f);
    assert_true(f.recovered.size > 20 << 20);
    fixture_free(&f);
}

/* Zeroes a part of the frame that begins at lsn in the last segment. */
static void tear_frame(struct fixture *f, lsn_t lsn)
{
    struct manifest manifest;
    struct file_header header;
    char name[FILE_NAME_SIZE];
    assert_int_equal(manifest_load(f->disk, &manifest, &f->error), 0);
    log_name(name, manifest_last_segment(&manifest)->lsn);
    struct buffer *bytes = memory_disk_file(f->memory, name);
    assert_null(file_header_decode(&header, buffer_slice(bytes)));
    for (size_t at = FILE_HEADER_SIZE; at < bytes->size; at++) {
        struct frame frame;
        size_t need;
        struct slice rest = slice_make(bytes->data + at, bytes->size - at);
        if (frame_decode(&frame, rest, rest.size, header.salt, &need) == FRAME_VALID && frame.lsn == lsn)
            memset(bytes->data + at, 0, 20);
    }
    manifest_free(&manifest);
}

/* Two frames are written and not synced; the power failure loses the first and keeps the second. When a frame
 * of the first one's length is appended later, the second must not come back to life behind it. They are
 * large, so that zeros written ahead do not happen to cover the second. */
static void check_stale_frame(int units_before, bool is_full)
{
    struct fixture f;
    fixture_init(&f);
    f.options.policy = SYNC_NO;
    f.options.segment_size = 4 << 20;
    fixture_start(&f);
    fixture_append(&f, units_before, 10);
    fixture_work(&f);
    journal_request_sync(f.journal);
    fixture_work(&f);
    lsn_t end = f.stream.size;
    f.units = 10; /* two digits from here on, so that lengths are the same */
    for (int unit = 0; unit < 2; unit++) {
        fixture_append(&f, 1, 300000);
        fixture_work(&f);
    }
    fixture_crash(&f, CRASH_OF_PROCESS, 0);
    tear_frame(&f, end);
    f.acknowledged = end;
    if (is_full)
        memory_disk_set_capacity(f.memory, memory_disk_used(f.memory));
    fixture_start(&f);
    memory_disk_set_capacity(f.memory, UINT64_MAX);
    assert_int_equal(f.stream.size, end);
    assert_int_equal(f.progress.torn_frames, 1);
    fixture_append(&f, 1, 300000);
    fixture_work(&f);
    fixture_crash(&f, CRASH_OF_PROCESS, 0);
    fixture_start(&f); /* checks that nothing is behind what was appended */
    assert_int_equal(f.stream.size, end + 300000 + strlen("<12@0:>"));
    fixture_close(&f);
    fixture_free(&f);
}

static void a_stale_frame_stays_dead(void **state)
{
    (void)state;
    check_stale_frame(0, false); /* the torn frame is the segment's first */
    check_stale_frame(3, false);
    check_stale_frame(3, true); /* there is no room for another segment when the server starts */
}

/* A recycled segment holds old frames behind the new ones, whole and with checksums; none is ever taken for
 * one of the new life, and no salt comes twice, though every life is given the same seed. */
static void old_frames_of_recycled_segments_are_never_seen(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t salts[256];
    size_t salt_count = 0;
    fixture_init(&f);
    f.options.segment_size = 2048;
    int recycled = 0;
    for (int life = 0; life < 12; life++) {
        f.seed = 7;
        fixture_start(&f);
        assert_int_equal(f.progress.torn_frames, 0);
        int spares = fixture_count_files(&f, "spare-");
        for (int i = 0; i < 30; i++) {
            fixture_append(&f, 1, 100);
            fixture_work(&f);
        }
        recycled += fixture_count_files(&f, "spare-") < spares;
        if (life % 2 == 0)
            fixture_rewrite(&f);
        fixture_append(&f, 1, 10);
        fixture_work(&f);
        struct manifest manifest;
        assert_int_equal(manifest_load(f.disk, &manifest, &f.error), 0);
        for (size_t i = 0; i < manifest.segment_count; i++) {
            size_t known = 0;
            while (known < salt_count && salts[known] != manifest.segments[i].salt)
                known++;
            /* Known from the life before, or new. */
            assert_true(known == salt_count || life > 0);
            if (known == salt_count)
                salts[salt_count++] = manifest.segments[i].salt;
        }
        manifest_free(&manifest);
        fixture_crash(&f, life % 3 == 0 ? CRASH_LOSING_ALL : CRASH_OF_PROCESS, 0);
    }
    assert_true(recycled > 2);
    fixture_free(&f);
}

/* D8: what a killed process had only written is made durable before anybody is let in. */
static void what_was_only_written_is_synced_at_start(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    f.options.policy = SYNC_NO;
    fixture_start(&f);
    fixture_append(&f, 3, 30);
    fixture_work(&f);
    assert_int_equal(journal_durable(f.journal), 0);
    fixture_crash(&f, CRASH_OF_PROCESS, 0);
    fixture_start(&f); /* checks that all is there, and durable */
    fixture_crash(&f, CRASH_LOSING_ALL, 0);
    fixture_start(&f);
    assert_true(f.stream.size > 90);
    fixture_close(&f);
    fixture_free(&f);
}

/* D13, told for people. */
static void a_folder_in_use_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    memory_disk_set_holder(f.memory, 4711);
    assert_false(fixture_recover(&f));
    assert_non_null(strstr(f.error.text, "data is in use by process 4711"));
    memory_disk_set_holder(f.memory, 0);
    fixture_start(&f);
    fixture_free(&f);
}

/* Leftovers go, foreign files stay. */
static void only_leftovers_are_removed(void **state)
{
    (void)state;
    static const char *const ours[] = {"log-00000000000000099999.dkv", "base-00000000000000099999.dkv",
                                       "base-00000000000000000001.dkv.tmp", "MANIFEST.tmp",
                                       "spare-00000000000000000003.dkv"};
    static const char *const foreign[] = {"log-1.dkv", "log-00000000000000099999.dkv.bak", "dump.rdb",
                                          "notes.tmp"};
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 3, 30);
    fixture_close(&f);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        memory_disk_put(f.memory, ours[i], SLICE_LITERAL("garbage"));
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        memory_disk_put(f.memory, foreign[i], SLICE_LITERAL("treasure"));
    fixture_start(&f);
    while (journal_work(f.journal))
        ;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_null(memory_disk_file(f.memory, ours[i]));
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        assert_non_null(memory_disk_file(f.memory, foreign[i]));
    fixture_free(&f);
}

/* A leftover that cannot be removed at the start is in nobody's way: not when a segment of its name is begun
 * either. */
static void a_leftover_that_stays_is_replaced(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 3, 30);
    fixture_close(&f);
    char name[64];
    snprintf(name, sizeof(name), "log-%020" PRIu64 ".dkv", (uint64_t)f.stream.size);
    memory_disk_put(f.memory, name, SLICE_LITERAL("garbage"));
    memory_disk_fail(f.memory, CALL_UNLINK, 0, 1, -EIO);
    fixture_start(&f);
    assert_true(memory_disk_has_failed(f.memory));
    assert_non_null(memory_disk_file(f.memory, name));
    fixture_rewrite(&f);
    fixture_work(&f);
    assert_null(journal_failed(f.journal));
    fixture_append(&f, 3, 30);
    fixture_close(&f);
    assert_true(fixture_recover(&f));
    fixture_check(&f);
    fixture_free(&f);
}

static void copy_file(struct fixture *f, const char *from, struct buffer *out)
{
    buffer_clear(out);
    buffer_append_slice(out, buffer_slice(memory_disk_file(f->memory, from)));
}

/* An older MANIFEST put in place would have what came later removed as leftovers: it is noticed, and nothing
 * is touched. */
static void an_older_manifest_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer manifest = {0};
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 3, 30);
    fixture_work(&f);
    copy_file(&f, "MANIFEST", &manifest);
    for (int i = 0; i < 30; i++) {
        fixture_append(&f, 1, 100);
        fixture_work(&f);
    }
    fixture_close(&f);
    memory_disk_put(f.memory, "MANIFEST", buffer_slice(&manifest));
    int files = fixture_count_files(&f, "");
    assert_false(fixture_recover(&f));
    assert_non_null(strstr(f.error.text, "does not name log-"));
    assert_int_equal(fixture_count_files(&f, ""), files);
    buffer_free(&manifest);
    fixture_free(&f);
}

/* With an older MANIFEST, what looks like the leftover of a rewrite may be the only state there is. A start
 * that refuses, as what MANIFEST names is gone, leaves it. */
static void a_start_that_refuses_removes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer manifest = {0};
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 3, 30);
    fixture_work(&f);
    copy_file(&f, "MANIFEST", &manifest);
    fixture_rewrite(&f);
    fixture_work(&f);
    journal_abandon(f.journal);
    f.journal = NULL;
    memory_disk_remove(f.memory, "log-00000000000000000000.dkv");
    memory_disk_put(f.memory, "MANIFEST", buffer_slice(&manifest));
    int files = fixture_count_files(&f, "");
    assert_int_equal(fixture_count_files(&f, "base-"), 1);
    assert_false(fixture_recover(&f));
    assert_int_equal(fixture_count_files(&f, ""), files);
    buffer_free(&manifest);
    fixture_free(&f);
}

/* Without MANIFEST nothing that holds data is touched; the trace of an interrupted first start is no data. */
static void a_missing_manifest_is_refused_where_there_is_data(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer log = {0};
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 1, 30);
    fixture_close(&f);
    copy_file(&f, "log-00000000000000000000.dkv", &log);
    memory_disk_remove(f.memory, "MANIFEST");
    assert_false(fixture_recover(&f));
    assert_non_null(
        strstr(f.error.text, "MANIFEST is missing in data, but log-00000000000000000000.dkv holds data"));
    assert_non_null(memory_disk_file(f.memory, "log-00000000000000000000.dkv"));
    memory_disk_put(f.memory, "log-00000000000000000000.dkv", slice_make(log.data, FILE_HEADER_SIZE));
    f.stream.size = f.acknowledged = f.durable = 0;
    fixture_start(&f);
    buffer_free(&log);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_folder_is_a_fresh_journal),
        cmocka_unit_test(units_survive_clean_stops),
        cmocka_unit_test(a_batch_gathers_until_it_is_taken),
        cmocka_unit_test(a_giant_unit_is_one_frame),
        cmocka_unit_test(a_stale_frame_stays_dead),
        cmocka_unit_test(old_frames_of_recycled_segments_are_never_seen),
        cmocka_unit_test(what_was_only_written_is_synced_at_start),
        cmocka_unit_test(a_folder_in_use_is_refused),
        cmocka_unit_test(only_leftovers_are_removed),
        cmocka_unit_test(a_leftover_that_stays_is_replaced),
        cmocka_unit_test(an_older_manifest_is_refused),
        cmocka_unit_test(a_start_that_refuses_removes_nothing),
        cmocka_unit_test(a_missing_manifest_is_refused_where_there_is_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
