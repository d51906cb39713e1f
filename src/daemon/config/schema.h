/*
 * A small schema for YAML: tables say which keys a mapping may have, of which kind, and where in a
 * struct of ours the value goes. Every mistake becomes a problem with its place, and reading goes
 * on, so that one look at a file finds all of them.
 *
 *   static const struct key keys[] = {
 *           {"root", KEY_DIRECTORY, offsetof(struct config_site, root), .required = true},
 *           {0},
 *   };
 *   static const struct schema site = {"a site", keys, sizeof(struct config_site)};
 *   schema_read(&reader, node, &site, &target);
 */
#ifndef DAEMON_SCHEMA_H
#define DAEMON_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yaml.h>

#include "config.h"
#include "problems.h"

struct schema;

/* The kinds of values, and what they are stored as. */
enum key_kind {
	KEY_TEXT,      /* const char * */
	KEY_PREFIX,    /* const char *: a path in a site, slashes at its ends taken off */
	KEY_WORD,      /* unsigned: which of `words` */
	KEY_FILE,      /* const char *: absolute; whether it is there is for who reads it */
	KEY_DIRECTORY, /* const char *: absolute; is there, and can be read */
	KEY_PLACE,     /* const char *: absolute; a directory that can be made if it is not there */
	KEY_LOG,       /* const char *: absolute; NULL for off */
	KEY_USER,      /* const char *: a user of this machine */
	KEY_FLAG,      /* bool */
	KEY_NUMBER,    /* uint64_t, from min to max */
	KEY_WORKERS,   /* the same, or auto: 0 */
	KEY_SIZE,      /* uint64_t bytes: 512, 64K, 10M, 2G */
	KEY_MODE,      /* unsigned: permission bits in octal, 0600 to 0777 */
	KEY_DURATION,  /* uint64_t milliseconds: 500ms, 30s, 2m, 1h */
	KEY_ADDRESS,   /* struct weir_address */
	KEY_LISTENER,  /* struct config_listener: an address; the key is the name of the kind */
	KEY_NAMES,     /* config_list of const char *: names of hosts */
	KEY_PORTS,     /* struct config_ports: 50000-50100 */
	KEY_HOST,      /* struct weir_address: IPv4, port 0 or 1 */
	KEY_FIELDS,    /* const char *: lines of a mapping of field names to values */
	KEY_NETWORKS,  /* config_list of struct weir_network */
	KEY_ZONE,      /* struct weir_dns_name, in lower case */
	KEY_ZONES,     /* config_list of them */
	KEY_PEERS, /* config_list of struct weir_address: of servers of DNS; port 53 may be missing */
	KEY_MAPPING, /* the struct of schema `of`, in place */
	KEY_LIST,    /* config_list of structs of schema `of`; max of them */
};

struct key {
	const char *name; /* NULL ends the table */
	enum key_kind kind;
	uint32_t offset; /* in the struct it is stored in */
	uint64_t min;    /* of numbers, sizes, durations */
	uint64_t max;
	const struct schema *of;
	const char *const *words; /* up to NULL */
	bool required;
};

/* Where reading has got to; one a file. */
struct reader {
	yaml_document_t *document;
	struct config *config;
	struct problems *problems;
	const char *directory;         /* absolute: relative paths start here */
	const struct config *previous; /* what is served until now, or NULL */
};

struct schema {
	const char *what; /* "a site", for messages */
	const struct key *keys;
	size_t size;
	void (*init)(void *target);
	/* What the table cannot say; called when the mapping was read. */
	void (*check)(struct reader *reader, yaml_node_t *node, void *target);
};

/* schema.c */
void schema_read(
        struct reader *reader, yaml_node_t *node, const struct schema *schema, void *target);
yaml_node_t *schema_node(struct reader *reader, int index);
/* The value of a key in a mapping, or NULL. */
yaml_node_t *schema_find(struct reader *reader, yaml_node_t *mapping, const char *name);
/* Item `index` of a sequence, or NULL. */
yaml_node_t *schema_item(struct reader *reader, yaml_node_t *sequence, size_t index);
/* The items of a sequence, at most `max` of what is `like` so; 0 was made a problem. */
size_t schema_count(
        struct reader *reader, const char *name, yaml_node_t *node, size_t max, const char *like);
struct file_position schema_place(const yaml_node_t *node);
/* The node's text if it is a scalar with one; else a problem, and NULL. */
const char *schema_text(struct reader *reader, const char *name, yaml_node_t *node);
/* Memory of the configuration; NULL was made a problem. */
void *schema_alloc(struct reader *reader, size_t size);
char *schema_copy(struct reader *reader, const char *text, size_t size);

/* value.c, value_dns.c, value_file.c, value_ftp.c, value_http.c, value_mail.c: one kind each */
typedef void value_reader(
        struct reader *reader, const struct key *key, yaml_node_t *node, void *target);
value_reader value_text, value_flag, value_number, value_workers, value_size, value_mode,
        value_duration;
value_reader value_word, value_file, value_directory, value_log, value_user;
value_reader value_place, value_networks;
value_reader value_zone, value_zones, value_peers;
value_reader value_prefix, value_ports, value_host, value_address, value_listener, value_names,
        value_fields;
/* Loads a users file; NULL was made a problem. Relative paths as elsewhere. */
struct weir_users *value_load_users(struct reader *reader, const char *path, yaml_node_t *node);
/* Loads users and aliases of the `mail` at this node; what is wrong was made problems. */
void value_load_mail(struct reader *reader, yaml_node_t *node);
/* Loads the certificates of the `tls` at this node; what is wrong was made problems. */
void value_load_tls(struct reader *reader, yaml_node_t *node);
/* An absolute path, of the configuration's memory; NULL was made a problem. */
char *value_path(struct reader *reader, const char *text);

#endif
