/*
 * A worker: a thread with a loop of its own, and on it one server for each address, with what they
 * serve and the log they write. Workers share nothing but the configuration.
 *
 *   main thread:  worker_create ─ prepare ─ commit ─ start ─ … prepare, commit … ─ stop ─ join
 *                                    └─ forget, when another worker could not
 *
 * A change is made in two steps, so that it is made on all workers or on none: prepare opens what
 * may fail to open, commit swaps. What is replaced goes on until its last exchange has ended.
 *
 * All functions are for the main thread. They run on the worker's thread and wait for it, or,
 * before worker_start, run at once.
 */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/channel.h>
#include <weir/loop.h>

#include "kinds.h"
#include "services.h"

struct dns_host;
struct endpoint;
struct worker;

/* What a worker shall serve. */
struct plan {
	const struct endpoint *endpoints;
	size_t count;
	struct contents contents; /* of this worker; prepare takes them in any case */
	const char *const *logs;  /* LOG_COUNT of them; NULL: none */
	const char *user;         /* as whom logs are opened; NULL: as this process */
	struct weir_guard *guard; /* for all workers, as the next */
	struct weir_mail_sink *relay;
	struct dns_host *dns;
	unsigned workers; /* that there are */
	struct weir_bounds bounds;
	/* A bit for each enum service whose servers are opened anew: its log or settings have changed. */
	unsigned replace;
};

/* `ended` is run on `main_loop` when the worker's thread is about to end. 0 or a negative errno. */
int worker_create(struct weir_loop *main_loop, void (*ended)(void *context), void *context,
        struct worker **ret);

/* Opens what the plan needs. 0 or a negative errno, which was said; nothing has changed then. */
int worker_prepare(struct worker *worker, const struct plan *plan);

/* Swaps: new contents, new log, servers that are not wanted any more finish and end. */
void worker_commit(struct worker *worker);

/* Gives up what was prepared. */
void worker_forget(struct worker *worker);

/* Has its servers take the zones of DNS, which have changed. */
void worker_renew(struct worker *worker);

/* Opens the files of the logs anew, after they were renamed. */
void worker_reopen_logs(struct worker *worker);

/* 0 or a negative errno. */
int worker_start(struct worker *worker);

/* Finishes what is in flight, within the drain time, and ends. Does not wait. Once. */
void worker_stop(struct worker *worker);

/* As worker_stop, at once: what is in flight is lost. After worker_stop. */
void worker_kill(struct worker *worker);

/* Waits for the thread if it was started, and frees all. NULL is allowed. */
void worker_destroy(struct worker *worker);

#endif
