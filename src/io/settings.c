/* SPDX-License-Identifier: MIT */

/* Settings: each row of the table has a slot, in which the source of the greatest weight wins, whatever the order
 * in which they are read. Nothing reaches the program's struct before all is known to be good. */

#include <kettle/settings.h>

#include <errno.h>
#include <fcntl.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/core.h"
#include "io/settings_private.h"

int kt__settings_wrong(kt_settings *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = kt_buffer_vprintf(&s->wrong, format, args);
    va_end(args);
    return rc < 0 ? rc : kt_buffer_append(&s->wrong, "\n", 1);
}

/* ---- One value ------------------------------------------------------------------------------------------ */

/* SOURCE = "value": what is wrong. */
static int tell_wrong(kt_settings *s, const kt__setting_given *g, const char *text, const char *problem)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    const kt_setting *row = &g->settings->spec->table[g->row];
    int rc = g->path ? kt_buffer_printf(&b, "%s:%u: ", g->path, g->line) : 0;
    if (rc == 0)
        rc = kt_buffer_append_string(&b, g->shown);
    if (rc == 0 && text && !(row->flags & KT_SETTING_SECRET)) {
        rc = kt_buffer_append_string(&b, " = \"");
        if (rc == 0)
            rc = kt__settings_quote(&b, text);
        if (rc == 0)
            rc = kt_buffer_append_string(&b, "\"");
    }
    return rc < 0 ? rc : kt__settings_wrong(s, "%.*s: %s", (int)b.size, b.data, problem);
}

static int parse_one(kt_settings *s, const kt__setting_given *g, const char *text, kt__setting_value *v)
{
    kt_auto(kt_buffer) problem = KT_BUFFER_INIT;
    kt__setting_place place = {NULL, 0};
    const char *slash = g->path ? strrchr(g->path, '/') : NULL;
    if (slash)
        place = (kt__setting_place){g->path, (size_t)(slash - g->path) + 1};
    int rc = kt__setting_parse(&g->settings->spec->table[g->row], text, &place, v, &problem);
    if (rc != KT_EVALIDATION)
        return rc;
    const char *words = kt_buffer_string(&problem);
    rc = words ? tell_wrong(s, g, text, words) : -ENOMEM;
    return rc < 0 ? rc : KT_EVALIDATION;
}

/* A value that is not a list's. */
static int parse_scalar(kt_settings *s, const kt__setting_given *g, char *text, kt__setting_value *v)
{
    const char *problem = NULL;
    if (g->weight == KT__SETTING_FROM_FILE)
        text = kt__conf_value(text, &problem);
    if (text)
        return parse_one(s, g, text, v);
    int rc = tell_wrong(s, g, NULL, problem);
    return rc < 0 ? rc : KT_EVALIDATION;
}

static int parse_list(kt_settings *s, const kt__setting_given *g, char *text, kt__setting_value *v)
{
    const char *problem;
    int rc = 0;
    for (char *item; rc == 0 && (item = kt__conf_item(&text, g->weight == KT__SETTING_FROM_FILE, &problem));)
        rc = parse_one(s, g, item, v);
    if (rc < 0 || !problem)
        return rc;
    rc = tell_wrong(s, g, NULL, problem);
    return rc < 0 ? rc : KT_EVALIDATION;
}

static char *source_name(const kt__setting_given *g)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int rc = g->path ? kt_buffer_printf(&b, "%s:%u", g->path, g->line) : kt_buffer_append_string(&b, g->shown);
    return rc < 0 ? NULL : kt_strndup(b.data, b.size);
}

/* Puts the value into its slot, unless what is there weighs more. It is the slot's then, or gone. */
static int settle(kt__setting_slot *slot, const kt__setting_given *g, kt__setting_value *v)
{
    char *source = g->weight >= slot->weight && g->weight > KT__SETTING_STANDARD ? source_name(g) : NULL;
    if (g->weight < slot->weight || (!source && g->weight > KT__SETTING_STANDARD)) {
        kt__setting_value_release(v);
        return g->weight < slot->weight ? 0 : -ENOMEM;
    }
    kt_free(slot->source);
    kt__setting_value_release(&slot->value);
    *slot = (kt__setting_slot){.weight = g->weight, .source = source, .line = g->line, .value = *v};
    return 0;
}

/* A list grows by what the same source says again; anything else stands once in a file. */
static int take_up(kt_settings *s, const kt__setting_given *g, kt__setting_slot *slot, bool list, kt__setting_value *v)
{
    if (slot->weight != g->weight || g->weight == KT__SETTING_STANDARD)
        return 0;
    if (list) {
        *v = slot->value;
        slot->value = (kt__setting_value){0};
        return 0;
    }
    if (g->weight != KT__SETTING_FROM_FILE)
        return 0;
    int rc = kt__settings_wrong(s, "%s:%u: %s: given on line %u already", g->path, g->line, g->shown, slot->line);
    return rc < 0 ? rc : KT_EVALIDATION;
}

