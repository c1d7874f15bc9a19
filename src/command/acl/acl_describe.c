/* Users as text: the rules that make a user what it is.
 *
 * There are three forms of one text. Redis shows rules as they are, so that a blank or a quote in one of them
 * cannot be told from one between two (ACL LIST, ACL GETUSER). In an ACL file a blank ends a word, and quotes
 * are letters like others, but for selectors: Redis cuts what stands in their parentheses as it cuts lines of
 * a configuration. So rules in them are quoted where they have to be. In a configuration every word can be
 * quoted, and a selector that holds quotes is one word. */
#include <ctype.h>

#include "command/acl/acl_user.h"

/* --- words --------------------------------------------------------------------------------------------- */

/* Where words go, with a space between them. */
struct words {
    struct buffer *out;
    size_t begin; /* of the first one in out */
    enum acl_form form;
    bool in_selector;
};

/* Whether a word within a selector would be read as something else. */
static bool breaks_selector(struct slice word)
{
    for (size_t i = 0; i < word.size; i++)
        if (isspace((unsigned char)word.data[i]) || word.data[i] == '"' || word.data[i] == '\'')
            return true;
    return word.data[word.size - 1] == ')'; /* which would end it */
}

/* Whether a part of a configuration's line would be; space: blanks in it are meant to cut it. */
static bool breaks_configuration(struct slice text, bool space)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < ' ' || text.data[i] > '~' || text.data[i] == '"' || text.data[i] == '\'' ||
            (text.data[i] == ' ' && !space))
            return true;
    return text.size == 0;
}

/* Within quotes, and without a space: an ACL file is cut at spaces first. */
static void append_quoted_without_spaces(struct buffer *out, struct slice word)
{
    struct buffer quoted = {0};
    buffer_append_quoted(&quoted, word);
    for (size_t i = 0; i < quoted.size; i++)
        if (quoted.data[i] == ' ')
            buffer_append_text(out, "\\x20");
        else
            buffer_append_char(out, quoted.data[i]);
    buffer_free(&quoted);
}

static void words_begin(struct words *words, struct buffer *out, enum acl_form form, bool in_selector)
{
    *words = (struct words){.out = out, .begin = out->size, .form = form, .in_selector = in_selector};
}

static void word_add(struct words *words, struct slice word)
{
    if (words->out->size > words->begin)
        buffer_append_char(words->out, ' ');
    if (words->form != ACL_SHOWN && words->in_selector && breaks_selector(word))
        append_quoted_without_spaces(words->out, word);
    else if (words->form == ACL_IN_CONFIGURATION && !words->in_selector && breaks_configuration(word, false))
        buffer_append_quoted(words->out, word);
    else
        buffer_append_slice(words->out, word);
}

static void word_add_text(struct words *words, const char *text)
{
    word_add(words, slice_of(text));
}

/* A word of two parts. */
static void word_join(struct words *words, const char *sign, struct slice rest)
{
    struct buffer word = {0};
    buffer_append_text(&word, sign);
    buffer_append_slice(&word, rest);
    word_add(words, buffer_slice(&word));
    buffer_free(&word);
}

/* --- selectors ----------------------------------------------------------------------------------------- */

static void add_commands(struct words *words, const struct acl_selector *selector)
{
    bool future = selector->commands[ACL_FUTURE_COMMAND / 64] >> (ACL_FUTURE_COMMAND % 64) & 1;
    word_add_text(words, future ? "+@all" : "-@all");
    for (size_t i = 0; i < selector->rule_count; i++)
        word_join(words, selector->rules[i].sign == '+' ? "+" : "-", buffer_slice(&selector->rules[i].name));
}

static void add_keys(struct words *words, const struct acl_selector *selector)
{
    static const char *const signs[] = {[ACL_READ] = "%R~", [ACL_WRITE] = "%W~", [ACL_READ_WRITE] = "~"};
    if (selector->keys.all)
        word_add_text(words, "~*");
    for (size_t i = 0; i < selector->keys.count; i++) {
        const struct acl_pattern *pattern = &selector->keys.items[i];
        word_join(words, signs[pattern->permissions], buffer_slice(&pattern->text));
    }
}

static void add_channels(struct words *words, const struct acl_selector *selector)
{
    if (selector->channels.all)
        word_add_text(words, "&*");
    for (size_t i = 0; i < selector->channels.count; i++)
        word_join(words, "&", buffer_slice(&selector->channels.items[i].text));
}

static void add_selector(struct words *words, const struct acl_selector *selector)
{
    add_keys(words, selector);
    if (!selector->channels.all)
        word_add_text(words, "resetchannels");
    add_channels(words, selector);
    add_commands(words, selector);
}

/* "(rule ...)": words in a line of a configuration as long as there is nothing in them to be quoted. */
static void add_in_parentheses(struct words *words, const struct acl_selector *selector)
{
    struct buffer text = {0};
    struct words inner;
    buffer_append_char(&text, '(');
    words_begin(&inner, &text, words->form, true);
    add_selector(&inner, selector);
    buffer_append_char(&text, ')');
    if (words->form == ACL_IN_CONFIGURATION && breaks_configuration(buffer_slice(&text), true)) {
        word_add(words, buffer_slice(&text));
    } else {
        buffer_append_char(words->out, ' ');
        buffer_append_slice(words->out, buffer_slice(&text));
    }
    buffer_free(&text);
}

static void describe_part(struct buffer *out, const struct acl_selector *selector,
                          void (*add)(struct words *words, const struct acl_selector *selector))
{
    struct words words;
    words_begin(&words, out, ACL_SHOWN, false);
    add(&words, selector);
}

void acl_describe_commands(struct buffer *out, const struct acl_selector *selector)
{
    describe_part(out, selector, add_commands);
}

void acl_describe_keys(struct buffer *out, const struct acl_selector *selector)
{
    describe_part(out, selector, add_keys);
}

void acl_describe_channels(struct buffer *out, const struct acl_selector *selector)
{
    describe_part(out, selector, add_channels);
}

/* --- users --------------------------------------------------------------------------------------------- */

void acl_describe(struct buffer *out, const struct acl_user *user, enum acl_form form)
{
    struct words words;
    words_begin(&words, out, form, false);
    word_add_text(&words, "user");
    word_add(&words, buffer_slice(&user->name));
    word_add_text(&words, user->on ? "on" : "off");
    if (user->nopass)
        word_add_text(&words, "nopass");
    word_add_text(&words, user->skips_sanitizing ? "skip-sanitize-payload" : "sanitize-payload");
    for (size_t i = 0; i < user->password_count; i++)
        word_join(&words, "#", slice_make(user->passwords[i], ACL_HASH_SIZE));
    add_selector(&words, &user->selectors[0]);
    for (size_t i = 1; i < user->selector_count; i++)
        add_in_parentheses(&words, &user->selectors[i]);
}

bool acl_user_same(const struct acl_user *a, const struct acl_user *b)
{
    struct buffer one = {0};
    struct buffer other = {0};
    acl_describe(&one, a, ACL_IN_CONFIGURATION); /* the form in which nothing is ambiguous */
    acl_describe(&other, b, ACL_IN_CONFIGURATION);
    bool same = slice_equal(buffer_slice(&one), buffer_slice(&other));
    buffer_free(&one);
    buffer_free(&other);
    return same;
}
