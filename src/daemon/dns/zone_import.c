/*
 * weir zone import and export. A zone file is read with all the checks of a server before anything
 * is stored, and is stored as one version or not at all.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "helper.h"
#include "say.h"
#include "stored_zone.h"
#include "zone_verb.h"

/* -- reading a version ------------------------------------------------------------------------- */

/* The current version, or the one with the serial that was asked for. */
static void zone_import_note(void *context, const struct weir_database_zone *zone)
{
	struct zone_verb *verb = context;
	bool wanted = verb->request->words[1] && !verb->request->file
	                      ? zone->serial == verb->request->serial
	                      : zone->current;
	if (!wanted || verb->version[0])
		return;
	text_copy_span(verb->version, sizeof verb->version, zone->version);
	verb->serial = zone->serial;
}

static void zone_import_note_again(void *context)
{
	((struct zone_verb *)context)->version[0] = 0;
}

static const struct weir_database_zone_events zone_import_finding = {
        .zone = zone_import_note, .again = zone_import_note_again, .done = zone_verb_on_done};

static bool zone_import_find(struct zone_verb *verb)
{
	struct weir_database_call *call;
	return store_verb_wait(
	        &verb->verb, weir_database_zones_list(verb->verb.database, verb->verb.loop,
	                             verb->request->name_text, &zone_import_finding, verb, &call));
}

/*
 * The SOA record goes to the beginning (RFC 1035 5.2), which versions that were stored by earlier
 * programs need. Before it there are some records of the apex at most.
 */
static void zone_import_on_record(void *context, const struct weir_database_zone_record *record)
{
	struct zone_verb *verb = context;
	const struct weir_span before = weir_buffer_span(&verb->text);
	const bool soa = weir_span_equal(record->type, WEIR_SPAN("SOA"));
	struct weir_buffer first = {0}, *text = soa ? &first : &verb->text;
	int error = stored_record_put(record, text);
	if (error == 0 && soa)
		error = buffer_append_spans(&first, &before, 1, WEIR_DATABASE_ZONE_BYTES);
	if (error < 0)
		verb->reads = false;
	if (soa) {
		weir_buffer_finish(&verb->text);
		verb->text = first;
	}
}

static void zone_import_on_again(void *context)
{
	struct zone_verb *verb = context;
	weir_buffer_consume(&verb->text, verb->text.size);
}

static const struct weir_database_zone_events zone_import_reading = {
        .record = zone_import_on_record, .again = zone_import_on_again, .done = zone_verb_on_done};

/* Reads the records of the version that was found. */
static bool zone_import_read(struct zone_verb *verb)
{
	struct weir_database_call *call;
	verb->reads = true;
	bool good = store_verb_wait(
	        &verb->verb, weir_database_zone_read(verb->verb.database, verb->verb.loop,
	                             verb->version, &zone_import_reading, verb, &call));
	if (good && !verb->reads)
		say("%s: the zone is too large", verb->request->name_text);
	return good && verb->reads;
}

bool zone_verb_export(struct zone_verb *verb)
{
	if (!zone_import_find(verb))
		return false;
	if (!verb->version[0]) {
		say("there is no such zone in the database: %s%s%s", verb->request->name_text,
		        verb->request->words[1] ? " with the serial " : "",
		        verb->request->words[1] ? verb->request->words[1] : "");
		return false;
	}
	if (!zone_import_read(verb))
		return false;
	fwrite(verb->text.data, 1, verb->text.size, stdout);
	return true;
}

/* -- importing --------------------------------------------------------------------------------- */

static void zone_import_on_mistake(void *context, const char *path, unsigned line, const char *text)
{
	(void)context;
	if (line)
		say("%s:%u: %s", path, line, text);
	else
		say("%s: %s", path, text);
}

/* Cuts the next record of the text: owner, TTL, class, type and data with tabs between them. */
static bool zone_import_next(void *context, struct weir_database_zone_record *ret)
{
	struct zone_verb *verb = context;
	const char *end = verb->text.data + verb->text.size;
	struct weir_span rest = weir_span(verb->next, (size_t)(end - verb->next)), line, class;
	if (rest.size == 0)
		return false;
	weir_span_cut(&rest, '\n', &line);
	verb->next = rest.size ? rest.data : end;
	weir_span_cut(&line, '\t', &ret->owner);
	weir_span_cut(&line, '\t', &ret->ttl);
	weir_span_cut(&line, '\t', &class);
	weir_span_cut(&line, '\t', &ret->type);
	ret->data = line;
	return true;
}

