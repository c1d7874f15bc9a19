/* The names of a crashed process's addresses. To look them up takes memory, files and locks, which a process
 * that crashed may not trust. So the program is started anew for it, and reads the map of its parent, which
 * waits. libdw (elfutils) knows the functions, static ones included, and the lines where there is debug
 * information. */
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/process.h"

#define OPTION "--describe-crashed-parent"
/* The parent waits, and a supervisor for the parent: not for ever, whatever the disk with the symbols does.
 */
#define DESCRIBE_SECONDS_MAX 60
#define ADDRESS_TEXT_MAX     24

/* Whether this program, started with OPTION, looks up instead of doing what it usually does. One whose main
 * does not would crash again, and again. */
static bool can_describe;

/* --- the one that crashed --------------------------------------------------------------------------- */

/* snprintf takes no lock for numbers, and no memory. */
void process_backtrace_describe(void *const *addresses, int count, const void *exact, int descriptor)
{
    if (!can_describe)
        return;
    static char texts[PROCESS_FRAMES_MAX][ADDRESS_TEXT_MAX];
    char *words[PROCESS_FRAMES_MAX + 3] = {(char *)(uintptr_t) "dkv-server", (char *)(uintptr_t)OPTION};
    for (int i = 0; i < count; i++) {
        /* All others are return addresses: the call stands before. */
        uintptr_t address = (uintptr_t)addresses[i] - (addresses[i] == exact ? 0 : 1);
        snprintf(texts[i], sizeof(texts[i]), "%" PRIxPTR, address);
        words[2 + i] = texts[i];
    }
    pid_t child = _Fork(); /* without the handlers of pthread_atfork, which take locks */
    if (child == 0) {
        dup2(descriptor, STDOUT_FILENO);
        process_signals_unblock();
        alarm(DESCRIBE_SECONDS_MAX);
        execv("/proc/self/exe", words);
        _exit(1);
    }
    if (child > 0)
        waitpid(child, NULL, 0);
}

/* --- the one that looks up -------------------------------------------------------------------------- */

static Dwfl *open_parent(void)
{
    static char *no_path;
    static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_linux_proc_find_elf,
                                             .find_debuginfo = dwfl_standard_find_debuginfo,
                                             .debuginfo_path = &no_path};
    Dwfl *dwfl = dwfl_begin(&callbacks);
    if (dwfl && (dwfl_linux_proc_report(dwfl, getppid()) != 0 || dwfl_report_end(dwfl, NULL, NULL) != 0)) {
        dwfl_end(dwfl);
        return NULL;
    }
    return dwfl;
}

static const char *last_part(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "?";
}

/* Unit by unit: the index that dwfl_module_getsrc relies on is not written by clang. */
static Dwarf_Line *line_of(Dwfl_Module *module, GElf_Addr address)
{
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = NULL;
    while ((unit = dwfl_module_nextcu(module, unit, &bias)) != NULL)
        if (dwarf_haspc(unit, address - bias) == 1)
            return dwarf_getsrc_die(unit, address - bias);
    return NULL;
}

static void describe(Dwfl *dwfl, int number, GElf_Addr address)
{
    Dwfl_Module *module = dwfl_addrmodule(dwfl, address);
    if (!module) {
        printf("#%d ? (0x%" PRIx64 ")\n", number, (uint64_t)address);
        return;
    }
    GElf_Addr base = 0;
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char *file = dwfl_module_info(module, NULL, &base, NULL, NULL, NULL, NULL, NULL);
    const char *function = dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL);
    Dwarf_Line *line = line_of(module, address);
    int line_number = 0;
    printf("#%d %s", number, function ? function : "?");
    if (line && dwarf_lineno(line, &line_number) == 0)
        printf(" at %s:%d", dwarf_linesrc(line, NULL, NULL), line_number);
    printf(" (%s+0x%" PRIx64 ")\n", last_part(file), (uint64_t)(address - base));
}

bool process_describes_parent(int argc, char **argv)
{
    if (argc < 3 || strcmp(argv[1], OPTION) != 0) {
        can_describe = true;
        return false;
    }
    Dwfl *dwfl = open_parent();
    if (!dwfl)
        return true; /* the offsets that were written before have to do */
    for (int i = 2; i < argc; i++)
        describe(dwfl, i - 2, strtoull(argv[i], NULL, 16));
    fflush(stdout);
    dwfl_end(dwfl);
    return true;
}
