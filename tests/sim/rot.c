/* Harm at rest: one byte of a folder is changed, or a file loses its end or is lost itself, and recovery has
 * to refuse it by the right name and offset, or, where nothing was promised, to take it for the torn tail
 * that it could be.
 *
 * Which it is, is found out here by reading the folder anew, after the format's description (journal/frame.h)
 * and MANIFEST's (journal/manifest.h), with nothing of the reader under test but the decoder of one frame. */
#include <stdio.h>

#include "base/diag.h"
#include "base/memory.h"
#include "sim.h"

/* More than tiny segments make of the largest stream. */
#define FILES_MAX 2000
struct rot_file {
    char name[SIM_NAME_SIZE];
    bool is_base;
    lsn_t lsn;
    uint64_t salt;
};

/* What MANIFEST says recovery reads. */
struct rot_folder {
    const struct sim_disk *disk;
    struct rot_file files[FILES_MAX]; /* the base, if it has a file, then the segments from its LSN on */
    int count;
    lsn_t durable_lsn; /* that MANIFEST says; 0 when it says none */
};

struct verdict {
    bool refused;
    bool missing;    /* the file is gone */
    bool lost_end;   /* with frames that put on record that values were replaced, so that their files went */
    uint64_t offset; /* when refused, that recovery has to name */
    lsn_t lsn;       /* when not, that it has to lead to */
};

static bool add_file(struct rot_folder *folder, bool is_base, uint64_t lsn, uint64_t salt)
{
    if (folder->count == FILES_MAX)
        return false;
    struct rot_file *file = &folder->files[folder->count++];
    *file = (struct rot_file){.is_base = is_base, .lsn = lsn, .salt = salt};
    snprintf(file->name, sizeof(file->name), "%s-%020llu.dkv", is_base ? "base" : "log",
             (unsigned long long)lsn);
    return true;
}

/* False when there is nothing to be read yet, or more than there is room for. */
static bool read_folder(struct rot_folder *folder, const struct sim_disk *disk)
{
    *folder = (struct rot_folder){.disk = disk};
    struct slice manifest = sim_disk_content(disk, "MANIFEST");
    if (!manifest.data)
        return false;
    char *text = slice_to_cstring(manifest);
    unsigned long long base_lsn = 0;
    bool ok = true;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line && ok; line = strsep(&rest, "\n")) {
        unsigned long long lsn;
        unsigned long long bytes;
        unsigned long long salt;
        if (sscanf(line, "base %llu %llu %llx", &base_lsn, &bytes, &salt) == 3 && bytes > 0)
            ok = add_file(folder, true, base_lsn, salt);
        else if (sscanf(line, "segment %llu %llx", &lsn, &salt) == 2 && lsn >= base_lsn)
            ok = add_file(folder, false, lsn, salt);
        else if (sscanf(line, "durable %llu", &lsn) == 1)
            folder->durable_lsn = lsn;
    }
    mem_free(text);
    return ok;
}

/* The frame at an offset; false when there is none. */
static bool frame_at(struct slice bytes, uint64_t offset, uint64_t salt, struct frame *frame)
{
    size_t need;
    if (offset > bytes.size)
        return false;
    struct slice rest = slice_make(bytes.data + offset, bytes.size - offset);
    return frame_decode(frame, rest, rest.size, salt, &need) == FRAME_VALID;
}

/* A walk along the frames of one file up to the one that holds a byte, or to where they end. */
struct walk {
    bool found; /* a frame holds the byte */
    uint64_t offset;
    lsn_t lsn;         /* where that frame begins, or of the end */
    lsn_t durable_lsn; /* the highest that the frames before name */
};

