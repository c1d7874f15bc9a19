/* Hashes of their own: every operation against an array, through all shapes and around each threshold. */
#include "hash_test.h"

/* A hash, and what should be in it and about it. */
struct pair {
    struct hash_settings settings;
    struct hash *hash;
    struct model model;
    enum hash_encoding encoding; /* that it should have */
    bool had_times;
};

static void pair_init(struct pair *pair, unsigned universe, size_t entries_max, size_t value_max)
{
    pair->settings = (struct hash_settings){.entries_max = entries_max, .value_max = value_max, .seed = 42};
    pair->hash = hash_new(&pair->settings);
    pair->encoding = HASH_LISTPACK;
    pair->had_times = false;
    model_init(&pair->model, universe);
}

static void pair_free(struct pair *pair)
{
    hash_free(pair->hash);
    model_free(&pair->model);
}

/* What Redis does: it becomes a table once a name or a value is too long or there are too many fields, else
 * it gets room for times with the first time. */
static void pair_set(struct pair *pair, unsigned number, struct slice value, int64_t expire_ms)
{
    char text[NAME_SIZE];
    struct slice name = name_of(number, text);
    bool there = pair->model.fields[number].there;
    enum hash_status status = hash_set(pair->hash, name, value, expire_ms);
    assert_int_equal(status, there ? HASH_REPLACED : HASH_ADDED);
    model_set(&pair->model, number, value, expire_ms);
    pair->had_times |= expire_ms > 0;
    if (name.size > pair->settings.value_max || value.size > pair->settings.value_max ||
        pair->model.size > pair->settings.entries_max)
        pair->encoding = HASH_TABLE;
    else if (expire_ms > 0 && pair->encoding == HASH_LISTPACK)
        pair->encoding = HASH_LISTPACK_EX;
}

static void pair_set_time(struct pair *pair, unsigned number, int64_t expire_ms)
{
    char text[NAME_SIZE];
    bool there = pair->model.fields[number].there;
    assert_int_equal(hash_set_time(pair->hash, name_of(number, text), expire_ms), there);
    model_set_time(&pair->model, number, expire_ms);
    if (there && expire_ms > 0) {
        pair->had_times = true;
        if (pair->encoding == HASH_LISTPACK)
            pair->encoding = HASH_LISTPACK_EX;
    }
}

static void pair_delete(struct pair *pair, unsigned number)
{
    char text[NAME_SIZE];
    assert_int_equal(hash_delete(pair->hash, name_of(number, text)), pair->model.fields[number].there);
    model_delete(&pair->model, number);
}

/* What a visit counts. */
struct visits {
    const struct model *model;
    uint8_t *seen;
    size_t count;
};

static void visit_count(void *context, const struct hash_field *field)
{
    struct visits *visits = context;
    assert_field(visits->model, field);
    visits->seen[number_of(field->name)]++;
    visits->count++;
}

static struct visits visits_begin(const struct model *model)
{
    return (struct visits){.model = model, .seen = mem_alloc_zero(model->universe)};
}

/* Iterating gives each field once, and so does a scan of what does not change; listpacks in order of time. */
static void assert_visits(const struct pair *pair)
{
    struct visits visits = visits_begin(&pair->model);
    struct hash_iterator iterator = {.hash = pair->hash};
    struct hash_field field;
    int64_t last_ms = 0;
    while (hash_iterate(&iterator, &field)) {
        visit_count(&visits, &field);
        int64_t rank = field.expire_ms == FIELD_NEVER ? INT64_MAX : field.expire_ms;
        assert_true(rank >= last_ms || pair->encoding == HASH_TABLE);
        last_ms = rank;
    }
    assert_false(hash_iterate(&iterator, &field));
    assert_int_equal(visits.count, pair->model.size);
    uint64_t cursor = 0;
    int steps = 0;
    do {
        cursor = hash_scan(pair->hash, cursor, visit_count, &visits);
        steps++;
    } while (cursor != 0);
    assert_true(steps == 1 || pair->encoding == HASH_TABLE);
    assert_int_equal(visits.count, 2 * pair->model.size);
    for (unsigned i = 0; i < pair->model.universe; i++)
        assert_int_equal(visits.seen[i], pair->model.fields[i].there ? 2 : 0);
    mem_free(visits.seen);
}

