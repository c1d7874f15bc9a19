/* Reading directives: files and what they include, standard input, the command line. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/version.h"
#include "server/config_table.h"

/* A configuration is text that people write. */
#define FILE_BYTES_MAX ((size_t)16 << 20)
/* Files that include files: more is a circle. */
#define INCLUDE_DEPTH_MAX 16
/* Of a wrong value, as much as this is shown. */
#define SHOWN_BYTES_MAX 64

/* Where words came from, for messages. */
struct place {
    const char *source; /* a file's name; NULL: the command line */
    int line;
    int depth;
};

static void append_place(struct buffer *text, const struct place *place)
{
    if (place->source == NULL)
        buffer_append_text(text, "command line: ");
    else
        buffer_append_format(text, "%s:%d: ", place->source, place->line);
}

static bool __attribute__((format(printf, 3, 4)))
fail_at(struct config_error *error, const struct place *place, const char *format, ...)
{
    struct buffer text = {0};
    append_place(&text, place);
    va_list args;
    va_start(args, format);
    buffer_append_vformat(&text, format, args);
    va_end(args);
    config_fail(error, "%.*s", (int)text.size, text.data);
    buffer_free(&text);
    return false;
}

/* What cannot be seen is what may be wrong: a non-breaking space looks like one that separates words. */
static void append_visible(struct buffer *text, char c)
{
    if (c >= ' ' && c <= '~')
        buffer_append_char(text, c);
    else
        buffer_append_format(text, "\\x%02x", (unsigned char)c);
}

/* "file:4: 'port 70000': reason", or "command line: '--port 70000': reason". */
static bool fail_words(struct config_error *error, const struct place *place, int count,
                       const struct slice *words, const char *reason)
{
    struct buffer text = {0};
    for (int i = 0; i < count; i++) {
        buffer_append_text(&text, i > 0 ? " " : "");
        buffer_append_slice(&text, words[i]);
    }
    bool cut = text.size > SHOWN_BYTES_MAX;
    if (cut)
        text.size = SHOWN_BYTES_MAX;
    struct buffer shown = {0};
    for (size_t i = 0; i < text.size; i++)
        append_visible(&shown, text.data[i]);
    fail_at(error, place, "'%s%.*s%s': %s", place->source == NULL ? "--" : "", (int)shown.size, shown.data,
            cut ? "..." : "", reason);
    buffer_free(&shown);
    buffer_free(&text);
    return false;
}

/* --- statements: words of a configuration that set no value ----------------------------------------- */

struct statement_call {
    struct config *config;
    const struct place *place;
    int count;
    const struct slice *words;
    struct config_error *error;
};

static bool fail_statement(const struct statement_call *call, const char *reason)
{
    return fail_words(call->error, call->place, call->count, call->words, reason);
}

static bool read_file(struct config *config, const char *path, const struct place *from,
                      struct config_error *error);

/* What a relative name starts from. In a pattern the folder's own * and [ are no pattern. */
static void append_start_folder(struct buffer *path, const struct config *config, const char *name,
                                bool is_pattern)
{
    if (name[0] == '/')
        return;
    for (const char *c = config->start_folder; *c != '\0'; c++) {
        if (is_pattern && strchr("*?[]\\", *c) != NULL)
            buffer_append_char(path, '\\');
        buffer_append_char(path, *c);
    }
    buffer_append_char(path, '/');
}

/* A pattern that matches nothing includes nothing. */
static bool include_matching(const struct statement_call *call, const char *pattern)
{
    glob_t found = {0};
    int result = glob(pattern, 0, NULL, &found);
    bool ok = true;
    if (result != 0 && result != GLOB_NOMATCH)
        ok = fail_statement(call, "the folder cannot be searched");
    for (size_t i = 0; ok && result == 0 && i < found.gl_pathc; i++)
        ok = read_file(call->config, found.gl_pathv[i], call->place, call->error);
    globfree(&found);
    return ok;
}

static bool include_statement(const struct statement_call *call)
{
    if (call->count != 2)
        return fail_statement(call, "wrong number of arguments");
    if (call->place->depth >= INCLUDE_DEPTH_MAX)
        return fail_statement(call, "files include each other too deeply");
    char *name = slice_to_cstring(call->words[1]);
    bool is_pattern = strpbrk(name, "*?[") != NULL;
    struct buffer path = {0};
    if (strlen(name) != call->words[1].size) {
        mem_free(name);
        return fail_statement(call, "the name holds a zero byte");
    }
    append_start_folder(&path, call->config, name, is_pattern);
    buffer_append_text(&path, name);
    buffer_append_char(&path, '\0');
    bool ok = is_pattern ? include_matching(call, path.data)
                         : read_file(call->config, path.data, call->place, call->error);
    buffer_free(&path);
    mem_free(name);
    return ok;
}

