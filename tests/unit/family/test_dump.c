/* DUMP and RESTORE. That redis-server understands the same bytes is shown in redis-tests. */
#include "dialog.h"

#include "base/crc64.h"
#include "base/number.h"
#include "base/random.h"

/* DUMP of the string 1, as redis-server 7.0 gives it. */
#define ONE "\"\\x00\\xc0\\x01\\x0a\\x00\\x26\\x78\\xe7\\xb6\\xd1\\x01\\x11\\xfc\""

/* The value of the last reply, a bulk string, to be freed. */
static struct buffer bulk_of(const struct dialog *dialog)
{
    struct buffer value = {0};
    assert_int_equal(dialog->reply.data[0], '$');
    size_t size = (size_t)atoll(dialog->reply.data + 1);
    buffer_append(&value, strstr(dialog->reply.data, "\r\n") + 2, size);
    return value;
}

static const char *restore(struct dialog *dialog, struct slice payload)
{
    const struct slice argv[] = {SLICE_LITERAL("restore"), SLICE_LITERAL("to"), SLICE_LITERAL("0"), payload,
                                 SLICE_LITERAL("replace")};
    return dialog_run(dialog, 5, argv);
}

static void round_trip(struct dialog *dialog, struct slice value)
{
    const struct slice set[] = {SLICE_LITERAL("set"), SLICE_LITERAL("from"), value};
    dialog_run(dialog, 3, set);
    dialog_say(dialog, "dump from");
    struct buffer payload = bulk_of(dialog);
    assert_string_equal(restore(dialog, buffer_slice(&payload)), "+OK\r\n");
    dialog_say(dialog, "get to");
    struct buffer restored = bulk_of(dialog);
    assert_true(slice_equal(buffer_slice(&restored), value));
    buffer_free(&payload);
    buffer_free(&restored);
}

/* Integers around the limits of each size, and strings around the limits of each length, compressible and
 * not. */
static void test_round_trips(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 11, 12, 20, 21, 63, 64, 16383, 16384, 65535, 65536, 300000};
    struct dialog dialog;
    struct random random;
    random_seed(&random, 1);
    dialog_begin(&dialog);
    for (int compressed = 0; compressed < 2; compressed++) {
        dialog.world->settings.dump_compressed = compressed;
        for (int bits = 0; bits < 63; bits++)
            for (int64_t off = -1; off <= 1; off++)
                for (int sign = -1; sign <= 1; sign += 2) {
                    char digits[INT64_TEXT_MAX];
                    int64_t number = sign * ((INT64_C(1) << bits) + off);
                    round_trip(&dialog, slice_make(digits, int64_format(digits, number)));
                }
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char *value = mem_alloc(sizes[i] + 1);
            for (int kind = 0; kind < 3; kind++) {
                for (size_t at = 0; at < sizes[i]; at++)
                    value[at] = kind == 0 ? 'a' : kind == 1 ? (char)(at % 17) : (char)random_next(&random);
                round_trip(&dialog, slice_make(value, sizes[i]));
            }
            mem_free(value);
        }
    }
    dialog_end(&dialog);
}

static void test_options(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"restore k 0 " ONE, "+OK\r\n"},
        {"get k", "$1\r\n1\r\n"},
        {"object encoding k", "$3\r\nint\r\n"},
        {"ttl k", ":-1\r\n"},
        {"restore k 0 " ONE, "-BUSYKEY Target key name already exists.\r\n"},
        {"restore k 1000 " ONE " replace", "+OK\r\n"},
        {"pttl k", ":1000\r\n"},
        {"restore k 1600000005000 " ONE " absttl replace", "+OK\r\n"},
        {"pttl k", ":5000\r\n"},
        {"restore k 1 " ONE " absttl replace", "+OK\r\n"},
        {"exists k", ":0\r\n"},
        {"restore k 1 " ONE " absttl", "+OK\r\n"},
        {"exists k", ":0\r\n"},
        {"restore k 10 " ONE, "+OK\r\n"},
        {"@+10", ""},
        {"restore k 0 " ONE, "+OK\r\n"},
        {"restore k 0 " ONE " replace idletime 1000", "+OK\r\n"},
        {"object idletime k", ":1000\r\n"},
        {"restore k 0 " ONE " replace idletime 9223372036854775807", "+OK\r\n"},
        {"restore k 0 " ONE " replace freq 255", "+OK\r\n"},
        {"restore k 0 " ONE " replace idletime -1", "-ERR Invalid IDLETIME value, must be >= 0\r\n"},
        {"restore k 0 " ONE " replace freq 256", "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n"},
        {"restore k 0 " ONE " replace freq x", "-ERR value is not an integer or out of range\r\n"},
        {"restore k 0 " ONE " replace freq 1 idletime 1", "-ERR syntax error\r\n"},
        {"restore k 0 " ONE " replace idletime", "-ERR syntax error\r\n"},
        {"restore k 0 " ONE " nonsense", "-ERR syntax error\r\n"},
        {"restore k -1 " ONE " replace", "-ERR Invalid TTL value, must be >= 0\r\n"},
        {"restore k x " ONE " replace", "-ERR value is not an integer or out of range\r\n"},
        {"restore k 9223372036854775807 " ONE " replace",
         "-ERR invalid expire time in 'restore' command\r\n"},
        {"restore k 9223372036854775807 " ONE " replace absttl", "+OK\r\n"},
        {"restore k 0 nonsense replace", "-ERR DUMP payload version or checksum are wrong\r\n"},
        {"restore k 0 \"\" replace", "-ERR DUMP payload version or checksum are wrong\r\n"},
        {"get k", "$1\r\n1\r\n"},
        {"dump missing", "$-1\r\n"},
    };
    PLAY(turns);
}

