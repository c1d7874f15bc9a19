/* Private to config*.c: the table of directives, and the values they hold. */
#ifndef DKV_SERVER_CONFIG_TABLE_H
#define DKV_SERVER_CONFIG_TABLE_H

#include "server/config.h"

/* What a directive's words mean; config_value.c has a row of functions for each. */
enum directive_kind {
    KIND_BOOL,
    KIND_INT,
    KIND_OCTAL,
    KIND_SIZE,            /* bytes, with a unit if you like */
    KIND_SIZE_OR_PERCENT, /* as KIND_SIZE, or a share of maxmemory */
    KIND_ENUM,
    KIND_FLAGS,  /* several of an enum */
    KIND_STRING, /* no zero bytes: it is a path, a name or the like */
    KIND_BYTES,  /* any bytes */
    KIND_WORDS,  /* any number of words */
    KIND_SAVE,
    KIND_OUTPUT_LIMITS,
    KIND_OOM_SCORES,
    KIND_PERCENTILES,
    KIND_MASTER
};

enum directive_flag {
    DIRECTIVE_IMMUTABLE = 1 << 0, /* CONFIG SET refuses it, as Redis does */
    DIRECTIVE_START_ONLY =
        1 << 1, /* CONFIG SET takes the value in force and refuses any other (dkv's own limits) */
    DIRECTIVE_PROTECTED = 1 << 2, /* CONFIG SET needs enable-protected-configs */
    DIRECTIVE_SENSITIVE = 1 << 3, /* its value appears in no message */
    DIRECTIVE_ADDS = 1 << 4,      /* a second line adds to the first, where others replace it */
    DIRECTIVE_FULFILLED = 1 << 5  /* dkv does what it asks for anyway, so that there is nothing to warn of */
};

/* Ends with a NULL name. */
struct config_choice {
    const char *name;
    int value;
};

struct config_value {
    char *text;  /* canonical: what CONFIG GET replies and what reads back as the same value; ends in a zero
                    byte beyond its size */
    size_t size; /* of the text */
    bool given;  /* by a file or the command line */
    union {
        int64_t number; /* a percentage is below 0 */
        struct config_words words;
        struct config_output_limit limits[OUTPUT_CLASSES];
    };
};

struct directive {
    const char *name;
    const char *alias; /* an older name of the same thing, or NULL */
    enum directive_kind kind;
    unsigned flags;
    /* Where in struct config it is; size 0: dkv does not act on it. */
    size_t field_offset;
    size_t field_size;
    int64_t min; /* numbers */
    int64_t max;
    const struct config_choice *choices;
    const char *standard; /* the default, as a line would give it */
    /* A condition of its own: NULL, or what is wrong. May change the value's number. text is the value of a
     * string. */
    const char *(*check)(struct config_value *value);
};

extern const struct directive directives[];
extern const size_t directive_count;

/* The row of that name or alias in any case, NULL when there is none; *by_alias tells which (may be NULL). */
const struct directive *directive_find(struct slice name, bool *by_alias);
size_t directive_index(const struct directive *directive);
/* The name most like it, for "did you mean"; NULL when none is. */
const char *directive_nearest(struct slice name);

/* --- values (config_value.c) ------------------------------------------------------------------------ */

/* Reads the words given for a directive into *value, which is freed with value_free. current is the value in
 * force (a directive may change only part of it), adds tells that it is to be added to. On failure *value is
 * empty and the error is the reason alone, in Redis's words. */
struct reading {
    const struct directive *directive;
    const struct config_value *current;
    bool adds;
    int count;
    const struct slice *words;
};
bool value_read(const struct reading *reading, struct config_value *value, struct config_error *error);
void value_free(const struct directive *directive, struct config_value *value);
/* Copies the value into its field of config, if it has one. */
void value_store(const struct directive *directive, const struct config_value *value, struct config *config);
/* Appends name and value as a line of a configuration file, without a newline. */
void value_line(const struct directive *directive, struct slice text, struct buffer *line);
static inline struct slice value_text(const struct config_value *value)
{
    return slice_make(value->text, value->size);
}
/* Whether a directive of this kind takes any number of words. */
bool kind_takes_several(enum directive_kind kind);

/* --- shared by the files of the configuration ------------------------------------------------------- */

/* The words of a text. All zero is an empty list. */
struct word_list {
    int count;
    struct slice *slices;
    struct buffer *words; /* count of them: what the slices refer to */
};
/* Cuts a line, or a value that a directive of several words was given as one. False when its quotes are
 * unbalanced. */
bool word_list_split(struct word_list *list, struct slice text);
void word_list_free(struct word_list *list);

/* Sets the error, cut to its size; returns false, so that a caller may return it. */
bool config_fail(struct config_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reads words into the directive's value and field. The reason alone on failure. */
bool config_read_words(struct config *config, const struct directive *directive, bool adds, int count,
                       const struct slice *words, struct config_error *error);
bool config_is_default(const struct config *config, const struct directive *directive);
/* Appends all that can be read from a descriptor: 0, or a negative errno (-EFBIG for more than any
 * configuration is). */
int config_read_all(int descriptor, struct buffer *text);
/* Readies a text that people wrote for reading: skips a byte order mark. NULL, or why it cannot be read (it
 * is UTF-16). */
const char *config_text_begin(struct slice *text);
/* What CONFIG GET replies. */
struct slice config_value_text(const struct config *config, const struct directive *directive);
/* Expands proc-title-template; false when it names something unknown. NULL config: only checks. */
bool title_expand(const char *template, const struct config *config, const char *program, const char *listen,
                  struct buffer *out);

#endif
