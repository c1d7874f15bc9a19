#include "tools/salvage.h"

#include "base/number.h"
#include "journal/names.h"

/* More than the manifest of a folder with a hundred thousand segments. */
#define TEXT_SIZE_MAX ((uint64_t)8 << 20)
/* What is skipped where the disk refuses to read. */
#define UNREADABLE_STEP ((size_t)4096)
#define FIELDS_MAX      6

/* --- text --------------------------------------------------------------------------------------------- */

/* What cannot be read becomes spaces, which spoil the lines they are in and no others. */
static void read_text(struct buffer *text, struct disk *disk)
{
    struct disk_file *file;
    uint64_t size = 0;
    if (disk_open(disk, MANIFEST_NAME, DISK_READ, &file) < 0)
        return;
    if (disk_size(file, &size) < 0)
        size = 0;
    size = size < TEXT_SIZE_MAX ? size : TEXT_SIZE_MAX;
    for (uint64_t at = 0; at < size; at += UNREADABLE_STEP) {
        size_t step = size - at < UNREADABLE_STEP ? (size_t)(size - at) : UNREADABLE_STEP;
        char *room = buffer_reserve(text, step);
        memset(room, ' ', step);
        disk_read(file, room, step, at);
        text->size += step;
    }
    disk_close(file);
}

/* Cuts a text at each separator. Returns how many pieces there are, of which the first FIELDS_MAX are given.
 */
static size_t split(struct slice text, char separator, struct slice fields[FIELDS_MAX])
{
    size_t count = 0;
    size_t begin = 0;
    for (size_t i = 0; i <= text.size; i++) {
        if (i < text.size && text.data[i] != separator)
            continue;
        if (count < FIELDS_MAX)
            fields[count] = slice_make(text.data + begin, i - begin);
        count++;
        begin = i + 1;
    }
    return count;
}

static int digit_of(char digit)
{
    return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool parse_hex(struct slice text, uint8_t *bytes, size_t count)
{
    if (text.size != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++) {
        int high = digit_of(text.data[2 * i]);
        int low = digit_of(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool parse_salt(struct slice text, uint64_t *salt)
{
    uint8_t bytes[sizeof(*salt)];
    if (!parse_hex(text, bytes, sizeof(bytes)))
        return false;
    *salt = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *salt = *salt << 8 | bytes[i];
    return true;
}

/* --- lines -------------------------------------------------------------------------------------------- */

static void note_lsn(struct salvage *salvage, lsn_t lsn)
{
    if (lsn > salvage->highest)
        salvage->highest = lsn;
}

static void take_base(struct salvage *salvage, const struct slice *fields, bool has_age)
{
    struct manifest_base base = {0};
    if (!uint64_parse(fields[1], &base.lsn) || !uint64_parse(fields[2], &base.bytes) ||
        !parse_salt(fields[3], &base.salt) || !int64_parse(fields[4], &base.time_ms) ||
        (has_age && !int64_parse(fields[5], &base.age_ms)))
        return;
    manifest_add_base(&salvage->manifest, &base);
    note_lsn(salvage, base.lsn);
}

static void take_segment(struct salvage *salvage, const struct slice *fields)
{
    struct manifest_segment segment;
    if (!uint64_parse(fields[1], &segment.lsn) || !parse_salt(fields[2], &segment.salt))
        return;
    manifest_add_segment(&salvage->manifest, segment.lsn, segment.salt);
    note_lsn(salvage, segment.lsn);
}

static void take_line(struct salvage *salvage, struct slice line)
{
    struct slice fields[FIELDS_MAX];
    size_t count = split(line, ' ', fields);
    uint64_t lsn;
    if (count == 2 && slice_is(fields[0], "stream"))
        salvage->has_stream |= parse_hex(fields[1], salvage->manifest.stream_id, STREAM_ID_SIZE);
    else if ((count == 5 || count == 6) && (slice_is(fields[0], "history") || slice_is(fields[0], "base")))
        take_base(salvage, fields, count == 6);
    else if (count == 3 && slice_is(fields[0], "segment"))
        take_segment(salvage, fields);
    else if (count == 2 && slice_is(fields[0], "durable") && uint64_parse(fields[1], &lsn))
        note_lsn(salvage, lsn);
}

void salvage_load(struct salvage *salvage, struct disk *disk)
{
    struct buffer text = {0};
    *salvage = (struct salvage){0};
    read_text(&text, disk);
    size_t begin = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\n')
            continue;
        take_line(salvage, slice_make(text.data + begin, i - begin));
        begin = i + 1;
    }
    buffer_free(&text);
}

void salvage_take(struct salvage *salvage, const struct manifest *manifest)
{
    *salvage = (struct salvage){.has_stream = true, .highest = manifest_durable(manifest)};
    manifest_copy(&salvage->manifest, manifest);
}

void salvage_free(struct salvage *salvage)
{
    manifest_free(&salvage->manifest);
}
