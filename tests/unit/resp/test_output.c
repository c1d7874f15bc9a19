/* A connection's output: order, marks, gaps, rewinding, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/random.h"
#include "resp/output.h"

/* Sends up to bytes_max bytes, appending them to received. */
static void send_some(struct output *output, uint64_t bytes_max, struct buffer *received)
{
    struct iovec vectors[4];
    int count = output_vectors(output, bytes_max, vectors, 4);
    uint64_t size = 0;
    for (int i = 0; i < count; i++) {
        assert_true(vectors[i].iov_len > 0);
        buffer_append(received, vectors[i].iov_base, vectors[i].iov_len);
        size += vectors[i].iov_len;
    }
    assert_true(size <= bytes_max);
    output_sent(output, size);
}

/* Sends everything and compares it. */
static void assert_sends(struct output *output, const char *expected)
{
    struct buffer received = {0};
    while (output_pending(output) > 0)
        send_some(output, UINT64_MAX, &received);
    assert_int_equal(received.size, strlen(expected));
    assert_memory_equal(received.data, expected, received.size);
    buffer_free(&received);
}

static void append_text(struct output *output, const char *text)
{
    output_append(output, text, strlen(text));
}

/* Appends that many times the character. */
static void append_many(struct output *output, size_t count, char c)
{
    char *bytes = mem_alloc(count);
    memset(bytes, c, count);
    output_append(output, bytes, count);
    mem_free(bytes);
}

/* Appends all of a new blob from offset on, which nobody else keeps; expected gets the same bytes. */
static void append_blob(struct output *output, struct buffer *expected, size_t size, size_t offset)
{
    struct blob *blob = blob_new(size);
    for (size_t i = 0; i < size; i++)
        blob->data[i] = (char)(i * 31 + size);
    blob->size = size;
    output_append_blob(output, blob, offset, size - offset);
    buffer_append(expected, blob->data + offset, size - offset);
    blob_drop(blob);
}

/* Whatever the sizes of appends, reservations and sends, the bytes come out once and in order. */
static void bytes_keep_their_order(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 3);
    struct output output = {0};
    struct buffer queued = {0};
    struct buffer received = {0};
    for (int round = 0; round < 20000; round++) {
        size_t size = random_below(&random, round % 100 == 0 ? 50000 : 200);
        switch (random_below(&random, 4)) {
        case 0:
            for (size_t i = 0; i < size; i++)
                buffer_append_char(&queued, (char)random_next(&random));
            output_append(&output, queued.data + queued.size - size, size);
            break;
        case 1:
            if (round % 10 == 0) {
                append_blob(&output, &queued, size, random_below(&random, size + 1));
                break;
            }
            /* fall through */
        case 2: {
            char *room = output_reserve(&output, size);
            size_t used = random_below(&random, size + 1);
            memset(room, round, used);
            output_commit(&output, used);
            buffer_append(&queued, room, used);
            break;
        }
        default: send_some(&output, random_below(&random, 2000), &received); break;
        }
        assert_int_equal(output_pending(&output), queued.size - received.size);
        assert_int_equal(output_pending(&output) > 0 || output_memory(&output) <= 17000, 1);
    }
    while (output_pending(&output) > 0)
        send_some(&output, UINT64_MAX, &received);
    assert_true(slice_equal(buffer_slice(&queued), buffer_slice(&received)));
    buffer_free(&queued);
    buffer_free(&received);
    output_free(&output);
}

/* Vectors stop at the bytes and at the number that were asked for. */
static void vectors_are_bounded(void **state)
{
    (void)state;
    struct output output = {0};
    for (int i = 0; i < 10; i++)
        append_many(&output, 20000, 'x');
    struct iovec vectors[16];
    assert_int_equal(output_vectors(&output, UINT64_MAX, vectors, 2), 2);
    assert_int_equal(output_vectors(&output, 10, vectors, 16), 1);
    assert_int_equal(vectors[0].iov_len, 10);
    assert_int_equal(output_vectors(&output, 0, vectors, 16), 0);
    output_sent(&output, 150000);
    assert_int_equal(output_pending(&output), 50000);
    output_free(&output);
    assert_int_equal(output_vectors(&output, 10, vectors, 16), 0);
}

