/*
 * The scan: a line-by-line parser of MIME (RFC 2045, RFC 2046). It stores a stack of entities, from
 * the message to the part of the present line, the beginning of the line, and the field that is
 * being read.
 *
 *   entity   HEADER ─▶ BODY                                   a part that has no parts
 *                  ├─▶ (one entity above it)                  message/rfc822
 *                  └─▶ PREAMBLE ─▶ (entities) ─▶ EPILOGUE     multipart
 *
 * seven_bit_plan.c has what a part that ends adds to the plan.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "seven_bit.h"
#include "helper.h"

/* -- the header -------------------------------------------------------------------------------- */

static void scan_field_end(struct seven_bit_scan *scan)
{
	struct mime_entity *entity = seven_bit_top(scan);
	struct weir_span value = weir_span(scan->value, scan->field_size);
	if (scan->field == FIELD_TYPE) {
		mime_type_parse(value, &entity->type);
		if (entity->has_type || scan->field_cut || entity->type.malformed)
			entity->fault = SEVEN_BIT_FAULT_STRUCTURE;
		entity->has_type = true;
	} else if (scan->field == FIELD_ENCODING) {
		entity->encoding = mime_encoding_parse(value);
		if (entity->has_encoding || scan->field_cut)
			entity->fault = SEVEN_BIT_FAULT_STRUCTURE;
		entity->has_encoding = true;
		entity->encoding_start = scan->field_start;
		entity->encoding_end = scan->line_start;
	}
	scan->field = FIELD_NONE;
}

/* The header has ended: the type determines the phase that follows. */
static void scan_header_end(struct seven_bit_scan *scan)
{
	struct mime_entity *entity = seven_bit_top(scan);
	scan_field_end(scan);
	enum mime_structure structure = entity->type.structure;
	bool composite = structure == MIME_MULTIPART || structure == MIME_SIGNED ||
	                 structure == MIME_DIGEST || structure == MIME_MESSAGE;
	entity->header_end = scan->line_start;
	entity->start = scan->offset;
	entity->phase = PHASE_BODY;
	if (structure == MIME_UNENCODABLE)
		entity->fault = entity->fault ? entity->fault : SEVEN_BIT_FAULT_UNENCODABLE;
	if (!composite)
		return;
	/* RFC 2046 5.1, 5.2.1: a composite entity is not encoded itself. */
	if (!entity->fault && entity->encoding > MIME_8BIT)
		entity->fault = SEVEN_BIT_FAULT_STRUCTURE;
	if (!entity->fault && scan->depth == WEIR_SMTP_MIME_DEPTH_MAX)
		entity->fault = SEVEN_BIT_FAULT_BOUND;
	if (entity->fault)
		return;
	if (entity->encoding == MIME_8BIT && !entity->intact)
		seven_bit_label(scan, entity, MIME_7BIT);
	entity->intact |= structure == MIME_SIGNED;
	entity->phase = structure == MIME_MESSAGE ? PHASE_PARTS : PHASE_PREAMBLE;
	if (structure == MIME_MESSAGE)
		seven_bit_push(scan, true, entity->intact, false);
}

static void scan_value(struct seven_bit_scan *scan, struct weir_span bytes)
{
	size_t room = sizeof scan->value - scan->field_size;
	scan->field_cut |= bytes.size > room || scan->line_size > sizeof scan->line;
	if (bytes.size > room)
		bytes.size = room;
	memcpy(scan->value + scan->field_size, bytes.data, bytes.size);
	scan->field_size += bytes.size;
}

/* The size of a field's name at the front of the line; 0: it is none. */
static size_t scan_name_size(struct weir_span line)
{
	size_t size = 0;
	while (size < line.size && line.data[size] > ' ' && line.data[size] < 0x7f &&
	        line.data[size] != ':')
		size++;
	return size < line.size && line.data[size] == ':' ? size : 0;
}

static void scan_field_begin(struct seven_bit_scan *scan, struct weir_span line)
{
	struct mime_entity *entity = seven_bit_top(scan);
	size_t size = scan_name_size(line);
	struct weir_span name = weir_span(line.data, size);
	scan->field = FIELD_OTHER;
	scan->field_start = scan->line_start;
	scan->field_size = 0;
	scan->field_cut = false;
	if (weir_span_equal_nocase(name, WEIR_SPAN("Content-Type")))
		scan->field = FIELD_TYPE;
	else if (weir_span_equal_nocase(name, WEIR_SPAN("Content-Transfer-Encoding")))
		scan->field = FIELD_ENCODING;
	else if (weir_span_equal_nocase(name, WEIR_SPAN("MIME-Version")))
		entity->has_version = true;
	/* `From ` in front of a message comes from an mbox file, and is no field. */
	bool first = entity->root && scan->depth == 1 && scan->line_start == 0;
	if (!size && !(first && weir_span_starts(line, WEIR_SPAN("From ")))) {
		entity->fault = SEVEN_BIT_FAULT_STRUCTURE;
		/* Some programs take this line for the body's first. */
		if (scan->line_high)
			seven_bit_fail(scan, SEVEN_BIT_FAULT_STRUCTURE);
	}
	if (scan->field != FIELD_OTHER)
		scan_value(scan, weir_span_skip(line, size + 1));
}

static void scan_header_line(struct seven_bit_scan *scan, struct weir_span line)
{
	bool folded = line.size && (line.data[0] == ' ' || line.data[0] == '\t');
	if (!line.size) {
		scan_header_end(scan);
	} else if (folded && scan->field != FIELD_NONE) {
		if (scan->field != FIELD_OTHER)
			scan_value(scan, line);
	} else {
		scan_field_end(scan);
		scan_field_begin(scan, line);
	}
}

