/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_BASE_LOG_H
#define KETTLE_BASE_LOG_H

/* Hands a message to the log hook (kettle/error.h). Async-signal-safe if the hook is. */
void kt__log(const char *message);

/* The hook that there is when the program has none. Async-signal-safe. */
void kt__log_to_stderr(const char *message);

#endif
