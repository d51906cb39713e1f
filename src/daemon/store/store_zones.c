/*
 * Zones and keys of TSIG, for weir store import and export.
 *
 * Invariant: what the database has stays as it is, since it may have been changed there.
 */
#include "store_zones.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <weir/base64.h>
#include <weir/database_zones.h>
#include <weir/dns_tsig.h>
#include <weir/error.h>

#include "config.h"
#include "config_dns.h"
#include "helper.h"
#include "say.h"
#include "store_files.h"
#include "zone_verb.h"

enum {
	STORE_ZONES_KEYS_MAX = 16 * 1024 * 1024 /* bytes of the file of keys */
};

/* -- zones ------------------------------------------------------------------------------------- */

static bool store_zones_import_zone(struct store_verb *store, const struct config_zone *zone,
        struct weir_database_transfer_counts *counts)
{
	struct zone_request request = {.words = {NULL, zone->path}, .name = zone->name};
	struct zone_verb verb = {.verb = *store, .request = &request, .quiet = true};
	bool there = false;
	weir_dns_name_lower(&request.name);
	weir_dns_name_format(&request.name, request.name_text);
	bool good = zone_verb_load(&request) && zone_verb_import_new(&verb, &there);
	counts->moved += good && !there;
	counts->there += good && there;
	counts->failed += !good;
	weir_dns_zone_release(request.file);
	weir_buffer_finish(&verb.text);
	return good;
}

bool store_zones_import(struct store_verb *verb, const struct config *config,
        struct weir_database_transfer_counts *counts)
{
	const struct config_dns *dns = &config->dns;
	bool good = true;
	for (size_t i = 0; i < dns->zones.count; i++) {
		const struct config_zone *zone = &dns->zones.items[i];
		if (zone->path && !zone->primaries.count)
			good = store_zones_import_zone(verb, zone, counts) && good;
	}
	return good;
}

struct store_zones_list {
	struct store_verb *verb;
	struct weir_buffer names; /* each with a NUL */
	int error;
};

static void store_zones_on_zone(void *context, const struct weir_database_zone *zone)
{
	struct store_zones_list *list = context;
	const struct weir_span parts[] = {zone->name, weir_span("", 1)};
	if (!list->error)
		list->error = buffer_append_spans(&list->names, parts, 2, SIZE_MAX);
}

static void store_zones_on_again(void *context)
{
	struct store_zones_list *list = context;
	list->names.size = 0;
	list->error = 0;
}

static void store_zones_on_listed(void *context, int error, const char *text)
{
	const struct store_zones_list *list = context;
	if (error == 0 && list->error)
		store_verb_done(list->verb, list->error, weir_error_text(list->error));
	else
		store_verb_done(list->verb, error, text);
}

/* A slash is legal in a name (RFC 2317 4), and not in that of a file. */
static bool store_zones_make_name(const char *name, char ret[WEIR_DNS_TEXT_MAX * 3 + 8])
{
	size_t size = strlen(name), at = 0;
	/* A row may have any text. */
	if (size >= WEIR_DNS_TEXT_MAX)
		return false;
	if (size > 1 && name[size - 1] == '.')
		size--;
	for (size_t i = 0; i < size; i++) {
		bool plain = name[i] != '/' && name[i] != '%' && (name[i] != '.' || i);
		at += (size_t)snprintf(
		        ret + at, 4, plain ? "%c" : "%%%02X", (unsigned char)name[i]);
	}
	strcpy(ret + at, ".zone");
	return at + sizeof ".zone" <= NAME_MAX;
}

