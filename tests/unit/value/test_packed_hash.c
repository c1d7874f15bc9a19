/* Hashes in bytes of the caller's: every operation against an array, in blocks that are exactly as long as
 * they say. */
#include "hash_test.h"

struct packed {
    char *bytes;
    struct model model;
};

static void packed_set(struct packed *packed, unsigned number, struct slice value)
{
    char text[NAME_SIZE];
    struct slice name = name_of(number, text);
    struct packed_hash_change change;
    packed_hash_plan_set(packed->bytes, name, value, &change);
    assert_int_equal(change.found, packed->model.fields[number].there);
    if (!change.found)
        assert_int_equal(change.bytes,
                         packed_hash_bytes(packed->bytes) + packed_hash_pair_bytes(name, value));
    size_t before = packed_hash_bytes(packed->bytes);
    if (change.bytes > before)
        packed->bytes = mem_realloc(packed->bytes, change.bytes);
    packed_hash_apply(packed->bytes, &change);
    if (change.bytes < before)
        packed->bytes = mem_realloc(packed->bytes, change.bytes);
    model_set(&packed->model, number, value, FIELD_NEVER);
    assert_int_equal(change.size, packed->model.size);
    assert_int_equal(packed_hash_bytes(packed->bytes), change.bytes);
}

static void packed_delete(struct packed *packed, unsigned number)
{
    char text[NAME_SIZE];
    struct packed_hash_change change;
    bool found = packed_hash_plan_delete(packed->bytes, name_of(number, text), &change);
    assert_int_equal(found, packed->model.fields[number].there);
    if (!found)
        return;
    packed_hash_apply(packed->bytes, &change);
    packed->bytes = mem_realloc(packed->bytes, change.bytes);
    model_delete(&packed->model, number);
    assert_int_equal(change.size, packed->model.size);
}

static void assert_packed(const struct packed *packed)
{
    const struct model *model = &packed->model;
    struct hash_field field;
    assert_int_equal(packed_hash_size(packed->bytes), model->size);
    struct slice bytes = slice_make(packed->bytes, packed_hash_bytes(packed->bytes));
    assert_int_equal(hash_listpack_valid(bytes, HASH_LISTPACK), model->size > 0);
    for (unsigned i = 0; i < model->universe; i++) {
        char text[NAME_SIZE];
        bool found = packed_hash_find(packed->bytes, name_of(i, text), &field);
        assert_int_equal(found, model->fields[i].there);
        if (found)
            assert_field(model, &field);
    }
    size_t position = 0, count = 0;
    for (; packed_hash_next(packed->bytes, &position, &field); count++)
        assert_field(model, &field);
    assert_int_equal(count, model->size);
    assert_false(packed_hash_next(packed->bytes, &position, &field));
}

static void operations_are_those_of_an_array(void **state)
{
    (void)state;
    struct random random;
    test_random(&random, __func__);
    for (int round = 0; round < 100; round++) {
        struct packed packed = {.bytes = mem_alloc(PACKED_HASH_EMPTY_BYTES)};
        packed_hash_init(packed.bytes);
        model_init(&packed.model, 1 + (unsigned)random_below(&random, 40));
        for (int step = 0; step < 200; step++) {
            unsigned number = (unsigned)random_below(&random, packed.model.universe);
            char room[VALUE_SIZE_MAX];
            if (random_below(&random, 3) > 0)
                packed_set(&packed, number, value_make(&random, room, round % 5 == 0 ? VALUE_SIZE_MAX : 40));
            else
                packed_delete(&packed, number);
            struct hash_field field;
            assert_int_equal(packed_hash_random(packed.bytes, &random, &field), packed.model.size > 0);
            if (packed.model.size > 0)
                assert_field(&packed.model, &field);
            if (step % 10 == 0)
                assert_packed(&packed);
        }
        assert_packed(&packed);
        model_free(&packed.model);
        mem_free(packed.bytes);
    }
}

