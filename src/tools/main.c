/* dkv-log: the operator's tool. Opens what the command line names and runs the command. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/version.h"
#include "journal/manifest.h"
#include "journal/names.h"
#include "tools/command_line.h"

/* Whether somebody has locked it. That is tried for a moment, as a reader, so that nothing is changed. */
static bool is_locked(int fd)
{
    if (fd < 0)
        return false;
    bool locked = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (!locked)
        flock(fd, LOCK_UN);
    return locked;
}

/* Whether a server holds the folder, and which process that is. It locks the folder, where that can be done,
 * and a file in it. */
static void look_for_holder(struct tool *tool, const char *folder)
{
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0)
        return;
    int fd = openat(folder_fd, LOCK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    tool->in_use = is_locked(folder_fd) || is_locked(fd);
    tool->holder = tool->in_use ? disk_posix_holder(fd) : 0;
    if (fd >= 0)
        close(fd);
    close(folder_fd);
}

/* Opens a folder that is there; the disk would make it otherwise. */
static int open_source(struct tool *tool)
{
    struct stat status;
    const char *folder = tool->options->folder;
    int rc = stat(folder, &status) < 0 ? -errno : S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
    if (rc == 0)
        rc = disk_posix_open(folder, &tool->disk);
    if (rc < 0)
        return tool_fail(tool, "cannot open %s: %s", folder, strerror(-rc));
    look_for_holder(tool, folder);
    return STATUS_FINE;
}

/* What a repair makes is to be the server's own, also where root runs it: else the server could not open it.
 * Whose the server is tells the file that it locks. Root then reads no more than the server can, either. */
static int become_owner(struct tool *tool, const char *folder)
{
    static const char *const names[] = {LOCK_NAME, MANIFEST_NAME, "."};
    struct stat status;
    int fd = geteuid() == 0 ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int rc = -1;
    for (size_t i = 0; fd >= 0 && rc < 0 && i < sizeof(names) / sizeof(names[0]); i++)
        rc = fstatat(fd, names[i], &status, AT_SYMLINK_NOFOLLOW);
    if (fd >= 0)
        close(fd);
    if (rc == 0 && status.st_uid != 0 && (setegid(status.st_gid) < 0 || seteuid(status.st_uid) < 0))
        return tool_fail(tool, "cannot act as the owner of %s: %s", folder, strerror(errno));
    return STATUS_FINE;
}

/* 0 for a folder that is empty, or not there; a negative errno, -ENOTEMPTY among them. */
static int check_empty(const char *folder)
{
    DIR *opened = opendir(folder);
    struct dirent *entry;
    bool empty = true;
    if (!opened)
        return errno == ENOENT ? 0 : -errno;
    while ((entry = readdir(opened)) != NULL)
        /* What a file system puts into its root by itself. */
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                          strcmp(entry->d_name, "lost+found") == 0);
    closedir(opened);
    return empty ? 0 : -ENOTEMPTY;
}

static int open_into(struct tool *tool, bool *made)
{
    const char *folder = tool->options->into;
    int holder;
    *made = access(folder, F_OK) < 0;
    int rc = check_empty(folder);
    if (rc == -ENOTEMPTY)
        return tool_fail(tool, "%s is not an empty folder: give a new one", folder);
    if (rc == 0)
        rc = disk_posix_open(folder, &tool->into);
    /* Nobody else may write there meanwhile. */
    if (rc == 0 && (rc = disk_lock(tool->into, LOCK_NAME, &holder)) < 0) {
        disk_free(tool->into);
        tool->into = NULL;
    }
    return rc < 0 ? tool_fail(tool, "cannot make %s: %s", folder, strerror(-rc)) : STATUS_FINE;
}

/* What could not be made is left as it was found: not there, or empty. */
static void close_disks(struct tool *tool, int status, bool made)
{
    if (tool->disk)
        disk_free(tool->disk);
    if (tool->into && status != STATUS_FINE)
        disk_unlink(tool->into, LOCK_NAME);
    if (tool->into)
        disk_free(tool->into);
    if (tool->into && status != STATUS_FINE && made)
        rmdir(tool->options->into);
}

static int run(const struct log_command *command, const struct options *options)
{
    struct tool tool = {.options = options,
                        .out = stdout,
                        .error = stderr,
                        .on_terminal = isatty(STDERR_FILENO) == 1,
                        .clock = clock_system()};
    int status = STATUS_FINE;
    bool made = false;
    if (!command->opens_nothing)
        status = open_source(&tool);
    if (status == STATUS_FINE && command->run == repair_run)
        status = become_owner(&tool, options->folder);
    if (status == STATUS_FINE && options->into)
        status = open_into(&tool, &made);
    if (status == STATUS_FINE)
        status = command->run(&tool);
    close_disks(&tool, status, made);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == STATUS_FINE)
        status = tool_fail(&tool, "cannot write the output: %s", strerror(errno));
    return status;
}

int main(int argc, char **argv)
{
    const struct log_command *command;
    struct options options;
    diag_set_level(DIAG_WARNING);
    /* What reaches the limit on a file's size fails with an error that is told, like a full disk. */
    signal(SIGXFSZ, SIG_IGN);
    switch (command_line_parse(argc, argv, &command, &options)) {
    case PARSED: return run(command, &options);
    case PARSED_HELP: command_line_help(stdout, command); return STATUS_FINE;
    case PARSED_VERSION: printf("dkv-log %s\n", DKV_VERSION); return STATUS_FINE;
    default: return STATUS_USAGE;
    }
}
