/* SPDX-License-Identifier: MIT */

/* Settings: where values come from, what is told of wrong ones, help. */

#include <kettle/settings.h>
#include <kettle/test.h>

#include <errno.h>
#include <kettle/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/settings_private.h"

typedef struct config {
    const char *host, *store, *password;
    uint16_t port;
    int8_t shift;
    bool verbose, colour;
    double share;
    int64_t room;
    kt_time patience;
    int mode;
    kt_settings_list allow;
} config;

static const char *const modes[] = {"fast", "safe", "dry-run", NULL};

static const char *no_slash(const char *value)
{
    return strchr(value, '/') ? "a name without / is wanted" : NULL;
}

static const kt_setting table[] = {
    {KT_SETTING_TEXT(config, host), "host", .standard = "localhost", .help = "address",
     .check = no_slash},
    {KT_SETTING_PATH(config, store), "store", .help = "folder of the store"},
    {KT_SETTING_TEXT(config, password), "password",
     .flags = KT_SETTING_SECRET | KT_SETTING_NO_OPTION, .help = "p"},
    {KT_SETTING_INTEGER(config, port, 1, 65535), "port", .letter = 'p', .standard = "8000",
     .help = "port"},
    {KT_SETTING_INTEGER(config, shift, -100, 100), "shift", .help = "of something"},
    {KT_SETTING_BOOL(config, verbose), "verbose", .letter = 'v', .help = "say more"},
    {KT_SETTING_BOOL(config, colour), "colour", .letter = 'c', .standard = "yes",
     .help = "no colours"},
    {KT_SETTING_REAL(config, share, 0, 1), "share", .standard = "0.5", .help = "part"},
    {KT_SETTING_SIZE(config, room, 0, INT64_C(1) << 40), "cache.size", .standard = "64M",
     .help = "room"},
    {KT_SETTING_DURATION(config, patience, 0, KT_S(86400)), "patience", .standard = "10s",
     .help = "time"},
    {KT_SETTING_CHOICE(config, mode), "mode", .choices = modes, .standard = "safe", .help = "way"},
    {KT_SETTING_LIST(config, allow, 4), "allow", .help = "names"},
    {.name = NULL},
};

static const kt_settings_spec spec = {
    .program = "shop",
    .version = "1.2",
    .table = table,
    .environment = "SHOP",
    .file = "/nonexistent/shop.conf",
    .arguments = "FILE...",
};

typedef struct loaded {
    config c;
    kt_settings *s;
    int rc;
} loaded;

static int count(char **words)
{
    int n = 0;
    while (words[n])
        n++;
    return n;
}

/* From a file's text, variables, and arguments behind the program's name; each may be NULL. */
static loaded load(const char *file, char **variables, char **words)
{
    static char *none[] = {NULL};
    loaded l = {.s = NULL};
    CHECK_OK(kt_settings_new(&spec, &l.c, NULL, &l.s));
    if (words)
        l.rc = kt_settings_arguments(l.s, count(words), words);
    if (l.rc == 0)
        CHECK_OK(kt_settings_environment(l.s, variables ? variables : none));
    if (l.rc == 0 && file)
        CHECK_OK(kt_settings_bytes(l.s, "shop.conf", kt_slice_from(file)));
    if (l.rc == 0)
        l.rc = kt_settings_apply(l.s);
    return l;
}

#define WORDS(...) ((char *[]){"shop", __VA_ARGS__, NULL})
#define VARIABLES(...) ((char *[]){__VA_ARGS__, NULL})

/* The text that is told, without the program's name in front and the hint behind. */
static void check_wrong(loaded l, const char *expected)
{
    char text[1024];
    snprintf(text, sizeof text, "shop: %s\nTry 'shop --help'.\n", expected);
    CHECK_ERR(l.rc, KT_EVALIDATION);
    CHECK_STR(kt_settings_text(l.s), text);
    CHECK_EQ(l.c.port, 8000); /* nothing changed */
    kt_settings_free(l.s);
}

