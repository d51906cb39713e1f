/*
 * The configuration of the program, read from files and the command line. It is immutable from then
 * on, and shared by all workers.
 *
 *   weir.yaml and its includes ──▶ config_file_read ──▶ struct config ──▶ service_states_load
 *   the defaults of the table ───────────┘
 *
 * Everything in it lives as long as the configuration does. It is reference counted: the service
 * states of each worker hold it, since they borrow names from it, and the last release frees it.
 * Any thread may hold and release it. The fields of the structs are documented by their keys in the
 * files *.def.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/channel.h>
#include <weir/dns_answer.h>
#include <weir/dns_tsig.h>
#include <weir/dns_zone.h>
#include <weir/http_auth.h>
#include <weir/http_files.h>
#include <weir/http_rules.h>
#include <weir/mail_routes.h>
#include <weir/network.h>
#include <weir/tls.h>
#include <weir/users.h>

#include "document.h"
#include "key_fields.h"
#include "refcount.h"

/* The bounds of a configuration. */
enum {
	CONFIG_FILE_MAX = 1024 * 1024, /* bytes of the file */
	CONFIG_LISTENERS_MAX = 64,
	CONFIG_CERTIFICATES_MAX = 256,
	CONFIG_AUTHORITIES_MAX = 8,
	CONFIG_SITES_MAX = 1024,
	CONFIG_REDIRECT_STEPS_MAX = 24, /* redirects that `weir check` follows */
	CONFIG_REDIRECT_PATH_MAX = 4096,
	CONFIG_NAMES_MAX = 64,    /* of one site; local domains of mail */
	CONFIG_FIELDS_MAX = 32,   /* of one site */
	CONFIG_RULES_MAX = 256,   /* redirects, and entries of auth, of one site */
	CONFIG_PATTERNS_MAX = 64, /* of one rule */
	CONFIG_TYPES_MAX = 64,
	CONFIG_CHANGES_MAX = 32,
	CONFIG_ERROR_PAGES_MAX = 32,
	CONFIG_STATUSES_MAX = 16,
	CONFIG_TEMPLATE_MAX = 64 * 1024, /* bytes of the page of a listing */
	CONFIG_TRIES_MAX = 8,
	CONFIG_UPSTREAMS_MAX = 256,
	CONFIG_WORKERS_MAX = 64,
	CONFIG_NETWORKS_MAX = 256,
	CONFIG_ZONES_MAX = 100000,      /* the size of the file allows fewer */
	CONFIG_PEERS_MAX = 64,          /* DNS servers in one list */
	CONFIG_TEXT_MAX = 4096,         /* bytes of one value */
	CONFIG_INCLUDE_DEPTH_MAX = 8,   /* files that include each other */
	CONFIG_INCLUDE_FILES_MAX = 256, /* all files of a configuration */
	CONFIG_RELEASES_MAX = 4,
};

/* The protocols; their tables are in service.c. */
enum service {
	SERVICE_HTTP,
	SERVICE_SMTP,
	SERVICE_POP3,
	SERVICE_FTP,
	SERVICE_DNS,
	SERVICE_COUNT,
};

/* The things that files or a database have; see store.h. */
enum config_store_part {
	STORE_USERS,
	STORE_MAILBOXES,
	STORE_QUEUE,
	STORE_ZONES,
	STORE_KEYS,
	STORE_PARTS,
};

/* The logs. */
enum config_log {
	LOG_ACCESS,
	LOG_MAIL,
	LOG_FTP,
	LOG_DNS,
	LOG_DAEMON, /* its own lines; see say_log.h */
	LOG_COUNT,
};

struct listener_type;
struct problems;

struct config_listener {
	const struct listener_type *type; /* see service.h */
	struct weir_address address;      /* port 0: the system chooses one */
	struct config_networks {
		struct weir_network *items;
		size_t count;
	} proxies, forwarders, allow, deny; /* see weir/policy.h */
	unsigned forwarded_field;           /* enum config_forwarded_field */
};

