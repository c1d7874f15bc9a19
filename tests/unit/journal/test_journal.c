/* The journal's life: what is appended comes back, in order, whatever happened between. */
#include "fixture.c"

#include <errno.h>

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

/* What was appended is there after a clean stop, over many lives and segments, and ends in a closing frame.
 */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_folder_is_a_fresh_journal),
        cmocka_unit_test(units_survive_clean_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
