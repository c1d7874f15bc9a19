/* MANIFEST's text: what is formatted is parsed back, and nothing else passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "journal/manifest.h"

/* A stream with an older state kept, the one in use, and three segments. */
static void sample_manifest(struct manifest *manifest)
{
    *manifest = (struct manifest){.stream_id = "0123456789abcde", .sequence = 41};
    manifest_add_base(manifest, &(struct manifest_base){0, 0, 0, 1700000000000, 100001});
    manifest_add_base(manifest, &(struct manifest_base){4096, 18211, 0xfedcba9876543210, 1700000100000});
    manifest_add_segment(manifest, 0, 1);
    manifest_add_segment(manifest, 4096, UINT64_MAX);
    manifest_add_segment(manifest, 5000, 3);
    manifest->durable_lsn = 5077;
}

static void sample_text(struct buffer *text)
{
    struct manifest manifest;
    sample_manifest(&manifest);
    manifest_format(&manifest, text);
    manifest_free(&manifest);
}

static bool parses(struct slice text, char *why)
{
    struct manifest manifest;
    struct journal_error error = {""};
    bool ok = manifest_parse(&manifest, text, &error);
    manifest_free(&manifest);
    strcpy(why, error.text);
    return ok;
}

/* Everything in it comes back. */
static void manifests_are_read_back(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct buffer again = {0};
    struct manifest manifest;
    struct journal_error error;
    sample_text(&text);
    assert_true(manifest_parse(&manifest, buffer_slice(&text), &error));
    assert_int_equal(manifest.sequence, 41);
    assert_int_equal(manifest.base_count, 2);
    assert_int_equal(manifest.segment_count, 3);
    assert_int_equal(manifest.bases[0].age_ms, 100001);
    assert_int_equal(manifest.bases[1].age_ms, 0);
    assert_int_equal(manifest_base_in_use(&manifest)->lsn, 4096);
    assert_true(manifest_base_in_use(&manifest)->salt == 0xfedcba9876543210);
    assert_int_equal(manifest_last_segment(&manifest)->lsn, 5000);
    assert_int_equal(manifest_durable(&manifest), 5077);
    manifest_format(&manifest, &again);
    assert_true(slice_equal(buffer_slice(&text), buffer_slice(&again)));
    manifest_free(&manifest);
    buffer_free(&text);
    buffer_free(&again);
}

/* No bit can change and no end be missing without its being noticed, with a line to look at. */
static void damage_is_noticed(void **state)
{
    (void)state;
    struct buffer text = {0};
    char why[512];
    sample_text(&text);
    for (size_t i = 0; i < text.size * 8; i++) {
        text.data[i / 8] ^= (char)(1 << i % 8);
        assert_false(parses(buffer_slice(&text), why));
        assert_non_null(strstr(why, "MANIFEST is damaged, line "));
        text.data[i / 8] ^= (char)(1 << i % 8);
    }
    for (size_t size = 0; size < text.size; size++)
        assert_false(parses(slice_make(text.data, size), why));
    buffer_append_char(&text, '\n');
    assert_false(parses(buffer_slice(&text), why));
    assert_non_null(strstr(why, "line 10: something follows the checksum"));
    buffer_free(&text);
}

/* The segments say how far it was durable when nothing further was: then there is one way to write that. */
static void durable_is_told_once(void **state)
{
    (void)state;
    struct manifest manifest;
    sample_manifest(&manifest);
    manifest_add_segment(&manifest, 5077, 4);
    struct buffer text = {0};
    char why[512];
    manifest_format(&manifest, &text);
    assert_null(memmem(text.data, text.size, "durable", 7));
    assert_true(parses(buffer_slice(&text), why));
    assert_int_equal(manifest_durable(&manifest), 5077);
    manifest_free(&manifest);
    buffer_free(&text);
}