/* A value of as many bytes changes no byte but its own; so does one that is a number of the same width. */
static void an_equally_long_value_is_written_in_place(void **state)
{
    (void)state;
    struct packed packed = {.bytes = mem_alloc(PACKED_HASH_EMPTY_BYTES)};
    packed_hash_init(packed.bytes);
    model_init(&packed.model, 3);
    const char *const first[] = {"aaaa", "1000", "zz"}, *const second[] = {"bbbb", "2000", "yy"};
    for (unsigned i = 0; i < 3; i++)
        packed_set(&packed, i, slice_of(first[i]));
    size_t bytes = packed_hash_bytes(packed.bytes);
    char before[100];
    memcpy(before, packed.bytes, bytes);
    packed_set(&packed, 1, slice_of(second[1]));
    size_t changed = 0;
    for (size_t i = 0; i < bytes; i++)
        changed += before[i] != packed.bytes[i];
    assert_int_equal(changed, 2); /* both bytes of the number */
    packed_set(&packed, 0, slice_of(second[0]));
    packed_set(&packed, 2, slice_of(second[2]));
    assert_int_equal(packed_hash_bytes(packed.bytes), bytes);
    assert_packed(&packed);
    model_free(&packed.model);
    mem_free(packed.bytes);
}

/* The thresholds count fields after the change, and bytes in the name and in the value. */
static void thresholds_are_judged_by_what_comes_out(void **state)
{
    (void)state;
    char bytes[100];
    packed_hash_init(bytes);
    const struct hash_settings settings = {.entries_max = 2, .value_max = 4};
    struct packed_hash_change change;
    static const struct {
        const char *name, *value;
        bool stays;
    } steps[] = {
        {"a", "1", true},      {"long", "name", true}, {"longer", "1", false},
        {"a", "value", false}, {"third", "1", false},  {"a", "1234", true},
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct slice name = slice_of(steps[i].name), value = slice_of(steps[i].value);
        packed_hash_plan_set(bytes, name, value, &change);
        assert_int_equal(packed_hash_stays(&settings, &change, name, value), steps[i].stays);
        if (steps[i].stays)
            packed_hash_apply(bytes, &change);
    }
    assert_int_equal(packed_hash_size(bytes), 2);
}

static void count_visit(void *context, const struct hash_field *field)
{
    unsigned *chosen = context;
    *chosen |= 1U << number_of(field->name);
}

/* Of 5 fields each, and each pair, comes as often as any other, within what chance allows (the seed is
 * fixed). */
static void choices_are_equally_likely(void **state)
{
    (void)state;
    enum { ROUNDS = 20000, FIELDS = 5, PAIRS = 10 };
    struct random random;
    random_seed(&random, 7);
    struct packed packed = {.bytes = mem_alloc(PACKED_HASH_EMPTY_BYTES)};
    packed_hash_init(packed.bytes);
    model_init(&packed.model, FIELDS);
    for (unsigned i = 0; i < FIELDS; i++)
        packed_set(&packed, i, slice_of("value"));
    unsigned single[FIELDS] = {0}, pairs[1 << FIELDS] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        struct hash_field field;
        assert_true(packed_hash_random(packed.bytes, &random, &field));
        single[number_of(field.name)]++;
        unsigned chosen = 0;
        packed_hash_random_distinct(packed.bytes, &random, 2, count_visit, &chosen);
        assert_int_equal(__builtin_popcount(chosen), 2);
        pairs[chosen]++;
    }
    for (unsigned i = 0; i < FIELDS; i++)
        assert_in_range(single[i], ROUNDS / FIELDS - 300, ROUNDS / FIELDS + 300);
    for (unsigned i = 0; i < 1 << FIELDS; i++)
        if (__builtin_popcount(i) == 2)
            assert_in_range(pairs[i], ROUNDS / PAIRS - 220, ROUNDS / PAIRS + 220);
    unsigned all = 0;
    packed_hash_random_distinct(packed.bytes, &random, 100, count_visit, &all);
    assert_int_equal(all, (1 << FIELDS) - 1);
    model_free(&packed.model);
    mem_free(packed.bytes);
}