static bool zone_import_write(struct zone_verb *verb, const struct weir_dns_zone *zone)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	int error = stream ? weir_dns_zone_write(zone, stream) : -ENOMEM;
	if (stream && fclose(stream) < 0)
		error = -ENOMEM;
	weir_buffer_finish(&verb->text);
	if (error == 0)
		error = weir_buffer_append(&verb->text, text, size, WEIR_DATABASE_ZONE_BYTES);
	free(text);
	if (error < 0)
		say("%s: %s", verb->request->name_text,
		        error == WEIR_E_LIMIT ? "the zone is too large" : weir_error_text(error));
	return error == 0;
}

static bool zone_import_put(struct zone_verb *verb, const struct weir_dns_zone *zone)
{
	struct weir_database_call *call;
	struct weir_dns_zone_info info;
	if (!zone_import_write(verb, zone))
		return false;
	weir_dns_zone_info(zone, &info);
	verb->next = verb->text.data;
	struct weir_database_zone_put put = {.name = verb->request->name_text,
	        .serial = info.serial,
	        .replaces = verb->version[0] ? verb->version : NULL,
	        .next = zone_import_next};
	if (!store_verb_wait(
	            &verb->verb, weir_database_zone_put(verb->verb.database, verb->verb.loop, &put,
	                                 zone_verb_on_done, verb, &call)))
		return false;
	if (!verb->quiet)
		printf("%s: serial %" PRIu32 ", %" PRIu32 " record%s\n", verb->request->name_text,
		        info.serial, info.records, info.records == 1 ? "" : "s");
	return true;
}

/* Stores the zone with the serial that follows the current one. */
static bool zone_import_put_later(struct zone_verb *verb, const struct weir_dns_zone_info *info)
{
	struct weir_dns_zone *later;
	if (info->is_signed) {
		say("%s: the serial %" PRIu32 " is not later than %" PRIu32
		    " of the database; sign the zone with a later one",
		        verb->request->words[1], info->serial, verb->serial);
		return false;
	}
	int error = weir_dns_zone_extend(verb->request->file, verb->serial + 1, NULL, 0, &later);
	if (error < 0) {
		say("%s: %s", verb->request->words[1], weir_error_text(error));
		return false;
	}
	bool good = zone_import_put(verb, later);
	weir_dns_zone_release(later);
	return good;
}

/* Whether the current version has the records of the file, whatever the serial of the file. */
static bool zone_import_is_same(struct zone_verb *verb, const struct weir_dns_zone_info *info)
{
	const struct zone_request *request = verb->request;
	struct weir_dns_zone *current = NULL, *file = request->file;
	bool same = false;
	if (weir_dns_zone_parse(
	            weir_buffer_span(&verb->text), "", &request->name, NULL, NULL, &current) < 0)
		return false;
	if (info->serial == verb->serial)
		same = weir_dns_zone_equal(current, file);
	else if (weir_dns_zone_extend(file, verb->serial, NULL, 0, &file) == 0) {
		same = weir_dns_zone_equal(current, file);
		weir_dns_zone_release(file);
	}
	weir_dns_zone_release(current);
	return same;
}

bool zone_verb_import(struct zone_verb *verb)
{
	struct weir_dns_zone_info info;
	weir_dns_zone_info(verb->request->file, &info);
	if (!zone_import_find(verb))
		return false;
	if (!verb->version[0] || (int32_t)(info.serial - verb->serial) > 0)
		return zone_import_put(verb, verb->request->file);
	if (!zone_import_read(verb))
		return false;
	if (!zone_import_is_same(verb, &info))
		return zone_import_put_later(verb, &info);
	printf("%s: serial %" PRIu32 ", unchanged\n", verb->request->name_text, verb->serial);
	return true;
}

bool zone_verb_import_new(struct zone_verb *verb, bool *ret_there)
{
	if (!zone_import_find(verb))
		return false;
	*ret_there = verb->version[0] != 0;
	return *ret_there || zone_import_put(verb, verb->request->file);
}

bool zone_verb_read_current(struct zone_verb *verb)
{
	return zone_import_find(verb) && (!verb->version[0] || zone_import_read(verb));
}

bool zone_verb_load(struct zone_request *request)
{
	return weir_dns_zone_load(request->words[1], &request->name, zone_import_on_mistake, NULL,
	               &request->file) == 0;
}
