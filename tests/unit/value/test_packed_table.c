/* The table of large hashes and sets, held against plain models. */
#include "packed_test.h"

/* --- Members and values by number --- */

#define BYTES_MAX 6000

/* Sizes around what fits a block, and what is ordinary. */
static const size_t member_sizes[] = {8, 16, 16, 24, 40, 125, 126, 127, 128, 300};
static const size_t value_sizes[] = {0, 1, 8, 16, 16, 32, 100, 125, 126, 127, 128, 129, 1000, BYTES_MAX};

/* The member of this number: the number in hexadecimal, and as many dots as its size wants. Number 0 is
 * empty. */
static struct slice member_of(char *text, uint64_t number)
{
    size_t size = number == 0 ? 0 : member_sizes[number % COUNT_OF(member_sizes)];
    char digits[20];
    snprintf(digits, sizeof(digits), "%08llx", (unsigned long long)number);
    memset(text, '.', size);
    memcpy(text, digits, size < 8 ? size : 8);
    return slice_make(text, size);
}

static uint64_t number_of(struct slice member)
{
    char digits[9] = {0};
    assert_true(member.size == 0 || member.size >= 8);
    memcpy(digits, member.data, member.size == 0 ? 0 : 8);
    return strtoull(digits, NULL, 16);
}

static struct slice value_of(char *text, size_t size, uint64_t version)
{
    for (size_t i = 0; i < size; i++)
        text[i] = (char)(version >> i % 8 * 8);
    return slice_make(text, size);
}

/* --- Everything at random --- */

#define UNIVERSE 1200
#define TIME_MAX 100000

struct model_element {
    bool there;
    size_t size;
    uint64_t version;
    int64_t time_ms;
};

struct model {
    struct random random;
    struct packed_table *table;
    size_t memory_before;
    bool frozen;
    uint64_t target; /* elements that there are to be, about */
    struct model_element elements[UNIVERSE];
};

static int64_t random_time(struct random *random)
{
    switch (random_below(random, 12)) {
    case 0: return 0;
    case 1: return PACKED_TIME_MAX - (int64_t)random_below(random, 2);
    case 2:
    case 3:
    case 4: return (int64_t)random_below(random, TIME_MAX);
    default: return PACKED_NO_TIME;
    }
}

static void assert_is_element(const struct model *model, uint64_t number, const struct packed_element *found)
{
    static char text[BYTES_MAX];
    const struct model_element *element = &model->elements[number];
    assert_true(element->there);
    assert_true(slice_equal(found->value, value_of(text, element->size, element->version)));
    assert_int_equal(found->time_ms, element->time_ms);
    assert_true(slice_equal(found->member, member_of(text, number)));
}

static void model_set(struct model *model, uint64_t number)
{
    static char member[BYTES_MAX];
    static char value[BYTES_MAX];
    struct model_element *element = &model->elements[number];
    size_t size = value_sizes[random_below(&model->random, COUNT_OF(value_sizes))];
    if (element->there && random_below(&model->random, 3) == 0)
        size = element->size;
    int64_t time_ms = random_time(&model->random);
    bool keep = random_below(&model->random, 3) == 0;
    uint64_t version = random_next(&model->random);
    enum packed_status status =
        packed_table_set(model->table, member_of(member, number), value_of(value, size, version),
                         keep ? PACKED_KEEP_TIME : time_ms);
    assert_int_equal(status, element->there ? PACKED_REPLACED : PACKED_ADDED);
    if (keep)
        time_ms = element->there ? element->time_ms : PACKED_NO_TIME;
    *element = (struct model_element){true, size, version, time_ms};
}

static void model_delete(struct model *model, uint64_t number)
{
    static char member[BYTES_MAX];
    assert_int_equal(packed_table_delete(model->table, member_of(member, number)),
                     model->elements[number].there);
    model->elements[number].there = false;
}

static void model_set_time(struct model *model, uint64_t number)
{
    static char member[BYTES_MAX];
    int64_t time_ms = random_time(&model->random);
    assert_int_equal(packed_table_set_time(model->table, member_of(member, number), time_ms),
                     model->elements[number].there);
    model->elements[number].time_ms = time_ms;
}

