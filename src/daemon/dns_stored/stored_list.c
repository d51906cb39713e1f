/*
 * A row is a line, with tabs between its four fields. A row that cannot be used is left out and
 * reported: the zones and keys of the others do not depend on it.
 */
#include "stored_list.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_secrets.h>
#include <weir/error.h>

#include "helper.h"
#include "store.h"

enum {
	LIST_FIELDS = 4
};

struct stored_list *stored_list_create(const struct weir_database *database)
{
	struct stored_list *list = calloc(1, sizeof *list);
	if (list)
		list->database = database;
	return list;
}

void stored_list_free(void *context)
{
	struct stored_list *list = context;
	if (!list)
		return;
	for (size_t i = 0; i < list->zone_count; i++)
		weir_dns_zone_release(list->zones[i].zone);
	free(list->zones);
	if (list->keys)
		explicit_bzero(list->keys, list->key_count * sizeof *list->keys);
	free(list->keys);
	free(list);
}

int stored_list_format(const struct weir_postgres_row *row, struct weir_buffer *text,
        char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct weir_span parts[2 * LIST_FIELDS];
	for (unsigned i = 0; i < LIST_FIELDS; i++) {
		struct weir_span value = weir_postgres_row_value(row, i);
		for (size_t at = 0; at < value.size; at++)
			if (value.data[at] == '\t' || value.data[at] == '\n') {
				text_copy(ret_why, WEIR_POSTGRES_WHY_MAX,
				        "a name has a tab or a line end");
				return WEIR_E_SYNTAX;
			}
		parts[2 * i] = value;
		parts[2 * i + 1] = i + 1 < LIST_FIELDS ? WEIR_SPAN("\t") : WEIR_SPAN("\n");
	}
	return buffer_append_spans(text, parts, 2 * LIST_FIELDS, STORED_LIST_BYTES);
}

int stored_list_copy(struct weir_span text, struct weir_buffer *copy, size_t *ret_left_out)
{
	size_t left_out = 0;
	int error = 0;
	while (error == 0 && text.size) {
		struct weir_span line, rest, fields[LIST_FIELDS];
		weir_span_cut(&text, '\n', &line);
		rest = line;
		for (unsigned i = 0; i < LIST_FIELDS; i++)
			weir_span_cut(&rest, '\t', &fields[i]);
		const struct weir_span parts[] = {line, WEIR_SPAN("\n")};
		if (weir_span_equal(fields[0], WEIR_SPAN("key")) &&
		        !weir_database_is_sealed(fields[3]))
			left_out++;
		else
			error = buffer_append_spans(copy, parts, 2, STORED_LIST_BYTES);
	}
	*ret_left_out = left_out;
	return error;
}

/* -- reading ----------------------------------------------------------------------------------- */

static void stored_list_complain(
        struct stored_list *list, const char *what, struct weir_span name, const char *why)
{
	if (!list->problem[0])
		snprintf(list->problem, sizeof list->problem, "%s %.*s: %s", what,
		        (int)min_of(name.size, (size_t)64), name.data, why);
}

static bool stored_list_read_name(struct weir_span text, struct weir_dns_name *ret)
{
	if (weir_dns_name_parse(text, ret) < 0)
		return false;
	weir_dns_name_lower(ret);
	return true;
}

/* It becomes a part of the name of a file. */
static bool stored_list_read_version(struct weir_span text, char ret[WEIR_DATABASE_ID_SIZE])
{
	for (size_t i = 0; i < text.size; i++)
		if (!isxdigit((unsigned char)text.data[i]) && text.data[i] != '-')
			return false;
	return text.size && text_copy_span(ret, WEIR_DATABASE_ID_SIZE, text);
}

static void stored_list_add_zone(struct stored_list *list, const struct weir_span *fields)
{
	struct stored_zone *zone = &list->zones[list->zone_count];
	*zone = (struct stored_zone){.bad = false};
	if (!stored_list_read_name(fields[1], &zone->name))
		stored_list_complain(list, "the zone", fields[1], "the name is not a domain name");
	else if (!stored_list_read_version(fields[2], zone->wanted))
		stored_list_complain(list, "the zone", fields[1], "the version is no id");
	else
		list->zone_count++;
}

