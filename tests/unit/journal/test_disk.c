/* The POSIX disk, on a real temporary folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "journal/disk.h"

static char folder[64];

static struct disk *open_disk(void)
{
    struct disk *disk;
    assert_int_equal(disk_posix_open(folder, &disk), 0);
    return disk;
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dkv-test-disk-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* A folder that is missing is made, with its parents; one that is there is taken as it is. */
static void folders_are_made(void **state)
{
    (void)state;
    char path[128];
    struct disk *disk;
    struct stat status;
    snprintf(path, sizeof(path), "%s/a/b//c/", folder);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(disk_posix_open(path, &disk), 0);
        disk_free(disk);
    }
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISDIR(status.st_mode));
    snprintf(path, sizeof(path), "%s/file", folder);
    fclose(fopen(path, "w"));
    assert_int_equal(disk_posix_open(path, &disk), -ENOTDIR);
}

/* Opening for reading and for writing needs the file to be there, creating needs it not to be. */
static void open_modes_differ(void **state)
{
    (void)state;
    struct disk *disk = open_disk();
    struct disk_file *file;
    assert_int_equal(disk_open(disk, "f", DISK_READ, &file), -ENOENT);
    assert_int_equal(disk_open(disk, "f", DISK_WRITE, &file), -ENOENT);
    assert_int_equal(disk_open(disk, "f", DISK_CREATE, &file), 0);
    disk_close(file);
    assert_int_equal(disk_open(disk, "f", DISK_CREATE, &file), -EEXIST);
    assert_int_equal(disk_open(disk, "f", DISK_WRITE, &file), 0);
    disk_close(file);
    disk_free(disk);
}

/* What is written is read; reading stops at the end; reserved space reads as zero and keeps what was there.
 */
static void bytes_are_kept(void **state)
{
    (void)state;
    struct disk *disk = open_disk();
    struct disk_file *file;
    char bytes[64];
    uint64_t size;
    assert_int_equal(disk_open(disk, "f", DISK_CREATE, &file), 0);
    assert_int_equal(disk_write(file, "hello", 5, 3), 0);
    assert_int_equal(disk_read(file, bytes, sizeof(bytes), 0), 8);
    assert_memory_equal(bytes, "\0\0\0hello", 8);
    assert_int_equal(disk_read(file, bytes, sizeof(bytes), 8), 0);
    assert_int_equal(disk_allocate(file, 0, 50000), 0);
    assert_int_equal(disk_size(file, &size), 0);
    assert_int_equal(size, 50000);
    assert_int_equal(disk_read(file, bytes, 10, 3), 10);
    assert_memory_equal(bytes, "hello\0\0\0\0\0", 10);
    assert_int_equal(disk_sync(file), 0);
    assert_int_equal(disk_truncate(file, 4), 0);
    assert_int_equal(disk_read(file, bytes, sizeof(bytes), 0), 4);
    disk_close(file);
    uint64_t free_bytes;
    assert_int_equal(disk_free_space(disk, &free_bytes), 0);
    assert_true(free_bytes > 0);
    disk_free(disk);
}

static void collect(void *context, const char *name)
{
    strcat(context, name);
    strcat(context, " ");
}

/* Names come and go. */
static void names_are_listed_renamed_and_removed(void **state)
{
    (void)state;
    struct disk *disk = open_disk();
    struct disk_file *file;
    char names[64] = "";
    assert_int_equal(disk_open(disk, "one", DISK_CREATE, &file), 0);
    disk_close(file);
    assert_int_equal(disk_rename(disk, "one", "two"), 0);
    assert_int_equal(disk_rename(disk, "one", "three"), -ENOENT);
    assert_int_equal(disk_sync_folder(disk), 0);
    assert_int_equal(disk_list(disk, collect, names), 0);
    assert_string_equal(names, "two ");
    assert_int_equal(disk_unlink(disk, "two"), 0);
    assert_int_equal(disk_unlink(disk, "two"), -ENOENT);
    disk_free(disk);
}

/* D13: a second process is refused and told who holds the folder; a child that the holder forked holds it,
 * too, as long as it lives; and taking it twice through one disk is fine. */
static void a_folder_has_one_owner(void **state)
{
    (void)state;
    struct disk *disk = open_disk();
    struct disk *other = open_disk();
    int holder = -1;
    assert_int_equal(disk_lock(disk, "LOCK", &holder), 0);
    assert_int_equal(disk_lock(disk, "LOCK", &holder), 0);
    assert_int_equal(disk_lock(other, "LOCK", &holder), -EWOULDBLOCK);
    assert_int_equal(holder, getpid());
    int done[2];
    char byte;
    assert_int_equal(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) { /* a rewrite that outlives its server */
        close(done[1]);
        _exit(read(done[0], &byte, 1) == 0 ? 0 : 1);
    }
    disk_free(disk);
    assert_int_equal(disk_lock(other, "LOCK", &holder), -EWOULDBLOCK);
    close(done[1]);
    close(done[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(disk_lock(other, "LOCK", &holder), 0);
    disk_free(other);
}

/* A holder that has ended, though nobody has asked how, is no reason to give up on the child that it left:
 * that ends soon. So it is when the file that named the holder was removed. */
static void a_dead_holder_is_outwaited(void **state)
{
    (void)state;
    for (int removed = 0; removed < 2; removed++) {
        pid_t server = fork();
        assert_true(server >= 0);
        if (server == 0) {
            int holder;
            struct disk *disk;
            if (disk_posix_open(folder, &disk) < 0 || disk_lock(disk, "LOCK", &holder) < 0)
                _exit(1);
            if (fork() == 0)
                usleep(200000);
            _exit(0);
        }
        siginfo_t end;
        assert_int_equal(waitid(P_PID, (id_t)server, &end, WEXITED | WNOWAIT), 0);
        struct disk *disk = open_disk();
        int holder = 0;
        if (removed)
            assert_int_equal(disk_unlink(disk, "LOCK"), 0);
        assert_int_equal(disk_lock(disk, "LOCK", &holder), 0);
        int status;
        assert_int_equal(waitpid(server, &status, 0), server);
        assert_int_equal(status, 0);
        disk_free(disk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders_are_made, setup, teardown),
        cmocka_unit_test_setup_teardown(open_modes_differ, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(names_are_listed_renamed_and_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_has_one_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_holder_is_outwaited, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
