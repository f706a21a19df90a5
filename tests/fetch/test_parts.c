/* SPDX-License-Identifier: MIT */
/* JSON paths, character sets, feeds, robots.txt, file names. */
#include <charset.h>
#include <errno.h>
#include <fcntl.h>
#include <feed.h>
#include <json_path.h>
#include <json_text.h>
#include <kettle/error.h>
#include <kettle/test.h>
#include <names.h>
#include <robots.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- JSON paths ------------------------------------------------------------------------------- */

static const char *find(const char *path)
{
    static char text[1024];
    json_t *document = json_loads("{\"a\": {\"b\": [{\"c\": 1}, {\"c\": 2.5}, {\"d\": \"x\"}]}, \"n\": [3, 1, 2],"
                                  " \"odd key\": {\"x.y\": true}, \"e\": []}", 0, NULL);
    json_t *value = NULL;
    int rc = json_path_find(path, document, &value);
    size_t size = rc < 0 ? 0 : json_dumpb(value, text, sizeof text - 1, JSON_COMPACT | JSON_ENCODE_ANY);
    text[size] = '\0';
    json_decref(value);
    json_decref(document);
    return rc < 0 ? kt_error_detail() : text;
}

TEST(json_paths_find_one_value_or_null)
{
    CHECK_STR(find("a.b[0].c"), "1");
    CHECK_STR(find("$.a.b[-1].d"), "\"x\"");
    CHECK_STR(find("a.b[7].c"), "null");
    CHECK_STR(find("a.none.c"), "null");
    CHECK_STR(find("['odd key'][\"x.y\"]"), "true");
    CHECK_STR(find("$"), "{\"a\":{\"b\":[{\"c\":1},{\"c\":2.5},{\"d\":\"x\"}]},\"n\":[3,1,2],"
                         "\"odd key\":{\"x.y\":true},\"e\":[]}");
}

TEST(json_paths_with_a_star_find_lists)
{
    CHECK_STR(find("a.b[*].c"), "[1,2.5]");
    CHECK_STR(find("n[*]"), "[3,1,2]");
    CHECK_STR(find("*.b[0].c"), "[1]");
    CHECK_STR(find("e[*]"), "[]");
}

TEST(json_paths_calculate)
{
    CHECK_STR(find("sum(n)"), "6");
    CHECK_STR(find("sum(a.b[*].c)"), "3.5");
    CHECK_STR(find("count(a.b[*].c)"), "2");
    CHECK_STR(find("count(n)"), "3");
    CHECK_STR(find("min(n[*])"), "1");
    CHECK_STR(find("max(n)"), "3");
    CHECK_STR(find("mean(n)"), "2.0");
    CHECK_STR(find("mean(e)"), "null");
    CHECK_STR(find("sum(e)"), "0");
}

TEST(what_is_no_json_path_is_told_with_its_place)
{
    CHECK_STR(find("a..b"), "JSON path: a key is missing at byte 2");
    CHECK_STR(find("a[x]"), "JSON path: neither [number], [*] nor ['key'] at byte 1");
    CHECK_STR(find("a[0]b"), "JSON path: . or [ is missing at byte 4");
    CHECK_STR(find("a[99999999999]"), "JSON path: neither [number], [*] nor ['key'] at byte 1");
    CHECK_ERR(json_path_check("a."), -EINVAL);
    CHECK_OK(json_path_check("a.b"));
}

/* ---- JSON as text ----------------------------------------------------------------------------- */

static const char *read_json(const char *text)
{
    static char again[1024];
    json_t *value = NULL;
    int rc = json_text_parse(kt_slice_from(text), JSON_DECODE_ANY, BODY_DEPTH_MAX, &value);
    size_t size = rc < 0 ? 0 : json_dumpb(value, again, sizeof again - 1, JSON_COMPACT | JSON_ENCODE_ANY);
    again[size] = '\0';
    json_decref(value);
    return rc < 0 ? kt_error_detail() : again;
}

TEST(integers_beyond_64_bits_are_reals_and_the_others_stay)
{
    CHECK_STR(read_json("[9223372036854775807,9223372036854775808,-9223372036854775808,-9223372036854775809]"),
              "[9223372036854775807,9.2233720368547758e18,-9223372036854775808,-9.2233720368547758e18]");
    CHECK_STR(read_json("{\"\\\"99999999999999999999\":[\"88888888888888888888\\\\\",1000000000000000000000,3,0.5]}"),
              "{\"\\\"99999999999999999999\":[\"88888888888888888888\\\\\",1e21,3,0.5]}");
    CHECK_STR(read_json("100000000000000000000"), "1e20");
}