/* ---- Weights --------------------------------------------------------------------------------- */

TEST_WITH(each_source_outweighs_the_one_before, KT_TEST_NO_LOOP)
{
    loaded l = load("host = file\nport = 1\nmode = fast\n",
                    VARIABLES("SHOP_HOST=variable", "SHOP_PORT=2"), WORDS("--port", "3"));
    CHECK_OK(l.rc);
    CHECK_EQ(l.c.port, 3);
    CHECK_STR(l.c.host, "variable");
    CHECK_EQ(l.c.mode, 0);
    CHECK_EQ(l.c.patience, KT_S(10));
    CHECK_STR(kt_settings_source(l.s, "port"), "--port");
    CHECK_STR(kt_settings_source(l.s, "host"), "SHOP_HOST");
    CHECK_STR(kt_settings_source(l.s, "mode"), "shop.conf:3");
    CHECK_STR(kt_settings_source(l.s, "patience"), "default");
    CHECK(kt_settings_source(l.s, "nothing") == NULL);
    kt_settings_free(l.s);
}

TEST_WITH(the_order_of_reading_does_not_count, KT_TEST_NO_LOOP)
{
    config c;
    kt_auto(kt_settings) *s = NULL;
    CHECK_OK(kt_settings_new(&spec, &c, NULL, &s));
    CHECK_OK(kt_settings_arguments(s, 3, WORDS("--allow", "x")));
    CHECK_OK(kt_settings_bytes(s, "f", kt_slice_from("port = 7\nallow = a, b\n")));
    CHECK_OK(kt_settings_environment(s, VARIABLES("SHOP_ALLOW=c,d,e", "SHOP_PORT=8")));
    CHECK_OK(kt_settings_apply(s));
    CHECK_EQ(c.port, 8);
    CHECK_EQ(c.allow.count, 1);
    CHECK_STR(c.allow.items[0], "x");
}

TEST_WITH(a_wrong_value_is_told_though_another_outweighs_it, KT_TEST_NO_LOOP)
{
    check_wrong(load("port = many\n", NULL, WORDS("--port=3")),
                "shop.conf:1: port = \"many\": not a number (1 to 65535)");
}

TEST_WITH(all_that_is_wrong_is_told_at_once, KT_TEST_NO_LOOP)
{
    loaded l =
        load("mode = fats\n\nprot = 1\n", VARIABLES("SHOP_PORT=0"), WORDS("--share=2", "--hots=x"));
    CHECK_STR(kt_error_detail(), "--share = \"2\": more than 1 (0 to 1)");
    check_wrong(
        l, "--share = \"2\": more than 1 (0 to 1)\n"
           "shop: --hots: no such option; did you mean --host?\n"
           "shop: SHOP_PORT = \"0\": less than 1 (1 to 65535)\n"
           "shop: shop.conf:1: mode = \"fats\": none of fast, safe, dry-run; did you mean fast?\n"
           "shop: shop.conf:3: prot: no such setting; did you mean port?");
}

/* ---- Values ---------------------------------------------------------------------------------- */

static void check_value(const char *argument, const char *words)
{
    check_wrong(load(NULL, NULL, WORDS((char *)argument)), words);
}

