/* Damage is found wherever recovery would stumble over it, and a repair makes of a damaged folder one that
 * holds a prefix of the stream, whenever it is interrupted. */
#include <inttypes.h>

#include "folder_fixture.h"

/* How much was tried, for the figures at the end. */
static size_t damaged_count, interrupted_count;

static int run_repair(struct fixture *fixture, struct memory_disk *disk, bool yes)
{
    fixture->options.yes = yes;
    fixture->options.accept_loss = yes;
    struct tool tool = fixture_tool(fixture, disk);
    return repair_run(&tool);
}

/* Cuts the zeros off that the segments were prepared with, so that every byte counts. */
static void trim_segments(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->disk->live.count; i++) {
        struct buffer *data = &fixture->disk->live.names[i].inode->live;
        if (strncmp(fixture->disk->live.names[i].name, "log-", 4) != 0)
            continue;
        while (data->size > 0 && data->data[data->size - 1] == '\0')
            data->size--;
        /* A header, or a closing frame, may end in zeros of its own. */
        resize(data, data->size + 16);
    }
}

/* Two states in history, one in use, several segments each, a few units behind it. */
static void make_rich_folder(struct fixture *fixture)
{
    fixture_open(fixture, 4);
    fixture_units(fixture, 5, 10);
    fixture_rewrite(fixture);
    fixture_units(fixture, 4, 10);
    fixture_rewrite(fixture);
    fixture_units(fixture, 6, 10);
    fixture_stop(fixture);
    trim_segments(fixture);
}

/* No history, one base. */
static void make_poor_folder(struct fixture *fixture)
{
    fixture_open(fixture, 0);
    fixture_units(fixture, 5, 10);
    fixture_rewrite(fixture);
    fixture_units(fixture, 6, 10);
    fixture_stop(fixture);
    trim_segments(fixture);
}

/* What a command says. */
static char *text_of(struct fixture *fixture, struct memory_disk *disk, int (*command)(struct tool *tool),
                     int *status)
{
    char *text;
    size_t size;
    struct tool tool = fixture_tool(fixture, disk);
    tool.out = open_memstream(&text, &size);
    *status = command(&tool);
    fclose(tool.out);
    return text;
}

/* Holds what the tools say of a changed disk against what had been written, all of which was acknowledged:
 * they never say better than it is. The folder was closed in order, so that there is nothing that cannot be
 * known but where MANIFEST is gone or damaged. */
static void check_claims(struct fixture *fixture, struct memory_disk *damaged, const char *name, size_t at)
{
    int status;
    bool has_manifest = fixture_has_manifest(damaged);
    char *text = text_of(fixture, damaged, verify_run, &status);
    if (status == STATUS_FINE && fixture_recover(fixture, damaged) != (int64_t)fixture->keys)
        fail_msg("%s, byte %zu: verify finds nothing, but not all is there:\n%s", name, at, text);
    free(text);
    struct memory_disk *disk = memory_disk_clone(damaged);
    fixture->options.yes = true;
    fixture->options.accept_loss = false;
    text = text_of(fixture, disk, repair_run, &status);
    bool is_all = fixture_recover(fixture, disk) == (int64_t)fixture->keys;
    bool claims = strstr(text, "lost: nothing\n") || strstr(text, "nothing to repair") ||
                  (has_manifest && strstr(text, "lost: nothing"));
    if (status == STATUS_FINE && claims && !is_all)
        fail_msg("%s, byte %zu: not all is there after the repair:\n%s", name, at, text);
    if (status == STATUS_FINE && !claims && has_manifest)
        fail_msg("%s, byte %zu: data are given up and nobody accepted that:\n%s", name, at, text);
    free(text);
    disk_free(&disk->disk);
}

/* Holds what the tools make of a changed disk against what recovery makes of it. */
static void check_verdicts(struct fixture *fixture, struct memory_disk *disk, const char *name, size_t at)
{
    lsn_t end;
    size_t used;
    damaged_count++;
    check_claims(fixture, disk, name, at);
    int64_t keys = fixture_recover(fixture, disk);
    int64_t damages = fixture_survey(fixture, disk, &end, &used);
    if ((keys < 0) != (used > 0))
        fail_msg("%s, byte %zu: recovery %s, but the survey finds %zu damages", name, at,
                 keys < 0 ? "refuses" : "succeeds", used);
    if (keys >= 0)
        assert_int_equal(keys, fixture_keys_at(fixture, end));
    int status = run_repair(fixture, disk, true);
    keys = fixture_recover(fixture, disk);
    if (status != STATUS_FINE) {
        assert_int_equal(keys, -1);
        return;
    }
    if (damages > 0 && fixture_survey(fixture, disk, &end, &used) != 0)
        fail_msg("%s, byte %zu: damage is left after the repair", name, at);
    if (keys < 0)
        fail_msg("%s, byte %zu: recovery refuses what was repaired", name, at);
    assert_int_equal(keys, fixture_keys_at(fixture, end));
}

