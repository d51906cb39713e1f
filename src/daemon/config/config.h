/*
 * The configuration: what the program does, read from a file and the command line, immutable from
 * then on and shared by all workers.
 *
 *   weir.yaml and its includes ──▶ config_file_read ──▶ struct config ──▶ contents_load, once a worker
 *   the defaults of the table ───────────┘
 *
 * Everything in it lives as long as it does. Counted: each worker's contents hold theirs, since they
 * borrow names from it; the last release frees. Any thread may hold and release.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/channel.h>
#include <weir/mail_routes.h>
#include <weir/network.h>
#include <weir/tls.h>
#include <weir/users.h>

#include "config_dns_values.h"
#include "config_memory.h"

/* Bounds of what a configuration may ask for. */
enum {
	CONFIG_FILE_MAX = 1024 * 1024, /* bytes of the file */
	CONFIG_LISTENERS_MAX = 64,
	CONFIG_CERTIFICATES_MAX = 256,
	CONFIG_SITES_MAX = 1024,
	CONFIG_REDIRECT_STEPS_MAX = 24, /* … that `weir check` follows */
	CONFIG_REDIRECT_PATH_MAX = 4096,
	CONFIG_NAMES_MAX = 64,  /* of one site; local domains of mail */
	CONFIG_FIELDS_MAX = 32, /* of one site */
	CONFIG_RULES_MAX = 256, /* redirects of one site; as many places with a password */
	CONFIG_WORKERS_MAX = 64,
	CONFIG_NETWORKS_MAX = 256,
	CONFIG_ZONES_MAX = 100000,      /* in a file; how many fit is up to its size */
	CONFIG_PEERS_MAX = 64,          /* servers of DNS in one list */
	CONFIG_TEXT_MAX = 4096,         /* bytes of one value */
	CONFIG_INCLUDE_DEPTH_MAX = 8,   /* files that include each other */
	CONFIG_INCLUDE_FILES_MAX = 256, /* all files of a configuration */
	CONFIG_RELEASES_MAX = 4,
};

/* The protocols; their tables are in kinds.c. */
enum service {
	SERVICE_HTTP,
	SERVICE_SMTP,
	SERVICE_POP3,
	SERVICE_FTP,
	SERVICE_DNS,
	SERVICE_COUNT,
};

/* The files that are written to. */
enum config_log {
	LOG_ACCESS,
	LOG_MAIL,
	LOG_FTP,
	LOG_DNS,
	LOG_COUNT,
};

struct kind;

struct config_listener {
	const struct kind *kind;     /* see kinds.h */
	struct weir_address address; /* port 0: any that is free */
};

/* Versions of TLS, as `minimum` has them. */
enum config_tls_version {
	CONFIG_TLS_1_2,
	CONFIG_TLS_1_3,
};

struct config_tls {
	struct {
		struct weir_tls_certificate *items; /* absolute paths */
		size_t count;
	} certificates;
	unsigned clients; /* enum weir_tls_clients */
	const char *clients_ca;
	unsigned minimum; /* enum config_tls_version */
	/*
	 * Read from these (see config_tls.h), and held by the configuration: one for each service,
	 * since each names itself to its clients (ALPN), and no tickets are good for another. NULL
	 * without certificates, and for a service that is not listened for.
	 */
	struct weir_tls *of[SERVICE_COUNT];
};

struct config_redirect {
	const char *from; /* without slashes at its ends, as all paths in a site are */
	const char *to;
	uint64_t status;
};

struct config_auth {
	const char *path;
	const char *realm;
	const char *users_path;
	struct weir_users *users; /* held by the configuration */
};

struct config_uploads {
	bool present;
	const char *prefix;
	bool put;
	bool remove;
	bool forms;
	unsigned mode;     /* of new files; 0: the library's default */
	uint64_t max_size; /* 0: the library's default */
};

/* Whether a site answers DNS over HTTPS. */
enum config_doh {
	CONFIG_DOH_OFF,
	CONFIG_DOH_ON,
	CONFIG_DOH_CLEAR, /* also without TLS: somebody in front of us has it */
};

struct config_site {
	struct {
		const char **items; /* NULL follows the last; no names at all is every name */
		size_t count;
	} names;
	const char *root; /* absolute */
	const char *index;
	const char *fields; /* whole lines, or NULL */
	bool listing;
	bool hidden;
	bool compress;
	bool siblings;
	bool redirect_to_https;
	unsigned doh; /* enum config_doh */
	struct config_uploads uploads;
	struct {
		struct config_auth *items;
		size_t count;
	} auth;
	struct {
		struct config_redirect *items;
		size_t count;
	} redirects;
};

struct config_limits {
	uint64_t idle_ms; /* 0 is the library's default, as in all of these */
	uint64_t request_ms;
	uint64_t progress_ms;
	uint64_t drain_ms;
	uint64_t connections;         /* of all workers and listeners */
	uint64_t address_connections; /* of HTTP, of one address */
	uint64_t replies;
};

/* Of these, too, 0 is the library's default; of a mailbox: no bound. */
struct config_mail_limits {
	uint64_t message_size;
	uint64_t recipients;
	uint64_t messages;    /* of a connection */
	uint64_t connections; /* of one address */
	uint64_t mailbox_size;
	uint64_t mailbox_messages;
};

