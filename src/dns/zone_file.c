/*
 * Zone files. Here a file becomes records of one line each: comments go, parentheses and the line
 * ends within them become spaces, directives are followed. What such a line means is read by ldns,
 * one at a time, so that beside the image being collected only one record takes memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "rdata.h"
#include "zone_file.h"
#include "zone_generic.h"

enum {
	SPARE = 1024 * 1024 /* bytes of free memory that are kept rather than given back */
};

static void tell(struct reading *reading, const char *path, unsigned line, const char *text)
{
	reading->error = reading->error ? reading->error : WEIR_E_SYNTAX;
	if (reading->report && reading->mistakes < WEIR_DNS_MISTAKES_MAX)
		reading->report(reading->context, path, line, text);
	reading->mistakes++;
}

void weir_dns_file_complain(struct zone_file *file, const char *text)
{
	tell(file->reading, file->path, file->began, text);
}

bool weir_dns_file_may_go_on(const struct reading *reading)
{
	return (!reading->error || reading->error == WEIR_E_SYNTAX) &&
	       reading->mistakes < WEIR_DNS_MISTAKES_MAX;
}

/* -- lines ------------------------------------------------------------------------------------- */

/*
 * Takes the comment, the line end and the parentheses out of what lies from `at` on. `*depth` counts
 * the parentheses that are open. False: a quote does not end, or a parenthesis was never opened.
 */
static bool clean(char *text, size_t at, size_t *size, int *depth)
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

/* The next line of the file, behind what is in the text. False: there is none, or it is too long. */
static bool next_line(struct zone_file *file)
{
	char *to = file->text + file->size;
	size_t room = WEIR_DNS_LINE_MAX - file->size;
	if (room < 2 || !fgets(to, (int)room, file->stream)) {
		if (room < 2)
			weir_dns_file_complain(file, "a record that is too long");
		return false;
	}
	size_t size = strlen(to);
	file->line++;
	file->size += size;
	if (size && (to[size - 1] == '\n' || feof(file->stream)))
		return true;
	file->began = file->line;
	weir_dns_file_complain(file, "a line that is too long, or has a NUL byte in it");
	return false;
}

