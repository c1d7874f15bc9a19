/* File headers and frames: what is written is read back, and nothing else passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal/frame.h"

#define SALT 0x1122334455667788u

static const char payload[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n";
#define PAYLOAD_SIZE (sizeof(payload) - 1)
#define FRAME_SIZE   (FRAME_HEADER_SIZE + PAYLOAD_SIZE)

static void seal(char *block, enum frame_kind kind, lsn_t lsn, lsn_t durable_lsn)
{
    size_t size = kind == FRAME_DATA ? PAYLOAD_SIZE : 0;
    memcpy(block + FRAME_HEADER_SIZE, payload, size);
    struct frame frame = {kind, 7, lsn, durable_lsn, 1700000000123, slice_make(NULL, size)};
    frame_seal(&frame, SALT, block);
}

static enum frame_verdict decode(const char *block, size_t size, uint64_t left, struct frame *frame)
{
    size_t need;
    return frame_decode(frame, slice_make(block, size), left, SALT, &need);
}

/* Every field of a header comes back. */
static void file_headers_are_read_back(void **state)
{
    (void)state;
    char bytes[FILE_HEADER_SIZE];
    for (int kind = FILE_LOG; kind <= FILE_BASE; kind++) {
        struct file_header header = {.kind = (enum file_kind)kind,
                                     .stream_id = "0123456789abcde",
                                     .salt = SALT,
                                     .lsn = UINT64_MAX - 5,
                                     .time_ms = 1700000000123};
        struct file_header again;
        file_header_encode(&header, bytes);
        assert_null(file_header_decode(&again, slice_make(bytes, sizeof(bytes))));
        assert_int_equal(again.kind, header.kind);
        assert_memory_equal(again.stream_id, header.stream_id, STREAM_ID_SIZE);
        assert_true(again.salt == header.salt && again.lsn == header.lsn && again.time_ms == header.time_ms);
    }
}

/* No header passes with a bit changed or an end missing. */
static void damaged_file_headers_are_refused(void **state)
{
    (void)state;
    char bytes[FILE_HEADER_SIZE];
    struct file_header header = {.kind = FILE_LOG, .salt = SALT, .lsn = 99};
    struct file_header again;
    file_header_encode(&header, bytes);
    for (size_t i = 0; i < sizeof(bytes) * 8; i++) {
        bytes[i / 8] ^= (char)(1 << i % 8);
        assert_non_null(file_header_decode(&again, slice_make(bytes, sizeof(bytes))));
        bytes[i / 8] ^= (char)(1 << i % 8);
    }
    for (size_t size = 0; size < sizeof(bytes); size++)
        assert_non_null(file_header_decode(&again, slice_make(bytes, size)));
    assert_null(file_header_decode(&again, slice_make(bytes, sizeof(bytes))));
}

/* Every field of a frame comes back, and the payload is referred to, not copied. */
static void frames_are_read_back(void **state)
{
    (void)state;
    char block[FRAME_SIZE];
    struct frame frame;
    size_t need = 0;
    seal(block, FRAME_DATA, 1000, 900);
    assert_int_equal(frame_decode(&frame, slice_make(block, FRAME_SIZE), FRAME_SIZE, SALT, &need),
                     FRAME_VALID);
    assert_int_equal(need, FRAME_SIZE);
    assert_int_equal(frame.kind, FRAME_DATA);
    assert_int_equal(frame.database, 7);
    assert_int_equal(frame.lsn, 1000);
    assert_int_equal(frame.durable_lsn, 900);
    assert_true(frame.time_ms == 1700000000123);
    assert_int_equal(frame.payload.size, PAYLOAD_SIZE);
    assert_ptr_equal(frame.payload.data, block + FRAME_HEADER_SIZE);

    seal(block, FRAME_CLOSE, 1000, 1000);
    assert_int_equal(decode(block, FRAME_HEADER_SIZE, FRAME_HEADER_SIZE, &frame), FRAME_VALID);
    assert_int_equal(frame.kind, FRAME_CLOSE);
    assert_int_equal(frame.payload.size, 0);
}

/* Whatever bit is changed, the frame is not valid; a length that became larger is at most asked for, never
 * believed beyond what the file has left. */
static void no_flipped_bit_passes(void **state)
{
    (void)state;
    char block[FRAME_SIZE];
    struct frame frame;
    seal(block, FRAME_DATA, 1000, 900);
    for (size_t i = 0; i < FRAME_SIZE * 8; i++) {
        block[i / 8] ^= (char)(1 << i % 8);
        assert_int_equal(decode(block, FRAME_SIZE, FRAME_SIZE, &frame), FRAME_INVALID);
        size_t need;
        uint64_t left = FRAME_SIZE + 100000;
        enum frame_verdict verdict = frame_decode(&frame, slice_make(block, FRAME_SIZE), left, SALT, &need);
        assert_int_not_equal(verdict, FRAME_VALID);
        assert_true(verdict == FRAME_INVALID || (need > FRAME_SIZE && need <= left));
        block[i / 8] ^= (char)(1 << i % 8);
    }
    assert_int_equal(decode(block, FRAME_SIZE, FRAME_SIZE, &frame), FRAME_VALID);
}

