/*
 * The scan: a line-by-line parser of MIME (RFC 2045, RFC 2046). It stores a stack of entities, from
 * the message to the part of the present line, the beginning of the line, and the field that is
 * being read.
 *
 *   entity   HEADER ─▶ BODY                                   a part that has no parts
 *                  ├─▶ (one entity above it)                  message/rfc822
 *                  └─▶ PREAMBLE ─▶ (entities) ─▶ EPILOGUE     multipart
 *
 * The edits of a part are appended when it has ended, so that all edits are in order. A message
 * that has to be encoded, but has a structure about which mail programs disagree, is refused, since
 * encoding might damage it.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "mime_field.h"
#include "seven_bit.h"

enum {
	LINE_KEPT = 1024,  /* bytes of a line that are scanned; MIME needs no longer ones */
	FIELD_KEPT = 4096, /* bytes of a field's value, unfolded */
	DENSE = 6,         /* base64 is shorter if more than one byte in this many has 8 bits */
	EDITS_FIRST = 16,  /* capacity of the first allocation */
};

#define FAULT_SIGNED                                                                               \
	"554 5.6.3 The message has bytes of 8 bits, the next server takes 7, and to encode them "  \
	"would break the signature"
#define FAULT_STRUCTURE                                                                            \
	"554 5.6.3 The message has bytes of 8 bits, the next server takes 7, and its MIME "        \
	"structure is malformed"
#define FAULT_UNENCODABLE                                                                          \
	"554 5.6.3 The message has bytes of 8 bits, the next server takes 7, and they stand in a " \
	"part that may not be encoded"
#define FAULT_BOUND                                                                                \
	"554 5.6.3 The message has bytes of 8 bits, the next server takes 7, and it has too many " \
	"parts"

enum phase {
	PHASE_HEADER,
	PHASE_BODY,     /* of a part without parts */
	PHASE_PREAMBLE, /* before the first boundary */
	PHASE_PARTS,    /* an entity is above this one on the stack */
	PHASE_EPILOGUE, /* behind the last boundary */
};

struct entity {
	enum phase phase;
	enum mime_encoding encoding;
	struct mime_type type;
	const char *fault; /* why it cannot be encoded, static; NULL: it can be */
	bool root;         /* a message, not a part of a multipart */
	bool intact;       /* within multipart/signed */
	bool in_digest;    /* without a type it is a message */
	bool has_type, has_encoding, has_version; /* these fields have been seen */
	uint64_t encoding_start, encoding_end;    /* that field, with its line end */
	uint64_t header_end;                      /* where a field can be inserted */
	uint64_t start;                           /* of the body, preamble or epilogue */
	uint64_t high;                            /* bytes of 8 bits in it */
};

/* Fields that are read. */
enum field {
	FIELD_NONE,
	FIELD_OTHER,
	FIELD_TYPE,
	FIELD_ENCODING,
};

struct seven_bit_scan {
	int error;         /* -ENOMEM */
	const char *fault; /* the first */
	bool needed;       /* something has to be encoded */
	struct seven_bit_plan plan;
	size_t capacity; /* of the plan's edits */

	uint64_t offset;     /* of the byte that comes next */
	uint64_t line_start; /* of the line it belongs to */
	uint64_t line_high;  /* bytes of 8 bits in that line */
	size_t line_size;    /* bytes of it, of which `line` has the first */
	unsigned ending;     /* bytes that the line before it ended in: 0, 1 or 2 */
	char last;           /* the byte before the one that comes next */
	char line[LINE_KEPT];

	enum field field;
	uint64_t field_start;
	size_t field_size;
	bool field_cut; /* the value is longer than what is kept */
	char value[FIELD_KEPT];

	unsigned depth; /* entities; at least 1 */
	struct entity entities[WEIR_SMTP_MIME_DEPTH_MAX];
};

static struct entity *scan_top(struct seven_bit_scan *scan)
{
	return &scan->entities[scan->depth - 1];
}

static void scan_fail(struct seven_bit_scan *scan, const char *fault)
{
	scan->needed = true;
	if (!scan->fault)
		scan->fault = fault;
}

/* -- edits ------------------------------------------------------------------------------------- */

static void scan_edit(struct seven_bit_scan *scan, uint64_t start, uint64_t end,
        enum seven_bit_action action, const char *text)
{
	struct seven_bit_plan *plan = &scan->plan;
	if (plan->count == WEIR_SMTP_MIME_EDITS_MAX)
		scan->fault = scan->fault ? scan->fault : FAULT_BOUND;
	if (scan->error < 0 || scan->fault)
		return;
	if (plan->count == scan->capacity) {
		size_t capacity = scan->capacity ? 2 * scan->capacity : EDITS_FIRST;
		struct seven_bit_edit *edits = realloc(plan->edits, capacity * sizeof *plan->edits);
		if (!edits) {
			scan->error = -ENOMEM;
			return;
		}
		plan->edits = edits;
		scan->capacity = capacity;
	}
	plan->edits[plan->count++] = (struct seven_bit_edit){start, end, text, action};
}

