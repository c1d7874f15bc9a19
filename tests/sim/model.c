#include "model.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/hash.h"
#include "base/memory.h"
#include "store/value_hash.h"

/* --- keys -------------------------------------------------------------------------------------------------
 */

#define LONG_KEY_SIZE 300

#define SECOND_US INT64_C(1000000)

/* Short names, and one that is longer than a key's size has room for in an entry's header. */
struct slice model_key_name(int key)
{
    static char names[MODEL_KEYS_MAX][LONG_KEY_SIZE];
    static size_t sizes[MODEL_KEYS_MAX];
    if (sizes[0] == 0) {
        for (int i = 0; i < MODEL_KEYS_MAX; i++)
            sizes[i] = (size_t)snprintf(names[i], LONG_KEY_SIZE, "k%02d", i);
        memset(names[MODEL_KEYS_MAX / 2] + 3, 'x', LONG_KEY_SIZE - 3);
        sizes[MODEL_KEYS_MAX / 2] = LONG_KEY_SIZE;
    }
    return slice_make(names[key], sizes[key]);
}

static int key_number(struct slice name)
{
    ASSERT(name.size >= 3 && name.data[0] == 'k');
    int key = (name.data[1] - '0') * 10 + (name.data[2] - '0');
    ASSERT(key >= 0 && key < MODEL_KEYS_MAX && slice_equal(name, model_key_name(key)));
    return key;
}

/* --- states -----------------------------------------------------------------------------------------------
 */

struct look {
    const struct sim_disk *disk;
    int database;
    size_t timed_parts; /* of the database: entries with such */
    uint64_t digest[MODEL_DATABASES][MODEL_KEYS_MAX];
    const struct entry *entries[MODEL_DATABASES][MODEL_KEYS_MAX];
};

static const struct type *type_of(const struct entry *entry)
{
    ASSERT((int)entry_type(entry) < VALUE_TYPE_COUNT);
    return model_types[entry_type(entry)];
}

static void look_at_entry(void *context, struct entry *entry)
{
    struct look *look = context;
    int key = key_number(entry_key(entry));
    uint64_t seed = (uint64_t)entry_expire_ms(entry) * MODEL_KEYS_MAX + (uint64_t)key;
    seed += (uint64_t)entry_type(entry) << 56;
    look->digest[look->database][key] = type_of(entry)->digest(look->disk, entry, seed) | 1;
    look->entries[look->database][key] = entry;
    look->timed_parts += entry_parts_expire(entry);
}

static void look_at_store(struct look *look, const struct sim_disk *disk, struct store *store)
{
    memset(look, 0, sizeof(*look));
    look->disk = disk;
    for (look->database = 0; look->database < MODEL_DATABASES; look->database++) {
        struct database *db = store_database(store, look->database);
        look->timed_parts = 0;
        database_each(db, look_at_entry, look);
        ASSERT(look->timed_parts == database_parts_size(db));
    }
}

static uint64_t look_digest(const struct look *look)
{
    return hash_bytes(look->digest, sizeof(look->digest), 0);
}

uint64_t model_digest(const struct sim_disk *disk, struct store *store)
{
    struct look look;
    look_at_store(&look, disk, store);
    return look_digest(&look);
}

static void states_add(struct model *model, lsn_t lsn, uint64_t digest)
{
    if (model->state_count == model->state_capacity) {
        model->state_capacity = model->state_capacity ? 2 * model->state_capacity : 256;
        model->states = mem_realloc(model->states, model->state_capacity * sizeof(*model->states));
    }
    model->states[model->state_count++] = (struct model_state){lsn, digest};
}

void model_init(struct model *model)
{
    *model = (struct model){0};
    struct look empty = {0};
    states_add(model, 0, look_digest(&empty));
}

void model_free(struct model *model)
{
    mem_free(model->states);
    mem_free(model->changes);
    buffer_free(&model->texts);
    mem_free(model->acknowledged);
}

static void print_entry(const struct sim_disk *disk, const struct entry *entry, struct buffer *out)
{
    if (!entry) {
        buffer_append_text(out, "nothing");
        return;
    }
    buffer_append_format(out, "%s ", type_of(entry)->name);
    type_of(entry)->print(disk, entry, out);
    if (entry_expire_ms(entry) > 0)
        buffer_append_format(out, " until %lld ms", (long long)entry_expire_ms(entry));
}