static struct walk walk_to(struct slice bytes, const struct rot_file *file, uint64_t byte)
{
    struct walk walk = {.offset = FILE_HEADER_SIZE, .lsn = file->is_base ? 0 : file->lsn};
    struct frame frame;
    while (frame_at(bytes, walk.offset, file->salt, &frame) && frame.lsn == walk.lsn) {
        uint64_t end = walk.offset + FRAME_HEADER_SIZE + frame.payload.size;
        walk.found = byte < end;
        if (walk.found)
            return walk;
        if (frame.durable_lsn > walk.durable_lsn)
            walk.durable_lsn = frame.durable_lsn;
        walk.offset = end;
        walk.lsn += frame_stream_size(&frame);
    }
    return walk;
}

/* The highest durable LSN that any frame from an offset on names, wherever it begins. */
static lsn_t durable_beyond(struct slice bytes, uint64_t salt, uint64_t offset)
{
    uint32_t magic = frame_magic(salt);
    lsn_t durable_lsn = 0;
    struct frame frame;
    while (offset + FRAME_HEADER_SIZE <= bytes.size) {
        const char *found = memmem(bytes.data + offset + 8, bytes.size - offset - 8, &magic, sizeof(magic));
        if (!found)
            break;
        offset = (uint64_t)(found - bytes.data) - 8;
        if (frame_at(bytes, offset, salt, &frame) && frame.durable_lsn > durable_lsn)
            durable_lsn = frame.durable_lsn;
        offset++;
    }
    return durable_lsn;
}

/* To be asked after the harm was done, of the folder as it was before in everything else. The walk ends at
 * the first frame that was harmed. */
static struct verdict judge_segment(const struct rot_folder *folder, int number, struct walk walk)
{
    const struct rot_file *file = &folder->files[number];
    struct verdict verdict = {.offset = walk.offset, .lsn = walk.lsn};
    const struct rot_file *last = &folder->files[folder->count - 1];
    if (file != last) {
        /* Behind where the next segment begins, nothing counts. */
        struct slice end = sim_disk_content(folder->disk, last->name);
        verdict.refused = walk.lsn < folder->files[number + 1].lsn;
        verdict.lsn = walk_to(end, last, UINT64_MAX).lsn;
        return verdict;
    }
    struct slice after = sim_disk_content(folder->disk, file->name);
    lsn_t promised = walk.durable_lsn > file->lsn ? walk.durable_lsn : file->lsn;
    lsn_t beyond = durable_beyond(after, file->salt, walk.offset);
    promised = beyond > promised ? beyond : promised;
    promised = folder->durable_lsn > promised ? folder->durable_lsn : promised;
    for (int i = 0; i < number; i++)
        if (!folder->files[i].is_base)
            promised = folder->files[i + 1].lsn > promised ? folder->files[i + 1].lsn : promised;
    verdict.refused = walk.lsn < promised;
    return verdict;
}

static struct verdict judge(const struct rot_folder *folder, int number, struct slice before, uint64_t byte)
{
    const struct rot_file *file = &folder->files[number];
    if (byte < FILE_HEADER_SIZE)
        return (struct verdict){.refused = true};
    if (file->is_base)
        return (struct verdict){.refused = true, .offset = walk_to(before, file, byte).offset};
    return judge_segment(folder, number, walk_to(before, file, byte));
}

/* Of a segment that lost its end, from size on. */
static struct verdict judge_cut(const struct rot_folder *folder, int number, uint64_t size)
{
    const struct rot_file *file = &folder->files[number];
    if (size < FILE_HEADER_SIZE)
        return (struct verdict){.refused = true};
    struct slice after = sim_disk_content(folder->disk, file->name);
    struct verdict verdict = judge_segment(folder, number, walk_to(after, file, UINT64_MAX));
    verdict.lost_end = true;
    return verdict;
}

lsn_t sim_promise_on_record(const struct sim_disk *disk)
{
    struct rot_folder folder;
    if (!read_folder(&folder, disk))
        return 0;
    const struct rot_file *last = &folder.files[folder.count - 1];
    lsn_t named = durable_beyond(sim_disk_content(disk, last->name), last->salt, FILE_HEADER_SIZE);
    named = folder.durable_lsn > named ? folder.durable_lsn : named;
    return named > last->lsn ? named : last->lsn;
}