/* Taken with its listpack, written down and loaded again, it is the same. */
static void assert_loads(const struct pair *pair)
{
    struct slice bytes = hash_listpack(pair->hash);
    assert_int_equal(bytes.size == 0, pair->encoding == HASH_TABLE);
    if (bytes.size == 0 || pair->model.size == 0)
        return;
    assert_true(hash_listpack_valid(bytes, pair->encoding));
    struct hash *loaded = hash_from_listpack(&pair->settings, bytes, pair->encoding);
    assert_int_equal(hash_encoding(loaded),
                     pair->model.size > pair->settings.entries_max ? HASH_TABLE : pair->encoding);
    assert_int_equal(hash_size(loaded), pair->model.size);
    assert_int_equal(hash_timed_size(loaded), pair->model.timed);
    assert_int_equal(hash_owner_room(loaded) != NULL, pair->model.timed > 0);
    if (hash_encoding(loaded) != HASH_TABLE)
        assert_true(slice_equal(hash_listpack(loaded), bytes));
    hash_free(loaded);
}

static void assert_same(const struct pair *pair, struct random *random)
{
    const struct model *model = &pair->model;
    struct hash_field field;
    assert_int_equal(hash_encoding(pair->hash), pair->encoding);
    assert_int_equal(hash_size(pair->hash), model->size);
    assert_int_equal(hash_timed_size(pair->hash), model->timed);
    assert_int_equal(hash_earliest_ms(pair->hash), model_earliest(model));
    assert_true(model_has_time(model, hash_late_ms(pair->hash)));
    assert_int_equal(hash_owner_room(pair->hash) != NULL, pair->had_times);
    int64_t now_ms = (int64_t)random_below(random, 1200);
    size_t due = model_due(model, now_ms);
    assert_int_equal(hash_due_size(pair->hash, now_ms), due);
    assert_int_equal(hash_next_due(pair->hash, now_ms, &field), due > 0);
    if (due > 0) {
        assert_field(model, &field);
        assert_true(field.expire_ms <= now_ms);
    }
    assert_int_equal(hash_random(pair->hash, random, now_ms, &field), due < model->size);
    if (due < model->size) {
        assert_field(model, &field);
        assert_true(field.expire_ms == FIELD_NEVER || field.expire_ms > now_ms);
    }
    for (unsigned i = 0; i < model->universe; i++) {
        char text[NAME_SIZE];
        bool found = hash_find(pair->hash, name_of(i, text), &field);
        assert_int_equal(found, model->fields[i].there);
        if (found)
            assert_field(model, &field);
    }
    assert_visits(pair);
    assert_loads(pair);
}

/* So many different fields that have not expired, or all there are. */
static void assert_chosen(const struct pair *pair, struct random *random)
{
    int64_t now_ms = (int64_t)random_below(random, 1200);
    size_t live = pair->model.size - model_due(&pair->model, now_ms);
    size_t count = random_below(random, random_below(random, 2) > 0 ? live + 3 : live / 6 + 1);
    struct visits visits = visits_begin(&pair->model);
    hash_random_distinct(pair->hash, random, now_ms, count, visit_count, &visits);
    assert_int_equal(visits.count, count < live ? count : live);
    for (unsigned i = 0; i < pair->model.universe; i++) {
        int64_t expire_ms = pair->model.fields[i].expire_ms;
        assert_true(visits.seen[i] <= (expire_ms == FIELD_NEVER || expire_ms > now_ms));
    }
    mem_free(visits.seen);
}

static int64_t random_time(struct random *random)
{
    return 1 + (int64_t)random_below(random, 1000);
}