/* Sets the encoding of an entity in its header. */
static void scan_label(
        struct seven_bit_scan *scan, const struct entity *entity, enum mime_encoding encoding)
{
#define LABEL "Content-Transfer-Encoding: "
#define VERSION "MIME-Version: 1.0\r\n"
	static const char *const labels[][2] = {
	        [MIME_7BIT] = {LABEL "7bit\r\n", VERSION LABEL "7bit\r\n"},
	        [MIME_QUOTED_PRINTABLE] = {LABEL "quoted-printable\r\n",
	                VERSION LABEL "quoted-printable\r\n"},
	        [MIME_BASE64] = {LABEL "base64\r\n", VERSION LABEL "base64\r\n"},
	};
	const char *text = labels[encoding][entity->root && !entity->has_version];
	if (entity->has_encoding)
		scan_edit(scan, entity->encoding_start, entity->encoding_end, SEVEN_BIT_REPLACE,
		        text);
	else
		scan_edit(scan, entity->header_end, entity->header_end, SEVEN_BIT_REPLACE, text);
}

/* -- entities ---------------------------------------------------------------------------------- */

static void scan_push(struct seven_bit_scan *scan, bool root, bool intact, bool in_digest)
{
	scan->entities[scan->depth++] = (struct entity){.phase = PHASE_HEADER,
	        .encoding = MIME_7BIT,
	        .type.structure = in_digest ? MIME_MESSAGE : MIME_TEXT,
	        .root = root,
	        .intact = intact,
	        .in_digest = in_digest};
	scan->field = FIELD_NONE;
}

/* A part has ended, whose bytes of 8 bits have to be encoded. */
static void scan_encode_body(struct seven_bit_scan *scan, struct entity *entity, uint64_t end)
{
	uint64_t size = end - entity->start;
	scan->needed = true;
	if (entity->intact || entity->fault) {
		scan_fail(scan, entity->intact ? FAULT_SIGNED : entity->fault);
		return;
	}
	switch (entity->encoding) {
	case MIME_7BIT:
	case MIME_8BIT:
		/* A line break of quoted-printable is a line break, and data has none. */
		if (entity->type.structure == MIME_TEXT && entity->high <= size / DENSE) {
			scan_label(scan, entity, MIME_QUOTED_PRINTABLE);
			scan_edit(scan, entity->start, end, SEVEN_BIT_QUOTE, NULL);
		} else {
			scan_label(scan, entity, MIME_BASE64);
			scan_edit(scan, entity->start, end, SEVEN_BIT_BASE64, NULL);
		}
		return;
	case MIME_QUOTED_PRINTABLE:
		scan_edit(scan, entity->start, end, SEVEN_BIT_REPAIR, NULL);
		return;
	case MIME_BASE64:
		/* A decoder ignores bytes that are not of the alphabet, before and after. */
		scan_edit(scan, entity->start, end, SEVEN_BIT_MASK, NULL);
		return;
	case MIME_UNKNOWN_ENCODING:
		scan_fail(scan, FAULT_UNENCODABLE);
		return;
	}
}

/* The preamble or the epilogue of a multipart has ended. */
static void scan_end_outside(struct seven_bit_scan *scan, struct entity *entity, uint64_t end)
{
	if (!entity->high)
		return;
	scan->needed = true;
	if (entity->intact)
		scan_fail(scan, FAULT_SIGNED);
	else
		scan_edit(scan, entity->start, end, SEVEN_BIT_MASK, NULL);
	entity->high = 0;
}

/* Ends the entity on top of the stack, whose last byte is before `end`. */
static void scan_pop(struct seven_bit_scan *scan, uint64_t end)
{
	struct entity *entity = scan_top(scan);
	if (end < entity->start)
		end = entity->start; /* the line before is the empty one that ends the header */
	switch (entity->phase) {
	case PHASE_BODY:
		if (entity->high)
			scan_encode_body(scan, entity, end);
		else if (entity->encoding == MIME_8BIT && !entity->intact && !entity->fault)
			scan_label(scan, entity, MIME_7BIT);
		break;
	case PHASE_PREAMBLE:
		/* Some programs show what others drop. */
		if (entity->high)
			scan_fail(scan, FAULT_STRUCTURE);
		break;
	case PHASE_EPILOGUE:
		scan_end_outside(scan, entity, end);
		break;
	case PHASE_HEADER:
	case PHASE_PARTS:
		break;
	}
	scan->depth--;
}

