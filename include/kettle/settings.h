/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_SETTINGS_H
#define KETTLE_SETTINGS_H

/* A program's settings: typed values from defaults, a file, the environment and the command line, each outweighing
 * the one before, described by one table, which also makes --help and names the source of a bad value.
 *
 *     typedef struct config {
 *         const char *host;
 *         uint16_t port;
 *         kt_time patience;
 *         bool verbose;
 *     } config;
 *
 *     static const kt_setting table[] = {
 *         {KT_SETTING_TEXT(config, host), "host", .standard = "127.0.0.1", .help = "address to listen on"},
 *         {KT_SETTING_INTEGER(config, port, 1, 65535), "port", .letter = 'p', .standard = "8000", .help = "its port"},
 *         {KT_SETTING_DURATION(config, patience, 0, KT_S(3600)), "patience", .standard = "10s", .help = "with peers"},
 *         {KT_SETTING_BOOL(config, verbose), "verbose", .letter = 'v', .help = "say more"},
 *         {.name = NULL},
 *     };
 *
 *     static const kt_settings_spec spec = {
 *         .program = "shop", .about = "Sells tea.", .version = "1.0", .table = table,
 *         .environment = "SHOP", .file = "/etc/shop.conf",
 *     };
 *
 *     int main(int argc, char **argv)
 *     {
 *         config c;
 *         kt_auto(kt_settings) *s = NULL;           // its strings are used as long as it lives
 *         int rc = kt_settings_new(&spec, &c, NULL, &s);
 *         if (rc == 0)
 *             rc = kt_settings_load(s, argc, argv);
 *         if (rc != 0) {                               // --help, --version; or what is wrong
 *             fputs(kt_settings_text(s), rc < 0 ? stderr : stdout);
 *             return rc < 0 ? 2 : 0;
 *         }
 *         ...
 *
 * So port may be given as `port = 80` in the file, SHOP_PORT=80 in the environment, and --port 80, --port=80, -p 80 or
 * -p80; verbose as --verbose, --no-verbose or -v. A wrong value is told like this:
 *
 *     /etc/shop.conf:12: port = "many": not a number (1 to 65535)
 *     SHOP_PORT = "0": less than 1 (1 to 65535)
 *     --prot: no such option; did you mean --port?
 *
 * The file. UTF-8, at most 1 MiB; lines end with \n or \r\n.
 *   - Blank lines, and lines that begin with # or ;, mean nothing.
 *   - `name = value`. Blanks around both do not count; a # with a blank before it begins a comment.
 *   - "a value in quotes" keeps blanks and #; in it \" \\ \n \r \t mean what they do in C, and \x1b (01 to 1f, 7f) any
 *     control character. Nothing but a comment follows.
 *   - [section]: the names of the lines below it begin with "section."; [] ends it.
 *   - In names - and _ are one; case counts. An unknown name, and one given twice, is wrong (a list grows).
 *   - A line `list = a, "b, c"` has two values.
 *
 * A name such as "cache.size" is size in [cache], --cache-size, and SHOP_CACHE_SIZE.
 *
 * On the command line options may stand between and behind other arguments; "--" ends them. A value that
 * belongs to an option is whatever comes next, even if it begins with a dash. Long names may be cut where one
 * setting alone begins so. A list takes each mention: --allow a --allow b,c has three values.
 *
 * Values:
 *   text, path   as they are; a path that begins with ~/ is in the home folder, and a relative one in a file lies in
 *                that file's folder
 *   bool         yes, true, on, 1; no, false, off, 0
 *   integer      decimal, or hexadecimal with 0x
 *   real         decimal, as strtod(3) reads in the C locale; no infinity
 *   size         bytes, or with K, M, G or T behind, also KiB or KB: powers of 1024; 1.5G
 *   duration     a number with ns, us, ms, s, m, h, d or w behind, several in a row as 1h30m; without: seconds; 2.5
 *   choice       one of kt_setting.choices
 *
 * Thread rule: an object belongs to one thread at a time. Nothing here suspends; kt_settings_load reads the file and so
 * may block: before the loop, or by kt_thread_run. */

#include <kettle/buffer.h>

KT_BEGIN

/* ---- The table ------------------------------------------------------------------------------- */