/* The next record or directive, on one line ended by NUL. False: the end, or no way to go on. */
static bool next_record(struct zone_file *file)
{
	int depth = 0;
	file->size = 0;
	file->began = file->line + 1;
	do {
		size_t at = file->size;
		if (!next_line(file)) {
			if (depth && !ferror(file->stream) && feof(file->stream))
				weir_dns_file_complain(file, "a parenthesis that is not closed");
			return false;
		}
		if (!clean(file->text, at, &file->size, &depth)) {
			weir_dns_file_complain(
			        file, depth < 0 ? "a closing parenthesis without an opening one"
			                        : "a quote that does not end in its line");
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

static struct weir_span rdata_of(struct reading *reading, const ldns_rr *rr)
{
	size_t size = 0;
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *part = ldns_rr_rdf(rr, i);
		if (!part || ldns_rdf_size(part) > sizeof reading->rdata - size)
			return weir_span(NULL, 0);
		memcpy(reading->rdata + size, ldns_rdf_data(part), ldns_rdf_size(part));
		size += ldns_rdf_size(part);
	}
	return weir_span(reading->rdata, size);
}

/* Without a TTL of its own: $TTL, or that of the record before, or for a SOA what it says itself. */
static bool settle_ttl(struct reading *reading, uint16_t type, struct weir_span data, uint32_t *ttl)
{
	if (*ttl == NO_TTL)
		*ttl = reading->ttl != NO_TTL ? reading->ttl : reading->last_ttl;
	/* ldns takes a SOA record without all its fields if it is written as a type it does not know. */
	if (*ttl == NO_TTL && type == WEIR_DNS_SOA && weir_dns_rdata_good(type, data))
		*ttl = weir_dns_get32((const uint8_t *)data.data + data.size - 4);
	if (*ttl == NO_TTL)
		return false;
	reading->last_ttl = *ttl;
	return true;
}

/* Types that exist on the wire alone. */
static bool is_meta(uint16_t type)
{
	return type == 0 || type == WEIR_DNS_OPT || (type >= WEIR_DNS_TKEY && type <= WEIR_DNS_ANY);
}

static void add_record(struct zone_file *file, const ldns_rr *rr, const struct dns_generic *generic)
{
	struct reading *reading = file->reading;
	struct weir_dns_name owner;
	const ldns_rdf *name = ldns_rr_owner(rr);
	uint32_t ttl = ldns_rr_ttl(rr);
	uint16_t type = generic->is ? generic->type : (uint16_t)ldns_rr_get_type(rr);
	struct weir_span data =
	        generic->is ? weir_span(reading->rdata, generic->size) : rdata_of(reading, rr);
	if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN)
		weir_dns_file_complain(file, "a class that is not IN");
	else if (is_meta(type))
		weir_dns_file_complain(file, "a type that no record can have");
	else if (!data.data ||
	         weir_dns_name_set(weir_span(ldns_rdf_data(name), ldns_rdf_size(name)), &owner) < 0)
		weir_dns_file_complain(file, "the record is too long");
	else if (!settle_ttl(reading, type, data, &ttl))
		weir_dns_file_complain(
		        file, "no TTL, and neither $TTL nor a record before that has one");
	else {
		int error = weir_dns_builder_add(
		        &reading->builder, &owner, type, ttl, data, file->began);
		if (error == WEIR_E_SYNTAX)
			weir_dns_file_complain(file, "the name is not in the zone");
		else if (error == -EBADMSG)
			weir_dns_file_complain(file, "the data is not what the type wants");
		else if (error < 0)
			reading->error = error;
	}
}

/*
 * RFC 1035 5.1 allows the class before the TTL, too; ldns does not know that. They change places: as
 * words of one line, the shorter one is carried over the other.
 */
static void order_class_and_ttl(char *text)
{
	static const char blanks[] = " \t";
	char class[sizeof "IN"] = {0};
	size_t owner = strcspn(text, blanks);
	char *first = text + owner + strspn(text + owner, blanks);
	size_t size = strcspn(first, blanks);
	char *second = first + size + strspn(first + size, blanks);
	size_t second_size = strcspn(second, blanks);
	if (size != 2 || strncasecmp(first, "IN", 2) != 0 || *second < '0' || *second > '9')
		return;
	memcpy(class, first, size);
	memmove(first, second, second_size);
	memset(first + second_size, ' ', (size_t)(second - first) - size);
	memcpy(second + second_size - size, class, size);
}

void weir_dns_file_record(struct zone_file *file)
{
	struct reading *reading = file->reading;
	ldns_rr *rr = NULL;
	struct dns_generic generic;
	if (!weir_dns_generic_take(file->text, WEIR_DNS_LINE_MAX, reading->rdata, &generic)) {
		weir_dns_file_complain(file, "data that is not as many bytes as it says");
		return;
	}
	order_class_and_ttl(file->text);
	ldns_status status =
	        ldns_rr_new_frm_str(&rr, file->text, NO_TTL, file->origin, &reading->previous);
	if (status == LDNS_STATUS_OK)
		add_record(file, rr, &generic);
	else if (status == LDNS_STATUS_MEM_ERR)
		reading->error = -ENOMEM;
	else if (status != LDNS_STATUS_SYNTAX_EMPTY)
		weir_dns_file_complain(file, ldns_get_errorstr_by_id(status));
	ldns_rr_free(rr);
}

/* -- files ------------------------------------------------------------------------------------- */

/* 0, or an errno of opening and reading; mistakes are told. */
int weir_dns_file_read(struct zone_file *file)
{
	int error = 0;
	file->text = malloc(WEIR_DNS_LINE_MAX);
	if (!file->text)
		return -ENOMEM;
	file->stream = fopen(file->path, "re");
	if (!file->stream) {
		error = -errno;
		free(file->text);
		return error;
	}
	while (weir_dns_file_may_go_on(file->reading) && next_record(file)) {
		if (file->text[0] == '$')
			weir_dns_file_follow(file);
		else if (file->size)
			weir_dns_file_record(file);
	}
	if (ferror(file->stream))
		error = -EIO;
	fclose(file->stream);
	free(file->text);
	return error;
}

static void report_whole(void *context, unsigned line, const char *text)
{
	struct reading *reading = context;
	tell(reading, reading->path, line, text);
}

/*
 * For each record ldns takes and frees hundreds of KB. glibc would give them back to the kernel and
 * ask for them again, a quarter of the time; it stops when it has seen larger blocks come and go.
 */
static void calm_malloc(void)
{
	void *volatile block = malloc(SPARE);
	free(block);
}

static int read_zone(struct reading *reading, struct weir_dns_zone **ret)
{
	struct zone_file file = {.reading = reading, .path = reading->path};
	const struct weir_dns_name *apex = &reading->builder.apex;
	calm_malloc();
	file.origin = ldns_dname_new_frm_data(apex->size, apex->wire);
	int error = file.origin ? weir_dns_file_read(&file) : -ENOMEM;
	ldns_rdf_deep_free(file.origin);
	ldns_rdf_deep_free(reading->previous);
	if (error == 0)
		error = reading->error;
	if (error == 0)
		error = weir_dns_builder_finish(&reading->builder, report_whole, reading, ret);
	if (error < 0 && !reading->mistakes)
		tell(reading, reading->path, 0, weir_error_text(error));
	if (error == 0)
		(*ret)->includes = reading->includes;
	return error;
}

int weir_dns_zone_load(const char *path, const struct weir_dns_name *apex, weir_dns_report *report,
        void *context, struct weir_dns_zone **ret)
{
	struct reading *reading = calloc(1, sizeof *reading);
	if (!reading)
		return -ENOMEM;
	reading->report = report;
	reading->context = context;
	reading->path = path;
	reading->ttl = reading->last_ttl = NO_TTL;
	int error = weir_dns_builder_init(&reading->builder, apex);
	if (error == 0)
		error = read_zone(reading, ret);
	weir_dns_builder_free(&reading->builder);
	free(reading);
	return error;
}
