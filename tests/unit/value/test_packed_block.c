/* Chains of packed blocks, which in a table come about only where hashes collide: here all tags are one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../seed.h"
#include "base/memory.h"
#include "value/packed_block.h"

#define RECORDS 1000
#define TAG     77

static struct packed_record record_of(char text[8], unsigned number, int64_t time_ms)
{
    snprintf(text, 8, "%04u", number);
    return (struct packed_record){.member = {.bytes = text, .size = 4},
                                  .value = {.bytes = text, .size = number % 4},
                                  .time_ms = time_ms};
}

static void assert_holds(struct packed_block **chain, const bool *there, const int64_t *times)
{
    size_t count = 0;
    int64_t earliest = INT64_MAX;
    for (unsigned number = 0; number < RECORDS; number++) {
        char text[8];
        struct packed_place place;
        struct packed_record record = record_of(text, number, times[number]);
        assert_int_equal(packed_chain_find(chain, slice_make(text, 4), TAG, &place), there[number]);
        assert_false(packed_chain_find(chain, slice_make(text, 4), TAG + 1, &place));
        if (!there[number])
            continue;
        count++;
        if (times[number] != PACKED_NO_TIME && times[number] < earliest)
            earliest = times[number];
        packed_chain_find(chain, slice_make(text, 4), TAG, &place);
        struct packed_element element = packed_element_at(*place.link, place.slot);
        assert_int_equal(element.time_ms, times[number]);
        assert_true(slice_equal(element.value, slice_make(text, record.value.size)));
    }
    assert_int_equal(packed_chain_count(*chain), count);
    assert_int_equal(packed_chain_earliest(*chain), earliest);
}

/* A thousand records of one hash come and go: those that are there are found, no others, in blocks of no more
 * slots than a header can count; and what is taken is given back. */
static void records_of_one_hash_form_a_chain(void **state)
{
    (void)state;
    struct random random;
    test_random(&random, "chain");
    struct packed_account account = {.block_max = PACKED_BLOCK_MAX};
    struct packed_block *chain = NULL;
    bool there[RECORDS] = {false};
    int64_t times[RECORDS];
    size_t before = memory_used();
    size_t longest = 0;
    for (int step = 0; step < 30000; step++) {
        unsigned number = (unsigned)random_below(&random, RECORDS);
        bool grow = step / 5000 % 2 == 0 ? random_below(&random, 8) != 0 : random_below(&random, 8) == 0;
        char text[8];
        struct packed_place place;
        struct packed_record record =
            record_of(text, number, random_below(&random, 2) == 0 ? PACKED_NO_TIME : (int64_t)number);
        bool found = packed_chain_find(&chain, slice_make(text, 4), TAG, &place);
        assert_int_equal(found, there[number]);
        if (found && !grow)
            packed_chain_remove(&account, place);
        else if (found)
            packed_chain_replace(&account, &chain, place, &record);
        else if (grow)
            packed_chain_add(&account, &chain, TAG, &record);
        there[number] = grow;
        times[number] = record.time_ms;
        longest = packed_chain_count(chain) > longest ? packed_chain_count(chain) : longest;
        assert_int_equal(account.memory, memory_used() - before);
        if (step % 1000 == 0)
            assert_holds(&chain, there, times);
    }
    assert_true(longest > 3 * PACKED_BLOCK_SLOTS);
    packed_chain_free(&account, chain);
    assert_int_equal(account.memory, 0);
    assert_int_equal(memory_used(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_one_hash_form_a_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
