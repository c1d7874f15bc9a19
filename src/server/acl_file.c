#include "server/acl_file.h"

#include "base/memory.h"
#include "server/config_table.h"

/* --- reading ------------------------------------------------------------------------------------------- */

/* Without the white space around it that Redis takes away. */
static struct slice trim(struct slice text, const char *blanks)
{
    while (text.size && text.data[0] != '\0' && strchr(blanks, text.data[0]))
        text = slice_make(text.data + 1, text.size - 1);
    while (text.size && text.data[text.size - 1] != '\0' && strchr(blanks, text.data[text.size - 1]))
        text.size--;
    return text;
}

/* Cuts a line at each of its spaces: two of them have an empty word between them. Returns how many words
 * there are; *words is to be freed. */
static int split_at_spaces(struct slice line, struct slice **words)
{
    int count = 1;
    for (size_t i = 0; i < line.size; i++)
        count += line.data[i] == ' ';
    *words = mem_alloc((size_t)count * sizeof(**words));
    for (int i = 0; i < count; i++) {
        const char *space = memchr(line.data, ' ', line.size);
        size_t size = space ? (size_t)(space - line.data) : line.size;
        (*words)[i] = slice_make(line.data, size);
        size += space != NULL;
        line = slice_make(line.data + size, line.size - size);
    }
    return count;
}

static bool read_line(struct acl_draft *draft, struct slice line, struct buffer *error)
{
    line = trim(line, " \t\r");
    if (line.size == 0 || line.data[0] == '#')
        return true;
    if (memchr(line.data, '\0', line.size)) {
        buffer_append_text(error, "the line holds a zero byte");
        return false;
    }
    struct slice *words;
    int count = split_at_spaces(line, &words);
    for (int i = 2; i < count; i++)
        words[i] = trim(words[i], "\t\r");
    bool ok = slice_equal(words[0], SLICE_LITERAL("user")); /* a configuration takes large letters, too */
    if (ok)
        ok = acl_draft_add(draft, count, words, error);
    else
        buffer_append_text(error, "line should start with user keyword");
    mem_free(words);
    return ok;
}

static void append_place(struct buffer *error, const char *name, int line, struct slice reason)
{
    buffer_append_format(error, "%s:%d: ", name, line);
    buffer_append_slice(error, reason);
}

bool acl_file_read(struct acl_draft *draft, const char *name, struct slice text, struct buffer *error)
{
    const char *wrong = config_text_begin(&text);
    if (wrong) {
        append_place(error, name, 1, slice_of(wrong));
        return false;
    }
    struct buffer reason = {0};
    bool ok = true;
    for (int number = 1; text.size > 0 && ok; number++) {
        const char *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;
        ok = read_line(draft, slice_make(text.data, size), &reason);
        if (!ok)
            append_place(error, name, number, buffer_slice(&reason));
        size += end != NULL;
        text = slice_make(text.data + size, text.size - size);
    }
    buffer_free(&reason);
    return ok;
}

/* --- writing ------------------------------------------------------------------------------------------- */

/* Whether a line reads as this user and nobody else. */
static bool reads_back(struct acl *acl, struct slice line, const struct acl_user *user)
{
    struct buffer ignored = {0};
    struct acl_draft *draft = acl_draft_new(acl);
    bool ok =
        acl_file_read(draft, "", line, &ignored) && acl_draft_has(draft, user) && acl_draft_count(draft) == 1;
    acl_draft_free(draft);
    buffer_free(&ignored);
    return ok;
}

bool acl_file_write(struct acl *acl, struct buffer *text, struct buffer *error)
{
    for (size_t i = 0; i < acl_count(acl); i++) {
        const struct acl_user *user = acl_at(acl, i);
        struct slice name = acl_user_name(user);
        size_t begin = text->size;
        acl_describe(text, user, ACL_IN_FILE);
        buffer_append_char(text, '\n');
        if (reads_back(acl, slice_make(text->data + begin, text->size - begin), user))
            continue;
        buffer_append_format(
            error,
            "user '%.*s' cannot be written to an ACL file: a rule like +command|argument has "
            "white space in its argument. CONFIG REWRITE could write it",
            (int)name.size, name.data);
        return false;
    }
    return true;
}
