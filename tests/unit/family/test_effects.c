/* What commands write to the stream. The journal here is this test's own: it keeps the stream in memory. Its
 * functions take the place of the library's at link time. */
#include "dialog.h"

#include "command/effect.h"
#include "command/lookup.h"
#include "command/world.h"
#include "resp/parser.h"
#include "store/entry.h"

struct journal {
    struct buffer stream;
    uint64_t admitted; /* the largest size asked for since this was cleared */
    uint64_t admitted_values;
    struct buffer left_out;
    uint64_t room; /* sizes above are not admitted; 0: there is room for all */
    bool is_full;  /* they are refused, and not only put off */
};

enum admit_result journal_admit(struct journal *journal, uint64_t size)
{
    return journal_admit_values(journal, size, 0);
}

enum admit_result journal_admit_values(struct journal *journal, uint64_t size, uint64_t value_bytes)
{
    journal->admitted_values = value_bytes;
    if (size > journal->admitted)
        journal->admitted = size;
    if (!journal->room || size <= journal->room)
        return ADMIT_YES;
    return journal->is_full ? ADMIT_FULL : ADMIT_WAIT;
}

uint64_t journal_file_max(const struct journal *journal)
{
    (void)journal;
    return UINT64_MAX;
}

/* The values that units left out, as their sizes, in order. */
void journal_unit_value(struct journal *journal, struct blob *blob, struct slice key)
{
    (void)key;
    buffer_append_format(&journal->left_out, "%zu ", blob->size);
}

void journal_unit_moved(struct journal *journal, size_t from, size_t by)
{
    (void)journal;
    (void)from;
    (void)by;
}

void journal_value_plan(struct journal *journal, struct blob *blob)
{
    (void)journal;
    (void)blob;
}

void journal_value_used(struct journal *journal, struct blob_origin *origin)
{
    (void)journal;
    (void)origin;
}

const char *journal_value_load(struct journal *journal, struct blob *blob)
{
    (void)journal;
    (void)blob;
    return NULL;
}

const char *journal_value_request(struct journal *journal, struct blob *blob)
{
    (void)journal;
    (void)blob;
    return NULL;
}

bool journal_has_values(const struct journal *journal)
{
    (void)journal;
    return false;
}

bool journal_note_fits(const struct journal *journal)
{
    (void)journal;
    return true;
}

enum admit_result journal_admit_note(struct journal *journal)
{
    (void)journal;
    return ADMIT_YES;
}

void journal_set_time(struct journal *journal, int64_t now_ms)
{
    (void)journal;
    (void)now_ms;
}

struct buffer *journal_unit_begin(struct journal *journal, int database)
{
    (void)database;
    return &journal->stream;
}

lsn_t journal_unit_end(struct journal *journal)
{
    return journal->stream.size;
}

lsn_t journal_executed(const struct journal *journal)
{
    return journal->stream.size;
}

lsn_t journal_written(const struct journal *journal)
{
    return journal->stream.size;
}

lsn_t journal_durable(const struct journal *journal)
{
    return journal->stream.size;
}

lsn_t journal_acknowledged(const struct journal *journal)
{
    return journal->stream.size;
}

enum sync_policy journal_policy(const struct journal *journal)
{
    (void)journal;
    return SYNC_ALWAYS;
}

void journal_request_sync(struct journal *journal)
{
    (void)journal;
}

const char *journal_full(const struct journal *journal)
{
    (void)journal;
    return NULL;
}

/* Calls visit for every command of the stream from offset on. */
typedef void stream_visit(void *context, const struct request *request);

static void stream_each(const struct journal *journal, size_t offset, stream_visit *visit, void *context)
{
    const struct parser_limits limits = {.bulk_max = 1 << 30, .query_max = 1 << 30};
    struct parser *parser = parser_new();
    enum parse_end end;
    do {
        struct slice rest = slice_make(journal->stream.data + offset, journal->stream.size - offset);
        int count = 0;
        size_t consumed = 0;
        end = parser_run(parser, rest, &limits, &count, &consumed);
        assert_int_not_equal(end, PARSE_ERROR);
        for (int i = 0; i < count; i++)
            visit(context, parser_request(parser, i));
        offset += consumed;
    } while (end == PARSE_FULL);
    assert_int_equal(offset, journal->stream.size);
    parser_free(parser);
}

static void append_words(void *context, const struct request *request)
{
    struct buffer *text = context;
    if (text->size > 0)
        buffer_append_text(text, "; ");
    for (int i = 0; i < request->argc; i++) {
        if (i > 0)
            buffer_append_char(text, ' ');
        buffer_append_slice(text, request->argv[i]);
    }
}

/* A command, and the commands that it leaves in the stream; NULL where that does not matter. */
struct effect_row {
    const char *line;
    const char *effects;
};

static void check_effects(const struct effect_row *rows, size_t count)
{
    struct journal journal = {0};
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog.world->journal = &journal;
    for (size_t i = 0; i < count; i++) {
        const struct effect_row *row = &rows[i];
        struct buffer text = {0};
        size_t begin = journal.stream.size;
        if (row->line[0] == '@') {
            dialog_turn(&dialog, &(struct turn){row->line, ""});
            continue;
        }
        dialog_say(&dialog, row->line);
        stream_each(&journal, begin, append_words, &text);
        buffer_append_char(&text, '\0');
        if (row->effects && strcmp(text.data, row->effects) != 0)
            fail_msg("%s\n  expected: %s\n  stated:   %s", row->line, row->effects, text.data);
        buffer_free(&text);
    }
    dialog.world->journal = NULL;
    dialog_end(&dialog);
    buffer_free(&journal.stream);
}

