/* SPDX-License-Identifier: MIT */
/* A client over TLS, for servers that are not ours: peer_client MODE PORT NAME=VALUE...
 *
 *   lines    says three lines and prints the answers; resumes=1: and once more, over another connection
 *   echo     sends `size` bytes, and hears the same meanwhile
 *   drink    says the line `say`, if there is one, and prints what it hears, and how that ends; answers=1: the same
 *   upgrade  greets in the open, asks for STARTTLS, and then as lines
 *
 * The others: ca, name, alpn (one), version (1.3), certificate, key. */
#include <kettle/kettle.h>
#include <kettle/tls.h>
#include <stdio.h>
#include <stdlib.h>

static int words;
static char **word;

static const char *setting(const char *name)
{
    size_t size = strlen(name);
    for (int i = 0; i < words; i++)
        if (strncmp(word[i], name, size) == 0 && word[i][size] == '=')
            return word[i] + size + 1;
    return NULL;
}

/* 0: it is none. */
static size_t number(const char *text)
{
    char *end = NULL;
    size_t n = text ? strtoul(text, &end, 10) : 0;
    return end && *end == '\0' ? n : 0;
}

static void print_info(const kt_stream *s)
{
    kt_tls_info info = {0};
    if (kt_tls_info_get(s, &info) == 0)
        printf("shaken %s alpn=%.*s resumed=%d\n", info.version, (int)info.alpn.size, info.alpn.data, info.resumed);
}

static int lines(kt_stream *s)
{
    static const char *const said[] = {"one\n", "two\n", "three\n"};
    kt_slice line;
    int rc = 0;
    for (int i = 0; rc >= 0 && i < 3; i++) {
        rc = kt_stream_write(s, said[i], strlen(said[i]));
        if (rc == 0)
            rc = kt_stream_read_line(s, 1000, &line);
        if (rc == 0)
            return KT_EINCOMPLETE;
        if (rc > 0)
            printf("%.*s\n", (int)line.size, line.data);
    }
    return rc < 0 ? rc : 0;
}

/* The nth byte of what is sent. */
static char byte_at(size_t n)
{
    return (char)(n ^ n >> 8 ^ n >> 16);
}

KT_FN(sends, a, struct {
    kt_stream *s;
    size_t size;
})
{
    char bytes[50000];
    int rc = 0;
    for (size_t done = 0, n; rc == 0 && done < a->size; done += n) {
        n = a->size - done < sizeof bytes ? a->size - done : sizeof bytes;
        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_at(done + i);
        rc = kt_stream_write(a->s, bytes, n);
    }
    return rc;
}

static int echo(kt_stream *s)
{
    const size_t size = number(setting("size"));
    char bytes[30000];
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = kt_group_spawn(&g, KT_WITH(sends, s, size));
    ssize_t n = 1;
    for (size_t done = 0; rc == 0 && n > 0 && done < size; done += (size_t)n) {
        n = kt_stream_read(s, bytes, sizeof bytes);
        for (ssize_t i = 0; i < n; i++)
            if (bytes[i] != byte_at(done + (size_t)i))
                return kt_group_join(&g, KT_EINVALIDSTATE);
        if (n > 0 && done + (size_t)n == size)
            printf("echoed %zu bytes\n", size);
        rc = n < 0 ? (int)n : 0;
    }
    return kt_group_join(&g, rc);
}

static int write_line(kt_stream *s, kt_slice line)
{
    const struct iovec pieces[] = {{(void *)(uintptr_t)line.data, line.size}, {"\n", 1}};
    return kt_stream_writev(s, pieces, 2);
}

static int drink(kt_stream *s)
{
    kt_slice line;
    int rc = setting("say") ? write_line(s, kt_slice_from(setting("say"))) : 0;
    while (rc >= 0 && (rc = kt_stream_read_line(s, 1 << 20, &line)) > 0) {
        printf("heard %.*s\n", (int)line.size, line.data);
        if (setting("answers"))
            rc = write_line(s, line);
    }
    return rc;
}

static int upgrade(const kt_tls_config *config, uint16_t port, const kt_tls_options *o)
{
    kt_auto(kt_stream) *s = NULL;
    kt_slice line;
    int rc = kt_stream_connect("127.0.0.1", port, &s);
    if (rc == 0)
        rc = kt_stream_write(s, "STARTTLS\n", 9);
    if (rc == 0)
        rc = kt_stream_read_line(s, 100, &line);
    if (rc <= 0)
        return rc < 0 ? rc : KT_EINCOMPLETE;
    printf("%.*s\n", (int)line.size, line.data);
    rc = kt_stream_start_tls(s, config, o);
    print_info(s);
    return rc < 0 ? rc : lines(s);
}

static int talk(const char *mode, const kt_tls_config *config, uint16_t port, const kt_tls_options *o)
{
    kt_auto(kt_stream) *s = NULL;
    if (strcmp(mode, "upgrade") == 0)
        return upgrade(config, port, o);
    int rc = kt_tls_connect(config, "127.0.0.1", port, o, &s);
    if (rc < 0)
        return rc;
    print_info(s);
    return strcmp(mode, "lines") == 0 ? lines(s) : strcmp(mode, "echo") == 0 ? echo(s) : drink(s);
}

static int run(void *arg)
{
    const char *alpn[] = {setting("alpn"), NULL}, *version = setting("version"), *name = setting("name");
    const kt_tls_certificate own = {.chain_file = setting("certificate"), .key_file = setting("key")};
    const kt_tls_client_options options = {
        .ca_file = setting("ca"), .no_system_trust = true, .certificate = own.chain_file ? &own : NULL,
        .alpn = alpn[0] ? alpn : NULL, .version_min = version ? KT_TLS_1_3 : KT_TLS_DEFAULT,
    };
    const kt_tls_options o = {.server_name = name ? name : "localhost", .shutdown_timeout = KT_S(5)};
    const uint16_t port = (uint16_t)number(word[1]);
    kt_auto(kt_tls_config) *config = NULL;
    (void)arg;
    int rc = kt_tls_client_new(&options, &config);
    if (rc == 0)
        rc = talk(word[0], config, port, &o);
    if (rc == 0 && setting("resumes"))
        rc = talk(word[0], config, port, &o);
    printf("ended %s %s\n", rc < 0 ? kt_error_name(rc) : "well", rc < 0 ? kt_error_detail() : "");
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    words = argc - 1;
    word = argv + 1;
    return words < 2 || kt_run(run, NULL, 0) < 0;
}
