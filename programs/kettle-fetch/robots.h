/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_ROBOTS_H
#define KETTLE_FETCH_ROBOTS_H

/* robots.txt (RFC 9309). */

#include <kettle/base.h>

/* What is read of one, section 2.5. */
#define ROBOTS_BYTES_MAX ((size_t)500 * 1024)
#define ROBOTS_RULES_MAX 10000

typedef struct robots robots;

/* Understands the text, as far as it concerns `agent` ("kettle-fetch"), or * where no group does. Never wrong: lines
 * that mean nothing are skipped. The caller frees *ret_robots. 0, -ENOMEM. */
int robots_parse(kt_slice text, const char *agent, robots **ret_robots) KT_CHECKED;
void robots_free(robots *r);

/* May it be fetched? `target` is path and query, percent-encoded. The longest rule that matches decides, and of equal
 * ones that which allows. NULL robots allow everything. */
bool robots_allow(const robots *r, kt_slice target);

/* Crawl-delay, which is no standard but usual; 0: none. At most 60 s. */
kt_time robots_delay(const robots *r);

#endif