static bool loadmodule_statement(const struct statement_call *call)
{
    return fail_statement(call, "dkv loads no modules; remove the line");
}

/* Keeps a line as it is, for those who know what it may say. */
static void keep_line(const struct statement_call *call, int *count, struct config_line **lines)
{
    *lines = mem_realloc(*lines, (size_t)(*count + 1) * sizeof(**lines));
    struct config_line *line = &(*lines)[(*count)++];
    *line = (struct config_line){.count = call->count,
                                 .words = mem_alloc((size_t)call->count * sizeof(*line->words))};
    for (int i = 0; i < call->count; i++)
        line->words[i] = slice_make(slice_to_cstring(call->words[i]), call->words[i].size);
}

static bool rename_statement(const struct statement_call *call)
{
    if (call->count != 3)
        return fail_statement(call, "wrong number of arguments");
    keep_line(call, &call->config->rename_count, &call->config->renames);
    return true;
}

static bool user_statement(const struct statement_call *call)
{
    if (call->count < 2)
        return fail_statement(call, "wrong number of arguments");
    keep_line(call, &call->config->user_count, &call->config->users);
    return true;
}

static const struct {
    const char *name;
    bool (*run)(const struct statement_call *call);
} statements[] = {
    {"include", include_statement},
    {"loadmodule", loadmodule_statement},
    {"rename-command", rename_statement},
    {"user", user_statement},
};

/* --- lines ------------------------------------------------------------------------------------------ */

static bool fail_unknown(struct config_error *error, const struct place *place, struct slice name)
{
    const char *nearest = directive_nearest(name);
    struct buffer reason = {0};
    buffer_append_text(&reason, "unknown directive");
    if (nearest != NULL)
        buffer_append_format(&reason, "; did you mean '%s'?", nearest);
    buffer_append_char(&reason, '\0');
    fail_words(error, place, 1, &name, reason.data);
    buffer_free(&reason);
    return false;
}

/* A directive of several words may be given them as one: save "900 1 300 10". */
static bool read_value(struct config *config, const struct directive *directive, bool adds, int count,
                       const struct slice *words, struct config_error *reason)
{
    struct word_list list;
    if (count != 1 || words[0].size == 0 || !kind_takes_several(directive->kind))
        return config_read_words(config, directive, adds, count, words, reason);
    bool ok = word_list_split(&list, words[0]);
    if (ok)
        ok = config_read_words(config, directive, adds, list.count, list.slices, reason);
    else
        config_fail(reason, "unbalanced quotes");
    word_list_free(&list);
    return ok;
}

static bool read_words(struct config *config, const struct place *place, int count, const struct slice *words,
                       struct config_error *error)
{
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        if (slice_is(words[0], statements[i].name)) {
            struct statement_call call = {config, place, count, words, error};
            return statements[i].run(&call);
        }
    const struct directive *directive = directive_find(words[0], NULL);
    if (directive == NULL)
        return fail_unknown(error, place, words[0]);
    struct config_value *value = &config->values[directive_index(directive)];
    struct config_error reason;
    bool adds = (directive->flags & DIRECTIVE_ADDS) && value->given;
    if (!read_value(config, directive, adds, count - 1, words + 1, &reason)) {
        bool secret = directive->flags & DIRECTIVE_SENSITIVE;
        return fail_words(error, place, secret ? 1 : count, words, reason.text);
    }
    value->given = true;
    return true;
}

static const char blanks[] = " \t\r\n\v\f";

/* Without the white space around it. line holds no zero byte. */
static struct slice line_trim(struct slice line)
{
    while (line.size > 0 && strchr(blanks, line.data[0]) != NULL)
        line = slice_make(line.data + 1, line.size - 1);
    while (line.size > 0 && strchr(blanks, line.data[line.size - 1]) != NULL)
        line.size--;
    return line;
}

static bool read_line(struct config *config, const struct place *place, struct slice line,
                      struct config_error *error)
{
    if (memchr(line.data, '\0', line.size) != NULL)
        return fail_at(error, place, "the line holds a zero byte");
    line = line_trim(line);
    if (line.size == 0 || line.data[0] == '#')
        return true;
    struct word_list list;
    bool ok = word_list_split(&list, line);
    if (!ok) { /* its first word tells enough: the rest may be a secret */
        struct slice name = slice_make(line.data, 0);
        while (name.size < line.size && strchr(blanks, line.data[name.size]) == NULL)
            name.size++;
        fail_words(error, place, 1, &name, "unbalanced quotes");
    } else if (list.count > 0)
        ok = read_words(config, place, list.count, list.slices, error);
    word_list_free(&list);
    return ok;
}

