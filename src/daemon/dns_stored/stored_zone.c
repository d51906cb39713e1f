/*
 * A version is immutable, so its copy on disk is as good as its rows, also while the database is
 * there.
 *
 * The rows of a version become the text of a zone file, which the loader of zone files reads: the
 * same checks hold for both. A version has at most WEIR_DATABASE_ZONE_BYTES of text.
 */
#include "stored_zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_copy.h>
#include <weir/error.h>

#include "helper.h"

static void stored_reading_end(struct stored_reading *reading, int error)
{
	reading->error = error;
	if (error < 0 && !reading->why[0])
		text_copy(reading->why, sizeof reading->why, weir_error_text(error));
	reading->done(reading->context, reading);
}

/* -- on the work pool -------------------------------------------------------------------------- */

/* The first mistake is enough. Its line is the number of the record. */
static void stored_reading_on_mistake(
        void *context, const char *label, unsigned line, const char *text)
{
	struct stored_reading *reading = context;
	(void)label;
	if (reading->why[0])
		return;
	if (line)
		snprintf(reading->why, sizeof reading->why, "record %u: %s", line, text);
	else
		snprintf(reading->why, sizeof reading->why, "%s", text);
}

/* The name of the file is the name in the copy. */
static const char *stored_reading_copy_name(const struct stored_reading *reading)
{
	return strrchr(reading->copy, '/') + 1;
}

static void stored_reading_read_copy(struct stored_reading *reading)
{
	struct weir_database_copy_info info;
	reading->copy_error = weir_database_copy_read(reading->copy,
	        stored_reading_copy_name(reading), WEIR_DATABASE_ZONE_BYTES, &info, &reading->text);
}

static void stored_reading_write_copy(struct stored_reading *reading)
{
	reading->copy_error = weir_database_copy_write(reading->copy,
	        stored_reading_copy_name(reading), 0, weir_buffer_span(&reading->text));
}

static void stored_reading_run(struct weir_work *work)
{
	struct stored_reading *reading = WEIR_CONTAINER(work, struct stored_reading, work);
	struct weir_dns_zone_info now, then;
	if (reading->reads_copy)
		stored_reading_read_copy(reading);
	if (reading->copy_error < 0) {
		weir_buffer_finish(&reading->text);
		return;
	}
	reading->error = weir_dns_zone_parse(weir_buffer_span(&reading->text), "", &reading->name,
	        stored_reading_on_mistake, reading, &reading->zone);
	if (reading->error == 0 && reading->copy && !reading->reads_copy)
		stored_reading_write_copy(reading);
	weir_buffer_finish(&reading->text);
	if (reading->error < 0 || !reading->before)
		return;
	weir_dns_zone_info(reading->zone, &now);
	weir_dns_zone_info(reading->before, &then);
	reading->same_serial = (int32_t)(now.serial - then.serial) <= 0;
	/* Without memory for the history, secondaries are sent the whole zone. */
	weir_dns_zone_follow(reading->zone, reading->before);
}

static void stored_reading_on_made(struct weir_work *work)
{
	struct stored_reading *reading = WEIR_CONTAINER(work, struct stored_reading, work);
	reading->working = false;
	if (reading->abandoned)
		stored_reading_free(reading);
	else
		stored_reading_end(reading, reading->error);
}

static int stored_reading_submit(struct stored_reading *reading)
{
	reading->working = true;
	int error = weir_work_submit_to(reading->loop, WEIR_LANE_NAMES, &reading->work,
	        stored_reading_run, stored_reading_on_made);
	reading->working = error == 0;
	return error;
}

/* -- rows -------------------------------------------------------------------------------------- */

int stored_record_put(const struct weir_database_zone_record *record, struct weir_buffer *to)
{
	const struct weir_span parts[] = {record->owner, WEIR_SPAN("\t"), record->ttl,
	        WEIR_SPAN("\tIN\t"), record->type, WEIR_SPAN("\t"), record->data, WEIR_SPAN("\n")};
	return buffer_append_spans(
	        to, parts, sizeof parts / sizeof *parts, WEIR_DATABASE_ZONE_BYTES);
}

static void stored_reading_on_record(void *context, const struct weir_database_zone_record *record)
{
	struct stored_reading *reading = context;
	const struct weir_span parts[] = {record->owner, record->ttl, record->type, record->data};
	/* Behind a line end the loader would read another record. */
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i].size && memchr(parts[i].data, '\n', parts[i].size))
			reading->error = reading->error ? reading->error : WEIR_E_SYNTAX;
	if (reading->error == 0)
		reading->error = stored_record_put(record, &reading->text);
}

static void stored_reading_on_again(void *context)
{
	struct stored_reading *reading = context;
	weir_buffer_consume(&reading->text, reading->text.size);
	reading->error = 0;
}

static void stored_reading_on_read(void *context, int error, const char *text)
{
	struct stored_reading *reading = context;
	reading->call = NULL;
	if (error < 0) {
		text_copy(reading->why, sizeof reading->why, text);
		/* The errors of a call mean nothing about the version. */
		stored_reading_end(reading, error == WEIR_E_SYNTAX ? -EIO : error);
		return;
	}
	if (reading->error == WEIR_E_LIMIT)
		text_copy(reading->why, sizeof reading->why, "the zone is too large");
	else if (reading->error == WEIR_E_SYNTAX)
		text_copy(reading->why, sizeof reading->why, "a record has a line end");
	error = reading->error == WEIR_E_LIMIT ? WEIR_E_SYNTAX : reading->error;
	/* A version that is not there any more: the next list has another one. */
	if (error == 0 && reading->text.size == 0)
		error = -ESTALE;
	if (error == 0)
		error = stored_reading_submit(reading);
	if (error < 0)
		stored_reading_end(reading, error);
}

/* -- life -------------------------------------------------------------------------------------- */

int stored_reading_start(struct weir_database *database, struct weir_loop *loop,
        const struct stored_zone *zone, const char *directory, bool reads_copy,
        void (*done)(void *context, struct stored_reading *reading), void *context,
        struct stored_reading **ret)
{
	static const struct weir_database_zone_events events = {
	        .record = stored_reading_on_record,
	        .again = stored_reading_on_again,
	        .done = stored_reading_on_read,
	};
	struct stored_reading *reading = calloc(1, sizeof *reading);
	int error = 0;
	if (!reading)
		return -ENOMEM;
	reading->loop = loop;
	reading->name = zone->name;
	text_copy(reading->version, sizeof reading->version, zone->wanted);
	reading->before = zone->zone ? weir_dns_zone_hold(zone->zone) : NULL;
	reading->reads_copy = reads_copy;
	reading->done = done;
	reading->context = context;
	if (directory && asprintf(&reading->copy, "%s/" STORED_ZONE_FILE "%s", directory,
	                         reading->version) < 0) {
		reading->copy = NULL;
		error = -ENOMEM;
	}
	if (error == 0)
		error = reads_copy ? stored_reading_submit(reading)
		                   : weir_database_zone_read(database, loop, reading->version,
		                             &events, reading, &reading->call);
	if (error < 0)
		stored_reading_free(reading);
	else
		*ret = reading;
	return error;
}

void stored_reading_free(struct stored_reading *reading)
{
	if (reading->working) {
		reading->abandoned = true;
		return;
	}
	if (reading->call)
		weir_database_call_cancel(reading->call);
	weir_buffer_finish(&reading->text);
	free(reading->copy);
	weir_dns_zone_release(reading->before);
	weir_dns_zone_release(reading->zone);
	free(reading);
}
