/* SPDX-License-Identifier: MIT */

/* A file of any size, in bounded memory: copied, hashed, its lines counted. Prints what came of it, as its peers do:
 * nothing, the SHA-256, how many lines.
 *
 * usage: large copy FROM TO | large hash PATH | large lines PATH */

#include <errno.h>
#include <fcntl.h>
#include <kettle/kettle.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX (1 << 20)

static int copy(void *arg)
{
    char **paths = arg;
    return kt_path_copy(paths[0], paths[1], NULL);
}

static void print_digest(const unsigned char *digest, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        printf("%02x", digest[i]);
    printf("\n");
}

static int hash_with(EVP_MD_CTX *context, kt_file *f)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    kt_slice bytes;
    int rc = EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 ? 0 : -ENOTSUP;
    while (rc == 0 && (rc = kt_file_read_chunk(f, SIZE_MAX, &bytes)) > 0)
        rc = EVP_DigestUpdate(context, bytes.data, bytes.size) == 1 ? 0 : -EIO;
    if (rc == 0 && EVP_DigestFinal_ex(context, digest, &size) != 1)
        rc = -EIO;
    if (rc == 0)
        print_digest(digest, size);
    return rc;
}

static int hash(void *arg)
{
    char **paths = arg;
    kt_auto(kt_file) *f = NULL;
    int rc = kt_file_open(paths[0], O_RDONLY, 0, &f);
    if (rc < 0)
        return rc;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    rc = context ? hash_with(context, f) : -ENOMEM;
    EVP_MD_CTX_free(context);
    return rc;
}

static int count_lines(void *arg)
{
    char **paths = arg;
    kt_auto(kt_file) *f = NULL;
    kt_slice line;
    long long lines = 0;
    int rc = kt_file_open(paths[0], O_RDONLY, 0, &f);
    while (rc == 0 && (rc = kt_file_read_line(f, LINE_BYTES_MAX, &line)) > 0) {
        lines++;
        rc = 0;
    }
    if (rc == 0)
        printf("%lld\n", lines);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = -EINVAL;
    if (argc == 4 && strcmp(argv[1], "copy") == 0)
        rc = kt_run(copy, argv + 2, 0);
    else if (argc == 3 && strcmp(argv[1], "hash") == 0)
        rc = kt_run(hash, argv + 2, 0);
    else if (argc == 3 && strcmp(argv[1], "lines") == 0)
        rc = kt_run(count_lines, argv + 2, 0);
    else
        fprintf(stderr, "usage: large copy FROM TO | hash PATH | lines PATH\n");
    if (rc < 0)
        fprintf(stderr, "large: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