/* Recovers from a disk on which this harm was done to a file. */
static void expect(struct sim *sim, struct sim_disk *disk, const char *name, const char *harm,
                   struct verdict verdict)
{
    struct sim_life life;
    struct sim_child child = {0};
    char place[80];
    snprintf(place, sizeof(place), "%s is damaged at offset %llu", name, (unsigned long long)verdict.offset);
    if (strcmp(name, "MANIFEST") == 0)
        snprintf(place, sizeof(place), "MANIFEST is damaged");
    if (verdict.missing)
        snprintf(place, sizeof(place), "%s cannot be opened", name);
    sim->counts->rots++;
    enum life_result result = sim_life_begin(sim, &life, disk, &child);
    if (result == LIFE_BEGUN) {
        if (verdict.refused)
            sim_fail(sim, "%s: %s, and it was not noticed: recovered to LSN %llu", name, harm,
                     (unsigned long long)life.lsn);
        if (life.lsn != verdict.lsn)
            sim_fail(sim, "%s: %s, behind all that was promised: recovered to LSN %llu, not %llu", name, harm,
                     (unsigned long long)life.lsn, (unsigned long long)verdict.lsn);
        life.is_harmed = true;
        sim_life_check(sim, &life, 0);
        engine_abandon(life.engine);
        sim_disk_process_ended(disk);
    } else {
        sim->counts->rots_refused++;
        if (verdict.lost_end && !verdict.refused && strstr(life.error.text, ".dkv is missing")) {
            sim_child_free(&child);
            return; /* what is left needs a value that was replaced: so the loss is noticed after all */
        }
        if (!verdict.refused)
            sim_fail(sim, "%s: %s, where nothing was promised, and the folder is refused: %s", name, harm,
                     life.error.text);
        if (!strstr(life.error.text, place))
            sim_fail(sim, "%s: %s; expected \"%s\", found \"%s\"", name, harm, place, life.error.text);
    }
    sim_child_free(&child);
}

static struct sim_disk *copy_to_harm(struct sim *sim, const struct sim_disk *disk)
{
    struct sim_disk *copy = sim_disk_copy(disk, random_next(&sim->probe_random));
    copy->faults = (struct sim_faults){0};
    sim_disk_unlimit(copy);
    return copy;
}

/* --- value files ------------------------------------------------------------------------------------------
 */

/* How a value file is harmed. */
struct value_harm {
    char name[SIM_NAME_SIZE];
    bool at_once; /* it can be seen without reading the value's bytes */
    char text[64];
};

static bool some_value_file(struct sim *sim, const struct sim_disk *disk, struct value_harm *harm)
{
    uint64_t count = 0;
    for (size_t i = 0; i < disk->name_count; i++)
        if (strncmp(disk->names[i].name, "value-", 6) == 0 && random_below(&sim->probe_random, ++count) == 0)
            memcpy(harm->name, disk->names[i].name, SIM_NAME_SIZE);
    return count > 0;
}

static void harm_value(struct sim *sim, struct sim_disk *disk, struct value_harm *harm)
{
    struct random *random = &sim->probe_random;
    uint64_t size = sim_disk_content(disk, harm->name).size;
    struct disk_file *opened;
    uint64_t at = random_below(random, size == 0 ? 1 : random_below(random, 3) && size > 64 ? size : 64);
    switch (at < size ? random_below(random, 8) : 0) {
    case 0:
        disk_unlink(&disk->disk, harm->name);
        harm->at_once = true;
        snprintf(harm->text, sizeof(harm->text), "it is gone");
        break;
    case 1:
        ASSERT(disk_open(&disk->disk, harm->name, DISK_WRITE, &opened) == 0);
        ASSERT(disk_truncate(opened, at) == 0);
        disk_close(opened);
        harm->at_once = true;
        snprintf(harm->text, sizeof(harm->text), "it is cut at %llu", (unsigned long long)at);
        break;
    default:
        sim_disk_rot(disk, harm->name, at, (uint8_t)(1 + random_below(random, 255)));
        harm->at_once = at < 4096;
        snprintf(harm->text, sizeof(harm->text), "byte %llu is wrong", (unsigned long long)at);
    }
}

