/* Databases held against a plain model, under long random sequences of all operations; and moving, copying,
 * swapping and taking, one at a time. */
#include "store_test.h"

#include <pthread.h>

#include "base/memory.h"
#include "base/number.h"

enum { DATABASES = 3, KEYS = 300, VALUE_MAX = 66000 };
#define START_MS INT64_C(1700000000000)

struct model_entry {
    bool present;
    enum string_encoding encoding;
    int64_t expire_ms;
    struct buffer value;
};

struct model {
    struct random random;
    struct store *store;
    struct model_entry entries[DATABASES][KEYS];
    int64_t now_ms;
    bool frozen;
    bool indexed; /* store_index_volatile is on */
};

/* Keys of many sizes: number n is the same text every time. */
static struct slice model_key(char text[600], uint64_t number)
{
    int size = snprintf(text, 600, "%llu:", (unsigned long long)number);
    if (number % 17 == 0) {
        memset(text + size, 'k', number + 100);
        size += (int)number + 100;
    }
    return slice_make(text, (size_t)size);
}

static uint64_t number_of(const struct entry *entry)
{
    return strtoull(entry_key(entry).data, NULL, 10);
}

static uint64_t below(struct model *model, uint64_t bound)
{
    return random_below(&model->random, bound);
}

/* A slice of random contents that stays until the next call: often an integer, of sizes around the limits. */
static struct slice random_value(struct model *model)
{
    static char value[VALUE_MAX];
    static const size_t sizes[] = {0,    5,    30,   44,   45,   100,  500,      1022,
                                   1023, 1024, 1025, 2000, 4096, 9000, VALUE_MAX};
    if (below(model, 4) == 0)
        return slice_make(value,
                          int64_format(value, (int64_t)(random_next(&model->random) >> below(model, 64))));
    size_t size = sizes[below(model, sizeof(sizes) / sizeof(sizes[0]))];
    size = below(model, 2) == 0 ? size : below(model, size + 1);
    memset(value, (int)below(model, 256), size);
    for (size_t i = 0; i < size; i += 1 + below(model, 100))
        value[i] = (char)below(model, 256);
    return slice_make(value, size);
}

static int64_t random_expire(struct model *model)
{
    static const int64_t spans_ms[] = {10, 1000, 100000, INT64_C(10000000000)};
    if (below(model, 2) == 0)
        return EXPIRE_NEVER;
    int64_t span_ms = (int64_t)below(model, (uint64_t)spans_ms[below(model, 4)]);
    return below(model, 10) == 0 ? model->now_ms - span_ms : model->now_ms + span_ms;
}

static void model_assign(struct model_entry *entry, struct slice value, enum string_encoding encoding,
                         int64_t expire_ms)
{
    buffer_clear(&entry->value);
    buffer_append_slice(&entry->value, value);
    *entry = (struct model_entry){true, encoding, expire_ms, entry->value};
}

static void assert_matches(const struct entry *entry, const struct model_entry *expected)
{
    if (!expected->present) {
        assert_null(entry);
        return;
    }
    assert_value(entry, buffer_slice(&expected->value));
    assert_int_equal(entry_expire_ms(entry), expected->expire_ms);
    assert_int_equal(string_encoding(entry), expected->encoding);
}

/* One key of one database, found both ways. */
struct subject {
    struct database *db;
    struct model_entry *model;
    struct entry *entry;
    struct slice key;
    uint64_t hash;
    char text[600];
};

static void subject_choose(struct model *model, struct subject *subject)
{
    uint64_t number = below(model, KEYS);
    uint64_t index = below(model, DATABASES);
    subject->key = model_key(subject->text, number);
    subject->hash = store_hash(model->store, subject->key);
    subject->db = store_database(model->store, (int)index);
    subject->model = &model->entries[index][number];
    subject->entry = database_find(subject->db, subject->key, subject->hash);
    assert_matches(subject->entry, subject->model);
}