/* Returns false if the others cannot be exported, either. */
static bool store_zones_export_zone(struct store_verb *store, const char *directory,
        const char *name, struct weir_database_transfer_counts *counts)
{
	struct zone_request request = {0};
	struct zone_verb verb = {.verb = *store, .request = &request};
	char file[WEIR_DNS_TEXT_MAX * 3 + 8];
	text_copy(request.name_text, sizeof request.name_text, name);
	if (!store_zones_make_name(name, file)) {
		say("%.80s: the name is too long for that of a file", name);
		counts->failed++;
		return true;
	}
	bool good = zone_verb_read_current(&verb);
	/* It may have been removed meanwhile. */
	if (good && verb.version[0])
		good = store_files_write(directory, file, weir_buffer_span(&verb.text));
	counts->moved += good && verb.version[0];
	counts->failed += !good;
	weir_buffer_finish(&verb.text);
	return good;
}

bool store_zones_export(struct store_verb *verb, const char *directory,
        struct weir_database_transfer_counts *counts)
{
	static const struct weir_database_zone_events events = {.zone = store_zones_on_zone,
	        .again = store_zones_on_again,
	        .done = store_zones_on_listed};
	struct store_zones_list list = {.verb = verb};
	struct weir_database_call *call;
	bool good = store_verb_wait(verb,
	        weir_database_zones_list(verb->database, verb->loop, NULL, &events, &list, &call));
	for (size_t at = 0; good && at < list.names.size; at += strlen(list.names.data + at) + 1)
		good = store_zones_export_zone(verb, directory, list.names.data + at, counts);
	weir_buffer_finish(&list.names);
	return good && !counts->failed;
}

/* -- keys of TSIG ------------------------------------------------------------------------------ */

struct store_zones_keys {
	struct store_verb *verb;
	struct weir_buffer names; /* each with a NUL, on both sides */
	struct weir_buffer text;  /* of the file */
	uint64_t count, unreadable;
	int error;
};

static int store_zones_format_key(struct weir_buffer *text, struct weir_span name,
        struct weir_span algorithm, struct weir_span secret)
{
	char encoded[WEIR_BASE64_ENCODED(WEIR_DNS_SECRET_MAX) + 1];
	if (secret.size > WEIR_DNS_SECRET_MAX)
		return WEIR_E_LIMIT;
	size_t size = weir_base64_encode(secret, encoded);
	int error = weir_buffer_format(text, STORE_ZONES_KEYS_MAX,
	        "    - {name: \"%.*s\", algorithm: %.*s, secret: \"%.*s\"}\n", (int)name.size,
	        name.data, (int)algorithm.size, algorithm.data, (int)size, encoded);
	explicit_bzero(encoded, sizeof encoded);
	return error;
}

static void store_zones_on_key(void *context, struct weir_span name, struct weir_span algorithm,
        struct weir_span secret, int error)
{
	struct store_zones_keys *keys = context;
	const struct weir_span parts[] = {weir_span("", 1), name, weir_span("", 1)};
	keys->count++;
	keys->unreadable += error != 0;
	if (!keys->error)
		keys->error = buffer_append_spans(&keys->names, parts, 3, STORE_ZONES_KEYS_MAX);
	if (!keys->error && !error)
		keys->error = store_zones_format_key(&keys->text, name, algorithm, secret);
}

static void store_zones_on_keys_again(void *context)
{
	struct store_zones_keys *keys = context;
	keys->names.size = keys->text.size = 0;
	keys->count = keys->unreadable = 0;
	keys->error = 0;
}

static void store_zones_on_keys(void *context, int error, const char *text)
{
	const struct store_zones_keys *keys = context;
	if (error == 0 && keys->error)
		store_verb_done(keys->verb, keys->error, weir_error_text(keys->error));
	else
		store_verb_done(keys->verb, error, text);
}

static bool store_zones_list_keys(struct store_zones_keys *keys)
{
	const struct store_verb *verb = keys->verb;
	struct weir_database_call *call;
	return store_verb_wait(
	        keys->verb, weir_database_tsig_list(verb->database, verb->loop, store_zones_on_key,
	                            store_zones_on_keys_again, store_zones_on_keys, keys, &call));
}

