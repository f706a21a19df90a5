/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_ENGINE_H
#define KETTLE_FETCH_ENGINE_H

/* The engine of kettle-fetch: many URLs, each fetched, transformed and stored, none of which can hurt another.
 *
 *     frontier.c   which URL is next
 *     fetch.c      one URL: robots.txt, attempts, its body
 *     transform.c  what is asked for, out of the body
 *     store.c      files and records
 *     engine.c     the workers, or the pipeline
 *
 * It prints nothing: a function of the caller's is told of each result. */

#include <jansson.h>
#include <kettle/http_client.h>
#include <kettle/kettle.h>
#include <kettle/url.h>

#include "base/map.h"
#include "robots.h"
#include "selector.h"

/* How a URL ended. The order is that of the summary. */
enum cause {
    CAUSE_OK,
    CAUSE_STATUS,    /* 400 or more, or 300 without a redirect */
    CAUSE_TIMEOUT,
    CAUSE_NAME,      /* no such host */
    CAUSE_CONNECT,   /* refused, unreachable */
    CAUSE_LOST,      /* the connection ended too early */
    CAUSE_TLS,
    CAUSE_PROTOCOL,
    CAUSE_CONTENT,   /* broken compression, JSON, XML */
    CAUSE_SIZE,
    CAUSE_REDIRECTS,
    CAUSE_GUARD,
    CAUSE_ROBOTS,
    CAUSE_URL,       /* is none */
    CAUSE_STORE,     /* disk, database */
    CAUSE_DEADLINE,  /* not fetched: --deadline came first */
    CAUSE_OTHER,
    CAUSES,
};

/* "timed out"; "timeout" for machines. */
const char *cause_words(enum cause c);
const char *cause_name(enum cause c);

/* ---- What to take out of a body --------------------------------------------------------------- */

enum extract_kind { EXTRACT_TITLE, EXTRACT_LINKS, EXTRACT_META, EXTRACT_TEXT, EXTRACT_JSON, EXTRACT_CSS };

typedef struct extract {
    enum extract_kind kind;
    char *name;         /* of the field */
    char *path;         /* of JSON */
    char *attribute;    /* css:SELECTOR@attribute; NULL: the text */
    selector *selector;
} extract;

/* Understands "title", "links", "meta", "text", "json:PATH", "css:SELECTOR", "css:SELECTOR@ATTRIBUTE", each also with a
 * name before it: "price=css:.price". 0, -EINVAL with a detail, -ENOMEM. */
int extract_parse(const char *text, extract *ret_extract) KT_CHECKED;
void extract_release(extract *x);

/* ---- One URL ---------------------------------------------------------------------------------- */

typedef struct host host;

typedef struct item {
    struct item *next;  /* in its host's line */
    host *host;
    char *url;          /* canonical; as it was given if it is none */
    size_t number;      /* in the order in which it came to be known, from 0 */
    unsigned depth;     /* clicks from a URL that was given */
    unsigned page;      /* of pagination, from 0 */

    /* The result. */
    enum cause cause;
    int rc, status;
    char *why;          /* NULL: there is nothing to say */
    char *final_url;    /* after redirects; NULL: no answer */
    char *content_type;
    char *next_link;    /* of the header Link, rel=next */
    uint64_t bytes;     /* of the body */
    kt_time took;       /* all its attempts, each from when it was its turn to the end of the body */
    unsigned attempts, worker;
    size_t replaced;    /* malformed characters in it */
    json_t *fields;     /* extracted; NULL: nothing was asked for */
    json_t *found;      /* URLs that it has led to: a list; NULL: nobody looked */
    char *next_url;     /* of the next page of pagination; "": there is none; NULL: nobody looked */
    char *part;         /* the file that its body goes to until it is whole; removed with the item */
    char *saved;        /* the file's name in --save; NULL: none */
    kt_buffer body;     /* between the stages */
} item;

void item_free(item *it);

/* Sets cause and words; the words are rc's detail where `why` is NULL. Returns rc. */
int item_fail(item *it, enum cause cause, int rc, const char *why);

/* ---- Options and figures ---------------------------------------------------------------------- */

typedef struct worker_figures {
    uint64_t ok, failed;
    kt_time busy;
    kt_task *task;      /* of a stage: whose these are */
} worker_figures;

enum { STAGES = 3, WORKERS_MAX = 1000 };

typedef struct engine engine;
typedef struct records records;

