/* The reader test of DURABILITY.md (D7, D8): every byte of every file of a small log changed in turn, every
 * file cut at every length in turn. The verdict must be the right one each time: refused, with the file and
 * the place; or recovered as exactly the prefix that is left, but only where nothing that was promised is
 * missing.
 *
 * What is right is worked out here from the undamaged files: where each frame lies, its LSN, and what it says
 * is durable.
 */
#include "fixture.c"

#include "journal/manifest.h"
#include "journal/names.h"
#include "journal/segment_reader.h"

#define FRAMES_MAX 64
#define FILES_MAX  16

struct placed_frame {
    uint64_t offset;
    uint64_t size;
    lsn_t lsn;
    lsn_t durable_lsn;
};

enum role {
    ROLE_MANIFEST,
    ROLE_BASE,
    ROLE_OLD_SEGMENT, /* before the last */
    ROLE_LAST_SEGMENT,
    ROLE_UNREAD /* history, spares, LOCK: recovery does not look at their contents */
};

struct file_map {
    char name[FILE_NAME_SIZE];
    enum role role;
    struct buffer bytes; /* undamaged */
    struct placed_frame frames[FRAMES_MAX];
    size_t frame_count;
    lsn_t end_lsn; /* where the next segment takes over */
};

struct log_map {
    struct fixture f;
    struct file_map files[FILES_MAX];
    size_t file_count;
    lsn_t last_start;     /* of the last segment: MANIFEST's promise */
    lsn_t stopped_at;     /* where the last clean stop was: MANIFEST's promise too */
    lsn_t durable_before; /* the highest that frames before the last segment name */
    char context[128];
};

/* How much was tried, for the figures at the end. */
static struct {
    size_t changes;
    size_t cuts;
} tried;

/* --- the map ------------------------------------------------------------------------------------------ */

/* Finds all frames of a file, those behind a torn one included. */
static void map_frames(struct file_map *file)
{
    struct file_header header;
    struct slice bytes = buffer_slice(&file->bytes);
    assert_null(file_header_decode(&header, bytes));
    for (size_t at = FILE_HEADER_SIZE; at < bytes.size;) {
        struct frame frame;
        size_t need;
        struct slice rest = slice_make(bytes.data + at, bytes.size - at);
        if (frame_decode(&frame, rest, rest.size, header.salt, &need) != FRAME_VALID) {
            at++;
            continue;
        }
        assert_true(file->frame_count < FRAMES_MAX);
        file->frames[file->frame_count++] = (struct placed_frame){at, need, frame.lsn, frame.durable_lsn};
        at += need;
    }
}

static void map_file(struct log_map *map, const struct manifest *manifest, const char *name)
{
    assert_true(map->file_count < FILES_MAX);
    struct file_map *file = &map->files[map->file_count++];
    uint64_t lsn;
    enum name_kind kind = name_parse(name, &lsn);
    snprintf(file->name, sizeof(file->name), "%s", name);
    buffer_append_slice(&file->bytes, buffer_slice(memory_disk_file(map->f.memory, name)));
    lsn_t base_lsn = manifest_base_in_use(manifest)->lsn;
    file->role = ROLE_UNREAD;
    if (strcmp(name, MANIFEST_NAME) == 0)
        file->role = ROLE_MANIFEST;
    else if (kind == NAME_BASE && lsn == base_lsn)
        file->role = ROLE_BASE;
    else if (kind == NAME_LOG && lsn == manifest_last_segment(manifest)->lsn)
        file->role = ROLE_LAST_SEGMENT;
    else if (kind == NAME_LOG && lsn >= base_lsn) {
        file->role = ROLE_OLD_SEGMENT;
        file->end_lsn = manifest->segments[manifest_find_segment(manifest, lsn) + 1].lsn;
    }
    if (file->role == ROLE_BASE || file->role == ROLE_OLD_SEGMENT || file->role == ROLE_LAST_SEGMENT)
        map_frames(file);
}

static void map_folder(struct log_map *map)
{
    struct manifest manifest;
    struct buffer names = {0};
    assert_int_equal(manifest_load(map->f.disk, &manifest, &map->f.error), 0);
    memory_disk_names(map->f.memory, &names);
    map->file_count = 0;
    for (size_t at = 0; at < names.size; at += strlen(names.data + at) + 1)
        map_file(map, &manifest, names.data + at);
    map->last_start = manifest_last_segment(&manifest)->lsn;
    map->durable_before = 0;
    for (size_t i = 0; i < map->file_count; i++)
        for (size_t j = 0; map->files[i].role == ROLE_OLD_SEGMENT && j < map->files[i].frame_count; j++)
            if (map->files[i].frames[j].durable_lsn > map->durable_before)
                map->durable_before = map->files[i].frames[j].durable_lsn;
    buffer_free(&names);
    manifest_free(&manifest);
}