/* Returns 0, or -EAGAIN without a reply of the key process. */
static int stored_list_add_key(struct stored_list *list, const struct weir_span *fields)
{
	struct weir_dns_tsig_key *key = &list->keys[list->key_count];
	struct weir_buffer secret = {0};
	memset(key, 0, sizeof *key);
	const char *why = NULL;
	int error = weir_database_tsig_secret(list->database, fields[1], fields[3], &secret);
	if (error < 0)
		why = store_secret_text(error);
	else if (!stored_list_read_name(fields[1], &key->name))
		why = "the name is not a domain name";
	else if (!weir_dns_tsig_algorithm(fields[2], &key->algorithm))
		why = "the algorithm is not hmac-sha256, hmac-sha512 or hmac-sha1";
	else if (secret.size == 0 || secret.size > sizeof key->secret)
		why = "the secret must have 1 to 128 bytes";
	if (why) {
		stored_list_complain(list, "the TSIG key", fields[1], why);
	} else {
		memcpy(key->secret, secret.data, secret.size);
		key->secret_size = (uint8_t)secret.size;
		list->key_count++;
	}
	weir_database_erase(&secret);
	return error == -EAGAIN ? error : 0;
}

static int stored_list_compare_zones(const void *a, const void *b)
{
	return weir_dns_name_compare(
	        &((const struct stored_zone *)a)->name, &((const struct stored_zone *)b)->name);
}

static int stored_list_compare_keys(const void *a, const void *b)
{
	return weir_dns_name_compare(&((const struct weir_dns_tsig_key *)a)->name,
	        &((const struct weir_dns_tsig_key *)b)->name);
}

int stored_zone_compare(const void *name, const void *zone)
{
	return weir_dns_name_compare(name, &((const struct stored_zone *)zone)->name);
}

/* Names that differ in case alone are one name: the first row counts. */
static void stored_list_sort(struct stored_list *list)
{
	size_t zones = 0, keys = 0;
	if (list->zone_count)
		qsort(list->zones, list->zone_count, sizeof *list->zones,
		        stored_list_compare_zones);
	for (size_t i = 0; i < list->zone_count; i++)
		if (i == 0 || stored_list_compare_zones(&list->zones[zones - 1], &list->zones[i]))
			list->zones[zones++] = list->zones[i];
	list->zone_count = zones;
	if (list->key_count)
		qsort(list->keys, list->key_count, sizeof *list->keys, stored_list_compare_keys);
	for (size_t i = 0; i < list->key_count; i++)
		if (i == 0 || stored_list_compare_keys(&list->keys[keys - 1], &list->keys[i]))
			list->keys[keys++] = list->keys[i];
	list->key_count = keys;
}

static int stored_list_allocate(struct stored_list *list, struct weir_span text)
{
	size_t lines = 1;
	for (size_t i = 0; i < text.size; i++)
		lines += text.data[i] == '\n';
	list->zones = calloc(min_of(lines, (size_t)WEIR_DNS_ZONES_MAX), sizeof *list->zones);
	list->keys = calloc(min_of(lines, (size_t)WEIR_DNS_KEYS_MAX), sizeof *list->keys);
	return list->zones && list->keys ? 0 : -ENOMEM;
}

static int stored_list_add(struct stored_list *list, const struct weir_span *fields)
{
	bool is_zone = weir_span_equal(fields[0], WEIR_SPAN("zone"));
	if (is_zone && list->has_zones && list->zone_count == WEIR_DNS_ZONES_MAX)
		stored_list_complain(list, "the zone", fields[1], "there are too many zones");
	else if (is_zone && list->has_zones)
		stored_list_add_zone(list, fields);
	else if (!is_zone && list->has_keys && list->key_count == WEIR_DNS_KEYS_MAX)
		stored_list_complain(list, "the TSIG key", fields[1], "there are too many keys");
	else if (!is_zone && list->has_keys)
		return stored_list_add_key(list, fields);
	return 0;
}

int stored_list_parse(void *context, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct stored_list *list = context;
	struct weir_span line;
	int error = stored_list_allocate(list, text);
	while (error == 0 && text.size) {
		struct weir_span fields[LIST_FIELDS];
		weir_span_cut(&text, '\n', &line);
		for (unsigned i = 0; i < LIST_FIELDS; i++)
			weir_span_cut(&line, '\t', &fields[i]);
		error = stored_list_add(list, fields);
	}
	if (error == 0)
		stored_list_sort(list);
	else
		text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, store_secret_text(error));
	return error;
}