/* One small chunk is kept for the next reply; a connection at rest can free it; a large one is not kept. */
static void memory_is_kept_and_freed(void **state)
{
    (void)state;
    size_t before = memory_used();
    struct output output = {0};
    append_text(&output, "+OK\r\n");
    size_t kept = output_memory(&output);
    assert_in_range(kept, 1, 2048);
    for (int i = 0; i < 100; i++) {
        assert_sends(&output, "+OK\r\n");
        size_t used = memory_used();
        append_text(&output, "+OK\r\n");
        assert_int_equal(memory_used(), used);
        assert_int_equal(output_memory(&output), kept);
    }
    append_many(&output, 1 << 20, 'x');
    output_mark(&output, 5);
    assert_true(output_memory(&output) > 1 << 20);
    output_trim(&output);
    assert_int_equal(output_pending(&output), (1 << 20) + 5);
    output_sendable(&output, 5);
    output_sent(&output, output_pending(&output));
    assert_true(output_memory(&output) < 20000);
    output_trim(&output);
    assert_int_equal(output_memory(&output), 0);
    assert_int_equal(memory_used(), before);
    append_text(&output, "again");
    assert_sends(&output, "again");
    output_free(&output);
    assert_int_equal(memory_used(), before);
}

/* While discarding nothing is queued, gaps included; before and after it is. */
static void discarding_drops(void **state)
{
    (void)state;
    struct output output = {0};
    append_text(&output, "a");
    output_set_discard(&output, true);
    append_text(&output, "b");
    memcpy(output_reserve(&output, 3000), "c", 1);
    output_commit(&output, 1);
    struct output_gap gap = output_gap_open(&output);
    output_gap_fill(&output, gap, "d", 1);
    output_mark(&output, 9);
    output_set_discard(&output, false);
    append_text(&output, "e");
    assert_int_equal(output_sendable(&output, 0), 2); /* the mark was dropped, too */
    assert_sends(&output, "ae");
    output_free(&output);
}

/* Above the limit nothing more is queued and hardly any memory is taken, whichever way it comes; what was
 * there before, marks and gaps included, is left as it was, and rewinding does not bring the rest back. */
static void limit_drops_the_rest(void **state)
{
    (void)state;
    struct output output = {0};
    size_t before = memory_used();
    output_set_limit(&output, 100000);
    append_text(&output, "guarded");
    output_mark(&output, 10);
    struct output_gap outer = output_gap_open(&output);
    append_many(&output, 60000, 'a');
    assert_false(output_overflowed(&output));
    uint64_t position = output.queued;
    append_many(&output, 60000, 'b');
    assert_true(output_overflowed(&output));
    uint64_t queued = output.queued;
    output_set_discard(&output, true);
    output_set_discard(&output, false);
    for (int i = 0; i < 1000; i++) {
        append_many(&output, 1000000, 'c');
        memset(output_reserve(&output, 3000), 'd', 3000);
        output_commit(&output, 3000);
        output_gap_fill(&output, output_gap_open(&output), "e", 1);
    }
    assert_int_equal(output.queued, queued);
    assert_true(output_memory(&output) <= 100000 + 16384);
    assert_true(memory_used() - before <= 110000 + 16384);
    output_gap_fill(&output, outer, "*2", 2);
    output_rewind(&output, position + 2);
    append_text(&output, "f");
    assert_int_equal(output_pending(&output), 7 + 2 + 60000);
    assert_int_equal(output_sendable(&output, 9), 0);
    struct buffer received = {0};
    while (output_pending(&output) > 0)
        send_some(&output, UINT64_MAX, &received);
    assert_memory_equal(received.data, "guarded*2aaa", 12);
    buffer_free(&received);
    output_free(&output);
}

