/* The state of a worker, for worker.c (its thread) and serving.c (its servers). */
#ifndef DAEMON_WORKER_STATE_H
#define DAEMON_WORKER_STATE_H

#include <pthread.h>

#include <weir/list.h>

#include "endpoint.h"
#include "log_file.h"
#include "say.h"
#include "service_dns.h"
#include "worker.h"

struct serving_server {
	struct weir_list link;
	void *server;         /* of its service */
	struct log_file *log; /* or NULL */
	struct worker *worker;
	struct endpoint endpoint;
	bool has_tls;
	struct weir_policy *policy; /* of the prepared plan, held; or NULL */
	bool wanted;                /* by the prepared plan */
	bool fresh;                 /* opened for the prepared plan */
	bool draining;              /* the plan in effect does not have it */
	bool ended;                 /* it was draining, and its last connection has closed */
};

/* The servers of a worker, for its thread only. */
struct serving {
	struct weir_list servers;
	struct weir_list logs;
	struct complaints handshakes;
	struct complaints proxies;   /* that sent no PROXY header */
	struct complaints malformed; /* input of clients */
	struct forwarding forwarding;
	struct service_states next; /* prepared, not yet committed */
	bool prepared;
};

struct worker {
	struct weir_loop *loop;
	struct weir_loop *main_loop;
	unsigned index;                 /* from 0 */
	struct weir_database *database; /* or NULL */
	struct serving serving;
	pthread_t thread;
	int64_t quiet_until_ms; /* failures of accept are not reported before */
	bool started;
	bool over;     /* its thread has ended; on the main thread */
	bool stopping; /* on its thread */
	bool killed;   /* on its thread */
	struct weir_task stop_task;
	struct weir_task kill_task;
	struct weir_task ended_task; /* on the main loop */
	void (*ended)(void *context);
	void *context;
};

/* The functions of serving.c run on the worker's thread, or before it runs. */
void serving_init(struct worker *worker);
int serving_prepare(struct worker *worker, const struct server_plan *plan);
void serving_commit(struct worker *worker);
void serving_forget(struct worker *worker);
void serving_renew(struct worker *worker);
void serving_reopen_logs(struct worker *worker);
/* Stops listening; see weir_server_retire. */
void serving_retire(struct worker *worker);
void serving_drain(struct worker *worker);
/* See worker_each_channel. */
void serving_each_channel(struct worker *worker,
        bool (*visit)(void *context, const struct endpoint *endpoint, struct weir_channel *channel),
        void *context);
/* Frees servers that have ended. Do not call it from a callback: closing a log runs the loop. */
void serving_reap(struct worker *worker);
/* Whether a server is left. */
bool serving_busy(const struct worker *worker);
void serving_destroy(struct worker *worker);

#endif
