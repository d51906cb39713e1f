/*
 * Where a pool connects to: a connection string, taken apart.
 *
 * libpq would look up names itself, which blocks, and would wait for a silent host without a limit.
 * So each attempt is given one host, with its address, and the parameters that all have in common.
 */
#ifndef POSTGRES_TARGET_H
#define POSTGRES_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include <weir/postgres.h>

struct postgres_host {
	const char *name;    /* or the directory of a Unix socket */
	const char *address; /* of the URL, or NULL */
	const char *port;
	bool local; /* a Unix socket */
};

enum {
	POSTGRES_TARGET_OPTIONS = 64, /* more than libpq has keywords */
	POSTGRES_TARGET_FIXED = 4,    /* host, hostaddr, port, target_session_attrs */
};

struct postgres_target {
	PQconninfoOption *parsed; /* the first four own all texts */
	char *texts;
	char *user; /* of the options, or of the process */
	char *password;
	PQconninfoOption *defaults; /* of the environment; NULL: not wanted */
	struct postgres_host hosts[WEIR_POSTGRES_HOSTS_MAX];
	unsigned host_count;
	const char *session; /* target_session_attrs */
	/* Ends with NULL; the first POSTGRES_TARGET_FIXED are those of an attempt. */
	const char *keywords[POSTGRES_TARGET_OPTIONS + 1];
	const char *values[POSTGRES_TARGET_OPTIONS + 1];
	unsigned count;
	char timeout_ms[16]; /* tcp_user_timeout, of PQcancel, too */
};

/* Returns 0, or -EINVAL and the reason, for options that no pool can have. The URL may be bad. */
int postgres_options_check(
        const struct weir_postgres_options *options, char ret_why[WEIR_POSTGRES_WHY_MAX]);

/*
 * Reads the connection string of the options. The time of TCP, for bytes that the server does not
 * take (tcp_user_timeout), is the larger one of connect_ms and answer_ms. Returns 0, or
 * WEIR_E_SYNTAX, -EINVAL or -ENOMEM with the reason in `ret_why`. postgres_target_finish frees what
 * it has in any case.
 */
int postgres_target_init(struct postgres_target *target,
        const struct weir_postgres_options *options, char ret_why[WEIR_POSTGRES_WHY_MAX]);
void postgres_target_finish(struct postgres_target *target);

/*
 * Starts an attempt at the host, with its address as text (NULL: a Unix socket). `session` is what
 * it must be (target_session_attrs). Returns what PQconnectStartParams does.
 */
PGconn *postgres_target_start(struct postgres_target *target, const struct postgres_host *host,
        const char *address, const char *session);

#endif
