/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <kettle/kettle.h>
#include <kettle/test.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What a loop keeps of looked-up names. The system's answers are made here, and counted. */

static atomic_int asked;
static atomic_int error;      /* EAI_... */
static atomic_int address = 1; /* 127.0.0.x */
static atomic_bool slow;

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_answer)
{
    (void)host;
    asked++;
    while (slow)
        usleep(1000);
    if (error)
        return error;
    struct addrinfo *info = calloc(1, sizeof *info); /* tidy: calloc: libc's part is played here */
    struct sockaddr_in *in = calloc(1, sizeof *in);  /* tidy: calloc: the same */
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(0x7f000000u | (unsigned)address);
    in->sin_port = service ? htons(7) : 0;
    *info = (struct addrinfo){.ai_addr = (struct sockaddr *)in, .ai_addrlen = sizeof *in};
    info->ai_canonname = hints->ai_flags & AI_CANONNAME ? strdup("canonical") : NULL; /* tidy: strdup: the same */
    *ret_answer = info;
    return 0;
}

void freeaddrinfo(struct addrinfo *answer)
{
    free(answer->ai_addr);      /* tidy: free: the same */
    free(answer->ai_canonname); /* tidy: free: the same */
    free(answer);               /* tidy: free: the same */
}

static int resolve(const char *host, const char *service, const kt_resolve_options *o, char text[64])
{
    kt_auto(kt_addresses) *found = NULL;
    int rc = kt_resolve(host, service, o, &found);
    if (rc == 0)
        kt_address_format(&found->items[0].any, found->items[0].size, text, 64);
    return rc;
}

static void check(const char *host, const char *service, const char *expected, int times)
{
    char text[64] = "";
    CHECK_OK(resolve(host, service, NULL, text));
    CHECK_STR(text, expected);
    CHECK_EQ(asked, times);
}

TEST_WITH(an_answer_is_kept_for_half_a_minute, KT_TEST_REAL_IO)
{
    check("tea", "80", "127.0.0.1:80", 1);
    address = 2;
    CHECK_OK(kt_sleep(KT_S(29)));
    check("tea", "80", "127.0.0.1:80", 1);
    CHECK_OK(kt_sleep(KT_S(2)));
    check("tea", "80", "127.0.0.2:80", 2);
}

TEST_WITH(the_port_makes_no_other_question_but_a_name_does, KT_TEST_REAL_IO)
{
    check("tea", "80", "127.0.0.1:80", 1);
    check("tea", "443", "127.0.0.1:443", 1);
    check("tea", NULL, "127.0.0.1:0", 1);
    check("tea", "echo", "127.0.0.1:7", 2);
    check("tea", "80", "127.0.0.1:80", 2);
    check("pot", "80", "127.0.0.1:80", 3);
}

TEST_WITH(other_options_are_another_question, KT_TEST_REAL_IO)
{
    const kt_resolve_options options[] = {
        {.family = AF_INET}, {.type = SOCK_DGRAM}, {.protocol = 6}, {.flags = AI_CANONNAME}, {.type = SOCK_STREAM}};
    char text[64];
    check("tea", "80", "127.0.0.1:80", 1);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(resolve("tea", "80", &options[i], text));
        CHECK_OK(resolve("tea", "80", &options[i], text));
        CHECK_EQ(asked, i < 4 ? i + 2 : 5); /* the last is the default */
    }
    kt_auto(kt_addresses) *found = NULL;
    CHECK_OK(kt_resolve("tea", "80", &options[3], &found));
    CHECK_STR(found->canonical_name, "canonical");
    CHECK_EQ(asked, 5);
}

TEST_WITH(that_there_is_no_such_name_is_kept_for_a_moment, KT_TEST_REAL_IO)
{
    char text[64];
    error = EAI_NONAME;
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(resolve("tea", "80", NULL, text), KT_ENAME);
        CHECK(strstr(kt_error_detail(), "tea: Name or service not known") != NULL);
        CHECK_EQ(asked, 1);
    }
    error = 0;
    CHECK_OK(kt_sleep(KT_S(4)));
    check("tea", "80", "127.0.0.1:80", 2);
}

TEST_WITH(that_nobody_could_tell_is_not_kept, KT_TEST_REAL_IO)
{
    char text[64];
    error = EAI_AGAIN;
    CHECK_ERR(resolve("tea", "80", NULL, text), KT_ENAME);
    CHECK_ERR(resolve("tea", "80", NULL, text), KT_ENAME);
    CHECK_EQ(asked, 2);
    error = EAI_MEMORY;
    CHECK_ERR(resolve("tea", "80", NULL, text), -ENOMEM);
    error = 0;
    check("tea", "80", "127.0.0.1:80", 4);
}

