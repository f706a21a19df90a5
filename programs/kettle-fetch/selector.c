/* SPDX-License-Identifier: MIT */

/* Selectors: the parser. A complex selector is a list of compounds from right to left, each with the combinator that
 * stands to its left; so matching begins with the last one, which is the element itself. */

#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <stdlib.h>
#include <string.h>

#include "selector_private.h"

typedef struct parser {
    const char *text;
    size_t at;
    selector *out;
} parser;

static int wrong(const parser *p, const char *what)
{
    return kt_error_set(-EINVAL, "selector: %s at byte %zu", what, p->at);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           (unsigned char)c >= 0x80 || c == '\\';
}

static bool skip_blanks(parser *p)
{
    size_t before = p->at;
    while (is_blank(p->text[p->at]))
        p->at++;
    return p->at > before;
}

static char *store(parser *p)
{
    return p->out->words + p->out->words_size;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* A name is copied to the selector's words, which are as long as the whole text. */
static int take_name(parser *p, bool lowered, const char **ret_name)
{
    char *to = store(p);
    size_t size = 0;
    while (is_name(p->text[p->at])) {
        if (p->text[p->at] == '\\' && p->text[++p->at] == '\0')
            return wrong(p, "a character is missing behind \\");
        to[size++] = lowered ? lower(p->text[p->at]) : p->text[p->at];
        p->at++;
    }
    if (size == 0)
        return wrong(p, "a name is missing");
    to[size++] = '\0';
    p->out->words_size += size;
    *ret_name = to;
    return 0;
}

static int take_quoted(parser *p, const char **ret_text)
{
    char quote = p->text[p->at], *to = store(p);
    size_t size = 0;
    for (p->at++; p->text[p->at] != quote; p->at++) {
        if (p->text[p->at] == '\\')
            p->at++;
        if (p->text[p->at] == '\0')
            return wrong(p, "the quote does not end");
        to[size++] = p->text[p->at];
    }
    p->at++;
    to[size++] = '\0';
    p->out->words_size += size;
    *ret_text = to;
    return 0;
}

static int take_attribute(parser *p, simple *s)
{
    s->kind = SIMPLE_ATTRIBUTE;
    p->at++;
    (void)skip_blanks(p);
    int rc = take_name(p, true, &s->name);
    if (rc < 0)
        return rc;
    (void)skip_blanks(p);
    s->op = OP_THERE;
    if (p->text[p->at] != ']') {
        static const char signs[] = "=~|^$*";
        const char *sign = p->text[p->at] ? strchr(signs, p->text[p->at]) : NULL;
        if (!sign || (*sign != '=' && p->text[p->at + 1] != '='))
            return wrong(p, "an operator is missing");
        s->op = (enum attribute_op)(OP_EQUAL + (sign - signs));
        p->at += *sign == '=' ? 1 : 2;
        (void)skip_blanks(p);
        rc = p->text[p->at] == '"' || p->text[p->at] == '\'' ? take_quoted(p, &s->value)
                                                             : take_name(p, false, &s->value);
        if (rc < 0)
            return rc;
        (void)skip_blanks(p);
        if (p->text[p->at] == 'i' || p->text[p->at] == 'I') {
            s->any_case = true;
            p->at++;
            (void)skip_blanks(p);
        }
    }
    if (p->text[p->at] != ']')
        return wrong(p, "] is missing");
    p->at++;
    return 0;
}

static int take_number(parser *p, int *ret_number, bool *ret_digits)
{
    long n = 0;
    bool digits = false;
    for (; p->text[p->at] >= '0' && p->text[p->at] <= '9'; p->at++, digits = true) {
        n = 10 * n + (p->text[p->at] - '0');
        if (n > 1000000)
            return wrong(p, "the number is too large");
    }
    *ret_number = (int)n;
    *ret_digits = digits;
    return 0;
}

/* an+b: "odd", "even", "3", "2n", "-n + 3". */
static int take_nth(parser *p, simple *s)
{
    bool digits;
    (void)skip_blanks(p);
    if (strncasecmp(p->text + p->at, "odd", 3) == 0 || strncasecmp(p->text + p->at, "even", 4) == 0) {
        bool odd = lower(p->text[p->at]) == 'o';
        p->at += odd ? 3 : 4;
        s->a = 2;
        s->b = odd;
    } else {
        int sign = p->text[p->at] == '-' ? -1 : 1, number;
        p->at += p->text[p->at] == '-' || p->text[p->at] == '+';
        int rc = take_number(p, &number, &digits);
        if (rc < 0)
            return rc;
        if (lower(p->text[p->at]) == 'n') {
            p->at++;
            s->a = sign * (digits ? number : 1);
            (void)skip_blanks(p);
            if (p->text[p->at] == '+' || p->text[p->at] == '-') {
                sign = p->text[p->at++] == '-' ? -1 : 1;
                (void)skip_blanks(p);
                rc = take_number(p, &number, &digits);
                if (rc < 0)
                    return rc;
                if (!digits)
                    return wrong(p, "a number is missing");
                s->b = sign * number;
            }
        } else if (digits) {
            s->b = sign * number;
        } else {
            return wrong(p, "a number, odd or even is missing");
        }
    }
    (void)skip_blanks(p);
    if (p->text[p->at] != ')')
        return wrong(p, ") is missing");
    p->at++;
    return 0;
}

static int take_compound(parser *p, bool inside_not, compound *c);

/* :not() holds compounds only, so that it cannot nest, and no combinator looks out of it. */
static int take_not(parser *p, simple *s)
{
    s->first = p->out->compounds_count;
    do {
        if (p->out->compounds_count == SELECTOR_SIMPLE_MAX)
            return wrong(p, "too much of it");
        (void)skip_blanks(p);
        compound *c = &p->out->compounds[p->out->compounds_count++];
        int rc = take_compound(p, true, c);
        if (rc < 0)
            return rc;
        c->left = LEFT_NOTHING;
        (void)skip_blanks(p);
        s->count++;
    } while (p->text[p->at] == ',' && p->at++ < SELECTOR_BYTES_MAX);
    if (p->text[p->at] != ')')
        return wrong(p, ") is missing");
    p->at++;
    return 0;
}

static int take_pseudo(parser *p, bool inside_not, simple *s)
{
    static const struct {
        const char *name;
        enum simple_kind kind;
        int b;
        bool argument;
    } known[] = {
        {"first-child", SIMPLE_NTH, 1, false},        {"last-child", SIMPLE_NTH_LAST, 1, false},
        {"nth-child", SIMPLE_NTH, 0, true},           {"nth-last-child", SIMPLE_NTH_LAST, 0, true},
        {"first-of-type", SIMPLE_NTH_TYPE, 1, false}, {"last-of-type", SIMPLE_NTH_LAST_TYPE, 1, false},
        {"nth-of-type", SIMPLE_NTH_TYPE, 0, true},    {"only-child", SIMPLE_ONLY, 0, false},
        {"empty", SIMPLE_EMPTY, 0, false},            {"root", SIMPLE_ROOT, 0, false},
        {"not", SIMPLE_NOT, 0, true},
    };
    const char *name = NULL;
    p->at++;
    int rc = take_name(p, true, &name);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        s->kind = known[i].kind;
        s->b = known[i].b;
        if (!known[i].argument)
            return 0;
        if (p->text[p->at] != '(')
            return wrong(p, "( is missing");
        p->at++;
        if (s->kind != SIMPLE_NOT)
            return take_nth(p, s);
        return inside_not ? wrong(p, ":not() inside :not()") : take_not(p, s);
    }
    return wrong(p, "no such pseudo-class before");
}