static void flip_every_byte(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->disk->live.count; i++) {
        const struct memory_name *file = &fixture->disk->live.names[i];
        for (size_t at = 0; at < file->inode->live.size; at++) {
            struct memory_disk *disk = memory_disk_clone(fixture->disk);
            memory_disk_file(disk, file->name)->data[at] ^= (char)(1 << at % 8);
            check_verdicts(fixture, disk, file->name, at);
            disk_free(&disk->disk);
        }
    }
}

static void cut_every_length(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->disk->live.count; i++) {
        const struct memory_name *file = &fixture->disk->live.names[i];
        for (size_t at = 0; at < file->inode->live.size; at++) {
            struct memory_disk *disk = memory_disk_clone(fixture->disk);
            memory_disk_file(disk, file->name)->size = at;
            check_verdicts(fixture, disk, file->name, at);
            disk_free(&disk->disk);
        }
    }
}

/* Shows that a flipped byte is found exactly where it keeps a server from starting or spoils the history, and
 * that the repair leads to a prefix that a server starts from. */
static void every_byte_flipped(void **state)
{
    struct fixture fixture;
    (void)state;
    make_rich_folder(&fixture);
    flip_every_byte(&fixture);
    fixture_close(&fixture);
    make_poor_folder(&fixture);
    flip_every_byte(&fixture);
    fixture_close(&fixture);
}

/* Shows the same for files that end too early. */
static void every_length_cut(void **state)
{
    struct fixture fixture;
    (void)state;
    make_rich_folder(&fixture);
    cut_every_length(&fixture);
    fixture_close(&fixture);
    make_poor_folder(&fixture);
    cut_every_length(&fixture);
    fixture_close(&fixture);
}

/* Shows the same for files that are gone, each and each pair of them. */
static void files_missing(void **state)
{
    struct fixture fixture;
    (void)state;
    make_rich_folder(&fixture);
    for (size_t i = 0; i < fixture.disk->live.count; i++)
        for (size_t j = i; j < fixture.disk->live.count; j++) {
            struct memory_disk *disk = memory_disk_clone(fixture.disk);
            disk_unlink(&disk->disk, fixture.disk->live.names[i].name);
            disk_unlink(&disk->disk, fixture.disk->live.names[j].name);
            check_verdicts(&fixture, disk, fixture.disk->live.names[i].name, j);
            disk_free(&disk->disk);
        }
    fixture_close(&fixture);
}

/* --- particular damage -------------------------------------------------------------------------------- */

static char *find_file(struct memory_disk *disk, const char *begin, size_t nth)
{
    char *names[FIXTURE_FILES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < disk->live.count; i++)
        if (strncmp(disk->live.names[i].name, begin, strlen(begin)) == 0)
            names[count++] = disk->live.names[i].name;
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            if (strcmp(names[j], names[i]) < 0) {
                char *swap = names[i];
                names[i] = names[j];
                names[j] = swap;
            }
    assert_true(nth < count);
    return names[nth];
}

static void spoil(struct memory_disk *disk, const char *begin, size_t nth, size_t at)
{
    struct buffer *data = memory_disk_file(disk, find_file(disk, begin, nth));
    assert_true(at < data->size);
    data->data[at] ^= 0x55;
}

/* The kinds of damage that a repair treats differently. */
static void damage_log(struct memory_disk *disk)
{
    spoil(disk, "log-", 2, 300);
}

static void damage_log_header(struct memory_disk *disk)
{
    spoil(disk, "log-", 2, 20);
    spoil(disk, "base-", 1, 20);
}

static void damage_base(struct memory_disk *disk)
{
    spoil(disk, "base-", 1, 200);
}