/* Reserving beyond the limit gives memory that can be written, which is not queued. */
static void limit_spoils_what_is_reserved(void **state)
{
    (void)state;
    struct output output = {0};
    output_set_limit(&output, 2000);
    append_many(&output, 500, 'a');
    memset(output_reserve(&output, 3000), 'b', 3000);
    output_commit(&output, 3000);
    assert_true(output_overflowed(&output));
    assert_int_equal(output_pending(&output), 500);
    output_free(&output);
    assert_false(output_overflowed(&output));
}

/* Bytes go out when the first mark behind them is satisfied, and those behind the last mark with it. */
static void marks_hold_bytes_back(void **state)
{
    (void)state;
    struct output output = {0};
    assert_int_equal(output_sendable(&output, 0), 0);
    append_text(&output, "0123456789");
    assert_int_equal(output_sendable(&output, 0), 10);
    output_mark(&output, 100);
    append_text(&output, "abcde");
    output_mark(&output, 200);
    append_text(&output, "xyz");
    assert_int_equal(output_sendable(&output, 99), 0);
    assert_int_equal(output_sendable(&output, 100), 10);
    output_sent(&output, 4);
    assert_int_equal(output_sendable(&output, 199), 6);
    output_sent(&output, 6);
    assert_int_equal(output_sendable(&output, 199), 0);
    assert_int_equal(output_sendable(&output, 250), 8);
    output_sent(&output, 8);
    output_mark(&output, 300); /* nothing is queued: nothing waits */
    append_text(&output, "free");
    assert_int_equal(output_sendable(&output, 250), 4);
    output_free(&output);
}

/* A later reply that asks for less waits for the earlier one all the same; one that asks for more raises the
 * mark. */
static void marks_are_monotone(void **state)
{
    (void)state;
    struct output output = {0};
    append_text(&output, "a");
    output_mark(&output, 100);
    append_text(&output, "b");
    output_mark(&output, 50);
    assert_int_equal(output_sendable(&output, 99), 0);
    output_mark(&output, 120);
    assert_int_equal(output_sendable(&output, 100), 0);
    assert_int_equal(output_sendable(&output, 120), 2);
    output_free(&output);
}

/* Each of many marks holds back its own bytes, also when marks came and went before. */
static void marks_are_kept_apart(void **state)
{
    (void)state;
    struct output output = {0};
    uint64_t lsn = 0;
    uint64_t acknowledged = 0;
    for (int more = 1; more < 100; more += 7) {
        for (int i = 0; i < more; i++) {
            append_text(&output, "+OK\r\n");
            output_mark(&output, ++lsn);
        }
        for (int i = 0; i < more * 2 / 3; i++) {
            assert_int_equal(output_sendable(&output, acknowledged), 0);
            assert_int_equal(output_sendable(&output, ++acknowledged), 5);
            output_sent(&output, 5);
        }
    }
    assert_true(lsn > acknowledged + 100);
    output_free(&output);
}

/* However many marks there are, no byte goes out before its LSN, and all go out with the last one. */
static void many_marks_stay_safe(void **state)
{
    (void)state;
    struct output output = {0};
    struct random random;
    random_seed(&random, 5);
    uint64_t queued = 0;
    uint64_t sent = 0;
    for (uint64_t lsn = 1; lsn <= 5000; lsn++) {
        append_text(&output, "+OK\r\n"); /* so byte n waits for LSN n / 5 + 1 */
        output_mark(&output, lsn);
        queued += 5;
        if (random_below(&random, 500) != 0)
            continue;
        uint64_t acknowledged = lsn - random_below(&random, 300 < lsn ? 300 : lsn);
        uint64_t sendable = output_sendable(&output, acknowledged);
        assert_true(sent + sendable <= acknowledged * 5);
        output_sent(&output, sendable);
        sent += sendable;
    }
    assert_int_equal(output_sendable(&output, 4999) + sent <= queued - 5, 1);
    assert_int_equal(output_sendable(&output, 5000) + sent, queued);
    assert_true(output_memory(&output) < queued + 60000);
    output_free(&output);
}

