/* Listpacks: the bytes that redis-server writes, and every operation against an array of texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../seed.h"
#include "base/hash.h"
#include "base/memory.h"
#include "value/listpack.h"

/* A listpack with room that grows, and what should be in it. */
struct pair {
    char *listpack;
    struct buffer *texts;
    size_t count, room;
};

static void pair_init(struct pair *pair)
{
    *pair = (struct pair){.listpack = mem_alloc(LISTPACK_EMPTY_BYTES)};
    listpack_init(pair->listpack);
}

static void pair_free(struct pair *pair)
{
    for (size_t i = 0; i < pair->count; i++)
        buffer_free(&pair->texts[i]);
    mem_free(pair->texts);
    mem_free(pair->listpack);
}

static struct slice text_of(const struct pair *pair, size_t index)
{
    return buffer_slice(&pair->texts[index]);
}

/* The allocation is as long as the listpack, so that a sanitizer sees what is beyond. */
static void pair_splice(struct pair *pair, size_t index, size_t old_count, const struct slice *texts,
                        size_t count)
{
    struct listpack_item items[8];
    size_t position =
        index == pair->count ? listpack_end(pair->listpack) : listpack_seek(pair->listpack, (int64_t)index);
    size_t old_bytes = 0, new_bytes = 0;
    for (size_t i = 0; i < old_count; i++)
        old_bytes += listpack_element_bytes(pair->listpack, position + old_bytes);
    for (size_t i = 0; i < count; i++) {
        items[i] = listpack_item(texts[i]);
        new_bytes += items[i].bytes;
    }
    size_t before = listpack_bytes(pair->listpack), after = before - old_bytes + new_bytes;
    if (after > before)
        pair->listpack = mem_realloc(pair->listpack, after);
    listpack_splice(pair->listpack, position, old_bytes, old_count, items, count);
    assert_int_equal(listpack_bytes(pair->listpack), after);
    if (after < before)
        pair->listpack = mem_realloc(pair->listpack, after);

    for (size_t i = 0; i < old_count; i++)
        buffer_free(&pair->texts[index + i]);
    size_t total = pair->count - old_count + count;
    if (total > pair->room)
        pair->texts = mem_realloc(pair->texts, (pair->room = 2 * total) * sizeof(*pair->texts));
    if (pair->count > index + old_count)
        memmove(pair->texts + index + count, pair->texts + index + old_count,
                (pair->count - index - old_count) * sizeof(*pair->texts));
    for (size_t i = 0; i < count; i++) {
        pair->texts[index + i] = (struct buffer){0};
        buffer_append_slice(&pair->texts[index + i], texts[i]);
    }
    pair->count = total;
}

static void append(struct pair *pair, struct slice text)
{
    pair_splice(pair, pair->count, 0, &text, 1);
}

static void assert_slice(struct slice actual, struct slice expected)
{
    assert_int_equal(actual.size, expected.size);
    if (expected.size > 0)
        assert_memory_equal(actual.data, expected.data, expected.size);
}

/* Everything that can be read is as the model has it. */
static void assert_same(const struct pair *pair)
{
    const char *listpack = pair->listpack;
    char scratch[LISTPACK_SCRATCH];
    assert_true(listpack_valid(listpack_slice(listpack)));
    assert_int_equal(listpack_count(listpack), pair->count);
    size_t index = 0, position = listpack_first(listpack);
    for (; position != 0; position = listpack_next(listpack, position), index++) {
        struct slice text = text_of(pair, index);
        int64_t number, expected;
        assert_slice(listpack_text(listpack, position, scratch), text);
        assert_true(listpack_equals(listpack, position, text));
        assert_int_equal(listpack_number(listpack, position, &number), int64_parse(text, &expected));
        if (int64_parse(text, &expected))
            assert_int_equal(number, expected);
        assert_int_equal(listpack_element_bytes(listpack, position), listpack_item(text).bytes);
    }
    assert_int_equal(index, pair->count);
    for (position = listpack_last(listpack); position != 0; position = listpack_previous(listpack, position))
        assert_slice(listpack_text(listpack, position, scratch), text_of(pair, --index));
    assert_int_equal(index, 0);
}