static void damage_history(struct memory_disk *disk)
{
    spoil(disk, "log-", 0, 200);
    spoil(disk, "base-", 0, 200);
}

static void damage_manifest(struct memory_disk *disk)
{
    spoil(disk, "MANIFEST", 0, 40);
}

static void damage_much(struct memory_disk *disk)
{
    damage_base(disk);
    damage_manifest(disk);
    spoil(disk, "log-", 1, 300);
    spoil(disk, "log-", 2, 20);
}

static void lose_segment(struct memory_disk *disk)
{
    disk_unlink(&disk->disk, find_file(disk, "log-", 2));
}

static void cut_middle(struct memory_disk *disk)
{
    memory_disk_file(disk, find_file(disk, "log-", 1))->size = 400;
    spoil(disk, "base-", 1, 200);
}

/* The end of the stream, in the middle of a frame. */
static void cut_end(struct memory_disk *disk)
{
    memory_disk_file(disk, find_file(disk, "log-", 2))->size = 300;
}

/* The same between two frames, so that the file is whole as far as it goes. */
static void cut_to_header(struct memory_disk *disk)
{
    memory_disk_file(disk, find_file(disk, "log-", 2))->size = FILE_HEADER_SIZE;
}

static void (*const damages[])(struct memory_disk *disk) = {
    damage_log,  damage_log_header, damage_base, damage_history, damage_manifest,
    damage_much, lose_segment,      cut_middle,  cut_end,        cut_to_header};

/* Whether the bytes are those of some file. */
static bool is_kept(struct memory_disk *disk, const struct buffer *bytes)
{
    for (size_t i = 0; i < disk->live.count; i++)
        if (slice_equal(buffer_slice(&disk->live.names[i].inode->live), buffer_slice(bytes)))
            return true;
    return false;
}

/* Whether all that was there is there still, under whatever name. A MANIFEST that was good may have been
 * replaced. */
static bool all_kept(struct fixture *fixture, struct memory_disk *disk, struct memory_disk *damaged)
{
    struct buffer *good = memory_disk_file(fixture->disk, "MANIFEST");
    for (size_t i = 0; i < damaged->live.count; i++) {
        const struct buffer *data = &damaged->live.names[i].inode->live;
        if (!slice_equal(buffer_slice(data), buffer_slice(good)) && !is_kept(disk, data))
            return false;
    }
    return true;
}

/* Whether a server that starts here leaves every file where it is: it removes what it takes for leftovers. */
static bool survives_start(struct fixture *fixture, struct memory_disk *disk)
{
    struct memory_disk *started = memory_disk_clone(disk);
    bool ok = true;
    uint64_t number;
    if (fixture_try_start(fixture, started))
        for (size_t i = 0; i < disk->live.count; i++)
            if (name_parse(disk->live.names[i].name, &number) != NAME_TEMPORARY)
                ok = ok && memory_disk_file(started, disk->live.names[i].name);
    disk_free(&started->disk);
    return ok;
}

static bool has_half_written(struct memory_disk *disk)
{
    for (size_t i = 0; i < disk->live.count; i++)
        if (strstr(disk->live.names[i].name, ".repair"))
            return true;
    return false;
}

/* After an interruption: nothing of what there was is gone, recovery either refuses as before or gives the
 * repaired state, and the next repair gives it. */
static void check_interrupted(struct fixture *fixture, struct memory_disk *disk, struct memory_disk *damaged,
                              int64_t keys_damaged, int64_t keys_repaired)
{
    lsn_t end;
    size_t used;
    int64_t keys = fixture_recover(fixture, disk);
    if (!all_kept(fixture, disk, damaged))
        fail_msg("something that was there is gone");
    if (!survives_start(fixture, disk))
        fail_msg("something that was there is gone once a server starts");
    if (keys != keys_damaged && keys != keys_repaired)
        fail_msg("%lld keys, which are neither those before the repair nor those after it", (long long)keys);
    assert_int_equal(run_repair(fixture, disk, true), STATUS_FINE);
    assert_int_equal(fixture_recover(fixture, disk), keys_repaired);
    assert_int_equal(fixture_survey(fixture, disk, &end, &used), 0);
    assert_true(all_kept(fixture, disk, damaged));
    assert_false(has_half_written(disk));
    assert_int_equal(keys_repaired, fixture_keys_at(fixture, end));
}