/* --- the log ------------------------------------------------------------------------------------------ */

/* History with a base, a base in use, old segments, and a last segment with a closing frame in its middle and
 * at its end.
 */
static void make_log(struct log_map *map)
{
    memset(map, 0, sizeof(*map));
    struct fixture *f = &map->f;
    fixture_init(f);
    f->options.segment_size = 400;
    f->options.history_bases = 1;
    fixture_start(f);
    for (int i = 0; i < 3; i++) {
        fixture_append(f, 2, 10);
        fixture_work(f);
        fixture_rewrite(f);
        fixture_append(f, 1, 20);
        fixture_work(f);
    }
    for (int i = 0; i < 3; i++) {
        fixture_append(f, 2, 50);
        fixture_work(f);
        fixture_append(f, 1, 20);
        fixture_pass(f, 200000);
    }
    fixture_append(f, 1, 15);
    fixture_close(f);
    map->stopped_at = f->stream.size;
}

/* The same, and behind it two frames that were written but never synced, the first of them torn. */
static void make_torn_log(struct log_map *map)
{
    make_log(map);
    struct fixture *f = &map->f;
    f->options.policy = SYNC_NO;
    fixture_start(f);
    size_t torn_at = f->stream.size;
    fixture_append(f, 1, 25);
    fixture_work(f);
    fixture_append(f, 1, 25);
    fixture_work(f);
    fixture_crash(f, CRASH_OF_PROCESS, 0);
    map_folder(map);
    for (size_t i = 0; i < map->file_count; i++)
        for (size_t j = 0; j < map->files[i].frame_count; j++) {
            struct placed_frame *frame = &map->files[i].frames[j];
            if (map->files[i].role == ROLE_LAST_SEGMENT && frame->lsn == torn_at &&
                frame->size > FRAME_HEADER_SIZE)
                memset(memory_disk_file(f->memory, map->files[i].name)->data + frame->offset + 30, 0, 30);
        }
    for (size_t i = 0; i < map->file_count; i++)
        buffer_free(&map->files[i].bytes);
    memset(map->files, 0, sizeof(map->files));
    map_folder(map);
    f->stream.size = torn_at;
}

static void free_log(struct log_map *map)
{
    for (size_t i = 0; i < map->file_count; i++)
        buffer_free(&map->files[i].bytes);
    fixture_free(&map->f);
}

/* --- verdicts ----------------------------------------------------------------------------------------- */

struct verdict {
    bool refused;
    const char *file;
    uint64_t offset; /* UINT64_MAX: any */
    lsn_t recovered_to;
};

static void check_verdict(struct log_map *map, const struct verdict *expected)
{
    struct fixture *f = &map->f;
    char place[64];
    bool recovered = fixture_recover(f);
    if (recovered == expected->refused)
        fail_msg("%s: expected to be %s, but %s", map->context, expected->refused ? "refused" : "recovered",
                 recovered ? "was recovered" : f->error.text);
    if (recovered) {
        if (f->recovered.size != expected->recovered_to ||
            memcmp(f->recovered.data, f->stream.data, f->recovered.size) != 0)
            fail_msg("%s: recovered to %zu, not to %" PRIu64, map->context, f->recovered.size,
                     expected->recovered_to);
        journal_abandon(f->journal);
        f->journal = NULL;
        return;
    }
    snprintf(place, sizeof(place), " is damaged at offset %" PRIu64, expected->offset);
    size_t place_size = strlen(place);
    const char *named = strstr(f->error.text, expected->file);
    const char *placed = strstr(f->error.text, place);
    if (!named || (expected->offset != UINT64_MAX && (!placed || !strchr(": ", placed[place_size]))))
        fail_msg("%s: \"%s\" does not name %s at%s", map->context, f->error.text, expected->file, place);
    assert_non_null(strstr(f->error.text, "dkv-log verify data"));
}

/* What is right when the frames of the last segment from first on cannot be read, those in [spared, count)
 * can, and the rest of the folder is whole. */