/* A gap is filled in front of what was queued behind it, whether that is nothing, a little or many chunks. */
static void gaps_are_filled_in_place(void **state)
{
    (void)state;
    static const size_t behind[] = {0, 1, 900, 1000, 1024, 16000, 16384, 100000};
    for (size_t before = 0; before < 1100; before += 11)
        for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
            struct output output = {0};
            if (before > 0)
                append_many(&output, before, 'a');
            struct output_gap gap = output_gap_open(&output);
            for (size_t left = behind[i]; left > 0;) {
                size_t piece = left > 1500 ? 1500 : left;
                append_many(&output, piece, 'z');
                left -= piece;
            }
            output_gap_fill(&output, gap, "01234567890123456789012345678901", 32);
            append_text(&output, "!");
            struct buffer received = {0};
            while (output_pending(&output) > 0)
                send_some(&output, UINT64_MAX, &received);
            assert_int_equal(received.size, before + 32 + behind[i] + 1);
            assert_memory_equal(received.data + before, "01234567890123456789012345678901", 32);
            for (size_t j = 0; j < received.size - 1; j++)
                if (j < before || j >= before + 32)
                    assert_int_equal(received.data[j], j < before ? 'a' : 'z');
            buffer_free(&received);
            output_free(&output);
        }
}

/* A gap in an output with nothing else stays where it is when what follows needs a chunk of its own. */
static void gaps_stand_alone(void **state)
{
    (void)state;
    struct output output = {0};
    struct output_gap gap = output_gap_open(&output);
    memset(output_reserve(&output, 5000), 'z', 5000);
    output_commit(&output, 5000);
    output_gap_fill(&output, gap, "*1", 2);
    struct buffer received = {0};
    send_some(&output, UINT64_MAX, &received);
    assert_int_equal(received.size, 5002);
    assert_memory_equal(received.data, "*1zz", 4);
    buffer_free(&received);
    output_free(&output);
}

/* Writes n elements, each with a gap of its own, as nested arrays do. */
static void write_nested(struct output *output, int depth, int width)
{
    struct output_gap gap = output_gap_open(output);
    for (int i = 0; i < width; i++)
        if (depth > 1)
            write_nested(output, depth - 1, width);
        else
            append_text(output, "leaf ");
    char header[32];
    int size = snprintf(header, sizeof(header), "<%d:%d>", depth, width);
    output_gap_fill(output, gap, header, (size_t)size);
}

static void expect_nested(struct buffer *expected, int depth, int width)
{
    buffer_append_format(expected, "<%d:%d>", depth, width);
    for (int i = 0; i < width; i++)
        if (depth > 1)
            expect_nested(expected, depth - 1, width);
        else
            buffer_append_text(expected, "leaf ");
}

/* Gaps nest, over many chunks. */
static void gaps_nest(void **state)
{
    (void)state;
    struct output output = {0};
    struct buffer expected = {0};
    struct buffer received = {0};
    write_nested(&output, 5, 7);
    expect_nested(&expected, 5, 7);
    while (output_pending(&output) > 0)
        send_some(&output, UINT64_MAX, &received);
    assert_true(slice_equal(buffer_slice(&expected), buffer_slice(&received)));
    buffer_free(&expected);
    buffer_free(&received);
    output_free(&output);
}

/* Filling a gap moves the marks behind it, not those before it. */
static void gaps_move_marks(void **state)
{
    (void)state;
    struct output output = {0};
    append_text(&output, "before");
    output_mark(&output, 10);
    struct output_gap gap = output_gap_open(&output);
    append_text(&output, "behind");
    output_mark(&output, 20);
    output_gap_fill(&output, gap, "***", 3);
    append_text(&output, "later");
    output_mark(&output, 30);
    assert_int_equal(output_sendable(&output, 10), 6);
    assert_int_equal(output_sendable(&output, 20), 15);
    assert_sends(&output, "before***behindlater");
    output_free(&output);
}