#define CHECK_EFFECTS(rows) check_effects(rows, sizeof(rows) / sizeof((rows)[0]))

/* Commands that depend on nothing but the keyspace are repeated as they were given. */
static void test_verbatim(void **state)
{
    (void)state;
    static const struct effect_row rows[] = {
        {"set k v", "set k v"},
        {"MSET a 1 b 2", "MSET a 1 b 2"},
        {"incr a", "incr a"},
        {"incrby a 5", "incrby a 5"},
        {"decr a", "decr a"},
        {"decrby a 2", "decrby a 2"},
        {"append k w", "append k w"},
        {"append new w", "append new w"},
        {"setrange k 5 x", "setrange k 5 x"},
        {"del k missing", "del k missing"},
        {"unlink a", "unlink a"},
        {"rename b c", "rename b c"},
        {"renamenx c d", "renamenx c d"},
        {"copy d e", "copy d e"},
        {"copy d e db 1 replace", "copy d e db 1 replace"},
        {"move d 2", "move d 2"},
        {"swapdb 0 2", "swapdb 0 2"},
        {"flushdb async", "flushdb async"},
        {"flushall", "flushall"},
        {"setbit b 10 1", "setbit b 10 1"},
        {"setbit b 20 0", "setbit b 20 0"},
        {"bitfield b set u8 0 1 overflow fail incrby u8 0 255",
         "bitfield b set u8 0 1 overflow fail incrby u8 0 255"},
        {"bitfield b2 overflow fail set u8 8 256", "bitfield b2 overflow fail set u8 8 256"},
        {"bitop not c b", "bitop not c b"},
        {"bitop or c missing", "DEL c"},
        {"pfadd h a b", "pfadd h a b"},
        {"pfadd h2", "pfadd h2"},
        {"pfcount h", "pfcount h"},
        {"pfcount h", ""},
        {"pfcount h h2", ""},
        {"pfadd h a", ""},
        {"pfmerge h3 h h2", "pfmerge h3 h h2"},
        {"pfdebug getreg h", "PFDEBUG TODENSE h"},
        {"pfdebug todense h", ""},
        {"pfadd h c", "pfadd h c"},
        {"hset hash a 1 b 2", "hset hash a 1 b 2"},
        {"hset hash a 1", "hset hash a 1"},
        {"hmset hash a 1 c 3", "hmset hash a 1 c 3"},
        {"hsetnx hash d 4", "hsetnx hash d 4"},
        {"hincrby hash d 4", "hincrby hash d 4"},
        {"hdel hash d missing", "hdel hash d missing"},
        {"hdel hash a b c", "hdel hash a b c"},
    };
    CHECK_EFFECTS(rows);
}

