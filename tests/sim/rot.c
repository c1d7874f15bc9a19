/* Bits that rot at rest: one byte of a folder is changed, and recovery has to refuse it by the right name and
 * offset, or, where nothing was promised, to take it for the torn tail that it could be.
 *
 * Which it is, is found out here by reading the folder anew, after the format's description (journal/frame.h)
 * and MANIFEST's (journal/manifest.h), with nothing of the reader under test but the decoder of one frame. */
#include <stdio.h>

#include "base/memory.h"
#include "sim.h"

#define FILES_MAX 200

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
};

struct verdict {
    bool refused;
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
        walk.lsn += frame.payload.size;
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

/* To be asked after the byte was changed, of the folder as it was before in everything else. */
static struct verdict judge_segment(const struct rot_folder *folder, int number, struct slice before,
                                    uint64_t byte)
{
    const struct rot_file *file = &folder->files[number];
    struct walk walk = walk_to(before, file, byte);
    struct verdict verdict = {.offset = walk.offset, .lsn = walk.lsn};
    const struct rot_file *last = &folder->files[folder->count - 1];
    if (file != last) {
        /* Behind where the next segment begins, nothing counts. */
        struct slice end = sim_disk_content(folder->disk, last->name);
        verdict.refused = walk.found && walk.lsn < folder->files[number + 1].lsn;
        verdict.lsn = walk_to(end, last, UINT64_MAX).lsn;
        return verdict;
    }
    struct slice after = sim_disk_content(folder->disk, file->name);
    lsn_t promised = walk.durable_lsn > file->lsn ? walk.durable_lsn : file->lsn;
    lsn_t beyond = durable_beyond(after, file->salt, walk.offset);
    promised = beyond > promised ? beyond : promised;
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
    return judge_segment(folder, number, before, byte);
}

lsn_t sim_promise_on_record(const struct sim_disk *disk)
{
    struct rot_folder folder;
    if (!read_folder(&folder, disk))
        return 0;
    const struct rot_file *last = &folder.files[folder.count - 1];
    lsn_t named = durable_beyond(sim_disk_content(disk, last->name), last->salt, FILE_HEADER_SIZE);
    return named > last->lsn ? named : last->lsn;
}

static void expect(struct sim *sim, struct sim_disk *disk, const char *name, uint64_t byte,
                   struct verdict verdict)
{
    struct sim_life life;
    struct sim_child child = {0};
    char place[80];
    snprintf(place, sizeof(place), "%s is damaged at offset %llu", name, (unsigned long long)verdict.offset);
    if (strcmp(name, "MANIFEST") == 0)
        snprintf(place, sizeof(place), "MANIFEST is damaged");
    enum life_result result = sim_life_begin(sim, &life, disk, &child);
    if (result == LIFE_BEGUN) {
        if (verdict.refused)
            sim_fail(sim, "byte %llu of %s is wrong, and it was not noticed: recovered to LSN %llu",
                     (unsigned long long)byte, name, (unsigned long long)life.lsn);
        if (life.lsn != verdict.lsn)
            sim_fail(
                sim,
                "byte %llu of %s is wrong, behind all that was promised: recovered to LSN %llu, not %llu",
                (unsigned long long)byte, name, (unsigned long long)life.lsn,
                (unsigned long long)verdict.lsn);
        sim_life_check(sim, &life, 0);
        engine_abandon(life.engine);
        sim_disk_process_ended(disk);
    } else {
        sim->counts->rots_refused++;
        if (!verdict.refused)
            sim_fail(sim,
                     "byte %llu of %s is wrong, where nothing was promised, and the folder is refused: %s",
                     (unsigned long long)byte, name, life.error.text);
        if (!strstr(life.error.text, place))
            sim_fail(sim, "byte %llu of %s is wrong; expected \"%s\", found \"%s\"", (unsigned long long)byte,
                     name, place, life.error.text);
    }
    sim_child_free(&child);
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

void sim_rot_probe(struct sim *sim, const struct sim_disk *disk)
{
    struct rot_folder folder;
    struct random *random = &sim->probe_random;
    if (!read_folder(&folder, disk))
        return;
    struct sim_disk *rotten = sim_disk_copy(disk, random_next(random));
    uint8_t mask = (uint8_t)(1 + random_below(random, 255));
    sim->counts->rots++;
    if (random_below(random, 10) == 0) {
        uint64_t byte = random_below(random, sim_disk_content(disk, "MANIFEST").size);
        sim_disk_rot(rotten, "MANIFEST", byte, mask);
        expect(sim, rotten, "MANIFEST", byte, (struct verdict){.refused = true});
    } else {
        /* The last file more often than others. */
        int number =
            random_below(random, 2) ? folder.count - 1 : (int)random_below(random, (uint64_t)folder.count);
        const struct rot_file *file = &folder.files[number];
        struct slice before = sim_disk_content(disk, file->name);
        if (before.size < FILE_HEADER_SIZE)
            sim_fail(sim, "%s, which MANIFEST names, is missing or has no header", file->name);
        uint64_t byte = some_byte(sim, before, file);
        sim_disk_rot(rotten, file->name, byte, mask);
        folder.disk = rotten;
        expect(sim, rotten, file->name, byte, judge(&folder, number, before, byte));
    }
    sim_disk_free(rotten);
}
