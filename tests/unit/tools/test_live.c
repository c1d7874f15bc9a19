/* Nothing that a server does while its folder is read looks like damage. The server's part is played by the
 * journal itself, at a moment that the test chooses: each opening and each reading of a file in turn. */
#include "base/blob.h"
#include "folder_fixture.h"

/* A survey as of a folder that a server holds; at its n-th look at the disk, meanwhile is called. Returns the
 * damages, and whether the moment came. */
static int64_t survey_meanwhile(struct fixture *fixture, uint64_t look, void (*meanwhile)(void *context),
                                bool *came)
{
    struct tool tool = fixture_tool(fixture, fixture->disk);
    struct folder folder;
    struct survey survey;
    struct journal_error error;
    memory_disk_look(fixture->disk, look, meanwhile, fixture);
    tool.in_use = true;
    if (!survey_load(&survey, &folder, &tool, &error))
        fail_msg("%s", error.text);
    int64_t damages = (int64_t)survey.damage_count + (folder.state != MANIFEST_GOOD);
    *came = memory_disk_has_looked(fixture->disk);
    memory_disk_look(fixture->disk, 0, NULL, NULL);
    survey_free(&survey);
    folder_free(&folder);
    return damages;
}

static void write_on(void *context)
{
    fixture_units(context, 6, 100);
}

static void rotate(void *context)
{
    fixture_units(context, 4, 20000);
}

/* Files that MANIFEST named go, and are used again under other names. */
static void rewrite_twice(void *context)
{
    fixture_rewrite(context);
    fixture_units(context, 3, 100);
    fixture_rewrite(context);
    fixture_units(context, 8, 20000);
}

static void check_every_look(void (*meanwhile)(void *context), int history_bases)
{
    bool came = true;
    for (uint64_t look = 1; came; look++) {
        struct fixture fixture;
        fixture_open(&fixture, history_bases);
        fixture_units(&fixture, 8, 20000);
        fixture_rewrite(&fixture);
        fixture_units(&fixture, 4, 20000);
        int64_t damages = survey_meanwhile(&fixture, look, meanwhile, &came);
        if (damages != 0)
            fail_msg("look %llu: %lld damages", (unsigned long long)look, (long long)damages);
        fixture_close(&fixture);
        assert_true(look < 1000);
    }
}

/* Shows that writing, rotating and rewriting, with files being recycled, are not taken for damage, whenever
 * they happen. */
static void server_goes_on(void **state)
{
    (void)state;
    for (int history = 0; history < 2; history++) {
        check_every_look(write_on, history);
        check_every_look(rotate, history);
        check_every_look(rewrite_twice, history);
    }
}

/* --- half a frame ------------------------------------------------------------------------------------- */

static struct buffer whole;

static void finish_writing(void *context)
{
    struct fixture *fixture = context;
    char name[FILE_NAME_SIZE];
    log_name(name, 0);
    struct buffer *log = memory_disk_file(fixture->disk, name);
    memcpy(log->data, whole.data, whole.size);
}

/* Shows that a frame that is seen half written, with the next one whole already, is looked at again for a
 * while; and that it is damage if it stays so. */
static void half_written_frame(void **state)
{
    struct fixture fixture;
    char name[FILE_NAME_SIZE];
    bool came;
    int64_t damages = 0;
    int64_t look = 0;
    (void)state;
    fixture_open(&fixture, 0);
    fixture_units(&fixture, 10, 100);
    log_name(name, 0);
    struct buffer *log = memory_disk_file(fixture.disk, name);
    buffer_append_slice(&whole, buffer_slice(log));
    while (damages == 0) {
        memcpy(log->data, whole.data, whole.size);
        memset(log->data + FILE_HEADER_SIZE + fixture.units[6].lsn + 7 * FRAME_HEADER_SIZE + 60, 0, 20);
        damages = survey_meanwhile(&fixture, ++look, finish_writing, &came);
    }
    assert_int_equal(damages, 1);
    /* Behind those that open and read the folder and the file once. */
    assert_true(look > 15);
    buffer_free(&whole);
    fixture_close(&fixture);
}

/* --- large values ------------------------------------------------------------------------------------- */

static struct blob *large;

/* Sets the one large value, whose file goes when it is replaced. */
static void set_large(void *context)
{
    struct fixture *fixture = context;
    struct blob *blob = blob_new(40000);
    memset(blob->data, 'v', 40000);
    blob->size = 40000;
    struct buffer *unit = journal_unit_begin(fixture->journal, 0);
    buffer_append_text(unit, "*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$40000\r\n");
    journal_unit_value(fixture->journal, blob, slice_of("large"));
    buffer_append_text(unit, "\r\n");
    journal_unit_end(fixture->journal);
    if (large)
        blob_drop(large);
    large = blob;
    fixture_commit(fixture);
}

/* The file of what was there goes when something follows what replaced it. */
static void replace(void *context)
{
    set_large(context);
    set_large(context);
}

static void rotate_and_replace(void *context)
{
    rotate(context);
    replace(context);
}

/* What export gives while the value is replaced at its n-th look at the disk: whether it was replaced then,
 * and *status. */
static bool export_meanwhile(struct fixture *fixture, uint64_t look, void (*meanwhile)(void *context),
                             struct buffer *out, int *status)
{
    struct tool tool = fixture_tool(fixture, fixture->disk);
    char *text;
    size_t size;
    tool.in_use = true;
    tool.out = open_memstream(&text, &size);
    memory_disk_look(fixture->disk, look, meanwhile, fixture);
    *status = export_run(&tool);
    bool came = memory_disk_has_looked(fixture->disk);
    memory_disk_look(fixture->disk, 0, NULL, NULL);
    fclose(tool.out);
    buffer_append(out, text, size);
    free(text);
    return came;
}

/* Whether the last command is the one that sets the value to what it is. */
static bool ends_with_value(const struct buffer *out)
{
    char expected[40000 + 2];
    memset(expected, 'v', 40000);
    memcpy(expected + 40000, "\r\n", 2);
    return out->size >= sizeof(expected) &&
           memcmp(out->data + out->size - sizeof(expected), expected, sizeof(expected)) == 0;
}

/* Exports while the value is replaced, at each look in turn. Returns how often it succeeded. */
static int export_at_every_look(void (*meanwhile)(void *context))
{
    bool came = true;
    int fine = 0;
    for (uint64_t look = 1; came; look++) {
        struct fixture fixture;
        struct buffer out = {0};
        int status;
        fixture_open(&fixture, 0);
        replace(&fixture);
        came = export_meanwhile(&fixture, look, meanwhile, &out, &status);
        if (status == STATUS_FINE && !ends_with_value(&out))
            fail_msg("look %llu: the export is fine, but the value is not in it", (unsigned long long)look);
        fine += status == STATUS_FINE;
        if (status != STATUS_FINE && meanwhile == replace)
            fail_msg("look %llu: the export failed", (unsigned long long)look);
        buffer_free(&out);
        fixture_close(&fixture);
        blob_drop(large);
        large = NULL;
        assert_true(look < 1000);
    }
    return fine;
}

/* Shows that a large value that is replaced while its folder is exported comes out as what replaced it,
 * whenever that happens; where that lies in a file that was not there at first, the export may also say so
 * and fail. */
static void export_while_values_are_replaced(void **state)
{
    (void)state;
    assert_true(export_at_every_look(replace) > 5);
    assert_true(export_at_every_look(rotate_and_replace) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_goes_on),
        cmocka_unit_test(half_written_frame),
        cmocka_unit_test(export_while_values_are_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