static void one_step(struct pair *pair, struct random *random, bool times, size_t value_max)
{
    unsigned number = (unsigned)random_below(random, pair->model.universe);
    char room[VALUE_SIZE_MAX];
    struct slice value = value_make(random, room, value_max);
    switch (random_below(random, times ? 10 : 5)) {
    case 0:
    case 1:
    case 2: pair_set(pair, number, value, FIELD_NEVER); break;
    case 3: pair_set(pair, number, value, FIELD_KEEP_TIME); break;
    case 4: pair_delete(pair, number); break;
    case 5:
    case 6: pair_set(pair, number, value, random_time(random)); break;
    case 7: pair_set_time(pair, number, FIELD_NEVER); break;
    default: pair_set_time(pair, number, random_time(random)); break;
    }
}

/* Deletes, or gives more time, what is due, until nothing is. */
static void expire(struct pair *pair, struct random *random, int64_t now_ms)
{
    struct hash_field due;
    size_t left = model_due(&pair->model, now_ms);
    for (; hash_next_due(pair->hash, now_ms, &due); left--) {
        unsigned number = number_of(due.name);
        switch (random_below(random, 3)) {
        case 0: pair_delete(pair, number); break;
        case 1: pair_set_time(pair, number, now_ms + 1 + random_time(random)); break;
        default: pair_set_time(pair, number, FIELD_NEVER); break;
        }
    }
    assert_int_equal(left, 0);
    assert_true(hash_earliest_ms(pair->hash) > now_ms);
}

static void operations_are_those_of_an_array(void **state)
{
    (void)state;
    static const size_t entries[] = {0, 1, 2, 20, 40, 1000};
    struct random random;
    test_random(&random, __func__);
    for (int round = 0; round < 120; round++) {
        struct pair pair;
        unsigned universe = round % 10 == 0 ? 400 : 1 + (unsigned)random_below(&random, 60);
        pair_init(&pair, universe, entries[random_below(&random, 6)],
                  random_below(&random, 3) > 0 ? 300 : 30);
        bool times = round % 3 > 0;
        size_t value_max = random_below(&random, 2) > 0 ? VALUE_SIZE_MAX : 28;
        int steps = (int)universe * 6;
        for (int step = 0; step < steps; step++) {
            pair.settings.frozen = step > steps / 2 && step < steps * 3 / 4;
            one_step(&pair, &random, times, value_max);
            if (step % (int)(universe / 4 + 1) == 0)
                assert_same(&pair, &random);
            if (step % 8 == 0)
                assert_chosen(&pair, &random);
            if (random_below(&random, 60) == 0)
                expire(&pair, &random, (int64_t)random_below(&random, 300));
            if (random_below(&random, 200) == 0) { /* thresholds change under it */
                pair.settings.entries_max = entries[random_below(&random, 6)];
                pair.settings.value_max = 20 + random_below(&random, 300);
            }
        }
        hash_settle(pair.hash, 1000);
        assert_same(&pair, &random);
        pair_free(&pair);
    }
}

/* What a hash says of its memory is what its allocations take, at each change; copies take and hold the same,
 * and are apart; and freeing in pieces leaves nothing. */
