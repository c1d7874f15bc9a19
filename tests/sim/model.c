#include "model.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/hash.h"
#include "base/memory.h"
#include "values.h"

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
    uint64_t digest[MODEL_DATABASES][MODEL_KEYS_MAX];
};

static void look_at_entry(void *context, struct entry *entry)
{
    struct look *look = context;
    char scratch[STRING_SCRATCH];
    struct slice value = values_content(look->disk, entry, scratch);
    int key = key_number(entry_key(entry));
    uint64_t seed = (uint64_t)entry_expire_ms(entry) * MODEL_KEYS_MAX + (uint64_t)key;
    look->digest[look->database][key] = hash_bytes(value.data, value.size, seed) | 1;
}

static void look_at_store(struct look *look, const struct sim_disk *disk, struct store *store)
{
    memset(look, 0, sizeof(*look));
    look->disk = disk;
    for (look->database = 0; look->database < MODEL_DATABASES; look->database++)
        database_each(store_database(store, look->database), look_at_entry, look);
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
    mem_free(model->acknowledged);
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
            model->key_digest[db][key] = look.digest[db][key];
            model->key_lsn[db][key] = lsn;
            model->gone[db][key] = (struct model_gone){0};
        }
    }
    states_add(model, lsn, look_digest(&look));
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

void model_show_gone(struct model *model, int database, int key, const struct model_gone *gone)
{
    struct model_gone *known = &model->gone[database][key];
    /* It may have been written to before the reply was read. */
    if (model->key_lsn[database][key] == gone->version) {
        bool lasts = gone->lasts || (known->lasts && known->expire_ms == gone->expire_ms);
        *known = *gone;
        known->lasts = lasts;
    }
    if (gone->expire_ms > model->time_ms)
        model->time_ms = gone->expire_ms;
    if (gone->lasts && gone->expire_ms > model->time_power_ms)
        model->time_power_ms = gone->expire_ms;
}

bool model_finds_again(const struct model *model, struct store *store, int64_t now_ms, bool after_power,
                       int *database, int *key)
{
    for (*database = 0; *database < MODEL_DATABASES; ++*database) {
        struct database *db = store_database(store, *database);
        for (*key = 0; *key < MODEL_KEYS_MAX; ++*key) {
            const struct model_gone *gone = &model->gone[*database][*key];
            if (gone->expire_ms == 0 || gone->expire_ms <= now_ms || (after_power && !gone->lasts))
                continue;
            struct slice name = model_key_name(*key);
            struct entry *entry = database_find(db, name, store_hash(store, name));
            if (entry && entry_expire_ms(entry) == gone->expire_ms)
                return true;
        }
    }
    return false;
}

void model_forget_gone(struct model *model)
{
    model->time_ms = model->time_power_ms;
    for (int db = 0; db < MODEL_DATABASES; db++)
        for (int key = 0; key < MODEL_KEYS_MAX; key++)
            if (!model->gone[db][key].lasts)
                model->gone[db][key] = (struct model_gone){0};
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

void model_recovered(struct model *model, const struct sim_disk *disk, struct store *store, lsn_t lsn)
{
    const struct model_state *state = find_state(model, lsn);
    ASSERT(state);
    model->state_count = (size_t)(state - model->states) + 1;
    struct look look;
    look_at_store(&look, disk, store);
    for (int db = 0; db < MODEL_DATABASES; db++)
        for (int key = 0; key < MODEL_KEYS_MAX; key++)
            if (look.digest[db][key] != model->key_digest[db][key])
                model->gone[db][key] = (struct model_gone){0};
    memcpy(model->key_digest, look.digest, sizeof(look.digest));
    for (int db = 0; db < MODEL_DATABASES; db++)
        for (int key = 0; key < MODEL_KEYS_MAX; key++)
            if (model->key_lsn[db][key] > lsn)
                model->key_lsn[db][key] = lsn;
    model_forget_everysec(model);
    model->must_survive_power = model->must_survive_process = lsn;
}
