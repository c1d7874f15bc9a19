/* Fuzzes dkv-log: a folder on a disk in memory is made of what the fuzzer gives, and every command is run on
 * it. Whatever is in the folder, no command may crash, what repair and restore leave must be whole, and what
 * could be recovered before a repair can be recovered after it. And none may say better than it is: where
 * verify finds that all is well, or repair that nothing is lost, the state is the one from before the damage,
 * with every value. make fuzz runs it, with log.dict.
 *
 * The first byte chooses how the folder is made. Either files are taken as they come: a byte for the name,
 * two for the size, and the contents. Or a folder is written as a journal would write it (bases, segments,
 * frames with their checksums, files of large values, MANIFEST), with payloads that the fuzzer chooses, and
 * is then changed in places that the fuzzer chooses: what has checksums is never met at random. Or the input
 * is a Redis log to be imported. */
#include <stdint.h>

#include "../tests/unit/journal/memory_disk.c"
#include "base/hash.h"
#include "journal/manifest.h"
#include "journal/names.h"
#include "journal/value_file.h"
#include "resp/request.h"
#include "tools/import.h"
#include "tools/log.h"
#include "tools/recovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- what the fuzzer gives ---------------------------------------------------------------------------- */

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t take_byte(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

static uint16_t take_two(struct input *input)
{
    uint16_t high = take_byte(input);
    return (uint16_t)(high << 8 | take_byte(input));
}

static struct slice take_bytes(struct input *input, size_t size)
{
    if (size > input->left)
        size = input->left;
    struct slice bytes = slice_make(input->at, size);
    input->at += size;
    input->left -= size;
    return bytes;
}

/* --- folders ------------------------------------------------------------------------------------------ */

static void name_of(char out[FILE_NAME_SIZE], uint8_t choice)
{
    switch (choice % 4) {
    case 0: log_name(out, choice / 4); break;
    case 1: base_name(out, choice / 4); break;
    case 2: snprintf(out, FILE_NAME_SIZE, MANIFEST_NAME); break;
    default: spare_name(out, choice / 4); break;
    }
}

static void make_raw_folder(struct memory_disk *disk, struct input *input)
{
    char name[FILE_NAME_SIZE];
    while (input->left > 0 && disk->live.count < 20) {
        name_of(name, take_byte(input));
        size_t size = take_two(input);
        memory_disk_put(disk, name, take_bytes(input, size));
    }
}

/* A folder as a journal writes it, LSNs and all. */
struct writer {
    struct memory_disk *disk;
    struct input *input;
    struct manifest manifest;
    lsn_t lsn;
    int64_t time_ms;
};

static void append_unit(struct buffer *payload, struct input *input, uint8_t choice)
{
    char key[2] = {(char)('a' + choice % 8), '\0'};
    char digit[2] = {(char)('0' + choice % 10), '\0'};
    struct slice set[] = {SLICE_LITERAL("SET"), slice_of(key), take_bytes(input, choice % 16)};
    struct slice one[] = {SLICE_LITERAL("MULTI"), SLICE_LITERAL("EXEC")};
    switch (choice >> 5) {
    case 0: request_append(payload, 2, (struct slice[]){SLICE_LITERAL("DEL"), slice_of(key)}); break;
    case 1: request_append(payload, 2, (struct slice[]){SLICE_LITERAL("SELECT"), slice_of(digit)}); break;
    case 2:
        request_append(payload, 1, &one[0]);
        request_append(payload, 3, set);
        request_append(payload, 3, set);
        request_append(payload, 1, &one[1]);
        break;
    case 3: buffer_append_slice(payload, take_bytes(input, choice % 64)); break; /* anything */
    default: request_append(payload, 3, set); break;
    }
}

/* "SET key <value>" without the value's bytes, which go into a file of their own, or are missing. */
static void append_value(struct writer *writer, struct buffer *block, lsn_t lsn)
{
    uint8_t choice = take_byte(writer->input);
    char key[2] = {(char)('a' + choice % 8), '\0'};
    char letters[64];
    struct buffer file = {0};
    char name[FILE_NAME_SIZE];
    struct slice bytes = slice_make(letters, choice % (sizeof(letters) + 1));
    memset(letters, 'v', sizeof(letters));
    request_append_count(block, 3);
    request_append_argument(block, SLICE_LITERAL("SET"));
    request_append_argument(block, slice_of(key));
    buffer_append_format(block, "$%zu\r\n", bytes.size);
    struct value_reference value = {.offset = block->size - FRAME_HEADER_SIZE,
                                    .size = bytes.size,
                                    .lsn = lsn,
                                    .number = choice / 64,
                                    .checksum = hash_slice(bytes, 0)};
    struct value_header header = {.lsn = lsn,
                                  .number = value.number,
                                  .size = value.size,
                                  .time_ms = writer->time_ms,
                                  .key = slice_of(key)};
    buffer_append_text(block, "\r\n");
    frame_values_append(block, FRAME_HEADER_SIZE, &value, 1);
    value_header_encode(&header, buffer_reserve(&file, VALUE_HEADER_SIZE));
    file.size = VALUE_HEADER_SIZE;
    buffer_append_slice(&file, bytes);
    buffer_append(&file, &value.checksum, sizeof(value.checksum));
    value_name(name, value.lsn, value.number);
    if (choice % 16 != 15)
        memory_disk_put(writer->disk, name, buffer_slice(&file));
    buffer_free(&file);
}

/* Adds a frame to a file. */
static void append_frame(struct writer *writer, struct buffer *file, enum frame_kind kind, uint64_t salt,
                         lsn_t *lsn)
{
    struct buffer block = {0};
    uint8_t choice = take_byte(writer->input);
    memset(buffer_reserve(&block, FRAME_HEADER_SIZE), 0, FRAME_HEADER_SIZE);
    block.size = FRAME_HEADER_SIZE;
    for (int i = 0; kind == FRAME_DATA && i <= choice % 4; i++)
        append_unit(&block, writer->input, take_byte(writer->input));
    if (kind == FRAME_DATA && choice % 8 >= 6) {
        append_value(writer, &block, *lsn);
        kind = FRAME_VALUES;
    }
    writer->time_ms += (int64_t)(choice >> 4) * 1000 - 1000;
    struct frame frame = {.kind = kind,
                          .database = choice % 3,
                          .lsn = *lsn,
                          .durable_lsn = choice % 2 ? *lsn : *lsn / 2,
                          .time_ms = writer->time_ms,
                          .payload = {NULL, block.size - FRAME_HEADER_SIZE}};
    if (kind != FRAME_DATA || frame.payload.size > 0) {
        frame_seal(&frame, salt, block.data);
        buffer_append_slice(file, buffer_slice(&block));
        frame.payload.data = block.data + FRAME_HEADER_SIZE;
        *lsn += frame_stream_size(&frame);
    }
    buffer_free(&block);
}

static void begin_file(struct writer *writer, struct buffer *file, enum file_kind kind, uint64_t salt)
{
    char bytes[FILE_HEADER_SIZE];
    struct file_header header = {.kind = kind, .salt = salt, .lsn = writer->lsn, .time_ms = writer->time_ms};
    file_header_encode(&header, bytes);
    buffer_append(file, bytes, sizeof(bytes));
}

static void write_base(struct writer *writer)
{
    struct buffer file = {0};
    char name[FILE_NAME_SIZE];
    uint64_t salt = 1000 + writer->lsn;
    lsn_t position = 0;
    begin_file(writer, &file, FILE_BASE, salt);
    for (int i = take_byte(writer->input) % 3; i > 0; i--)
        append_frame(writer, &file, FRAME_DATA, salt, &position);
    append_frame(writer, &file, FRAME_BASE_END, salt, &position);
    manifest_add_base(&writer->manifest,
                      &(struct manifest_base){writer->lsn, file.size, salt, writer->time_ms});
    base_name(name, writer->lsn);
    memory_disk_put(writer->disk, name, buffer_slice(&file));
    buffer_free(&file);
}

/* A segment, with a base at its beginning or without. */
static void write_segment(struct writer *writer)
{
    struct buffer file = {0};
    char name[FILE_NAME_SIZE];
    uint64_t salt = 2000 + writer->lsn;
    uint8_t choice = take_byte(writer->input);
    if (writer->manifest.base_count == 0 && choice % 2)
        manifest_add_base(&writer->manifest, &(struct manifest_base){.time_ms = writer->time_ms});
    else if (writer->manifest.base_count == 0 || choice % 4 == 0)
        write_base(writer);
    log_name(name, writer->lsn);
    begin_file(writer, &file, FILE_LOG, salt);
    manifest_add_segment(&writer->manifest, writer->lsn, salt);
    for (int i = choice >> 5; i >= 0; i--)
        append_frame(writer, &file, FRAME_DATA, salt, &writer->lsn);
    if (choice & 16)
        append_frame(writer, &file, FRAME_CLOSE, salt, &writer->lsn);
    resize(&file, file.size + choice);
    memory_disk_put(writer->disk, name, buffer_slice(&file));
    buffer_free(&file);
}

/* Flips, cuts, adds to, or removes a file. */
static void harm_file(struct memory_disk *disk, struct input *input)
{
    struct memory_name *file = &disk->live.names[take_byte(input) % disk->live.count];
    struct buffer *data = &file->inode->live;
    uint8_t how = take_byte(input);
    size_t at = take_two(input);
    if (how % 4 == 0 && at < data->size)
        data->data[at] = (char)(data->data[at] ^ (how | 1));
    else if (how % 4 == 1 && at < data->size)
        data->size = at;
    else if (how % 4 == 2)
        buffer_append_slice(data, take_bytes(input, at % 100));
    else if (how == 255)
        disk_unlink(&disk->disk, file->name);
}

/* Returns what it was before it was harmed. */
static struct memory_disk *make_sealed_folder(struct memory_disk *disk, struct input *input)
{
    struct writer writer = {.disk = disk, .input = input, .time_ms = 1700000000000};
    struct buffer manifest = {0};
    lsn_t last = UINT64_MAX;
    for (int i = take_byte(input) % 4; i >= 0 && writer.lsn != last; i--) {
        last = writer.lsn;
        write_segment(&writer);
    }
    /* As a clean stop leaves it, or not. */
    uint8_t harms = take_byte(input);
    if (harms & 4)
        writer.manifest.durable_lsn = writer.lsn;
    manifest_format(&writer.manifest, &manifest);
    memory_disk_put(disk, MANIFEST_NAME, buffer_slice(&manifest));
    buffer_free(&manifest);
    manifest_free(&writer.manifest);
    struct memory_disk *whole = memory_disk_clone(disk);
    for (int i = harms % 4; i > 0 && disk->live.count > 0; i--)
        harm_file(disk, input);
    return whole;
}

/* --- commands ----------------------------------------------------------------------------------------- */

static FILE *nowhere;

static int run(int (*command)(struct tool *tool), const struct options *options, struct memory_disk *disk,
               struct memory_disk *into)
{
    struct tool tool = {.options = options,
                        .out = nowhere,
                        .error = nowhere,
                        .disk = &disk->disk,
                        .into = into ? &into->disk : NULL,
                        .clock = clock_system()};
    return command(&tool);
}

/* Whether a command says a line, and ends well. */
static bool says(int (*command)(struct tool *tool), const struct options *options, struct memory_disk *disk,
                 const char *line)
{
    char *text;
    size_t size;
    struct tool tool = {.options = options,
                        .out = open_memstream(&text, &size),
                        .error = nowhere,
                        .disk = &disk->disk,
                        .clock = clock_system()};
    int status = command(&tool);
    fclose(tool.out);
    bool found = status == STATUS_FINE && strstr(text, line);
    free(text);
    return found;
}

static void run_reading(struct memory_disk *disk, struct input *input, uint8_t mode)
{
    const struct options plain = {.folder = "memory"};
    struct options chosen = {.folder = "memory",
                             .json = mode & 1,
                             .resp = mode & 2,
                             .base = mode & 4,
                             .skip_damaged = mode & 8,
                             .quick = mode % 61 != 7, /* recovery with so many databases takes its time */
                             .has_from = mode & 16,
                             .from = take_byte(input),
                             .has_to = mode & 32,
                             .to = take_two(input),
                             .has_since = mode & 64,
                             .since_ms = 1700000000000 + take_byte(input) * 100,
                             .key = mode & 128 ? "[a-c]" : NULL};
    run(verify_run, &chosen, disk, NULL);
    run(show_run, &chosen, disk, NULL);
    run(export_run, &chosen, disk, NULL);
    run(stat_run, &chosen, disk, NULL);
    run(repair_run, &plain, disk, NULL);
    run(restore_run, &plain, disk, NULL);
}

static void run_restoring(struct memory_disk *disk, struct input *input, uint8_t mode)
{
    const struct options plain = {.folder = "into"};
    struct memory_disk *into = memory_disk_new();
    uint16_t at = take_two(input);
    const struct options options = {
        .folder = "memory",
        .into = "into",
        .target = {mode & 1 ? TARGET_LSN : TARGET_TIME, at, 1700000000000 + at * 10 - 1000}};
    if (run(restore_run, &options, disk, into) == STATUS_FINE)
        ASSERT(run(verify_run, &plain, into, NULL) == STATUS_FINE);
    else
        ASSERT(into->live.count == 0);
    disk_free(&into->disk);
}

static bool recovers(struct memory_disk *disk)
{
    struct replay_result result;
    struct journal_error error;
    return replay_folder(&disk->disk, "memory", clock_system(), 16, &result, &error);
}

/* Another base and more of the log may lead to the same state, so what led there is not compared. */
static bool is_same_state(struct memory_disk *a, struct memory_disk *b)
{
    struct replay_result x;
    struct replay_result y;
    struct journal_error error;
    return replay_folder(&a->disk, "memory", clock_system(), 16, &x, &error) &&
           replay_folder(&b->disk, "memory", clock_system(), 16, &y, &error) && x.keys == y.keys &&
           x.live_bytes == y.live_bytes && x.databases == y.databases;
}

/* Of a folder that all was well with, and what was made of it. */
static void check_claims(struct memory_disk *whole, struct memory_disk *harmed)
{
    const struct options plain = {.folder = "memory"};
    const struct options yes = {.folder = "memory", .yes = true};
    if (!says(verify_run, &plain, whole, "all is well\n"))
        return;
    if (says(verify_run, &plain, harmed, "all is well\n")) {
        ASSERT(is_same_state(whole, harmed));
        ASSERT(run(export_run, &plain, harmed, NULL) == STATUS_FINE);
    }
    struct memory_disk *repaired = memory_disk_clone(harmed);
    if (says(repair_run, &yes, repaired, "\nlost: nothing\n"))
        ASSERT(is_same_state(whole, repaired));
    disk_free(&repaired->disk);
}

static void run_repairing(struct memory_disk *disk)
{
    bool recovered = recovers(disk);
    const struct options plain = {.folder = "memory"};
    const struct options yes = {.folder = "memory", .yes = true, .accept_loss = true};
    int before = run(verify_run, &plain, disk, NULL);
    int repaired = run(repair_run, &yes, disk, NULL);
    int after = run(verify_run, &plain, disk, NULL);
    ASSERT(before != STATUS_FINE || repaired == STATUS_FINE);
    ASSERT(repaired != STATUS_FINE || after == STATUS_FINE);
    ASSERT(!recovered || recovers(disk));
}

/* What is left of the input as a Redis log. */
static void run_importing(struct input *input)
{
    struct memory_disk *into = memory_disk_new();
    struct importer importer;
    const struct options plain = {.folder = "into"};
    FILE *file = input->left > 0 ? fmemopen((void *)(uintptr_t)input->at, input->left, "r") : NULL;
    if (file) {
        importer_open(&importer, &into->disk, clock_system());
        bool ok = importer_read(&importer, file) && new_folder_finish(&importer.out);
        importer_close(&importer);
        fclose(file);
        if (ok)
            ASSERT(run(verify_run, &plain, into, NULL) == STATUS_FINE);
    }
    disk_free(&into->disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    uint8_t mode = take_byte(&input);
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    diag_set_level(DIAG_WARNING);
    if (mode % 8 == 7) {
        run_importing(&input);
        return 0;
    }
    uint8_t options = take_byte(&input);
    struct memory_disk *disk = memory_disk_new();
    struct memory_disk *whole = NULL;
    if (mode % 8 == 6)
        make_raw_folder(disk, &input);
    else
        whole = make_sealed_folder(disk, &input);
    if (whole) {
        check_claims(whole, disk);
        disk_free(&whole->disk);
    }
    run_reading(disk, &input, options);
    run_restoring(disk, &input, mode);
    run_repairing(disk);
    disk_free(&disk->disk);
    return 0;
}