static void changes_add(struct model *model, const struct look *look, int database, int key, lsn_t lsn)
{
    if (model->change_count == model->change_capacity) {
        model->change_capacity = model->change_capacity ? 2 * model->change_capacity : 256;
        model->changes = mem_realloc(model->changes, model->change_capacity * sizeof(*model->changes));
    }
    model->changes[model->change_count++] = (struct model_change){
        lsn, (int16_t)database, (int16_t)key, look->digest[database][key], model->texts.size};
    print_entry(look->disk, look->entries[database][key], &model->texts);
    buffer_append_char(&model->texts, '\0');
}

static void forget_part_gone(struct model *model, int database, int key, int part)
{
    model->part_gone[database][key][part] = (struct model_gone){0};
    model->parts_gone[database][key] &= ~(UINT64_C(1) << part);
}

/* Of a key that has changed: which of its parts have. */
static void parts_changed(struct model *model, const struct entry *entry, int database, int key, lsn_t lsn)
{
    struct type_part parts[MODEL_PARTS_MAX] = {0};
    bool has_parts = entry && type_of(entry)->parts;
    if (!has_parts && !model->has_parts[database][key])
        return;
    if (has_parts)
        type_of(entry)->parts(entry, parts);
    model->has_parts[database][key] = has_parts;
    for (int part = 0; part < MODEL_PARTS_MAX; part++) {
        if (parts[part].digest == model->part_digest[database][key][part])
            continue;
        model->part_digest[database][key][part] = parts[part].digest;
        model->part_lsn[database][key][part] = lsn;
        forget_part_gone(model, database, key, part);
    }
}

/* What the store holds of a key is another than was known. */
static void key_changed(struct model *model, const struct look *look, int database, int key, lsn_t lsn)
{
    model->key_digest[database][key] = look->digest[database][key];
    model->gone[database][key] = (struct model_gone){0};
    parts_changed(model, look->entries[database][key], database, key, lsn);
}

void model_unit(struct model *model, const struct sim_disk *disk, struct store *store, lsn_t lsn)
{
    struct look look;
    ASSERT(lsn > model->states[model->state_count - 1].lsn);
    look_at_store(&look, disk, store);
    for (int db = 0; db < MODEL_DATABASES; db++) {
        for (int key = 0; key < MODEL_KEYS_MAX; key++) {
            if (look.digest[db][key] == model->key_digest[db][key])
                continue;
            key_changed(model, &look, db, key, lsn);
            model->key_lsn[db][key] = lsn;
            changes_add(model, &look, db, key, lsn);
        }
    }
    states_add(model, lsn, look_digest(&look));
}

/* --- what differs -----------------------------------------------------------------------------------------
 */

/* The last change of a key up to an LSN; NULL: none. */
static const struct model_change *change_at(const struct model *model, lsn_t lsn, int database, int key)
{
    const struct model_change *found = NULL;
    for (size_t i = 0; i < model->change_count && model->changes[i].lsn <= lsn; i++)
        if (model->changes[i].database == database && model->changes[i].key == key)
            found = &model->changes[i];
    return found;
}

void model_describe(const struct model *model, const struct sim_disk *disk, struct store *store, lsn_t lsn,
                    struct buffer *out)
{
    struct look look;
    look_at_store(&look, disk, store);
    for (int db = 0; db < MODEL_DATABASES; db++) {
        for (int key = 0; key < MODEL_KEYS_MAX; key++) {
            const struct model_change *change = change_at(model, lsn, db, key);
            if (look.digest[db][key] == (change ? change->digest : 0))
                continue;
            buffer_append_format(out,
                                 "\n  key %d of database %d, changed last at LSN %llu\n    should be: %s\n"
                                 "    and is:    ",
                                 key, db, change ? (unsigned long long)change->lsn : 0,
                                 change ? model->texts.data + change->text : "nothing");
            print_entry(disk, look.entries[db][key], out);
        }
    }
    buffer_append_char(out, '\0');
}

static const struct model_state *find_state(const struct model *model, lsn_t lsn)
{
    size_t low = 0;
    size_t high = model->state_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model->states[middle].lsn < lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low < model->state_count && model->states[low].lsn == lsn ? &model->states[low] : NULL;
}

bool model_state_at(const struct model *model, lsn_t lsn, uint64_t *digest)
{
    const struct model_state *state = find_state(model, lsn);
    if (state)
        *digest = state->digest;
    return state != NULL;
}