/* The field that trusted forwarders are believed in. */
enum config_forwarded_field {
	CONFIG_FORWARDED_OFF,
	CONFIG_FORWARDED_X,
	CONFIG_FORWARDED_RFC,
};

/* Where HTTP/2 is spoken. */
enum config_http2 {
	CONFIG_HTTP2_OFF,
	CONFIG_HTTP2_TLS,   /* where ALPN has chosen it */
	CONFIG_HTTP2_CLEAR, /* in clear as well, to clients that begin with it */
};

/* The versions of TLS, as values of `minimum`. */
enum config_tls_version {
	CONFIG_TLS_1_2,
	CONFIG_TLS_1_3,
};

struct config_tls {
	struct {
		struct weir_tls_certificate *items;
		size_t count;
	} certificates; /* of the file; items without a count: `auto` */
#include "tls_keys.def"
	/* These, and behind them those that are obtained (config_acme.h). */
	struct {
		struct weir_tls_certificate *items;
		size_t count;
	} all;
	/*
	 * Loaded from these, see config_tls.h: one for each service, since each names itself to its
	 * clients (ALPN), and tickets of one are not valid for another. NULL without certificates,
	 * and for a service without a listener.
	 */
	struct weir_tls *of[SERVICE_COUNT];
	struct key_client *keys; /* of a server process with a key process; held, or NULL */
};

struct config_authority {
#include "authority_keys.def"
};

struct config_acme {
#include "acme_keys.def"
	const struct config *config; /* that it is a part of */
	/* The names that certificates are obtained for, in lower case. */
	struct {
		const char **items;
		size_t count;
	} managed;
};

/* Paths in a site have no slashes at their ends. */
struct config_redirect {
#include "redirect_keys.def"
};

struct config_auth {
#include "auth_keys.def"
	struct weir_users *users; /* loaded, or those of the database (store_users.h) */
};

struct config_uploads {
	bool present;
#include "upload_keys.def"
};

struct config_upstream {
#include "upstream_keys.def"
};

struct config_check {
	bool present;
#include "check_keys.def"
};

/* The protocol of the servers of a group. */
enum config_protocol {
	CONFIG_PROTOCOL_HTTP,
	CONFIG_PROTOCOL_FASTCGI,
};

struct config_upstreams {
#include "upstreams_keys.def"
	struct weir_tls *tls;            /* loaded, if a server speaks https */
	struct weir_http_health *health; /* of the servers, for all workers; NULL: no checks */
	struct config_upstreams *next;   /* of those that `to` of a proxy is the URL of */
};

struct config_proxy {
#include "proxy_keys.def"
#include "coding_keys.def"
	const struct config_upstreams *upstreams; /* of `to`; one of a single server for a URL */
};

struct config_forward_auth {
#include "forward_auth_keys.def"
	const struct config_upstreams *upstreams; /* as of a proxy */
};

struct config_fastcgi {
#include "fastcgi_keys.def"
#include "coding_keys.def"
	const struct config_upstreams *upstreams; /* as of a proxy */
};

/* Whether the application has scripts in the root of the site. */
bool config_fastcgi_has_scripts(const struct config_fastcgi *fastcgi);

/* Whether a site answers DNS over HTTPS. */
enum config_doh {
	CONFIG_DOH_OFF,
	CONFIG_DOH_ON,
	CONFIG_DOH_CLEAR, /* also without TLS: a server in front of this one does it */
};

/* A change of the fields of replies. */
struct config_change {
#include "change_keys.def"
};

struct config_rate {
	bool present;
#include "rate_keys.def"
};

struct config_cors {
	bool present;
#include "cors_keys.def"
};

struct config_rule_auth {
	bool present;
#include "rule_auth_keys.def"
	struct weir_users *users; /* as of config_auth */
};

struct config_bearer {
	bool present;
#include "bearer_keys.def"
	struct weir_http_token_keys *keys; /* loaded */
};

/* The settings of a site, and of each of its rules. */
struct config_settings {
#include "setting_keys.def"
	const char *template; /* read from its file, or NULL */
};