static void step_set(struct model *model)
{
    struct subject s;
    subject_choose(model, &s);
    struct slice value = random_value(model);
    enum string_form form = (enum string_form)below(model, 3);
    int64_t expire_ms = random_expire(model);
    int64_t number;
    enum string_encoding encoding = value.size > 44 || form == STRING_FORM_RAW ? STRING_RAW : STRING_EMBSTR;
    if (form == STRING_FORM_BEST && int64_parse(value, &number))
        encoding = STRING_INT;
    model_assign(s.model, value, encoding, expire_ms);
    assert_matches(database_set_string(s.db, s.key, s.hash, value, form, expire_ms), s.model);
}

static void step_set_int(struct model *model)
{
    struct subject s;
    subject_choose(model, &s);
    int64_t number = (int64_t)random_next(&model->random);
    int64_t expire_ms = random_expire(model);
    char digits[INT64_TEXT_MAX];
    model_assign(s.model, slice_make(digits, int64_format(digits, number)), STRING_INT, expire_ms);
    assert_matches(database_set_int(s.db, s.key, s.hash, number, expire_ms), s.model);
}

static void step_write(struct model *model)
{
    struct subject s;
    subject_choose(model, &s);
    if (s.entry == NULL)
        return;
    struct slice value = random_value(model);
    struct buffer *bytes = &s.model->value;
    size_t offset = below(model, 2) == 0 || bytes->size > 10000 ? below(model, bytes->size + 1) : bytes->size;
    offset += below(model, 10) == 0 ? below(model, 3000) : 0;
    size_t end = offset + value.size;
    if (end > bytes->size) {
        size_t extra = end - bytes->size;
        memset(buffer_reserve(bytes, extra), 0, extra);
        bytes->size = end;
    }
    if (value.size > 0)
        memcpy(bytes->data + offset, value.data, value.size);
    s.model->encoding = STRING_RAW;
    assert_matches(database_write_string(s.db, s.entry, offset, value), s.model);
}

static void step_delete(struct model *model)
{
    struct subject s;
    subject_choose(model, &s);
    assert_int_equal(database_delete(s.db, s.key, s.hash), s.model->present);
    s.model->present = false;
}

static void step_expire(struct model *model)
{
    struct subject s;
    subject_choose(model, &s);
    if (s.entry == NULL)
        return;
    s.model->expire_ms = random_expire(model);
    assert_matches(database_set_expire(s.db, s.entry, s.model->expire_ms), s.model);
}

static void step_move(struct model *model)
{
    struct subject from, to;
    subject_choose(model, &from);
    subject_choose(model, &to);
    if (from.entry == NULL)
        return;
    database_move_entry(from.db, from.entry, to.db, to.key);
    if (from.model != to.model) {
        model_assign(to.model, buffer_slice(&from.model->value), from.model->encoding, from.model->expire_ms);
        from.model->present = false;
    }
    assert_matches(database_find(from.db, from.key, from.hash), from.model);
    assert_matches(database_find(to.db, to.key, to.hash), to.model);
}

static void step_copy(struct model *model)
{
    struct subject from, to;
    subject_choose(model, &from);
    subject_choose(model, &to);
    if (from.entry == NULL || to.entry != NULL)
        return;
    model_assign(to.model, buffer_slice(&from.model->value), from.model->encoding, from.model->expire_ms);
    assert_matches(database_copy_entry(from.db, from.entry, to.db, to.key), to.model);
    assert_matches(from.entry, from.model);
}

/* Rarely, what concerns whole databases. */
static void step_databases(struct model *model)
{
    int a = (int)below(model, DATABASES), b = (int)below(model, DATABASES);
    switch (below(model, 60)) {
    case 0: {
        struct database_contents *taken = database_take(store_database(model->store, a));
        size_t count = 0;
        for (int i = 0; i < KEYS; i++) {
            count += model->entries[a][i].present;
            model->entries[a][i].present = false;
        }
        assert_int_equal(contents_size(taken), count);
        contents_free(taken);
        break;
    }
    case 1:
    case 2:
        store_swap(model->store, a, b);
        for (int i = 0; i < KEYS; i++) {
            struct model_entry swap = model->entries[a][i];
            model->entries[a][i] = model->entries[b][i];
            model->entries[b][i] = swap;
        }
        break;
    case 3:
        model->frozen = !model->frozen;
        store_freeze_tables(model->store, model->frozen);
        break;
    case 4:
        model->indexed = !model->indexed;
        store_index_volatile(model->store, model->indexed);
        break;
    default: database_step(store_database(model->store, a), (int)below(model, 4));
    }
}

