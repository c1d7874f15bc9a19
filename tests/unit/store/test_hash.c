/* Hashes under keys, and strings under the same ones, held against a plain model: fields and their times, all
 * that may happen to a key, what takes long to free, and the sums that are kept. */
#include "store_test.h"

#include "base/memory.h"
#include "store/entry.h"
#include "store/remains.h"
#include "store/value_hash.h"

enum { DATABASES = 2, KEYS = 40, FIELDS = 700, SIZE_MAX_VALUE = 300 };
#define START_MS INT64_C(1700000000000)

enum kind { NOTHING, STRING, HASH };

struct model_field {
    bool present;
    uint16_t size;
    uint8_t byte; /* of which the value consists */
    int64_t expire_ms;
};

struct model_key {
    enum kind kind;
    size_t size;  /* of a string */
    size_t count; /* fields */
    int64_t expire_ms;
    struct model_field fields[FIELDS];
};

struct model {
    struct random random;
    struct store *store;
    struct model_key keys[DATABASES][KEYS];
    int64_t now_ms;
    bool frozen;
    size_t memory_before;
    /* What was handed over to be freed later. */
    struct remains *remains;
    size_t handed;
};

static uint64_t below(struct model *model, uint64_t bound)
{
    return random_below(&model->random, bound);
}

static struct slice field_name(char text[TEST_KEY_SIZE], uint64_t number)
{
    /* Some are integers in a listpack. */
    const char *prefix = number % 3 == 0 ? "" : "field:";
    int size = snprintf(text, TEST_KEY_SIZE, "%s%llu", prefix, (unsigned long long)number);
    return slice_make(text, (size_t)size);
}

static uint64_t field_number(struct slice name)
{
    char text[TEST_KEY_SIZE] = {0};
    assert_true(name.size < sizeof(text));
    memcpy(text, name.data, name.size);
    return strtoull(text[0] == 'f' ? text + strlen("field:") : text, NULL, 10);
}

static void take_remains(void *context, struct remains *remains)
{
    struct model *model = context;
    assert_true(remains->cost >= REMAINS_COST || remains->contents != NULL);
    remains->next = model->remains;
    model->remains = remains;
    model->handed++;
}

/* --- comparing --- */

static void assert_field(const struct model_field *expected, const struct hash_field *field)
{
    char value[SIZE_MAX_VALUE];
    assert_true(expected->present);
    memset(value, expected->byte, expected->size);
    assert_slice(field->value, slice_make(value, expected->size));
    assert_int_equal(field->expire_ms, expected->expire_ms);
}

struct hash_facts {
    size_t timed, due;
    int64_t earliest_ms, latest_ms;
};

static struct hash_facts facts_of(const struct model_key *key, int64_t now_ms)
{
    struct hash_facts facts = {.earliest_ms = INT64_MAX};
    for (int i = 0; i < FIELDS; i++) {
        const struct model_field *field = &key->fields[i];
        if (!field->present || field->expire_ms == FIELD_NEVER)
            continue;
        facts.timed++;
        facts.due += field->expire_ms <= now_ms;
        facts.earliest_ms = field->expire_ms < facts.earliest_ms ? field->expire_ms : facts.earliest_ms;
    }
    return facts;
}

static void assert_hash_matches(struct model *model, const struct entry *entry, const struct model_key *key)
{
    assert_int_equal(entry_type(entry), VALUE_HASH);
    assert_int_equal(entry_hash_size(entry), key->count);
    assert_int_equal(entry_element_count(entry), key->count);
    struct hash_facts facts = facts_of(key, model->now_ms);
    assert_int_equal(entry_hash_timed_size(entry), facts.timed);
    assert_int_equal(entry_hash_due_size(entry, model->now_ms), facts.due);
    assert_int_equal(entry_hash_live_size(entry, model->now_ms), key->count - facts.due);
    assert_int_equal(entry_hash_due_size(entry, INT64_MIN), 0);
    assert_int_equal(entry_hash_earliest_ms(entry), facts.earliest_ms);
    assert_int_equal(entry_parts_expire(entry), facts.timed > 0);
    assert_int_equal(entry_parts_have_expired(entry, model->now_ms), facts.due == key->count);
    assert_false(entry_parts_have_expired(entry, INT64_MIN));
    assert_string_equal(entry_encoding_name(entry), hash_encoding_name(entry_hash_encoding(entry)));
    assert_int_equal(entry_hash_listpack(entry).size > 0, entry_hash_encoding(entry) != HASH_TABLE);
    struct hash_field field;
    assert_int_equal(entry_hash_next_due(entry, model->now_ms, &field), facts.due > 0);
    if (facts.due > 0)
        assert_true(hash_field_has_expired(&field, model->now_ms));
}