/* Times are absolute, results are stated instead of floating-point sums, conditions are gone. */
static void test_deterministic(void **state)
{
    (void)state;
    static const struct effect_row rows[] = {
        {"set k v ex 10", "SET k v PXAT 1600000010000"},
        {"set k v px 10", "SET k v PXAT 1600000000010"},
        {"set k v exat 1700000000", "SET k v PXAT 1700000000000"},
        {"set k w keepttl", "SET k w PXAT 1700000000000"},
        {"set k x xx get", "SET k x"},
        {"set k y ifeq x", "SET k y"},
        {"set n v nx", "SET n v"},
        {"setex k 10 v", "SET k v PXAT 1600000010000"},
        {"psetex k 10 v", "SET k v PXAT 1600000000010"},
        {"getset k w", "SET k w"},
        {"setnx m v", "SET m v"},
        {"msetnx o 1 p 2", "MSET o 1 p 2"},
        {"incrbyfloat o 0.5", "SET o 1.5"},
        {"expire o 100", "PEXPIREAT o 1600000100000"},
        {"pexpire o 100", "PEXPIREAT o 1600000000100"},
        {"expireat o 1700000000 gt", "PEXPIREAT o 1700000000000"},
        {"pexpireat o 1700000000001", "PEXPIREAT o 1700000000001"},
        {"incrbyfloat o 0.5", "SET o 2 PXAT 1700000000001"},
        {"persist o", "PERSIST o"},
        {"getex o ex 10", "PEXPIREAT o 1600000010000"},
        {"getex o persist", "PERSIST o"},
        {"getex o pxat 1", "DEL o"},
        {"expire p -1", "DEL p"},
        {"getdel k", "DEL k"},
        {"set k v", "set k v"},
        {"sort missing store k", "DEL k"},
        {"sort missing store k", ""},
        /* The payload begins with a zero byte, where this comparison ends. */
        {"restore r 0 \"\\x00\\xc0\\x01\\x0a\\x00\\x26\\x78\\xe7\\xb6\\xd1\\x01\\x11\\xfc\"", "RESTORE r 0 "},
        {"restore r 10 \"\\x00\\xc0\\x01\\x0a\\x00\\x26\\x78\\xe7\\xb6\\xd1\\x01\\x11\\xfc\" replace "
         "idletime 5",
         "RESTORE r 1600000000010 "},
        {"restore r 1 \"\\x00\\xc0\\x01\\x0a\\x00\\x26\\x78\\xe7\\xb6\\xd1\\x01\\x11\\xfc\" replace absttl",
         "DEL r"},
        {"restore r 1 \"\\x00\\xc0\\x01\\x0a\\x00\\x26\\x78\\xe7\\xb6\\xd1\\x01\\x11\\xfc\" absttl", ""},
        {"delifeq m v", "DEL m"},
        {"hincrbyfloat f a 0.5", "HSET f a 0.5"},
        {"hset f b 1 c 2 d 3", NULL},
        {"hexpire f 10 fields 2 a missing", "HPEXPIREAT f 1600000010000 FIELDS 1 a"},
        {"hpexpire f 10 nx fields 2 a b", "HPEXPIREAT f 1600000000010 FIELDS 1 b"},
        {"hexpireat f 1700000000 fields 2 b c", "HPEXPIREAT f 1700000000000 FIELDS 2 b c"},
        {"hpexpireat f 1700000000000 gt fields 2 a c", "HPEXPIREAT f 1700000000000 FIELDS 1 a"},
        {"hincrbyfloat f a 0.5", "HSETEX f KEEPTTL FIELDS 1 a 1"},
        {"hpersist f fields 3 a d missing", "HPERSIST f FIELDS 1 a"},
        {"hexpire f 0 fields 2 d missing", "HDEL f d"},
        {"hgetex f ex 10 fields 2 a missing", "HPEXPIREAT f 1600000010000 FIELDS 1 a"},
        {"hgetex f persist fields 2 a a", "HPERSIST f FIELDS 1 a"},
        {"hgetex f pxat 1 fields 1 a", "HDEL f a"},
        {"hsetex f fields 1 a 1", "HSETEX f FIELDS 1 a 1"},
        {"hsetex f fxx keepttl fields 1 b 2", "HSETEX f KEEPTTL FIELDS 1 b 2"},
        {"hsetex f ex 10 fields 2 a 1 b 1", "HSETEX f PXAT 1600000010000 FIELDS 2 a 1 b 1"},
        {"hsetex f px 0 fields 2 a 1 z 1", "HDEL f a z"},
        {"hgetdel f fields 2 b missing", "HDEL f b missing"},
    };
    CHECK_EFFECTS(rows);
}

/* What changes nothing states nothing: reads, refusals, errors, and changes to what is there already. */
static void test_no_effect(void **state)
{
    (void)state;
    static const struct effect_row rows[] = {
        {"set k v", NULL},
        {"set s 1", NULL},
        {"get k", ""},
        {"getex k", ""},
        {"getex k persist", ""},
        {"set k w nx", ""},
        {"set k w nx get", ""},
        {"set m w xx", ""},
        {"set k w ifeq x", ""},
        {"setnx k w", ""},
        {"msetnx new 1 k w", ""},
        {"incr k", ""},
        {"incrbyfloat k 1", ""},
        {"incrby s 9223372036854775807", ""},
        {"setrange k 0 \"\"", ""},
        {"setrange k 536870912 x", ""},
        {"mset a 1 b", ""},
        {"del missing", ""},
        {"getdel missing", ""},
        {"delifeq k x", ""},
        {"delifeq missing x", ""},
        {"expire missing 10", ""},
        {"expire k 10 xx", ""},
        {"expire k 10 gt", ""},
        {"expire k 10 foo", ""},
        {"persist k", ""},
        {"persist missing", ""},
        {"rename missing k", ""},
        {"rename k k", ""},
        {"renamenx k k", ""},
        {"renamenx k s", ""},
        {"copy k s", ""},
        {"copy missing x", ""},
        {"copy k k", ""},
        {"move missing 1", ""},
        {"move k 0", ""},
        {"swapdb 3 3", ""},
        {"swapdb 0 99", ""},
        {"select 5", ""},
        {"flushdb", ""},
        {"flushall foo", ""},
        {"keys *", ""},
        {"scan 0", ""},
        {"randomkey", ""},
        {"object encoding k", ""},
        {"touch k", ""},
    };
    CHECK_EFFECTS(rows);
}

static void test_no_effect_of_bits(void **state)
{
    (void)state;
    static const struct effect_row rows[] = {
        {"set k v", NULL},
        {"setbit bits 0 1", NULL},
        {"setbit bits 0 1", ""},
        {"set s 1", NULL},
        {"setbit s 2 1", ""},
        {"getbit bits 0", ""},
        {"bitcount bits", ""},
        {"bitpos bits 0", ""},
        {"bitfield bits get u8 0", ""},
        {"bitfield bits set u8 0 128 incrby u8 0 0", ""},
        {"bitfield bits overflow fail incrby u1 0 1", ""},
        {"bitfield missing get u8 0", ""},
        {"bitop or missing missing2", ""},
        {"bitop nor k s", ""},
    };
    CHECK_EFFECTS(rows);
}

