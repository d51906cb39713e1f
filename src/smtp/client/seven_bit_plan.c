/*
 * The plan of a message's encoding: which parts are encoded and how, decided when each has ended,
 * so that all edits are in order.
 *
 * A message that has to be encoded, but has a structure about which mail programs disagree, is
 * refused, since encoding might damage it.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/limits.h>

#include "seven_bit.h"

enum {
	DENSE = 6,        /* base64 is shorter if more than one byte in this many has 8 bits */
	EDITS_FIRST = 16, /* capacity of the first allocation */
};

struct mime_entity *seven_bit_top(struct seven_bit_scan *scan)
{
	return &scan->entities[scan->depth - 1];
}

void seven_bit_fail(struct seven_bit_scan *scan, const char *fault)
{
	scan->needed = true;
	if (!scan->fault)
		scan->fault = fault;
}

/* -- edits ------------------------------------------------------------------------------------- */

static void seven_bit_edit(struct seven_bit_scan *scan, uint64_t start, uint64_t end,
        enum seven_bit_action action, const char *text)
{
	struct seven_bit_plan *plan = &scan->plan;
	if (plan->count == WEIR_SMTP_MIME_EDITS_MAX)
		scan->fault = scan->fault ? scan->fault : SEVEN_BIT_FAULT_BOUND;
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

void seven_bit_label(
        struct seven_bit_scan *scan, const struct mime_entity *entity, enum mime_encoding encoding)
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
		seven_bit_edit(scan, entity->encoding_start, entity->encoding_end,
		        SEVEN_BIT_REPLACE, text);
	else
		seven_bit_edit(
		        scan, entity->header_end, entity->header_end, SEVEN_BIT_REPLACE, text);
}

/* -- entities ---------------------------------------------------------------------------------- */

void seven_bit_push(struct seven_bit_scan *scan, bool root, bool intact, bool in_digest)
{
	scan->entities[scan->depth++] = (struct mime_entity){.phase = PHASE_HEADER,
	        .encoding = MIME_7BIT,
	        .type.structure = in_digest ? MIME_MESSAGE : MIME_TEXT,
	        .root = root,
	        .intact = intact,
	        .in_digest = in_digest};
	scan->field = FIELD_NONE;
}

/* A part has ended, whose bytes of 8 bits have to be encoded. */
static void seven_bit_encode_body(
        struct seven_bit_scan *scan, struct mime_entity *entity, uint64_t end)
{
	uint64_t size = end - entity->start;
	scan->needed = true;
	if (entity->intact || entity->fault) {
		seven_bit_fail(scan, entity->intact ? SEVEN_BIT_FAULT_SIGNED : entity->fault);
		return;
	}
	switch (entity->encoding) {
	case MIME_7BIT:
	case MIME_8BIT:
		/* A line break of quoted-printable is a line break, and data has none. */
		if (entity->type.structure == MIME_TEXT && entity->high <= size / DENSE) {
			seven_bit_label(scan, entity, MIME_QUOTED_PRINTABLE);
			seven_bit_edit(scan, entity->start, end, SEVEN_BIT_QUOTE, NULL);
		} else {
			seven_bit_label(scan, entity, MIME_BASE64);
			seven_bit_edit(scan, entity->start, end, SEVEN_BIT_BASE64, NULL);
		}
		return;
	case MIME_QUOTED_PRINTABLE:
		seven_bit_edit(scan, entity->start, end, SEVEN_BIT_REPAIR, NULL);
		return;
	case MIME_BASE64:
		/* A decoder ignores bytes that are not of the alphabet, before and after. */
		seven_bit_edit(scan, entity->start, end, SEVEN_BIT_MASK, NULL);
		return;
	case MIME_UNKNOWN_ENCODING:
		seven_bit_fail(scan, SEVEN_BIT_FAULT_UNENCODABLE);
		return;
	}
}

void seven_bit_end_outside(struct seven_bit_scan *scan, struct mime_entity *entity, uint64_t end)
{
	if (!entity->high)
		return;
	scan->needed = true;
	if (entity->intact)
		seven_bit_fail(scan, SEVEN_BIT_FAULT_SIGNED);
	else
		seven_bit_edit(scan, entity->start, end, SEVEN_BIT_MASK, NULL);
	entity->high = 0;
}

void seven_bit_pop(struct seven_bit_scan *scan, uint64_t end)
{
	struct mime_entity *entity = seven_bit_top(scan);
	if (end < entity->start)
		end = entity->start; /* the line before is the empty one that ends the header */
	switch (entity->phase) {
	case PHASE_BODY:
		if (entity->high)
			seven_bit_encode_body(scan, entity, end);
		else if (entity->encoding == MIME_8BIT && !entity->intact && !entity->fault)
			seven_bit_label(scan, entity, MIME_7BIT);
		break;
	case PHASE_PREAMBLE:
		/* Some programs show what others drop. */
		if (entity->high)
			seven_bit_fail(scan, SEVEN_BIT_FAULT_STRUCTURE);
		break;
	case PHASE_EPILOGUE:
		seven_bit_end_outside(scan, entity, end);
		break;
	case PHASE_HEADER:
	case PHASE_PARTS:
		break;
	}
	scan->depth--;
}

void seven_bit_plan_free(struct seven_bit_plan *plan)
{
	free(plan->edits);
	*plan = (struct seven_bit_plan){0};
}