static void visit_count(void *context, const struct hash_field *field)
{
    size_t *seen = context;
    seen[field_number(field->name)]++;
}

/* Every field by name, by iterating and by scanning. */
static void assert_fields_match(const struct entry *entry, const struct model_key *key)
{
    static size_t seen[FIELDS];
    struct hash_field field;
    memset(seen, 0, sizeof(seen));
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    while (entry_hash_iterate(&iterator, &field)) {
        uint64_t number = field_number(field.name);
        assert_field(&key->fields[number], &field);
        seen[number]++;
    }
    uint64_t cursor = 0;
    do {
        cursor = entry_hash_scan(entry, cursor, visit_count, seen);
    } while (cursor != 0);
    for (uint64_t i = 0; i < FIELDS; i++) {
        char text[TEST_KEY_SIZE];
        assert_int_equal(seen[i], key->fields[i].present ? 2 : 0);
        assert_int_equal(entry_hash_find(entry, field_name(text, i), &field), key->fields[i].present);
    }
}

static void assert_matches(struct model *model, const struct entry *entry, const struct model_key *key)
{
    if (key->kind == NOTHING) {
        assert_null(entry);
        return;
    }
    assert_non_null(entry);
    assert_int_equal(entry_expire_ms(entry), key->expire_ms);
    if (key->kind == STRING) {
        assert_int_equal(entry_type(entry), VALUE_STRING);
        assert_int_equal(string_size(entry), key->size);
        assert_int_equal(entry_element_count(entry), 1);
        assert_false(entry_parts_have_expired(entry, INT64_MAX));
    } else {
        assert_hash_matches(model, entry, key);
    }
}

struct subject {
    struct database *db;
    struct model_key *model;
    struct entry *entry;
    struct slice key;
    uint64_t hash;
    size_t cost; /* of freeing what is there */
    char text[TEST_KEY_SIZE];
};

static void subject_choose(struct model *model, struct subject *subject)
{
    uint64_t number = below(model, KEYS);
    uint64_t index = below(model, DATABASES);
    subject->key = test_key(subject->text, number);
    subject->hash = store_hash(model->store, subject->key);
    subject->db = store_database(model->store, (int)index);
    subject->model = &model->keys[index][number];
    subject->entry = database_find(subject->db, subject->key, subject->hash);
    subject->cost = subject->entry == NULL ? 0 : entry_free_cost(subject->entry);
    assert_matches(model, subject->entry, subject->model);
}

/* What was under the key has been deleted or replaced since `handed`. */
static void assert_handed(const struct model *model, size_t handed, size_t cost)
{
    assert_int_equal(model->handed - handed, cost >= REMAINS_COST ? 1 : 0);
}

static void model_clear(struct model_key *key)
{
    memset(key, 0, sizeof(*key));
    key->expire_ms = EXPIRE_NEVER;
}

static int64_t random_time(struct model *model)
{
    static const uint64_t spans_ms[] = {50, 1000, 100000};
    int64_t span_ms = (int64_t)below(model, spans_ms[below(model, 3)]);
    return below(model, 8) == 0 ? model->now_ms - span_ms : model->now_ms + span_ms;
}

/* --- steps --- */