static void build(struct buffer *buffer, const char *const *texts, size_t count)
{
    char *listpack = buffer_reserve(buffer, LISTPACK_EMPTY_BYTES + count * 40);
    listpack_init(listpack);
    for (size_t i = 0; i < count; i++) {
        struct listpack_item item = listpack_item(slice_of(texts[i]));
        listpack_append(listpack, &item);
    }
    buffer->size = listpack_bytes(listpack);
}

/* What is a listpack but no hash. */
static void what_is_not_a_hash_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum hash_encoding encoding;
        bool valid;
        const char *texts[10];
    } cases[] = {
        {HASH_LISTPACK, false, {NULL}},
        {HASH_LISTPACK, false, {"a"}},
        {HASH_LISTPACK, true, {"a", "1"}},
        {HASH_LISTPACK, false, {"a", "1", "b"}},
        {HASH_LISTPACK, true, {"a", "1", "b", "1"}},
        {HASH_LISTPACK, true, {"a", "b", "b", "a"}},
        {HASH_LISTPACK, false, {"a", "1", "b", "1", "a", "2"}},
        {HASH_LISTPACK, false, {"7", "1", "7", "1"}},
        {HASH_LISTPACK_EX, false, {NULL}},
        {HASH_LISTPACK_EX, false, {"a", "1"}},
        {HASH_LISTPACK_EX, true, {"a", "1", "0"}},
        {HASH_LISTPACK_EX, true, {"a", "1", "5", "b", "1", "5", "c", "1", "0"}},
        {HASH_LISTPACK_EX, false, {"a", "1", "5", "b", "1", "4", "c", "1", "0"}},
        {HASH_LISTPACK_EX, false, {"a", "1", "5", "b", "1", "0", "c", "1", "6"}},
        {HASH_LISTPACK_EX, false, {"a", "1", "5", "a", "1", "6"}},
        {HASH_LISTPACK_EX, false, {"a", "1", "-5"}},
        {HASH_LISTPACK_EX, false, {"a", "1", "never"}},
        {HASH_LISTPACK_EX, true, {"a", "1", "281474976710655"}},
        {HASH_LISTPACK_EX, false, {"a", "1", "281474976710656"}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t count = 0;
        while (count < 10 && cases[i].texts[count] != NULL)
            count++;
        struct buffer bytes = {0};
        build(&bytes, cases[i].texts, count);
        assert_int_equal(hash_listpack_valid(buffer_slice(&bytes), cases[i].encoding), cases[i].valid);
        buffer_free(&bytes);
    }
}

/* Two equal names are found among many, wherever they are, however one is kept. */
static void equal_names_are_found_among_many(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    for (size_t equal = 0; equal < COUNT; equal += 13) {
        char block[COUNT * 12 + LISTPACK_EMPTY_BYTES];
        listpack_init(block);
        for (size_t i = 0; i < COUNT; i++) {
            struct listpack_item pair[2] = {listpack_item_number((int64_t)i), listpack_item(slice_of("v"))};
            /* as text, as others may keep it */
            char text[8];
            if (i == equal)
                pair[0] = (struct listpack_item){
                    .text = slice_make(text, (size_t)snprintf(text, sizeof(text), "%zu", (i + 50) % COUNT))};
            if (i == equal)
                pair[0].bytes = 2 + pair[0].text.size;
            listpack_splice(block, listpack_end(block), 0, 0, pair, 2);
        }
        struct slice bytes = listpack_slice(block);
        assert_true(listpack_valid(bytes));
        assert_false(hash_listpack_valid(bytes, HASH_LISTPACK));
        struct listpack_item other = listpack_item(slice_of("x"));
        listpack_replace(block, listpack_seek(block, (int64_t)equal * 2), &other);
        assert_true(hash_listpack_valid(listpack_slice(block), HASH_LISTPACK));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_are_those_of_an_array),
        cmocka_unit_test(an_equally_long_value_is_written_in_place),
        cmocka_unit_test(thresholds_are_judged_by_what_comes_out),
        cmocka_unit_test(choices_are_equally_likely),
        cmocka_unit_test(what_is_not_a_hash_is_refused),
        cmocka_unit_test(equal_names_are_found_among_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