struct config_rule {
	const char *name; /* for the log */
#include "rule_keys.def"
	struct config_settings
	        settings;      /* its own or, for those that it does not have, its site's */
	bool own_files;        /* a setting for files differs from that of the site */
	bool is_whole;         /* the site's own settings, as a rule for all paths */
	atomic_bool root_lost; /* as of a site, for `alias` */
};

struct config_site {
#include "site_keys.def"
	struct config_settings settings;
#include "rules_key.def"
	struct config_rule
	        *whole;        /* its settings, as the last of its rules; NULL: none is needed */
	atomic_bool root_lost; /* a worker has reported that `root` cannot be walked */
};

struct config_limits {
#include "limit_keys.def"
};

struct config_mail_limits {
#include "mail_limit_keys.def"
};

struct config_relay {
#include "relay_keys.def"
	const char *password; /* read from its file */
};

struct mail_shared;

struct config_mail {
#include "mail_keys.def"
	/* Loaded from these, see service_mail.h. */
	struct weir_users *users;
	struct weir_mail_routes *routes;
	struct mail_shared *shared; /* created when mail is first served */
};

/* Whether privileges are separated; see config_is_separated. */
enum config_separation {
	CONFIG_SEPARATION_AUTO,
	CONFIG_SEPARATION_YES,
	CONFIG_SEPARATION_NO,
};

enum config_ftp_tls {
	CONFIG_FTP_TLS_OFFERED,
	CONFIG_FTP_TLS_REQUIRED,
};

/* The first and the last; 0: not set. */
struct config_ports {
	uint16_t first;
	uint16_t last;
};

struct config_ftp {
#include "ftp_keys.def"
	struct weir_users *users;     /* loaded */
	struct weir_peers *peers;     /* created when FTP is first served */
	struct weir_ftp_ports *ports; /* of `passive`; created likewise */
	atomic_bool root_lost;        /* a worker has reported that its root cannot be walked */
};

struct config_dns_key {
	struct weir_dns_tsig_key key; /* its secret is erased with the configuration */
#include "tsig_keys.def"
};

/* Identifies a version of a file. */
struct config_stamp {
	uint64_t device, inode, size;
	int64_t modified_ns, changed_ns; /* 0: unknown */
};

struct config_transfer {
#include "transfer_keys.def"
};

struct config_zone {
#include "zone_keys.def"
	struct weir_dns_zone *zone; /* held by the configuration; NULL of a zone with primaries */
	struct config_stamp stamp;  /* of the file that it was read from */
};

struct config_rate_limit {
#include "rate_limit_keys.def"
};

struct config_dns_limits {
#include "dns_limit_keys.def"
};

struct config_cache {
#include "cache_keys.def"
};

struct config_stored_zones {
#include "stored_zones_keys.def"
};

struct config_dns {
#include "dns_keys.def"
	/* Loaded from these, see config_dns.h. */
	struct config_zone **by_name; /* the zones in the order of their names */
	struct weir_dns_keys *keyring;
	uint8_t secrets[2][WEIR_DNS_COOKIE_SECRET_SIZE];
	unsigned secret_count;
	struct weir_peers *peers; /* created when DNS is first served */
};

struct config_store {
#include "store_keys.def"
	const char *password; /* read from its file */
	bool hasty; /* for a verb, which reports a refusal at once; see weir_postgres_options */
	bool sealed;
	unsigned char seal[32]; /* the key of `seal_path`, unless the key process has it */
	struct weir_database
	        *database; /* of the process, not held; set before anything is served */
};

struct config_policy {
#include "policy_keys.def"
};

struct config_guard {
#include "guard_keys.def"
};

struct config_admin {
	const char *path;            /* of the Unix socket; NULL: none */
	struct weir_address address; /* if `listens` */
	bool listens;
	/* Loaded, for the address: NULL if there is none. */
	const char *token;
	struct weir_users *users;
};