/* What eviction asks for. */
static void step_sample(struct model *model)
{
    struct subject s;
    subject_choose(model, &s);
    assert_ptr_equal(database_find_hash(s.db, s.hash), s.entry);
    struct entry *soonest = database_soonest(s.db);
    assert_int_equal(soonest != NULL, database_volatile_size(s.db) > 0);
    if (soonest != NULL)
        assert_int_not_equal(entry_expire_ms(soonest), EXPIRE_NEVER);
    if (!model->indexed)
        return;
    struct entry *sample = database_random_volatile(s.db);
    assert_int_equal(sample != NULL, database_volatile_size(s.db) > 0);
    if (sample != NULL) {
        assert_int_not_equal(entry_expire_ms(sample), EXPIRE_NEVER);
        assert_ptr_equal(test_find(model->store, s.db, entry_key(sample)), sample);
    }
}

/* The clock goes on, at times back, and what is due is deleted, some of it given more time instead. */
static void step_clock(struct model *model)
{
    model->now_ms += (int64_t)below(model, 30);
    if (below(model, 50) == 0)
        model->now_ms += (int64_t)below(model, 200000) - 100000;
    int index = (int)below(model, DATABASES);
    struct database *db = store_database(model->store, index);
    int budget = (int)below(model, 30);
    struct entry *entry;
    while ((entry = database_next_expired(db, model->now_ms, &budget)) != NULL) {
        struct slice key = entry_key(entry);
        uint64_t number = number_of(entry);
        struct model_entry *expected = &model->entries[index][number];
        assert_matches(entry, expected);
        assert_true(expire_has_passed(expected->expire_ms, model->now_ms));
        if (below(model, 3) == 0) {
            expected->expire_ms = model->now_ms + 1000;
            database_set_expire(db, entry, expected->expire_ms);
        } else {
            expected->present = false;
            assert_true(database_delete(db, key, store_hash(model->store, key)));
        }
    }
}

static void visit_matches(void *context, struct entry *entry)
{
    struct model_entry *entries = context;
    assert_matches(entry, &entries[number_of(entry)]);
}

static void assert_all_match(struct model *model)
{
    for (int d = 0; d < DATABASES; d++) {
        struct database *db = store_database(model->store, d);
        size_t count = 0, volatile_count = 0, payload = 0;
        __int128 expire_sum = 0;
        for (uint64_t i = 0; i < KEYS; i++) {
            const struct model_entry *expected = &model->entries[d][i];
            char text[600];
            struct slice key = model_key(text, i);
            assert_matches(test_find(model->store, db, key), expected);
            if (!expected->present)
                continue;
            count++;
            payload += key.size + (expected->encoding == STRING_INT ? 8 : expected->value.size);
            if (expected->expire_ms == EXPIRE_NEVER)
                continue;
            volatile_count++;
            expire_sum += expected->expire_ms;
        }
        assert_int_equal(database_size(db), count);
        assert_int_equal(database_payload(db), payload);
        assert_int_equal(database_volatile_size(db), volatile_count);
        int64_t mean_ms =
            volatile_count == 0 ? 0 : (int64_t)(expire_sum / (__int128)volatile_count) - model->now_ms;
        assert_int_equal(database_mean_ttl_ms(db, model->now_ms), mean_ms > 0 ? mean_ms : 0);
        database_each(db, visit_matches, model->entries[d]);
    }
}

