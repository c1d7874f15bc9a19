/* HyperLogLog. Expected replies and bytes are those of redis-server. */
#include "dialog.h"

#include "base/random.h"
#include "family/hll.h"

#define CORRUPT "-INVALIDOBJ Corrupted HLL object detected\r\n"
#define INVALID "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"

static void test_commands(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"pfadd k", ":1\r\n"},
        {"pfadd k", ":0\r\n"},
        {"pfcount k", ":0\r\n"},
        {"pfadd k a b c", ":1\r\n"},
        {"pfadd k a b c", ":0\r\n"},
        {"pfcount k", ":3\r\n"},
        {"pfcount k", ":3\r\n"},
        {"pfdebug decode k", "$44\r\nZ:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603\r\n"},
        {"pfdebug encoding k", "+sparse\r\n"},
        {"object encoding k", "$3\r\nraw\r\n"},
        {"pfadd l b c d", ":1\r\n"},
        {"pfcount k l", ":4\r\n"},
        {"pfcount k l missing", ":4\r\n"},
        {"pfmerge m k l", "+OK\r\n"},
        {"pfcount m", ":4\r\n"},
        {"pfmerge fresh", "+OK\r\n"},
        {"pfcount fresh", ":0\r\n"},
        {"pfdebug todense k", ":1\r\n"},
        {"pfdebug todense k", ":0\r\n"},
        {"pfdebug encoding k", "+dense\r\n"},
        {"pfdebug decode k", "-ERR HLL encoding is not sparse\r\n"},
        {"strlen k", ":12304\r\n"},
        {"pfcount k", ":3\r\n"},
        {"pfadd k e", ":1\r\n"},
        {"pfcount k", ":4\r\n"},
        {"pexpire k 1000", ":1\r\n"},
        {"pfadd k f", ":1\r\n"},
        {"pfmerge k m", "+OK\r\n"},
        {"pttl k", ":1000\r\n"},
        {"pfcount missing", ":0\r\n"},
        {"pfdebug encoding missing", "-ERR The specified key does not exist\r\n"},
        {"pfdebug nonsense k", "-ERR Unknown PFDEBUG subcommand 'nonsense'\r\n"},
        {"pfselftest", "+OK\r\n"},
        {"pfadd", "-ERR wrong number of arguments for 'pfadd' command\r\n"},
    };
    PLAY(turns);
}

/* What is no sketch gives errors and stays as it is. */
static void test_bad_sketches(void **state)
{
    (void)state;
    static const struct turn turns[] = {
        {"set k value", "+OK\r\n"},
        {"pfadd k a", INVALID},
        {"pfcount k", INVALID},
        {"pfcount missing k", INVALID},
        {"pfmerge k", INVALID},
        {"pfmerge new k", INVALID},
        {"exists new", ":0\r\n"},
        {"pfdebug getreg k", INVALID},
        {"set k 123", "+OK\r\n"},
        {"pfadd k a", INVALID},
        {"set k HYLL", "+OK\r\n"},
        {"pfcount k", INVALID},
        {"set k \"HYLL\\x02\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\"", "+OK\r\n"},
        {"pfcount k", INVALID},
        {"set k \"HYLL\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\"", "+OK\r\n"},
        {"pfcount k", INVALID},
        /* Registers that do not add up: none, too few, too many. */
        {"set k \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\"", "+OK\r\n"},
        {"pfcount k", CORRUPT},
        {"pfcount k k", CORRUPT},
        {"pfadd k a", CORRUPT},
        {"pfmerge k", CORRUPT},
        {"pfdebug todense k", CORRUPT},
        {"pfdebug getreg k", CORRUPT},
        {"strlen k", ":16\r\n"},
        {"set k \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xfe\"", "+OK\r\n"},
        {"pfcount k", CORRUPT},
        {"set k \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xff\\x84\"",
         "+OK\r\n"},
        {"pfcount k", CORRUPT},
        {"pfmerge k", CORRUPT},
        {"set k \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\"", "+OK\r\n"},
        {"pfcount k", CORRUPT},
        {"pfadd k a b c d e f g", ":1\r\n"},
    };
    PLAY(turns);
}

