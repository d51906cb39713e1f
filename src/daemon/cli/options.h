/* The command line, taken apart. Usage errors are said here, with a hint to --help. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/limits.h>

#include "config.h"

/* Exit codes of the program. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2
};

/* Of --zone; more of them stand in a file. */
enum {
	OPTIONS_ZONES_MAX = 256
};

struct options {
	struct config_listener listeners[CONFIG_LISTENERS_MAX];
	size_t listener_count;
	const char *chains[CONFIG_CERTIFICATES_MAX];
	const char *keys[CONFIG_CERTIFICATES_MAX]; /* of the chain with the same index */
	size_t certificate_count;
	const char *root; /* NULL: not given, as all below */
	const char *config_path;
	const char *mail;
	const char *users;
	const char *domains[CONFIG_NAMES_MAX];
	size_t domain_count;
	const char *zones[OPTIONS_ZONES_MAX]; /* NAME=FILE, NAME is good */
	size_t zone_count;
	struct weir_address forward[WEIR_DNS_UPSTREAMS_MAX];
	size_t forward_count;
	const char *logs[LOG_COUNT];
	bool log_given[LOG_COUNT]; /* a log that is NULL is off then */
	unsigned workers;
	bool ftp_writable;
	bool doh;
	bool help;
};

/* `arguments` begin with the verb. 0, or EXIT_USAGE. */
int options_parse_serve(int count, char **arguments, struct options *ret);
int options_parse_check(int count, char **arguments, struct options *ret);

/* Says what is wrong, and where help is. EXIT_USAGE. */
int __attribute__((format(printf, 2, 3))) usage_error(const char *verb, const char *format, ...);

/* The same of an option that getopt_long could not make sense of. */
int refuse_option(const char *verb, int letter, char **arguments);

#endif
