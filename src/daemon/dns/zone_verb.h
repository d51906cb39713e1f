/* weir zone: a command, and what its files share. */
#ifndef DAEMON_ZONE_VERB_H
#define DAEMON_ZONE_VERB_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/database_zones.h>
#include <weir/dns_zone.h>

#include "store_verb.h"
#include "verb_actions.h"

struct zone_action;

struct zone_request {
	const char *config;
	const char *algorithm;
	const struct zone_action *action;
	const char *words[ACTION_WORDS_MAX];
	bool help;
	/* The name that the first word is, absolute and in lower case; and so on. */
	struct weir_dns_name name;
	char name_text[WEIR_DNS_TEXT_MAX];
	uint32_t serial;
	struct weir_dns_zone *file; /* of import */
	struct weir_buffer secret;  /* of set-key */
};

struct zone_verb {
	struct store_verb verb;
	const struct zone_request *request;
	unsigned count; /* of the lines printed, or the records read */
	/* The version that is looked for, once it was found. */
	char version[WEIR_DATABASE_ID_SIZE];
	uint32_t serial;
	struct weir_buffer text; /* of its records */
	bool reads;              /* into `text`; otherwise records are printed */
	bool quiet;              /* an import prints nothing but mistakes */
	const char *next;        /* the line of `text` that is stored next */
};

/* A weir_database_done_fn for the struct. */
static inline void zone_verb_on_done(void *context, int error, const char *text)
{
	store_verb_done(&((struct zone_verb *)context)->verb, error, text);
}

/* -- zone_import.c -- */
/* Reads and checks the zone file of the request. Returns false after messages. */
bool zone_verb_load(struct zone_request *request);
bool zone_verb_import(struct zone_verb *verb);
bool zone_verb_export(struct zone_verb *verb);
/* Stores the zone of the request unless the database has one of its name. */
bool zone_verb_import_new(struct zone_verb *verb, bool *ret_there);
/* Reads the current version into `text`; `version` is empty if there is none. */
bool zone_verb_read_current(struct zone_verb *verb);

#endif
