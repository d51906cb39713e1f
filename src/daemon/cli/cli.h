/*
 * The command line: its verbs, their help, and the documents that are made from the tables of verbs
 * and keys. The options of `weir serve` and `weir check` are in options.h.
 */
#ifndef DAEMON_CLI_H
#define DAEMON_CLI_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include <weir/span.h>

#include "table.h"

struct config;
struct endpoint_list;
struct options;
struct weir_buffer;

/* -- verbs ------------------------------------------------------------------------------------- */

/*
 * The verbs of the program and their options, as rows like those of the configuration. `--help`,
 * the manual and the completions are made from them; the options that are keys of the configuration
 * are in the tables of the keys.
 */
struct verb {
	const char *name; /* NULL ends the table */
	const char *synopsis;
	const char *summary; /* a few words, for the list of verbs */
	const char *text;    /* sentences, for its help */
	const struct key *options;
	bool keys;                  /* keys of the configuration are options, too */
	const struct type *operand; /* NULL for none; of later words where there are words, too */
	const char *words;          /* that may be first, separated by spaces; or NULL */
	bool command;               /* the words are a command: options end at the first of them */
	const char *examples;       /* command lines */
};

extern const struct verb cli_verbs[];

const struct verb *verb_find(const char *name);

/* -- options ----------------------------------------------------------------------------------- */

/* More options than a verb has. */
enum {
	VERB_OPTIONS_MAX = 96
};

struct verb_option {
	const struct key *key;
	const struct section *section; /* NULL: no key of the configuration */
	uint32_t offset;               /* of the value in struct config */
	bool listed;                   /* in a list of sections: the offset is none */
};

/* The options of a verb, in the order of the tables. Returns their number. */
size_t verb_options(const struct verb *verb, struct verb_option options[VERB_OPTIONS_MAX]);

/* The argument of an option in documents, or NULL if it takes none. */
const char *verb_option_argument(const struct key *key);

/* The sentence that documents the option. */
const char *verb_option_doc(const struct key *key);

/* -- help -------------------------------------------------------------------------------------- */

/* What --help prints is made from the verbs and the rows of their options. */

/* Both return an exit code. */
int help_print(void);
int help_print_verb(const char *name);

/*
 * Writes text in lines of at most `width` columns; all but the first begin with `prefix`, and the
 * first one is in column `column` already. Quotes of code (`) are left out.
 */
void help_wrap(FILE *to, const char *text, const char *prefix, size_t column, size_t width);

/* -- documents --------------------------------------------------------------------------------- */

/* The keys for weir.yaml(5), and the options for weir(1), for scdoc. */
void reference_manual(FILE *to);
void reference_options(FILE *to);

/* A configuration with all keys and examples, for docs/configuration.md. */
void reference_listing(FILE *to);

/* An annotated configuration in which everything has its default. */
void reference_default(FILE *to);

/* completion.c */
void completion_bash(FILE *to);
void completion_zsh(FILE *to);
void completion_fish(FILE *to);

/* -- verbs that run; they return an exit code -------------------------------------------------- */

/* `weir check`: reads a configuration, and reports everything that is wrong with it. */
int check(const struct options *options);

/* `weir config`: prints an annotated default configuration, completions and parts of documents. */
int config_verb(int count, char **arguments);

/* `weir console`: a client of the admin socket. */
int console(int count, char **arguments);

/* `weir status`: prints what the daemon does now. */
int status_verb(int count, char **arguments);

/* `weir top`: shows the connections of the daemon, and asks again every two seconds. */
int top_verb(int count, char **arguments);
/* `weir upgrade`: sends the command of that name. */
int console_upgrade(int count, char **arguments);

/* `weir passwd`: adds a user to a users file, changes a password, removes a user. */
int passwd(int count, char **arguments);

/* `weir fetch`: gets a URL. */
int fetch(int count, char **arguments);

/* `weir queue`: lists, retries and deletes the messages that wait to be forwarded. */
int queue(int count, char **arguments);

/* `weir mailbox`: the mailboxes in the database. */
int mailbox_verb(int count, char **arguments);

/* `weir certificate`: the certificates in the database. */
int certificate_verb(int count, char **arguments);

/* `weir zone`: the zones and keys of TSIG in the database. */
int zone_verb(int count, char **arguments);

/* `weir store`: makes, upgrades and checks the tables of the database. */
int store_verb(int count, char **arguments);

/* -- the admin socket, for verbs that ask the daemon ------------------------------------------- */

/*
 * Stores the path of the socket, which is `socket` or that of the configuration `config` (NULL: the
 * usual one); not both are given. Returns 0, or an exit code after a message.
 */
int console_find(const char *verb, const char *config, const char *socket, char ret[PATH_MAX]);

/* Sends a command and prints its reply. Returns whether it succeeded; if not, it was reported. */
bool console_command(const char *path, const char *line);

/* Sends a command, and appends the lines of its reply to `ret`. Returns as console_command. */
bool console_ask(const char *path, const char *line, struct weir_buffer *ret);

/* -- the start --------------------------------------------------------------------------------- */

/*
 * Warns of what is unwise in a configuration without mistakes. A warning is a line on stderr, at
 * the start, after a reload, and from `weir check`.
 */
void config_warn(const struct config *config);

#define WELCOME_ROOT "public"

/*
 * Creates ./public with a first page, unless the directory exists. Returns 0 or a negative errno,
 * which was reported.
 */
int welcome_create(void);

/*
 * Prints the banner of `weir serve` to stdout: the addresses, the directories and zones that are
 * served, commands to try.
 */
void banner_print(
        const struct config *config, const struct endpoint_list *endpoints, unsigned workers);

/* -- users files ------------------------------------------------------------------------------- */

enum passwd_action {
	PASSWD_SET, /* another password; the user is added if it is missing */
	PASSWD_DELETE,
	PASSWD_LOCK,
	PASSWD_UNLOCK,
};

/* A change of one user's line, and no other byte of the file. */
struct passwd_change {
	enum passwd_action action;
	const char *path; /* of the file; or for messages */
	struct weir_span name;
	const char *hash;  /* of PASSWD_SET, as the next */
	const char *scram; /* NULL: the user has none, and an old one is removed */
};

enum passwd_done {
	PASSWD_FAILED, /* which was reported */
	PASSWD_ADDED,
	PASSWD_CHANGED,
	PASSWD_REMOVED,
	PASSWD_LOCKED,
	PASSWD_UNLOCKED,
};

/*
 * Appends the hash and the attributes of the changed user, which were `hash` and `rest` before. A
 * hash that begins with `*` stays locked. Returns 0 or a negative error of weir_buffer_append.
 */
int passwd_line_put_hash(
        const struct passwd_change *change, struct weir_span hash, struct weir_buffer *to);
int passwd_line_put_rest(
        const struct passwd_change *change, struct weir_span rest, struct weir_buffer *to);

/* Returns the result of the change of a user that existed before. */
enum passwd_done passwd_line_done(enum passwd_action action);

/* Whether the server would accept the text of a users file; if not, that was reported. */
bool passwd_line_check(const char *path, struct weir_span text);

/*
 * Replaces the file in one step; it is on the disk when this returns, with its old mode and owner.
 * If the file is missing and a user is added, it is created for its owner alone. Concurrent changes
 * are made one after the other.
 */
enum passwd_done passwd_file_change(const struct passwd_change *change);

#endif