const char *config_text_begin(struct slice *text)
{
    static const char mark[] = "\xef\xbb\xbf";
    const unsigned char *bytes = (const unsigned char *)text->data;
    if (text->size >= 3 && memcmp(bytes, mark, 3) == 0)
        *text = slice_make(text->data + 3, text->size - 3);
    else if (text->size >= 2 && ((bytes[0] == 0xff && bytes[1] == 0xfe) ||
                                 (bytes[0] == 0xfe && bytes[1] == 0xff) || !bytes[0] != !bytes[1]))
        return "this is no plain text but UTF-16, it seems; save it as UTF-8";
    return NULL;
}

static bool read_lines(struct config *config, const char *name, struct slice text, int depth,
                       struct config_error *error)
{
    struct place place = {name, 1, depth};
    const char *wrong = config_text_begin(&text);
    if (wrong != NULL)
        return fail_at(error, &place, "%s", wrong);
    place.line = 0;
    while (text.size > 0) {
        const char *end = memchr(text.data, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        place.line++;
        if (!read_line(config, &place, slice_make(text.data, size), error))
            return false;
        size += end != NULL;
        text = slice_make(text.data + size, text.size - size);
    }
    return true;
}

bool config_read_text(struct config *config, const char *name, struct slice text, struct config_error *error)
{
    return read_lines(config, name, text, 0, error);
}

/* --- files ------------------------------------------------------------------------------------------ */

int config_read_all(int descriptor, struct buffer *text)
{
    for (;;) {
        ssize_t got = read(descriptor, buffer_reserve(text, 65536), 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return 0;
        text->size += (size_t)got;
        if (text->size > FILE_BYTES_MAX)
            return -EFBIG;
    }
}

/* from: the line that includes it, NULL for the file of the command line. */
static bool read_file(struct config *config, const char *path, const struct place *from,
                      struct config_error *error)
{
    struct buffer text = {0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    int result = descriptor < 0 ? -errno : config_read_all(descriptor, &text);
    if (descriptor >= 0)
        close(descriptor);
    bool ok = result == 0;
    if (ok)
        ok = read_lines(config, path, buffer_slice(&text), from == NULL ? 0 : from->depth + 1, error);
    else if (from != NULL)
        fail_at(error, from, "cannot read the included file '%s': %s", path, strerror(-result));
    else
        config_fail(error, "cannot read the configuration file '%s': %s", path, strerror(-result));
    buffer_free(&text);
    return ok;
}

/* The file that CONFIG REWRITE will write: absolute, since the working folder changes. */
static void remember_file(struct config *config, const char *path)
{
    struct buffer absolute = {0};
    if (path[0] != '/')
        buffer_append_format(&absolute, "%s/", config->start_folder);
    buffer_append_text(&absolute, path);
    mem_free(config->file_owned);
    config->file_owned = slice_to_cstring(buffer_slice(&absolute));
    config->file = config->file_owned;
    buffer_free(&absolute);
}

static bool read_standard_input(struct config *config, struct config_error *error)
{
    struct buffer text = {0};
    int result = config_read_all(STDIN_FILENO, &text);
    bool ok = result == 0 ? read_lines(config, "standard input", buffer_slice(&text), 0, error)
                          : config_fail(error, "cannot read the configuration from standard input: %s",
                                        strerror(-result));
    buffer_free(&text);
    return ok;
}

/* --- the command line ------------------------------------------------------------------------------- */

static const struct place command_line = {NULL, 0, 0};

static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] == '-';
}

struct option {
    struct word_list head; /* of its first argument: the name, and maybe values */
    int count;
    struct slice *words; /* all of them */
};

static void option_free(struct option *option)
{
    word_list_free(&option->head);
    mem_free(option->words);
}

/* The words of one option: from "--name", "--name=value" or "--name value" (in one argument), and the
 * arguments after it up to the next option. The first of those is a value even when it looks like an option,
 * unless the option is save, which may stand alone and then means none. Returns how many arguments it took,
 * -1 on failure. */
static int option_read(struct option *option, int argc, char **argv, struct config_error *error)
{
    const char *name = argv[0] + 2;
    const char *equals = strchr(name, '=');
    *option = (struct option){0};
    if (!word_list_split(&option->head,
                         slice_make(name, equals != NULL ? (size_t)(equals - name) : strlen(name))) ||
        option->head.count == 0) {
        fail_at(error, &command_line, "'%s' names no directive", argv[0]);
        return -1;
    }
    bool alone_is_none = slice_is(option->head.slices[0], "save");
    bool has_value = option->head.count > 1 || equals != NULL;
    int taken = 1;
    for (; taken < argc && (!is_option(argv[taken]) || (!has_value && !alone_is_none)); taken++)
        has_value = true;

    option->words = mem_alloc(sizeof(*option->words) * (size_t)(option->head.count + taken + 1));
    for (int i = 0; i < option->head.count; i++)
        option->words[option->count++] = option->head.slices[i];
    if (equals != NULL)
        option->words[option->count++] = slice_of(equals + 1);
    for (int i = 1; i < taken; i++)
        option->words[option->count++] = slice_of(argv[i]);
    if (!has_value && alone_is_none)
        option->words[option->count++] = SLICE_LITERAL("");
    return taken;
}

static bool read_options(struct config *config, int argc, char **argv, struct config_error *error)
{
    for (int i = 0; i < argc;) {
        if (!is_option(argv[i]))
            return fail_at(error, &command_line, "'%s': a --directive is expected before a value", argv[i]);
        struct option option;
        int taken = option_read(&option, argc - i, argv + i, error);
        bool ok = taken > 0 && read_words(config, &command_line, option.count, option.words, error);
        option_free(&option);
        if (!ok)
            return false;
        i += taken;
    }
    return true;
}

enum config_action config_load(struct config *config, int argc, char **argv, struct config_error *error)
{
    if (argc > 1 && (strcmp(argv[1], "-v") == 0 || strcmp(argv[1], "--version") == 0))
        return CONFIG_SHOW_VERSION;
    if (argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0))
        return CONFIG_SHOW_HELP;
    int first = 1;
    const char *file = NULL;
    if (argc > 1 && argv[1][0] != '-')
        file = argv[first++];
    /* "-" is standard input as the first argument after the file, or as the last of all. */
    bool from_input = false;
    if (first < argc && strcmp(argv[first], "-") == 0) {
        from_input = true;
        first++;
    } else if (first < argc && strcmp(argv[argc - 1], "-") == 0) {
        from_input = true;
        argc--;
    }
    if (file != NULL && !read_file(config, file, NULL, error))
        return CONFIG_FAILED;
    if (file != NULL)
        remember_file(config, file);
    if (from_input && !read_standard_input(config, error))
        return CONFIG_FAILED;
    return read_options(config, argc - first, argv + first, error) ? CONFIG_RUN : CONFIG_FAILED;
}