/* What was queued after the position is gone, wherever chunks end; what comes then follows the rest. */
static void rewinding_forgets(void **state)
{
    (void)state;
    for (size_t keep = 0; keep < 3000; keep += 37)
        for (size_t sent = 0; sent <= keep; sent += 1000) {
            struct output output = {0};
            append_many(&output, keep + 1, 'k');
            output_rewind(&output, keep);
            output_sent(&output, sent);
            for (int i = 0; i < 40; i++)
                append_many(&output, 1000, 'x');
            output_rewind(&output, keep);
            assert_int_equal(output_pending(&output), keep - sent);
            append_text(&output, "next");
            struct buffer received = {0};
            while (output_pending(&output) > 0)
                send_some(&output, UINT64_MAX, &received);
            assert_int_equal(received.size, keep - sent + 4);
            assert_memory_equal(received.data + received.size - 4, "next", 4);
            for (size_t i = 0; i < keep - sent; i++)
                assert_int_equal(received.data[i], 'k');
            buffer_free(&received);
            output_free(&output);
        }
}

/* A mark that guards something before the position goes on guarding it; one that does not is gone. */
static void rewinding_keeps_marks_before(void **state)
{
    (void)state;
    struct output output = {0};
    append_text(&output, "guarded");
    output_mark(&output, 10);
    append_text(&output, "more");
    output_mark(&output, 10); /* merged: now one mark guards both */
    output_rewind(&output, 7);
    assert_int_equal(output_sendable(&output, 9), 0);
    append_text(&output, "x");
    output_mark(&output, 20);
    append_text(&output, "y");
    output_mark(&output, 30);
    output_rewind(&output, 7);
    assert_int_equal(output_sendable(&output, 9), 0);
    assert_int_equal(output_sendable(&output, 10), 7);
    output_sent(&output, 7);
    append_text(&output, "z");
    output_mark(&output, 40);
    output_rewind(&output, 7);
    append_text(&output, "free");
    assert_int_equal(output_sendable(&output, 0), 4);
    output_free(&output);
}

/* A gap that was opened before the position can still be filled, also when nothing but it is left. */
static void rewinding_keeps_gaps_before(void **state)
{
    (void)state;
    for (size_t before = 0; before < 1100; before++) {
        struct output output = {0};
        if (before > 0)
            append_many(&output, before, 'a');
        struct output_gap outer = output_gap_open(&output);
        uint64_t position = before;
        for (int round = 0; round < 3; round++) {
            output_gap_open(&output);
            append_many(&output, 3000, 'x');
            output_rewind(&output, position);
        }
        append_text(&output, "z");
        output_gap_fill(&output, outer, "*1", 2);
        struct buffer received = {0};
        while (output_pending(&output) > 0)
            send_some(&output, UINT64_MAX, &received);
        assert_int_equal(received.size, before + 3);
        assert_memory_equal(received.data + before, "*1z", 3);
        buffer_free(&received);
        output_free(&output);
    }
}

/* A blob is referred to, not copied: its bytes go out from where they are, count in the output's memory and
 * its limit, take no more of the process's, and the reference ends when the last byte is sent. */
