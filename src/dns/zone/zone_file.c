/*
 * Zone files. Here a file becomes records of one line each: comments go, parentheses and the line
 * ends within them become spaces, directives are followed. The owner, TTL, class and type of such a
 * line are read here, the data by the table of zone_fields.c, so that beside the image being
 * collected only one record takes memory. ldns reads the data of obsolete types alone.
 */
#include <errno.h>
#include <stdbool.h> /* ldns would make bool a signed char */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <ldns/ldns.h>

#include <weir/error.h>

#include "dns_codec.h"
#include "helper.h"
#include "zone_file.h"

static void zone_file_report(
        struct reading *reading, const char *path, unsigned line, const char *text)
{
	reading->error = reading->error ? reading->error : WEIR_E_SYNTAX;
	if (reading->report && reading->mistakes < WEIR_DNS_MISTAKES_MAX)
		reading->report(reading->context, path, line, text);
	reading->mistakes++;
}

void dns_file_complain(struct zone_file *file, const char *text)
{
	zone_file_report(file->reading, file->path, file->began, text);
}

bool dns_file_may_go_on(const struct reading *reading)
{
	return (!reading->error || reading->error == WEIR_E_SYNTAX) &&
	       reading->mistakes < WEIR_DNS_MISTAKES_MAX;
}

/* -- lines ------------------------------------------------------------------------------------- */

/*
 * Takes the comment, the line end and the parentheses out of what lies from `at` on. `*depth`
 * counts the parentheses that are open. Returns false if a quote does not end, or a parenthesis was
 * never opened.
 */
static bool zone_file_clean(char *text, size_t at, size_t *size, int *depth)
{
	size_t to = at;
	bool quoted = false;
	for (; at < *size; at++) {
		char c = text[at];
		if (c == '\\' && at + 1 < *size && text[at + 1] != '\n') {
			text[to++] = c;
			text[to++] = text[++at];
			continue;
		}
		if (c == '\n' || c == '\r' || (c == ';' && !quoted))
			break;
		if (c == '"')
			quoted = !quoted;
		if (!quoted && (c == '(' || c == ')')) {
			*depth += c == '(' ? 1 : -1;
			c = ' ';
			if (*depth < 0)
				return false;
		}
		text[to++] = c;
	}
	*size = to;
	return !quoted;
}

/*
 * Appends the next line of the file to the text. Returns false if there is none, or it is too long.
 */
static bool zone_file_next_line(struct zone_file *file)
{
	char *to = file->text + file->size;
	size_t room = WEIR_DNS_LINE_MAX - file->size;
	if (room < 2 || !fgets(to, (int)room, file->stream)) {
		if (room < 2)
			dns_file_complain(file, "the record is too long");
		return false;
	}
	size_t size = strlen(to);
	file->line++;
	file->size += size;
	if (size && (to[size - 1] == '\n' || feof(file->stream)))
		return true;
	file->began = file->line;
	dns_file_complain(file, "the line is too long, or has a NUL byte");
	return false;
}

/*
 * Reads the next record or directive as one line, ended by NUL. Returns false at the end, or after
 * an error.
 */
static bool zone_file_next_record(struct zone_file *file)
{
	int depth = 0;
	file->size = 0;
	file->began = file->line + 1;
	do {
		size_t at = file->size;
		if (!zone_file_next_line(file)) {
			if (depth && !ferror(file->stream) && feof(file->stream))
				dns_file_complain(file, "a parenthesis is not closed");
			return false;
		}
		if (!zone_file_clean(file->text, at, &file->size, &depth)) {
			dns_file_complain(
			        file, depth < 0 ? "a closing parenthesis without an opening one"
			                        : "a quote does not end in its line");
			file->size = 0;
			depth = 0;
		}
		if (depth && file->size < WEIR_DNS_LINE_MAX)
			file->text[file->size++] = ' ';
	} while (depth);
	file->text[file->size < WEIR_DNS_LINE_MAX ? file->size : WEIR_DNS_LINE_MAX - 1] = 0;
	return true;
}