/* --- what to say ------------------------------------------------------------------------------------ */

int config_inactive(const struct config *config, struct buffer *names)
{
    int count = 0;
    for (size_t i = 0; i < directive_count; i++) {
        const struct directive *directive = &directives[i];
        if (directive->field_size > 0 || (directive->flags & DIRECTIVE_FULFILLED) ||
            config_is_default(config, directive))
            continue;
        buffer_append_format(names, "%s%s", count++ > 0 ? ", " : "", directive->name);
    }
    return count;
}

void config_version_line(struct buffer *out)
{
    uint64_t build = process_build_id();
    buffer_append_format(out, "dkv server v=%s sha=00000000:0 malloc=%s bits=%d build=%llx dkv=%s",
                         REDIS_VERSION, memory_allocator_name(), (int)sizeof(long) * 8,
                         (unsigned long long)build, DKV_VERSION);
}

const char *config_help(void)
{
    return "dkv-server " DKV_VERSION ", a durable server for the Redis protocol (of Redis " REDIS_VERSION
           ")\n"
           "\n"
           "Usage: dkv-server [file] [-] [--directive value ...] ...\n"
           "       dkv-server -v | --version\n"
           "       dkv-server -h | --help\n"
           "\n"
           "  file         a configuration file; dkv.conf documents all directives\n"
           "  -            read directives from standard input\n"
           "  --directive  any directive, with its values: these come last and override the file\n"
           "\n"
           "Examples:\n"
           "  dkv-server                                 defaults: 127.0.0.1:6379, data in ./data, durable\n"
           "  dkv-server /etc/dkv.conf --port 7777\n"
           "  dkv-server --dir /var/lib/dkv --bind 127.0.0.1 10.0.0.5 --requirepass secret\n"
           "  echo 'loglevel verbose' | dkv-server -\n";
}
