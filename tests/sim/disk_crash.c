/* What a crash leaves of a simulated disk. */
#include "base/memory.h"
#include "sim_disk.h"

/* How much of what was not synced survives a power failure. Extremes are as telling as mixtures, so each has
 * its own name and a good chance. */
enum survival {
    SURVIVES_NOTHING,
    SURVIVES_ALL,
    SURVIVES_FIRST,  /* what was done first, up to some moment: a disk that keeps the order */
    SURVIVES_LAST,   /* what was done last: a disk that writes in reverse */
    SURVIVES_CHANCE, /* each sector by itself */
    SURVIVAL_COUNT
};

struct choice {
    struct random *random;
    enum survival data;
    enum survival names;
    uint64_t data_moment; /* a sequence number: before it, or from it on */
    uint64_t names_moment;
    unsigned chance; /* in 256ths */
};

static uint64_t random_moment(const struct sim_disk *disk, struct random *random)
{
    uint64_t first = disk->sequence;
    uint64_t last = 0;
    for (size_t i = 0; i < disk->inode_count; i++)
        for (size_t j = 0; disk->inodes[i] && j < disk->inodes[i]->pending_count; j++) {
            uint64_t sequence = disk->inodes[i]->pending[j].sequence;
            first = sequence < first ? sequence : first;
            last = sequence > last ? sequence : last;
        }
    for (size_t i = 0; i < disk->folder_op_count; i++) {
        first = disk->folder_ops[i].sequence < first ? disk->folder_ops[i].sequence : first;
        last = disk->folder_ops[i].sequence > last ? disk->folder_ops[i].sequence : last;
    }
    return last < first ? 0 : first + random_below(random, last - first + 2);
}

static struct choice choose(const struct sim_disk *disk, struct random *random)
{
    struct choice choice = {.random = random};
    choice.data = (enum survival)random_below(random, SURVIVAL_COUNT);
    choice.names = (enum survival)random_below(random, SURVIVAL_COUNT);
    choice.data_moment = random_moment(disk, random);
    choice.names_moment = random_moment(disk, random);
    choice.chance = 1 + (unsigned)random_below(random, 255);
    /* A disk that orders everything orders names and data alike. */
    if (choice.data == SURVIVES_FIRST && random_below(random, 2)) {
        choice.names = SURVIVES_FIRST;
        choice.names_moment = choice.data_moment;
    }
    /* File systems commit names in order; a later change without an earlier one is only tried where POSIX
     * allows it and nothing in common orders the two (keeps_name). */
    if (choice.names == SURVIVES_LAST)
        choice.names = SURVIVES_FIRST;
    return choice;
}

static bool keeps_sector(void *context, const struct sim_pending *pending, uint64_t sector)
{
    struct choice *choice = context;
    (void)sector;
    switch (choice->data) {
    case SURVIVES_NOTHING: return false;
    case SURVIVES_ALL: return true;
    case SURVIVES_FIRST:
        /* The write that was under way is torn. */
        return pending->sequence < choice->data_moment ||
               (pending->sequence == choice->data_moment && random_below(choice->random, 2));
    case SURVIVES_LAST: return pending->sequence >= choice->data_moment;
    default: return random_below(choice->random, 256) < choice->chance;
    }
}

/* Up to which change of a file's size its size survives: sizes are metadata and follow in order. */
static size_t surviving_sizes(const struct sim_inode *inode, struct choice *choice)
{
    size_t count = inode->pending_count;
    switch (choice->data) {
    case SURVIVES_NOTHING:
        return random_below(choice->random, 4) ? 0 : random_below(choice->random, count + 1);
    case SURVIVES_ALL: return count;
    case SURVIVES_FIRST: {
        size_t kept = 0;
        while (kept < count && inode->pending[kept].sequence <= choice->data_moment)
            kept++;
        return kept;
    }
    default: return random_below(choice->random, count + 1);
    }
}

static void keep_size(struct buffer *content, size_t size)
{
    if (size > content->size)
        memset(buffer_reserve(content, size - content->size), 0, size - content->size);
    content->size = size;
}

/* A file as a power failure leaves it. Data may have reached the platter beyond the size that did: it is
 * lost. */
static struct sim_inode *inode_after_power_failure(const struct sim_inode *inode, struct choice *choice)
{
    struct sim_inode *after = sim_inode_new();
    buffer_append_slice(&after->cache, buffer_slice(&inode->durable));
    size_t sizes = surviving_sizes(inode, choice);
    size_t size = inode->durable.size;
    for (size_t i = 0; i < inode->pending_count; i++) {
        struct sim_pending pending = inode->pending[i];
        if (i < sizes)
            size = pending.size_after;
        bool grows = pending.size_after >= pending.size_before;
        if (i >= sizes || grows)
            pending.size_before = pending.size_after; /* only what cuts the file does something here */
        sim_pending_apply(&pending, &after->cache, keeps_sector, choice);
    }
    keep_size(&after->cache, size);
    buffer_append_slice(&after->durable, buffer_slice(&after->cache));
    return after;
}