static void memory_is_accounted_exactly(void **state)
{
    (void)state;
    struct random random;
    test_random(&random, __func__);
    for (int round = 0; round < 40; round++) {
        struct pair pair;
        pair_init(&pair, 1 + (unsigned)random_below(&random, 150), 50, 200);
        struct random steps = random; /* the same steps twice: memory must be counted without the model's */
        for (int i = 0; i < 300; i++)
            one_step(&pair, &random, round % 2 > 0, VALUE_SIZE_MAX);
        size_t before = memory_used();
        struct hash *hash = hash_new(&pair.settings);
        assert_int_equal(hash_memory(hash), memory_used() - before);
        for (int i = 0; i < 300; i++) {
            char text[NAME_SIZE], room[VALUE_SIZE_MAX];
            struct slice name = name_of((unsigned)random_below(&steps, 150), text);
            struct slice value = value_make(&steps, room, VALUE_SIZE_MAX);
            int64_t expire_ms = round % 2 > 0 && i % 2 > 0 ? random_time(&steps) : FIELD_NEVER;
            if (i % 5 == 4)
                hash_delete(hash, name);
            else if (i % 5 == 3)
                hash_set_time(hash, name, expire_ms);
            else
                hash_set(hash, name, value, expire_ms);
            assert_int_equal(hash_memory(hash), memory_used() - before);
        }
        size_t between = memory_used();
        struct hash *copy = hash_duplicate(hash);
        assert_int_equal(hash_memory(copy), memory_used() - between);
        hash_free(hash);
        hash_free(copy);
        assert_int_equal(memory_used(), before);

        copy = hash_duplicate(pair.hash);
        hash_free(pair.hash);
        pair.hash = copy;
        assert_same(&pair, &random);
        size_t calls = 0;
        for (bool done = false; !done; calls++) {
            size_t budget = 3;
            done = hash_free_step(copy, &budget);
            assert_true(done || budget == 0);
        }
        assert_true(calls >= 1);
        pair.hash = hash_new(&pair.settings);
        pair_free(&pair);
    }
}

/* The payload is what the names, values and times are, or their listpack. */
static void payload_is_kept_up_to_date(void **state)
{
    (void)state;
    struct random random;
    test_random(&random, __func__);
    struct pair pair;
    pair_init(&pair, 100, 20, 200);
    for (int i = 0; i < 2000; i++) {
        one_step(&pair, &random, i > 1000, VALUE_SIZE_MAX);
        size_t expected = hash_listpack(pair.hash).size;
        if (pair.encoding == HASH_TABLE) {
            for (unsigned j = 0; j < pair.model.universe; j++) {
                char text[NAME_SIZE];
                if (pair.model.fields[j].there)
                    expected += name_of(j, text).size + pair.model.fields[j].value.size;
            }
            expected += 8 * pair.model.timed;
        }
        assert_int_equal(hash_payload(pair.hash), expected);
    }
    assert_int_equal(pair.encoding, HASH_TABLE);
    pair_free(&pair);
}

/* Each field that has not expired comes as often as any other (the seed is fixed), and so does each pair. */
static void choices_are_equally_likely(void **state)
{
    (void)state;
    enum { ROUNDS = 30000, FIELDS = 12, LIVE = 8, PAIRS = LIVE * (LIVE - 1) / 2 };
    for (int shape = 0; shape < 2; shape++) {
        struct random random;
        random_seed(&random, 11);
        struct pair pair;
        pair_init(&pair, FIELDS, shape == 0 ? 100 : 0, 100);
        for (unsigned i = 0; i < FIELDS; i++)
            pair_set(&pair, i, slice_of("value"), i < FIELDS - LIVE ? 5 : i % 2 > 0 ? 100 : FIELD_NEVER);
        unsigned single[FIELDS] = {0}, couples[FIELDS][FIELDS] = {0};
        for (int i = 0; i < ROUNDS; i++) {
            struct hash_field field;
            assert_true(hash_random(pair.hash, &random, 5, &field));
            single[number_of(field.name)]++;
            struct visits visits = visits_begin(&pair.model);
            hash_random_distinct(pair.hash, &random, 5, 2, visit_count, &visits);
            assert_int_equal(visits.count, 2);
            for (unsigned a = 0; a < FIELDS; a++)
                for (unsigned b = 0; b < a; b++)
                    couples[a][b] += visits.seen[a] && visits.seen[b];
            mem_free(visits.seen);
        }
        for (unsigned i = FIELDS - LIVE; i < FIELDS; i++) {
            assert_in_range(single[i], ROUNDS / LIVE * 9 / 10, ROUNDS / LIVE * 11 / 10);
            for (unsigned j = FIELDS - LIVE; j < i; j++)
                assert_in_range(couples[i][j], ROUNDS / PAIRS * 8 / 10, ROUNDS / PAIRS * 12 / 10);
        }
        pair_free(&pair);
    }
}