typedef enum kt_setting_type {
    KT_SETTING_IS_TEXT,
    KT_SETTING_IS_PATH,
    KT_SETTING_IS_BOOL,
    KT_SETTING_IS_INTEGER,
    KT_SETTING_IS_REAL,
    KT_SETTING_IS_SIZE,
    KT_SETTING_IS_DURATION,
    KT_SETTING_IS_CHOICE,
    KT_SETTING_IS_LIST,
} kt_setting_type;

/* The member of a list; the items are the settings'. */
typedef struct kt_settings_list {
    const char *const *items;
    size_t count;
} kt_settings_list;

/* Flags of a setting. */
enum {
    KT_SETTING_NO_FILE = 1,
    KT_SETTING_NO_ENVIRONMENT = 2,
    KT_SETTING_NO_OPTION = 4,
    KT_SETTING_SECRET = 8,    /* its value is not shown */
    KT_SETTING_REQUIRED = 16, /* some source must give it */
};

/* A row. Begin it with one of the macros below, then the name; the rest may be left out. The table ends with a row
 * whose name is NULL. */
typedef struct kt_setting {
    kt_setting_type type;
    size_t offset, size; /* of the member */
    int64_t min, max;    /* of numbers (bytes, kt_time); both 0: from 0 on, what a signed member of its size holds */
    const char *name;    /* lower-case words joined by - , behind a section and a dot if it has one */
    char letter;         /* of the short option, or 0 */
    unsigned flags;
    const char *standard; /* the default, written as a user writes it; NULL: no text (NULL), no, 0 (or the least that
                             is allowed), the first choice, an empty list */
    const char *help;    /* one sentence or two; NULL: not in --help */
    const char *meta;    /* what stands for the value in --help; NULL: by type */
    const char *group;   /* heading in --help; NULL: as the row before */
    const char *const *choices; /* of a choice, ended by NULL; the member is an int or enum, their index */
    const char *(*check)(const char *value); /* a further rule for text, path, items: NULL, or what is wrong */
    void *reserved[2];
} kt_setting;

#define KT__SETTING(kind, T, member, low, high) \
    .type = (kind), .offset = offsetof(T, member), .size = sizeof(((T *)0)->member), .min = (low), .max = (high)

/* Members: const char *; bool; any integer; double; any integer; kt_time; an enum or int; kt_settings_list. Strings are
 * the settings', good until kt_settings_free. */
#define KT_SETTING_TEXT(T, member) KT__SETTING(KT_SETTING_IS_TEXT, T, member, 0, 0)
#define KT_SETTING_PATH(T, member) KT__SETTING(KT_SETTING_IS_PATH, T, member, 0, 0)
#define KT_SETTING_BOOL(T, member) KT__SETTING(KT_SETTING_IS_BOOL, T, member, 0, 0)
#define KT_SETTING_INTEGER(T, member, low, high) KT__SETTING(KT_SETTING_IS_INTEGER, T, member, low, high)
#define KT_SETTING_REAL(T, member, low, high) KT__SETTING(KT_SETTING_IS_REAL, T, member, low, high)
#define KT_SETTING_SIZE(T, member, low, high) KT__SETTING(KT_SETTING_IS_SIZE, T, member, low, high)
#define KT_SETTING_DURATION(T, member, low, high) KT__SETTING(KT_SETTING_IS_DURATION, T, member, low, high)
#define KT_SETTING_CHOICE(T, member) KT__SETTING(KT_SETTING_IS_CHOICE, T, member, 0, 0)
#define KT_SETTING_LIST(T, member, most) KT__SETTING(KT_SETTING_IS_LIST, T, member, 0, most) /* items; 0 = 1000 */

/* A sub-command: its name, and a sentence for --help. */
typedef struct kt_settings_command {
    const char *name, *help;
} kt_settings_command;

