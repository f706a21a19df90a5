/* SPDX-License-Identifier: MIT */
/* For url_peers.py: reads lines "URL", or "URL<TAB>base", and says of each what kt_url_parse makes of it: the parts,
 * with tabs between, or "FAIL" and the reason. Bytes below 0x21 and above 0x7e, and '\', are written \xNN both ways. */
#include <kettle/error.h>
#include <kettle/memory.h>
#include <kettle/url.h>

#include <stdio.h>
#include <stdlib.h>

static kt_slice unescape(char *s)
{
    char *to = s;
    kt_slice out = {s, 0};
    for (; *s; s++) {
        if (*s != '\\') {
            *to++ = *s;
            continue;
        }
        char digits[3] = {s[2], s[3], '\0'};
        *to++ = (char)strtol(digits, NULL, 16);
        s += 3;
    }
    out.size = (size_t)(to - out.data);
    return out;
}

static void say(kt_slice s, const char *mark)
{
    for (size_t i = 0; i < s.size; i++) {
        unsigned char c = (unsigned char)s.data[i];
        printf(c > ' ' && c < 0x7f && c != '\\' ? "%c" : "\\x%02x", c);
    }
    printf("%s", mark);
}

static void say_url(const kt_url *u)
{
    printf("OK\t");
    say(u->text, "\t");
    say(u->scheme, "\t");
    say(u->user, "\t");
    say(u->password, "\t");
    say(u->host, "\t");
    printf("%u\t", u->port);
    say(u->path, "\t");
    say(u->query, "\t");
    say(u->fragment, "\n");
}

static void judge(char *line)
{
    kt_auto(kt_url) base = KT_URL_INIT, url = KT_URL_INIT;
    char *tab = strchr(line, '\t');
    int rc = 0;
    if (tab)
        *tab = '\0';
    if (tab && tab[1])
        rc = kt_url_parse_slice(unescape(tab + 1), NULL, &base);
    if (rc == 0)
        rc = kt_url_parse_slice(unescape(line), tab && tab[1] ? &base : NULL, &url);
    if (rc < 0)
        printf("FAIL\t%s\t%s\n", kt_error_name(rc), kt_error_detail());
    else
        say_url(&url);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&line, &room, stdin)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        judge(line);
    }
    free(line); /* tidy: free: getline's */
    return ferror(stdin) || fflush(stdout) != 0;
}