/* A payload with a checksum, of bytes that somebody else made up. */
static struct buffer seal(struct slice bytes, unsigned version)
{
    struct buffer payload = {0};
    buffer_append_slice(&payload, bytes);
    buffer_append_char(&payload, (char)version);
    buffer_append_char(&payload, (char)(version >> 8));
    uint64_t checksum = crc64(0, payload.data, payload.size);
    for (int i = 0; i < 8; i++)
        buffer_append_char(&payload, (char)(checksum >> (8 * i)));
    return payload;
}

static void check_payload(struct slice bytes, unsigned version, const char *expected)
{
    struct dialog dialog;
    dialog_begin(&dialog);
    struct buffer payload = seal(bytes, version);
    assert_string_equal(restore(&dialog, buffer_slice(&payload)), expected);
    buffer_free(&payload);
    dialog_end(&dialog);
}

#define CHECK(bytes, version, expected) check_payload(SLICE_LITERAL(bytes), version, expected)

/* What other servers may send, and what none does. Sizes that are not there ask for no memory. */
static void test_payloads(void **state)
{
    (void)state;
    static const char ok[] = "+OK\r\n";
    static const char bad[] = "-ERR Bad data format\r\n";
    static const char wrong[] = "-ERR DUMP payload version or checksum are wrong\r\n";
    CHECK("\0\3abc", 6, ok);
    CHECK("\0\3abc", 11, ok);
    CHECK("\0\3abc", 12, ok);
    CHECK("\0\3abc", 13, wrong);
    CHECK("\0\3abc", 0xffff, wrong);
    CHECK("\1\3abc", 10, bad);
    CHECK("\0\3abc and more", 10, ok);
    CHECK("\0\x40\3abc", 10, ok);
    CHECK("\0\x80\0\0\0\3abc", 10, ok);
    CHECK("\0\x81\0\0\0\0\0\0\0\3abc", 10, ok);
    CHECK("\0\x82\0\0\0\3abc", 10, bad);
    CHECK("\0\x80\xff\xff\xff\xff", 10, bad);
    CHECK("\0\x81\xff\xff\xff\xff\xff\xff\xff\xff", 10, bad);
    CHECK("\0\xc2\xff\xff\xff\xff", 10, ok);
    CHECK("\0\xc3\6\5\4abcde", 10, ok);
    CHECK("\0\xc3\xc6\xc5\4abcde", 10, ok);
    CHECK("\0\xc3\6\6\4abcde", 10, bad);
    CHECK("\0\xc3\6\4\4abcde", 10, bad);
    CHECK("\0\xc3\5\x80\xff\xff\xff\xff\4abcd", 10, bad);
    CHECK("\0\xc3\5\x81\xff\xff\xff\xff\xff\xff\xff\xff\4abcd", 10, bad);
    CHECK("\0\xc3\0\0", 10, bad);
    CHECK("\0\xc4", 10, bad);
    CHECK("\0\xff", 10, bad);
}

/* Compressed payloads with bytes changed at random: each is restored or refused. The sanitizers see the rest.
 */