/* Hundreds of thousands of random operations leave what the model has, and in the end no byte of memory. */
static void random_operations_agree_with_the_model(void **state)
{
    (void)state;
    typedef void step(struct model * model);
    static step *const steps[] = {step_set,    step_set,    step_set,   step_set_int, step_write,
                                  step_write,  step_delete, step_move,  step_copy,    step_expire,
                                  step_expire, step_clock,  step_clock, step_set,     step_databases,
                                  step_write,  step_sample};
    size_t before = memory_used();
    struct model *model = mem_alloc_zero(sizeof(*model));
    test_random(&model->random, "model");
    model->store = test_store(DATABASES, &model->random);
    model->now_ms = START_MS;
    for (int i = 0; i < 400000; i++) {
        steps[below(model, sizeof(steps) / sizeof(steps[0]))](model);
        if (i % 5000 == 0)
            assert_all_match(model);
    }
    assert_all_match(model);
    store_free(model->store);
    for (int d = 0; d < DATABASES; d++)
        for (int i = 0; i < KEYS; i++)
            buffer_free(&model->entries[d][i].value);
    mem_free(model);
    assert_int_equal(memory_used(), before);
}

/* Renaming a large value moves its block; nothing of its size is copied or allocated. */
static void renaming_does_not_copy_a_large_value(void **state)
{
    (void)state;
    struct store *store = test_store(2, NULL);
    struct database *db = store_database(store, 0);
    size_t size = 1 << 20;
    char *value = memset(mem_alloc(size), 'v', size);
    char scratch[STRING_SCRATCH];
    struct entry *entry = test_set(store, db, slice_of("from"), slice_make(value, size), START_MS);
    const char *data = string_value(entry, scratch).data;
    database_move_entry(db, entry, store_database(store, 1), slice_of("to"));
    entry = test_find(store, store_database(store, 1), slice_of("to"));
    assert_ptr_equal(string_value(entry, scratch).data, data);
    assert_null(test_find(store, db, slice_of("from")));
    assert_int_equal(database_volatile_size(db), 0);
    assert_int_equal(database_volatile_size(store_database(store, 1)), 1);
    mem_free(value);
    store_free(store);
}

/* The key that an entry is moved to may be given as a slice of the entry that it replaces, or of itself. */
static void the_target_key_may_lie_in_an_entry(void **state)
{
    (void)state;
    struct store *store = test_store(2, NULL);
    struct database *first = store_database(store, 0);
    struct database *second = store_database(store, 1);
    struct entry *a = test_set(store, first, slice_of("a"), slice_of("value a"), EXPIRE_NEVER);
    struct entry *b = test_set(store, first, slice_of("b"), slice_of("value b"), 1);
    database_move_entry(first, a, first, entry_key(b));
    assert_int_equal(database_size(first), 1);
    assert_value(test_find(store, first, slice_of("b")), slice_of("value a"));
    assert_int_equal(database_volatile_size(first), 0);

    test_set(store, second, slice_of("b"), slice_of("old"), 5);
    struct entry *moved = test_find(store, first, slice_of("b"));
    database_move_entry(first, moved, second, entry_key(moved));
    assert_int_equal(database_size(first), 0);
    assert_value(test_find(store, second, slice_of("b")), slice_of("value a"));
    assert_int_equal(database_size(second), 1);
    assert_int_equal(database_volatile_size(second), 0);

    moved = test_find(store, second, slice_of("b"));
    database_move_entry(second, moved, second, slice_of("b"));
    assert_ptr_equal(test_find(store, second, slice_of("b")), moved);
    store_free(store);
}

/* A copy has a value of its own. */
static void a_copy_is_independent(void **state)
{
    (void)state;
    struct store *store = test_store(1, NULL);
    struct database *db = store_database(store, 0);
    char value[5000];
    memset(value, 'v', sizeof(value));
    for (size_t size = 5; size <= sizeof(value); size *= 10) {
        struct entry *entry = test_set(store, db, slice_of("from"), slice_make(value, size), 99);
        struct entry *copy = database_copy_entry(db, entry, db, slice_of("to"));
        assert_int_equal(entry_expire_ms(copy), 99);
        copy = database_write_string(db, copy, 0, slice_of("V"));
        assert_value(test_find(store, db, slice_of("from")), slice_make(value, size));
        test_delete(store, db, slice_of("from"));
        value[0] = 'V';
        assert_value(test_find(store, db, slice_of("to")), slice_make(value, size));
        value[0] = 'v';
        test_delete(store, db, slice_of("to"));
    }
    store_free(store);
}

