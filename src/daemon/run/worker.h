/*
 * A worker: a thread with a loop of its own, and one server on it for each address, with its
 * service state and its log. Workers share nothing but the configuration.
 *
 *   main thread:  worker_create ─ prepare ─ commit ─ start ─ … prepare, commit … ─ stop ─ join
 *                                    └─ forget, when another worker could not
 *
 * A change has two steps, so that it is made on all workers or on none: prepare opens everything
 * that may fail to open, commit swaps. A replaced server goes on until its last request has
 * finished.
 *
 * All functions are for the main thread. They run on the worker's thread and wait for it; before
 * worker_start they run at once.
 */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/channel.h>
#include <weir/loop.h>

#include "service.h"

struct dns_shared;
struct endpoint;
struct weir_channel;
struct weir_database;
struct worker;

/* The plan of a worker's servers: its state after the next commit. */
struct server_plan {
	const struct endpoint *endpoints;
	size_t count;
	struct service_states states; /* of this worker; prepare takes ownership in any case */
	const char *const *logs;      /* LOG_COUNT of them; NULL: none */
	const char *user;             /* the user that opens logs; NULL: the one of this process */
	struct weir_guard *guard;     /* of the process, like the next two */
	struct weir_mail_sink *relay;
	struct dns_shared *dns;
	unsigned workers; /* how many there are */
	struct weir_bounds bounds;
	/*
	 * A bit for each enum service whose servers must be opened again: its log or settings
	 * changed.
	 */
	unsigned replace;
};

/*
 * `index` is its number, from 0. `database`, which may be NULL, outlives it. Calls `ended` on
 * `main_loop` before the worker's thread ends. Returns 0 or a negative errno.
 */
int worker_create(struct weir_loop *main_loop, unsigned index, struct weir_database *database,
        void (*ended)(void *context), void *context, struct worker **ret);

/*
 * Opens what the plan needs. Returns 0, or a negative errno, which was reported: nothing has
 * changed.
 */
int worker_prepare(struct worker *worker, const struct server_plan *plan);

/* Swaps service states and logs. Servers that the plan does not have are drained. */
void worker_commit(struct worker *worker);

/* Drops what was prepared. */
void worker_forget(struct worker *worker);

/* Has its servers serve the new zones of DNS, and the new users. */
void worker_renew(struct worker *worker);

/* Stops listening: another process has the listeners. Connections go on. */
void worker_retire(struct worker *worker);

/* Reopens the logs, after they were renamed. */
void worker_reopen_logs(struct worker *worker);

/*
 * A question to a worker that the main thread does not wait for; embedded. `run` is called on the
 * worker's thread, or on the main thread once the worker has ended; then `done` on the main loop.
 * Both are called always, exactly once; `worker` may be gone by the time of `done`.
 */
struct worker_job {
	struct weir_task task; /* the two loops' own */
	struct worker *worker; /* set by worker_submit, as the next */
	struct weir_loop *main_loop;
	void (*run)(struct worker_job *job);
	void (*done)(struct worker_job *job);
};

void worker_submit(struct worker *worker, struct worker_job *job);

/*
 * In `run` of a job: calls `visit` for each connection that a server of this worker has accepted,
 * until it returns false. `visit` may abort the channel.
 */
void worker_each_channel(struct worker *worker,
        bool (*visit)(void *context, const struct endpoint *endpoint, struct weir_channel *channel),
        void *context);

/* Its loop, which lives until worker_destroy: for reading its metrics. */
struct weir_loop *worker_loop(const struct worker *worker);

/* Stores the loops of `count` workers, and the main one behind them. Returns their number. */
size_t worker_loops(struct worker *const *workers, unsigned count, struct weir_loop *main_loop,
        struct weir_loop **ret);

/* Starts the thread. Returns 0 or a negative errno. */
int worker_start(struct worker *worker);

/*
 * Has the worker finish the requests in flight within the drain time, and end. It does not wait.
 * Call it once.
 */
void worker_stop(struct worker *worker);

/* Ends the worker at once: requests in flight are lost. Call it after worker_stop. */
void worker_kill(struct worker *worker);

/* Waits for the thread if it was started, and frees everything. NULL is allowed. */
void worker_destroy(struct worker *worker);

#endif