typedef struct engine_options {
    unsigned limit;          /* at once; 1: sequential */
    unsigned per_host;
    unsigned workers;        /* 0: as many as the limit; each stage of a pipeline has as many */
    bool pipeline;
    unsigned attempts;       /* of each URL */
    kt_time retry_wait;
    kt_time timeout;         /* of one attempt, its body included */
    kt_time deadline;        /* of the whole; 0: none */
    unsigned rate_starts;
    kt_time rate_period;
    uint64_t size_max;
    bool guard;

    unsigned crawl;          /* depth; 0: links are not followed */
    bool any_host, no_robots, paginate;
    const selector *follow;
    size_t urls_max;         /* that are ever known: a bound on the memory of a crawl */

    const extract *extracts;
    size_t extracts_count;

    const char *const *headers; /* name, value, ..., NULL */
    const char *const *secrets; /* the same, for hosts alone that the user has named */
    const char *user_agent;
    const char *save;        /* a folder; NULL: bodies are not kept */
    records *records;        /* NULL: none */

    /* Told of each result, in the order of their ends. Must not suspend. */
    void (*on_result)(const item *it, void *arg);
    /* An attempt has failed; there will be another one after `wait` unless that is -1. */
    void (*on_attempt)(const item *it, unsigned number, const char *why, kt_time wait, void *arg);
    void *arg;
} engine_options;

typedef struct figures {
    uint64_t total, by_cause[CAUSES]; /* results */
    uint64_t bytes, attempts, replaced;
    uint64_t duplicates, skipped;     /* given twice; done by an earlier run */
    uint64_t left_out;                /* by urls_max */
    unsigned at_once;                 /* most requests under way at a time */
    kt_time began, elapsed, alone;    /* alone: what all took, one after the other */
} figures;

/* ---- frontier.c ------------------------------------------------------------------------------- */

struct host {
    kt__map_node node;       /* in by_origin; first */
    struct host *next;       /* of all */
    struct host *ready_next; /* of those that may be asked now */
    char *origin;            /* "http://example.org:8080" */
    item *first, *last;      /* in line */
    unsigned active;
    bool ready;
    bool named;              /* by the user */
    bool given;              /* or where one of those has led to by redirects: a crawl may go there */
    kt_rate rate;
    kt_lock asking;          /* for robots.txt */
    bool asked;
    int robots_rc;           /* below 0: it forbids everything, as it could not be had */
    robots *robots;
    kt_time begin_next;      /* by Crawl-delay */
};

typedef struct frontier {
    host *hosts;
    kt__map by_origin;
    host *ready_first, *ready_last;
    item *returned;            /* that nobody takes any more */
    unsigned char (*seen)[16]; /* a hash table of hashes, half full at most */
    size_t seen_capacity, seen_count;
    size_t waiting, active;    /* items in line; taken and not done */
    unsigned per_host;
    kt_rate rate;              /* what each host's is like; starts_max 0: none */
    size_t urls_max, numbers;
    kt_event changed;
} frontier;

void frontier_init(frontier *f, const engine_options *o);
void frontier_release(frontier *f);

/* What makes two URLs one: the text without its fragment. */
kt_slice frontier_key(const kt_url *url);

/* Adds a URL, unless it is known: 1 it is new, 0 it was known or is one too many (*left_out is counted then). Its text
 * is canonical. -ENOMEM. */
int frontier_add(frontier *f, const kt_url *url, unsigned depth, unsigned page, uint64_t *left_out) KT_CHECKED;

/* Marks a URL as known. 1 it is new, 0, -ENOMEM. */
int frontier_see(frontier *f, const kt_url *url) KT_CHECKED;

/* A page has been had from this URL by a redirect: 1, 0 it is known, -ENOMEM. And has one? */
int frontier_arrive(frontier *f, const kt_url *url) KT_CHECKED;
bool frontier_has_arrived(const frontier *f, const kt_url *url);

/* The next URL: of hosts in turn, of one host in order, and of none more than per_host at a time. Waits where there may
 * be one later. 1; 0: there will be none any more; a cancellation's code. Every item is given back by frontier_done. */
int frontier_take(frontier *f, item **ret_item) KT_CHECKED;
void frontier_done(frontier *f, item *it);

/* Gives back an item that was taken, and not done. It is of the rest. */
void frontier_return(frontier *f, item *it);