/* However it grows, shrinks and becomes a table in between, a scan sees what is there all the time. */
static void a_scan_misses_nothing_that_stays(void **state)
{
    (void)state;
    enum { UNIVERSE = 2000, STAYING = 300 };
    struct random random;
    test_random(&random, __func__);
    for (int round = 0; round < 30; round++) {
        struct pair pair;
        pair_init(&pair, UNIVERSE, round % 2 > 0 ? 400 : 100, 100);
        for (unsigned i = 0; i < STAYING; i++)
            pair_set(&pair, i, slice_of("stays"), FIELD_NEVER);
        struct visits visits = visits_begin(&pair.model);
        uint64_t cursor = 0;
        bool growing = round % 4 < 2;
        do {
            cursor = hash_scan(pair.hash, cursor, visit_count, &visits);
            for (int i = 0; i < 40; i++) {
                unsigned number = STAYING + (unsigned)random_below(&random, UNIVERSE - STAYING);
                if (growing)
                    pair_set(&pair, number, slice_of("goes"), FIELD_NEVER);
                else
                    pair_delete(&pair, number);
            }
            if (random_below(&random, 10) == 0)
                growing = !growing;
        } while (cursor != 0);
        for (unsigned i = 0; i < STAYING; i++)
            assert_true(visits.seen[i] >= 1);
        mem_free(visits.seen);
        pair_free(&pair);
    }
}

/* Fields with times lie as redis-server 8.2.3 has them, which put these very bytes into DUMP. */
static void times_lie_in_the_order_of_redis(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value; /* no value: only the time */
        int64_t expire_ms;
    } steps[] = {
        {"a", "v1", FIELD_NEVER},          {"12", "-300", 4000000000000 + 5}, {"b", "value", FIELD_NEVER},
        {"b", NULL, 4000000000000 + 5},    {"c", "v3", 4000000000000},        {"12", NULL, 4000000000000 + 5},
        {"d", "70000", 4000000000000 + 7}, {"a", NULL, 4000000000000 + 6},    {"c", "new", FIELD_KEEP_TIME},
        {"d", "v4", FIELD_NEVER},          {"e", "x", 4000000000000},         {"b", NULL, FIELD_NEVER},
        {"f", "v", 4000000000000 + 6},     {"g", "1", 4000000000000 + 9},     {"h", "2", 4000000000000 + 9},
        {"g", NULL, 4000000000000 + 9}};
    static const char expected[] = "\x8c\x00\x00\x00\x1b\x00\x81\x65\x02\x81\x78\x02\xf4\x00\x40\x94"
                                   "\x52\xa3\x03\x00\x00\x09\x81\x63\x02\x83\x6e\x65\x77\x04\xf4\x00"
                                   "\x40\x94\x52\xa3\x03\x00\x00\x09\x0c\x01\xde\xd4\x02\xf4\x05\x40"
                                   "\x94\x52\xa3\x03\x00\x00\x09\x81\x66\x02\x81\x76\x02\xf4\x06\x40"
                                   "\x94\x52\xa3\x03\x00\x00\x09\x81\x61\x02\x82\x76\x31\x03\xf4\x06"
                                   "\x40\x94\x52\xa3\x03\x00\x00\x09\x81\x67\x02\x01\x01\xf4\x09\x40"
                                   "\x94\x52\xa3\x03\x00\x00\x09\x81\x68\x02\x02\x01\xf4\x09\x40\x94"
                                   "\x52\xa3\x03\x00\x00\x09\x81\x64\x02\x82\x76\x34\x03\x00\x01\x81"
                                   "\x62\x02\x85\x76\x61\x6c\x75\x65\x06\x00\x01\xff";
    struct hash_settings settings = {.entries_max = 128, .value_max = 64};
    struct hash *hash = hash_new(&settings);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i].value != NULL)
            hash_set(hash, slice_of(steps[i].name), slice_of(steps[i].value), steps[i].expire_ms);
        else
            assert_true(hash_set_time(hash, slice_of(steps[i].name), steps[i].expire_ms));
    }
    struct slice bytes = hash_listpack(hash);
    assert_int_equal(bytes.size, sizeof(expected) - 1);
    assert_memory_equal(bytes.data, expected, bytes.size);
    hash_free(hash);
}