static void interrupt_everywhere(struct fixture *fixture, struct memory_disk *damaged)
{
    int64_t keys_damaged = fixture_recover(fixture, damaged);
    struct memory_disk *whole = memory_disk_clone(damaged);
    assert_int_equal(run_repair(fixture, whole, true), STATUS_FINE);
    int64_t keys_repaired = fixture_recover(fixture, whole);
    assert_true(keys_repaired >= 0);
    disk_free(&whole->disk);
    bool finished = false;
    for (int64_t changes = 0; !finished; changes++) {
        struct memory_disk *disk = memory_disk_clone(damaged);
        memory_disk_crash_at(disk, memory_disk_calls(disk) + 1 + changes);
        finished = run_repair(fixture, disk, true) == STATUS_FINE && !memory_disk_has_crashed(disk);
        for (int loss = 0; loss < MEMORY_LOSSES; loss++) {
            struct memory_disk *after = memory_disk_after(disk, (enum memory_loss)loss);
            interrupted_count++;
            check_interrupted(fixture, after, damaged, keys_damaged, keys_repaired);
            disk_free(&after->disk);
        }
        disk_free(&disk->disk);
        assert_true(changes < 1000);
    }
}

/* Shows that a repair may be interrupted before any of its changes to the disk, with any loss of what was not
 * synced, without making things worse; and that what it puts aside is kept byte by byte. */
static void interrupted_anywhere(void **state)
{
    struct fixture fixture;
    (void)state;
    make_rich_folder(&fixture);
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct memory_disk *damaged = memory_disk_clone(fixture.disk);
        damages[i](damaged);
        interrupt_everywhere(&fixture, damaged);
        disk_free(&damaged->disk);
    }
    fixture_close(&fixture);
}

/* Shows that without --yes nothing is changed. */
static void nothing_changed_without_yes(void **state)
{
    struct fixture fixture;
    (void)state;
    make_rich_folder(&fixture);
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct memory_disk *disk = memory_disk_clone(fixture.disk);
        damages[i](disk);
        memory_disk_crash_at(disk, memory_disk_calls(disk) + 1);
        assert_int_equal(run_repair(&fixture, disk, false), STATUS_FINE);
        assert_false(memory_disk_has_crashed(disk));
        disk_free(&disk->disk);
    }
    fixture_close(&fixture);
}

/* Shows that a damaged base costs nothing while an older one and the log since then are kept. */
static void older_base_takes_over(void **state)
{
    struct fixture fixture;
    (void)state;
    make_rich_folder(&fixture);
    damage_base(fixture.disk);
    assert_int_equal(fixture_recover(&fixture, fixture.disk), -1);
    assert_int_equal(run_repair(&fixture, fixture.disk, true), STATUS_FINE);
    assert_int_equal(fixture_recover(&fixture, fixture.disk), fixture.keys);
    fixture_close(&fixture);
}

/* Shows that a damaged header costs nothing: MANIFEST knows what it said. */
static void header_is_written_anew(void **state)
{
    struct fixture fixture;
    (void)state;
    make_poor_folder(&fixture);
    spoil(fixture.disk, "log-", 0, 20);
    spoil(fixture.disk, "base-", 0, 20);
    assert_int_equal(fixture_recover(&fixture, fixture.disk), -1);
    assert_int_equal(run_repair(&fixture, fixture.disk, true), STATUS_FINE);
    assert_int_equal(fixture_recover(&fixture, fixture.disk), fixture.keys);
    fixture_close(&fixture);
}

/* Shows that an older MANIFEST is noticed, as a server notices it, and replaced. */
static void older_manifest(void **state)
{
    struct fixture fixture;
    struct buffer manifest = {0};
    (void)state;
    fixture_open(&fixture, 4);
    fixture_units(&fixture, 5, 10);
    buffer_append_slice(&manifest, buffer_slice(memory_disk_file(fixture.disk, "MANIFEST")));
    fixture_rewrite(&fixture);
    fixture_units(&fixture, 5, 10);
    fixture_stop(&fixture);
    memory_disk_put(fixture.disk, "MANIFEST", buffer_slice(&manifest));
    assert_int_equal(fixture_recover(&fixture, fixture.disk), -1);
    assert_int_equal(run_repair(&fixture, fixture.disk, true), STATUS_FINE);
    assert_int_equal(fixture_recover(&fixture, fixture.disk), fixture.keys);
    buffer_free(&manifest);
    fixture_close(&fixture);
}

