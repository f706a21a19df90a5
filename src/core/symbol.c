/* SPDX-License-Identifier: MIT */

/* Symbols by libdw, which is loaded only when somebody wants to read a report: a library that is there to be small
 * must not drag it into every program. */

#include "core/symbol.h"

#include <dlfcn.h>
#include <kettle/memory.h>
#include <stdio.h>
#include <unistd.h>

#ifdef KT_LIBDW
#include <elfutils/libdwfl.h>

/* The functions of libdw that are used here. */
#define FUNCTIONS(X) \
    X(dwfl_begin) \
    X(dwfl_end) \
    X(dwfl_linux_proc_report) \
    X(dwfl_report_end) \
    X(dwfl_linux_proc_find_elf) \
    X(dwfl_addrmodule) \
    X(dwfl_module_addrinfo) \
    X(dwfl_module_getsrc) \
    X(dwfl_module_nextcu) \
    X(dwarf_haspc) \
    X(dwarf_getsrc_die) \
    X(dwarf_linesrc) \
    X(dwarf_lineno) \
    X(dwfl_lineinfo)

struct kt__symbols {
    void *library;
    Dwfl *dwfl;
    Dwfl_Callbacks callbacks; /* libdw keeps the pointer */
#define X(name) __typeof__(&name) name;
    FUNCTIONS(X)
#undef X
};

/* Only what the object itself carries: the library's own search may ask servers in the network. */
static int no_separate_debuginfo(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
                                 const char *file, const char *link, GElf_Word checksum, char **ret_file)
{
    (void)module, (void)userdata, (void)name, (void)base;
    (void)file, (void)link, (void)checksum, (void)ret_file;
    return -1;
}

static bool load(struct kt__symbols *s)
{
    s->library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!s->library)
        return false;
#define X(name) \
    s->name = (__typeof__(s->name))(uintptr_t)dlsym(s->library, #name); \
    if (!s->name) \
        return false;
    FUNCTIONS(X)
#undef X
    return true;
}

static bool read_process(struct kt__symbols *s)
{
    s->callbacks = (Dwfl_Callbacks){
        .find_elf = s->dwfl_linux_proc_find_elf,
        .find_debuginfo = no_separate_debuginfo,
    };
    s->dwfl = s->dwfl_begin(&s->callbacks);
    return s->dwfl && s->dwfl_linux_proc_report(s->dwfl, getpid()) == 0 &&
           s->dwfl_report_end(s->dwfl, NULL, NULL) == 0;
}

struct kt__symbols *kt__symbols_open(void)
{
    struct kt__symbols *s = kt_calloc(1, sizeof *s);
    if (s && load(s) && read_process(s))
        return s;
    kt__symbols_close(s);
    return NULL;
}

void kt__symbols_close(struct kt__symbols *s)
{
    if (!s)
        return;
    if (s->dwfl)
        s->dwfl_end(s->dwfl);
    if (s->library)
        dlclose(s->library);
    kt_free(s);
}

/* The last two parts of a path: enough to find the file, and the same wherever it was built. */
static const char *short_path(const char *path)
{
    int slashes = 0;
    const char *p = path + strlen(path);
    while (p > path && (p[-1] != '/' || ++slashes < 2))
        p--;
    return p;
}

/* The source file and line, or NULL. By libdw's table of addresses, which gcc makes (.debug_aranges) and clang
 * does not; else unit by unit. */
static const char *place_of(const struct kt__symbols *s, Dwfl_Module *module, Dwarf_Addr at, int *ret_line)
{
    Dwfl_Line *known = s->dwfl_module_getsrc(module, at);
    if (known)
        return s->dwfl_lineinfo(known, NULL, ret_line, NULL, NULL, NULL);
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = NULL;
    while ((unit = s->dwfl_module_nextcu(module, unit, &bias))) {
        if (s->dwarf_haspc(unit, at - bias) <= 0)
            continue;
        Dwarf_Line *line = s->dwarf_getsrc_die(unit, at - bias);
        return line && s->dwarf_lineno(line, ret_line) == 0 ? s->dwarf_linesrc(line, NULL, NULL) : NULL;
    }
    return NULL;
}

static bool describe_by_debug(struct kt__symbols *s, const void *address, char *text, size_t size)
{
    const Dwarf_Addr at = (uintptr_t)address - 1; /* the call, not what follows it */
    GElf_Off offset;
    GElf_Sym symbol;
    int line_number = 0;
    Dwfl_Module *module = s ? s->dwfl_addrmodule(s->dwfl, at) : NULL;
    if (!module)
        return false;
    const char *name = s->dwfl_module_addrinfo(module, at, &offset, &symbol, NULL, NULL, NULL);
    if (!name)
        return false;
    const char *file = place_of(s, module, at, &line_number);
    if (file)
        snprintf(text, size, "%s+%#llx at %s:%d", name, (unsigned long long)offset + 1, short_path(file),
                 line_number);
    else
        snprintf(text, size, "%s+%#llx", name, (unsigned long long)offset + 1);
    return true;
}

#else

struct kt__symbols *kt__symbols_open(void)
{
    return NULL;
}

void kt__symbols_close(struct kt__symbols *s)
{
    (void)s;
}

static bool describe_by_debug(struct kt__symbols *s, const void *address, char *text, size_t size)
{
    (void)s, (void)address, (void)text, (void)size;
    return false;
}

#endif

void kt__symbols_describe(struct kt__symbols *s, const void *address, char *text, size_t size)
{
    Dl_info info;
    if (describe_by_debug(s, address, text, size))
        return;
    if (!address || !dladdr((const char *)address - 1, &info)) /* in the call, not behind it */
        snprintf(text, size, "%p", address);
    else if (info.dli_sname)
        snprintf(text, size, "%s+%#tx (%s)", info.dli_sname, (const char *)address - (char *)info.dli_saddr,
                 info.dli_fname);
    else
        snprintf(text, size, "%s+%#tx", info.dli_fname, (const char *)address - (char *)info.dli_fbase);
}