/* Where others kept numbers in more bytes than needed, changes find their fields and count on the bytes that
 * are there. */
static void what_others_kept_otherwise_can_be_changed(void **state)
{
    (void)state;
    /* 5 in 64 bits: "text" until 7, which is in 64 bits, too */
    static const char block[] = "\x21\0\0\0\x03\0"
                                "\xf4\x05\0\0\0\0\0\0\0\x09"
                                "\x84text\x05"
                                "\xf4\x07\0\0\0\0\0\0\0\x09"
                                "\xff";
    struct hash_settings settings = {.entries_max = 128, .value_max = 64};
    struct slice bytes = slice_make(block, sizeof(block) - 1);
    static const int64_t times[] = {FIELD_KEEP_TIME, FIELD_NEVER, 7, 8};
    static const char *const values[] = {"", "shrt", "a longer text, for which there is no room"};
    for (size_t i = 0; i < 4 * 3; i++) {
        struct hash_field field;
        assert_true(hash_listpack_valid(bytes, HASH_LISTPACK_EX));
        struct hash *hash = hash_from_listpack(&settings, bytes, HASH_LISTPACK_EX);
        assert_int_equal(hash_set(hash, slice_of("5"), slice_of(values[i % 3]), times[i / 3]), HASH_REPLACED);
        assert_true(hash_listpack_valid(hash_listpack(hash), HASH_LISTPACK_EX));
        assert_true(hash_find(hash, slice_of("5"), &field));
        assert_true(slice_equal(field.value, slice_of(values[i % 3])));
        assert_int_equal(field.expire_ms, i < 3 ? 7 : times[i / 3]);
        assert_true(hash_set_time(hash, slice_of("5"), 9));
        assert_true(hash_delete(hash, slice_of("5")));
        assert_int_equal(hash_listpack(hash).size, LISTPACK_EMPTY_BYTES);
        hash_free(hash);
    }
}

/* Moving what is larger would take long, and where it is larger still there is no room for times. */
static void a_listpack_has_a_largest_size(void **state)
{
    (void)state;
    enum { BYTES_MAX = 16 << 20 };
    struct hash_settings settings = {.entries_max = 128, .value_max = SIZE_MAX};
    struct slice name = slice_of("name");
    char *value = mem_alloc_zero(BYTES_MAX);
    char *listpack = mem_alloc(BYTES_MAX + 1);
    size_t overhead =
        LISTPACK_EMPTY_BYTES + packed_hash_pair_bytes(name, slice_make(value, 1 << 22)) - (1 << 22);
    for (size_t more = 0; more < 2; more++) {
        struct listpack_item items[] = {listpack_item(name),
                                        listpack_item(slice_make(value, BYTES_MAX - overhead + more))};
        listpack_init(listpack);
        listpack_append(listpack, &items[0]);
        listpack_append(listpack, &items[1]);
        assert_int_equal(listpack_bytes(listpack), BYTES_MAX + more);
        struct hash *hash = hash_from_listpack(&settings, listpack_slice(listpack), HASH_LISTPACK);
        assert_int_equal(hash_encoding(hash), more ? HASH_TABLE : HASH_LISTPACK);
        assert_true(hash_set_time(hash, name, 77));
        assert_int_equal(hash_set(hash, slice_of("more"), name, FIELD_NEVER), HASH_ADDED);
        assert_int_equal(hash_encoding(hash), HASH_TABLE);
        assert_int_equal(hash_earliest_ms(hash), 77);
        hash_free(hash);
    }
    mem_free(listpack);
    mem_free(value);
}