static const int64_t edges[] = {
    0,
    127,
    128,
    4095,
    4096,
    32767,
    32768,
    8388607,
    8388608,
    INT32_MAX,
    INT32_MAX + INT64_C(1),
    INT64_MAX,
    -1,
    -4096,
    -4097,
    -32768,
    -32769,
    -8388608,
    -8388609,
    INT32_MIN,
    INT32_MIN - INT64_C(1),
    INT64_MIN,
};
static const char *const no_numbers[] = {
    "",
    "-",
    "-0",
    "00",
    "01",
    "+1",
    " 1",
    "1 ",
    "1.0",
    "9223372036854775808",
    "-9223372036854775809",
    "00000000000000000000",
    "123456789012345678901",
    "0x10",
    "1e3",
};
static const size_t lengths[] = {1,    62,   63,   64,    65,    124,   125,   126,  127,
                                 4094, 4095, 4096, 16376, 16377, 16378, 16379, 16380};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The elements above, in this order, make the very bytes that redis-server 7.0.15 puts into DUMP for a hash
 * whose fields are f0, f1, ... and whose values they are. What it wrote stands here as its size and its hash.
 */
static void bytes_are_those_of_redis_server(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    char name[16], digits[INT64_TEXT_MAX];
    unsigned field = 0;
    char *text = mem_alloc(20000);
    memset(text, 'x', 20000);
    size_t total = COUNT_OF(edges) + COUNT_OF(no_numbers) + COUNT_OF(lengths);
    for (size_t i = 0; i < total; i++) {
        append(&pair, slice_make(name, (size_t)snprintf(name, sizeof(name), "f%u", field++)));
        if (i < COUNT_OF(edges))
            append(&pair, slice_make(digits, int64_format(digits, edges[i])));
        else if (i < COUNT_OF(edges) + COUNT_OF(no_numbers))
            append(&pair, slice_of(no_numbers[i - COUNT_OF(edges)]));
        else
            append(&pair, slice_make(text, lengths[i - COUNT_OF(edges) - COUNT_OF(no_numbers)]));
    }
    assert_same(&pair);
    struct slice all = listpack_slice(pair.listpack);
    assert_int_equal(all.size, 95527);
    assert_int_equal(hash_slice(all, 0), UINT64_C(0x8c4bddfea4552acd));
    mem_free(text);
    pair_free(&pair);
}

static size_t text_make(struct random *random, char *out, size_t size_max)
{
    switch (random_below(random, 8)) {
    case 0: {
        int64_t edge = edges[random_below(random, COUNT_OF(edges))];
        return int64_format(out, edge);
    }
    case 1: return int64_format(out, (int64_t)(random_next(random) >> random_below(random, 64)));
    case 2: return int64_format(out, (int64_t)random_below(random, 20));
    case 3: {
        const char *text = no_numbers[random_below(random, COUNT_OF(no_numbers))];
        memcpy(out, text, strlen(text));
        return strlen(text);
    }
    default: break;
    }
    size_t size = random_below(random, 4) > 0 ? random_below(random, 12)
                                              : lengths[random_below(random, COUNT_OF(lengths))];
    size = size < size_max ? size : size_max;
    for (size_t i = 0; i < size; i++)
        out[i] = (char)("ab\0"[random_below(random, 3)]);
    return size;
}

/* Splices at random places keep the same texts as an array does, and each is found from wherever it may be.
 */
static void operations_are_those_of_an_array(void **state)
{
    (void)state;
    struct random random;
    test_random(&random, __func__);
    static char room[4][20000];
    for (int round = 0; round < 60; round++) {
        struct pair pair;
        pair_init(&pair);
        size_t aim = random_below(&random, 60);
        for (int step = 0; step < 150; step++) {
            struct slice texts[4];
            size_t count = random_below(&random, 4);
            for (size_t i = 0; i < count; i++)
                texts[i] = slice_make(room[i], text_make(&random, room[i], round % 4 == 0 ? 20000 : 130));
            size_t index = random_below(&random, pair.count + 1);
            size_t old = random_below(&random, pair.count > aim ? 6 : 3);
            old = old < pair.count - index ? old : pair.count - index;
            pair_splice(&pair, index, old, texts, count);
            if (step % 16 == 0)
                assert_same(&pair);
            for (int64_t at = -(int64_t)pair.count - 1; at <= (int64_t)pair.count; at++) {
                size_t position = listpack_seek(pair.listpack, at);
                size_t model = at >= 0 ? (size_t)at : pair.count + (size_t)at;
                assert_int_equal(position != 0, model < pair.count);
                if (position != 0)
                    assert_true(listpack_equals(pair.listpack, position, text_of(&pair, model)));
            }
        }
        assert_same(&pair);
        pair_free(&pair);
    }
}