int kt__settings_give(kt_settings *s, const kt__setting_given *g, char *text)
{
    kt__setting_slot *slot = &g->settings->slots[g->row];
    bool list = g->settings->spec->table[g->row].type == KT_SETTING_IS_LIST;
    kt__setting_value v = {0};
    int rc = take_up(s, g, slot, list, &v);
    if (rc == 0)
        rc = list ? parse_list(s, g, text, &v) : parse_scalar(s, g, text, &v);
    if (rc == 0)
        return settle(slot, g, &v);
    kt__setting_value_release(&v);
    return rc == KT_EVALIDATION ? 0 : rc;
}

/* ---- Files ------------------------------------------------------------------------------------------------- */

static int unknown(kt_settings *s, const char *path, const kt__conf *c)
{
    const char *near = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < s->count; i++)
        if (!(s->spec->table[i].flags & KT_SETTING_NO_FILE) &&
            kt__word_near(c->name, strlen(c->name), s->spec->table[i].name, &best))
            near = s->spec->table[i].name;
    return kt__settings_wrong(s, "%s:%u: %s: no such setting%s%s%s", path, c->line, c->name,
                              near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int read_line(kt_settings *s, const char *path, const kt__conf *c)
{
    size_t row = kt__settings_find(s, c->name);
    if (row == SIZE_MAX || s->spec->table[row].flags & KT_SETTING_NO_FILE)
        return unknown(s, path, c);
    const kt__setting_given g = {
        .settings = s,
        .row = row,
        .weight = KT__SETTING_FROM_FILE,
        .path = path,
        .line = c->line,
        .shown = s->spec->table[row].name,
    };
    return kt__settings_give(s, &g, c->raw);
}

static int read_bytes(kt_settings *s, const char *path, char *bytes, size_t size)
{
    kt__conf c;
    int rc = 0, more;
    kt__conf_start(&c, bytes, size);
    while (rc == 0 && (more = kt__conf_next(&c)) != 0)
        rc = more > 0 ? read_line(s, path, &c) : kt__settings_wrong(s, "%s:%u: %s", path, c.line, c.problem);
    return rc;
}

int kt_settings_bytes(kt_settings *s, const char *path, kt_slice bytes)
{
    if (bytes.size > KT__CONF_BYTES_MAX)
        return kt__settings_wrong(s, "%s: more than 1 MiB", path);
    char *copy = kt_strndup(bytes.data ? bytes.data : "", bytes.size);
    if (!copy)
        return -ENOMEM;
    int rc = read_bytes(s, path, copy, bytes.size);
    kt_free(copy);
    return rc;
}

static int read_descriptor(kt_settings *s, const char *path, int fd)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        return kt__settings_wrong(s, "%s: %s", path, kt_strerror(-EISDIR));
    for (;;) {
        int rc = kt_buffer_reserve(&b, 4096);
        if (rc < 0)
            return rc;
        ssize_t n = read(fd, b.data + b.size, b.capacity - b.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return kt__settings_wrong(s, "%s: %s", path, kt_strerror(-errno));
        if (n == 0 || b.size > KT__CONF_BYTES_MAX)
            return kt_settings_bytes(s, path, kt_buffer_slice(&b));
        b.size += (size_t)n;
    }
}

/* One that must not be there is no trouble when it is not. */
static int read_path(kt_settings *s, const char *path, bool must_be)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && errno == ENOENT && !must_be)
        return 0;
    if (fd < 0)
        return kt__settings_wrong(s, "%s: %s", path, kt_strerror(-errno));
    int rc = read_descriptor(s, path, fd);
    close(fd);
    return rc;
}

int kt_settings_file(kt_settings *s, const char *path)
{
    return read_path(s, path, true);
}

/* ---- The values ---------------------------------------------------------------------------------------------- */

static int find_missing(const kt_settings *s, kt_settings *teller)
{
    int rc = 0;
    for (size_t i = 0; i < s->count && rc == 0; i++) {
        const kt_setting *row = &s->spec->table[i];
        char option[KT__SETTING_NAME_SIZE];
        kt__setting_option(row, option);
        if (row->flags & KT_SETTING_REQUIRED && s->slots[i].weight == KT__SETTING_STANDARD)
            rc = kt__settings_wrong(teller, "%s%s: must be given", row->flags & KT_SETTING_NO_OPTION ? "" : "--",
                                    row->flags & KT_SETTING_NO_OPTION ? row->name : option);
    }
    return rc;
}

static void store_all(kt_settings *s)
{
    for (size_t i = 0; i < s->count; i++)
        kt__setting_store(&s->spec->table[i], &s->slots[i].value, s->values);
}