TEST_WITH(bad_values_of_each_type_are_refused_with_a_reason, KT_TEST_NO_LOOP)
{
    check_value("--port=", "--port = \"\": not a number (1 to 65535)");
    check_value("--port= 1", "--port = \" 1\": not a number (1 to 65535)");
    check_value("--port=1.0", "--port = \"1.0\": not a number (1 to 65535)");
    check_value("--port=0x", "--port = \"0x\": not a number (1 to 65535)");
    check_value("--port=65536", "--port = \"65536\": more than 65535 (1 to 65535)");
    check_value("--port=99999999999999999999999",
                "--port = \"99999999999999999999999\": more than 65535 (1 to 65535)");
    check_value("--port=-99999999999999999999999",
                "--port = \"-99999999999999999999999\": less than 1 (1 to 65535)");
    check_value("--shift=-101", "--shift = \"-101\": less than -100 (-100 to 100)");
    check_value("--share=nan", "--share = \"nan\": not a number (0 to 1)");
    check_value("--share=0x1", "--share = \"0x1\": not a number (0 to 1)");
    check_value("--share=1e999", "--share = \"1e999\": more than 1 (0 to 1)");
    check_value("--share=0,5", "--share = \"0,5\": not a number (0 to 1)");
    check_value("--cache-size=1.5",
                "--cache-size = \"1.5\": not a size such as 512, 64K or 1.5G (0 to 1T)");
    check_value("--cache-size=1X",
                "--cache-size = \"1X\": not a size such as 512, 64K or 1.5G (0 to 1T)");
    check_value("--cache-size=1K1",
                "--cache-size = \"1K1\": not a size such as 512, 64K or 1.5G (0 to 1T)");
    check_value("--cache-size=2T", "--cache-size = \"2T\": more than 1T (0 to 1T)");
    check_value("--cache-size=99999999999T", "--cache-size = \"99999999999T\": more than 1T (0 to 1T)");
    check_value("--patience=5x",
                "--patience = \"5x\": not a duration such as 500ms, 10s or 1h30m (0s to 1d)");
    check_value("--patience=1h30",
                "--patience = \"1h30\": not a duration such as 500ms, 10s or 1h30m (0s to 1d)");
    check_value("--patience=0.1ns",
                "--patience = \"0.1ns\": not a duration such as 500ms, 10s or 1h30m (0s to 1d)");
    check_value("--patience=-1s", "--patience = \"-1s\": less than 0s (0s to 1d)");
    check_value("--patience=25h", "--patience = \"25h\": more than 1d (0s to 1d)");
    check_value("--patience=9999999999999999w",
                "--patience = \"9999999999999999w\": more than 1d (0s to 1d)");
    check_value("--verbose=maybe", "--verbose = \"maybe\": neither yes nor no");
    check_value("--mode=Fast",
                "--mode = \"Fast\": none of fast, safe, dry-run; did you mean fast?");
    check_value("--host=a/b", "--host = \"a/b\": a name without / is wanted");
    check_value("--allow=a,b,c,d,e", "--allow = \"e\": more than 4 values");
    check_value("--allow=\"a", "--allow: the quotes do not end");
}

static config config_of(char *argument)
{
    loaded l = load(NULL, NULL, WORDS(argument));
    CHECK_OK(l.rc);
    kt_settings_free(l.s); /* its numbers stay */
    return l.c;
}

TEST_WITH(numbers_sizes_and_durations_are_exact, KT_TEST_NO_LOOP)
{
    CHECK_EQ(config_of("--port=0xFFFF").port, 65535);
    CHECK_EQ(config_of("--port=+010").port, 10);
    CHECK_EQ(config_of("--shift=-100").shift, -100);
    CHECK(config_of("--share=.25").share == 0.25);
    CHECK_EQ(config_of("--cache-size=0").room, 0);
    CHECK_EQ(config_of("--cache-size=1.5g").room, INT64_C(3) << 29);
    CHECK_EQ(config_of("--cache-size=3KiB").room, 3072);
    CHECK_EQ(config_of("--cache-size=3kb").room, 3072);
    CHECK_EQ(config_of("--cache-size=0.5K").room, 512);
    CHECK_EQ(config_of("--cache-size=7B").room, 7);
    CHECK_EQ(config_of("--cache-size=1T").room, INT64_C(1) << 40);
    CHECK_EQ(config_of("--patience=2.5").patience, KT_MS(2500));
    CHECK_EQ(config_of("--patience=1h30m").patience, KT_S(5400));
    CHECK_EQ(config_of("--patience=1ms5us7ns").patience, 1005007);
    CHECK_EQ(config_of("--patience=0.000000001").patience, 1);
    CHECK_EQ(config_of("--patience=1d").patience, KT_S(86400));
    CHECK(!config_of("--verbose=OFF").verbose && config_of("--verbose=1").verbose);
    CHECK_EQ(config_of("--mode=dry-run").mode, 2);
}