static void test_no_effect_of_hashes(void **state)
{
    (void)state;
    static const struct effect_row rows[] = {
        {"set k v", NULL},
        {"hset h a x", NULL},
        {"hset k a 1", ""},
        {"hset h a 1 b", ""},
        {"hsetnx h a 1", ""},
        {"hget h a", ""},
        {"hgetall h", ""},
        {"hrandfield h 5", ""},
        {"hscan h 0", ""},
        {"hdel h missing", ""},
        {"hdel missing a", ""},
        {"hincrby h a 1", ""},
        {"hincrbyfloat h a 1", ""},
        {"hexpire h 10 xx fields 1 a", ""},
        {"hexpire h 10 fields 1 missing", ""},
        {"hexpire missing 10 fields 1 a", ""},
        {"hpersist h fields 1 a", ""},
        {"httl h fields 1 a", ""},
        {"hgetex h fields 1 a", ""},
        {"hgetex h persist fields 1 a", ""},
        {"hgetex h ex 10 fields 1 missing", ""},
        {"hsetex h fnx fields 1 a 1", ""},
        {"hsetex h fxx fields 1 missing 1", ""},
        {"hgetdel h fields 1 missing", ""},
    };
    CHECK_EFFECTS(rows);
}

/* An expired key that is written to is deleted by an effect of its own first, in the same unit. SET without
 * options needs none, as it replaces whatever is there. Reads delete nothing; the first that hides something
 * puts the time on record, by a unit that changes nothing. */
static void test_expired_first(void **state)
{
    (void)state;
    static const struct effect_row rows[] = {
        {"mset a 1 b 1 c 1 d 1 e 1 f 1 g 1 h 1 i 1", NULL},
        {"pexpire a 10", NULL},
        {"pexpire b 10", NULL},
        {"pexpire c 10", NULL},
        {"pexpire d 10", NULL},
        {"pexpire e 10", NULL},
        {"pexpire f 10", NULL},
        {"pexpire g 10", NULL},
        {"@+10", NULL},
        {"mget a b c d e f g", "SELECT 0"},
        {"mget a b c d e f g", ""},
        {"getdel a", ""},
        {"getex a persist", ""},
        {"incr a", "MULTI; DEL a; incr a; EXEC"},
        {"set b 2", "set b 2"},
        {"set c 2 keepttl", "MULTI; DEL c; SET c 2; EXEC"},
        {"del d", "DEL d"},
        {"expire e 100", "DEL e"},
        {"rename h f", "MULTI; DEL f; rename h f; EXEC"},
        {"setnx g 2", "MULTI; DEL g; SET g 2; EXEC"},
        {"set v 1 px 1", NULL},
        {"set w 1 px 1", NULL},
        {"@+1", NULL},
        {"setbit v 0 0", "MULTI; DEL v; setbit v 0 0; EXEC"},
        {"bitop or x w e v", "MULTI; DEL w; bitop or x w e v; EXEC"},
        {"select 1", ""},
        {"set i 1 px 10", "SELECT 1; SET i 1 PXAT 1600000000021"},
        {"select 0", ""},
        {"@+10", NULL},
        {"move i 1", "MULTI; DEL i; SELECT 0; move i 1; EXEC"},
    };
    CHECK_EFFECTS(rows);
}

/* The same for fields that are named, and for a hash of which nothing else is left. */
static void test_expired_fields_first(void **state)
{
    (void)state;
    static const struct effect_row rows[] = {
        {"hset h a 1 b 1 c 1 d 1 e 1 f 1 g 1 h 1 i 1 j 1 z 1", NULL},
        {"hpexpire h 10 fields 10 a b c d e f g h i j", NULL},
        {"@+10", NULL},
        {"hmget h a b", "SELECT 0"},
        {"hgetall h", ""},
        {"hlen h", ""},
        {"hset h a 2 z 1 b 2", "MULTI; HDEL h a b; hset h a 2 z 1 b 2; EXEC"},
        {"hset h a 3", "hset h a 3"},
        {"hsetnx h c 2", "MULTI; HDEL h c; hsetnx h c 2; EXEC"},
        {"hincrby h d 2", "MULTI; HDEL h d; hincrby h d 2; EXEC"},
        {"hincrbyfloat h e 2", "MULTI; HDEL h e; HSET h e 2; EXEC"},
        {"hdel h f missing", "HDEL h f"},
        {"hexpire h 10 fields 1 g", "HDEL h g"},
        {"hgetex h fields 2 h a", "HDEL h h"},
        {"hsetex h fxx fields 1 i 1", "HDEL h i"},
        {"hgetdel h fields 2 j a", "MULTI; HDEL h j; HDEL h j a; EXEC"},
        {"hset g a 1 b 1", NULL},
        {"hpexpire g 10 fields 2 a b", NULL},
        {"hset f a 1 b 1", NULL},
        {"hpexpire f 10 fields 2 a b", NULL},
        {"@+10", NULL},
        {"exists g", "SELECT 0"},
        {"hset g c 1", "MULTI; DEL g; hset g c 1; EXEC"},
        {"append f x", "MULTI; DEL f; append f x; EXEC"},
    };
    CHECK_EFFECTS(rows);
}

/* The stream selects a database only where it changes; a transaction is one unit. */
static void test_units(void **state)
{
    (void)state;
    static const struct effect_row rows[] = {
        {"set a 1", "set a 1"},
        {"select 3", ""},
        {"set a 1", "SELECT 3; set a 1"},
        {"set b 1", "set b 1"},
        {"select 0", ""},
        {"get a", ""},
        {"multi", ""},
        {"set a 2", ""},
        {"incr missing", ""},
        {"get a", ""},
        {"exec", "SELECT 0; MULTI; set a 2; incr missing; EXEC"},
        {"multi", ""},
        {"set a 3", ""},
        {"exec", "set a 3"},
        {"multi", ""},
        {"set a 4", ""},
        {"discard", ""},
    };
    CHECK_EFFECTS(rows);
}