/* Shows that a torn tail is no damage, and is left to the server. */
static void torn_tail_is_no_damage(void **state)
{
    struct fixture fixture;
    lsn_t end;
    size_t used;
    (void)state;
    fixture_open(&fixture, 0);
    fixture_units(&fixture, 5, 10);
    /* As if killed: no closing frame. */
    journal_abandon(fixture.journal);
    fixture.journal = NULL;
    struct buffer *log = memory_disk_file(fixture.disk, find_file(fixture.disk, "log-", 0));
    size_t size = log->size;
    while (log->data[size - 1] == '\0')
        size--;
    log->data[size - 20] ^= 1; /* in the last frame */
    assert_int_equal(fixture_survey(&fixture, fixture.disk, &end, &used), 0);
    assert_int_equal(end, fixture.units[3].lsn);
    assert_int_equal(fixture_recover(&fixture, fixture.disk), fixture.units[3].keys);
    memory_disk_crash_at(fixture.disk, memory_disk_calls(fixture.disk) + 1);
    assert_int_equal(run_repair(&fixture, fixture.disk, true), STATUS_FINE);
    assert_false(memory_disk_has_crashed(fixture.disk));
    fixture_close(&fixture);
}

/* Shows that a stream that ends before the place that MANIFEST knows it reached is damage, that a repair says
 * what is lost, and that when told to, it accepts the loss: the server starts, and the end left is the end
 * promised. */
static void missing_end_is_accepted_when_told(void **state)
{
    struct fixture fixture;
    lsn_t end;
    size_t used;
    char *text;
    size_t text_size;
    (void)state;
    make_rich_folder(&fixture);
    cut_to_header(fixture.disk);
    assert_int_equal(fixture_recover(&fixture, fixture.disk), -1);
    struct tool tool = fixture_tool(&fixture, fixture.disk);
    fixture.options.yes = false;
    tool.out = open_memstream(&text, &text_size);
    assert_int_equal(repair_run(&tool), STATUS_FINE);
    fclose(tool.out);
    char expected[96];
    lsn_t from = fixture.units[8].lsn;
    lsn_t to = fixture.units[14].lsn;
    snprintf(expected, sizeof(expected), "lost: LSN %" PRIu64 " to %" PRIu64 ", %" PRIu64 " bytes", from, to,
             to - from);
    assert_non_null(strstr(text, expected));
    assert_non_null(strstr(text, "MANIFEST is replaced"));
    free(text);
    assert_int_equal(fixture_recover(&fixture, fixture.disk), -1);
    assert_int_equal(run_repair(&fixture, fixture.disk, true), STATUS_FINE);
    assert_int_equal(fixture_recover(&fixture, fixture.disk), fixture.units[8].keys);
    assert_true(fixture_try_start(&fixture, fixture.disk));
    assert_int_equal(fixture_survey(&fixture, fixture.disk, &end, &used), 0);
    fixture_close(&fixture);
}

/* Shows that damage to what a repair has left is damage again: its end is promised. */
static void repaired_end_is_promised(void **state)
{
    struct fixture fixture;
    lsn_t end;
    size_t used;
    (void)state;
    make_poor_folder(&fixture);
    spoil(fixture.disk, "log-", 0, 500);
    assert_int_equal(run_repair(&fixture, fixture.disk, true), STATUS_FINE);
    struct buffer *log = memory_disk_file(fixture.disk, find_file(fixture.disk, "log-", 0));
    log->data[log->size - FRAME_HEADER_SIZE - 1] ^= 1; /* in the last frame before the closing one */
    assert_int_equal(fixture_survey(&fixture, fixture.disk, &end, &used), 1);
    assert_int_equal(fixture_recover(&fixture, fixture.disk), -1);
    fixture_close(&fixture);
}

/* Shows that what lies below the last segment's start counts as durable although no frame says so. */
static void manifest_promises(void **state)
{
    struct fixture fixture;
    struct folder folder;
    struct survey survey;
    struct journal_error error;
    (void)state;
    fixture_open(&fixture, 0);
    fixture_units(&fixture, 5, 10);
    fixture_rewrite(&fixture);
    journal_abandon(fixture.journal);
    fixture.journal = NULL;
    struct tool tool = fixture_tool(&fixture, fixture.disk);
    assert_true(survey_load(&survey, &folder, &tool, &error));
    assert_int_equal(survey.log.promised, fixture.units[4].lsn);
    survey_free(&survey);
    folder_free(&folder);
    fixture_close(&fixture);
}