static void test_random_damage(void **state)
{
    (void)state;
    struct dialog dialog;
    struct random random;
    random_seed(&random, 3);
    dialog_begin(&dialog);
    dialog.world->settings.dump_compressed = true;
    dialog_say(&dialog, "set from abcabcabcabcabcabcabcabcdefdefdefdefdefdefghighighighighi");
    dialog_say(&dialog, "dump from");
    struct buffer whole = bulk_of(&dialog);
    assert_true(whole.data[1] == (char)0xc3);
    for (int i = 0; i < 20000; i++) {
        struct buffer bytes = {0};
        buffer_append(&bytes, whole.data, whole.size - 10);
        for (uint64_t n = 1 + random_below(&random, 3); n > 0; n--)
            bytes.data[random_below(&random, bytes.size)] = (char)random_next(&random);
        bytes.size -= random_below(&random, 3);
        struct buffer payload = seal(buffer_slice(&bytes), 10);
        const char *reply = restore(&dialog, buffer_slice(&payload));
        assert_true(strcmp(reply, "+OK\r\n") == 0 || strcmp(reply, "-ERR Bad data format\r\n") == 0);
        buffer_free(&payload);
        buffer_free(&bytes);
    }
    buffer_free(&whole);
    dialog_end(&dialog);
}

/* --- DKV.LOAD, which only a base has ------------------------------------------------------------------- */

#define LOAD(...)                                      \
    load(&dialog, (const struct slice[]){__VA_ARGS__}, \
         sizeof((struct slice[]){__VA_ARGS__}) / sizeof(struct slice))
#define TEXT(text) SLICE_LITERAL(text)

static bool load(struct dialog *dialog, const struct slice *words, size_t count)
{
    struct slice argv[8] = {SLICE_LITERAL("DKV.LOAD"), SLICE_LITERAL("k")};
    memcpy(argv + 2, words, count * sizeof(*words));
    struct request request = {.argc = 2 + (int)count, .argv = argv};
    dialog->session->origin = &origin_stream;
    bool ok = dialog_replay(dialog->world, dialog->session, &request) == NULL;
    dialog->session->origin = &origin_client;
    dialog_collect(dialog);
    return ok;
}

/* Pieces join what is there, whatever is promised to follow; anything else is refused, so that no base which
 * is not right is taken for one. */
static void test_loads(void **state)
{
    (void)state;
    static const char listpack[] = "\x10\x0c\x0c\0\0\0\x02\0\x81"
                                   "a\x02\x01\x01\xff";
    struct slice packed = slice_make(listpack, sizeof(listpack) - 1);
    struct dialog dialog;
    dialog_begin(&dialog);
    assert_false(LOAD(TEXT("\x04\x01\x01"
                           "a\x01"
                           "1"),
                      TEXT("MORE")));
    dialog_say(&dialog, "set k 1");
    assert_false(LOAD(TEXT("\x04\x01\x01"
                           "a\x01"
                           "1"),
                      TEXT("MORE"), TEXT("OF"), TEXT("5")));
    assert_true(LOAD(TEXT("\x04\x01\x01"
                          "a\x01"
                          "1"),
                     TEXT("OF"), TEXT("9223372036854775807")));
    assert_true(LOAD(TEXT("\x04\x02\x01"
                          "b\x01"
                          "2\x01"
                          "c\x01"
                          "3"),
                     TEXT("MORE"), TEXT("OF"), TEXT("3")));
    assert_true(LOAD(TEXT("\x18\x01\0\0\0\0\0\0\0\x01\x80\x7f\xff\xff\xff\x01"
                          "d\x01"
                          "4"),
                     TEXT("MORE")));
    assert_string_equal(dialog_say(&dialog, "hmget k a b c d"),
                        "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$-1\r\n");
    static const struct {
        const char *value;
        size_t size;
    } wrong[] = {{"", 0},
                 {"\x04", 1},
                 {"\x04\0", 2},
                 {"\x04\x02\x01"
                  "e\x01"
                  "5",
                  6},
                 {"\x10\x01x", 3},
                 {"\x18\x01\0", 3},
                 {"\x04\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                  "e\x01"
                  "5",
                  14},
                 {"\x04\x01\x01"
                  "e\x01"
                  "5 ",
                  7}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(LOAD(slice_make(wrong[i].value, wrong[i].size), TEXT("MORE"), TEXT("OF"), TEXT("3")));
        assert_false(LOAD(slice_make(wrong[i].value, wrong[i].size)));
    }
    assert_false(LOAD(packed, TEXT("MORE")));
    assert_false(LOAD(packed, TEXT("OF"), TEXT("-1")));
    assert_false(LOAD(packed, TEXT("MORE"), TEXT("PXAT"), TEXT("5")));
    assert_true(LOAD(packed, TEXT("PXAT"), TEXT("99999999999999")));
    assert_string_equal(dialog_say(&dialog, "pexpiretime k"), ":99999999999999\r\n");
    assert_string_equal(dialog_say(&dialog, "hgetall k"), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),   cmocka_unit_test(test_options), cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_random_damage), cmocka_unit_test(test_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