/* -- records ----------------------------------------------------------------------------------- */

/*
 * The TTL of a record without one: $TTL, that of the previous record, or for a SOA its own minimum.
 */
static bool zone_file_choose_ttl(
        struct reading *reading, uint16_t type, struct weir_span data, uint32_t *ttl)
{
	if (*ttl == NO_TTL)
		*ttl = reading->ttl != NO_TTL ? reading->ttl : reading->last_ttl;
	/* The bytes of a SOA record that was saved may be anything. */
	if (*ttl == NO_TTL && type == WEIR_DNS_SOA && dns_rdata_good(type, data))
		*ttl = dns_get32((const uint8_t *)data.data + data.size - 4);
	if (*ttl == NO_TTL)
		return false;
	reading->last_ttl = *ttl;
	return true;
}

/* Types that exist in messages only. */
static bool zone_file_is_meta(uint16_t type)
{
	return type == 0 || type == WEIR_DNS_OPT || (type >= WEIR_DNS_TKEY && type <= WEIR_DNS_ANY);
}

static void zone_file_add_record(struct zone_file *file, const struct weir_dns_name *owner,
        uint16_t type, uint32_t ttl, struct weir_span data)
{
	struct reading *reading = file->reading;
	int error = dns_builder_add(&reading->builder, owner, type, ttl, data, file->began);
	if (error == WEIR_E_SYNTAX)
		dns_file_complain(file, "the name is not in the zone");
	else if (error == -EBADMSG)
		dns_file_complain(file, "the data is not valid for the type");
	else if (error < 0)
		reading->error = error;
}

/* The fields before the data of a record. */
struct head {
	struct weir_dns_name owner;
	uint32_t ttl; /* NO_TTL: none is given */
	struct fields_type type;
	struct weir_span rest;
};

static void zone_file_complain_of(struct zone_file *file, struct weir_span word, const char *text)
{
	char whole[WEIR_DNS_TEXT_MAX + 100];
	size_t size = min_of(word.size, (size_t)40);
	int at = snprintf(whole, sizeof whole, "'");
	for (size_t i = 0; i < size; i++)
		whole[at++] = (uint8_t)(word.data[i] - ' ') < 0x5f ? word.data[i] : '?';
	snprintf(whole + at, sizeof whole - (size_t)at, "' %s", text);
	dns_file_complain(file, whole);
}

