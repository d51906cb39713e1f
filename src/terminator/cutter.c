/*
 * Cutting: the terminator scans, the callbacks get what it found, in place. Only what is left when
 * nothing more can be cut is copied, into memory of the cutter's own; what comes next is appended
 * there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/cutter.h>
#include <weir/error.h>

struct weir_kept {
	size_t size;
	size_t capacity;
	size_t seen; /* see struct weir_region */
	char bytes[];
};

/* -- keeping ----------------------------------------------------------------------------------- */

static struct weir_kept *cutter_grow(struct weir_kept *kept, size_t size)
{
	size_t capacity = kept ? kept->capacity : 0;
	if (kept && size <= capacity)
		return kept;
	capacity = capacity * 2 > size ? capacity * 2 : size;
	struct weir_kept *grown = realloc(kept, sizeof *grown + capacity);
	if (!grown)
		return NULL;
	if (!kept)
		grown->size = grown->seen = 0;
	grown->capacity = capacity;
	return grown;
}

static int cutter_keep(struct weir_cutter *cutter, const char *data, size_t size)
{
	size_t old = cutter->kept ? cutter->kept->size : 0;
	struct weir_kept *kept = cutter_grow(cutter->kept, old + size);
	if (!kept)
		return -ENOMEM;
	memcpy(kept->bytes + old, data, size);
	kept->size = old + size;
	cutter->kept = kept;
	return 0;
}

int weir_cutter_begin(struct weir_cutter *cutter, struct weir_span input, struct weir_region *ret)
{
	if (cutter->refused) {
		*ret = (struct weir_region){0};
		return 0;
	}
	if (!cutter->kept) {
		*ret = (struct weir_region){input.data, input.size, 0};
		return 0;
	}
	if (input.size && cutter_keep(cutter, input.data, input.size) < 0)
		return -ENOMEM;
	struct weir_kept *kept = cutter->kept;
	*ret = (struct weir_region){kept->bytes, kept->size, kept->seen};
	return 0;
}

int weir_cutter_save(struct weir_cutter *cutter, const struct weir_region *region)
{
	struct weir_kept *kept = cutter->kept;
	/* Once refused nothing is cut any more: there is no use in keeping it. */
	if (region->size == 0 || cutter->refused) {
		weir_cutter_finish(cutter);
		return 0;
	}
	if (kept) {
		memmove(kept->bytes, region->data, region->size);
		kept->size = region->size;
	} else if (cutter_keep(cutter, region->data, region->size) < 0) {
		return -ENOMEM;
	}
	cutter->kept->seen = region->seen;
	return 0;
}

void weir_cutter_finish(struct weir_cutter *cutter)
{
	free(cutter->kept);
	cutter->kept = NULL;
}

/* -- cutting ----------------------------------------------------------------------------------- */

static void cutter_advance(struct weir_region *region, size_t size)
{
	region->data += size;
	region->size -= size;
	region->seen = 0;
}

static bool cutter_held(const struct weir_cutter *cutter, const struct weir_cutter_type *type)
{
	return cutter->refused || (type->held && type->held(cutter));
}

static void cutter_give_piece(struct weir_cutter *cutter, const struct weir_cutter_type *type,
        const char *data, size_t size)
{
	if (size)
		type->piece(cutter, weir_span(data, size));
}

static void cutter_refuse(struct weir_cutter *cutter, const struct weir_cutter_type *type)
{
	cutter->refused = true;
	type->overflow(cutter, WEIR_E_SYNTAX);
}

/* The request ends within the region. */
static void cutter_cut_found(struct weir_cutter *cutter, const struct weir_cutter_type *type,
        struct weir_region *region, const struct weir_cut *cut)
{
	const char *data = region->data;
	size_t size = cut->end - cut->strip;
	bool skipped = cutter->skipping;
	cutter_advance(region, cut->end);
	cutter->before = 0;
	cutter->terminator.state = 0;
	cutter->skipping = false;
	if (skipped)
		return;
	if (cutter->streamed) {
		cutter_give_piece(cutter, type, data, size);
		/*
		 * Another terminator: this stream was given up, and its end is none of the next
		 * one's.
		 */
		if (cutter->changed)
			return;
		size = 0;
	} else if (size > cutter->request_max) {
		type->overflow(cutter, WEIR_E_LIMIT);
		return;
	}
	type->request(cutter, weir_span(data, size));
}

/* It does not end here: gives what is surely part of it, or waits for more. */
static void cutter_cut_more(struct weir_cutter *cutter, const struct weir_cutter_type *type,
        struct weir_region *region, size_t hold)
{
	const char *data = region->data;
	size_t size = region->size - hold;
	bool whole = !cutter->streamed && !cutter->skipping;
	if (whole && size <= cutter->request_max) {
		region->seen = region->size;
		return;
	}
	cutter_advance(region, size);
	region->seen = hold;
	cutter->before += size;
	if (whole) {
		cutter->skipping = true;
		type->overflow(cutter, WEIR_E_LIMIT);
	} else if (!cutter->skipping) {
		cutter_give_piece(cutter, type, data, size);
	}
}

bool weir_cutter_pending(const struct weir_cutter *cutter, const struct weir_cutter_type *type,
        const struct weir_region *region)
{
	return (region->seen < region->size || cutter->changed) && !cutter_held(cutter, type);
}

void weir_cutter_cut(
        struct weir_cutter *cutter, const struct weir_cutter_type *type, struct weir_region *region)
{
	while (weir_cutter_pending(cutter, type, region)) {
		struct weir_cut cut = {0};
		if (cutter->changed)
			region->seen = 0;
		cutter->changed = false;
		switch (cutter->terminator.type->scan(&cutter->terminator,
		        weir_span(region->data, region->size), region->seen, cutter->before,
		        &cut)) {
		case WEIR_SCAN_FOUND:
			cutter_cut_found(cutter, type, region, &cut);
			/* An end that takes nothing would be found again, for ever. */
			if (cut.end == 0 && !cutter->changed &&
			        weir_cutter_pending(cutter, type, region))
				cutter_refuse(cutter, type);
			break;
		case WEIR_SCAN_MORE:
			cutter_cut_more(cutter, type, region, cut.hold);
			break;
		case WEIR_SCAN_BAD:
			cutter_refuse(cutter, type);
			break;
		}
	}
}

/* -- the rest ---------------------------------------------------------------------------------- */

void weir_cutter_init(
        struct weir_cutter *cutter, struct weir_terminator terminator, uint32_t request_max)
{
	*cutter = (struct weir_cutter){.terminator = terminator, .request_max = request_max};
}

static void cutter_set_terminator(
        struct weir_cutter *cutter, struct weir_terminator terminator, bool streamed)
{
	cutter->terminator = terminator;
	cutter->streamed = streamed;
	cutter->changed = true;
	cutter->skipping = false;
	cutter->before = 0;
}

void weir_cutter_await(struct weir_cutter *cutter, struct weir_terminator terminator)
{
	cutter_set_terminator(cutter, terminator, false);
}

void weir_cutter_stream(struct weir_cutter *cutter, struct weir_terminator terminator)
{
	cutter_set_terminator(cutter, terminator, true);
}

bool weir_cutter_partial(const struct weir_cutter *cutter)
{
	return cutter->kept || cutter->before || cutter->skipping;
}

int weir_cutter_feed(
        struct weir_cutter *cutter, const struct weir_cutter_type *type, struct weir_span input)
{
	struct weir_region region;
	int error = weir_cutter_begin(cutter, input, &region);
	if (error < 0)
		return error;
	weir_cutter_cut(cutter, type, &region);
	return weir_cutter_save(cutter, &region);
}