/* Says a line with %k standing for the key. */
static void say_with_key(struct dialog *dialog, const char *line, const char *key)
{
    struct buffer text = {0};
    for (; *line; line++) {
        if (*line != '%') {
            buffer_append_char(&text, *line);
            continue;
        }
        buffer_append_text(&text, key);
        line++;
    }
    buffer_append_char(&text, '\0');
    dialog_say(dialog, text.data);
    buffer_free(&text);
}

/* What is executed is never more than what was admitted, however much a command's effects differ from its
 * arguments: only admitted bytes are sure to find room. */
static void test_admitted(void **state)
{
    (void)state;
    static const struct {
        const char *before; /* with time passing behind it */
        const char *line;
        int times; /* in one transaction */
    } rows[] = {
        {"set %k 1 px 1", "append %k 1", 1},
        {"set %k 1 px 1", "rename %k b", 1},
        {"set %k 1 px 1", "setnx %k 1", 1},
        {"set %k 1 px 1", "set %k 1 ex 100 get", 1},
        {"set %k 1 px 1", "del %k %k b", 1},
        {"set %k 1 px 1", "msetnx %k 1 c 1 %k 2", 1},
        {"set %k 1 px 1", "incr %k", 100},
        {"select 1", "move %k 0", 1},
        {"set %k 1", "getex %k ex 100", 100},
        {"set f 1e4000", "incrbyfloat f 1", 1},
        {"set f 1e4000", "incrbyfloat f 1", 300},
        {"hset %k f 1e4000", "hincrbyfloat %k f 1", 100},
        {"hsetex h px 1 fields 2 %k 1 b 1", "hset h %k 1", 1},
        {"hsetex h px 1 fields 2 %k 1 b 1", "hdel h %k", 1},
        {"hset h a 1 %k 1", "hexpire h 10 fields 1 %k", 100},
        {"hset h a 1 %k 1", "hgetex h px 10 fields 1 %k", 100},
        {"hsetex h px 1 fields 1 %k 1", "hsetex h px 100 fields 1 %k 1", 1},
        {"hset h a 1", "hsetex h px 0 fields 2 a %k b %k", 100},
    };
    char key[4000];
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct journal journal = {0};
        struct dialog dialog;
        dialog_begin(&dialog);
        dialog.world->journal = &journal;
        dialog_say(&dialog, "hset h live 1");
        say_with_key(&dialog, rows[i].before, key);
        dialog_turn(&dialog, &(struct turn){"@+10", ""});
        dialog_say(&dialog, "multi");
        for (int j = 0; j < rows[i].times; j++)
            say_with_key(&dialog, rows[i].line, key);
        size_t begin = journal.stream.size;
        journal.admitted = 0;
        dialog_say(&dialog, "exec");
        if (journal.stream.size - begin > journal.admitted)
            fail_msg("%d times %s: %zu bytes, admitted: %llu", rows[i].times, rows[i].line,
                     journal.stream.size - begin, (unsigned long long)journal.admitted);
        dialog.world->journal = NULL;
        dialog_end(&dialog);
        buffer_free(&journal.stream);
    }
}

/* A command whose effect hangs on what it finds: it sets one key to another one's value, and says the value.
 */
static void own_copy_command(struct call *call)
{
    char scratch[STRING_SCRATCH];
    struct slice value = {0};
    struct entry *entry = lookup_read(call, call->argv[1], call_hash(call, 1));
    if (entry)
        value = string_value(entry, scratch);
    call_changed(call, call->argv[2], call_hash(call, 2));
    effect_command(call, call->session->database, 3,
                   (struct slice[]){SLICE_LITERAL("SET"), call->argv[2], value});
    reply_ok(call->reply);
}

static void own_copy_bound(const struct effect_view *view, struct effect_bound *bound)
{
    const struct entry *entry = effect_view_find(view, 1);
    effect_bound_add_many(bound, 1, entry ? entry_value_payload(entry) : 0);
}

static const struct command own_rows[] = {
    {.name = "own-copy",
     .arity = 3,
     .flags = CMD_WRITE,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS), KEY_AT(2, KEY_OW | KEY_UPDATE)},
     .function = own_copy_command,
     .effect_bound = own_copy_bound},
};

static void bounded_begin(struct dialog *dialog, struct journal *journal)
{
    dialog_begin(dialog);
    command_table_add(dialog->world->commands, own_rows, 1);
    dialog_say(dialog, "setrange k 99999 x");
    dialog->world->journal = journal;
}

static void bounded_end(struct dialog *dialog, struct journal *journal)
{
    dialog->world->journal = NULL;
    dialog_end(dialog);
    buffer_free(&journal->stream);
}

