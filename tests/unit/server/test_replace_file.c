/* Replacing a small file: what stays, what a crash may have left behind, and what cannot be. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>

#include "config_test.h"
#include "server/replace_file.h"

static void assert_file(const char *path, const char *expected)
{
    char *text = file_text(path);
    assert_string_equal(text, expected);
    mem_free(text);
}

static int replace(const char *path, const char *text)
{
    return file_replace(path, slice_of(text));
}

/* A folder that the process works in meanwhile. */
static char *work_in(char **before)
{
    char *folder = folder_new();
    *before = getcwd(NULL, 0);
    assert_int_equal(chdir(folder), 0);
    return folder;
}

static void work_ends(char *folder, char *before)
{
    assert_int_equal(chdir(before), 0);
    free(before);
    folder_remove(folder);
}

/* A name without a slash is in the working folder; a name with some where it says. */
static void every_kind_of_path(void **state)
{
    (void)state;
    char *before;
    char *folder = work_in(&before);
    assert_int_equal(mkdir("sub", 0700), 0);
    const char *const paths[] = {"users.acl", "./a", "sub/b", "sub/../c", "sub//d", path_in(folder, "e")};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(replace(paths[i], "one"), 0);
        assert_file(paths[i], "one");
        assert_int_equal(replace(paths[i], "another"), 0);
        assert_file(paths[i], "another");
    }
    assert_int_equal(access("users.acl.rewrite", F_OK), -1);
    work_ends(folder, before);
}

/* Nothing is done where the path names no file, or what it names is none. */
static void what_is_no_file(void **state)
{
    (void)state;
    char *before;
    char *folder = work_in(&before);
    assert_int_equal(mkdir("sub", 0700), 0);
    file_write("file", "x");
    char longest[PATH_MAX + 10];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    static const struct {
        const char *path;
        int result;
    } rows[] = {
        {"", -EISDIR},     {".", -EISDIR},         {"..", -EISDIR},    {"/", -EISDIR},
        {"sub", -EISDIR},  {"sub/", -EISDIR},      {"sub/.", -EISDIR}, {"file/x", -ENOTDIR},
        {"no/x", -ENOENT}, {"/dev/null", -EINVAL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (replace(rows[i].path, "x") != rows[i].result)
            fail_msg("'%s' gives %d", rows[i].path, replace(rows[i].path, "x"));
    assert_int_equal(replace(longest, "x"), -ENAMETOOLONG);
    longest[NAME_MAX + 1] = '\0';
    assert_int_equal(replace(longest, "x"), -ENAMETOOLONG);
    work_ends(folder, before);
}

/* A name with no room for a suffix. */
static void the_longest_name(void **state)
{
    (void)state;
    char *before;
    char *folder = work_in(&before);
    char name[NAME_MAX + 1];
    memset(name, 'a', NAME_MAX);
    name[NAME_MAX] = '\0';
    assert_int_equal(replace(name, "one"), 0);
    assert_int_equal(replace(name, "another"), 0);
    assert_file(name, "another");
    work_ends(folder, before);
}

/* Mode and symbolic links stay; the file that a link leads to is written, be it there or not. */
static void links_and_modes_stay(void **state)
{
    (void)state;
    char *before;
    char *folder = work_in(&before);
    struct stat status;
    assert_int_equal(mkdir("real", 0700), 0);
    assert_int_equal(symlink("real/a", "direct"), 0);
    assert_int_equal(symlink("../direct", "real/indirect"), 0);
    assert_int_equal(replace("direct", "one"), 0); /* leads nowhere yet */
    assert_file("real/a", "one");
    assert_int_equal(stat("real/a", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(chmod("real/a", 0640), 0);
    if (geteuid() == 0)
        assert_int_equal(chown("real/a", 12, 34), 0);
    assert_int_equal(replace("real/indirect", "another"), 0);
    assert_file("real/a", "another");
    assert_int_equal(lstat("direct", &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(lstat("real/indirect", &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(stat("real/a", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    if (geteuid() == 0)
        assert_true(status.st_uid == 12 && status.st_gid == 34);
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_int_not_equal(replace("loop", "x"), -EINVAL);
    work_ends(folder, before);
}

/* What a crash left behind is taken over, or removed by a start; what somebody is writing is let alone. */
static void what_is_left_behind(void **state)
{
    (void)state;
    char *before;
    char *folder = work_in(&before);
    file_write("a", "old");
    file_write("a.rewrite", "half of something much longer");
    assert_int_equal(replace("a", "new"), 0);
    assert_file("a", "new");
    file_write("a.rewrite", "half of it");
    file_replace_clean("a");
    assert_int_equal(access("a.rewrite", F_OK), -1);
    file_replace_clean("a");

    file_write("a.rewrite", "another server's");
    int descriptor = open("a.rewrite", O_RDONLY);
    assert_int_equal(flock(descriptor, LOCK_EX), 0);
    file_replace_clean("a");
    assert_int_equal(replace("a", "newer"), -EBUSY);
    assert_file("a", "new");
    assert_file("a.rewrite", "another server's");
    close(descriptor);

    /* A link in its place leads nobody astray. */
    assert_int_equal(unlink("a.rewrite"), 0);
    file_write("victim", "precious");
    assert_int_equal(symlink("victim", "a.rewrite"), 0);
    assert_int_equal(replace("a", "newer"), -ELOOP);
    assert_file("victim", "precious");
    assert_int_equal(unlink("a.rewrite"), 0);
    assert_int_equal(link("victim", "a.rewrite"), 0);
    assert_int_equal(replace("a", "newer"), 0);
    assert_file("victim", "precious");
    assert_file("a", "newer");
    work_ends(folder, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_path),  cmocka_unit_test(what_is_no_file),
        cmocka_unit_test(the_longest_name),    cmocka_unit_test(links_and_modes_stay),
        cmocka_unit_test(what_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