/* Finding gives the first one at the steps that are looked at, and no other. */
static void finding_looks_at_every_so_manieth(void **state)
{
    (void)state;
    struct random random;
    test_random(&random, __func__);
    char text[20000];
    for (int round = 0; round < 300; round++) {
        struct pair pair;
        pair_init(&pair);
        unsigned skip = (unsigned)random_below(&random, 3);
        size_t count = (skip + 1) * random_below(&random, 30);
        for (size_t i = 0; i < count; i++)
            append(&pair, slice_make(text, text_make(&random, text, 200)));
        for (size_t i = 0; i < count + 20; i++) {
            struct slice wanted =
                i < count ? text_of(&pair, i) : slice_make(text, text_make(&random, text, 200));
            size_t from = count == 0 ? 0 : random_below(&random, count / (skip + 1)) * (skip + 1);
            size_t expected = from;
            while (expected < count && !slice_equal(text_of(&pair, expected), wanted))
                expected += skip + 1;
            size_t found =
                listpack_find(pair.listpack, listpack_seek(pair.listpack, (int64_t)from), wanted, skip);
            assert_int_equal(found, expected < count ? listpack_seek(pair.listpack, (int64_t)expected) : 0);
        }
        pair_free(&pair);
    }
}

/* Texts of equal length that differ in any one byte are told apart, as the first element and as a later one.
 */
static void one_byte_tells_texts_apart(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 70; size++)
        for (size_t differs = 0; differs < size; differs++) {
            char there[70], wanted[70];
            memset(there, 'x', size);
            memset(wanted, 'x', size);
            wanted[differs] = 'y';
            struct pair pair;
            pair_init(&pair);
            append(&pair, slice_make(there, size));
            append(&pair, slice_make(there, size));
            size_t first = listpack_first(pair.listpack);
            assert_int_equal(listpack_find(pair.listpack, first, slice_make(wanted, size), 0), 0);
            assert_int_equal(listpack_find(pair.listpack, first, slice_make(wanted, size), 1), 0);
            append(&pair, slice_make(wanted, size));
            assert_int_equal(listpack_find(pair.listpack, first, slice_make(there, size), 0), first);
            assert_int_equal(listpack_find(pair.listpack, first, slice_make(wanted, size), 0),
                             listpack_seek(pair.listpack, 2));
            pair_free(&pair);
        }
}

/* Replacing by what takes as many bytes touches nothing else; deleting and inserting by position work on the
 * count. */
static void single_elements_change_in_place(void **state)
{
    (void)state;
    char block[64];
    listpack_init(block);
    const char *const texts[] = {"one", "two", "three"};
    for (size_t i = 0; i < 3; i++) {
        struct listpack_item item = listpack_item(slice_of(texts[i]));
        listpack_append(block, &item);
    }
    char before[64];
    memcpy(before, block, sizeof(block));
    struct listpack_item item = listpack_item(slice_of("TWO"));
    size_t second = listpack_seek(block, 1);
    listpack_replace(block, second, &item);
    for (size_t i = 0; i < listpack_bytes(block); i++)
        assert_true(block[i] == before[i] || (i > second && i <= second + 3));
    item = listpack_item_number(-5);
    listpack_insert(block, listpack_first(block), &item);
    listpack_delete(block, listpack_seek(block, 1), 2);
    assert_int_equal(listpack_count(block), 2);
    assert_true(listpack_equals(block, listpack_first(block), slice_of("-5")));
    assert_true(listpack_equals(block, listpack_last(block), slice_of("three")));
    listpack_delete(block, listpack_first(block), 2);
    assert_int_equal(listpack_first(block), 0);
    assert_int_equal(listpack_last(block), 0);
    assert_int_equal(listpack_bytes(block), LISTPACK_EMPTY_BYTES);
}

/* From 65535 elements on the header tells no count, and reading goes on. */
static void more_elements_than_the_header_counts(void **state)
{
    (void)state;
    enum { COUNT = 70000 };
    char *listpack = mem_alloc(LISTPACK_EMPTY_BYTES + (size_t)COUNT * 4);
    listpack_init(listpack);
    for (int64_t i = 0; i < COUNT; i++) {
        struct listpack_item item = listpack_item_number(i % 4000);
        listpack_append(listpack, &item);
        assert_int_equal(listpack[4] == (char)0xFF && listpack[5] == (char)0xFF, i + 1 >= 65535);
    }
    assert_int_equal(listpack_count(listpack), COUNT);
    assert_true(listpack_valid(listpack_slice(listpack)));
    assert_true(listpack_equals(listpack, listpack_seek(listpack, COUNT - 1), slice_of("1999")));
    assert_true(listpack_equals(listpack, listpack_seek(listpack, -COUNT), slice_of("0")));
    assert_int_equal(listpack_seek(listpack, COUNT), 0);
    assert_int_equal(listpack_seek(listpack, -COUNT - 1), 0);
    listpack_delete(listpack, listpack_first(listpack), COUNT - 60000);
    assert_int_equal(listpack_count(listpack), 60000);
    listpack_delete(listpack, listpack_first(listpack), 60000 - 10);
    assert_int_equal(listpack_count(listpack), 10);
    mem_free(listpack);
}

