/* How the process is known from outside: its title in ps, and the build it comes from. */
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/process.h"

/* --- title ------------------------------------------------------------------------------------------ */

/* The kernel shows the memory that the arguments, and behind them the environment, were handed over in. */
static struct {
    char *begin;
    size_t size;
} title;

void process_title_init(int argc, char **argv)
{
    if (argc < 1)
        return;
    char *end = argv[0];
    for (int i = 0; i < argc; i++)
        if (argv[i] == end)
            end += strlen(argv[i]) + 1;
    for (char **variable = environ; *variable != NULL; variable++)
        if (*variable == end)
            end += strlen(*variable) + 1;
    title.begin = argv[0];
    title.size = (size_t)(end - argv[0]);
    /* What lives there moves, for the rest of the process's life. */
    for (int i = 0; i < argc; i++)
        argv[i] = mem_strdup(argv[i]);
    for (char **variable = environ; *variable != NULL; variable++)
        *variable = mem_strdup(*variable);
}

void process_title_set(const char *text)
{
    if (title.size == 0)
        return;
    size_t size = strlen(text);
    if (size > title.size - 1)
        size = title.size - 1;
    memcpy(title.begin, text, size);
    memset(title.begin + size, 0, title.size - size);
}

/* --- build ------------------------------------------------------------------------------------------ */

/* Looks for the linker's build id among the notes of the program itself, the first object that is listed. */
static int find_build_id(struct dl_phdr_info *info, size_t size, void *result)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_NOTE)
            continue;
        const char *at = (const char *)(info->dlpi_addr + header->p_vaddr);
        const char *end = at + header->p_memsz;
        while (at + sizeof(ElfW(Nhdr)) <= end) {
            ElfW(Nhdr) note;
            memcpy(&note, at, sizeof(note));
            const char *name = at + sizeof(note);
            const char *contents = name + ((note.n_namesz + 3) & ~3u);
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(name, "GNU", 4) == 0 &&
                note.n_descsz >= sizeof(uint64_t)) {
                memcpy(result, contents, sizeof(uint64_t));
                return 1;
            }
            at = contents + ((note.n_descsz + 3) & ~3u);
        }
    }
    return 1;
}

uint64_t process_build_id(void)
{
    uint64_t id = 0;
    dl_iterate_phdr(find_build_id, &id);
    return id;
}