static struct verdict verdict_for_last(const struct log_map *map, const struct file_map *file, size_t bad,
                                       size_t spared)
{
    lsn_t promised = map->last_start > map->durable_before ? map->last_start : map->durable_before;
    promised = map->stopped_at > promised ? map->stopped_at : promised;
    for (size_t i = 0; i < file->frame_count; i++)
        if ((i < bad || i >= spared) && file->frames[i].durable_lsn > promised)
            promised = file->frames[i].durable_lsn;
    const struct placed_frame *frame = &file->frames[bad];
    if (frame->lsn < promised)
        return (struct verdict){.refused = true, .file = file->name, .offset = frame->offset};
    return (struct verdict){.recovered_to = frame->lsn};
}

static struct verdict verdict_for_change(const struct log_map *map, const struct file_map *file,
                                         uint64_t offset)
{
    struct verdict whole = {.recovered_to = map->f.stream.size};
    struct verdict refused = {.refused = true, .file = file->name};
    if (file->role == ROLE_UNREAD)
        return whole;
    if (file->role == ROLE_MANIFEST)
        refused.offset = UINT64_MAX;
    if (file->role == ROLE_MANIFEST || offset < FILE_HEADER_SIZE)
        return refused;
    for (size_t i = 0; i < file->frame_count; i++) {
        const struct placed_frame *frame = &file->frames[i];
        if (offset < frame->offset || offset >= frame->offset + frame->size)
            continue;
        refused.offset = frame->offset;
        if (file->role == ROLE_BASE)
            return refused;
        if (file->role == ROLE_OLD_SEGMENT)
            return frame->lsn < file->end_lsn ? refused : whole;
        /* A frame behind the end of what can be read never counted. */
        return frame->lsn > whole.recovered_to ? whole : verdict_for_last(map, file, i, i + 1);
    }
    return whole;
}

static struct verdict verdict_for_cut(const struct log_map *map, const struct file_map *file, uint64_t size)
{
    struct verdict whole = {.recovered_to = map->f.stream.size};
    struct verdict refused = {.refused = true, .file = file->name};
    if (file->role == ROLE_UNREAD)
        return whole;
    if (file->role == ROLE_MANIFEST || file->role == ROLE_BASE)
        refused.offset = UINT64_MAX;
    if (refused.offset == UINT64_MAX || size < FILE_HEADER_SIZE)
        return refused;
    for (size_t i = 0; i < file->frame_count; i++) {
        const struct placed_frame *frame = &file->frames[i];
        if (frame->offset + frame->size <= size)
            continue;
        refused.offset = frame->offset;
        if (file->role == ROLE_OLD_SEGMENT)
            return frame->lsn < file->end_lsn ? refused : whole;
        return frame->lsn > whole.recovered_to ? whole : verdict_for_last(map, file, i, file->frame_count);
    }
    return whole;
}

/* --- the tests ---------------------------------------------------------------------------------------- */

static const char changes[] = {'\x01', '\x80', '\xff'};

static void change_every_byte(struct log_map *map)
{
    for (size_t i = 0; i < map->file_count; i++) {
        struct file_map *file = &map->files[i];
        struct buffer *bytes = memory_disk_file(map->f.memory, file->name);
        tried.changes += bytes->size * sizeof(changes);
        for (size_t at = 0; at < bytes->size; at++)
            for (size_t change = 0; change < sizeof(changes); change++) {
                snprintf(map->context, sizeof(map->context), "%s, byte %zu changed by %02x", file->name, at,
                         (unsigned char)changes[change]);
                struct verdict verdict = verdict_for_change(map, file, at);
                bytes->data[at] ^= changes[change];
                check_verdict(map, &verdict);
                bytes->data[at] ^= changes[change];
            }
    }
}

static void cut_every_length(struct log_map *map)
{
    for (size_t i = 0; i < map->file_count; i++) {
        struct file_map *file = &map->files[i];
        struct buffer *bytes = memory_disk_file(map->f.memory, file->name);
        size_t whole = bytes->size;
        tried.cuts += whole;
        for (size_t size = 0; size < whole; size++) {
            snprintf(map->context, sizeof(map->context), "%s, cut to %zu bytes", file->name, size);
            struct verdict verdict = verdict_for_cut(map, file, size);
            bytes->size = size;
            check_verdict(map, &verdict);
            bytes->size = whole;
        }
    }
}