TEST(what_is_no_json_is_told_beside_a_large_integer_too)
{
    CHECK_STR(read_json("[100000000000000000000,\n\"x]"), "line 2: premature end of input near '\"x]'");
    CHECK_STR(read_json("[100000000000000000000,\n-99999999999999999999x]"), "line 2: ']' expected near 'x'");
    CHECK_STR(read_json("1e999"), "line 1: real number overflow near '1e999'");
}

/* ---- Character sets --------------------------------------------------------------------------- */

static const char *decode(const char *bytes, size_t size, const char *type, bool html, size_t *replaced)
{
    static char text[2048];
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_OK(charset_decode((kt_slice){bytes, size}, kt_slice_from(type), html, &out, replaced));
    snprintf(text, sizeof text, "%s", kt_buffer_string(&out));
    return text;
}

TEST(character_sets_by_header_mark_and_meta)
{
    size_t bad = 9;
    CHECK_STR(decode("caf\xe9", 4, "text/html; charset=ISO-8859-1", true, &bad), "café");
    CHECK_EQ(bad, 0);
    CHECK_STR(decode("\x93x\x94", 3, "text/plain; charset=\"latin1\"", false, &bad), "“x”");
    CHECK_STR(decode("\xff\xfe" "a\0", 4, "text/html; charset=latin1", true, &bad), "a");
    CHECK_STR(decode("\xef\xbb\xbf" "ü", 5, "", false, &bad), "ü");
    CHECK_STR(decode("<meta charset=koi8-r>\xd4", 22, "text/html", true, &bad), "<meta charset=koi8-r>т");
    CHECK_STR(decode("<!-- <meta charset=koi8-r> -->\xc3\xa9", 32, "", true, &bad), "<!-- <meta charset=koi8-r> -->é");
    CHECK_STR(decode("<meta charset=koi8-r>\xc3\xa9", 23, "", false, &bad), "<meta charset=koi8-r>é");
    CHECK_STR(decode("abc", 3, "text/html;charset=windows-1258", true, &bad), "abc"); /* an accent might follow */
    CHECK_STR(decode("\x83\x65", 2, "text/html;charset=Shift_JIS", true, &bad), "テ");
    CHECK_STR(decode("ü", 2, "text/html; charset=../../evil", true, &bad), "ü");
}

TEST(malformed_text_is_replaced_and_counted)
{
    size_t bad = 0;
    CHECK_STR(decode("a\xff\xfe" "b", 4, "", false, &bad), "a\xef\xbf\xbd\xef\xbf\xbd" "b");
    CHECK_EQ(bad, 2);
    CHECK_STR(decode("\xe2\x82", 2, "", false, &bad), "\xef\xbf\xbd");
    CHECK_STR(decode("\xe2\x82z", 3, "", false, &bad), "\xef\xbf\xbdz");
    CHECK_STR(decode("\xd8\x00x", 3, "text/plain; charset=utf-16be", false, &bad), "\xef\xbf\xbd\xef\xbf\xbd");
    CHECK_STR(decode("", 0, "", true, &bad), "");
}

TEST(an_answer_without_a_type_and_without_a_body_is_empty_text)
{
    size_t bad = 9;
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK(!charset_parameter((kt_slice){NULL, 0}, "charset").data);
    CHECK_OK(charset_decode((kt_slice){NULL, 0}, (kt_slice){NULL, 0}, true, &out, &bad));
    CHECK_EQ(out.size, 0);
    CHECK_EQ(bad, 0);
}

/* ---- Feeds ------------------------------------------------------------------------------------ */

typedef struct list {
    char text[512];
    size_t size;
} list;

static int note(enum feed_kind kind, kt_slice url, void *arg)
{
    list *l = arg;
    l->size += (size_t)snprintf(l->text + l->size, sizeof l->text - l->size, "%s%s%.*s", l->size ? " " : "",
                                kind == FEED_SITEMAP ? "+" : kind == FEED_NOTHING ? "-" : "", (int)url.size, url.data);
    return 0;
}

static const char *urls_of(const char *xml)
{
    static list l;
    l = (list){.size = 0};
    int rc = feed_read(kt_slice_from(xml), note, &l);
    return rc < 0 ? kt_error_detail() : l.text;
}

