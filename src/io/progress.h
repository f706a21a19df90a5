/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_PROGRESS_H
#define KETTLE_IO_PROGRESS_H

/* What is in a bar's line, apart from where and when it is drawn. */

#include <kettle/terminal.h>

#define KT__PROGRESS_LINE_BYTES 512

/* Writes p's line as of its last `drawn`, at most `columns` wide and terminated, and returns its bytes. At its `end`
 * the line says how long it took, instead of how long it will take. Neither colours nor controls are in it. */
size_t kt__progress_line(const kt_progress *p, size_t columns, bool end, char line[KT__PROGRESS_LINE_BYTES]);

/* As kt_terminal_safe, into at most `room` bytes: how many. Not terminated. */
size_t kt__terminal_safe(kt_slice text, char *to, size_t room);

/* Takes what is done at `now` into the rate. */
void kt__progress_measure(kt_progress *p, kt_time now);

#endif
