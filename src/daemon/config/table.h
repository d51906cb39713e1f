/*
 * The table of the configuration. A key is one row in a file of keys, <section>_keys.def: the type
 * and name of its field, its own name, bounds, default, and one sentence of documentation.
 *
 *   KEY(duration, request_ms, "request", .min = TIME_MIN_MS, .max = DAY_MS,
 *           .preset = WEIR_REQUEST_MS,
 *           .doc = "How long a request may take from its first byte to its last.")
 *
 * The row declares the field in the struct of its section (config.h), so that `limits.request_ms`
 * can be used. The checks, the default, `--help` and `weir check --effective` are made from it,
 * too. So are weir.yaml(5), docs/configuration.md, the completions, and the annotated default file.
 * So a new key changes two files, the keys and the file that uses it, and `./dev generate` writes
 * the documents. tools/try-key shows this.
 *
 * A section is a mapping: its keys, and the rules between them. The keys and rules of a protocol
 * are in its folder, see ftp/config_ftp.c. Its struct is in config.h, and its row in top_keys.def.
 *
 *   document.h ─▶ table.h ─▶ type_*.c ─▶ a protocol's folder ─▶ table_top.c ─▶ config_file.c
 *   nodes         rows       values      keys and rules        the whole       files
 */
#ifndef DAEMON_TABLE_H
#define DAEMON_TABLE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "document.h"
#include "problems.h"

struct config;
struct config_site;
struct key;
struct section;
struct weir_users;

/* Reads values: of a file, or of the command line. */
struct reader {
	struct memory *memory; /* of what is stored */
	struct problems *problems;
	const char *directory;         /* absolute: relative paths start here */
	struct location at;            /* of the value */
	char name[80];                 /* how messages call the value: 'idle', or --workers */
	bool syntax_only;              /* does not look at the disk */
	struct config *config;         /* that is being read, for the rules of sections */
	const struct config *previous; /* the configuration in effect, or NULL */
};

/* How a value is written and stored. The types are in types.h. */
struct type {
	const char *what;     /* completes "must be", as in "a duration such as 30s" */
	const char *argument; /* stands for the value in documents: DURATION */
	size_t size;          /* bytes of the stored value; of a list: of one item */
	bool number;          /* stored as an integer of this size; see `preset` */
	/* A list of values of this type, stored as struct list. */
	const struct type *item;
	/* Stores a value. Returns false if it is wrong, which was made a problem. */
	bool (*parse)(struct reader *reader, const struct key *key, const char *text, void *target);
	/* For a value that is more than one scalar; NULL: `parse` alone reads it. */
	void (*read)(struct reader *reader, const struct key *key, struct node *node, void *target);
	/* Writes a stored value as YAML; writes nothing if it is not set. */
	void (*print)(FILE *to, const struct key *key, const void *value);
};

/* A list as it is stored. The items of a list of text are followed by a NULL. */
struct list {
	void *items;
	size_t count;
};

struct key {
	const char *name; /* NULL ends the table */
	const struct type *type;
	uint32_t offset; /* in the struct of the section */
	bool required;
	uint64_t min; /* of numbers; of lists: of their items */
	uint64_t max;
	uint64_t preset;         /* the default of a number */
	const char *preset_text; /* the default of another type, as it is written; lists: a, b */
	/* The meaning of a missing key, if that is not a value: "the first site's root". */
	const char *otherwise;
	const char *const *words; /* of type_word, up to NULL: the value is an index */
	/* A word for the number 0; for sections, in place of a list: items without a count. */
	const char *zero;
	const struct section *of; /* of sections and lists of sections */
	const char *needs;        /* a key of this section without which this one has no effect */
	const char *doc;          /* one sentence */
	const char *more;         /* further sentences, for the manual only */
	const char *initial; /* the value in the annotated default file, where it is in effect */
	const char *example; /* the value in docs/configuration.md, where it is not the default */
	const char *option;  /* the name of its option of `weir serve`, without -- */
	char option_letter;  /* its short name */
	const char *option_alias; /* a second name */
	/* The option takes no argument, and means this; with option_argument one may follow '='. */
	const char *option_value;
	const char *option_doc;      /* one sentence, where the key's own does not fit */
	const char *option_argument; /* where it is not that of the type */
	const char *option_values;   /* proposals of completion, separated by spaces */
};

struct section {
	const char *what; /* "a site", for messages */
	const struct key *keys;
	size_t size;
	const char *doc; /* sentences, for the manual */
	/* Called before a mapping is read. */
	void (*begin)(void *target);
	/* The rules that no row can express; called when the mapping was read. */
	void (*check)(struct reader *reader, struct node *node, void *target);
	/* Whether the section is configured; NULL: always. */
	bool (*is_present)(const void *target);
	/*
	 * Each mapping has one of the keys that have the type of the first key, as those of
	 * listeners. It may have any of the keys of other types, too.
	 */
	bool one_key;
	/* A scalar in place of the mapping is the value of the first key. */
	bool one_line;
	/* From this key on, the keys are documented in the section around this one. */
	const char *shared;
};