/* As when blocks are lost, or a file is copied to a disk that is full. */
static void zero_every_end(struct log_map *map)
{
    for (size_t i = 0; i < map->file_count; i++) {
        struct file_map *file = &map->files[i];
        struct buffer *bytes = memory_disk_file(map->f.memory, file->name);
        for (size_t from = 0; from < bytes->size; from++) {
            size_t changed = from;
            while (changed < bytes->size && bytes->data[changed] == '\0')
                changed++;
            if (changed == bytes->size)
                break;
            snprintf(map->context, sizeof(map->context), "%s, zeros from %zu on", file->name, from);
            struct verdict verdict = verdict_for_cut(map, file, changed);
            memset(bytes->data + from, 0, bytes->size - from);
            check_verdict(map, &verdict);
            memcpy(bytes->data + from, file->bytes.data + from, bytes->size - from);
        }
    }
}

static void remove_every_file(struct log_map *map)
{
    for (size_t i = 0; i < map->file_count; i++) {
        struct file_map *file = &map->files[i];
        snprintf(map->context, sizeof(map->context), "%s removed", file->name);
        struct verdict verdict = {.refused = file->role != ROLE_UNREAD,
                                  .file = file->name,
                                  .offset = UINT64_MAX,
                                  .recovered_to = map->f.stream.size};
        memory_disk_remove(map->f.memory, file->name);
        check_verdict(map, &verdict);
        memory_disk_put(map->f.memory, file->name, buffer_slice(&file->bytes));
    }
}

/* The log is what the tests below take it for. */
static void the_log_has_it_all(void **state)
{
    (void)state;
    struct log_map map;
    int roles[ROLE_UNREAD + 1] = {0};
    make_torn_log(&map);
    for (size_t i = 0; i < map.file_count; i++)
        roles[map.files[i].role]++;
    assert_int_equal(roles[ROLE_MANIFEST], 1);
    assert_int_equal(roles[ROLE_BASE], 1);
    assert_true(roles[ROLE_OLD_SEGMENT] >= 2);
    assert_int_equal(roles[ROLE_LAST_SEGMENT], 1);
    assert_true(roles[ROLE_UNREAD] >= 2);
    assert_true(fixture_recover(&map.f));
    assert_true(map.f.base_seen);
    assert_int_equal(map.f.recovered.size, map.f.stream.size);
    assert_int_equal(map.f.progress.torn_frames, 2);
    assert_true(map.f.progress.torn_bytes > 0);
    free_log(&map);
}

static void a_changed_byte_is_judged_rightly(void **state)
{
    (void)state;
    struct log_map map;
    make_log(&map);
    map_folder(&map);
    change_every_byte(&map);
    free_log(&map);
}

static void a_changed_byte_before_a_torn_tail_is_judged_rightly(void **state)
{
    (void)state;
    struct log_map map;
    make_torn_log(&map);
    change_every_byte(&map);
    free_log(&map);
}

static void a_cut_file_is_judged_rightly(void **state)
{
    (void)state;
    struct log_map map;
    make_log(&map);
    map_folder(&map);
    cut_every_length(&map);
    free_log(&map);
    make_torn_log(&map);
    cut_every_length(&map);
    free_log(&map);
}

static void an_overwritten_end_is_judged_rightly(void **state)
{
    (void)state;
    struct log_map map;
    make_log(&map);
    map_folder(&map);
    zero_every_end(&map);
    free_log(&map);
    make_torn_log(&map);
    zero_every_end(&map);
    free_log(&map);
}

/* What had been made durable when MANIFEST was written for another reason is known as well: here a rewrite's
 * base is taken into use when more has been appended behind its cut, and then the power goes. */
static void what_was_durable_at_a_rewrite_is_known(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_start(&f);
    fixture_append(&f, 3, 20);
    fixture_work(&f);
    lsn_t cut = journal_rewrite_begin(f.journal);
    fixture_work(&f);
    assert_int_equal(fixture_write_base(&f, cut), 0);
    fixture_append(&f, 3, 20);
    fixture_work(&f);
    size_t durable = f.stream.size;
    journal_rewrite_end(f.journal, true);
    fixture_work(&f);
    fixture_append(&f, 1, 20);
    fixture_crash(&f, CRASH_LOSING_ALL, 0);
    char name[FILE_NAME_SIZE];
    char promise[32];
    log_name(name, cut);
    snprintf(promise, sizeof(promise), "\ndurable %zu\n", durable);
    struct slice manifest = buffer_slice(memory_disk_file(f.memory, MANIFEST_NAME));
    assert_non_null(memmem(manifest.data, manifest.size, promise, strlen(promise)));
    memory_disk_file(f.memory, name)->size = FILE_HEADER_SIZE;
    assert_false(fixture_recover(&f));
    assert_non_null(strstr(f.error.text, name));
    fixture_free(&f);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct log_map map;
    make_log(&map);
    map_folder(&map);
    remove_every_file(&map);
    free_log(&map);
}