/* The host of a URL, which is known from now on. 0, -ENOMEM. */
int frontier_host(frontier *f, const kt_url *url, host **ret_host) KT_CHECKED;

/* Notes that a host may be crawled; `named`: the user himself has named it. 0, -ENOMEM. */
int frontier_give(frontier *f, const kt_url *url, bool named) KT_CHECKED;
bool frontier_is_given(const frontier *f, const kt_url *url);

/* What was not taken or was given back, without waiting; NULL: nothing. */
item *frontier_rest(frontier *f);

/* ---- The engine ------------------------------------------------------------------------------- */

/* A request under way. */
typedef struct asker {
    struct asker *next;
    const kt_task *task;
    kt_timeout *limit;
    kt_time waited;     /* for the rate, which does not count */
    bool is_document;   /* for the program itself */
} asker;

/* Pages whose links are to be followed: the one at hand, and behind it those that an earlier run has done. */
typedef struct trail {
    struct led {
        json_t *found;
        const char *next;
        unsigned depth, page;
    } *items;
    size_t count, capacity;
} trail;

struct engine {
    engine_options o;
    figures figures;
    frontier frontier;
    kt_http_session *session;
    asker *askers;
    kt_semaphore permits;
    unsigned at_once;
    int rc;                            /* the first failure that ends the whole: of the records */
    const kt_timeout *whole;           /* of --deadline, while it runs; NULL: none */
    worker_figures workers[STAGES][WORKERS_MAX];
    kt_stage stages[STAGES];
    unsigned workers_count;
    trail given;                       /* of what the user has given, and is done: followed once all of it is known */
};

/* Begins; the options are copied, what they point to is not. In a task. 0, -EINVAL, -ENOMEM. */
int engine_open(const engine_options *o, engine **ret_engine) KT_CHECKED;

/* Adds a URL that the user has given: `named` himself, or by a list that he has named. What is no URL becomes a result
 * at once. 0, -ENOMEM. */
int engine_add(engine *e, const char *url, bool named) KT_CHECKED;

/* What was given is known to be no URL, and `why`: it becomes a result at once. 0, -ENOMEM. */
int engine_refuse(engine *e, const char *text, const char *why) KT_CHECKED;

/* The host of a URL is one that the user has named himself. 0, -ENOMEM; what is no URL has none. */
int engine_name(engine *e, const char *url) KT_CHECKED;

/* Fetches everything. 0 whatever became of the URLs; a failure of the records; a cancellation. Suspends. */
int engine_run(engine *e) KT_CHECKED;

void engine_close(engine *e);

static inline void engine_cleanup(engine **e)
{
    engine_close(*e);
}

/* Counts and tells a result, writes its record, lets go of the item. */
int engine_finish(engine *e, item *it) KT_CHECKED;

/* Where a URL of the user's has led to by redirects may be crawled, too. 0, -ENOMEM. */
int engine_give(engine *e, const char *final_url) KT_CHECKED;

/* A page was had by way of this URL: links to where redirects have led, if they have, lead to nothing new. 0,
 * -ENOMEM. */
int engine_arrive(engine *e, kt_slice url, const char *final_url) KT_CHECKED;

/* The URLs that a page has led to, which is at this depth and page itself: those that the options allow go into the
 * frontier. Where an earlier run has done one, those that it has led to do. `found` and `next_url` may be NULL. 0,
 * -ENOMEM. */
int engine_follow(engine *e, json_t *found, const char *next_url, unsigned depth, unsigned page) KT_CHECKED;

/* ---- fetch.c, transform.c, store.c: of one item; below 0: it has failed, which is in it; or a cancellation ------ */

int fetch_item(engine *e, item *it) KT_CHECKED;
int transform_item(engine *e, item *it) KT_CHECKED;
int store_item(engine *e, item *it) KT_CHECKED;

/* Does the body have to be looked at? Then it is held in memory. */
bool transform_wanted(const engine_options *o);

/* Of the session, before each attempt: waits for the host's rate; and a redirect may lead to where robots.txt forbids
 * to go. `arg` is the engine. */
int fetch_before(kt_http_attempt *a, void *arg) KT_CHECKED;

/* Fetches a document into memory for the program itself: a sitemap, robots.txt. Of one that is larger KT_ELIMIT, or its
 * beginning with `cut`. */
int fetch_document(engine *e, const char *url, size_t size_max, bool cut, int *ret_status, kt_buffer *body) KT_CHECKED;

#endif