/* A frame that is cut is short while the file may have the rest, and invalid where the file ends. */
static void no_cut_frame_passes(void **state)
{
    (void)state;
    char block[FRAME_SIZE];
    struct frame frame;
    seal(block, FRAME_DATA, 1000, 900);
    for (size_t size = 0; size < FRAME_SIZE; size++) {
        size_t need = 0;
        assert_int_equal(decode(block, size, size, &frame), FRAME_INVALID);
        enum frame_verdict verdict = frame_decode(&frame, slice_make(block, size), FRAME_SIZE, SALT, &need);
        assert_int_equal(verdict, FRAME_SHORT);
        assert_int_equal(need, size < FRAME_HEADER_SIZE ? FRAME_HEADER_SIZE : FRAME_SIZE);
    }
}

/* Another file's frame, with another salt, is neither valid nor found. */
static void another_salt_is_another_file(void **state)
{
    (void)state;
    char block[FRAME_SIZE];
    struct frame frame;
    size_t need;
    seal(block, FRAME_DATA, 1000, 900);
    struct slice bytes = slice_make(block, FRAME_SIZE);
    assert_int_equal(frame_decode(&frame, bytes, FRAME_SIZE, SALT + 1, &need), FRAME_INVALID);
    assert_int_equal(frame_search(bytes, 0, SALT + 1), FRAME_SIZE);
}

/* A frame whose fields make no sense is not one, even with a right checksum: no data without bytes, no
 * closing frame with, nothing durable that is not yet written. */
static void implausible_fields_are_refused(void **state)
{
    (void)state;
    char block[FRAME_SIZE];
    struct frame frame;
    static const struct {
        int offset;
        char value;
    } changes[] = {{12, 0}, {12, 4}, {12, FRAME_CLOSE}, {12, FRAME_BASE_END}, {13, 1}, {33, 8}};
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        seal(block, FRAME_DATA, 1000, 900);
        assert_int_equal(frame_search(slice_make(block, FRAME_SIZE), 0, SALT), 0);
        block[changes[i].offset] = changes[i].value;
        assert_int_equal(decode(block, FRAME_SIZE, FRAME_SIZE, &frame), FRAME_INVALID);
        assert_int_equal(frame_search(slice_make(block, FRAME_SIZE), 0, SALT), FRAME_SIZE);
    }
}

/* A header is found wherever it is, if all of it is there. */
static void search_finds_headers(void **state)
{
    (void)state;
    char bytes[300];
    for (size_t at = 0; at + FRAME_HEADER_SIZE <= sizeof(bytes); at++) {
        char block[FRAME_SIZE];
        memset(bytes, 0, sizeof(bytes));
        seal(block, FRAME_CLOSE, 5, 5);
        memcpy(bytes + at, block, FRAME_HEADER_SIZE);
        assert_int_equal(frame_search(slice_make(bytes, sizeof(bytes)), 0, SALT), at);
        assert_int_equal(frame_search(slice_make(bytes, sizeof(bytes)), at, SALT), at);
        assert_int_equal(frame_search(slice_make(bytes, sizeof(bytes)), at + 1, SALT), sizeof(bytes));
        assert_int_equal(frame_search(slice_make(bytes, at + FRAME_HEADER_SIZE - 1), 0, SALT),
                         at + FRAME_HEADER_SIZE - 1);
    }
    assert_int_equal(frame_search(slice_make(NULL, 0), 0, SALT), 0);
}

/* A frame follows what left its database selected, and anything if it selects one first. */
static void frames_follow_a_database(void **state)
{
    (void)state;
    struct frame frame = {.kind = FRAME_DATA, .database = 7, .payload = slice_of(payload)};
    assert_true(frame_follows(&frame, 7));
    assert_false(frame_follows(&frame, 0));
    frame.payload = SLICE_LITERAL("*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*1\r\n$8\r\nFLUSHALL\r\n");
    assert_true(frame_follows(&frame, 0));
    frame.payload = SLICE_LITERAL("*2\r\n$6\r\nSELECT");
    assert_false(frame_follows(&frame, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_headers_are_read_back),   cmocka_unit_test(damaged_file_headers_are_refused),
        cmocka_unit_test(frames_are_read_back),         cmocka_unit_test(frames_follow_a_database),
        cmocka_unit_test(no_flipped_bit_passes),        cmocka_unit_test(no_cut_frame_passes),
        cmocka_unit_test(another_salt_is_another_file), cmocka_unit_test(implausible_fields_are_refused),
        cmocka_unit_test(search_finds_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
