/* SPDX-License-Identifier: MIT */
/* Objects that live in the caller's storage are part of the binary interface: a program compiled
 * against an older header must go on working with a newer library. */
#include "sure.h"

#define PINNED(type, words) \
    TEST_WITH(type##_has_##words##_words, KT_TEST_NO_LOOP) \
    { \
        CHECK_EQ(sizeof(type), (words) * sizeof(uintptr_t)); \
    } \
    _Static_assert(_Alignof(type) == _Alignof(uintptr_t), "no stricter than a word")

PINNED(kt_slice, 2);
PINNED(kt_buffer, 4);
PINNED(kt_event, 4);
PINNED(kt_lock, 5);
PINNED(kt_semaphore, 4);
PINNED(kt_timeout, 16);
PINNED(kt_group, 12);
PINNED(kt_queue, 18);
PINNED(kt_channel, 29);
PINNED(kt_job, 3);
PINNED(kt_select_case, 9);
PINNED(kt_exit_stack, 4);
PINNED(kt_context_token, 5);
PINNED(kt_address, 17);
PINNED(kt_process_options, 18);
PINNED(kt_progress, 33);
PINNED(kt_logger, 4);
PINNED(kt_stream_writer, 32);
