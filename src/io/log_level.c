/* SPDX-License-Identifier: MIT */

/* Loggers and their levels. A logger remembers below which level nothing of it is written, so that a line that is
 * off need not look up a name; whoever changes a level, opens or closes the log tells all loggers. */

#include <errno.h>
#include <kettle/memory.h>
#include <limits.h>
#include <strings.h>

#include "io/log_private.h"

/* A level that was set for a name other than the root's. */
typedef struct level {
    struct level *next;
    int value;
    char name[];
} level;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static level *levels;
static int root, root_default = KT_LOG_INFO;
static bool open_now;
static kt_logger *loggers; /* that have been used */

kt_logger kt__log_of_library = KT_LOGGER("kettle");

static const struct {
    int value;
    const char *name;
} names[] = {
    {KT_LOG_OFF, "OFF"},         {KT_LOG_CRITICAL, "CRITICAL"}, {KT_LOG_ERROR, "ERROR"},
    {KT_LOG_WARNING, "WARNING"}, {KT_LOG_INFO, "INFO"},         {KT_LOG_DEBUG, "DEBUG"},
};
#define NAMES (sizeof names / sizeof names[0])

const char *kt_log_level_name(int value)
{
    for (size_t i = 1; i < NAMES; i++)
        if (value >= names[i].value)
            return names[i].name;
    return "NOTSET";
}

/* ---- What is in force: with the lock ------------------------------------------------------------ */

static level *find(const char *name, size_t size)
{
    for (level *l = levels; l; l = l->next)
        if (strncmp(l->name, name, size) == 0 && l->name[size] == '\0')
            return l;
    return NULL;
}

static int in_force(const char *name)
{
    for (size_t size = strlen(name); size > 0;) {
        const level *l = find(name, size);
        if (l)
            return l->value;
        while (size > 0 && name[--size] != '.')
            ;
    }
    return root ? root : root_default;
}

static void tell(kt_logger *l)
{
    __atomic_store_n(&l->threshold, open_now ? in_force(l->name) : INT_MAX, __ATOMIC_RELAXED);
}

static void tell_all(void)
{
    for (kt_logger *l = loggers; l; l = l->next)
        tell(l);
}

/* ---- Loggers ---------------------------------------------------------------------------------------- */

bool kt__logger_meet(kt_logger *l, int line)
{
    pthread_mutex_lock(&mutex);
    if (__atomic_load_n(&l->threshold, __ATOMIC_RELAXED) == 0) { /* no other thread was first */
        l->next = loggers;
        loggers = l;
        tell(l);
    }
    pthread_mutex_unlock(&mutex);
    return line >= __atomic_load_n(&l->threshold, __ATOMIC_RELAXED);
}

void kt_logger_release(kt_logger *l)
{
    pthread_mutex_lock(&mutex);
    kt_logger **link = &loggers;
    while (*link && *link != l)
        link = &(*link)->next;
    if (*link)
        *link = l->next;
    l->next = NULL;
    __atomic_store_n(&l->threshold, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&mutex);
}

void kt__log_levels_open(bool open, int default_of_root)
{
    (void)kt_log_enabled(&kt__log_of_library, KT_LOG_OFF); /* so that a signal handler need not meet it */
    pthread_mutex_lock(&mutex);
    open_now = open;
    root_default = default_of_root ? default_of_root : KT_LOG_INFO;
    tell_all();
    pthread_mutex_unlock(&mutex);
}

void kt__log_levels_lock(void)
{
    pthread_mutex_lock(&mutex);
}

void kt__log_levels_unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

/* In the child of a fork, with the lock, which its only thread holds. */
void kt__log_levels_forked(void)
{
    open_now = false;
    tell_all();
}

/* ---- Setting ------------------------------------------------------------------------------------------ */

static level *level_new(const char *name, size_t size, int value)
{
    level *l = kt_alloc(sizeof *l + size + 1);
    if (!l)
        return NULL;
    memcpy(l->name, name, size);
    l->name[size] = '\0';
    l->value = value;
    l->next = NULL;
    return l;
}

static void levels_free(level *first)
{
    while (first) {
        level *l = first;
        first = l->next;
        kt_free(l);
    }
}

/* Takes one in, instead of that which there is for its name. */
static void settle(level *l)
{
    level **link = &levels;
    while (*link && strcmp((*link)->name, l->name) != 0)
        link = &(*link)->next;
    level *old = *link;
    if (old) {
        *link = old->next;
        kt_free(old);
    }
    if (*l->name && l->value) {
        l->next = levels;
        levels = l;
        return;
    }
    if (!*l->name)
        root = l->value;
    kt_free(l);
}

static void settle_all(level *first)
{
    pthread_mutex_lock(&mutex);
    while (first) {
        level *l = first;
        first = l->next;
        settle(l);
    }
    tell_all();
    pthread_mutex_unlock(&mutex);
}

int kt_log_level_set(const char *name, int value)
{
    if (value < 0)
        return kt_error_set(-EINVAL, "%d is no level", value);
    level *l = level_new(name, strlen(name), value);
    if (!l)
        return -ENOMEM;
    settle_all(l);
    return 0;
}

int kt_log_level(const char *name)
{
    pthread_mutex_lock(&mutex);
    int value = in_force(name);
    pthread_mutex_unlock(&mutex);
    return value;
}

/* ---- As users write them --------------------------------------------------------------------------------- */

static kt_slice trimmed(kt_slice s)
{
    while (s.size > 0 && (*s.data == ' ' || *s.data == '\t'))
        s = (kt_slice){s.data + 1, s.size - 1};
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t'))
        s.size--;
    return s;
}

static int level_of(kt_slice word)
{
    for (size_t i = 0; i < NAMES; i++)
        if (word.size == strlen(names[i].name) && strncasecmp(names[i].name, word.data, word.size) == 0)
            return names[i].value;
    return kt_error_set(KT_EVALIDATION,
                        "'%.*s' is no level: debug, info, warning, error, critical or off",
                        (int)(word.size < 100 ? word.size : 100), word.data);
}

/* "name=level" or "level". */
static int parse_one(kt_slice part, level **ret_level)
{
    const char *equals = memchr(part.data, '=', part.size);
    kt_slice name = {part.data, equals ? (size_t)(equals - part.data) : 0}, word = part;
    if (equals)
        word = (kt_slice){equals + 1, part.size - name.size - 1};
    name = trimmed(name);
    int value = level_of(trimmed(word));
    if (value < 0)
        return value;
    *ret_level = level_new(name.data, name.size, value);
    return *ret_level ? 0 : -ENOMEM;
}

int kt_log_levels_set(const char *text)
{
    level *first = NULL, **last = &first;
    for (const char *end;; text = end + 1) {
        end = strchrnul(text, ',');
        int rc = parse_one((kt_slice){text, (size_t)(end - text)}, last);
        if (rc < 0) {
            levels_free(first);
            return rc;
        }
        last = &(*last)->next;
        if (!*end)
            break;
    }
    settle_all(first);
    return 0;
}