/* A frame that was written to another one's place is whole, and still not the next one. */
static void a_misplaced_frame_is_judged_rightly(void **state)
{
    (void)state;
    struct log_map map = {0};
    int pairs = 0;
    fixture_init(&map.f);
    fixture_start(&map.f);
    map.f.units = 10; /* all have two digits */
    for (int i = 0; i < 16; i++) {
        fixture_append(&map.f, 1, 30);
        fixture_work(&map.f);
    }
    fixture_close(&map.f);
    map_folder(&map);
    for (size_t i = 0; i < map.file_count; i++) {
        struct file_map *file = &map.files[i];
        struct buffer *bytes = memory_disk_file(map.f.memory, file->name);
        for (size_t from = 0; from < file->frame_count; from++)
            for (size_t to = 0; to < file->frame_count; to++) {
                const struct placed_frame *place = &file->frames[to];
                if (from == to || file->frames[from].size != place->size ||
                    file->frames[from].lsn == place->lsn)
                    continue;
                snprintf(map.context, sizeof(map.context), "%s, frame %zu in the place of %zu", file->name,
                         from, to);
                memcpy(bytes->data + place->offset, bytes->data + file->frames[from].offset, place->size);
                struct verdict verdict = verdict_for_change(&map, file, place->offset);
                check_verdict(&map, &verdict);
                memcpy(bytes->data + place->offset, file->bytes.data + place->offset, place->size);
                pairs++;
            }
    }
    assert_true(pairs > 50);
    free_log(&map);
}

/* A whole file with a valid header is refused all the same when it is not the one that MANIFEST names. */
static void a_file_of_another_use_is_refused(void **state)
{
    (void)state;
    struct log_map map;
    make_log(&map);
    map_folder(&map);
    for (size_t i = 0; i < map.file_count; i++) {
        struct file_map *file = &map.files[i];
        if (file->role == ROLE_MANIFEST || file->role == ROLE_UNREAD)
            continue;
        char *bytes = memory_disk_file(map.f.memory, file->name)->data;
        for (int change = 0; change < 4; change++) {
            struct file_header header;
            assert_null(file_header_decode(&header, buffer_slice(&file->bytes)));
            if (change == 0)
                header.salt++;
            else if (change == 1)
                header.lsn++;
            else if (change == 2)
                header.stream_id[5]++;
            else
                header.kind = header.kind == FILE_LOG ? FILE_BASE : FILE_LOG;
            file_header_encode(&header, bytes);
            snprintf(map.context, sizeof(map.context), "%s, header changed (%d)", file->name, change);
            struct verdict verdict = {.refused = true, .file = file->name};
            check_verdict(&map, &verdict);
        }
        memcpy(bytes, file->bytes.data, FILE_HEADER_SIZE);
    }
    free_log(&map);
}

/* A frame may not reach over the place where MANIFEST says that the next segment begins. */
static void a_frame_ends_within_its_segment(void **state)
{
    (void)state;
    struct log_map map;
    struct manifest manifest;
    make_log(&map);
    map_folder(&map);
    assert_int_equal(manifest_load(map.f.disk, &manifest, &map.f.error), 0);
    manifest_add_segment(&manifest, map.f.stream.size - 3, 1);
    assert_int_equal(manifest_store(map.f.disk, &manifest, &map.f.error), IO_DONE);
    manifest_free(&manifest);
    assert_false(fixture_recover(&map.f));
    assert_non_null(strstr(map.f.error.text, "the frame there reaches into the next segment"));
    free_log(&map);
}

/* Puts a frame without payload that names lsn as durable. */
static void put_close_frame(char *at, uint64_t salt, lsn_t lsn)
{
    struct frame frame = {.kind = FRAME_CLOSE, .lsn = lsn, .durable_lsn = lsn};
    frame_seal(&frame, salt, at);
}

/* What valid frames beyond a bad place promise is found wherever they lie: across the borders of what is read
 * at a time, and right behind what only looks like a frame. */