static bool zone_file_is_word(struct weir_span text, const char *word)
{
	return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

/* Whether the word is a class other than IN, by the syntax of RFC 1035 or RFC 3597. */
static bool zone_file_is_other_class(struct weir_span text)
{
	return zone_file_is_word(text, "CH") || zone_file_is_word(text, "HS") ||
	       zone_file_is_word(text, "CS") ||
	       (text.size > 5 && strncasecmp(text.data, "CLASS", 5) == 0 &&
	               !zone_file_is_word(text, "CLASS1"));
}

/* Reads the owner; a line that begins with a blank has the previous owner. */
static bool zone_file_read_owner(struct zone_file *file, struct head *head)
{
	struct reading *reading = file->reading;
	struct fields_word word;
	if (file->text[0] == ' ' || file->text[0] == '\t') {
		head->owner = reading->previous.size ? reading->previous : file->origin;
		return true;
	}
	fields_word_next(&head->rest, &word);
	if (!fields_name(word.text, &file->origin, &head->owner)) {
		zone_file_complain_of(file, word.text, "is not a domain name");
		return false;
	}
	reading->previous = head->owner;
	return true;
}

/*
 * Class and TTL come in either order, and may be missing (RFC 1035 5.1). A word that begins with a
 * digit is the TTL. Returns false after a mistake, which was reported.
 */
static bool zone_file_read_head(struct zone_file *file, struct head *head)
{
	struct fields_word word;
	bool rr_class = false;
	head->ttl = NO_TTL;
	head->rest = weir_span(file->text, strlen(file->text));
	if (head->rest.size == strspn(file->text, " \t") || !zone_file_read_owner(file, head))
		return false;
	while (fields_word_next(&head->rest, &word)) {
		struct weir_span text = word.text;
		if (head->ttl == NO_TTL && text.size && (uint8_t)(text.data[0] - '0') < 10) {
			if (!fields_period(text, &head->ttl)) {
				zone_file_complain_of(
				        file, text, "is not a TTL from 0 to 2147483647 seconds");
				return false;
			}
		} else if (!rr_class &&
		           (zone_file_is_word(text, "IN") || zone_file_is_word(text, "CLASS1"))) {
			rr_class = true;
		} else if (zone_file_is_other_class(text)) {
			dns_file_complain(file, "the class must be IN");
			return false;
		} else if (fields_type_find(text, &head->type)) {
			return true;
		} else {
			zone_file_complain_of(file, text, "is not a known type");
			return false;
		}
	}
	dns_file_complain(file, "the record has no type");
	return false;
}

/*
 * Obsolete types, of which ldns knows more. It reads numbers that are too large as others: none has
 * a field of more than 16 bits.
 */
static bool zone_file_read_by_ldns(
        struct zone_file *file, const struct head *head, size_t *ret_size)
{
	struct weir_span left = head->rest;
	struct fields_word word;
	uint64_t number;
	while (fields_word_next(&left, &word))
		if (weir_span_number(word.text, 10, &number) != WEIR_E_SYNTAX &&
		        (word.text.size > 5 || number > UINT16_MAX)) {
			zone_file_complain_of(file, word.text, "is too large a number");
			return false;
		}
	char *text = NULL;
	ldns_rr *rr = NULL;
	ldns_rdf *origin = ldns_dname_new_frm_data(file->origin.size, file->origin.wire);
	ldns_status status = LDNS_STATUS_MEM_ERR;
	if (origin && asprintf(&text, ". 0 IN %s %.*s", head->type.name, (int)head->rest.size,
	                      head->rest.data) >= 0) {
		status = ldns_rr_new_frm_str(&rr, text, 0, origin, NULL);
		free(text);
	}
	size_t size = 0;
	for (size_t i = 0; status == LDNS_STATUS_OK && i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *part = ldns_rr_rdf(rr, i);
		if (!part || ldns_rdf_size(part) > UINT16_MAX - size)
			status = LDNS_STATUS_SYNTAX_RDATA_ERR;
		else
			memcpy(file->reading->rdata + size, ldns_rdf_data(part),
			        ldns_rdf_size(part));
		size += part ? ldns_rdf_size(part) : 0;
	}
	ldns_rdf_deep_free(origin);
	ldns_rr_free(rr);
	if (status == LDNS_STATUS_MEM_ERR)
		file->reading->error = -ENOMEM;
	else if (status != LDNS_STATUS_OK)
		dns_file_complain(file, ldns_get_errorstr_by_id(status));
	*ret_size = size;
	return status == LDNS_STATUS_OK;
}

/* Reads the data of a record. Returns false after a mistake, which was reported. */
static bool zone_file_read_data(struct zone_file *file, const struct head *head, size_t *ret_size)
{
	struct reading *reading = file->reading;
	char why[FIELDS_WHY_MAX];
	bool generic;
	if (!fields_read_generic(head->rest, reading->rdata, &generic, ret_size)) {
		dns_file_complain(file, "the data does not have the size that is given");
		return false;
	}
	if (generic) {
		struct weir_span data = weir_span(reading->rdata, *ret_size);
		if (reading->saved || fields_check(head->type.number, data))
			return true;
		dns_file_complain(file, "the data is not valid for the type");
		return false;
	}
	if (!head->type.name[0]) {
		dns_file_complain(file, "the data of a type without a name must be given as \\#");
		return false;
	}
	if (!head->type.fields)
		return zone_file_read_by_ldns(file, head, ret_size);
	if (fields_read(&head->type, head->rest, &file->origin, reading->rdata, ret_size, why))
		return true;
	dns_file_complain(file, why);
	return false;
}

void dns_file_record(struct zone_file *file)
{
	struct head head;
	size_t size;
	if (!zone_file_read_head(file, &head))
		return;
	if (zone_file_is_meta(head.type.number)) {
		dns_file_complain(file, "records cannot have this type");
		return;
	}
	if (!zone_file_read_data(file, &head, &size))
		return;
	struct weir_span data = weir_span(file->reading->rdata, size);
	if (zone_file_choose_ttl(file->reading, head.type.number, data, &head.ttl))
		zone_file_add_record(file, &head.owner, head.type.number, head.ttl, data);
	else
		dns_file_complain(file,
		        "the record has no TTL, and neither $TTL nor a previous record has one");
}

/* -- files ------------------------------------------------------------------------------------- */

/* Returns 0, or an errno of opening and reading. Mistakes are reported. */
int dns_file_read(struct zone_file *file)
{
	int error = 0;
	file->text = malloc(WEIR_DNS_LINE_MAX);
	if (!file->text)
		return -ENOMEM;
	if (file->reading->text)
		file->stream = file->reading->text;
	else
		error = file_open_stream(file->path, &file->stream);
	if (error < 0) {
		free(file->text);
		return error;
	}
	while (dns_file_may_go_on(file->reading) && zone_file_next_record(file)) {
		if (file->text[0] == '$')
			dns_file_follow(file);
		else if (file->size)
			dns_file_record(file);
	}
	if (ferror(file->stream))
		error = -EIO;
	if (!file->reading->text)
		fclose(file->stream);
	free(file->text);
	return error;
}

static void zone_file_report_whole(void *context, unsigned line, const char *text)
{
	struct reading *reading = context;
	zone_file_report(reading, reading->path, line, text);
}

static int zone_file_read(struct reading *reading, struct weir_dns_zone **ret)
{
	struct zone_file file = {.reading = reading, .path = reading->path};
	const struct weir_dns_name *apex = &reading->builder.apex;
	file.origin = *apex;
	reading->builder.strict = !reading->saved;
	int error = dns_file_read(&file);
	if (error == 0)
		error = reading->error;
	if (error == 0)
		error = dns_builder_finish(&reading->builder, zone_file_report_whole, reading, ret);
	if (error < 0 && !reading->mistakes)
		zone_file_report(reading, reading->path, 0, weir_error_text(error));
	if (error == 0)
		(*ret)->includes = reading->includes;
	return error;
}

/* `text` is NULL, or what is read instead of the file. */
static int zone_file_load(const char *path, FILE *text, const struct weir_dns_name *apex,
        bool saved, weir_dns_report_fn *report, void *context, struct weir_dns_zone **ret)
{
	struct reading *reading = calloc(1, sizeof *reading);
	if (!reading)
		return -ENOMEM;
	reading->report = report;
	reading->context = context;
	reading->path = path;
	reading->text = text;
	reading->saved = saved;
	reading->ttl = reading->last_ttl = NO_TTL;
	int error = dns_builder_init(&reading->builder, apex);
	if (error == 0)
		error = zone_file_read(reading, ret);
	dns_builder_free(&reading->builder);
	free(reading);
	return error;
}

int weir_dns_zone_load(const char *path, const struct weir_dns_name *apex,
        weir_dns_report_fn *report, void *context, struct weir_dns_zone **ret)
{
	return zone_file_load(path, NULL, apex, false, report, context, ret);
}

int dns_zone_load_saved(const char *path, const struct weir_dns_name *apex,
        weir_dns_report_fn *report, void *context, struct weir_dns_zone **ret)
{
	return zone_file_load(path, NULL, apex, true, report, context, ret);
}

int weir_dns_zone_parse(struct weir_span text, const char *label, const struct weir_dns_name *apex,
        weir_dns_report_fn *report, void *context, struct weir_dns_zone **ret)
{
	/* A stream of no bytes cannot be opened. */
	struct weir_span bytes = text.size ? text : WEIR_SPAN("\n");
	FILE *stream = fmemopen((void *)(uintptr_t)bytes.data, bytes.size, "r");
	if (!stream)
		return -errno;
	int error = zone_file_load(label, stream, apex, false, report, context, ret);
	fclose(stream);
	return error;
}
