/* Restoring, showing and exporting: what is asked for is what comes, at the places between units. */
#include "folder_fixture.h"

/* Two rewrites with units before, between and behind them. */
static void make_folder(struct fixture *fixture)
{
    fixture_open(fixture, 4);
    fixture_units(fixture, 6, 10);
    fixture_rewrite(fixture);
    fixture_frames(fixture, 6, 2, 10);
    fixture_rewrite(fixture);
    fixture_frames(fixture, 6, 4, 10);
    fixture_stop(fixture);
}

/* A folder that was made knows how far it reaches: without the end of its log it is refused. */
static void check_end_is_promised(struct fixture *fixture, struct memory_disk *folder, lsn_t end)
{
    struct manifest manifest;
    struct journal_error error;
    char name[FILE_NAME_SIZE];
    assert_int_equal(manifest_load(&folder->disk, &manifest, &error), 0);
    log_name(name, manifest_last_segment(&manifest)->lsn);
    memory_disk_file(folder, name)->size = FILE_HEADER_SIZE;
    bool lost = manifest_last_segment(&manifest)->lsn < end;
    assert_int_equal(fixture_recover(fixture, folder) < 0, lost);
    manifest_free(&manifest);
}

/* The state that a restore gives, as a number of keys; -1 when it refuses. */
static int64_t restored_keys(struct fixture *fixture, struct target target)
{
    struct memory_disk *into = memory_disk_new();
    struct tool tool = fixture_tool(fixture, fixture->disk);
    tool.into = &into->disk;
    fixture->options.target = target;
    fixture->options.into = "into";
    int64_t keys = -1;
    if (restore_run(&tool) == STATUS_FINE) {
        lsn_t end;
        size_t used;
        keys = fixture_recover(fixture, into);
        assert_int_equal(fixture_survey(fixture, into, &end, &used), 0);
        assert_int_equal(keys, fixture_keys_at(fixture, end));
        /* A server can go on from there. */
        assert_true(fixture_try_start(fixture, into));
        assert_int_equal(fixture_recover(fixture, into), keys);
        check_end_is_promised(fixture, into, end);
    } else {
        assert_int_equal(into->live.count, 0);
    }
    disk_free(&into->disk);
    return keys;
}

static uint64_t keys_before(const struct fixture *fixture, lsn_t lsn)
{
    uint64_t keys = 0;
    for (size_t i = 0; i < fixture->unit_count && fixture->units[i].lsn <= lsn; i++)
        keys = fixture->units[i].keys;
    return keys;
}

/* Shows that every LSN gives the state of the units that end at or before it, and that one beyond the end is
 * refused. */
static void restores_to_every_lsn(void **state)
{
    struct fixture fixture;
    (void)state;
    make_folder(&fixture);
    lsn_t end = fixture.units[fixture.unit_count - 1].lsn;
    for (lsn_t lsn = 0; lsn <= end; lsn++)
        assert_int_equal(restored_keys(&fixture, (struct target){TARGET_LSN, lsn, 0}),
                         keys_before(&fixture, lsn));
    assert_int_equal(restored_keys(&fixture, (struct target){TARGET_LSN, end + 1, 0}), -1);
    fixture_close(&fixture);
}

/* Shows that a time gives what was written up to then, that one after the end gives all, and that one from
 * before all is refused. */
static void restores_to_every_time(void **state)
{
    struct fixture fixture;
    (void)state;
    make_folder(&fixture);
    for (size_t i = 0; i < fixture.unit_count; i++) {
        struct target target = {TARGET_TIME, 0, fixture.units[i].time_ms};
        size_t last = i;
        while (last + 1 < fixture.unit_count && fixture.units[last + 1].time_ms == target.time_ms)
            last++; /* of the same frame */
        assert_int_equal(restored_keys(&fixture, target), fixture.units[last].keys);
        target.time_ms += 9;
        assert_int_equal(restored_keys(&fixture, target), fixture.units[last].keys);
    }
    assert_int_equal(restored_keys(&fixture, (struct target){TARGET_TIME, 0, INT64_MAX}), fixture.keys);
    assert_int_equal(restored_keys(&fixture, (struct target){TARGET_TIME, 0, 1}), -1);
    fixture_close(&fixture);
}

/* Shows that a damaged base is passed over for an older one, and that damage in the log lets through what
 * lies before it. */
static void restores_around_damage(void **state)
{
    struct fixture fixture;
    char name[FILE_NAME_SIZE];
    (void)state;
    make_folder(&fixture);
    lsn_t end = fixture.units[fixture.unit_count - 1].lsn;
    struct target at_damage = {TARGET_LSN, fixture.units[11].lsn, 0};
    base_name(name, fixture.units[11].lsn);
    memory_disk_file(fixture.disk, name)->data[100] ^= 1;
    assert_int_equal(restored_keys(&fixture, (struct target){TARGET_LSN, end, 0}), fixture.keys);
    memory_disk_file(fixture.disk, name)->data[100] ^= 1;
    log_name(name, fixture.units[11].lsn);
    memory_disk_file(fixture.disk, name)->data[FILE_HEADER_SIZE + 10] ^= 1;
    assert_int_equal(restored_keys(&fixture, at_damage), fixture.units[11].keys);
    base_name(name, fixture.units[11].lsn);
    memory_disk_file(fixture.disk, name)->data[100] ^= 1;
    assert_int_equal(restored_keys(&fixture, (struct target){TARGET_LSN, end, 0}), -1);
    assert_int_equal(restored_keys(&fixture, at_damage), fixture.units[11].keys);
    assert_int_equal(restored_keys(&fixture, (struct target){TARGET_LSN, fixture.units[8].lsn, 0}),
                     fixture.units[8].keys);
    fixture_close(&fixture);
}