/* Whether a hash has expired is told by it, so it must be known where nearly all fields have. */
static void the_latest_time_is_known_until_it_goes(void **state)
{
    (void)state;
    for (int in_table = 0; in_table < 2; in_table++) {
        struct pair pair;
        pair_init(&pair, 100, in_table ? 10 : 100, 100);
        for (unsigned i = 0; i < 100; i++)
            pair_set(&pair, i, slice_of("value"), i == 50 ? 1000 : 1 + (int64_t)i);
        assert_int_equal(hash_encoding(pair.hash), in_table ? HASH_TABLE : HASH_LISTPACK_EX);
        for (unsigned i = 0; i < 40; i++)
            pair_delete(&pair, i);
        assert_int_equal(hash_late_ms(pair.hash), 1000);
        pair_set_time(&pair, 50, 900);
        assert_int_equal(hash_late_ms(pair.hash), 900);
        pair_delete(&pair, 50);
        assert_int_equal(hash_late_ms(pair.hash), in_table ? FIELD_NEVER : 100);
        hash_note_late(pair.hash, 100);
        assert_int_equal(hash_late_ms(pair.hash), 100);
        pair_free(&pair);
    }
}

/* What is expected becomes a table at once, and holds what it held. */
static void an_expected_hash_is_a_table(void **state)
{
    (void)state;
    struct random random;
    test_random(&random, __func__);
    struct pair pair;
    pair_init(&pair, 1000, 10, 100);
    pair_set(&pair, 1, slice_of("one"), 77);
    hash_expect(pair.hash, 10);
    assert_same(&pair, &random);
    hash_expect(pair.hash, 1000);
    pair.encoding = HASH_TABLE;
    assert_same(&pair, &random);
    for (unsigned i = 0; i < 1000; i++)
        pair_set(&pair, i, slice_of("more"), FIELD_KEEP_TIME);
    hash_expect(pair.hash, 0);
    while (hash_settle(pair.hash, 10))
        continue;
    assert_same(&pair, &random);
    pair_free(&pair);
}

/* A table that came of a full listpack, or of what was expected, gives back what it does not need any more.
 */
static void a_table_shrinks_again(void **state)
{
    (void)state;
    for (int expected = 0; expected < 2; expected++) {
        struct pair pair;
        pair_init(&pair, 1001, expected ? 10 : 1000, 100);
        if (expected)
            hash_expect(pair.hash, 1001);
        for (unsigned i = 0; i < 1001; i++)
            pair_set(&pair, i, slice_of("value"), FIELD_NEVER);
        assert_int_equal(hash_encoding(pair.hash), HASH_TABLE);
        if (expected)
            hash_expect(pair.hash, 0);
        size_t full = hash_memory(pair.hash);
        for (unsigned i = 1; i < 1001; i++)
            pair_delete(&pair, i);
        while (hash_settle(pair.hash, 10))
            continue;
        assert_true(hash_memory(pair.hash) < full / 4);
        pair_free(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_are_those_of_an_array),
        cmocka_unit_test(memory_is_accounted_exactly),
        cmocka_unit_test(payload_is_kept_up_to_date),
        cmocka_unit_test(choices_are_equally_likely),
        cmocka_unit_test(a_scan_misses_nothing_that_stays),
        cmocka_unit_test(times_lie_in_the_order_of_redis),
        cmocka_unit_test(what_others_kept_otherwise_can_be_changed),
        cmocka_unit_test(a_listpack_has_a_largest_size),
        cmocka_unit_test(the_latest_time_is_known_until_it_goes),
        cmocka_unit_test(an_expected_hash_is_a_table),
        cmocka_unit_test(a_table_shrinks_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