/* The bound of such a command is asked when it is to run. */
static void test_bound_by_what_is_found(void **state)
{
    (void)state;
    struct journal journal = {0};
    struct dialog dialog;
    bounded_begin(&dialog, &journal);
    dialog_say(&dialog, "own-copy k b");
    assert_true(journal.stream.size >= 100000 && journal.stream.size <= journal.admitted);
    size_t before = journal.stream.size;
    dialog_say(&dialog, "multi");
    for (int i = 0; i < 3; i++)
        dialog_say(&dialog, "own-copy k b");
    /* What it finds at EXEC counts, not what it found when it was queued. */
    struct session *own = dialog.session;
    dialog.session = session_new(dialog.world, &dialog.output, NULL);
    dialog_say(&dialog, "setrange k 199999 x");
    session_free(dialog.session);
    dialog.session = own;
    before = journal.stream.size;
    journal.admitted = 0;
    assert_string_equal(dialog_say(&dialog, "exec"), "*3\r\n+OK\r\n+OK\r\n+OK\r\n");
    assert_true(journal.stream.size - before >= 600000 && journal.stream.size - before <= journal.admitted);
    bounded_end(&dialog, &journal);
}

/* On a full disk the transaction is refused as a whole, before its first command. */
static void test_bound_refuses_the_whole(void **state)
{
    (void)state;
    struct journal journal = {0};
    struct dialog dialog;
    bounded_begin(&dialog, &journal);
    dialog_say(&dialog, "multi");
    dialog_say(&dialog, "set a 1");
    dialog_say(&dialog, "own-copy k b");
    journal.room = 100000;
    journal.is_full = true;
    const char *reply = dialog_say(&dialog, "exec");
    if (strncmp(reply, "-EXECABORT Transaction discarded because of: MISCONF", 51) != 0)
        fail_msg("%s", reply);
    assert_int_equal(journal.stream.size, 0);
    assert_string_equal(dialog_say(&dialog, "exists a"), ":0\r\n");
    bounded_end(&dialog, &journal);
}

/* What a command finds is more than EXEC could know, by one before it: it is asked again. With room it runs,
 * without it is refused alone, and never is more written than there was room for. */