/* What is needed of the files of a folder as it is: recovery itself says, which is judged elsewhere. */
static bool value_need(struct sim *sim, const struct sim_disk *disk, const char *name,
                       struct value_need *need)
{
    struct sim_life life;
    struct sim_child child = {0};
    struct sim_disk *whole = copy_to_harm(sim, disk);
    bool begun = sim_life_begin(sim, &life, whole, &child) == LIFE_BEGUN;
    if (begun) {
        struct world *world = engine_world(life.engine);
        *need = values_need(world->store, world->journal, name);
        engine_abandon(life.engine);
        sim_disk_process_ended(whole);
    }
    sim_disk_free(whole);
    sim_child_free(&child);
    return begun;
}

/* A harmed value file is refused by its name if it is needed at the start, told of when it is needed later,
 * and of no consequence otherwise. */
static bool rot_value(struct sim *sim, const struct sim_disk *disk)
{
    struct value_harm harm;
    struct value_need need;
    struct sim_life life;
    struct sim_child child = {0};
    if (!some_value_file(sim, disk, &harm) || !value_need(sim, disk, harm.name, &need))
        return false;
    struct sim_disk *rotten = copy_to_harm(sim, disk);
    harm_value(sim, rotten, &harm);
    sim->counts->rots++;
    enum life_result result = sim_life_begin(sim, &life, rotten, &child);
    bool must_refuse = need.was_read || (need.is_in_use && (life.reads_values || harm.at_once));
    if ((result == LIFE_REFUSED) != must_refuse)
        sim_fail(sim,
                 "%s: %s, and the folder is %s, though the file is %s, and %s to be read at the start: %s",
                 harm.name, harm.text, must_refuse ? "taken" : "refused",
                 need.is_in_use  ? "in use"
                 : need.was_read ? "needed by the log"
                                 : "not needed",
                 life.reads_values ? "was" : "was not", life.error.text);
    if (result == LIFE_REFUSED) {
        sim->counts->rots_refused++;
        if (!strstr(life.error.text, harm.name))
            sim_fail(sim, "%s: %s; it is not named by: %s", harm.name, harm.text, life.error.text);
    } else {
        struct world *world = engine_world(life.engine);
        life.is_harmed = true;
        if (!need.is_in_use)
            sim_life_check(sim, &life, 0);
        if (!values_read_but(world->store, world->journal, need.is_in_use ? harm.name : ""))
            sim_fail(sim, "%s: %s, and reading the value does not say so", harm.name, harm.text);
        engine_abandon(life.engine);
        sim_disk_process_ended(rotten);
    }
    sim_disk_free(rotten);
    sim_child_free(&child);
    return true;
}

static uint64_t some_byte(struct sim *sim, struct slice bytes, const struct rot_file *file)
{
    struct random *random = &sim->probe_random;
    uint64_t used = walk_to(bytes, file, UINT64_MAX).offset;
    switch (random_below(random, 8)) {
    case 0: return random_below(random, bytes.size);
    case 1: return random_below(random, FILE_HEADER_SIZE);
    default: break;
    }
    /* The end is where torn and damaged are told apart. */
    uint64_t from = used > 1000 && random_below(random, 2) ? used - 1000 : 0;
    return from + random_below(random, used - from + (used < bytes.size ? 1 : 0));
}

static void rot_manifest(struct sim *sim, const struct sim_disk *disk)
{
    struct sim_disk *rotten = copy_to_harm(sim, disk);
    uint64_t byte = random_below(&sim->probe_random, sim_disk_content(disk, "MANIFEST").size);
    sim_disk_rot(rotten, "MANIFEST", byte, (uint8_t)(1 + random_below(&sim->probe_random, 255)));
    expect(sim, rotten, "MANIFEST", "a byte is wrong", (struct verdict){.refused = true});
    sim_disk_free(rotten);
}