lsn_t model_last_change(const struct model *model, int database, int key)
{
    if (key >= 0)
        return model->key_lsn[database][key];
    lsn_t last = 0;
    for (int i = 0; i < MODEL_KEYS_MAX; i++)
        if (model->key_lsn[database][i] > last)
            last = model->key_lsn[database][i];
    return last;
}

/* --- what is gone -----------------------------------------------------------------------------------------
 */

void model_show_gone(struct model *model, const struct model_place *place, const struct model_gone *gone)
{
    int db = place->database;
    int key = place->key;
    int part = place->part;
    struct model_gone *known = part < 0 ? &model->gone[db][key] : &model->part_gone[db][key][part];
    lsn_t changed = part < 0 ? model->key_lsn[db][key] : model->part_lsn[db][key][part];
    /* It may have been written to before the reply was read. */
    if (changed == gone->version) {
        bool lasts = gone->lasts || (known->lasts && known->expire_ms == gone->expire_ms);
        *known = *gone;
        known->lasts = lasts;
        if (part >= 0)
            model->parts_gone[db][key] |= UINT64_C(1) << part;
    }
    if (gone->expire_ms > model->time_ms)
        model->time_ms = gone->expire_ms;
    if (gone->lasts && gone->expire_ms > model->time_power_ms)
        model->time_power_ms = gone->expire_ms;
}

lsn_t model_last_part_change(const struct model *model, const struct model_place *place)
{
    return model->part_lsn[place->database][place->key][place->part];
}

/* Whether what was shown as gone at a time would be there at this one, if the store still had it. */
static bool could_be_back(const struct model_gone *gone, int64_t now_ms, bool after_power)
{
    return gone->expire_ms != 0 && gone->expire_ms > now_ms && (gone->lasts || !after_power);
}

static bool finds_key_again(const struct model *model, const struct entry *entry, struct model_place *place,
                            int64_t now_ms, bool after_power)
{
    const struct model_gone *gone = &model->gone[place->database][place->key];
    place->part = -1;
    return could_be_back(gone, now_ms, after_power) && entry_expire_ms(entry) == gone->expire_ms;
}

static bool finds_part_again(const struct model *model, const struct entry *entry, struct model_place *place,
                             int64_t now_ms, bool after_power)
{
    struct type_part parts[MODEL_PARTS_MAX] = {0};
    uint64_t left = model->parts_gone[place->database][place->key];
    if (!left || !type_of(entry)->parts)
        return false;
    type_of(entry)->parts(entry, parts);
    for (; left; left &= left - 1) {
        place->part = __builtin_ctzll(left);
        const struct model_gone *gone = &model->part_gone[place->database][place->key][place->part];
        if (could_be_back(gone, now_ms, after_power) && parts[place->part].digest &&
            parts[place->part].expire_ms == gone->expire_ms)
            return true;
    }
    return false;
}

bool model_finds_again(const struct model *model, struct store *store, int64_t now_ms, bool after_power,
                       struct model_place *place)
{
    for (place->database = 0; place->database < MODEL_DATABASES; place->database++) {
        struct database *db = store_database(store, place->database);
        for (place->key = 0; place->key < MODEL_KEYS_MAX; place->key++) {
            if (!model->gone[place->database][place->key].expire_ms &&
                !model->parts_gone[place->database][place->key])
                continue;
            struct slice name = model_key_name(place->key);
            const struct entry *entry = database_find(db, name, store_hash(store, name));
            if (entry && (finds_key_again(model, entry, place, now_ms, after_power) ||
                          finds_part_again(model, entry, place, now_ms, after_power)))
                return true;
        }
    }
    return false;
}

static bool has_expired(int64_t expire_ms, int64_t time_ms)
{
    return expire_ms > 0 && expire_ms <= time_ms;
}

static bool finds_expired(const struct entry *entry, int64_t time_ms, struct model_place *place)
{
    struct type_part parts[MODEL_PARTS_MAX] = {0};
    place->part = -1;
    if (has_expired(entry_expire_ms(entry), time_ms))
        return true;
    if (type_of(entry)->parts)
        type_of(entry)->parts(entry, parts);
    while (++place->part < MODEL_PARTS_MAX)
        if (has_expired(parts[place->part].expire_ms, time_ms))
            return true;
    return false;
}