/* Of a listpack that is cut anywhere, made longer, or whose bits change, none is accepted unless it reads
 * through to the end within its bytes. */
static void what_is_not_a_listpack_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    char text[300];
    memset(text, 't', sizeof(text));
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        char digits[INT64_TEXT_MAX];
        append(&pair, slice_make(digits, int64_format(digits, edges[i])));
        append(&pair, slice_make(text, i * 13));
    }
    struct slice whole = listpack_slice(pair.listpack);
    size_t accepted = 0;
    for (size_t size = 0; size < whole.size; size++) {
        char *cut = mem_alloc(size > 0 ? size : 1);
        memcpy(cut, whole.data, size);
        assert_false(listpack_valid(slice_make(cut, size)));
        if (size >= LISTPACK_EMPTY_BYTES) { /* and with a header and an end that fit */
            uint32_t told = (uint32_t)size;
            memcpy(cut, &told, sizeof(told));
            cut[size - 1] = (char)0xFF;
            assert_false(listpack_valid(slice_make(cut, size)));
        }
        mem_free(cut);
    }
    char *changed = mem_alloc(whole.size);
    for (size_t bit = 0; bit < whole.size * 8; bit++) {
        memcpy(changed, whole.data, whole.size);
        changed[bit / 8] = (char)(changed[bit / 8] ^ 1 << bit % 8);
        if (!listpack_valid(slice_make(changed, whole.size)))
            continue;
        accepted++;
        char scratch[LISTPACK_SCRATCH];
        size_t count = 0;
        for (size_t at = listpack_first(changed); at != 0; at = listpack_next(changed, at), count++)
            assert_true(listpack_text(changed, at, scratch).size <= sizeof(text));
        assert_int_equal(count, pair.count);
        for (size_t at = listpack_last(changed); at != 0; at = listpack_previous(changed, at))
            count--;
        assert_int_equal(count, 0);
    }
    assert_true(accepted > 0 && accepted < whole.size * 8);
    memcpy(changed, whole.data, whole.size);
    changed[4]++; /* the count */
    assert_false(listpack_valid(slice_make(changed, whole.size)));
    changed[4] = changed[5] = (char)0xFF;
    assert_true(listpack_valid(slice_make(changed, whole.size)));
    mem_free(changed);
    pair_free(&pair);
}

/* Numbers that somebody kept as text, or in more bytes than needed, are found as those that are kept well. */
static void numbers_kept_otherwise_are_found(void **state)
{
    (void)state;
    /* "12" as a string, 5 in 13 bits, 7 in 64 bits, 1 in 16 bits */
    static const char block[] = "\x1d\0\0\0\x04\0"
                                "\x82"
                                "12\x03"
                                "\xc0\x05\x02"
                                "\xf4\x07\0\0\0\0\0\0\0\x09"
                                "\xf1\x01\0\x03"
                                "\xff";
    struct slice bytes = slice_make(block, sizeof(block) - 1);
    char exact[sizeof(block) - 1];
    memcpy(exact, block, sizeof(exact));
    exact[0] = (char)bytes.size;
    assert_true(listpack_valid(slice_make(exact, sizeof(exact))));
    const char *const texts[] = {"12", "5", "7", "1"};
    for (size_t i = 0; i < 4; i++) {
        size_t position = listpack_find(exact, listpack_first(exact), slice_of(texts[i]), 0);
        int64_t number, expected;
        assert_int_equal(position, listpack_seek(exact, (int64_t)i));
        assert_true(listpack_number(exact, position, &number));
        assert_true(int64_parse(slice_of(texts[i]), &expected));
        assert_int_equal(number, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_of_redis_server),
        cmocka_unit_test(operations_are_those_of_an_array),
        cmocka_unit_test(finding_looks_at_every_so_manieth),
        cmocka_unit_test(one_byte_tells_texts_apart),
        cmocka_unit_test(single_elements_change_in_place),
        cmocka_unit_test(more_elements_than_the_header_counts),
        cmocka_unit_test(what_is_not_a_listpack_is_refused),
        cmocka_unit_test(numbers_kept_otherwise_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