TEST_WITH(text_from_outside_is_shown_safe_and_short, KT_TEST_NO_LOOP)
{
    char argument[400] = "--port=\x1b[2J\xff\n";
    check_value(argument, "--port = \"\\x1b[2J\xef\xbf\xbd\\n\": not a number (1 to 65535)");
    memset(argument + 7, 'x', 300);
    argument[307] = '\0';
    check_value(argument,
                "--port = \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\": "
                "not a number (1 to 65535)");
}

TEST_WITH(a_secret_is_never_told, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    loaded l = load("password = hush\n", NULL, NULL);
    CHECK_STR(l.c.password, "hush");
    CHECK_OK(kt_settings_show(l.s, &b));
    CHECK_OK(kt_settings_help(l.s, 80, &b));
    CHECK(!strstr(kt_buffer_string(&b), "hush"));
    kt_settings_free(l.s);
    check_wrong(load(NULL, NULL, WORDS("--password=x")), "--password: no such option");
}

TEST_WITH(paths_know_home_and_the_folder_of_their_file, KT_TEST_NO_LOOP)
{
    config c;
    kt_auto(kt_settings) *s = NULL;
    CHECK_EQ(setenv("HOME", "/home/tea", 1), 0);
    CHECK_OK(kt_settings_new(&spec, &c, NULL, &s));
    CHECK(c.store == NULL);
    CHECK_OK(kt_settings_bytes(s, "/etc/shop/conf", kt_slice_from("store = data\n")));
    CHECK_OK(kt_settings_apply(s));
    CHECK_STR(c.store, "/etc/shop/data");
    CHECK_OK(kt_settings_arguments(s, 3, WORDS("--store", "~/x")));
    CHECK_OK(kt_settings_apply(s));
    CHECK_STR(c.store, "/home/tea/x");
    CHECK_OK(kt_settings_arguments(s, 3, WORDS("--store", "y")));
    CHECK_OK(kt_settings_apply(s));
    CHECK_STR(c.store, "y");
}

/* ---- The command line ------------------------------------------------------------------------ */

TEST_WITH(options_stand_anywhere_and_two_dashes_end_them, KT_TEST_NO_LOOP)
{
    int n;
    loaded l =
        load(NULL, NULL,
             WORDS("a", "-vp81", "-", "--no-colour", "--allow=x", "--allow", "-y", "--", "-b"));
    CHECK_OK(l.rc);
    char **rest = kt_settings_rest(l.s, &n);
    CHECK_EQ(n, 3);
    CHECK(strcmp(rest[0], "a") == 0 && strcmp(rest[1], "-") == 0 && strcmp(rest[2], "-b") == 0 &&
          !rest[3]);
    CHECK(l.c.verbose && !l.c.colour && l.c.port == 81);
    CHECK_EQ(l.c.allow.count, 2);
    CHECK_STR(l.c.allow.items[1], "-y");
    kt_settings_free(l.s);
}

TEST_WITH(a_long_name_may_be_cut_where_it_is_clear, KT_TEST_NO_LOOP)
{
    CHECK_EQ(config_of("--pat=1s").patience, KT_S(1));
    CHECK(config_of("--verb").verbose);
    check_value("--p=1", "--p: several options begin so");
    check_value("--=1", "--: no such option");
}

TEST_WITH(what_is_wrong_with_an_option_is_told, KT_TEST_NO_LOOP)
{
    check_value("--port", "--port: a value must follow");
    check_value("-p", "-p: a value must follow");
    check_value("-x", "-x: no such option");
    check_value("--no-verbose=1", "--no-verbose: it has no value");
    check_value("--help=1", "--help: it has no value");
    check_value("--no-port", "--no-port: no such option");
}

