/* A worker from the inside, for worker.c (the thread) and service.c (what it serves). */
#ifndef DAEMON_WORKER_STATE_H
#define DAEMON_WORKER_STATE_H

#include <pthread.h>

#include <weir/http_log.h>
#include <weir/list.h>

#include "endpoint.h"
#include "worker.h"

/* A file that is logged to; used by the servers that were opened with it. */
struct log_file {
	struct weir_list link;
	struct weir_http_log *log;
	char *path;
	unsigned users; /* servers, and one more while it is the current or the next */
};

struct service_server {
	struct weir_list link;
	struct weir_http_server *http;
	struct log_file *log; /* or NULL */
	struct worker *worker;
	struct endpoint endpoint;
	bool wanted;   /* by the plan that was prepared */
	bool fresh;    /* opened for it */
	bool draining; /* wanted no more */
	bool ended;    /* and its last connection has closed */
};

/* What a worker serves; touched on its thread only. */
struct service {
	struct weir_list servers;
	struct weir_list logs;
	struct weir_http_sites *next_sites; /* prepared, not yet committed */
};

struct worker {
	struct weir_loop *loop;
	struct weir_loop *main_loop;
	struct service service;
	pthread_t thread;
	int64_t quiet_until_ms; /* no complaint about accept before */
	bool started;
	bool stopping; /* on its thread */
	bool killed;   /* on its thread */
	struct weir_task stop_task;
	struct weir_task kill_task;
	struct weir_task ended_task; /* on the main loop */
	void (*ended)(void *context);
	void *context;
};

/* service.c, all on the worker's thread, or before it runs */
void service_init(struct service *service);
int service_prepare(struct worker *worker, const struct plan *plan);
void service_commit(struct worker *worker);
void service_forget(struct worker *worker);
void service_reopen_logs(struct worker *worker);
void service_drain(struct worker *worker);
/* Frees what has ended; outside of any callback, since closing a log turns the loop. */
void service_reap(struct worker *worker);
/* Whether something is left. */
bool service_busy(const struct worker *worker);
void service_destroy(struct worker *worker);

#endif
