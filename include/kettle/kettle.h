/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_KETTLE_H
#define KETTLE_KETTLE_H

/* All of libkettle: the runtime and its input and output. TLS, HTTP, jobs and the test kit have libraries
 * and headers of their own (tls.h, http.h, jobs.h, test.h). */

#include <kettle/address.h>
#include <kettle/balancer.h>
#include <kettle/base.h>
#include <kettle/breaker.h>
#include <kettle/broadcast.h>
#include <kettle/buffer.h>
#include <kettle/cache.h>
#include <kettle/callback.h>
#include <kettle/channel.h>
#include <kettle/context.h>
#include <kettle/coroutine.h>
#include <kettle/debug.h>
#include <kettle/dir.h>
#include <kettle/dir_watch.h>
#include <kettle/error.h>
#include <kettle/exit_stack.h>
#include <kettle/file.h>
#include <kettle/future.h>
#include <kettle/group.h>
#include <kettle/log.h>
#include <kettle/loop.h>
#include <kettle/loops.h>
#include <kettle/memory.h>
#include <kettle/path.h>
#include <kettle/periodic.h>
#include <kettle/pipeline.h>
#include <kettle/pool.h>
#include <kettle/process.h>
#include <kettle/process_pool.h>
#include <kettle/queue.h>
#include <kettle/race.h>
#include <kettle/rate.h>
#include <kettle/remote.h>
#include <kettle/retry.h>
#include <kettle/select.h>
#include <kettle/server.h>
#include <kettle/settings.h>
#include <kettle/shutdown.h>
#include <kettle/signal.h>
#include <kettle/stream.h>
#include <kettle/stream_backend.h>
#include <kettle/stream_watch.h>
#include <kettle/stream_writer.h>
#include <kettle/sync.h>
#include <kettle/task.h>
#include <kettle/temp.h>
#include <kettle/terminal.h>
#include <kettle/thread.h>
#include <kettle/timeout.h>
#include <kettle/udp.h>
#include <kettle/utf8.h>
#include <kettle/wait.h>

#endif