/* -- the header -------------------------------------------------------------------------------- */

static void scan_field_end(struct seven_bit_scan *scan)
{
	struct entity *entity = scan_top(scan);
	struct weir_span value = weir_span(scan->value, scan->field_size);
	if (scan->field == FIELD_TYPE) {
		mime_type_parse(value, &entity->type);
		if (entity->has_type || scan->field_cut || entity->type.malformed)
			entity->fault = FAULT_STRUCTURE;
		entity->has_type = true;
	} else if (scan->field == FIELD_ENCODING) {
		entity->encoding = mime_encoding_parse(value);
		if (entity->has_encoding || scan->field_cut)
			entity->fault = FAULT_STRUCTURE;
		entity->has_encoding = true;
		entity->encoding_start = scan->field_start;
		entity->encoding_end = scan->line_start;
	}
	scan->field = FIELD_NONE;
}

/* The header has ended: the type determines the phase that follows. */
static void scan_header_end(struct seven_bit_scan *scan)
{
	struct entity *entity = scan_top(scan);
	scan_field_end(scan);
	enum mime_structure structure = entity->type.structure;
	bool composite = structure == MIME_MULTIPART || structure == MIME_SIGNED ||
	                 structure == MIME_DIGEST || structure == MIME_MESSAGE;
	entity->header_end = scan->line_start;
	entity->start = scan->offset;
	entity->phase = PHASE_BODY;
	if (structure == MIME_UNENCODABLE)
		entity->fault = entity->fault ? entity->fault : FAULT_UNENCODABLE;
	if (!composite)
		return;
	/* RFC 2046 5.1, 5.2.1: a composite entity is not encoded itself. */
	if (!entity->fault && entity->encoding > MIME_8BIT)
		entity->fault = FAULT_STRUCTURE;
	if (!entity->fault && scan->depth == WEIR_SMTP_MIME_DEPTH_MAX)
		entity->fault = FAULT_BOUND;
	if (entity->fault)
		return;
	if (entity->encoding == MIME_8BIT && !entity->intact)
		scan_label(scan, entity, MIME_7BIT);
	entity->intact |= structure == MIME_SIGNED;
	entity->phase = structure == MIME_MESSAGE ? PHASE_PARTS : PHASE_PREAMBLE;
	if (structure == MIME_MESSAGE)
		scan_push(scan, true, entity->intact, false);
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
	struct entity *entity = scan_top(scan);
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
		entity->fault = FAULT_STRUCTURE;
		/* Some programs take this line for the body's first. */
		if (scan->line_high)
			scan_fail(scan, FAULT_STRUCTURE);
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
static bool scan_is_boundary(const struct entity *entity, struct weir_span line, bool *ret_last)
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
		if (scan_top(scan)->phase == PHASE_HEADER)
			scan_field_end(scan);
		scan_pop(scan, scan->line_start - scan->ending);
	}
	struct entity *entity = &scan->entities[at - 1];
	if (entity->phase == PHASE_PREAMBLE)
		scan_end_outside(scan, entity, scan->line_start);
	entity->phase = last ? PHASE_EPILOGUE : PHASE_PARTS;
	entity->start = scan->offset;
	if (!last)
		scan_push(scan, false, entity->intact, entity->type.structure == MIME_DIGEST);
	return true;
}

/* A line is complete, with its end or with the message's; `offset` is behind it. */
static void scan_line(struct seven_bit_scan *scan, unsigned ending)
{
	size_t size = scan->line_size - ending;
	struct weir_span line = weir_span(scan->line, size < LINE_KEPT ? size : LINE_KEPT);
	if (!scan_boundary(scan, line)) {
		struct entity *entity = scan_top(scan);
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

void seven_bit_scan_take(struct seven_bit_scan *scan, struct weir_span bytes)
{
	while (bytes.size) {
		const char *found = memchr(bytes.data, '\n', bytes.size);
		size_t size = found ? (size_t)(found - bytes.data) + 1 : bytes.size;
		struct weir_span part = weir_span(bytes.data, size);
		if (scan->line_size < sizeof scan->line) {
			size_t room = sizeof scan->line - scan->line_size;
			memcpy(scan->line + scan->line_size, part.data, size < room ? size : room);
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
		scan_push(scan, true, false, false);
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
		if (scan_top(scan)->phase == PHASE_HEADER)
			scan_field_end(scan);
		scan_pop(scan, scan_end(scan));
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

void seven_bit_plan_free(struct seven_bit_plan *plan)
{
	free(plan->edits);
	*plan = (struct seven_bit_plan){0};
}