static void step_set_string(struct model *model)
{
    static char value[100000];
    struct subject s;
    subject_choose(model, &s);
    size_t handed = model->handed;
    size_t size = below(model, 3) == 0 ? below(model, 3000) : 20 + below(model, 20);
    int64_t expire_ms = below(model, 2) == 0 ? EXPIRE_NEVER : random_time(model);
    memset(value, 'v', size);
    model_clear(s.model);
    s.model->kind = STRING;
    s.model->size = size;
    s.model->expire_ms = expire_ms;
    struct entry *entry =
        database_set_string(s.db, s.key, s.hash, slice_make(value, size), STRING_FORM_BEST, expire_ms);
    assert_matches(model, entry, s.model);
    assert_handed(model, handed, s.cost);
}

static void set_field(struct model *model, struct subject *s, uint64_t number, int64_t expire_ms,
                      size_t more_bytes)
{
    char name[TEST_KEY_SIZE], value[SIZE_MAX_VALUE];
    struct model_field *field = &s->model->fields[number];
    size_t size = below(model, 30) == 0 ? below(model, SIZE_MAX_VALUE) : below(model, 30);
    uint8_t byte = (uint8_t)('0' + below(model, 40));
    /* Integers in a listpack are told apart by their text alone: no leading zeros here. */
    memset(value, byte, size);
    struct hash_result result = database_hash_set(s->db, s->key, s->hash, s->entry, field_name(name, number),
                                                  slice_make(value, size), expire_ms, more_bytes);
    assert_non_null(result.entry);
    assert_int_equal(result.found, field->present);
    if (expire_ms == FIELD_KEEP_TIME)
        expire_ms = field->present ? field->expire_ms : FIELD_NEVER;
    s->model->count += !field->present;
    *field = (struct model_field){true, (uint16_t)size, byte, expire_ms};
    s->entry = result.entry;
    if (s->model->kind == NOTHING) {
        s->model->kind = HASH;
        s->model->expire_ms = EXPIRE_NEVER;
    }
}

/* One key in four becomes large, one in four small and ever without times. */
static void step_set_fields(struct model *model)
{
    struct subject s;
    subject_choose(model, &s);
    if (s.model->kind == STRING)
        return;
    size_t handed = model->handed;
    uint64_t key = strtoull(s.text + strlen("key:"), NULL, 10);
    uint64_t fields = key % 4 == 0 ? FIELDS : key % 4 == 1 ? 10 : 60;
    uint64_t changes = key % 4 == 0 ? below(model, 200) : 1 + below(model, 8);
    if (s.model->kind == HASH && below(model, 10) == 0)
        database_hash_expect(s.db, s.entry, below(model, FIELDS));
    for (; changes > 0; changes--) {
        int64_t expire_ms = below(model, 2) == 0 ? FIELD_NEVER : FIELD_KEEP_TIME;
        if (key % 4 == 2 || (key % 4 != 1 && below(model, 20) == 0))
            expire_ms = random_time(model);
        set_field(model, &s, below(model, fields), expire_ms, below(model, 3) * below(model, 500));
    }
    assert_matches(model, database_find(s.db, s.key, s.hash), s.model);
    assert_ptr_equal(database_find(s.db, s.key, s.hash), s.model->kind == NOTHING ? NULL : s.entry);
    assert_handed(model, handed, 0);
}

static void delete_field(struct model *model, struct subject *s, uint64_t number)
{
    char name[TEST_KEY_SIZE];
    struct model_field *field = &s->model->fields[number];
    struct hash_result result = database_hash_delete(s->db, s->entry, field_name(name, number));
    assert_non_null(result.entry);
    s->entry = result.entry;
    assert_int_equal(result.found, field->present);
    s->model->count -= field->present;
    field->present = false;
    if (s->model->count > 0)
        return;
    assert_int_equal(entry_hash_size(s->entry), 0);
    assert_true(database_delete(s->db, s->key, s->hash));
    model_clear(s->model);
    s->entry = NULL;
    (void)model;
}

static void step_delete_fields(struct model *model)
{
    struct subject s;
    subject_choose(model, &s);
    uint64_t number = below(model, FIELDS);
    for (uint64_t left = below(model, 100); left > 0 && s.model->kind == HASH; left--) {
        delete_field(model, &s, number);
        number = (number + 1) % FIELDS;
    }
    assert_matches(model, database_find(s.db, s.key, s.hash), s.model);
}