static size_t distance(const char *a, const char *b)
{
    return kt__word_distance(a, strlen(a), b, strlen(b));
}

TEST_WITH(words_are_as_far_apart_as_they_have_slips, KT_TEST_NO_LOOP)
{
    static char much[100];
    memset(much, 'x', sizeof much - 1);
    CHECK_EQ(distance("port", "port"), 0);
    CHECK_EQ(distance("port", "prot"), 1);
    CHECK_EQ(distance("port", "por"), 1);
    CHECK_EQ(distance("port", "sport"), 1);
    CHECK_EQ(distance("port", "pert"), 1);
    CHECK_EQ(distance("", "abc"), 3);
    CHECK_EQ(distance("abc", "cab"), 2);
    CHECK_EQ(distance(much, "x"), SIZE_MAX);
}

TEST_WITH(the_last_of_several_mentions_counts, KT_TEST_NO_LOOP)
{
    loaded l = load(NULL, NULL, WORDS("-p1", "--port=2", "-v", "--no-verbose"));
    CHECK_OK(l.rc);
    CHECK(l.c.port == 2 && !l.c.verbose);
    CHECK_STR(kt_settings_source(l.s, "verbose"), "--no-verbose");
    kt_settings_free(l.s);
}

TEST_WITH(help_and_version_answer_at_once, KT_TEST_NO_LOOP)
{
    loaded l = load(NULL, NULL, WORDS("-V", "--nonsense"));
    CHECK_EQ(l.rc, 1);
    CHECK_STR(kt_settings_text(l.s), "shop 1.2\n");
    kt_settings_free(l.s);
    l = load(NULL, NULL, WORDS("-vh"));
    CHECK_EQ(l.rc, 1);
    CHECK_MEM(kt_settings_text(l.s), "usage: shop [OPTION]... FILE...\n", 32);
    kt_settings_free(l.s);
}

static const char help_of_60[] = "usage: shop [OPTION]... FILE...\n"
                                 "\nOptions:\n"
                                 "      --host TEXT        address (localhost; SHOP_HOST)\n"
                                 "      --store PATH       folder of the store (SHOP_STORE)\n"
                                 "  -p, --port N           port (8000; SHOP_PORT)\n"
                                 "      --shift N          of something (SHOP_SHIFT)\n"
                                 "  -v, --verbose          say more (SHOP_VERBOSE)\n"
                                 "  -c, --no-colour        no colours (SHOP_COLOUR)\n"
                                 "      --share NUMBER     part (0.5; SHOP_SHARE)\n"
                                 "      --cache-size SIZE  room (64M; SHOP_CACHE_SIZE)\n"
                                 "      --patience TIME    time (10s; SHOP_PATIENCE)\n"
                                 "      --mode WORD        way: fast, safe, dry-run (safe;\n"
                                 "                         SHOP_MODE)\n"
                                 "      --allow TEXT,...   names (SHOP_ALLOW)\n"
                                 "\n"
                                 "      --config FILE      read settings from there\n"
                                 "                         (/nonexistent/shop.conf;\n"
                                 "                         SHOP_CONFIG)\n"
                                 "      --show-settings    print each setting and where it\n"
                                 "                         comes from\n"
                                 "  -h, --help             print this text\n"
                                 "  -V, --version          print the version\n";

