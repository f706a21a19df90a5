/* SPDX-License-Identifier: MIT */
#include "io/process_identity.h"

#include <kettle/loop.h>
#include <kettle/memory.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

/* Of an entry; a group lists its members in it. */
#define ENTRY_BYTES 1024
#define ENTRY_BYTES_MAX ((size_t)16 << 20)

typedef struct search {
    const char *name;
    bool is_group;
    char *bytes;
    size_t size;
    int rc; /* positive errno; found: see id */
    bool found;
    uint32_t id;
} search;

/* libc loads modules for this, which want more stack than a task has. */
static void look_up(void *arg)
{
    search *s = arg;
    struct passwd user, *found_user = NULL;
    struct group group, *found_group = NULL;
    do {
        if (s->is_group)
            s->rc = getgrnam_r(s->name, &group, s->bytes, s->size, &found_group);
        else
            s->rc = getpwnam_r(s->name, &user, s->bytes, s->size, &found_user);
    } while (s->rc == EINTR);
    s->found = found_user || found_group;
    if (s->found)
        s->id = found_group ? found_group->gr_gid : found_user->pw_uid;
}

/* How libc tells that there is none differs from module to module (getpwnam(3)). */
static bool means_none(int error)
{
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

static int find_name(const char *name, bool is_group, uint32_t *ret_id)
{
    search s = {.name = name, .is_group = is_group, .size = ENTRY_BYTES, .rc = ERANGE};
    for (; s.rc == ERANGE && s.size <= ENTRY_BYTES_MAX; s.size *= 4) {
        kt_free(s.bytes);
        s.bytes = kt_alloc(s.size);
        if (!s.bytes)
            return -ENOMEM;
        kt__on_scheduler(kt__loop, look_up, &s);
    }
    kt_free(s.bytes);
    const char *kind = is_group ? "group" : "user";
    if (!s.found && means_none(s.rc))
        return kt_error_set(KT_ENOTFOUND, "there is no %s '%s'", kind, name);
    if (!s.found)
        return kt_error_set(-s.rc, "looking up %s '%s': %s", kind, name, kt_strerror(-s.rc));
    *ret_id = s.id;
    return 0;
}

/* A number needs no look-up, and need not belong to anybody. */
static int find_id(const char *text, bool is_group, uint32_t *ret_id)
{
    if (!*text || text[strspn(text, "0123456789")])
        return find_name(text, is_group, ret_id);
    errno = 0;
    unsigned long long n = strtoull(text, NULL, 10);
    if (errno || n >= UINT32_MAX) /* the largest means "none" to the system */
        return kt_error_set(-EINVAL, "%s is no number of a %s", text, is_group ? "group" : "user");
    *ret_id = (uint32_t)n;
    return 0;
}

static int find_extra_groups(kt__process_identity *p, const char *const *names)
{
    size_t count = 0;
    while (names[count])
        count++;
    p->groups = kt_calloc(count, sizeof(*p->groups));
    if (!p->groups)
        return -ENOMEM;
    p->identity.sets_groups = true;
    p->identity.groups = p->groups;
    p->identity.groups_count = count;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = find_id(names[i], true, &p->groups[i]);
    return rc;
}

int kt__process_identity_find(kt__process_identity *p, const kt_process_options *o)
{
    int rc = 0;
    p->changes = o->user || o->group || o->extra_groups;
    if (o->user)
        rc = find_id(o->user, false, &p->identity.uid);
    if (rc == 0 && o->group)
        rc = find_id(o->group, true, &p->identity.gid);
    if (rc == 0 && o->extra_groups)
        rc = find_extra_groups(p, o->extra_groups);
    return rc;
}