/* program: what is wrong, for each line; and where help is. */
static int tell_all(kt_settings *s)
{
    const char *lines = kt_buffer_string(&s->wrong);
    int rc = lines ? 0 : -ENOMEM;
    kt_buffer_clear(&s->text);
    for (const char *end; rc == 0 && *lines; lines = end + 1) {
        end = strchrnul(lines, '\n');
        rc = kt_buffer_printf(&s->text, "%s: %.*s\n", s->spec->program, (int)(end - lines), lines);
    }
    if (rc == 0)
        rc = kt_buffer_printf(&s->text, "Try '%s --help'.\n", s->spec->program);
    if (rc < 0 || !kt_buffer_string(&s->text))
        return -ENOMEM;
    return kt_error_set(KT_EVALIDATION, "%.*s", (int)strcspn(s->wrong.data, "\n"), s->wrong.data);
}

int kt_settings_apply(kt_settings *s)
{
    int rc = s->command < 0 ? find_missing(s, s) : 0; /* with a command, options may come behind it */
    if (rc == 0 && s->parent)
        rc = find_missing(s->parent, s);
    if (rc < 0)
        return rc;
    if (s->wrong.size)
        return tell_all(s);
    store_all(s);
    if (s->parent)
        store_all(s->parent);
    return 0;
}

int kt_settings_load(kt_settings *s, int argc, char **argv)
{
    int rc = kt_settings_arguments(s, argc, argv);
    if (rc == 0 && s->spec->environment)
        rc = kt_settings_environment(s, NULL);
    if (rc == 0 && s->spec->file)
        rc = read_path(s, s->config ? s->config : s->spec->file, s->config != NULL);
    if (rc != 0)
        return rc;
    bool show = s->show || (s->parent && s->parent->show);
    rc = kt_settings_apply(s);
    if (rc < 0 || !show || s->command >= 0)
        return rc;
    kt_buffer_clear(&s->text);
    rc = kt_settings_show(s, &s->text);
    return rc < 0 || !kt_buffer_string(&s->text) ? -ENOMEM : 1;
}

/* ---- Making and freeing ------------------------------------------------------------------------------------------ */

static int set_standard(kt_settings *s, size_t row)
{
    const kt_setting *r = &s->spec->table[row];
    const kt__setting_given g = {.settings = s, .row = row, .shown = r->name};
    if (!r->standard) {
        int64_t n = r->min > 0 ? r->min : r->max < 0 ? r->max : 0;
        s->slots[row].value.integer = n;
        s->slots[row].value.real = (double)n;
        return 0;
    }
    char *text = kt_strndup(r->standard, strlen(r->standard));
    int rc = text ? kt__settings_give(s, &g, text) : -ENOMEM;
    kt_free(text);
    if (s->wrong.size)
        kt__misuse("kt_setting: the standard of %.*s", (int)s->wrong.size - 1, s->wrong.data);
    return rc;
}

int kt_settings_new(const kt_settings_spec *spec, void *values, kt_settings *parent, kt_settings **ret_settings)
{
    kt__settings_check_table(spec);
    kt_settings *s = kt_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    *s = (kt_settings){.spec = spec, .values = values, .parent = parent, .command = -1};
    while (spec->table[s->count].name)
        s->count++;
    s->slots = kt_calloc(s->count + 1, sizeof *s->slots);
    int rc = s->slots ? 0 : -ENOMEM;
    for (size_t i = 0; i < s->count && rc == 0; i++)
        rc = set_standard(s, i);
    if (rc < 0) {
        kt_settings_free(s);
        return rc;
    }
    store_all(s);
    *ret_settings = s;
    return 0;
}

void kt_settings_free(kt_settings *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->slots && i < s->count; i++) {
        kt_free(s->slots[i].source);
        kt__setting_value_release(&s->slots[i].value);
    }
    kt_free(s->slots);
    kt_free(s->rest);
    kt_free(s->config);
    kt_buffer_release(&s->wrong);
    kt_buffer_release(&s->text);
    kt_free(s);
}

/* ---- Asking -------------------------------------------------------------------------------------------------------- */

const char *kt_settings_text(const kt_settings *s)
{
    if (!s)
        return "out of memory\n";
    return s->text.size ? s->text.data : "";
}

char **kt_settings_rest(const kt_settings *s, int *ret_count)
{
    static char *none[1];
    *ret_count = s->rest_count;
    return s->rest ? s->rest : none;
}

int kt_settings_command_index(const kt_settings *s)
{
    return s->command;
}

const char *kt_settings_source(const kt_settings *s, const char *name)
{
    size_t row = kt__settings_find(s, name);
    if (row == SIZE_MAX)
        return NULL;
    return s->slots[row].source ? s->slots[row].source : "default";
}
