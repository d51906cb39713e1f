/* Parses the command line. Usage errors are printed here, with a hint at --help. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/limits.h>

#include "cli.h"
#include "config.h"
#include "table.h"

/* Exit codes of the program. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2
};

/* Of --zone, and of the options that are plain keys; a file may have more zones. */
enum {
	OPTIONS_ZONES_MAX = 256,
	OPTIONS_VALUES_MAX = 256,
};

/* An option that sets a key of the configuration, and needs nothing else. */
struct option_value {
	const struct key *key;
	uint32_t offset;  /* of the value in struct config */
	const char *text; /* was checked */
};

struct options {
	struct config_listener listeners[CONFIG_LISTENERS_MAX];
	size_t listener_count;
	const char *chains[CONFIG_CERTIFICATES_MAX];
	const char *keys[CONFIG_CERTIFICATES_MAX]; /* of the chain with the same index */
	size_t certificate_count;
	const char *root; /* NULL: not given, as all texts below */
	const char *config_path;
	const char *mail;
	const char *users;
	const char *domains[CONFIG_NAMES_MAX];
	size_t domain_count;
	const char *zones[OPTIONS_ZONES_MAX]; /* NAME=FILE; NAME was checked */
	size_t zone_count;
	struct weir_address forward[WEIR_DNS_UPSTREAMS_MAX];
	size_t forward_count;
	bool ftp_writable;
	bool doh;
	bool effective;
	bool help;
	struct option_value values[OPTIONS_VALUES_MAX];
	size_t value_count;
};

/* `arguments` begin with the verb. Both return 0, or EXIT_USAGE. */
int options_parse_serve(int count, char **arguments, struct options *ret);
int options_parse_check(int count, char **arguments, struct options *ret);

/*
 * Stores the value of an option of `verb` in `target`, whose texts are freed at once. Returns 0 or
 * EXIT_USAGE.
 */
int options_parse_value(const char *verb, const struct key *key, const char *text, void *target);

/* Prints what is wrong, and a hint at --help. Returns EXIT_USAGE. */
int __attribute__((format(printf, 2, 3))) usage_error(const char *verb, const char *format, ...);

/* An option was read; `value` is NULL if it takes none. Returns 0, or an exit status. */
typedef int options_set_fn(void *context, const struct verb_option *option, const char *value);

/*
 * Reads the options of a verb as its table in cli_verbs.c has them; the words behind them begin at
 * optind. Returns 0, or an exit status after a message.
 */
int options_read(const char *verb, int count, char **arguments, options_set_fn *set, void *context);

#endif