static void step_set_time(struct model *model)
{
    struct subject s;
    subject_choose(model, &s);
    if (s.model->kind != HASH || below(model, 2) == 0)
        return;
    int64_t expire_ms = below(model, 2) == 0 ? FIELD_NEVER : random_time(model);
    uint64_t first = below(model, 10);
    for (uint64_t number = first; number < first + 10; number++) {
        char name[TEST_KEY_SIZE];
        struct model_field *field = &s.model->fields[number];
        struct hash_result result =
            database_hash_set_time(s.db, s.entry, field_name(name, number), expire_ms);
        assert_int_equal(result.found, field->present);
        assert_non_null(result.entry);
        s.entry = result.entry;
        if (field->present)
            field->expire_ms = expire_ms;
    }
    assert_matches(model, s.entry, s.model);
}

static void step_delete(struct model *model)
{
    struct subject s;
    subject_choose(model, &s);
    if (below(model, 4) != 0)
        return;
    size_t handed = model->handed;
    assert_int_equal(database_delete(s.db, s.key, s.hash), s.model->kind != NOTHING);
    assert_handed(model, handed, s.cost);
    model_clear(s.model);
}

static void step_expire(struct model *model)
{
    struct subject s;
    subject_choose(model, &s);
    if (s.entry == NULL)
        return;
    s.model->expire_ms = below(model, 2) == 0 ? EXPIRE_NEVER : random_time(model);
    assert_matches(model, database_set_expire(s.db, s.entry, s.model->expire_ms), s.model);
}

static void step_move(struct model *model)
{
    struct subject from, to;
    subject_choose(model, &from);
    subject_choose(model, &to);
    if (from.entry == NULL)
        return;
    size_t handed = model->handed;
    database_move_entry(from.db, from.entry, to.db, to.key);
    if (from.model != to.model) {
        assert_handed(model, handed, to.cost);
        *to.model = *from.model;
        model_clear(from.model);
    }
    assert_matches(model, database_find(from.db, from.key, from.hash), from.model);
    assert_matches(model, database_find(to.db, to.key, to.hash), to.model);
}

/* As COPY REPLACE does it. */
static void step_copy(struct model *model)
{
    struct subject from, to;
    subject_choose(model, &from);
    subject_choose(model, &to);
    if (from.entry == NULL || from.model == to.model)
        return;
    size_t handed = model->handed;
    database_delete(to.db, to.key, to.hash);
    assert_handed(model, handed, to.cost);
    *to.model = *from.model;
    struct entry *copy = database_copy_entry(from.db, from.entry, to.db, to.key);
    assert_matches(model, copy, to.model);
    if (to.model->kind == HASH)
        assert_fields_match(copy, to.model);
    assert_matches(model, from.entry, from.model);
}

/* A hash that was made elsewhere, or a listpack of one, in the place of anything. */
static void step_put(struct model *model)
{
    static char listpack[100000];
    struct subject from, to;
    subject_choose(model, &from);
    subject_choose(model, &to);
    if (from.model->kind != HASH || from.model == to.model)
        return;
    struct slice packed = entry_hash_listpack(from.entry);
    size_t handed = model->handed;
    int64_t expire_ms = below(model, 2) == 0 ? EXPIRE_NEVER : random_time(model);
    struct entry *entry;
    if (packed.size > 0) {
        assert_true(packed.size <= sizeof(listpack));
        memcpy(listpack, packed.data, packed.size);
        entry = database_put_hash_listpack(to.db, to.key, to.hash, slice_make(listpack, packed.size),
                                           entry_hash_encoding(from.entry), expire_ms);
    } else {
        struct hash *made = hash_new(database_hash_settings(to.db));
        struct entry_hash_iterator iterator = entry_hash_begin(from.entry);
        struct hash_field field;
        while (entry_hash_iterate(&iterator, &field))
            assert_int_equal(hash_set(made, field.name, field.value, field.expire_ms), HASH_ADDED);
        entry = database_put_hash(to.db, to.key, to.hash, made, expire_ms);
    }
    assert_handed(model, handed, to.cost);
    *to.model = *from.model;
    to.model->expire_ms = expire_ms;
    assert_matches(model, entry, to.model);
    assert_fields_match(entry, to.model);
}