static void blobs_are_shared(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    struct blob *blob = blob_new(SIZE);
    memset(blob->data, 'b', SIZE);
    blob->size = SIZE;
    size_t before = memory_used();
    struct output output = {0};
    append_text(&output, "head");
    output_append_blob(&output, blob, 0, SIZE);
    append_text(&output, "tail");
    output_mark(&output, 7);
    assert_true(memory_used() - before < 4096);
    assert_in_range(output_memory(&output), SIZE, SIZE + 4096);
    assert_int_equal(output_shared_memory(&output), SIZE);
    struct iovec vectors[4];
    assert_int_equal(output_vectors(&output, UINT64_MAX, vectors, 4), 3);
    assert_ptr_equal(vectors[1].iov_base, blob->data);
    assert_int_equal(output_sendable(&output, 6), 0);
    output_sent(&output, 4 + SIZE - 1);
    assert_true(blob_is_shared(blob));
    assert_int_equal(output_vectors(&output, UINT64_MAX, vectors, 4), 2);
    assert_ptr_equal(vectors[0].iov_base, blob->data + SIZE - 1);
    output_sent(&output, 1);
    assert_false(blob_is_shared(blob));
    assert_int_equal(output_shared_memory(&output), 0);
    assert_sends(&output, "tail");

    output_append_blob(&output, blob, 0, SIZE);
    output_sent(&output, SIZE); /* one with nothing behind it */
    assert_false(blob_is_shared(blob));
    output_append_blob(&output, blob, 0, SIZE);
    output_free(&output);
    assert_false(blob_is_shared(blob));
    assert_int_equal(memory_used(), before);

    output_set_limit(&output, SIZE);
    append_text(&output, "kept");
    output_append_blob(&output, blob, 0, SIZE);
    assert_true(output_overflowed(&output));
    append_text(&output, "dropped");
    assert_int_equal(output_pending(&output), 4);
    assert_false(blob_is_shared(blob));
    output_free(&output);
    blob_drop(blob);
}

/* Gaps and rewinding work around blobs and within them. */
static void blobs_between_gaps(void **state)
{
    (void)state;
    for (size_t keep = 0; keep <= 70; keep += 7) {
        struct output output = {0};
        struct buffer bytes = {0};
        struct buffer expected = {0};
        struct buffer received = {0};
        struct output_gap outer = output_gap_open(&output);
        append_blob(&output, &bytes, 60, 0);
        struct output_gap inner = output_gap_open(&output);
        append_blob(&output, &bytes, 100, 50);
        output_gap_fill(&output, inner, "<inner>", 7);
        output_gap_fill(&output, outer, "<outer>", 7);
        append_text(&output, "end");
        buffer_append_text(&expected, "<outer>");
        buffer_append(&expected, bytes.data, 60);
        buffer_append_text(&expected, "<inner>");
        buffer_append(&expected, bytes.data + 60, 50);
        buffer_append_text(&expected, "end");
        output_sent(&output, 5);
        buffer_append(&received, expected.data, 5);
        output_rewind(&output, expected.size - keep);
        expected.size -= keep;
        append_text(&output, "more");
        buffer_append_text(&expected, "more");
        while (output_pending(&output) > 0)
            send_some(&output, 9, &received);
        assert_true(slice_equal(buffer_slice(&expected), buffer_slice(&received)));
        assert_int_equal(output_shared_memory(&output), 0);
        output_trim(&output);
        assert_int_equal(output_memory(&output), 0);
        buffer_free(&bytes);
        buffer_free(&expected);
        buffer_free(&received);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_keep_their_order),
        cmocka_unit_test(vectors_are_bounded),
        cmocka_unit_test(memory_is_kept_and_freed),
        cmocka_unit_test(discarding_drops),
        cmocka_unit_test(limit_drops_the_rest),
        cmocka_unit_test(limit_spoils_what_is_reserved),
        cmocka_unit_test(marks_hold_bytes_back),
        cmocka_unit_test(marks_are_monotone),
        cmocka_unit_test(marks_are_kept_apart),
        cmocka_unit_test(many_marks_stay_safe),
        cmocka_unit_test(gaps_are_filled_in_place),
        cmocka_unit_test(gaps_stand_alone),
        cmocka_unit_test(gaps_nest),
        cmocka_unit_test(gaps_move_marks),
        cmocka_unit_test(rewinding_forgets),
        cmocka_unit_test(rewinding_keeps_marks_before),
        cmocka_unit_test(rewinding_keeps_gaps_before),
        cmocka_unit_test(blobs_are_shared),
        cmocka_unit_test(blobs_between_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
