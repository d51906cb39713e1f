/* The state of the main thread, for serve.c and serve_process.c. */
#ifndef DAEMON_SERVE_STATE_H
#define DAEMON_SERVE_STATE_H

#include <stdbool.h>

#include <weir/loop.h>

#include "admin.h"
#include "admin_bans.h"
#include "admin_connections.h"
#include "admin_dns.h"
#include "admin_guard.h"
#include "admin_http.h"
#include "admin_mail.h"
#include "admin_show.h"
#include "admin_top.h"
#include "config.h"
#include "daemon_metrics.h"
#include "endpoint.h"
#include "handover.h"
#include "notify.h"
#include "options.h"

struct daemon {
	const struct options *options;
	struct weir_loop *loop;
	struct weir_signals signals;
	struct config *config;
	struct endpoint_list endpoints;
	struct worker *workers[CONFIG_WORKERS_MAX];
	unsigned worker_count;
	unsigned alive; /* worker threads that have not ended */
	size_t files;   /* the limit of descriptors */
	bool dropped;   /* the process has become another user: addresses cannot be opened again */
	struct weir_guard *guard;
	struct weir_rates *rates;
	struct weir_bans *bans;
	struct weir_permits *permits; /* for the connections of all workers */
	struct mail_relay *relay;     /* or NULL */
	struct dns_shared *dns;
	struct admin *admin;
	struct admin_table commands; /* of this file, for the admin socket */
	struct admin_guard guard_commands;
	struct admin_bans ban_commands;
	struct admin_connections connection_commands;
	struct daemon_metrics metrics;
	struct admin_http *admin_http;
	struct admin_show show_commands;
	struct admin_top top_commands;
	struct admin_mail mail_commands;
	struct admin_dns dns_commands;
	struct notify notify;
	int stop_signals; /* how many have come */
	bool failed;

	/* In a server process; see serve_process.c. */
	struct weir_watch control;   /* messages of the master */
	struct admin_request *asked; /* waits for the master's answer; or NULL */
	struct weir_timer look;      /* for directories that were replaced */
	struct weir_timer retire;    /* until it drains, once another process serves */
};

/* -- serve.c -- */
/* Ends in order the first time, and at once the second time. */
void serve_stop(struct daemon *daemon);
void serve_reopen_logs(struct daemon *daemon);
/*
 * Has all workers serve this configuration, which belongs to the daemon in any case. Returns 0 or a
 * negative errno, which was reported.
 */
int serve_use_config(struct daemon *daemon, struct config *config);

/* -- serve_process.c -- */
/* Reads the configuration out of the table in effect. Returns NULL; what is wrong was reported. */
struct config *serve_process_load(struct daemon *daemon);
/* Gives up the rights that the configuration does not need. Returns 0 or a negative errno. */
int serve_process_confine(const struct config *config, unsigned *ret_workers);
/* Listens to the master. Returns 0 or a negative errno. */
int serve_process_start(struct daemon *daemon);
/* Reports to the master that everything is served. */
void serve_process_report_ready(struct daemon *daemon);
/* Has the master do something, whose answer ends the request. */
void serve_process_ask(
        struct daemon *daemon, struct admin_request *request, enum handover_kind kind);
/* Frees everything; the loop still exists. */
void serve_process_finish(struct daemon *daemon);

#endif