static void model_find(struct model *model, uint64_t number)
{
    static char member[BYTES_MAX];
    struct packed_element found;
    bool there = packed_table_find(model->table, member_of(member, number), &found);
    assert_int_equal(there, model->elements[number].there);
    if (there)
        assert_is_element(model, number, &found);
}

static bool is_due(const struct model_element *element, int64_t now_ms)
{
    return element->there && element->time_ms != PACKED_NO_TIME && element->time_ms <= now_ms;
}

static void model_due(struct model *model)
{
    struct packed_element due;
    int64_t now_ms = (int64_t)random_below(&model->random, TIME_MAX);
    if (!packed_table_next_due(model->table, now_ms, &due)) {
        for (uint64_t number = 0; number < UNIVERSE; number++)
            assert_false(is_due(&model->elements[number], now_ms));
        return;
    }
    uint64_t number = number_of(due.member);
    assert_is_element(model, number, &due);
    assert_true(is_due(&model->elements[number], now_ms));
    model_delete(model, number);
}

static void model_random(struct model *model)
{
    struct packed_element chosen;
    int64_t now_ms =
        random_below(&model->random, 2) == 0 ? INT64_MIN : (int64_t)random_below(&model->random, TIME_MAX);
    if (packed_table_random(model->table, &model->random, now_ms, &chosen)) {
        uint64_t number = number_of(chosen.member);
        assert_is_element(model, number, &chosen);
        assert_false(is_due(&model->elements[number], now_ms));
        return;
    }
    for (uint64_t number = 0; number < UNIVERSE; number++)
        assert_true(!model->elements[number].there || is_due(&model->elements[number], now_ms));
}

static void model_step(struct model *model)
{
    uint64_t number = random_below(&model->random, UNIVERSE);
    bool grow = packed_table_size(model->table) < model->target;
    switch (random_below(&model->random, 64)) {
    case 0: model->frozen = random_below(&model->random, 2) == 0; break;
    case 1: packed_table_settle(model->table, (int)random_below(&model->random, 5)); break;
    case 2: model->target = random_below(&model->random, UNIVERSE); break;
    case 3: packed_table_expect(model->table, random_below(&model->random, UNIVERSE)); break;
    case 4:
    case 5: packed_table_expect(model->table, 0); break;
    case 6:
    case 7: model_due(model); break;
    case 8:
    case 9: model_random(model); break;
    default:
        switch (random_below(&model->random, 8)) {
        case 0:
        case 1: model_find(model, number); break;
        case 2: model_set_time(model, number); break;
        case 3: grow ? model_delete(model, number) : model_set(model, number); break;
        default: grow ? model_set(model, number) : model_delete(model, number); break;
        }
    }
}

static void assert_same_elements(const struct model *model, struct packed_table *table)
{
    size_t visited = 0;
    struct packed_iterator iterator = {.table = table};
    struct packed_element element;
    while (packed_table_iterate(&iterator, &element)) {
        assert_is_element(model, number_of(element.member), &element);
        visited++;
    }
    assert_int_equal(visited, packed_table_size(table));
}

/* All sums, held against what is in the model. */
static void model_check(struct model *model)
{
    static char text[BYTES_MAX];
    size_t size = 0, timed = 0, payload = 0, due = 0;
    int64_t earliest = INT64_MAX;
    int64_t now_ms = (int64_t)random_below(&model->random, TIME_MAX);
    for (uint64_t number = 0; number < UNIVERSE; number++) {
        const struct model_element *element = &model->elements[number];
        if (!element->there)
            continue;
        size++;
        payload += element->size + member_of(text, number).size;
        timed += element->time_ms != PACKED_NO_TIME;
        due += is_due(element, now_ms);
        if (element->time_ms != PACKED_NO_TIME && element->time_ms < earliest)
            earliest = element->time_ms;
    }
    assert_int_equal(packed_table_size(model->table), size);
    assert_int_equal(packed_table_timed_size(model->table), timed);
    assert_int_equal(packed_table_payload(model->table), payload);
    assert_int_equal(packed_table_due_size(model->table, now_ms), due);
    assert_int_equal(packed_table_earliest(model->table), earliest);
    assert_int_equal(packed_table_memory(model->table), memory_used() - model->memory_before);
    assert_same_elements(model, model->table);
}

