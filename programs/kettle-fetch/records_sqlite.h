/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FETCH_RECORDS_SQLITE_H
#define KETTLE_FETCH_RECORDS_SQLITE_H

/* Records in a table `results` of an SQLite database, one row a URL. Its calls are made on a thread, one at a time. */

#include <jansson.h>
#include <kettle/base.h>

typedef struct database database;

/* Makes the table if it is not there. `resume`: rows of what went well are noted in `done`; otherwise all rows are
 * removed. KT_ESTORE with SQLite's words, -ENOMEM. All suspend. */
int database_open(const char *path, bool resume, json_t *done, database **ret_database) KT_CHECKED;
int database_add(database *d, json_t *record) KT_CHECKED;
int database_close(database *d) KT_CHECKED;

#endif
