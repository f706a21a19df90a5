/* SPDX-License-Identifier: MIT */

/* Paths as text. */

#include <errno.h>
#include <kettle/error.h>
#include <kettle/path.h>

/* Without the slashes at the end; of "///" nothing is left. */
static size_t trimmed(const char *path, size_t size)
{
    while (size > 0 && path[size - 1] == '/')
        size--;
    return size;
}

/* ---- Parts --------------------------------------------------------------------------------- */

kt_slice kt_path_name(const char *path)
{
    size_t end = trimmed(path, strlen(path)), begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    return (kt_slice){path + begin, end - begin};
}

/* Of the suffix in a name; its size where there is none. Dots that a name begins with are none's. */
static size_t dot_in(kt_slice name)
{
    size_t at = name.size, before = 0;
    while (at > 0 && name.data[at - 1] != '.')
        at--;
    while (before < name.size && name.data[before] == '.')
        before++;
    return at > before && at < name.size ? at - 1 : name.size;
}

kt_slice kt_path_suffix(const char *path)
{
    kt_slice name = kt_path_name(path);
    size_t dot = dot_in(name);
    return (kt_slice){name.data + dot, name.size - dot};
}

kt_slice kt_path_stem(const char *path)
{
    kt_slice name = kt_path_name(path);
    return (kt_slice){name.data, dot_in(name)};
}

kt_slice kt_path_parent(const char *path)
{
    kt_slice name = kt_path_name(path);
    size_t before = (size_t)(name.data - path), size = trimmed(path, before);
    if (size > 0)
        return (kt_slice){path, size};
    return kt_slice_from(*path == '/' ? "/" : ".");
}

/* ---- Joins --------------------------------------------------------------------------------- */

static int give(char *text, kt_path *ret_path)
{
    if (!text)
        return -ENOMEM;
    *ret_path = text;
    return 0;
}

int kt_path_join(const char *base, const char *path, kt_path *ret_path)
{
    size_t base_size = strlen(base), size = strlen(path);
    if (*path == '/' || base_size == 0)
        return give(kt_strndup(path, size), ret_path);
    if (size == 0)
        return give(kt_strndup(base, base_size), ret_path);
    bool slash = base[base_size - 1] != '/';
    char *text = kt_alloc(base_size + slash + size + 1);
    if (text) {
        memcpy(text, base, base_size);
        text[base_size] = '/';
        memcpy(text + base_size + slash, path, size + 1);
    }
    return give(text, ret_path);
}

/* The next name of `path` from *at on; false at the end. */
static bool next_name(kt_slice path, size_t *at, kt_slice *ret_name)
{
    while (*at < path.size && path.data[*at] == '/')
        ++*at;
    size_t begin = *at;
    while (*at < path.size && path.data[*at] != '/')
        ++*at;
    *ret_name = (kt_slice){path.data + begin, *at - begin};
    return *at > begin;
}

/* Two slashes at the begin mean something of their own, three do not: POSIX, 4.13. */
static size_t root_size(const char *path)
{
    size_t slashes = strspn(path, "/");
    return slashes == 2 ? 2 : slashes > 0;
}

/* Takes the last name away that is no ".."; false: there is none. */
static bool take_name(const char *text, size_t root, size_t *size)
{
    size_t begin = *size;
    while (begin > root && text[begin - 1] != '/')
        begin--;
    if (begin == *size || (*size - begin == 2 && memcmp(text + begin, "..", 2) == 0))
        return false;
    *size = begin > root ? begin - 1 : root;
    return true;
}

int kt_path_normalise(const char *path, kt_path *ret_path)
{
    size_t root = root_size(path), size = root, at = 0;
    kt_slice name;
    char *text = kt_alloc(strlen(path) + 2);
    if (!text)
        return -ENOMEM;
    memcpy(text, path, root);
    while (next_name(kt_slice_from(path), &at, &name)) {
        bool up = kt_slice_is(name, "..");
        if (kt_slice_is(name, ".") || (up && take_name(text, root, &size)) || (up && root > 0))
            continue;
        if (size > root)
            text[size++] = '/';
        memcpy(text + size, name.data, name.size);
        size += name.size;
    }
    if (size == 0)
        text[size++] = '.';
    text[size] = '\0';
    *ret_path = text;
    return 0;
}

/* ---- Beneath a root ------------------------------------------------------------------------ */

static int check_beneath(kt_slice path)
{
    size_t at = 0;
    kt_slice name;
    if (path.size > 0 && memchr(path.data, '\0', path.size))
        return kt_error_set(-EINVAL, "path with a NUL");
    if (path.size > 0 && path.data[0] == '/')
        return kt_error_set(-EXDEV, "path is absolute");
    while (next_name(path, &at, &name))
        if (kt_slice_is(name, ".."))
            return kt_error_set(-EXDEV, "path with \"..\"");
    return 0;
}

int kt_path_join_beneath(const char *root, kt_slice path, kt_path *ret_path)
{
    int rc = check_beneath(path);
    if (rc < 0)
        return rc;
    size_t size = strlen(root), at = 0;
    char *text = kt_alloc(size + path.size + 2);
    kt_slice name;
    if (!text)
        return -ENOMEM;
    memcpy(text, root, size);
    while (next_name(path, &at, &name)) {
        if (kt_slice_is(name, "."))
            continue;
        if (size > 0 && text[size - 1] != '/')
            text[size++] = '/';
        memcpy(text + size, name.data, name.size);
        size += name.size;
    }
    text[size] = '\0';
    *ret_path = text;
    return 0;
}