/* Shows that a base is not taken for whole with anything behind its end, whatever its size is said to be. */
static void base_with_something_behind(void **state)
{
    struct fixture fixture;
    (void)state;
    for (int with_manifest = 0; with_manifest < 2; with_manifest++) {
        make_rich_folder(&fixture);
        buffer_append(memory_disk_file(fixture.disk, find_file(fixture.disk, "base-", 1)), "\0", 1);
        if (!with_manifest)
            disk_unlink(&fixture.disk->disk, "MANIFEST");
        check_verdicts(&fixture, fixture.disk, "base", 0);
        assert_int_equal(fixture_recover(&fixture, fixture.disk), fixture.keys);
        fixture_close(&fixture);
    }
}

/* Shows that files that are whole but not those that MANIFEST names are found. */
static void foreign_files(void **state)
{
    struct fixture fixture;
    struct file_header header;
    (void)state;
    make_rich_folder(&fixture);
    for (int field = 0; field < 5; field++) {
        struct memory_disk *disk = memory_disk_clone(fixture.disk);
        struct buffer *log = memory_disk_file(disk, find_file(disk, "log-", 2));
        assert_null(file_header_decode(&header, buffer_slice(log)));
        switch (field) {
        case 0: header.salt++; break;
        case 1: header.lsn++; break;
        case 2: header.stream_id[3]++; break;
        case 3: header.kind = FILE_BASE; break;
        default: header.time_ms++; break; /* this one nobody minds */
        }
        file_header_encode(&header, log->data);
        assert_int_equal(fixture_recover(&fixture, disk), field < 4 ? -1 : (int64_t)fixture.keys);
        check_verdicts(&fixture, disk, "log", (size_t)field);
        assert_int_equal(fixture_recover(&fixture, disk), fixture.keys);
        disk_free(&disk->disk);
    }
    fixture_close(&fixture);
}

/* Shows that a base of another size than MANIFEST names is not trusted, as recovery does not trust it. */
static void base_of_another_size(void **state)
{
    struct fixture fixture;
    struct manifest manifest;
    struct journal_error error;
    (void)state;
    make_rich_folder(&fixture);
    assert_int_equal(manifest_load(&fixture.disk->disk, &manifest, &error), 0);
    manifest.bases[manifest.base_count - 1].bytes++;
    assert_int_equal(manifest_store(&fixture.disk->disk, &manifest, &error), IO_DONE);
    manifest_free(&manifest);
    check_verdicts(&fixture, fixture.disk, "MANIFEST", 0);
    assert_int_equal(fixture_recover(&fixture, fixture.disk), fixture.keys);
    fixture_close(&fixture);
}

/* Shows that a folder that a server holds is not touched. */
static void held_folder_is_refused(void **state)
{
    struct fixture fixture;
    (void)state;
    make_rich_folder(&fixture);
    damage_log(fixture.disk);
    memory_disk_set_holder(fixture.disk, 4711);
    memory_disk_crash_at(fixture.disk, memory_disk_calls(fixture.disk) + 1);
    assert_int_equal(run_repair(&fixture, fixture.disk, true), STATUS_PROBLEM);
    assert_false(memory_disk_has_crashed(fixture.disk));
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_flipped),
        cmocka_unit_test(every_length_cut),
        cmocka_unit_test(files_missing),
        cmocka_unit_test(interrupted_anywhere),
        cmocka_unit_test(nothing_changed_without_yes),
        cmocka_unit_test(older_base_takes_over),
        cmocka_unit_test(header_is_written_anew),
        cmocka_unit_test(older_manifest),
        cmocka_unit_test(torn_tail_is_no_damage),
        cmocka_unit_test(held_folder_is_refused),
        cmocka_unit_test(missing_end_is_accepted_when_told),
        cmocka_unit_test(repaired_end_is_promised),
        cmocka_unit_test(manifest_promises),
        cmocka_unit_test(base_with_something_behind),
        cmocka_unit_test(foreign_files),
        cmocka_unit_test(base_of_another_size),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("figures: %zu damaged folders verified and repaired, %zu interruptions of a repair\n",
           damaged_count, interrupted_count);
    return failed;
}