TEST(sitemaps)
{
    CHECK_STR(urls_of("<urlset><url><loc> http://a/1\n</loc><lastmod>2</lastmod></url>"
                      "<url xmlns:i='x'><i:image><i:loc>no</i:loc></i:image><loc><![CDATA[http://a/2]]></loc></url>"
                      "</urlset>"), "http://a/1 http://a/2");
    CHECK_STR(urls_of("<sitemapindex><sitemap><loc>http://a/x.xml</loc></sitemap></sitemapindex>"), "+http://a/x.xml");
    CHECK_STR(urls_of("<urlset/>"), "");
}

TEST(feeds)
{
    CHECK_STR(urls_of("<rss><channel><link>no</link><item><link>/1</link></item></channel></rss>"), "/1");
    CHECK_STR(urls_of("<r:RDF xmlns:r='r'><channel><link>no</link></channel><item><link>/1</link></item></r:RDF>"),
              "/1");
    CHECK_STR(urls_of("<feed><link href='no'/><entry><link rel='self' href='no'/><link rel='alternate' href='/1'/>"
                      "</entry><entry><link href='/2'/></entry></feed>"), "/1 /2");
}

TEST(what_is_within_an_entry_is_not_of_it)
{
    CHECK_STR(urls_of("<feed><entry><source><link href='no'/></source><link href='/1'/></entry></feed>"), "/1");
    CHECK_STR(urls_of("<rss><channel><item><image><url>no</url><link>no</link></image><link>/1</link></item>"
                      "<item/><link>no</link></channel></rss>"), "/1 -");
}

TEST(an_item_without_a_link_gives_its_guid_if_that_is_a_permalink)
{
    CHECK_STR(urls_of("<rss><channel><item><guid> /1 </guid><title>x</title></item>"
                      "<item><guid isPermaLink='true'>/2</guid><link> </link></item>"
                      "<item><guid isPermaLink='false'>no</guid></item>"
                      "<item><guid>no</guid><link>/3</link></item></channel></rss>"), "/1 /2 - /3");
    CHECK_STR(urls_of("<rss><item><guid>/1</guid></item><item><title>x</title></item></rss>"), "/1 -");
}

TEST(an_entry_that_has_no_url_is_told)
{
    CHECK_STR(urls_of("<feed><entry/><entry><link rel='self' href='no'/></entry><entry><link href='/1'/></entry>"
                      "</feed>"), "- - /1");
    CHECK_STR(urls_of("<entry/>"), "-");
    CHECK_STR(urls_of("<urlset><url><loc/></url><url><loc> </loc></url></urlset>"), "- -");
}

/* What is wrong is told by the result alone. */
TEST(a_feed_in_a_broken_encoding_writes_nothing_on_standard_error)
{
    char said[16];
    int out[2], before = dup(STDERR_FILENO);
    CHECK_OK(pipe2(out, O_NONBLOCK | O_CLOEXEC));
    CHECK(dup2(out[1], STDERR_FILENO) >= 0);
    const char *text = urls_of("<?xml version='1.0' encoding='shift_jis'?><urlset><url><loc>"
                               "\x81\xff\xff</loc></url></urlset>");
    CHECK(dup2(before, STDERR_FILENO) >= 0);
    ssize_t n = read(out[0], said, sizeof said);
    CHECK(strstr(text, "not well-formed XML"));
    CHECK_EQ(n, -1);
    close(before);
    close(out[0]);
    close(out[1]);
}

TEST(what_is_no_feed)
{
    CHECK_STR(urls_of("<html/>"), "XML, but neither a sitemap nor a feed: <html>");
    CHECK_STR(urls_of("<urlset>\n<url>"), "not well-formed XML, line 2");
    CHECK(strstr(urls_of("nothing"), "not well-formed XML"));
}

/* ---- robots.txt ------------------------------------------------------------------------------- */

static bool allowed(const char *text, const char *target)
{
    robots *r = NULL;
    CHECK_OK(robots_parse(kt_slice_from(text), "kettle-fetch", &r));
    bool ok = robots_allow(r, kt_slice_from(target));
    robots_free(r);
    return ok;
}

TEST(robots_the_longest_rule_decides)
{
    const char text[] = "User-agent: *\nDisallow: /a\nAllow: /a/b\nDisallow: /*.gif$\nDisallow:\n";
    CHECK(allowed(text, "/"));
    CHECK(!allowed(text, "/a"));
    CHECK(!allowed(text, "/abc"));
    CHECK(allowed(text, "/a/b/c"));
    CHECK(!allowed(text, "/x/y.gif"));
    CHECK(allowed(text, "/x/y.gif?z"));
    CHECK(allowed(text, "/robots.txt"));
    CHECK(allowed("User-agent: *\nDisallow: /a\nAllow: /a\n", "/a"));
}