/* Whether the key is one of those of which a mapping has one. */
bool section_has_alternative(const struct section *section, const struct key *key);

#define AT(type, member) offsetof(struct type, member)

/* Bounds that many rows have. */
#define DAY_MS (24ull * 60 * 60 * 1000)
#define TIME_MIN_MS 100u

/* -- reading ----------------------------------------------------------------------------------- */

/*
 * Stores the defaults. The target is zero. Returns false without memory, which was made a problem.
 */
bool section_init(struct reader *reader, const struct section *section, void *target);

/* Reads a mapping into a target that has its defaults. Everything wrong is made a problem. */
void section_read(
        struct reader *reader, struct node *node, const struct section *section, void *target);

/* Stores the value of a text. Returns false if it is wrong, which was made a problem. */
bool key_parse(struct reader *reader, const struct key *key, const char *text, void *target);

/* Calls a value by its name in messages: 'name'. */
void reader_name(struct reader *reader, const char *name);

/* Adds a problem at the location of the value; the second function adds one at a node. */
void reader_problem(struct reader *reader, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
void reader_problem_at(struct reader *reader, const struct node *node, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * sources_leave and sources_leave_to_keys for a file that `node` names: one that is missing is made
 * a problem there.
 */
bool reader_leaves(struct reader *reader, const struct node *node, const char *path);
bool reader_leaves_to_keys(struct reader *reader, const struct node *node, const char *path);

/*
 * Loads the users file at `path`, unless that is NULL, and adds its mistakes at the node that names
 * it. After a mistake *ret is NULL.
 */
void reader_load_users(
        struct reader *reader, const struct node *node, const char *path, struct weir_users **ret);

/*
 * Reads the password in the first line of the file. Returns NULL if there is none, which was made a
 * problem at the node that names it.
 */
const char *reader_password(struct reader *reader, const struct node *node, const char *path);

/* Adds "'idle' must be a duration such as 30s, not '30'", and returns false. */
bool reader_refuse(struct reader *reader, const struct key *key, const char *text);

/* The text of a scalar, called `name` in messages. Returns NULL if it has none: a problem. */
const char *reader_text(struct reader *reader, const char *name, const struct node *node);

/* Memory of the configuration. Both return NULL without memory, which was made a problem. */
void *reader_alloc(struct reader *reader, size_t size);
char *reader_copy(struct reader *reader, const char *text, size_t size);

/* A path, absolute. Returns NULL without memory, which was made a problem. */
char *reader_path(struct reader *reader, const char *text);

/* -- values ------------------------------------------------------------------------------------ */

/* The integer of a type that is a number. */
uint64_t type_load(const struct type *type, const void *value);
void type_store(const struct type *type, uint64_t number, void *target);

/* Writes a text as a scalar of YAML, with quotes if it needs them. */
void yaml_print_text(FILE *to, const char *text);

/* The section and the list of sections. */
extern const struct type type_section, type_sections;

/* -- printing ---------------------------------------------------------------------------------- */

/*
 * Prints a whole section as YAML that can be read again. A comment marks a value that is the
 * default; a key without a value is a comment. Returns false without memory.
 */
bool table_print(FILE *to, const struct section *section, const void *target);

/*
 * The default of a key as YAML, to be freed; "" if it has none that is a value. Returns NULL
 * without memory.
 */
char *table_default_text(const struct key *key);

/*
 * A paragraph on a key that begins with `doc`: bounds and default, and with `all` everything that
 * the manual has. To be freed; NULL without memory.
 */
char *table_key_text(const struct key *key, const char *doc, bool all);

/* -- the tables -------------------------------------------------------------------------------- */

/* The sections that the protocols register; table_top.c makes one configuration of them. */
extern const struct section table_site;                      /* table_http.c */
extern const struct section table_proxy, table_forward_auth; /* table_proxy.c */
extern const struct section table_upstreams;                 /* table_upstreams.c */
extern const struct section table_fastcgi;                   /* table_fastcgi.c */
extern const struct section table_tls;                       /* config_tls.c */
/* config_acme.c */
extern const struct section table_acme, table_authority;
extern const struct section table_mail;  /* table_mail.c */
extern const struct section table_ftp;   /* config_ftp.c */
extern const struct section table_dns;   /* table_dns.c */
extern const struct section table_store; /* table_store.c */
extern const struct section table_top;   /* table_top.c: the configuration, struct config */

/* The rules between `fastcgi` and the other keys of a site. */
void table_fastcgi_check_site(
        struct reader *reader, const struct node *site_node, const struct config_site *site);

/* Rules between sections, called when all of the configuration was read. */
void table_http_check(struct reader *reader, const struct node *top);
void table_mail_check(struct reader *reader, const struct node *top);
void table_proxy_check(struct reader *reader, const struct node *top);
void table_tls_check(struct reader *reader, const struct node *top);
void table_store_check(struct reader *reader, const struct node *top);
void table_ftp_check(struct reader *reader, const struct node *top);
void table_admin_check(struct reader *reader, const struct node *top);
void table_dns_check(struct reader *reader, const struct node *top);

#endif