static void check_duplicate(struct model *model)
{
    size_t before = memory_used();
    struct packed_table *copy = packed_table_duplicate(model->table);
    assert_non_null(copy);
    assert_int_equal(packed_table_memory(copy), memory_used() - before);
    assert_int_equal(packed_table_size(copy), packed_table_size(model->table));
    assert_int_equal(packed_table_timed_size(copy), packed_table_timed_size(model->table));
    assert_int_equal(packed_table_payload(copy), packed_table_payload(model->table));
    assert_int_equal(packed_table_earliest(copy), packed_table_earliest(model->table));
    assert_same_elements(model, copy);
    packed_table_free(copy);
    assert_int_equal(memory_used(), before);
}

static void run_model(struct model *model, size_t block_max, int steps)
{
    model->frozen = false;
    model->target = UNIVERSE / 2;
    memset(model->elements, 0, sizeof(model->elements));
    model->memory_before = memory_used();
    model->table = packed_table_new(random_next(&model->random), &model->frozen);
    packed_table_block_max(model->table, block_max);
    for (int step = 0; step < steps; step++) {
        model_step(model);
        if (random_below(&model->random, 200) == 0)
            model_check(model);
        if (random_below(&model->random, 2000) == 0)
            check_duplicate(model);
    }
    model_check(model);
    for (uint64_t number = 0; number < UNIVERSE; number++)
        model_delete(model, number);
    model_check(model);
    packed_table_free(model->table);
    assert_int_equal(memory_used(), model->memory_before);
}

/* Every operation at random, with sizes around each threshold: the table holds what a plain array holds, its
 * sums are the array's, and its memory is what the allocator counts. With blocks of the largest size, and
 * with such small ones that most buckets are chains. */
static void it_holds_what_a_plain_array_holds(void **state)
{
    (void)state;
    static struct model model;
    test_random(&model.random, "model");
    for (int round = 0; round < 4; round++) {
        run_model(&model, 16384, 30000);
        run_model(&model, 512, 15000);
        run_model(&model, 1024, 15000);
    }
}

/* --- Growing and shrinking --- */

static void assert_each_visits(struct packed_table *table, size_t count, size_t universe)
{
    uint8_t *seen = mem_alloc_zero(universe);
    struct packed_iterator iterator = {.table = table};
    struct packed_element element;
    size_t visited = 0;
    for (; packed_table_iterate(&iterator, &element); visited++) {
        assert_true(short_number(element.member) < universe);
        assert_int_equal(seen[short_number(element.member)]++, 0);
    }
    assert_int_equal(visited, count);
    mem_free(seen);
}

/* Through growth to 100,000 elements and back all that should be there are found, no others, and the number
 * of buckets follows the number of elements. */
static void elements_are_found_while_it_grows_and_shrinks(void **state)
{
    (void)state;
    enum { ELEMENTS = 100000 };
    struct packed_table *table = packed_table_new(1, &never_frozen);
    for (uint64_t i = 0; i < ELEMENTS; i++) {
        assert_true(add(table, i));
        assert_true(is_there(table, i / 2));
        assert_false(is_there(table, i + 1));
        assert_true(buckets(table) * 12 >= i + 1);
    }
    assert_each_visits(table, ELEMENTS, ELEMENTS);
    for (uint64_t i = 0; i < ELEMENTS; i++) {
        assert_true(drop(table, i));
        assert_false(drop(table, i));
        assert_true(i + 1 == ELEMENTS || is_there(table, i + 1 + (ELEMENTS - i - 1) / 2));
        assert_true((buckets(table) - 1) * 8 <= ELEMENTS - i + 16);
    }
    assert_int_equal(packed_table_size(table), 0);
    packed_table_free(table);
}

/* A frozen table keeps its buckets until they hold four times what they should, splits then, merges never,
 * and catches up afterwards, by steps and by changes, a few buckets at a time. */