/* Where mail for elsewhere goes; times and bounds of 0 are the library's defaults. */
struct config_relay {
	const char *host; /* NULL: there is none */
	uint64_t port;
	unsigned tls; /* enum weir_smtp_client_tls */
	const char *ca;
	const char *user;
	const char *password_path;
	const char *password; /* read from it */
	const char *queue;    /* absolute */
	uint64_t messages;    /* in the queue */
	uint64_t connections;
	uint64_t retry_first_ms;
	uint64_t retry_most_ms;
	uint64_t warn_ms;
	uint64_t life_ms;
};

struct mail_host;

struct config_mail {
	const char *directory; /* absolute; NULL: not given, as all of these */
	struct {
		const char **items; /* NULL follows the last */
		size_t count;
	} domains;
	const char *hostname;
	const char *users_path;
	const char *aliases_path;
	const char *postmaster;
	const char *separator; /* one character */
	struct {
		struct weir_network *items;
		size_t count;
	} networks;
	uint64_t greeting_delay_ms;
	bool normalise;
	bool strict_addresses;
	struct config_relay relay;
	struct config_mail_limits limits;
	/* Read from these (see config_mail.h), and held by the configuration. */
	struct weir_users *users;
	struct weir_mail_routes *routes;
	struct mail_host *host; /* made when it is first served */
};

/* Whether FTP is to be spoken over TLS. */
enum config_ftp_tls {
	CONFIG_FTP_TLS_OFFERED,
	CONFIG_FTP_TLS_REQUIRED,
};

/* From the first to the last; 0: not given. */
struct config_ports {
	uint16_t first;
	uint16_t last;
};

struct config_ftp {
	const char *root; /* absolute; NULL: the first site's */
	const char *users_path;
	const char *anonymous_home;
	const char *welcome;
	bool anonymous;
	bool anonymous_writes;
	bool anonymous_overwrites;
	bool writable;
	bool hidden;
	unsigned mode;    /* of new files; 0: the library's default */
	unsigned uploads; /* enum weir_ftp_uploads */
	unsigned tls;     /* enum config_ftp_tls */
	unsigned reuse;   /* enum weir_ftp_reuse */
	struct config_ports passive;
	struct weir_address announce;
	struct {
		const char **items; /* NULL follows the last */
		size_t count;
	} hosts;
	uint64_t max_size; /* 0 is the library's default, as in all of these but the rate */
	uint64_t rate;     /* bytes a second; 0: no bound */
	uint64_t sessions; /* of one worker */
	uint64_t sessions_per_address;
	uint64_t failures;
	/* Read from these (see config_ftp.h), and held by the configuration. */
	struct weir_users *users;
	struct weir_peers *peers; /* made when it is first served */
};

/* Settings of the guard against guessing passwords; 0 is the library's default. */
struct config_guard {
	bool enabled;
	uint64_t threshold;
	uint64_t first_ms;
	uint64_t most_ms;
	uint64_t decay_ms;
	struct {
		struct weir_network *items;
		size_t count;
	} exempt;
};

struct config {
	atomic_uint holds;
	struct memory memory;
	void (*releases[CONFIG_RELEASES_MAX])(struct config *config); /* see config_on_release */
	struct {
		struct config_listener *items;
		size_t count;
	} listeners;
	struct {
		struct config_site *items;
		size_t count;
	} sites;
	struct config_tls tls;
	struct config_mail mail;
	struct config_ftp ftp;
	struct config_dns dns;
	unsigned https_port; /* where redirect_to_https leads; 0: none is listened on */
	uint64_t workers;    /* 0: as many as there are processors */
	struct config_guard guard;
	struct weir_guard *guarded;  /* the process's own; set before anything is served */
	const char *user;            /* NULL: stay who we are */
	const char *logs[LOG_COUNT]; /* absolute; NULL: none */
	struct config_limits limits;
	struct weir_peers *http_peers; /* made when HTTP is first served */
};

/* Without defaults (see config_file.h), with one hold. NULL without memory. */
struct config *config_create(void);

struct config *config_hold(struct config *config);
/* NULL is allowed. */
void config_release(struct config *config);

/* Has the last release call a function first, which frees what other files have put in. */
void config_on_release(struct config *config, void (*release)(struct config *config));

/* Releases the users of all sites. */
void config_release_users(struct config *config);

/* Memory and text that live as long as the configuration; zeroed. NULL without memory. */
void *config_alloc(struct config *config, size_t size);
char *config_copy(struct config *config, const char *text, size_t size);

/* Whether both write this log to the same file. */
bool config_same_log(const struct config *a, const struct config *b, enum config_log log);

/* The path `name` as seen from an absolute directory, as text of the configuration. */
char *config_path(struct config *config, const char *directory, const char *name);

/* The file of a log that is called `name`: "-" is the standard output. */
const char *config_log_path(const char *name);

/* Replaces all listeners; all certificates, whose texts are borrowed. 0 or -ENOMEM. */
int config_set_listeners(
        struct config *config, const struct config_listener *listeners, size_t count);
int config_set_certificates(
        struct config *config, const struct weir_tls_certificate *certificates, size_t count);

#endif