static bool share_something(const struct sim_folder_op *a, const struct sim_folder_op *b)
{
    return a->inode == b->inode || strcmp(a->name, b->name) == 0 || strcmp(a->name, b->to) == 0 ||
           strcmp(a->to, b->name) == 0 || (a->to[0] && strcmp(a->to, b->to) == 0);
}

/* lost holds the changes of names lost so far, of which there are lost_count. */
static bool keeps_name(struct choice *choice, const struct sim_folder_op *op,
                       const struct sim_folder_op *const *lost, size_t lost_count)
{
    for (size_t i = 0; i < lost_count; i++)
        if (share_something(op, lost[i]))
            return false;
    switch (choice->names) {
    case SURVIVES_NOTHING: return false;
    case SURVIVES_ALL: return true;
    case SURVIVES_FIRST: return op->sequence < choice->names_moment;
    default: return random_below(choice->random, 256) < choice->chance;
    }
}

static void names_copy(struct sim_name **to, size_t *to_count, const struct sim_name *from, size_t count)
{
    *to = mem_alloc(count * sizeof(**to) + 1);
    if (count)
        memcpy(*to, from, count * sizeof(**to));
    *to_count = count;
}

static struct sim_disk *disk_like(const struct sim_disk *disk, uint64_t seed)
{
    struct sim_disk *copy = sim_disk_new(seed, disk->trace);
    copy->sequence = disk->sequence;
    copy->capacity = disk->capacity;
    copy->ballast = disk->ballast;
    copy->quota = disk->quota;
    copy->file_max = disk->file_max;
    copy->faults = disk->faults;
    copy->inode_count = disk->inode_count;
    copy->inodes = mem_alloc_zero(disk->inode_count * sizeof(struct sim_inode *) + 1);
    names_copy(&copy->durable_names, &copy->durable_name_count, disk->durable_names,
               disk->durable_name_count);
    return copy;
}

static struct sim_disk *after_power_failure(const struct sim_disk *disk, struct random *random)
{
    struct choice choice = choose(disk, random);
    struct sim_disk *after = disk_like(disk, random_next(random));
    const struct sim_folder_op **lost = mem_alloc(disk->folder_op_count * sizeof(*lost) + 1);
    size_t lost_count = 0;
    for (size_t i = 0; i < disk->folder_op_count; i++) {
        const struct sim_folder_op *op = &disk->folder_ops[i];
        if (keeps_name(&choice, op, lost, lost_count))
            sim_names_apply(&after->durable_names, &after->durable_name_count, op);
        else
            lost[lost_count++] = op;
    }
    mem_free(lost);
    for (size_t i = 0; i < after->durable_name_count; i++) {
        size_t inode = after->durable_names[i].inode;
        if (!after->inodes[inode])
            after->inodes[inode] = inode_after_power_failure(disk->inodes[inode], &choice);
    }
    names_copy(&after->names, &after->name_count, after->durable_names, after->durable_name_count);
    trace_line(disk->trace, "power failure: of data %d, of names %d survives, at %llu and %llu, chance %u",
               (int)choice.data, (int)choice.names, (unsigned long long)choice.data_moment,
               (unsigned long long)choice.names_moment, choice.chance);
    return after;
}

static struct sim_inode *inode_copy(const struct sim_inode *inode)
{
    struct sim_inode *copy = sim_inode_new();
    buffer_append_slice(&copy->cache, buffer_slice(&inode->cache));
    buffer_append_slice(&copy->durable, buffer_slice(&inode->durable));
    copy->pending_count = copy->pending_capacity = inode->pending_count;
    copy->pending = mem_alloc(inode->pending_count * sizeof(*copy->pending) + 1);
    for (size_t i = 0; i < inode->pending_count; i++) {
        struct sim_pending *pending = &copy->pending[i];
        *pending = inode->pending[i];
        pending->data = mem_alloc(pending->size + 1);
        if (pending->size)
            memcpy(pending->data, inode->pending[i].data, pending->size);
    }
    return copy;
}

struct sim_disk *sim_disk_copy(const struct sim_disk *disk, uint64_t seed)
{
    struct sim_disk *copy = disk_like(disk, seed);
    for (size_t i = 0; i < disk->inode_count; i++)
        if (disk->inodes[i])
            copy->inodes[i] = inode_copy(disk->inodes[i]);
    names_copy(&copy->names, &copy->name_count, disk->names, disk->name_count);
    copy->folder_op_count = disk->folder_op_count;
    copy->folder_ops = mem_alloc(disk->folder_op_count * sizeof(*copy->folder_ops) + 1);
    if (disk->folder_op_count)
        memcpy(copy->folder_ops, disk->folder_ops, disk->folder_op_count * sizeof(*copy->folder_ops));
    copy->read_only = disk->read_only;
    sim_disk_collect(copy);
    return copy;
}

struct sim_disk *sim_disk_crash(const struct sim_disk *disk, enum crash_kind kind, struct random *random)
{
    /* A file system that gave up is mounted again before anything can go on. */
    if (kind == CRASH_PROCESS && !disk->read_only)
        return sim_disk_copy(disk, random_next(random));
    return after_power_failure(disk, random);
}
