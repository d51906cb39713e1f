/* The types of values, and the macros that make rows of a file of keys; see table.h. */
#ifndef DAEMON_TYPES_H
#define DAEMON_TYPES_H

#include <weir/address.h>

#include "config.h"
#include "table.h"

/* -- types: one of a single protocol is beside its keys ---------------------------------------- */

/* type_basic.c */
extern const struct type type_text;        /* const char * */
extern const struct type type_text_or_off; /* const char *; off is "" */
extern const struct type type_word;        /* unsigned: the index in `words` */
extern const struct type type_flag;        /* bool */
extern const struct type type_number;      /* uint64_t */
extern const struct type type_size;        /* uint64_t, in bytes: 512, 64K, 10M, 2G */
extern const struct type type_duration;    /* uint64_t, in milliseconds: 500ms, 30s, 2m, 1h */
extern const struct type type_mode;        /* unsigned: permission bits in octal; 0: not set */

/* type_path.c: const char *, absolute */
extern const struct type type_file;          /* need not exist: its reader reports that */
extern const struct type type_directory;     /* exists, and can be read */
extern const struct type type_new_directory; /* exists, or can be created */
extern const struct type type_log;           /* NULL: off */
extern const struct type type_user;          /* the name of a user of this machine */
extern const struct type type_socket;        /* a Unix socket that can be created */
extern const struct type type_admin;         /* table_admin.c: struct config_admin */
extern const struct type type_files;         /* nothing is stored: files to include */

/* type_site.c: const char * */
extern const struct type type_prefix; /* a path in a site, without the slashes at its ends */
extern const struct type type_fields;
extern const struct type type_site_log;
extern const struct type type_field_names; /* table_proxy.c: list of const char * */

/* type_rule.c */
extern const struct type type_index_names; /* const char *: with '/' between them; off is "" */
extern const struct type type_texts;       /* list of const char * */
extern const struct type type_patterns;    /* list of const char *: patterns of paths */
extern const struct type type_methods;     /* unsigned: bits 1 << enum weir_http_method */

/* type_mapping.c */
extern const struct type type_statuses;    /* list of struct weir_http_statuses */
extern const struct type type_types;       /* list of struct weir_http_type */
extern const struct type type_error_pages; /* list of struct weir_http_error_page */

extern const struct type type_changes; /* type_change.c: list of struct config_change */

extern const struct type type_store_parts; /* table_store.c: bits 1 << enum config_store_part */

/* type_net.c */
extern const struct type type_address;  /* struct weir_address with its port */
extern const struct type type_ipv4;     /* struct weir_address, port 1; port 0: not set */
extern const struct type type_ports;    /* struct config_ports: 50000-50100 */
extern const struct type type_networks; /* list of struct weir_network */
extern const struct type type_servers;  /* list of struct weir_address; the port may be missing */
extern const struct type type_domain;   /* struct weir_dns_name in lower case; size 0: not set */
extern const struct type type_domains;  /* list of these */
extern const struct type type_hosts;    /* list of const char *: names of hosts, and *.name */

/* Both are for lists of text such as type_hosts. */
void type_print_list(FILE *to, const struct key *key, const void *value);

/* The grammar of addresses: with `port` 0 the port must be given. Returns false if it is wrong. */
bool type_parse_address(const char *text, unsigned port, struct weir_address *ret);

/* Whether the text of a flag sets it. */
bool type_flag_is_yes(const char *text);

/* Stores a copy of the text. */
bool type_store_text(struct reader *reader, const char *text, size_t size, void *target);

/* Writes a number with the unit of its type: 30s, 64M. */
void type_print_number(FILE *to, const struct key *key, uint64_t number);

/* -- rows -------------------------------------------------------------------------------------- */

/*
 * Has a file of keys (*.def) make the rows of a table. KEYS_STRUCT is the struct that stores them:
 *
 *   #define KEYS_STRUCT config_limits
 *   static const struct key limit_keys[] = {
 *   #include "limit_keys.def"
 *           {0},
 *   };
 *   #undef KEYS_STRUCT
 */

/* The member of KEYS_STRUCT that has the fields, with its dot; nothing: KEYS_STRUCT itself. */
#define KEYS_MEMBER

/* A value: its type is type_<type>, its field is declared by key_fields.h. */
#define KEY(type, field, name, ...)                                                                \
	{name, &type_##type, offsetof(struct KEYS_STRUCT, KEYS_MEMBER field), __VA_ARGS__},

/* The section table_<section>, whose struct is config_<section>; and a list of these. */
#define SECTION(section, field, name, ...)                                                         \
	{name, &type_section, offsetof(struct KEYS_STRUCT, KEYS_MEMBER field),                     \
	        .of = &table_##section, __VA_ARGS__},
#define SECTIONS(section, field, name, ...)                                                        \
	{name, &type_sections, offsetof(struct KEYS_STRUCT, KEYS_MEMBER field),                    \
	        .of = &table_##section, __VA_ARGS__},

/* A value whose field is declared elsewhere. */
#define ROW(type, name, offset, ...) {name, &type_##type, offset, __VA_ARGS__},

#endif