static int take_simple(parser *p, bool inside_not, simple *s)
{
    switch (p->text[p->at]) {
    case '*':
        p->at++;
        s->kind = SIMPLE_ANY;
        return 0;
    case '.':
        p->at++;
        s->kind = SIMPLE_ATTRIBUTE;
        s->op = OP_WORD;
        s->name = "class";
        return take_name(p, false, &s->value);
    case '#':
        p->at++;
        s->kind = SIMPLE_ATTRIBUTE;
        s->op = OP_EQUAL;
        s->name = "id";
        return take_name(p, false, &s->value);
    case '[':
        return take_attribute(p, s);
    case ':':
        return take_pseudo(p, inside_not, s);
    default:
        s->kind = SIMPLE_TYPE;
        return take_name(p, true, &s->name);
    }
}

/* Its simple selectors need not lie side by side: those within :not() come between. So they are a list. */
static int take_compound(parser *p, bool inside_not, compound *c)
{
    int *link = &c->simple;
    *link = -1;
    do {
        if (p->out->simples_count == SELECTOR_SIMPLE_MAX)
            return wrong(p, "too much of it");
        int index = p->out->simples_count++;
        simple *s = &p->out->simples[index];
        *s = (simple){.next = -1};
        bool first = link == &c->simple;
        if (!first && (is_name(p->text[p->at]) || p->text[p->at] == '*'))
            return wrong(p, "a name in the wrong place");
        *link = index;
        link = &s->next;
        int rc = take_simple(p, inside_not, s);
        if (rc < 0)
            return rc;
    } while (p->text[p->at] && (strchr(".#[:*", p->text[p->at]) || is_name(p->text[p->at])));
    return 0;
}

static enum left take_combinator(parser *p)
{
    bool blank = skip_blanks(p);
    char c = p->text[p->at];
    if (c == '>' || c == '+' || c == '~') {
        p->at++;
        (void)skip_blanks(p);
        return c == '>' ? LEFT_PARENT : c == '+' ? LEFT_BEFORE : LEFT_BEFORE_ANY;
    }
    return blank && c && c != ',' ? LEFT_ANCESTOR : LEFT_NOTHING;
}

static int take_complex(parser *p)
{
    selector *s = p->out;
    int left_of = -1; /* the compound to the left of this one */
    enum left left = LEFT_NOTHING;
    (void)skip_blanks(p);
    do {
        if (s->compounds_count == SELECTOR_SIMPLE_MAX)
            return wrong(p, "too much of it");
        int index = s->compounds_count++;
        compound *c = &s->compounds[index];
        int rc = take_compound(p, false, c);
        if (rc < 0)
            return rc;
        c->left = left;
        c->left_of = left_of;
        left_of = index;
        left = take_combinator(p);
    } while (left != LEFT_NOTHING);
    s->tops[s->tops_count++] = left_of;
    return 0;
}

int selector_parse(const char *text, selector **ret_selector)
{
    size_t size = strlen(text);
    if (size > SELECTOR_BYTES_MAX)
        return kt_error_set(-EINVAL, "selector: longer than %zu bytes", SELECTOR_BYTES_MAX);
    /* Names are parts of the text, each with a terminator where at least one other character stood, or the end. */
    selector *s = kt_calloc(1, sizeof *s + 2 * size + 2);
    if (!s)
        return -ENOMEM;
    parser p = {text, 0, s};
    int rc = take_complex(&p);
    while (rc == 0 && text[p.at] == ',') {
        p.at++;
        rc = take_complex(&p);
    }
    if (rc == 0 && text[p.at])
        rc = wrong(&p, "something unexpected");
    if (rc < 0) {
        kt_free(s);
        return rc;
    }
    *ret_selector = s;
    return 0;
}

void selector_free(selector *s)
{
    kt_free(s);
}