TEST_WITH(who_wants_it_fresh_asks_and_the_others_have_it_too, KT_TEST_REAL_IO)
{
    const kt_resolve_options fresh = {.fresh = true};
    char text[64];
    check("tea", "80", "127.0.0.1:80", 1);
    address = 2;
    CHECK_OK(resolve("tea", "80", &fresh, text));
    CHECK_STR(text, "127.0.0.2:80");
    check("tea", "80", "127.0.0.2:80", 2);
}

TEST_WITH(times_can_be_chosen, KT_TEST_REAL_IO)
{
    char text[64];
    CHECK_OK(kt_resolve_cache_set(KT_S(100), KT_S(50)));
    check("tea", "80", "127.0.0.1:80", 1);
    error = EAI_NONAME;
    CHECK_ERR(resolve("pot", "80", NULL, text), KT_ENAME);
    CHECK_OK(kt_sleep(KT_S(49)));
    CHECK_ERR(resolve("pot", "80", NULL, text), KT_ENAME);
    check("tea", "80", "127.0.0.1:80", 2);
    CHECK_OK(kt_sleep(KT_S(2)));
    CHECK_ERR(resolve("pot", "80", NULL, text), KT_ENAME);
    check("tea", "80", "127.0.0.1:80", 3);
    CHECK_OK(kt_resolve_cache_set(0, -1));
    CHECK_ERR(resolve("pot", "80", NULL, text), KT_ENAME);
    CHECK_ERR(resolve("pot", "80", NULL, text), KT_ENAME);
    CHECK_EQ(asked, 5);
}

TEST_WITH(nothing_is_kept_if_nothing_shall_be, KT_TEST_REAL_IO)
{
    check("tea", "80", "127.0.0.1:80", 1);
    CHECK_OK(kt_resolve_cache_set(-1, 0));
    check("tea", "80", "127.0.0.1:80", 2);
    check("tea", "80", "127.0.0.1:80", 3);
    CHECK_OK(kt_resolve_cache_set(0, 0));
    check("tea", "80", "127.0.0.1:80", 4);
    check("tea", "80", "127.0.0.1:80", 4);
}

TEST_WITH(everything_can_be_forgotten, KT_TEST_REAL_IO)
{
    kt_resolve_cache_clear();
    check("tea", "80", "127.0.0.1:80", 1);
    kt_resolve_cache_clear();
    check("tea", "80", "127.0.0.1:80", 2);
}

TEST_WITH(who_was_not_asked_for_lately_goes_first, KT_TEST_REAL_IO)
{
    char host[32];
    for (int i = 0; i < 513; i++) {
        snprintf(host, sizeof host, "host%d", i);
        check(host, "80", "127.0.0.1:80", i + 1);
        if (i > 0)
            check("host0", "80", "127.0.0.1:80", i + 1);
    }
    check("host1", "80", "127.0.0.1:80", 514);
}

static int resolves(void *arg)
{
    char text[64];
    return resolve(arg, "80", NULL, text);
}

TEST_WITH(who_asks_meanwhile_waits_for_the_same_answer, KT_TEST_REAL_TIME)
{
    kt_task *tasks[4];
    static char host[] = "tea";
    slow = true;
    for (int i = 0; i < 4; i++)
        CHECK_OK(kt_spawn(resolves, host, 0, &tasks[i]));
    CHECK_OK(kt_sleep(KT_MS(5)));
    CHECK(kt_task_cancel(tasks[0])); /* who began it is not needed */
    CHECK_ERR(kt_task_join(tasks[0]), KT_ECANCELED);
    slow = false;
    for (int i = 1; i < 4; i++)
        CHECK_OK(kt_task_join(tasks[i]));
    CHECK_EQ(asked, 1);
}

TEST_WITH(a_look_up_that_nobody_waits_for_any_more_is_left_alone, KT_TEST_REAL_TIME)
{
    static char host[] = "tea";
    slow = true;
    CHECK_ERR(kt_wait_for(KT_MS(5), resolves, host, 0), KT_ETIMEDOUT);
    slow = false;
    check("tea", "80", "127.0.0.1:80", 2);
}

/* A server may have moved. */
TEST_WITH(an_address_where_nobody_answers_is_forgotten, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_stream) *s = NULL;
    CHECK_OK(kt_listen("127.0.0.2", 0, NULL, &l));
    CHECK_ERR(kt_stream_connect("tea", kt_listener_port(l), &s), -ECONNREFUSED);
    address = 2;
    CHECK_OK(kt_stream_connect("tea", kt_listener_port(l), &s));
    CHECK_EQ(asked, 2);
}