/* Time goes on, and the fields and keys that are due go. */
static void step_clock(struct model *model)
{
    model->now_ms += (int64_t)below(model, 40);
    int index = (int)below(model, DATABASES);
    struct database *db = store_database(model->store, index);
    int budget = 20;
    struct entry *entry;
    bool might = database_may_have_expired(db, model->now_ms);
    while ((entry = database_next_due_parts(db, model->now_ms, &budget)) != NULL) {
        struct subject s = {.db = db, .entry = entry};
        memcpy(s.text, entry_key(entry).data, entry_key(entry).size);
        s.key = slice_make(s.text, entry_key(entry).size);
        s.hash = store_hash(model->store, s.key);
        s.model = &model->keys[index][strtoull(s.text + strlen("key:"), NULL, 10)];
        assert_ptr_equal(database_find(db, s.key, s.hash), entry);
        assert_true(might);
        struct hash_field due;
        assert_true(entry_hash_next_due(entry, model->now_ms, &due));
        do {
            uint64_t number = field_number(due.name);
            assert_field(&s.model->fields[number], &due);
            assert_true(due.expire_ms <= model->now_ms);
            delete_field(model, &s, number);
        } while (s.entry != NULL && entry_hash_next_due(s.entry, model->now_ms, &due));
    }
    if (budget > 0) {
        assert_null(database_next_due_parts(db, model->now_ms, &budget));
        for (int i = 0; i < KEYS; i++)
            assert_true(facts_of(&model->keys[index][i], model->now_ms - EXPIRY_TICK_MS).due == 0);
    }
}

static void free_remains(struct model *model)
{
    while (model->remains != NULL) {
        struct remains *next = model->remains->next;
        size_t steps = 1 + below(model, 50), before = steps;
        if (below(model, 2) == 0) {
            remains_free(model->remains);
        } else {
            while (!remains_free_step(model->remains, &steps)) {
                assert_true(steps < before);
                steps = before = 1 + below(model, 50);
            }
        }
        model->remains = next;
    }
}

static void step_databases(struct model *model)
{
    static struct model_key other[KEYS];
    struct database *db = store_database(model->store, 0);
    switch (below(model, 100)) {
    case 0: {
        size_t handed = model->handed;
        bool at_once = below(model, 2) == 0;
        database_clear(db, at_once);
        assert_int_equal(model->handed - handed, at_once ? 0 : 1);
        for (int i = 0; i < KEYS; i++)
            model_clear(&model->keys[0][i]);
        break;
    }
    case 1:
    case 2:
        store_swap(model->store, 0, 1);
        memcpy(other, model->keys[0], sizeof(other));
        memcpy(model->keys[0], model->keys[1], sizeof(other));
        memcpy(model->keys[1], other, sizeof(other));
        break;
    case 3:
        model->frozen = !model->frozen;
        store_freeze_tables(model->store, model->frozen);
        break;
    case 4: store_set_hash_limits(model->store, below(model, 600), below(model, 100)); break;
    case 5: store_set_hash_limits(model->store, 512, 64); break;
    case 6: store_index_volatile(model->store, below(model, 2) == 0); break;
    case 7:
    case 8:
    case 9: free_remains(model); break;
    default: database_step(store_database(model->store, (int)below(model, DATABASES)), 4);
    }
}

/* Random choice gives what is there and has not expired. */
static void step_random(struct model *model)
{
    static size_t seen[FIELDS];
    struct subject s;
    subject_choose(model, &s);
    if (s.model->kind != HASH)
        return;
    size_t live = s.model->count - facts_of(s.model, model->now_ms).due;
    struct hash_field field;
    assert_int_equal(entry_hash_random(s.entry, &model->random, model->now_ms, &field), live > 0);
    if (live > 0)
        assert_field(&s.model->fields[field_number(field.name)], &field);
    memset(seen, 0, sizeof(seen));
    size_t wanted = below(model, 20), got = 0;
    entry_hash_random_distinct(s.entry, &model->random, model->now_ms, wanted, visit_count, seen);
    for (int i = 0; i < FIELDS; i++) {
        assert_true(seen[i] <= (s.model->fields[i].present ? 1 : 0));
        got += seen[i];
    }
    assert_int_equal(got, wanted < live ? wanted : live);
}