TEST(robots_the_own_group_outweighs_all)
{
    const char text[] = "user-agent: other\nuser-agent: Kettle-Fetch/2\nDisallow: /x # not here\r\n"
                        "Crawl-delay: 1.5\n\nUser-agent: *\nDisallow: /\nUser-agent: kettle-fetch\nDisallow: /y";
    CHECK(allowed(text, "/"));
    CHECK(!allowed(text, "/x"));
    CHECK(!allowed(text, "/y"));
    robots *r = NULL;
    CHECK_OK(robots_parse(kt_slice_from(text), "kettle-fetch", &r));
    CHECK_EQ(robots_delay(r), KT_MS(1500));
    robots_free(r);
}

TEST(robots_compare_characters_however_they_are_written)
{
    const char text[] = "User-agent: *\nDisallow: /s\xc3\xbcss\nDisallow: /pct%c3%bc\nDisallow: /%7euser\n"
                        "Disallow: /star-%2A.html\nDisallow: /price$list\nDisallow: /a%2fb\nDisallow: /100%\n";
    CHECK(!allowed(text, "/s%C3%BCss"));
    CHECK(!allowed(text, "/pct%C3%BC"));
    CHECK(!allowed(text, "/pct\xc3\xbc"));
    CHECK(!allowed(text, "/~user"));
    CHECK(!allowed(text, "/%7Euser"));
    CHECK(!allowed(text, "/star-*.html"));
    CHECK(allowed(text, "/star-x.html"));
    CHECK(!allowed(text, "/price$list"));
    CHECK(!allowed(text, "/price%24list"));
    CHECK(!allowed(text, "/a%2Fb"));
    CHECK(allowed(text, "/a/b"));
    CHECK(!allowed(text, "/100%"));
    CHECK(allowed("User-agent: *\nDisallow: /%7ea\nAllow: /~ab\n", "/~abc")); /* the longer one, as it means */
}

TEST(robots_rubbish_means_nothing)
{
    CHECK(allowed("Disallow: /\n\xff\xfe:::\n<html>", "/a"));
    CHECK(allowed("", "/a"));
    CHECK(allowed("User-agent: kettle\nDisallow: /\n", "/a"));
    CHECK(robots_allow(NULL, kt_slice_from("/a")));
    CHECK(!allowed("User-agent: *\nDisallow: /*a*a*a*a*a*a*a*a*b\n", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
}

/* ---- File names ------------------------------------------------------------------------------- */

static const char *name_of(const char *url, const char *type)
{
    static char name[NAME_BYTES];
    size_t size = name_of_url(kt_slice_from(url), kt_slice_from(type), NULL, name);
    CHECK_EQ(size, strlen(name));
    CHECK(strchr(name, '/') == NULL);
    CHECK(name[0] != '.');
    CHECK_EQ(name_hash(kt_slice_from(name)).size, NAME_HASH_BYTES);
    char *hash = strstr(name, name_hash(kt_slice_from(name)).data);
    memmove(hash, hash + NAME_HASH_BYTES, strlen(hash + NAME_HASH_BYTES) + 1);
    return name;
}

TEST(names_tell_where_a_file_comes_from)
{
    CHECK_STR(name_of("http://example.org/tea/green.html?x", ""), "example.org_tea_green-.html");
    CHECK_STR(name_of("http://example.org/", "text/html; charset=x"), "example.org-.html");
    CHECK_STR(name_of("http://user:secret@example.org/x", "image/png"), "example.org_x-.png");
    CHECK_STR(name_of("http://[::1]:80/..%2f..%2fetc", "x/y"), "1_80_.._2f.._2fetc-.bin");
    CHECK_STR(name_of("http://a/.htaccess", ""), "a_.htaccess-.bin");
}

TEST(names_differ_where_urls_do)
{
    char a[NAME_BYTES], b[NAME_BYTES];
    kt_slice none = {NULL, 0};
    (void)name_of_url(kt_slice_from("http://a/x?1"), none, NULL, a);
    (void)name_of_url(kt_slice_from("http://a/x?2"), none, NULL, b);
    CHECK(strcmp(a, b) != 0);
    CHECK(name_hash(kt_slice_from("README.md")).data == NULL);
}