static void a_frozen_table_stays_and_catches_up(void **state)
{
    (void)state;
    enum { ELEMENTS = 40000, BEGIN = 12000 };
    bool frozen = false;
    struct packed_table *table = packed_table_new(1, &frozen);
    for (uint64_t i = 0; i < BEGIN; i++)
        assert_true(add(table, i));
    size_t before = buckets(table);
    assert_int_equal(before, BEGIN / 12);
    frozen = true;
    for (uint64_t i = BEGIN; i < ELEMENTS; i++)
        assert_true(add(table, i));
    assert_false(packed_table_settle(table, 100));
    assert_int_equal(buckets(table), before);
    for (uint64_t i = ELEMENTS; i < 5 * BEGIN; i++)
        assert_true(add(table, i));
    assert_int_equal(buckets(table), 5 * BEGIN / 48);
    before = buckets(table);
    assert_each_visits(table, 5 * BEGIN, 5 * BEGIN);

    frozen = false;
    assert_true(add(table, 5 * BEGIN));
    assert_int_equal(buckets(table), before + 2);
    assert_true(packed_table_settle(table, 10));
    assert_int_equal(buckets(table), before + 12);
    while (packed_table_settle(table, 10))
        ;
    assert_int_equal(buckets(table), 5 * BEGIN / 12 + 1);
    assert_each_visits(table, 5 * BEGIN + 1, 5 * BEGIN + 1);

    frozen = true;
    before = buckets(table);
    for (uint64_t i = 10; i <= 5 * BEGIN; i++)
        assert_true(drop(table, i));
    assert_int_equal(buckets(table), before);
    frozen = false;
    while (packed_table_settle(table, 10))
        ;
    assert_true(buckets(table) <= 3);
    assert_each_visits(table, 10, 10);
    packed_table_free(table);
}

/* Elements that are expected find buckets made for them, which stay while they come; what turns out not to be
 * needed is given back in steps once nothing is expected. */
static void room_is_made_for_expected_elements(void **state)
{
    (void)state;
    struct packed_table *table = packed_table_new(1, &never_frozen);
    for (uint64_t i = 0; i < 100; i++)
        assert_true(add(table, i));
    packed_table_expect(table, 24000);
    assert_int_equal(buckets(table), 2000);
    for (uint64_t i = 100; i < 6000; i++)
        assert_true(add(table, i));
    assert_false(packed_table_settle(table, 1000));
    assert_int_equal(buckets(table), 2000);
    assert_each_visits(table, 6000, 6000);

    packed_table_expect(table, 0);
    assert_true(packed_table_settle(table, 64));
    assert_int_equal(buckets(table), 2000 - 64);
    while (packed_table_settle(table, 64))
        ;
    assert_in_range(buckets(table), 6000 / 12, 6000 / 8 + 1);
    for (uint64_t i = 0; i < 6000; i++)
        assert_true(is_there(table, i));
    packed_table_free(table);
}

/* --- Memory --- */

/* What an element takes in all, of what the allocator gave out: the same at every size, and not much more
 * after others went, even where no buckets merge. */
static void memory_for_an_element_is_steady(void **state)
{
    (void)state;
    static const struct {
        size_t value_size;
        bool timed;
        double bytes_max;
    } shapes[] = {{32, false, 60}, {32, true, 70}, {0, false, 25}};
    if (strncmp(memory_allocator_name(), "jemalloc", 8) != 0)
        skip();
    for (size_t shape = 0; shape < COUNT_OF(shapes); shape++) {
        bool frozen = false;
        struct packed_table *table = packed_table_new(1, &frozen);
        char text[16];
        char value[32] = {0};
        for (uint64_t i = 0; i < 250000; i++) {
            packed_table_set(table, short_member(text, i), slice_make(value, shapes[shape].value_size),
                             shapes[shape].timed ? (int64_t)(i * 7919 % 100000) : PACKED_NO_TIME);
            if (i > 20000 && i % 1000 == 0)
                assert_true((double)packed_table_memory(table) / (double)(i + 1) < shapes[shape].bytes_max);
        }
        /* Three of four go, one after another: blocks shrink, and buckets merge. */
        for (uint64_t i = 0; i < 250000; i++)
            if (i % 4 != 0)
                drop(table, i);
        assert_true((double)packed_table_memory(table) / (250000 / 4) < shapes[shape].bytes_max * 1.2);
        frozen = true;
        for (uint64_t i = 0; i < 250000; i += 8)
            drop(table, i);
        assert_true((double)packed_table_memory(table) / (250000 / 8) < shapes[shape].bytes_max * 1.5);
        frozen = false;
        packed_table_free(table);
    }
}