/* Counts of what no element leads to are Redis's, and no arithmetic fails. */
static void test_full_registers(void **state)
{
    (void)state;
    uint8_t registers[HLL_REGISTERS];
    memset(registers, HLL_REGISTER_MAX, sizeof(registers));
    assert_int_equal(hll_count_registers(registers), UINT64_C(1) << 63);
    memset(registers, 51, sizeof(registers));
    assert_int_equal(hll_count_registers(registers), UINT64_C(1) << 63);
    memset(registers, 0, sizeof(registers));
    assert_int_equal(hll_count_registers(registers), 0);
}

/* A sketch that changes from sparse to dense on its way counts what one does that was dense all the time, and
 * no sparse one grows beyond the limit. */
static void test_sparse_and_dense_agree(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 1);
    for (size_t sparse_max = 0; sparse_max <= 4000; sparse_max += 500) {
        struct buffer sparse = {0};
        struct buffer dense = {0};
        bool too_large = false;
        hll_create(&sparse);
        hll_create(&dense);
        assert_true(hll_make_dense(&dense));
        for (int i = 0; i < 20000; i++) {
            uint64_t element = random_below(&random, 30000);
            struct hll_hit hit = hll_hash(slice_make(&element, sizeof(element)));
            bool ignored;
            enum hll_change change = hll_raise(&sparse, hit, sparse_max, &too_large);
            assert_int_equal(hll_raise(&dense, hit, 0, &ignored), change);
            if (hll_encoding(buffer_slice(&sparse)) == HLL_SPARSE)
                assert_true(sparse.size <= (sparse_max > 18 ? sparse_max : 18));
            uint64_t counts[2];
            if (i % 100 != 0)
                continue;
            assert_true(hll_count(buffer_slice(&sparse), &counts[0]));
            assert_true(hll_count(buffer_slice(&dense), &counts[1]));
            assert_int_equal(counts[0], counts[1]);
        }
        assert_true(too_large);
        assert_true(hll_make_dense(&sparse));
        assert_true(slice_equal(buffer_slice(&sparse), buffer_slice(&dense)));
        buffer_free(&sparse);
        buffer_free(&dense);
    }
}

/* Sketches with bytes changed, cut and added at random: every command answers, and what it changed still is
 * bytes that every command answers to. The sanitizers see the rest. */
static void test_random_damage(void **state)
{
    (void)state;
    struct random random;
    struct dialog dialog;
    random_seed(&random, 2);
    dialog_begin(&dialog);
    for (int i = 0; i < 3000; i++) {
        struct buffer sketch = {0};
        bool too_large;
        hll_create(&sketch);
        for (uint64_t n = random_below(&random, 60); n > 0; n--)
            hll_raise(&sketch, (struct hll_hit){(int)random_below(&random, HLL_REGISTERS), 1 + (int)n % 32},
                      3000, &too_large);
        if (random_below(&random, 10) == 0)
            hll_make_dense(&sketch);
        for (uint64_t n = 1 + random_below(&random, 4); n > 0; n--)
            sketch.data[random_below(&random, sketch.size)] = (char)random_next(&random);
        if (random_below(&random, 3) == 0)
            sketch.size = random_below(&random, sketch.size + 1);
        const struct slice set[] = {SLICE_LITERAL("set"), SLICE_LITERAL("k"), buffer_slice(&sketch)};
        dialog_run(&dialog, 3, set);
        static const char *const lines[] = {"pfcount k",   "pfadd k a b", "pfcount k k",       "pfmerge l k",
                                            "pfmerge k l", "pfadd k c",   "pfdebug decode k",  "pfcount k",
                                            "pfadd k d e", "pfcount l",   "pfdebug todense k", "pfcount k"};
        for (size_t line = 0; line < sizeof(lines) / sizeof(lines[0]); line++)
            assert_true(dialog_say(&dialog, lines[line])[0] != '\0');
        dialog_say(&dialog, "del l");
        buffer_free(&sketch);
    }
    dialog_end(&dialog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),       cmocka_unit_test(test_bad_sketches),
        cmocka_unit_test(test_full_registers), cmocka_unit_test(test_sparse_and_dense_agree),
        cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