/* What is wrong is refused though its checksum is right, and the message names the line. */
static void senseless_manifests_are_refused(void **state)
{
    (void)state;
#define TITLE  "dkv manifest 1\nstream 00000000000000000000000000000000\n"
#define ORIGIN "base 0 0 0000000000000000 1\n"
    static const struct {
        const char *text;
        const char *line;
    } cases[] = {
        {"dkv manifest 2\n", "line 1:"},
        {"dkv manifest 1\nstream 0\n", "line 2:"},
        {TITLE "sequence -1\n", "line 3:"},
        {TITLE "sequence 01\n", "line 3:"},
        {TITLE "sequence 1\nsegment 0 0000000000000001\n", "line 4: no base"},
        {TITLE "sequence 1\nbase 5 0 0000000000000000 1\nsegment 5 0000000000000001\n",
         "line 4: a base without"},
        {TITLE "sequence 1\nbase 0 0 0000000000000000\nsegment 0 0000000000000001\n",
         "line 4: a field is missing"},
        {TITLE "sequence 1\nbase 0 0 0000000000000000 1 0\nsegment 0 0000000000000001\n", "line 4: a field"},
        {TITLE "sequence 1\nbase 0 0 0000000000000000 1 -1\nsegment 0 0000000000000001\n", "line 4: a field"},
        {TITLE "sequence 1\nbase 0 0 0000000000000000 1 1 1\nsegment 0 0000000000000001\n",
         "line 4: a field"},
        {TITLE "sequence 1\n" ORIGIN ORIGIN "segment 0 0000000000000001\n", "line 5:"},
        {TITLE "sequence 1\n" ORIGIN "segment 0 000000000000001\n", "line 5: a field"},
        {TITLE "sequence 1\n" ORIGIN "segment 0 00000000000000010\n", "line 5: a field"},
        {TITLE "sequence 1\n" ORIGIN "segment 0 000000000000000G\n", "line 5: a field"},
        {TITLE "sequence 1\n" ORIGIN, "do not begin at the oldest base"},
        {TITLE "sequence 1\n" ORIGIN "segment 7 0000000000000001\n", "do not begin at the oldest base"},
        {TITLE "sequence 1\n" ORIGIN "segment 0 0000000000000001\nsegment 0 0000000000000001\n",
         "line 6: the LSN"},
        {TITLE "sequence 1\nhistory 0 0 0000000000000000 1\nbase 9 1 0000000000000000 1\nsegment 0 "
               "0000000000000001\n",
         "no segment begins at one of the bases"},
        {TITLE "sequence 1\nhistory 9 1 0000000000000000 1\nbase 8 1 0000000000000000 1\n",
         "line 5: the LSN"},
        {TITLE "sequence 1\n" ORIGIN "segment 0 0000000000000001\ndurable 0\n",
         "line 6: the LSN is not beyond"},
        {TITLE "sequence 1\n" ORIGIN "segment 0 0000000000000001\ndurable\n", "line 6: neither"},
        {TITLE "sequence 1\n" ORIGIN "segment 0 0000000000000001\ndurable 9\ndurable 9\n", "line 7: neither"},
        {TITLE "sequence 1\n" ORIGIN "durable 9\n", "line 5: the LSN is not beyond"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer text = {0};
        char why[512];
        buffer_append_text(&text, cases[i].text);
        uint64_t checksum = hash_bytes(text.data, text.size, 0);
        buffer_append_format(&text, "checksum %016llx\n", (unsigned long long)checksum);
        assert_false(parses(buffer_slice(&text), why));
        if (!strstr(why, cases[i].line))
            fail_msg("case %zu: \"%s\" does not tell \"%s\"", i, why, cases[i].line);
        buffer_free(&text);
    }
}

/* Dropping history takes along the segments that only it needed, and never one that the base in use needs. */
static void history_is_dropped(void **state)
{
    (void)state;
    struct manifest manifest;
    sample_manifest(&manifest);
    manifest_drop_history(&manifest, 1);
    assert_int_equal(manifest.base_count, 1);
    assert_int_equal(manifest.segment_count, 2);
    assert_int_equal(manifest.segments[0].lsn, 4096);
    manifest_drop_history(&manifest, 0);
    assert_int_equal(manifest.segment_count, 2);
    manifest_free(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifests_are_read_back), cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(durable_is_told_once),    cmocka_unit_test(senseless_manifests_are_refused),
        cmocka_unit_test(history_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
