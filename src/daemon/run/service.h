/*
 * A service: one protocol as the daemon runs it, in a file of its own (service_http.c).
 * services.c lists them; the types of their listeners are in service.c.
 *
 *   main thread:  load ─▶ service state, for each worker    unload, as soon as it was handed over
 *   worker:       open(state) ─▶ server … update(server, another state) … close
 *
 * All servers of the service share its state on one worker, such as the sites of HTTP. Only load
 * and open may fail, while nothing has changed yet.
 */
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include <weir/limits.h>
#include <weir/server.h>

#include "config.h"
#include "resources.h"

struct dns_shared;
struct forwarding;
struct weir_list;
struct weir_log;
struct weir_guard;
struct weir_loop;
struct weir_mail_sink;
struct weir_server;

/* -- types of listeners ------------------------------------------------------------------------ */

/* They have the names that `listen` and URLs have for them. */
struct listener_type {
	const char *name; /* NULL ends the table */
	enum service service;
	bool secure;        /* TLS from the first byte */
	bool upgrades;      /* a client may start TLS (STARTTLS) */
	bool datagrams;     /* it listens on UDP, too */
	int variant;        /* defined by the service */
	const char *scheme; /* of its URLs */
};

extern const struct listener_type listener_types[];

/* The facts on a service that reading a configuration needs. */
struct service_info {
	const char *section; /* the section that its listeners need */
	enum config_log log;
	/* Its names in ALPN, up to NULL; NULL: clients are not asked for one. */
	const char *const *alpn;
};

extern const struct service_info service_infos[SERVICE_COUNT];

/* Returns the type of this name, or NULL. */
const struct listener_type *listener_type_find(const char *name);

/* Whether the configuration has a listener of the service; without any listener, HTTP has one. */
bool listeners_include(const struct config *config, enum service service);
bool listeners_include_https(const struct config *config);
/* Whether clients may reach a listener by a trusted forwarder. */
bool listeners_have_forwarders(const struct config *config);

/* Whether a listener has TLS from the first byte; and whether one has, or can start it. */
bool listeners_include_secure(const struct config *config);
bool listeners_include_tls(const struct config *config);

/* -- a service --------------------------------------------------------------------------------- */

/* How a server is opened. */
struct service_options {
	struct weir_loop *loop;
	const struct listener_type *type;
	/*
	 * For service_set_listener. `tls` is NULL for types that do not use it; the service sets
	 * `peers`.
	 */
	struct weir_listener listener;
	void *state;                  /* borrowed: the server takes references of its own */
	struct weir_log *log;         /* outlives the server; NULL: none */
	struct weir_guard *guard;     /* against brute force, of the process; outlives the server */
	struct weir_mail_sink *relay; /* of the process, as the guard; NULL: none */
	struct dns_shared *dns;       /* of the process, too */
	struct forwarding *forwarding; /* of the worker; outlives the server */
	unsigned workers;              /* how many there are */
};

/*
 * Sets the listener of a protocol's options, which were initialised. The bounds that the
 * configuration leaves to the protocol, idle_ms and replies_max, are 0 in `options` and stay.
 */
void service_set_listener(const struct service_options *options, struct weir_listener *listener);

/*
 * For print_commands: stores the first user who can log in, or "USER" if there is none, in `text`,
 * and returns it. `users` may be NULL.
 */
#define SERVICE_USER_SIZE (WEIR_USER_NAME_MAX + 1)
const char *service_example_user(const struct weir_users *users, char text[SERVICE_USER_SIZE]);

/* A file of every machine, which examples send. */
#define SERVICE_EXAMPLE_FILE "/etc/hostname"

struct service_type {
	/*
	 * Called on the main thread; may block on the disk, and hold the configuration. A protocol
	 * with STARTTLS finds its certificates in config->tls.of. Returns 0 or a negative errno,
	 * which was reported.
	 */
	int (*load)(struct config *config, struct budget budget, void **ret_state);
	/* Called on the worker's thread, or before it runs. */
	void (*unload)(void *state);

	/*
	 * Opens the logs that the state has of its own, in the list of the worker, on its thread or
	 * before it runs. NULL: it has none. Returns 0 or a negative errno, which was reported.
	 */
	int (*open_logs)(
	        void *state, struct weir_list *logs, struct weir_loop *loop, const char *user);

	/* Listens, together with other workers (SO_REUSEPORT). Returns 0 or a negative errno. */
	int (*open)(const struct service_options *options, void **ret_server);
	/*
	 * Serves by another state from the next request on, and uses `tls` from the next handshake
	 * on. Both are borrowed. `tls` is NULL if the server was opened without.
	 */
	void (*update)(void *server, void *state, struct weir_tls *tls);
	/*
	 * Called when the zones of DNS or the users of the database have changed. Called also when
	 * all workers have a configuration, which may have other upstreams. The main thread waits
	 * for it. NULL: the service has neither.
	 */
	void (*renew)(void *server);
	/* Returns the listening server, to drain it. */
	struct weir_server *(*listener)(void *server);
	/* Ends what else must end when the drain begins; NULL: nothing. */
	void (*retire)(void *server);
	void (*close)(void *server);

	/*
	 * Print lines of the banner, which begin with two spaces: files, mailboxes or zones that
	 * are served, and commands to try.
	 */
	void (*print_served)(const struct config *config);
	void (*print_commands)(const struct config *config, const char *url);
};

/* -- all services ------------------------------------------------------------------------------ */

extern const struct service_type *const services[SERVICE_COUNT];

/* The states of all services on one worker; NULL for a service without a listener. */
struct service_states {
	void *of[SERVICE_COUNT];
	struct weir_tls *tls[SERVICE_COUNT]; /* references; NULL without certificates, too */
};

/* Calls `load` of every service that has a listener. Returns 0 or a negative errno. */
int service_states_load(struct config *config, struct budget budget, struct service_states *ret);

/* Calls `unload`. The struct may be all zero, and is so afterwards. */
void service_states_unload(struct service_states *states);

#endif