struct config {
	struct refcount references;
	struct memory memory;
	void (*releases[CONFIG_RELEASES_MAX])(struct config *config); /* see config_on_release */
	const char *logs[LOG_COUNT];                                  /* absolute; NULL: off */
#include "top_keys.def"
	struct config_upstreams *singles; /* one for each `to` of a proxy that is a URL */
	unsigned https_port;              /* the port of redirect_to_https; 0: no listener has it */
	struct weir_guard *guarded;       /* of the process; set before anything is served */
	struct weir_rates *rates;         /* likewise; not held */
	struct weir_bans *bans;
	/* Created when HTTP is first served; there is no cache if its size is 0. */
	struct weir_peers *http_peers;
	struct weir_http_compressed_cache *compressed_cache;
};

/* Whether it names certificates, also those that are still to be obtained. */
static inline bool config_has_certificates(const struct config *config)
{
	return config->tls.certificates.items || config->acme.names.count;
}

#undef KEY
#undef SECTION
#undef SECTIONS
#undef ROW

/*
 * Creates a configuration without defaults (see config_file_default), with one reference. Returns
 * NULL without memory.
 */
struct config *config_create(void);

/* Adds a reference, and returns the configuration. */
struct config *config_hold(struct config *config);
/* Releases a reference; NULL is allowed. */
void config_release(struct config *config);

/* Registers a function that the last release calls first, for members that other files own. */
void config_on_release(struct config *config, void (*release)(struct config *config));

/* Releases what the upstreams of all sites have loaded. */
void config_release_upstreams(struct config *config);

/*
 * Calls `visit` for each `auth` of the sites and of their rules. `path` is that of its users file,
 * or NULL; `users` is the member that has the users.
 */
typedef void config_auth_fn(void *context, const char *path, struct weir_users **users);
void config_each_auth(const struct config *config, config_auth_fn *visit, void *context);

/* Releases the users and the keys of tokens of all sites. */
void config_release_users(struct config *config);

/*
 * Memory, which is zero, and text that live as long as the configuration. Return NULL without
 * memory.
 */
void *config_alloc(struct config *config, size_t size);
char *config_copy(struct config *config, const char *text, size_t size);

/* Whether both write this log to the same file, in the same form. */
bool config_same_log(const struct config *a, const struct config *b, enum config_log log);

/* Returns the absolute path of `name`, which is relative to `directory`; NULL without memory. */
char *config_path(struct config *config, const char *directory, const char *name);

/* Replace all listeners, and all certificates, whose texts are borrowed. Return 0 or -ENOMEM. */
int config_set_listeners(
        struct config *config, const struct config_listener *listeners, size_t count);
int config_set_certificates(
        struct config *config, const struct weir_tls_certificate *certificates, size_t count);

/* -- files ------------------------------------------------------------------------------------- */

/* The configuration without a file: the defaults. Returns NULL without memory. */
struct config *config_file_default(void);

/*
 * Reads the file of `problems`; blocks on the disk. Returns NULL if something is wrong: all of it
 * was added to `problems`. `previous` is the configuration in effect, or NULL.
 */
struct config *config_file_read(struct problems *problems, const struct config *previous);

/*
 * The text of the key `name` at the top of this file, without those that it includes, to be freed.
 * Nothing else in the file is looked at. Returns NULL if there is none, or it cannot be read.
 */
char *config_file_text(const char *path, const char *name);

/*
 * Whether a configuration asks for a master and a server process. With CONFIG_SEPARATION_AUTO it
 * does unless the server would stay root: `user` is the configured one, or NULL.
 */
bool config_separates(enum config_separation separation, const char *user);
bool config_is_separated(const struct config *config);

/* Replaces all sites by one with the defaults that serves `root`. Returns 0 or -ENOMEM. */
int config_file_set_root(struct config *config, const char *root);

/*
 * Makes a path of the command line absolute, so that it names the same file wherever the process
 * goes. Returns 0 or a negative errno, which was reported.
 */
int config_absolute_path(struct config *config, const char *path, const char **ret);

#endif