/* -- lines ------------------------------------------------------------------------------------- */

/* Whether the line is the boundary of `entity`; *ret_last: the one behind the last part. */
static bool scan_is_boundary(
        const struct mime_entity *entity, struct weir_span line, bool *ret_last)
{
	const struct mime_type *type = &entity->type;
	if (entity->phase != PHASE_PREAMBLE && entity->phase != PHASE_PARTS)
		return false;
	if (!type->boundary_size || line.size < 2 + type->boundary_size ||
	        memcmp(line.data + 2, type->boundary, type->boundary_size) != 0)
		return false;
	line = weir_span_skip(line, 2 + type->boundary_size);
	*ret_last = weir_span_starts(line, WEIR_SPAN("--"));
	if (*ret_last)
		line = weir_span_skip(line, 2);
	return !weir_span_trim(line).size;
}

/* Ends the parts that a boundary ends, and begins the next. False: the line is no boundary. */
static bool scan_boundary(struct seven_bit_scan *scan, struct weir_span line)
{
	bool last = false;
	unsigned at = scan->depth;
	if (!weir_span_starts(line, WEIR_SPAN("--")) || scan->line_size > sizeof scan->line)
		return false;
	while (at > 0 && !scan_is_boundary(&scan->entities[at - 1], line, &last))
		at--;
	if (!at)
		return false;
	while (scan->depth > at) {
		if (seven_bit_top(scan)->phase == PHASE_HEADER)
			scan_field_end(scan);
		seven_bit_pop(scan, scan->line_start - scan->ending);
	}
	struct mime_entity *entity = &scan->entities[at - 1];
	if (entity->phase == PHASE_PREAMBLE)
		seven_bit_end_outside(scan, entity, scan->line_start);
	entity->phase = last ? PHASE_EPILOGUE : PHASE_PARTS;
	entity->start = scan->offset;
	if (!last)
		seven_bit_push(scan, false, entity->intact, entity->type.structure == MIME_DIGEST);
	return true;
}

/* A line is complete, with its end or with the message's; `offset` is behind it. */
static void scan_line(struct seven_bit_scan *scan, unsigned ending)
{
	size_t size = scan->line_size - ending;
	struct weir_span line = weir_span(scan->line, min_of(size, (size_t)SEVEN_BIT_LINE_MAX));
	if (!scan_boundary(scan, line)) {
		struct mime_entity *entity = seven_bit_top(scan);
		if (entity->phase != PHASE_HEADER)
			entity->high += scan->line_high;
		else
			scan_header_line(scan, line);
	}
	scan->line_start = scan->offset;
	scan->line_size = 0;
	scan->line_high = 0;
	scan->ending = ending;
}

static uint64_t scan_count_high(struct weir_span bytes)
{
	uint64_t count = 0;
	for (size_t i = 0; i < bytes.size; i++)
		count += (unsigned char)bytes.data[i] >> 7;
	return count;
}

void seven_bit_scan_consume(struct seven_bit_scan *scan, struct weir_span bytes)
{
	while (bytes.size) {
		const char *found = memchr(bytes.data, '\n', bytes.size);
		size_t size = found ? (size_t)(found - bytes.data) + 1 : bytes.size;
		struct weir_span part = weir_span(bytes.data, size);
		if (scan->line_size < sizeof scan->line) {
			size_t room = sizeof scan->line - scan->line_size;
			memcpy(scan->line + scan->line_size, part.data, min_of(size, room));
		}
		char before = size > 1 ? part.data[size - 2] : scan->last;
		scan->line_size += size;
		scan->line_high += scan_count_high(part);
		scan->offset += size;
		scan->last = part.data[size - 1];
		if (found)
			scan_line(scan, before == '\r' && scan->line_size > 1 ? 2 : 1);
		bytes = weir_span_skip(bytes, size);
	}
}

/* -- life -------------------------------------------------------------------------------------- */

struct seven_bit_scan *seven_bit_scan_create(void)
{
	struct seven_bit_scan *scan = calloc(1, sizeof *scan);
	if (scan)
		seven_bit_push(scan, true, false, false);
	return scan;
}

/*
 * Where a part ends that no boundary ends: before the line end that would belong to the boundary.
 */
static uint64_t scan_end(const struct seven_bit_scan *scan)
{
	for (unsigned i = 0; i + 1 < scan->depth; i++)
		if (scan->entities[i].type.structure != MIME_MESSAGE)
			return scan->offset - scan->ending;
	return scan->offset;
}

int seven_bit_scan_finish(
        struct seven_bit_scan *scan, struct seven_bit_plan *ret, const char **ret_fault)
{
	if (scan->line_size)
		scan_line(scan, 0);
	while (scan->depth) {
		if (seven_bit_top(scan)->phase == PHASE_HEADER)
			scan_field_end(scan);
		seven_bit_pop(scan, scan_end(scan));
	}
	if (scan->error < 0)
		return scan->error;
	if (!scan->needed)
		seven_bit_plan_free(&scan->plan);
	else if (scan->fault) {
		*ret_fault = scan->fault;
		return WEIR_E_SYNTAX;
	}
	*ret = scan->plan;
	scan->plan = (struct seven_bit_plan){0};
	return 0;
}

void seven_bit_scan_destroy(struct seven_bit_scan *scan)
{
	if (scan)
		seven_bit_plan_free(&scan->plan);
	free(scan);
}