static void store_zones_free_keys(struct store_zones_keys *keys)
{
	buffer_erase(&keys->text);
	weir_buffer_finish(&keys->names);
}

static const char *store_zones_algorithm(int wanted)
{
	static const char *const names[] = {"hmac-sha256", "hmac-sha512", "hmac-sha1"};
	enum weir_dns_tsig_algorithm algorithm;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (weir_dns_tsig_algorithm(weir_span_of(names[i]), &algorithm) &&
		        (int)algorithm == wanted)
			return names[i];
	return names[0];
}

static bool store_zones_has_key(const struct store_zones_keys *keys, const char *name)
{
	const struct weir_span parts[] = {weir_span("", 1), weir_span_of(name), weir_span("", 1)};
	struct weir_buffer wanted = {0};
	bool found = buffer_append_spans(&wanted, parts, 3, SIZE_MAX) == 0 &&
	             bytes_find(weir_buffer_span(&keys->names), weir_buffer_span(&wanted));
	weir_buffer_finish(&wanted);
	return found;
}

static bool store_zones_import_key(struct store_zones_keys *keys, const struct config_dns_key *key,
        struct weir_database_transfer_counts *counts)
{
	const struct store_verb *verb = keys->verb;
	struct weir_database_call *call;
	struct weir_dns_name name = key->key.name;
	char text[WEIR_DNS_TEXT_MAX];
	weir_dns_name_lower(&name);
	weir_dns_name_format(&name, text);
	if (store_zones_has_key(keys, text)) {
		counts->there++;
		return true;
	}
	bool good = store_verb_wait(
	        keys->verb, weir_database_tsig_put(verb->database, verb->loop, text,
	                            store_zones_algorithm((int)key->key.algorithm),
	                            weir_span(key->key.secret, key->key.secret_size),
	                            store_zones_on_keys, keys, &call));
	counts->moved += good;
	counts->failed += !good;
	return good;
}

static void store_zones_report(
        void *context, const void *item, const char *path, unsigned line, const char *text)
{
	(void)context, (void)item;
	const char *file = *path ? path : "keys";
	if (line)
		say("%s:%u: %s", file, line, text);
	else
		say("%s: %s", file, text);
}

bool store_zones_import_keys(struct store_verb *verb, const struct config *config,
        struct weir_database_transfer_counts *counts)
{
	/* The keys are read into the configuration, which erases them. */
	struct config_dns *dns = (struct config_dns *)(uintptr_t)&config->dns;
	struct store_zones_keys keys = {.verb = verb};
	if (config_dns_load_keys(dns, store_zones_report, NULL) < 0)
		return false;
	bool good = store_zones_list_keys(&keys);
	for (size_t i = 0; good && i < dns->keys.count; i++)
		good = store_zones_import_key(&keys, &dns->keys.items[i], counts);
	store_zones_free_keys(&keys);
	return good;
}

bool store_zones_export_keys(struct store_verb *verb, const char *directory, const char *name,
        struct weir_database_transfer_counts *counts)
{
	struct store_zones_keys keys = {.verb = verb};
	int error = 0;
	bool good = store_zones_list_keys(&keys);
	const struct weir_span parts[] = {
	        WEIR_SPAN("dns:\n  keys:\n"), weir_buffer_span(&keys.text)};
	struct weir_buffer text = {0};
	if (good)
		error = buffer_append_spans(&text, parts, 2, SIZE_MAX);
	if (error < 0)
		say("keys: %s", weir_error_text(error));
	if (keys.unreadable)
		say("keys: %llu cannot be read: the key of `secret-key-file` is missing, or another "
		    "one",
		        (unsigned long long)keys.unreadable);
	good = good && error == 0 && store_files_write(directory, name, weir_buffer_span(&text));
	counts->moved += good ? keys.count - keys.unreadable : 0;
	counts->failed += keys.unreadable;
	buffer_erase(&text);
	store_zones_free_keys(&keys);
	return good && !keys.unreadable;
}
