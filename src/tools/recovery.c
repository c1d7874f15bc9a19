#include "tools/recovery.h"

#include <errno.h>

#include "engine/engine.h"
#include "store/value_hash.h"

/* More than a server may be configured with, as what is in the folder decides; they cost little while empty.
 */
#define DATABASES  (UINT16_MAX + 1)
#define STEP_BYTES ((uint64_t)4 << 20)

/* --- a disk on which nothing changes ------------------------------------------------------------------- */

/* Passes reading on, and takes everything else for done: recovery removes leftovers and takes the lock,
 * neither of which is ours to do. */
struct still_disk {
    struct disk disk;
    struct disk *under;
};

static struct disk *under(struct disk *disk)
{
    return ((struct still_disk *)disk)->under;
}

static int still_open(struct disk *disk, const char *name, enum disk_open_mode mode, struct disk_file **file)
{
    return mode == DISK_READ ? disk_open(under(disk), name, mode, file) : -EROFS;
}

static int still_rename(struct disk *disk, const char *from, const char *to)
{
    (void)disk;
    (void)from;
    (void)to;
    return -EROFS;
}

static int still_unlink(struct disk *disk, const char *name)
{
    (void)disk;
    (void)name;
    return 0;
}

static int still_sync_folder(struct disk *disk)
{
    (void)disk;
    return 0;
}

static int still_list(struct disk *disk, disk_list_visit *visit, void *context)
{
    return disk_list(under(disk), visit, context);
}

static int still_lock(struct disk *disk, const char *name, int *holder)
{
    (void)disk;
    (void)name;
    *holder = 0;
    return 0;
}

static int still_free_space(struct disk *disk, uint64_t *bytes)
{
    return disk_free_space(under(disk), bytes);
}

static void still_free(struct disk *disk)
{
    (void)disk;
}

static uint64_t still_file_max(struct disk *disk)
{
    (void)disk;
    return UINT64_MAX; /* nothing is written */
}

static const struct disk_operations still_operations = {
    .open = still_open,
    .rename = still_rename,
    .unlink = still_unlink,
    .sync_folder = still_sync_folder,
    .list = still_list,
    .lock = still_lock,
    .free_space = still_free_space,
    .file_max = still_file_max,
    .free = still_free,
};

/* --- recovery ----------------------------------------------------------------------------------------- */

static void no_wake(void *context)
{
    (void)context;
}

static void read_result(struct engine *engine, struct replay_result *result)
{
    struct engine_stats stats;
    struct store *store = engine_world(engine)->store;
    engine_stats_read(engine, &stats);
    *result = (struct replay_result){.commands = stats.recovered_commands, .live_bytes = stats.live_bytes};
    for (int i = 0; i < store_database_count(store); i++) {
        size_t size = database_size(store_database(store, i));
        result->keys += size;
        for (int type = 0; type < VALUE_TYPE_COUNT; type++)
            result->types[type] += database_type_size(store_database(store, i), (enum value_type)type);
        result->keys_volatile += database_volatile_size(store_database(store, i));
        if (size > 0)
            result->databases = i + 1;
    }
}

static struct engine *recover(struct still_disk *still, const char *name, struct clock *clock, int databases,
                              enum value_load load, struct journal_error *error)
{
    struct engine_options options = {.world = {.clock = clock,
                                               .databases = databases,
                                               .settings = {.bulk_max = 512 << 20,
                                                            .query_max = UINT64_MAX / 4,
                                                            .hash_entries_max = HASH_ENTRIES_MAX_DEFAULT,
                                                            .hash_value_max = HASH_VALUE_MAX_DEFAULT}},
                                     .journal = {.disk = &still->disk,
                                                 .folder = name,
                                                 .policy = SYNC_NO,
                                                 .segment_size = 64 << 20,
                                                 .unsynced_max = 64 << 20,
                                                 .value_load = load,
                                                 .wake = no_wake}};
    struct engine *engine = engine_open(&options, error);
    if (!engine)
        return NULL;
    enum recover_result recovered;
    do
        recovered = engine_recover_step(engine, STEP_BYTES, error);
    while (recovered == RECOVER_MORE);
    if (recovered == RECOVER_DONE)
        return engine;
    engine_abandon(engine);
    return NULL;
}

bool replay_folder(struct disk *disk, const char *name, struct clock *clock, int databases,
                   struct replay_result *result, struct journal_error *error)
{
    struct still_disk still = {{&still_operations}, disk};
    /* That large values are there has to do: they may be more than memory holds. */
    struct engine *engine = recover(&still, name, clock, databases, VALUE_LOAD_FIRST_USE, error);
    if (!engine)
        return false;
    read_result(engine, result);
    engine_abandon(engine);
    return true;
}

static void append_name(void *context, const char *name)
{
    buffer_append(context, name, strlen(name) + 1);
}

bool replay_values(struct disk *disk, const char *name, struct clock *clock, struct buffer *names,
                   struct journal_error *error)
{
    struct still_disk still = {{&still_operations}, disk};
    struct engine *engine = recover(&still, name, clock, REPLAY_DATABASES, VALUE_LOAD_NEVER, error);
    if (!engine)
        return false;
    journal_values_each(engine_world(engine)->value_journal, append_name, names);
    engine_abandon(engine);
    return true;
}