static void rot_byte(struct sim *sim, struct rot_folder *folder, int number, struct slice before)
{
    const struct rot_file *file = &folder->files[number];
    struct sim_disk *rotten = copy_to_harm(sim, folder->disk);
    char harm[64];
    uint64_t byte = some_byte(sim, before, file);
    snprintf(harm, sizeof(harm), "byte %llu is wrong", (unsigned long long)byte);
    sim_disk_rot(rotten, file->name, byte, (uint8_t)(1 + random_below(&sim->probe_random, 255)));
    folder->disk = rotten;
    expect(sim, rotten, file->name, harm, judge(folder, number, before, byte));
    sim_disk_free(rotten);
}

/* A segment's end is cut off, reads as zeros, or the file is gone. must_reach: what ends below is refused,
 * whatever the folder says of itself. */
static void lose_end(struct sim *sim, struct rot_folder *folder, int number, struct slice before,
                     lsn_t must_reach)
{
    const struct rot_file *file = &folder->files[number];
    struct sim_disk *rotten = copy_to_harm(sim, folder->disk);
    struct verdict verdict = {.refused = true, .missing = true};
    char harm[64] = "it is gone";
    folder->disk = rotten;
    if (random_below(&sim->probe_random, 10) == 0) {
        disk_unlink(&rotten->disk, file->name);
    } else {
        struct disk_file *opened;
        uint64_t size = some_byte(sim, before, file);
        bool keeps_size = size >= FILE_HEADER_SIZE && random_below(&sim->probe_random, 2);
        int rc = disk_open(&rotten->disk, file->name, DISK_WRITE, &opened);
        ASSERT(rc == 0 && disk_truncate(opened, size) == 0);
        rc = keeps_size ? disk_truncate(opened, before.size) : 0;
        ASSERT(rc == 0);
        disk_close(opened);
        snprintf(harm, sizeof(harm), "it %s from %llu on", keeps_size ? "reads as zeros" : "is cut",
                 (unsigned long long)size);
        verdict = judge_cut(folder, number, size);
        verdict.refused |= verdict.lsn < must_reach;
    }
    expect(sim, rotten, file->name, harm, verdict);
    sim_disk_free(rotten);
}

/* A file of the folder as it is now. */
static struct slice content(struct sim *sim, const struct rot_folder *folder, int number)
{
    struct slice bytes = sim_disk_content(folder->disk, folder->files[number].name);
    if (bytes.size < FILE_HEADER_SIZE)
        sim_fail(sim, "%s, which MANIFEST names, is missing or has no header", folder->files[number].name);
    return bytes;
}

void sim_rot_probe(struct sim *sim, const struct sim_disk *disk)
{
    struct rot_folder folder;
    struct random *random = &sim->probe_random;
    if (!read_folder(&folder, disk))
        return;
    if (random_below(random, 10) == 0) {
        rot_manifest(sim, disk);
        return;
    }
    if (random_below(random, 2) == 0 && rot_value(sim, disk))
        return;
    /* The last file more often than others. */
    int number =
        random_below(random, 2) ? folder.count - 1 : (int)random_below(random, (uint64_t)folder.count);
    struct slice before = content(sim, &folder, number);
    if (!folder.files[number].is_base && random_below(random, 4) == 0)
        lose_end(sim, &folder, number, before, 0);
    else
        rot_byte(sim, &folder, number, before);
}

void sim_cut_probe(struct sim *sim, const struct sim_disk *disk, lsn_t lsn)
{
    struct rot_folder folder;
    if (!read_folder(&folder, disk))
        return;
    sim->trace.muted++;
    lose_end(sim, &folder, folder.count - 1, content(sim, &folder, folder.count - 1), lsn);
    sim->trace.muted--;
}