bool model_finds_expired(const struct sim_disk *disk, struct store *store, int64_t time_ms,
                         struct model_place *place)
{
    struct look look;
    look_at_store(&look, disk, store);
    for (place->database = 0; place->database < MODEL_DATABASES; place->database++) {
        for (place->key = 0; place->key < MODEL_KEYS_MAX; place->key++) {
            const struct entry *entry = look.entries[place->database][place->key];
            if (entry && finds_expired(entry, time_ms, place))
                return true;
        }
    }
    return false;
}

void model_forget_gone(struct model *model)
{
    model->time_ms = model->time_power_ms;
    for (int db = 0; db < MODEL_DATABASES; db++) {
        for (int key = 0; key < MODEL_KEYS_MAX; key++) {
            if (!model->gone[db][key].lasts)
                model->gone[db][key] = (struct model_gone){0};
            for (uint64_t left = model->parts_gone[db][key]; left; left &= left - 1) {
                int part = __builtin_ctzll(left);
                if (!model->part_gone[db][key][part].lasts)
                    forget_part_gone(model, db, key, part);
            }
        }
    }
}

/* --- promises ---------------------------------------------------------------------------------------------
 */

void model_promise_power(struct model *model, lsn_t lsn)
{
    if (lsn > model->must_survive_power)
        model->must_survive_power = lsn;
    model_promise_process(model, lsn);
}

void model_promise_process(struct model *model, lsn_t lsn)
{
    if (lsn > model->must_survive_process)
        model->must_survive_process = lsn;
}

void model_acknowledge_everysec(struct model *model, const struct model_acknowledged *acknowledged)
{
    if (model->acknowledged_first + model->acknowledged_count == model->acknowledged_capacity) {
        if (model->acknowledged_count)
            memmove(model->acknowledged, model->acknowledged + model->acknowledged_first,
                    model->acknowledged_count * sizeof(*model->acknowledged));
        model->acknowledged_first = 0;
        model->acknowledged_capacity = 2 * model->acknowledged_count + 64;
        model->acknowledged =
            mem_realloc(model->acknowledged, model->acknowledged_capacity * sizeof(*model->acknowledged));
    }
    model->acknowledged[model->acknowledged_first + model->acknowledged_count++] = *acknowledged;
}

void model_second_passed(struct model *model, int64_t before_us)
{
    while (model->acknowledged_count > 0 &&
           model->acknowledged[model->acknowledged_first].time_us < before_us) {
        model_promise_power(model, model->acknowledged[model->acknowledged_first].lsn);
        model->acknowledged_first++;
        model->acknowledged_count--;
    }
    const struct model_acknowledged *first = model->acknowledged + model->acknowledged_first;
    int64_t last_us = INT64_MIN + SECOND_US;
    for (size_t i = 0; i < model->acknowledged_count; i++)
        if (first[i].possible_us > last_us)
            last_us = first[i].possible_us;
    for (size_t i = 0; i < model->acknowledged_count; i++)
        if (first[i].possible_us < last_us - SECOND_US)
            model_promise_power(model, first[i].lsn);
}

void model_forget_everysec(struct model *model)
{
    model->acknowledged_first = model->acknowledged_count = 0;
}

static void forget_changes_after(struct model *model, lsn_t lsn)
{
    while (model->change_count > 0 && model->changes[model->change_count - 1].lsn > lsn)
        model->texts.size = model->changes[--model->change_count].text;
}

void model_recovered(struct model *model, const struct sim_disk *disk, struct store *store, lsn_t lsn)
{
    const struct model_state *state = find_state(model, lsn);
    ASSERT(state);
    model->state_count = (size_t)(state - model->states) + 1;
    forget_changes_after(model, lsn);
    struct look look;
    look_at_store(&look, disk, store);
    for (int db = 0; db < MODEL_DATABASES; db++) {
        for (int key = 0; key < MODEL_KEYS_MAX; key++) {
            if (look.digest[db][key] != model->key_digest[db][key])
                key_changed(model, &look, db, key, lsn);
            if (model->key_lsn[db][key] > lsn)
                model->key_lsn[db][key] = lsn;
            for (int part = 0; part < MODEL_PARTS_MAX; part++)
                if (model->part_lsn[db][key][part] > lsn)
                    model->part_lsn[db][key][part] = lsn;
        }
    }
    model_forget_everysec(model);
    model->must_survive_power = model->must_survive_process = lsn;
}
