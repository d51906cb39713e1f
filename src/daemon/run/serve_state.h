/* The state of the main thread, for the files serve*.c. */
#ifndef DAEMON_SERVE_STATE_H
#define DAEMON_SERVE_STATE_H

#include <stdbool.h>

#include <weir/loop.h>

#include "acme.h"
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
#include "shared_tickets.h"
#include "store_report.h"
#include "stored_certificates.h"

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
	struct weir_permits *permits;             /* for the connections of all workers */
	struct store_schema *schema;              /* or NULL */
	struct weir_database_guard *shared_guard; /* or NULL */
	struct store_users *users;                /* of the database; or NULL */
	struct weir_database *database;           /* or NULL */
	struct shared_tickets *tickets;           /* or NULL */
	struct stored_certificates *certificates; /* or NULL */
	struct mail_relay *relay;                 /* or NULL */
	struct dns_shared *dns;
	struct admin *admin;
	struct admin_table commands; /* of serve_commands.c */
	struct admin_guard guard_commands;
	struct admin_bans ban_commands;
	struct admin_connections connection_commands;
	struct daemon_metrics metrics;
	struct store_report store;
	struct admin_http *admin_http;
	struct admin_show show_commands;
	struct admin_top top_commands;
	struct admin_mail mail_commands;
	struct admin_dns dns_commands;
	struct notify notify;
	struct acme *acme;          /* obtains certificates, without a master; or NULL */
	struct config *acme_config; /* that it was made for; or NULL */
	bool acme_stopping; /* it gives the lease up; then another one starts, or the end comes */
	struct grants *sources;      /* of the configuration in effect, without a master */
	struct grants *next_sources; /* of the one that was loaded last */
	int stop_signals;            /* how many have come */
	bool failed;

	/* In a server process; see serve_process.c. */
	struct weir_watch control;   /* messages of the master */
	struct admin_request *asked; /* waits for the master's answer; or NULL */
	struct weir_timer look;      /* for directories that were replaced */
	struct weir_timer retire;    /* until it drains, once another process serves */
};

/* Why there is no upgrade. */
#define SERVE_NO_MASTER "an upgrade needs 'privilege-separation: yes', see weir.yaml(5)"

/* -- serve_store.c -- */
/*
 * Loads what is in the database for a configuration that is not in effect yet, and waits for it
 * for a while. Returns 0 or a negative errno, which was reported.
 */
int serve_store_start(struct daemon *daemon, struct config *config);

/* Ends the loop once all workers have ended, and nothing else is waited for. */
static inline void serve_end_if_done(struct daemon *daemon)
{
	if (daemon->alive == 0 && (!daemon->acme_stopping || daemon->stop_signals > 1))
		weir_loop_stop(daemon->loop);
}

/* -- serve_actions.c -- */
/* Has the workers use other users, zones or keys; `context` is the struct daemon. */
void serve_renew(void *context);

/* Ends in order the first time, and at once the second time. */
void serve_stop(struct daemon *daemon);
void serve_reopen_logs(struct daemon *daemon);
/* Returns true if the configuration was read again and is in effect. */
bool serve_reload(struct daemon *daemon);

/* -- serve_commands.c -- */
/* Creates the admin socket with all its commands. Returns 0 or a negative errno. */
int serve_create_admin(struct daemon *daemon);

/* -- serve_config.c -- */
/*
 * Has all workers serve the configuration, which belongs to the daemon in any case, and opens the
 * servers in `replace` anew (a bit for each service). Returns 0 or a negative errno.
 */
int serve_config(struct daemon *daemon, struct config *config, unsigned replace);
/*
 * Opens the admin listeners of the configuration. Each may fail without the other. Returns 0 or a
 * negative errno.
 */
int serve_listen_admin(struct daemon *daemon);
/*
 * Goes over to another configuration, which belongs to the daemon in any case. Returns 0 or a
 * negative errno, which was reported; then the one before stays in effect.
 */
int serve_use_config(struct daemon *daemon, struct config *config);

/* -- serve_certificates.c -- */
/*
 * Without a master: reads the configuration; with `repeat` the one in effect, whose certificates
 * alone may be others. Returns NULL; what is wrong was reported.
 */
struct config *serve_certificates_load(struct daemon *daemon, bool repeat);
/* It is in effect: obtains certificates as it wants. */
void serve_certificates_use(struct daemon *daemon);
/* Has it give up what other front ends wait for; the end waits for that. */
void serve_certificates_stop(struct daemon *daemon);
void serve_certificates_finish(struct daemon *daemon);

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
