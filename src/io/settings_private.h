/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_SETTINGS_PRIVATE_H
#define KETTLE_IO_SETTINGS_PRIVATE_H

/* The inside of settings.
 *
 *     settings.c            the object, its sources' weights, the values
 *     settings_table.c      names: of rows, of options, of variables; tables that contradict themselves
 *     settings_conf.c       the file's syntax
 *     settings_value.c      one value of each type, from text and to text
 *     settings_number.c     the numbers among them
 *     settings_arguments.c  the command line and the environment
 *     settings_help.c       --help and --show-settings */

#include <kettle/settings.h>

/* ---- The file's syntax (settings_conf.c) ----------------------------------------------------------------- */

enum {
    KT__CONF_BYTES_MAX = 1 << 20,
    KT__CONF_NAME_MAX = 200, /* with the section */
};

/* A file while it is read. */
typedef struct kt__conf {
    char *at, *end; /* what is left; it is changed on the way */
    unsigned line;  /* of what was read last, from 1 */
    char name[KT__CONF_NAME_MAX + 1]; /* behind section and dot, _ for - */
    size_t section_size;              /* bytes of name that are of the section, with its dot */
    char *raw;           /* the rest of the line, for kt__conf_value or kt__conf_item */
    const char *problem; /* with the line, when it is wrong; static */
} kt__conf;

/* Begins with `size` bytes, which have a byte to spare behind them. */
void kt__conf_start(kt__conf *c, char *bytes, size_t size);

/* 1: a line, in name and raw; 0: the end; KT_EVALIDATION: a wrong line, behind which it goes on. */
int kt__conf_next(kt__conf *c) KT_CHECKED;

/* The value that `raw` stands for, in its place; NULL and *ret_problem if it is none. */
char *kt__conf_value(char *raw, const char **ret_problem);

/* The next of a list's items, with *at behind it; NULL: there is none (*ret_problem NULL), or it is wrong. Without
 * `comments` a # is like any other. */
char *kt__conf_item(char **at, bool comments, const char **ret_problem);

/* ---- Values (settings_value.c) ------------------------------------------------------------------------------ */

/* A value by its type: text, path: text; bool, integer, size, duration, choice: integer. */
typedef struct kt__setting_value {
    int64_t integer;
    double real;
    char *text;   /* owned */
    char **items; /* owned, with what they point to; of a list */
    size_t count;
} kt__setting_value;

void kt__setting_value_release(kt__setting_value *v);

/* Where a relative path in a file is looked for. NULL: where the program is. */
typedef struct kt__setting_place {
    const char *folder;
    size_t folder_size;
} kt__setting_place;

/* Reads a value of any type but a list; for a list it is one item more. 0; -ENOMEM; KT_EVALIDATION, with what is wrong
 * appended to `problem`. */
int kt__setting_parse(const kt_setting *row, const char *text, const kt__setting_place *place, kt__setting_value *v,
                      kt_buffer *problem) KT_CHECKED;

/* Stores it into the member. */
void kt__setting_store(const kt_setting *row, const kt__setting_value *v, void *values);

/* Appends it as a user would write it. */
int kt__setting_format(const kt_setting *row, const kt__setting_value *v, kt_buffer *b) KT_CHECKED;

/* settings_number.c: of integers, sizes, durations. False: it is no such thing. *ret_far: too large for any. */
bool kt__setting_number(kt_setting_type type, const char *text, int64_t *ret_n, bool *ret_far);
int kt__setting_number_format(kt_setting_type type, int64_t n, kt_buffer *b) KT_CHECKED;
void kt__setting_range(const kt_setting *row, int64_t *ret_min, int64_t *ret_max);
bool kt__setting_has_range(const kt_setting *row);

/* ---- The object ------------------------------------------------------------------------------------------------ */

typedef enum kt__setting_weight {
    KT__SETTING_STANDARD,
    KT__SETTING_FROM_FILE,
    KT__SETTING_FROM_ENVIRONMENT,
    KT__SETTING_FROM_ARGUMENTS,
} kt__setting_weight;

/* A row's value, and where it comes from. */
typedef struct kt__setting_slot {
    kt__setting_weight weight;
    char *source; /* NULL: the standard */
    unsigned line; /* of the file in which it stands, or 0 */
    kt__setting_value value;
} kt__setting_slot;

struct kt_settings {
    const kt_settings_spec *spec;
    void *values;
    kt_settings *parent;
    kt__setting_slot *slots; /* as the table's rows */
    size_t count;
    char **rest;
    int rest_count;
    int command;
    bool show;     /* --show-settings was there */
    char *config;  /* of --config, or PREFIX_CONFIG; or NULL */
    kt_buffer wrong; /* what is, a line each */
    kt_buffer text;
};

/* What a source gives. */
typedef struct kt__setting_given {
    kt_settings *settings; /* of the row: they may be a parent */
    size_t row;
    kt__setting_weight weight;
    const char *path; /* of a file, or NULL */
    unsigned line;
    const char *shown; /* how the source names the setting: "port", "SHOP_PORT", "--port" */
} kt__setting_given;

/* Takes it in; what is wrong is kept. The text is changed. 0, -ENOMEM. */
int kt__settings_give(kt_settings *s, const kt__setting_given *g, char *text) KT_CHECKED;

/* Keeps a line of what is wrong. 0, -ENOMEM. */
int kt__settings_wrong(kt_settings *s, const char *format, ...) KT_PRINTF(2, 3) KT_CHECKED;

/* ---- Names (settings_table.c) -------------------------------------------------------------------------------------- */

/* The index of the row with a name; SIZE_MAX: none. */
size_t kt__settings_find(const kt_settings *s, const char *name);

/* "cache-size" of "cache.size", and "SHOP_CACHE_SIZE": cut and terminated. */
enum { KT__SETTING_NAME_SIZE = 256 };
void kt__setting_option(const kt_setting *row, char *name);
void kt__setting_variable(const char *prefix, const char *row, char *name);

/* How far apart two words are: insertions, removals, changes and swaps of neighbours. */
size_t kt__word_distance(const char *a, size_t a_size, const char *b, size_t b_size);

/* Is `word` so near to `name` that it may have been meant, and nearer than *best? Then *best is how near. */
bool kt__word_near(const char *word, size_t size, const char *name, size_t *best);

/* Stops where the table contradicts itself. */
void kt__settings_check_table(const kt_settings_spec *spec);

/* Appends text from outside, safe and not longer than a line. */
int kt__settings_quote(kt_buffer *b, const char *text) KT_CHECKED;

/* settings_help.c: fills s->text. */
int kt__settings_answer_help(kt_settings *s) KT_CHECKED;
int kt__settings_answer_version(kt_settings *s) KT_CHECKED;

#endif