/* A program, or one of its commands. It and all that it points to stay with the caller, and outlive the settings. */
typedef struct kt_settings_spec {
    const char *program;     /* "shop", or "shop serve" */
    const char *about;       /* for --help; may have several lines */
    const char *arguments;   /* for --help, as "FILE..."; NULL: there are none besides options */
    const char *more;        /* the last lines of --help */
    const char *version;     /* for --version; NULL: there is no such option */
    const kt_setting *table;
    const char *environment; /* prefix of variables, without the _; NULL: the environment does not count */
    const char *file;        /* read if it is there; NULL: there is no file, nor --config FILE and PREFIX_CONFIG, which
                                name another one */
    const kt_settings_command *commands; /* ended by a name of NULL: the first argument is one of them; NULL: none */
    bool options_first;      /* the first argument that is no option ends the options, as with commands */
    void *reserved[4];
} kt_settings_spec;

/* ---- Reading --------------------------------------------------------------------------------- */

typedef struct kt_settings kt_settings;

/* Makes settings and fills *values (of the type that the table was made for) with the defaults. Of a command: `parent`
 * are the program's settings, whose options may stand behind the command as well, and which must outlive it; else
 * NULL. A table that contradicts itself is misuse, with its row named. The caller owns *ret_settings. 0, -ENOMEM. */
KT_API int kt_settings_new(const kt_settings_spec *spec, void *values, kt_settings *parent, kt_settings **ret_settings)
    KT_CHECKED;

/* Frees them, and the strings in the values; NULL is allowed. */
KT_API void kt_settings_free(kt_settings *s);

/* Reads all sources: file, environment, and arguments (argv[0] is the program and not looked at), and fills the
 * values in. Call it once.
 * 0: the program may go on. 1: there is an answer to print, kt_settings_text: of --help, --version or
 * --show-settings. KT_EVALIDATION: something is wrong, every single thing of which kt_settings_text tells on a
 * line, and kt_error_detail the first. -ENOMEM. Where it is not 0 the values stay as they were. A file that cannot
 * be read is a thing that is wrong. */
KT_API int kt_settings_load(kt_settings *s, int argc, char **argv) KT_CHECKED;

/* The same by parts, for what has other sources: in any order, and then kt_settings_apply. Each
 * returns 0 or -ENOMEM and keeps what is wrong for apply; _arguments also 1, when --help or --version was there.
 * _file: of a file that must be there, whatever the spec says. _bytes: a file's contents, `path` only to be named.
 * _environment: of `variables` as in environ(7), NULL being environ. */
KT_API int kt_settings_arguments(kt_settings *s, int argc, char **argv) KT_CHECKED;
KT_API int kt_settings_file(kt_settings *s, const char *path) KT_CHECKED;
KT_API int kt_settings_bytes(kt_settings *s, const char *path, kt_slice bytes) KT_CHECKED;
KT_API int kt_settings_environment(kt_settings *s, char *const *variables) KT_CHECKED;

/* Fills the values in, or tells what was wrong, as kt_settings_load. */
KT_API int kt_settings_apply(kt_settings *s) KT_CHECKED;

/* ---- Asking ---------------------------------------------------------------------------------- */

/* What there is to print after a kt_settings_load that did not return 0, with line ends; "" otherwise. Of
 * NULL: why there are none. Valid until the next call with s. */
KT_API const char *kt_settings_text(const kt_settings *s);

/* The arguments that are no options, ended by NULL, in their order; pointers of argv. With commands the first one is
 * the command, so that they are the argc and argv of its own settings. */
KT_API char **kt_settings_rest(const kt_settings *s, int *ret_count);

/* The index of the command among kt_settings_spec.commands; -1: none. */
KT_API int kt_settings_command_index(const kt_settings *s);

/* Where the value of a setting comes from: "default", "/etc/shop.conf:12", "SHOP_PORT", "--port"; NULL for a name that
 * is none. The settings' own. */
KT_API const char *kt_settings_source(const kt_settings *s, const char *name);

/* Appends --help's text, `columns` wide; 0: as the terminal, 80 where standard output is none. 0, -ENOMEM,
 * KT_ELIMIT. */
KT_API int kt_settings_help(const kt_settings *s, unsigned columns, kt_buffer *b) KT_CHECKED;

/* Appends all settings as a file would have them, each with its source as a comment. 0, -ENOMEM, KT_ELIMIT. */
KT_API int kt_settings_show(const kt_settings *s, kt_buffer *b) KT_CHECKED;

static inline void kt_settings_cleanup(kt_settings **s)
{
    kt_settings_free(*s);
}

KT_END

#endif