/* --- all --- */

static size_t payload_of(const struct entry *entry)
{
    if (entry_type(entry) == VALUE_STRING)
        return string_size(entry);
    struct slice listpack = entry_hash_listpack(entry);
    return listpack.size > 0 ? listpack.size : hash_payload(entry_block(entry)->object);
}

static void assert_all_match(struct model *model)
{
    size_t memory = store_overhead(model->store);
    free_remains(model);
    for (int d = 0; d < DATABASES; d++) {
        struct database *db = store_database(model->store, d);
        size_t count = 0, hashes = 0, timed = 0, payload = 0;
        for (uint64_t i = 0; i < KEYS; i++) {
            char text[TEST_KEY_SIZE];
            struct slice key = test_key(text, i);
            struct entry *entry = test_find(model->store, db, key);
            const struct model_key *expected = &model->keys[d][i];
            assert_matches(model, entry, expected);
            if (entry == NULL)
                continue;
            if (expected->kind == HASH)
                assert_fields_match(entry, expected);
            count++;
            hashes += expected->kind == HASH;
            timed += expected->kind == HASH && facts_of(expected, 0).timed > 0;
            payload += key.size + payload_of(entry);
            memory += entry_memory(entry);
        }
        assert_int_equal(database_size(db), count);
        assert_int_equal(database_type_size(db, VALUE_HASH), hashes);
        assert_int_equal(database_type_size(db, VALUE_STRING), count - hashes);
        assert_int_equal(database_payload(db), payload);
        assert_int_equal(database_parts_size(db), timed);
    }
    assert_int_equal(memory_used() - model->memory_before, memory);
}

static void random_operations_agree_with_the_model(void **state)
{
    (void)state;
    typedef void step(struct model * model);
    static step *const steps[] = {step_set_fields, step_set_fields,    step_set_fields, step_set_fields,
                                  step_set_string, step_delete_fields, step_set_time,   step_delete,
                                  step_expire,     step_move,          step_copy,       step_put,
                                  step_clock,      step_clock,         step_databases,  step_random};
    static struct model model;
    test_random(&model.random, "model");
    size_t before = memory_used();
    model.store = test_store(DATABASES, &model.random);
    model.memory_before = memory_used();
    store_set_free_later(model.store, take_remains, &model);
    model.now_ms = START_MS;
    for (int d = 0; d < DATABASES; d++)
        for (int i = 0; i < KEYS; i++)
            model_clear(&model.keys[d][i]);
    for (int i = 0; i < 60000; i++) {
        steps[below(&model, sizeof(steps) / sizeof(steps[0]))](&model);
        if (i % 2000 == 0)
            assert_all_match(&model);
    }
    assert_all_match(&model);
    assert_true(model.handed > 0);
    store_free(model.store);
    assert_int_equal(memory_used(), before);
}

/* --- large pieces --- */

static struct entry *set_large(struct store *store, struct database *db, const char *key)
{
    static char large[LARGE_PIECE + 1000];
    return test_set(store, db, slice_of(key), slice_make(large, sizeof(large)), EXPIRE_NEVER);
}