/* Shows that a restore that is interrupted leaves no folder that a server would start from with less in it.
 */
static void interrupted_restore_is_nothing(void **state)
{
    struct fixture fixture;
    (void)state;
    make_folder(&fixture);
    fixture.options.target = (struct target){TARGET_LSN, fixture.units[14].lsn, 0};
    bool finished = false;
    for (int64_t changes = 0; !finished; changes++) {
        struct memory_disk *into = memory_disk_new();
        struct tool tool = fixture_tool(&fixture, fixture.disk);
        tool.into = &into->disk;
        memory_disk_crash_at(into, memory_disk_calls(into) + 1 + changes);
        finished = restore_run(&tool) == STATUS_FINE && !memory_disk_has_crashed(into);
        for (int loss = 0; loss < MEMORY_LOSSES; loss++) {
            struct memory_disk *after = memory_disk_after(into, (enum memory_loss)loss);
            bool is_taken = memory_disk_file(after, MANIFEST_NAME) != NULL;
            if (finished || is_taken)
                assert_int_equal(fixture_recover(&fixture, after), fixture.units[14].keys);
            disk_free(&after->disk);
        }
        disk_free(&into->disk);
        assert_true(changes < 100);
    }
    fixture_close(&fixture);
}

/* Shows that all of what was restored counts as promised: damage at its end is no torn tail. */
static void restored_end_is_promised(void **state)
{
    struct fixture fixture;
    struct memory_disk *into = memory_disk_new();
    char name[FILE_NAME_SIZE];
    (void)state;
    make_folder(&fixture);
    struct tool tool = fixture_tool(&fixture, fixture.disk);
    tool.into = &into->disk;
    fixture.options.target = (struct target){TARGET_LSN, fixture.units[8].lsn, 0};
    assert_int_equal(restore_run(&tool), STATUS_FINE);
    log_name(name, fixture.units[5].lsn);
    struct buffer *log = memory_disk_file(into, name);
    log->data[log->size - FRAME_HEADER_SIZE - 1] ^= 1;
    assert_int_equal(fixture_recover(&fixture, into), -1);
    disk_free(&into->disk);
    fixture_close(&fixture);
}

/* --- showing ------------------------------------------------------------------------------------------ */

static char *shown(struct fixture *fixture, struct memory_disk *disk, int (*run)(struct tool *tool),
                   int *status)
{
    char *text = NULL;
    size_t size = 0;
    struct tool tool = fixture_tool(fixture, disk);
    tool.out = open_memstream(&text, &size);
    *status = run(&tool);
    fclose(tool.out);
    return text;
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

/* Shows that from and to cut at units, and that a key's pattern picks the units that touch it, whole. */
static void shows_what_is_asked_for(void **state)
{
    struct fixture fixture;
    int status;
    (void)state;
    make_folder(&fixture);
    char *text = shown(&fixture, fixture.disk, show_run, &status);
    assert_int_equal(status, STATUS_FINE);
    assert_int_equal(count_of(text, "\"SET\""), fixture.keys);
    free(text);
    fixture.options.has_from = fixture.options.has_to = true;
    /* Both within a frame. */
    fixture.options.from = fixture.units[6].lsn;
    fixture.options.to = fixture.units[14].lsn;
    text = shown(&fixture, fixture.disk, show_run, &status);
    assert_int_equal(count_of(text, "\"SET\""), fixture.units[14].keys - fixture.units[6].keys);
    free(text);
    fixture.options.has_from = fixture.options.has_to = false;
    fixture.options.key = "key:4"; /* of the unit with the keys 3, 4 and 5 */
    text = shown(&fixture, fixture.disk, show_run, &status);
    assert_int_equal(count_of(text, "\"SET\""), 3);
    assert_int_equal(count_of(text, "MULTI"), 1);
    assert_int_equal(count_of(text, "EXEC"), 1);
    free(text);
    fixture.options.key = NULL;
    fixture.options.has_since = true;
    fixture.options.since_ms = fixture.units[10].time_ms;
    text = shown(&fixture, fixture.disk, show_run, &status);
    assert_int_equal(count_of(text, "\"SET\""), fixture.keys - fixture.units[9].keys);
    free(text);
    fixture_close(&fixture);
}

/* Shows that an export holds the base and what follows, and that it ends at damage unless told to go on. */
static void exports_state_and_log(void **state)
{
    struct fixture fixture;
    int status;
    char name[FILE_NAME_SIZE];
    (void)state;
    make_folder(&fixture);
    char *text = shown(&fixture, fixture.disk, export_run, &status);
    assert_int_equal(status, STATUS_FINE);
    assert_int_equal(count_of(text, "SET\r\n"), fixture.keys);
    free(text);
    log_name(name, fixture.units[11].lsn);
    memory_disk_file(fixture.disk, name)->data[FILE_HEADER_SIZE + 10] ^= 1;
    text = shown(&fixture, fixture.disk, export_run, &status);
    assert_int_equal(status, STATUS_PROBLEM);
    assert_int_equal(count_of(text, "SET\r\n"), fixture.units[11].keys);
    free(text);
    fixture.options.skip_damaged = true;
    text = shown(&fixture, fixture.disk, export_run, &status);
    assert_int_equal(status, STATUS_FINE);
    assert_int_equal(count_of(text, "SET\r\n"),
                     fixture.keys - (fixture.units[15].keys - fixture.units[11].keys));
    free(text);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restores_to_every_lsn),    cmocka_unit_test(restores_to_every_time),
        cmocka_unit_test(restores_around_damage),   cmocka_unit_test(interrupted_restore_is_nothing),
        cmocka_unit_test(restored_end_is_promised), cmocka_unit_test(shows_what_is_asked_for),
        cmocka_unit_test(exports_state_and_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
