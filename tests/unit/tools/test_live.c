/* Nothing that a server does while its folder is read looks like damage. The server's part is played by the
 * journal itself, at a moment that the test chooses: each opening and each reading of a file in turn. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_goes_on),
        cmocka_unit_test(half_written_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