static void frames_beyond_are_found_everywhere(void **state)
{
    (void)state;
    enum { SIZE = 3 << 20, WINDOW = 1 << 20 };
    struct memory_disk *memory = memory_disk_new();
    struct disk *disk = memory_disk_interface(memory);
    struct file_header header = {.kind = FILE_LOG, .salt = 99};
    struct journal_error error;
    char *zeros = mem_alloc_zero(SIZE);
    file_header_encode(&header, zeros);
    memory_disk_put(memory, "log", slice_make(zeros, SIZE));
    struct buffer *bytes = memory_disk_file(memory, "log");
    for (int at = WINDOW - 70; at < WINDOW + 70; at++) {
        /* The true frame's first byte is the last of this one's header, which so fails its checksum. */
        put_close_frame(bytes->data + at - 47, header.salt, 5);
        put_close_frame(bytes->data + at, header.salt, 1000);
        struct segment_reader reader;
        struct segment_rest rest;
        assert_true(segment_reader_open(&reader, disk, "log", &error));
        assert_true(segment_reader_look_beyond(&reader, &rest, &error));
        assert_int_equal(rest.durable_lsn, 1000);
        assert_int_equal(rest.end_offset, at + FRAME_HEADER_SIZE);
        segment_reader_close(&reader);
        memset(bytes->data + at - 47, 0, 47 + FRAME_HEADER_SIZE);
    }
    mem_free(zeros);
    disk_free(disk);
}

/* What follows a base's end is no part of it. */
static void a_base_ends_where_it_says(void **state)
{
    (void)state;
    struct log_map map;
    struct manifest manifest;
    make_log(&map);
    map_folder(&map);
    assert_int_equal(manifest_load(map.f.disk, &manifest, &map.f.error), 0);
    struct manifest_base *base = &manifest.bases[manifest.base_count - 1];
    char name[FILE_NAME_SIZE];
    base_name(name, base->lsn);
    buffer_append_text(memory_disk_file(map.f.memory, name), "more");
    base->bytes += 4;
    assert_int_equal(manifest_store(map.f.disk, &manifest, &map.f.error), IO_DONE);
    manifest_free(&manifest);
    snprintf(map.context, sizeof(map.context), "%s, with more behind its end", name);
    struct verdict verdict = {.refused = true, .file = name, .offset = UINT64_MAX};
    check_verdict(&map, &verdict);
    free_log(&map);
}

/* A read that fails is an error with its place, never the end of the log. */
static void a_failed_read_is_no_end(void **state)
{
    (void)state;
    struct log_map map;
    make_log(&map);
    map_folder(&map);
    bool recovered = false;
    int refusals = 0;
    for (uint64_t skip = 0; !recovered; skip++) {
        memory_disk_fail(map.f.memory, CALL_READ, skip, 1, -EIO);
        recovered = fixture_recover(&map.f);
        assert_true(recovered != memory_disk_has_failed(map.f.memory));
        if (!recovered) {
            assert_non_null(strstr(map.f.error.text, "Input/output error"));
            refusals++;
        }
    }
    assert_true(refusals >= 5); /* MANIFEST, the base and the segments, at least once each */
    free_log(&map);
}

/* What the owner cannot replay is refused with its place. */
static void what_cannot_be_applied_is_refused(void **state)
{
    (void)state;
    struct log_map map;
    make_log(&map);
    map.f.refuse = "ERR no such command";
    assert_false(fixture_recover(&map.f));
    assert_non_null(
        strstr(map.f.error.text, "offset 64 (LSN 0) what cannot be replayed: ERR no such command"));
    free_log(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_has_it_all),
        cmocka_unit_test(a_changed_byte_is_judged_rightly),
        cmocka_unit_test(a_changed_byte_before_a_torn_tail_is_judged_rightly),
        cmocka_unit_test(a_cut_file_is_judged_rightly),
        cmocka_unit_test(an_overwritten_end_is_judged_rightly),
        cmocka_unit_test(what_was_durable_at_a_rewrite_is_known),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(a_misplaced_frame_is_judged_rightly),
        cmocka_unit_test(a_file_of_another_use_is_refused),
        cmocka_unit_test(a_frame_ends_within_its_segment),
        cmocka_unit_test(frames_beyond_are_found_everywhere),
        cmocka_unit_test(a_base_ends_where_it_says),
        cmocka_unit_test(a_failed_read_is_no_end),
        cmocka_unit_test(what_cannot_be_applied_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("figures: %zu changes of single bytes judged, %zu cut files judged\n", tried.changes, tried.cuts);
    return failed;
}