/* Freeing in pieces frees about as much as it is told, everything in the end, and the sum of the pieces is
 * what it was said to cost. */
static void freeing_in_pieces_frees_all(void **state)
{
    (void)state;
    size_t before = memory_used();
    struct packed_table *table = packed_table_new(1, &never_frozen);
    char text[BYTES_MAX];
    char value[BYTES_MAX] = {0};
    for (uint64_t i = 0; i < 20000; i++)
        packed_table_set(table, member_of(text, i), slice_make(value, i % 5 == 0 ? 200 : 20),
                         i % 3 == 0 ? (int64_t)i : PACKED_NO_TIME);
    size_t cost = packed_table_free_cost(table);
    assert_true(cost > 20000 / 5 + 20000 / 12);
    size_t pieces = 0;
    for (bool done = false; !done; pieces++) {
        size_t used = memory_used();
        size_t steps = 100;
        done = packed_table_free_step(table, &steps);
        assert_true(done || steps == 0);
        assert_true(memory_used() < used);
        assert_true(pieces <= cost / 100 + 1);
    }
    assert_true(pieces >= cost / 200);
    assert_int_equal(memory_used(), before);
    packed_table_free(NULL);

    /* Empty buckets are work, too. */
    table = packed_table_new(1, &never_frozen);
    packed_table_expect(table, 100000);
    size_t steps = 100;
    assert_false(packed_table_free_step(table, &steps));
    packed_table_free(table);
    assert_int_equal(memory_used(), before);
}

/* A value of the size of the old one is written over it: in a block, and outside one. */
static void a_value_of_the_same_size_stays_in_place(void **state)
{
    (void)state;
    struct packed_table *table = packed_table_new(1, &never_frozen);
    static const size_t sizes[] = {0, 10, 126, 127, 5000};
    char value[BYTES_MAX];
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct packed_element before, after;
        packed_table_set(table, SLICE_LITERAL("member"), value_of(value, sizes[i], 1), 5);
        assert_true(packed_table_find(table, SLICE_LITERAL("member"), &before));
        packed_table_set(table, SLICE_LITERAL("member"), value_of(value, sizes[i], 2), 7);
        assert_true(packed_table_find(table, SLICE_LITERAL("member"), &after));
        assert_ptr_equal(before.value.data, after.value.data);
        assert_true(slice_equal(after.value, value_of(value, sizes[i], 2)));
        assert_int_equal(after.time_ms, 7);
    }
    packed_table_free(table);
}

/* Bytes that nobody has room for change nothing. */
static void too_large_a_value_changes_nothing(void **state)
{
    (void)state;
    struct packed_table *table = packed_table_new(1, &never_frozen);
    char member[BYTES_MAX];
    struct slice large = slice_make(member, (size_t)1 << 50);
    packed_table_set(table, SLICE_LITERAL("there"), SLICE_LITERAL("value"), 5);
    size_t memory = packed_table_memory(table);
    assert_int_equal(packed_table_set(table, SLICE_LITERAL("there"), large, 7), PACKED_NO_MEMORY);
    assert_int_equal(packed_table_set(table, SLICE_LITERAL("new"), large, 7), PACKED_NO_MEMORY);
    assert_int_equal(packed_table_set(table, member_of(member, 9), large, 7), PACKED_NO_MEMORY);
    struct packed_element found;
    assert_true(packed_table_find(table, SLICE_LITERAL("there"), &found));
    assert_true(slice_equal(found.value, SLICE_LITERAL("value")));
    assert_int_equal(found.time_ms, 5);
    assert_int_equal(packed_table_size(table), 1);
    assert_int_equal(packed_table_payload(table), 10);
    assert_int_equal(packed_table_earliest(table), 5);
    assert_int_equal(packed_table_memory(table), memory);
    packed_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_what_a_plain_array_holds),
        cmocka_unit_test(elements_are_found_while_it_grows_and_shrinks),
        cmocka_unit_test(a_frozen_table_stays_and_catches_up),
        cmocka_unit_test(room_is_made_for_expected_elements),
        cmocka_unit_test(memory_for_an_element_is_steady),
        cmocka_unit_test(freeing_in_pieces_frees_all),
        cmocka_unit_test(a_value_of_the_same_size_stays_in_place),
        cmocka_unit_test(too_large_a_value_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