/* Whatever replaces or deletes a string of many MiB hands its bytes over, unless others have them, too. */
static void large_strings_are_handed_over(void **state)
{
    (void)state;
    static struct model model;
    test_random(&model.random, "large");
    size_t before = memory_used();
    struct store *store = test_store(2, NULL);
    struct database *db = store_database(store, 0);
    store_set_free_later(store, take_remains, &model);
    size_t expected = 0;

    set_large(store, db, "a");
    set_large(store, db, "a");
    assert_int_equal(model.handed, ++expected);
    test_set(store, db, slice_of("a"), slice_of("small"), 5);
    assert_int_equal(model.handed, ++expected);
    set_large(store, db, "a");
    database_set_int(db, slice_of("a"), store_hash(store, slice_of("a")), 5, EXPIRE_NEVER);
    assert_int_equal(model.handed, ++expected);
    set_large(store, db, "a");
    database_hash_set(db, slice_of("h"), store_hash(store, slice_of("h")), NULL, slice_of("f"), slice_of("v"),
                      1, 0);
    database_move_entry(db, test_find(store, db, slice_of("h")), db, slice_of("a"));
    assert_int_equal(model.handed, ++expected);

    /* Of two that share the bytes, the last. */
    struct entry *entry = set_large(store, db, "a");
    database_copy_entry(db, entry, store_database(store, 1), slice_of("copy"));
    assert_true(test_delete(store, db, slice_of("a")));
    assert_int_equal(model.handed, expected);
    assert_true(test_delete(store, store_database(store, 1), slice_of("copy")));
    assert_int_equal(model.handed, ++expected);

    /* A large field makes a hash of one field expensive. */
    static char value[LARGE_PIECE];
    struct slice key = slice_of("h");
    database_hash_set(db, key, store_hash(store, key), NULL, slice_of("f"), slice_make(value, sizeof(value)),
                      FIELD_NEVER, 0);
    database_put_hash_listpack(db, key, store_hash(store, key),
                               slice_make("\x0b\0\0\0\x02\0\x01\x01\x01\x01\xff", 11), HASH_LISTPACK,
                               EXPIRE_NEVER);
    assert_int_equal(model.handed, ++expected);

    /* Nobody to take it, and nothing that is worth it. */
    for (struct remains *remains = model.remains; remains != NULL; remains = remains->next)
        assert_true(remains->bytes >= LARGE_PIECE && remains->objects == 1);
    store_set_free_later(store, NULL, NULL);
    set_large(store, db, "a");
    assert_true(test_delete(store, db, slice_of("a")));
    assert_int_equal(model.handed, expected);
    free_remains(&model);
    store_free(store);
    assert_int_equal(memory_used(), before);
}

/* --- one thing at a time --- */

static struct entry *hash_set_field(struct store *store, struct database *db, const char *key,
                                    const char *name, const char *value, int64_t expire_ms)
{
    uint64_t hash = store_hash(store, slice_of(key));
    struct entry *entry = database_find(db, slice_of(key), hash);
    return database_hash_set(db, slice_of(key), hash, entry, slice_of(name), slice_of(value), expire_ms, 0)
        .entry;
}

/* A hash goes from its entry to a block of its own, at the limits that are set, and stays there. */
static void small_hashes_lie_in_their_entries(void **state)
{
    (void)state;
    struct store *store = test_store(1, NULL);
    struct database *db = store_database(store, 0);
    store_set_hash_limits(store, 200, 64);
    struct entry *entry = NULL;
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof(name), "field:%04d", i);
        entry = hash_set_field(store, db, "key", name, "value", FIELD_NEVER);
        size_t listpack = PACKED_HASH_EMPTY_BYTES + (size_t)(i + 1) * (12 + 7);
        assert_int_equal(entry_form(entry), listpack <= HASH_INLINE_MAX ? FORM_INLINE : FORM_BLOCK);
        assert_string_equal(entry_encoding_name(entry), i < 200 ? "listpack" : "hashtable");
        if (i < 200)
            assert_int_equal(entry_hash_listpack(entry).size, listpack);
        else
            assert_int_equal(entry_hash_listpack(entry).size, 0);
    }
    entry = hash_set_field(store, db, "other", "name", "value", FIELD_NEVER);
    assert_int_equal(entry_form(entry), FORM_INLINE);
    struct hash_result timed = database_hash_set_time(db, entry, slice_of("no such"), START_MS);
    assert_false(timed.found);
    assert_int_equal(entry_form(timed.entry), FORM_INLINE);
    timed = database_hash_set_time(db, timed.entry, slice_of("name"), START_MS);
    assert_true(timed.found);
    assert_string_equal(entry_encoding_name(timed.entry), "listpackex");
    store_free(store);
}

/* A small hash takes its entry, rounded up to the allocator's class, and no more; room that was asked for is
 * used, and given back when fields go. */
