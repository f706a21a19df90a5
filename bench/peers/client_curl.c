/* SPDX-License-Identifier: MIT */

/* GETs of one URL by libcurl's multi interface, so many at a time, on connections that are kept.
 *
 * usage: client_curl URL REQUESTS AT_ONCE
 *
 * Prints one JSON object: answers with 200 and a body, seconds, and CPU seconds. */

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long left, good;

static double seconds_of(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    *(size_t *)arg += size * count;
    return size * count;
}

static void must(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "client_curl: %s\n", what);
    exit(1);
}

static CURL *easy_new(const char *url, size_t *got)
{
    CURL *easy = curl_easy_init();
    must(easy != NULL, "no handle");
    must(curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK, "URL");
    must(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK, "WRITEFUNCTION");
    must(curl_easy_setopt(easy, CURLOPT_WRITEDATA, got) == CURLE_OK, "WRITEDATA");
    must(curl_easy_setopt(easy, CURLOPT_PRIVATE, got) == CURLE_OK, "PRIVATE");
    return easy;
}

/* One that is done begins again, while any are left. Returns how many have ended. */
static long again(CURLM *multi)
{
    CURLMsg *message;
    int more;
    long ended = 0;
    while ((message = curl_multi_info_read(multi, &more))) {
        CURL *easy = message->easy_handle;
        long status = 0;
        size_t *got = NULL;
        must(message->data.result == CURLE_OK, curl_easy_strerror(message->data.result));
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&got);
        good += status == 200 && *got > 0;
        *got = 0;
        must(curl_multi_remove_handle(multi, easy) == CURLM_OK, "remove");
        if (left > 0) {
            left--;
            must(curl_multi_add_handle(multi, easy) == CURLM_OK, "add");
        } else {
            curl_easy_cleanup(easy);
            ended++;
        }
    }
    return ended;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: client_curl URL REQUESTS AT_ONCE\n");
        return 2;
    }
    left = strtol(argv[2], NULL, 10);
    long active = strtol(argv[3], NULL, 10);
    size_t *got = calloc((size_t)active, sizeof *got);
    CURLM *multi = curl_multi_init();
    must(multi && got && active <= left, "too few requests, or no memory");
    must(curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, active) == CURLM_OK, "MAXCONNECTS");
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), from = seconds_of(CLOCK_MONOTONIC);
    for (long i = 0; i < active; i++)
        must(curl_multi_add_handle(multi, easy_new(argv[1], &got[i])) == CURLM_OK, "add");
    left -= active;
    while (active > 0) {
        int running;
        must(curl_multi_perform(multi, &running) == CURLM_OK, "perform");
        active -= again(multi);
        if (active > 0)
            must(curl_multi_poll(multi, NULL, 0, 1000, NULL) == CURLM_OK, "poll");
    }
    printf("{\"good\": %ld, \"seconds\": %.6f, \"cpu\": %.6f}\n", good, seconds_of(CLOCK_MONOTONIC) - from,
           seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    curl_multi_cleanup(multi);
    free(got);
    return 0;
}
