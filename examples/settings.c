/* SPDX-License-Identifier: MIT */
/* Settings from a file, the environment and the command line, from one table. Try --help, --show-settings,
 * --port many, SHOP_PORT=81, and --config with a file of lines such as "port = 82". */
#include <kettle/settings.h>
#include <stdio.h>

typedef struct config {
    const char *host;
    uint16_t port;
    bool quiet;
    int64_t cache_bytes;
    kt_time patience;
    kt_settings_list allow;
} config;

static const kt_setting table[] = {
    {KT_SETTING_TEXT(config, host), "host", .standard = "127.0.0.1", .help = "address to listen on",
     .group = "Network"},
    {KT_SETTING_INTEGER(config, port, 1, 65535), "port", .letter = 'p', .standard = "8000",
     .help = "port to listen on"},
    {KT_SETTING_LIST(config, allow, 16), "allow", .meta = "NAME,...",
     .help = "hosts that may connect; none: all"},
    {KT_SETTING_DURATION(config, patience, 0, KT_S(3600)), "patience", .standard = "1m30s",
     .help = "with silent peers"},
    {KT_SETTING_SIZE(config, cache_bytes, 0, INT64_C(1) << 40), "cache.size", .standard = "64M",
     .help = "memory for what was served before", .group = "Cache"},
    {KT_SETTING_BOOL(config, quiet), "quiet", .letter = 'q', .help = "say nothing",
     .group = "Output"},
    {.name = NULL},
};

static const kt_settings_spec spec = {
    .program = "settings",
    .about = "Shows what a program's settings are.",
    .version = "1.0",
    .table = table,
    .environment = "SHOP",
    .file = "/etc/kettle-shop.conf",
};

int main(int argc, char **argv)
{
    config c;
    kt_auto(kt_settings) *s = NULL; /* owns the strings in c */
    int rc = kt_settings_new(&spec, &c, NULL, &s);
    if (rc == 0)
        rc = kt_settings_load(s, argc, argv);
    if (rc != 0) { /* something is wrong, or --help and the like have an answer */
        fputs(kt_settings_text(s), rc < 0 ? stderr : stdout);
        return rc < 0 ? 2 : 0;
    }
    if (c.quiet)
        return 0;
    printf("http://%s:%u (port from %s)\n", c.host, c.port, kt_settings_source(s, "port"));
    printf("cache of %lld bytes, patience of %lld s\n", (long long)c.cache_bytes,
           (long long)(c.patience / KT_S(1)));
    for (size_t i = 0; i < c.allow.count; i++)
        printf("%s may connect\n", c.allow.items[i]);
    return 0;
}