static void test_bound_that_grew(void **state)
{
    (void)state;
    static const struct {
        uint64_t room;
        const char *reply;
    } cases[] = {
        {0, "*4\r\n:300000\r\n+OK\r\n+OK\r\n:1\r\n"},
        {400000, "*4\r\n:300000\r\n+OK\r\n+OK\r\n:1\r\n"},
        {300400,
         "*4\r\n:300000\r\n-MISCONF the log has no room for this command: what it would write has become "
         "more than was known at EXEC, by commands before it. It has changed nothing.\r\n+OK\r\n:1\r\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct journal journal = {.room = cases[i].room};
        struct dialog dialog;
        bounded_begin(&dialog, &journal);
        static const char *const lines[] = {"multi", "setrange k 299999 x", "own-copy k b", "set c 1",
                                            "exists c"};
        for (size_t j = 0; j < sizeof(lines) / sizeof(lines[0]); j++)
            dialog_say(&dialog, lines[j]);
        assert_string_equal(dialog_say(&dialog, "exec"), cases[i].reply);
        assert_true(journal.stream.size <= journal.admitted);
        if (journal.room)
            assert_true(journal.stream.size <= journal.room);
        bounded_end(&dialog, &journal);
    }
}

/* What the transaction's own arguments add is admitted with it: no room has to be there behind that. */
static void test_bound_with_what_is_added(void **state)
{
    (void)state;
    struct journal journal = {0};
    struct dialog dialog;
    bounded_begin(&dialog, &journal);
    char value[5000];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    dialog_say(&dialog, "multi");
    say_with_key(&dialog, "set new %k", value);
    dialog_say(&dialog, "own-copy new b");
    journal.room = 13000; /* twice the value, and its framing, and no more */
    assert_string_equal(dialog_say(&dialog, "exec"), "*2\r\n+OK\r\n+OK\r\n");
    assert_true(journal.stream.size > 2 * (sizeof(value) - 1) && journal.stream.size <= journal.admitted);
    bounded_end(&dialog, &journal);
}

/* A key whose time has passed is only deleted when there is room for saying so: a long key takes more. */
static void test_expiry_admitted(void **state)
{
    (void)state;
    struct journal journal = {.room = 2000};
    struct dialog dialog;
    char key[4000];
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    dialog_begin(&dialog);
    say_with_key(&dialog, "mset %k 1 short 1", key);
    dialog.world->journal = &journal;
    struct database *db = store_database(dialog.world->store, 0);
    const struct slice keys[] = {slice_of(key), slice_of("short")};
    for (size_t i = 0; i < 2; i++) {
        uint64_t hash = store_hash(dialog.world->store, keys[i]);
        struct entry *entry = database_find(db, keys[i], hash);
        assert_int_equal(world_expire(dialog.world, 0, entry), i == 1);
        assert_int_equal(database_find(db, keys[i], hash) != NULL, i == 0);
        assert_int_equal(journal.stream.size > 0, i == 1);
    }
    dialog.world->journal = NULL;
    dialog_end(&dialog);
    buffer_free(&journal.stream);
}

/* --- replay
 * -------------------------------------------------------------------------------------------------------- */

struct dump {
    struct buffer text;
    int lines;
};

/* A line for each field. */
static void dump_hash(struct dump *dump, const struct entry *entry)
{
    struct entry_hash_iterator iterator = entry_hash_begin(entry);
    struct hash_field field;
    while (entry_hash_iterate(&iterator, &field)) {
        buffer_append_quoted(&dump->text, entry_key(entry));
        buffer_append_char(&dump->text, '.');
        buffer_append_quoted(&dump->text, field.name);
        buffer_append_char(&dump->text, '=');
        buffer_append_quoted(&dump->text, field.value);
        buffer_append_format(&dump->text, "@%lld", (long long)field.expire_ms);
        buffer_append_char(&dump->text, '\0');
        dump->lines++;
    }
}

static void dump_entry(void *context, struct entry *entry)
{
    struct dump *dump = context;
    char scratch[STRING_SCRATCH];
    bool is_hash = entry_type(entry) == VALUE_HASH;
    if (is_hash)
        dump_hash(dump, entry);
    buffer_append_quoted(&dump->text, entry_key(entry));
    buffer_append_char(&dump->text, '=');
    buffer_append_quoted(&dump->text, is_hash ? SLICE_LITERAL("hash") : string_value(entry, scratch));
    buffer_append_format(&dump->text, "@%lld", (long long)entry_expire_ms(entry));
    buffer_append_char(&dump->text, '\0');
    dump->lines++;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Everything a world holds, as sorted text. To be freed with mem_free. */
static char *world_dump(struct world *world)
{
    struct buffer out = {0};
    for (int i = 0; i < store_database_count(world->store); i++) {
        struct dump dump = {0};
        database_each(store_database(world->store, i), dump_entry, &dump);
        const char **lines = mem_alloc(((size_t)dump.lines + 1) * sizeof(*lines));
        const char *at = dump.text.data;
        for (int j = 0; j < dump.lines; j++, at += strlen(at) + 1)
            lines[j] = at;
        qsort(lines, (size_t)dump.lines, sizeof(*lines), compare_lines);
        for (int j = 0; j < dump.lines; j++)
            buffer_append_format(&out, "%d %s\n", i, lines[j]);
        mem_free(lines);
        buffer_free(&dump.text);
    }
    buffer_append_char(&out, '\0');
    return out.data;
}

/* What MULTI and EXEC enclose needs no queueing: the stream is whole. */
static void replay_one(void *context, const struct request *request)
{
    struct dialog *dialog = context;
    if (slice_is(request->argv[0], "multi") || slice_is(request->argv[0], "exec"))
        return;
    const char *error = dialog_replay(dialog->world, dialog->session, request);
    if (error)
        fail_msg("replay of %.*s: %s", (int)request->argv[0].size, request->argv[0].data, error);
    dialog_collect(dialog);
}

/* Replaces what stands for something in a template by something at random: %k a key, %f a field, %v a value,
 * %t a time in ms from now, %T one since 1970, %d a database. */
static void line_make(struct random *random, const char *template, int64_t now_ms, struct buffer *line)
{
    static const char *const values[] = {"1",       "-7", "9223372036854775807", "3.25", "word", "\"\"",
                                         "\"a b\"", "007"};
    buffer_clear(line);
    for (const char *c = template; *c; c++) {
        if (*c != '%') {
            buffer_append_char(line, *c);
            continue;
        }
        switch (*++c) {
        case 'k': buffer_append_format(line, "key%d", (int)random_below(random, 12)); break;
        case 'f': buffer_append_format(line, "f%d", (int)random_below(random, 8)); break;
        case 'v': buffer_append_text(line, values[random_below(random, 8)]); break;
        case 't': buffer_append_int(line, (int64_t)random_below(random, 400) - 20); break;
        case 'T': buffer_append_int(line, now_ms + (int64_t)random_below(random, 400) - 20); break;
        case 'd': buffer_append_int(line, (int64_t)random_below(random, 4)); break;
        default: fail();
        }
    }
    buffer_append_char(line, '\0');
}

/* Long random conversations, with time passing: after each, the stream leads to the same state from nothing,
 * whenever it is replayed. */
/* Deletes fields that are due as the engine does, from time to time. */
static void expire_some(struct world *world)
{
    world_refresh_time(world);
    for (int i = 0; i < store_database_count(world->store); i++) {
        struct entry *entry;
        int budget = 5;
        while ((entry = database_next_due_parts(store_database(world->store, i), world->now_ms, &budget)))
            assert_true(world_expire_fields(world, i, entry, &budget));
    }
}

/* The last two empty everything, and are chosen rarely. */
static const char *const replayed_templates[] = {
    "set %k %v",
    "set %k %v px %t",
    "set %k %v pxat %T get",
    "set %k %v keepttl",
    "set %k %v nx",
    "set %k %v xx",
    "set %k %v ifeq %v",
    "setnx %k %v",
    "setex %k 1 %v",
    "psetex %k %t %v",
    "getset %k %v",
    "getdel %k",
    "getex %k px %t",
    "getex %k pxat %T",
    "getex %k persist",
    "mset %k %v %k %v",
    "msetnx %k %v %k %v",
    "append %k %v",
    "setrange %k 3 %v",
    "incr %k",
    "decrby %k 3",
    "incrbyfloat %k 0.1",
    "delifeq %k %v",
    "del %k %k",
    "unlink %k",
    "expire %k 1 nx",
    "pexpire %k %t",
    "pexpire %k %t gt",
    "pexpireat %k %T lt",
    "persist %k",
    "rename %k %k",
    "renamenx %k %k",
    "copy %k %k",
    "copy %k %k db %d",
    "copy %k %k db %d replace",
    "move %k %d",
    "swapdb %d %d",
    "select %d",
    "mget %k %k",
    "hset %k %f %v",
    "hset %k %f %v %f %v %f %v",
    "hmset %k %f %v %f %v",
    "hsetnx %k %f %v",
    "hdel %k %f %f",
    "hincrby %k %f 3",
    "hincrbyfloat %k %f 0.1",
    "hexpire %k 1 fields 1 %f",
    "hpexpire %k %t fields 2 %f %f",
    "hpexpire %k %t gt fields 2 %f %f",
    "hpexpire %k %t nx fields 3 %f %f %f",
    "hpexpireat %k %T fields 2 %f %f",
    "hpersist %k fields 2 %f %f",
    "hgetex %k px %t fields 2 %f %f",
    "hgetex %k persist fields 1 %f",
    "hsetex %k px %t fields 1 %f %v",
    "hsetex %k keepttl fields 2 %f %v %f %v",
    "hsetex %k fnx pxat %T fields 2 %f %v %f %v",
    "hgetdel %k fields 2 %f %f",
    "hgetall %k",
    "hmget %k %f %f",
    "multi",
    "exec",
    "flushdb",
    "flushall",
};

static void say_at_random(struct dialog *dialog, uint64_t seed)
{
    struct random random;
    struct buffer line = {0};
    const size_t count = sizeof(replayed_templates) / sizeof(replayed_templates[0]);
    random_seed(&random, seed);
    for (int i = 0; i < 2000; i++) {
        size_t choice = random_below(&random, count - (random_below(&random, 20) ? 2 : 0));
        line_make(&random, replayed_templates[choice], dialog->now_ms, &line);
        dialog_say(dialog, line.data);
        dialog->now_ms += (int64_t)random_below(&random, 10);
        if (i % 50 == 0 && !dialog->session->in_multi)
            expire_some(dialog->world);
    }
    dialog_say(dialog, "reset");
    buffer_free(&line);
}

static void assert_replays(struct journal *journal, struct dialog *dialog, uint64_t seed)
{
    struct dialog again;
    dialog_begin(&again);
    again.session->origin = &origin_stream;
    again.now_ms = dialog->now_ms + 1000000;
    world_refresh_time(again.world);
    stream_each(journal, 0, replay_one, &again);
    char *expected = world_dump(dialog->world);
    char *replayed = world_dump(again.world);
    if (strcmp(expected, replayed) != 0)
        fail_msg("seed %d\n--- state\n%s--- replayed\n%s", (int)seed, expected, replayed);
    mem_free(expected);
    mem_free(replayed);
    dialog_end(&again);
}

static void test_replay(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct journal journal = {0};
        struct dialog dialog;
        dialog_begin(&dialog);
        dialog.world->journal = &journal;
        say_at_random(&dialog, seed);
        assert_replays(&journal, &dialog, seed);
        dialog.world->journal = NULL;
        dialog_end(&dialog);
        buffer_free(&journal.stream);
    }
}

static size_t memory_by_keys(const struct world *world)
{
    return database_size(store_database(world->store, 0));
}

/* What is evicted before a command runs goes to the stream before it, each key a unit of its own; as UNLINK
 * where evictions are lazy. Nothing is evicted that the journal cannot take. */
static void test_eviction(void **state)
{
    (void)state;
    struct journal journal = {0};
    struct dialog dialog;
    dialog_begin(&dialog);
    dialog_say(&dialog, "set a 1 ex 100");
    dialog_say(&dialog, "set b 2 ex 200");
    dialog_say(&dialog, "set c 3 ex 300");
    dialog.world->journal = &journal;
    dialog.world->memory_used = memory_by_keys;
    struct world_settings settings = dialog.world->settings;
    settings.maxmemory = 2;
    settings.evict_policy = EVICT_VOLATILE_TTL;
    world_set_settings(dialog.world, &settings);
    dialog_say(&dialog, "set d 4 pxat 1700000000000");
    settings.evict_lazy = true;
    world_set_settings(dialog.world, &settings);
    journal.room = 10;
    dialog_say(&dialog, "get c");
    assert_int_equal(database_size(store_database(dialog.world->store, 0)), 3);
    journal.room = 0;
    dialog_say(&dialog, "get c");
    struct buffer text = {0};
    stream_each(&journal, 0, append_words, &text);
    buffer_append_char(&text, '\0');
    assert_string_equal(text.data, "DEL a; SET d 4 PXAT 1700000000000; UNLINK b");
    buffer_free(&text);
    dialog.world->journal = NULL;
    dialog_end(&dialog);
    buffer_free(&journal.stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verbatim),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_no_effect),
        cmocka_unit_test(test_no_effect_of_bits),
        cmocka_unit_test(test_no_effect_of_hashes),
        cmocka_unit_test(test_expired_first),
        cmocka_unit_test(test_expired_fields_first),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_admitted),
        cmocka_unit_test(test_bound_by_what_is_found),
        cmocka_unit_test(test_bound_refuses_the_whole),
        cmocka_unit_test(test_bound_that_grew),
        cmocka_unit_test(test_bound_with_what_is_added),
        cmocka_unit_test(test_expiry_admitted),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_eviction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