TEST_WITH(help_fits_its_columns, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    loaded l = load(NULL, NULL, NULL);
    CHECK_OK(kt_settings_help(l.s, 60, &b));
    CHECK_STR(kt_buffer_string(&b), help_of_60);
    kt_settings_free(l.s);
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    CHECK_GE(fd, 0);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

TEST_WITH(load_reads_the_file_that_is_named, KT_TEST_NO_LOOP)
{
    char path[] = "/tmp/kettle-settings-XXXXXX", option[64], expected[128];
    config c;
    kt_auto(kt_settings) *s = NULL;
    write_file(path, "port = 5\n");
    snprintf(option, sizeof option, "--config=%s", path);
    CHECK_OK(kt_settings_new(&spec, &c, NULL, &s));
    CHECK_OK(kt_settings_load(s, 2, WORDS(option)));
    CHECK_EQ(c.port, 5);
    snprintf(expected, sizeof expected, "%s:1", path);
    CHECK_STR(kt_settings_source(s, "port"), expected);
    CHECK_EQ(unlink(path), 0);
}

TEST_WITH(a_file_that_is_named_must_be_there, KT_TEST_NO_LOOP)
{
    loaded l = {.s = NULL};
    CHECK_OK(kt_settings_new(&spec, &l.c, NULL, &l.s));
    CHECK_OK(kt_settings_load(l.s, 1, WORDS(NULL))); /* the default one need not */
    kt_settings_free(l.s);
    CHECK_OK(kt_settings_new(&spec, &l.c, NULL, &l.s));
    CHECK_EQ(setenv("SHOP_CONFIG", "/nonexistent/x", 1), 0);
    l.rc = kt_settings_load(l.s, 1, WORDS(NULL));
    check_wrong(l, "/nonexistent/x: No such file or directory");
    CHECK_OK(kt_settings_new(&spec, &l.c, NULL, &l.s));
    l.rc = kt_settings_load(l.s, 2, WORDS("--config=/tmp"));
    check_wrong(l, "/tmp: Is a directory");
}

TEST_WITH(what_is_shown_reads_back_the_same, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    loaded l = load(NULL, NULL,
                    WORDS("--host= #\"x\\\n", "--allow=\"a,b\",\"\",c d", "--cache-size=1.5G",
                          "--share=0.30000000000000004", "--patience=90m", "--mode=fast", "-v"));
    CHECK_OK(l.rc);
    CHECK_OK(kt_settings_show(l.s, &b));
    loaded second = load(kt_buffer_string(&b), NULL, NULL);
    CHECK_OK(second.rc);
    CHECK_STR(second.c.host, l.c.host);
    CHECK_EQ(second.c.allow.count, 3);
    CHECK_STR(second.c.allow.items[0], "a,b");
    CHECK_STR(second.c.allow.items[1], "");
    CHECK(second.c.room == l.c.room && second.c.share == l.c.share &&
          second.c.patience == KT_S(5400));
    CHECK(second.c.verbose && second.c.mode == 0);
    CHECK(strstr(kt_buffer_string(&b), "patience = 90m  # --patience\n") != NULL);
    CHECK(strstr(kt_buffer_string(&b), "# store =   # default\n") != NULL);
    kt_settings_free(l.s);
    kt_settings_free(second.s);
}

TEST_WITH(what_is_shown_sends_nothing_to_a_terminal_but_text, KT_TEST_NO_LOOP)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    loaded l = load(NULL, NULL, WORDS("--host=\x1b[2J\x7f\v", "--allow=\a,\x01"));
    CHECK_OK(l.rc);
    CHECK_OK(kt_settings_show(l.s, &b));
    CHECK(strstr(kt_buffer_string(&b), "host = \"\\x1b[2J\\x7f\\x0b\"  # --host\n") != NULL);
    loaded second = load(kt_buffer_string(&b), NULL, NULL);
    CHECK_OK(second.rc);
    CHECK_STR(second.c.host, l.c.host);
    CHECK_STR(second.c.allow.items[0], "\a");
    CHECK_STR(second.c.allow.items[1], "\x01");
    kt_settings_free(l.s);
    kt_settings_free(second.s);
}

/* ---- Commands -------------------------------------------------------------------------------- */

static const kt_settings_command commands[] = {
    {"serve", "runs it"}, {"stop", "ends it"}, {NULL, NULL}};
static const kt_settings_spec with_commands = {
    .program = "shop", .table = table, .commands = commands};