static void *free_on_thread(void *contents)
{
    memory_thread_register();
    contents_free(contents);
    return NULL;
}

/* What a flush took away may be freed on another thread while the database is in use again; no memory is
 * left. */
static void taken_contents_are_freed_on_another_thread(void **state)
{
    (void)state;
    struct store *store = test_store(1, NULL);
    struct database *db = store_database(store, 0);
    char large[3000];
    memset(large, 'x', sizeof(large));
    size_t before = 0;
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 20000; i++) {
            char text[TEST_KEY_SIZE];
            struct slice value = slice_make(large, i % 50 == 0 ? sizeof(large) : 10);
            test_set(store, db, test_key(text, i), value, i % 3 == 0 ? START_MS + (int64_t)i : EXPIRE_NEVER);
        }
        struct database_contents *taken = database_take(db);
        assert_int_equal(contents_size(taken), 20000);
        assert_int_equal(database_size(db), 0);
        assert_int_equal(database_volatile_size(db), 0);
        assert_int_equal(database_payload(db), 0);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, free_on_thread, taken), 0);
        test_set(store, db, slice_of("new"), slice_of("value"), START_MS);
        pthread_join(thread, NULL);
        assert_value(test_find(store, db, slice_of("new")), slice_of("value"));
        test_delete(store, db, slice_of("new"));
        database_step(db, 1);
        /* The first thread leaves memory behind that the later ones use again. */
        before = round == 0 ? memory_used() : before;
        assert_int_equal(memory_used(), before);
    }
    store_free(store);
}

/* Whoever holds a database by its index sees the other's contents after a swap, times to live among them. */
static void a_swap_exchanges_contents(void **state)
{
    (void)state;
    struct store *store = test_store(2, NULL);
    struct database *first = store_database(store, 0);
    struct database *second = store_database(store, 1);
    test_set(store, first, slice_of("key"), slice_of("value"), START_MS);
    store_swap(store, 0, 1);
    store_swap(store, 1, 1);
    assert_null(test_find(store, first, slice_of("key")));
    assert_value(test_find(store, second, slice_of("key")), slice_of("value"));
    int budget = 10;
    assert_null(database_next_expired(first, START_MS + 100, &budget));
    assert_non_null(database_next_expired(second, START_MS + 100, &budget));
    store_free(store);
}

/* Expired entries stay until they are deleted, and are handed out when due, not before. */
static void expired_entries_wait_for_their_owner(void **state)
{
    (void)state;
    struct store *store = test_store(1, NULL);
    struct database *db = store_database(store, 0);
    test_set(store, db, slice_of("key"), slice_of("value"), START_MS);
    int budget = 100;
    assert_null(database_next_expired(db, START_MS - 1, &budget));
    assert_non_null(test_find(store, db, slice_of("key")));
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(database_next_expired(db, START_MS + 16, &budget),
                         test_find(store, db, slice_of("key")));
    database_set_expire(db, test_find(store, db, slice_of("key")), EXPIRE_NEVER);
    assert_null(database_next_expired(db, START_MS + 16, &budget));
    assert_true(expire_has_passed(START_MS, START_MS));
    assert_false(expire_has_passed(START_MS + 1, START_MS));
    assert_false(expire_has_passed(EXPIRE_NEVER, INT64_MAX));
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_the_model),
        cmocka_unit_test(renaming_does_not_copy_a_large_value),
        cmocka_unit_test(the_target_key_may_lie_in_an_entry),
        cmocka_unit_test(a_copy_is_independent),
        cmocka_unit_test(taken_contents_are_freed_on_another_thread),
        cmocka_unit_test(a_swap_exchanges_contents),
        cmocka_unit_test(expired_entries_wait_for_their_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