static void small_hashes_take_little(void **state)
{
    (void)state;
    struct store *store = test_store(1, NULL);
    struct database *db = store_database(store, 0);
    struct entry *entry = NULL;
    for (int i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof(name), "field:%02d", i);
        entry = hash_set_field(store, db, "hash:000000001", name, "0123456789abcdex", FIELD_NEVER);
    }
    assert_int_equal(entry_size(entry), 8 + 14 + 287);
    assert_int_equal(entry_memory(entry), mem_good_size(309));
    for (int i = 9; i > 0; i--) {
        char name[16];
        snprintf(name, sizeof(name), "field:%02d", i);
        entry = database_hash_delete(db, entry, slice_of(name)).entry;
        assert_true(entry_memory(entry) <= entry_size(entry) + entry_size(entry) / 2 + 16);
    }
    struct slice key = slice_of("roomy");
    entry = database_hash_set(db, key, store_hash(store, key), NULL, slice_of("a"), slice_of("b"),
                              FIELD_NEVER, 500)
                .entry;
    assert_int_equal(entry_memory(entry), mem_good_size(8 + 5 + 13 + 500));
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "field:%02d", i);
        assert_ptr_equal(hash_set_field(store, db, "roomy", name, "value", FIELD_NEVER), entry);
    }
    store_free(store);
}

/* A hash is hidden once its last field has expired, and its time goes with it wherever it goes. */
static void a_hash_whose_fields_have_expired_is_hidden(void **state)
{
    (void)state;
    struct store *store = test_store(2, NULL);
    struct database *db = store_database(store, 0);
    struct database *other = store_database(store, 1);
    struct entry *entry = hash_set_field(store, db, "key", "first", "1", START_MS + 10);
    entry = hash_set_field(store, db, "key", "second", "2", START_MS + 1000);
    assert_false(entry_parts_have_expired(entry, START_MS + 999));
    assert_true(entry_parts_have_expired(entry, START_MS + 1000));
    entry = hash_set_field(store, db, "key", "third", "3", FIELD_NEVER);
    assert_false(entry_parts_have_expired(entry, START_MS + 1000));
    entry = database_hash_set_time(db, entry, slice_of("third"), START_MS + 5000).entry;
    assert_false(entry_parts_have_expired(entry, START_MS + 1000));
    /* The one with the latest time goes. */
    entry = database_hash_delete(db, entry, slice_of("third")).entry;
    assert_true(entry_parts_have_expired(entry, START_MS + 1000));
    assert_false(entry_parts_have_expired(entry, START_MS + 999));

    int budget = 100;
    assert_int_equal(database_parts_size(db), 1);
    assert_null(database_next_due_parts(db, START_MS - 500, &budget));
    assert_false(database_may_have_expired(db, START_MS - 500));
    assert_true(database_may_have_expired(db, START_MS + 10));
    database_move_entry(db, entry, other, slice_of("moved"));
    assert_int_equal(database_parts_size(db), 0);
    assert_null(database_next_due_parts(db, START_MS + 100, &budget));
    store_swap(store, 0, 1);
    entry = database_next_due_parts(db, START_MS + 100, &budget);
    assert_non_null(entry);
    assert_slice(entry_key(entry), slice_of("moved"));
    entry = database_set_expire(db, entry, START_MS + 50);
    assert_ptr_equal(database_next_due_parts(db, START_MS + 100, &budget), entry);
    struct entry *copy = database_copy_entry(db, entry, other, slice_of("copy"));
    assert_ptr_equal(database_next_due_parts(other, START_MS + 100, &budget), copy);
    test_set(store, db, slice_of("moved"), slice_of("string"), EXPIRE_NEVER);
    assert_null(database_next_due_parts(db, START_MS + 100, &budget));
    struct database_contents *taken = database_take(other);
    assert_null(database_next_due_parts(other, START_MS + 100, &budget));
    contents_free(taken);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_the_model),
        cmocka_unit_test(large_strings_are_handed_over),
        cmocka_unit_test(small_hashes_lie_in_their_entries),
        cmocka_unit_test(small_hashes_take_little),
        cmocka_unit_test(a_hash_whose_fields_have_expired_is_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