typedef struct serve_config {
    unsigned workers;
} serve_config;

static const kt_setting serve_table[] = {
    {KT_SETTING_INTEGER(serve_config, workers, 1, 64), "workers", .standard = "4",
     .flags = KT_SETTING_REQUIRED, .help = "n"},
    {.name = NULL},
};
static const kt_settings_spec serve = {.program = "shop serve", .table = serve_table};

TEST_WITH(a_command_has_options_of_its_own_and_its_programs, KT_TEST_NO_LOOP)
{
    config c;
    serve_config own;
    int n;
    kt_auto(kt_settings) *s = NULL;
    kt_auto(kt_settings) *command = NULL;
    CHECK_OK(kt_settings_new(&with_commands, &c, NULL, &s));
    CHECK_OK(kt_settings_load(
        s, 8, WORDS("-v", "serve", "--workers=7", "--port", "9", "--host=x", "--mode=fast")));
    CHECK_EQ(kt_settings_command_index(s), 0);
    CHECK(c.verbose && c.port == 8000);
    char **rest = kt_settings_rest(s, &n);
    CHECK_EQ(n, 6);
    CHECK_OK(kt_settings_new(&serve, &own, s, &command));
    CHECK_OK(kt_settings_load(command, n, rest));
    CHECK_EQ(own.workers, 7);
    CHECK(c.verbose && c.port == 9 && c.mode == 0);
    CHECK_STR(c.host, "x");
}

TEST_WITH(what_is_no_command_or_missing_is_told, KT_TEST_NO_LOOP)
{
    loaded l;
    CHECK_OK(kt_settings_new(&with_commands, &l.c, NULL, &l.s));
    l.rc = kt_settings_load(l.s, 2, WORDS("sevre"));
    check_wrong(l, "'sevre' is no command; did you mean serve?");
    CHECK_OK(kt_settings_new(&with_commands, &l.c, NULL, &l.s));
    l.rc = kt_settings_load(l.s, 1, WORDS(NULL));
    check_wrong(l, "a command must be given");
    serve_config own;
    kt_auto(kt_settings) *command = NULL;
    CHECK_OK(kt_settings_new(&serve, &own, NULL, &command));
    CHECK_ERR(kt_settings_load(command, 2, (char *[]){"serve", "x", NULL}), KT_EVALIDATION);
    CHECK_STR(kt_settings_text(command),
              "shop serve: 'x' is one argument too many\nshop serve: --workers: must be given\n"
              "Try 'shop serve --help'.\n");
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static void try_table(const kt_setting *rows)
{
    const kt_settings_spec s = {.program = "x", .table = rows};
    config c;
    kt_settings *made = NULL;
    CHECK_OK(kt_settings_new(&s, &c, NULL, &made));
}

TEST_DIES(two_rows_of_one_name_are_misuse, KT_TEST_NO_LOOP,
          "kt_setting 'a-b': there are two of that name")
{
    try_table((kt_setting[]){{KT_SETTING_BOOL(config, verbose), "a-b"},
                             {KT_SETTING_BOOL(config, colour), "a.b"},
                             {.name = NULL}});
}

TEST_DIES(a_wrong_standard_is_misuse, KT_TEST_NO_LOOP, "the standard of port = \"x\": not a number")
{
    try_table((kt_setting[]){{KT_SETTING_INTEGER(config, port, 1, 2), "port", .standard = "x"},
                             {.name = NULL}});
}

TEST_DIES(a_member_of_another_type_is_misuse, KT_TEST_NO_LOOP,
          "'port': the member does not have that type")
{
    try_table((kt_setting[]){{KT_SETTING_TEXT(config, port), "port"}, {.name = NULL}});
}

TEST_DIES(a_range_beyond_the_member_is_misuse, KT_TEST_NO_LOOP, "'port': the range does not fit")
{
    try_table((kt_setting[]){{KT_SETTING_INTEGER(config, port, 0, 65536), "port"}, {.name = NULL}});
}
