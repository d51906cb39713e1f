/*
 * Cutting: the terminator scans, and the callbacks get the requests in place. Only a partial
 * request is copied, when nothing more can be cut, into memory of the cutter; the next input is
 * appended there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/cutter.h>
#include <weir/error.h>

struct weir_saved {
	size_t size;
	size_t capacity;
	size_t seen; /* see struct weir_region */
	char bytes[];
};

/* -- saving ------------------------------------------------------------------------------------ */

static struct weir_saved *cutter_grow(struct weir_saved *saved, size_t size)
{
	size_t capacity = saved ? saved->capacity : 0;
	if (saved && size <= capacity)
		return saved;
	capacity = capacity * 2 > size ? capacity * 2 : size;
	struct weir_saved *grown = realloc(saved, sizeof *grown + capacity);
	if (!grown)
		return NULL;
	if (!saved)
		grown->size = grown->seen = 0;
	grown->capacity = capacity;
	return grown;
}

static int cutter_save(struct weir_cutter *cutter, const char *data, size_t size)
{
	size_t old = cutter->saved ? cutter->saved->size : 0;
	struct weir_saved *saved = cutter_grow(cutter->saved, old + size);
	if (!saved)
		return -ENOMEM;
	memcpy(saved->bytes + old, data, size);
	saved->size = old + size;
	cutter->saved = saved;
	return 0;
}

int weir_cutter_begin(struct weir_cutter *cutter, struct weir_span input, struct weir_region *ret)
{
	if (cutter->refused) {
		*ret = (struct weir_region){0};
		return 0;
	}
	if (!cutter->saved) {
		*ret = (struct weir_region){input.data, input.size, 0};
		return 0;
	}
	if (input.size && cutter_save(cutter, input.data, input.size) < 0)
		return -ENOMEM;
	struct weir_saved *saved = cutter->saved;
	*ret = (struct weir_region){saved->bytes, saved->size, saved->seen};
	return 0;
}

int weir_cutter_save(struct weir_cutter *cutter, const struct weir_region *region)
{
	struct weir_saved *saved = cutter->saved;
	/* After a refusal nothing is cut, so the input need not be saved. */
	if (region->size == 0 || cutter->refused) {
		weir_cutter_finish(cutter);
		return 0;
	}
	if (saved) {
		memmove(saved->bytes, region->data, region->size);
		saved->size = region->size;
	} else if (cutter_save(cutter, region->data, region->size) < 0) {
		return -ENOMEM;
	}
	cutter->saved->seen = region->seen;
	return 0;
}

void weir_cutter_finish(struct weir_cutter *cutter)
{
	free(cutter->saved);
	cutter->saved = NULL;
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
		/* piece() has set another terminator: it gave this stream up, and so its end. */
		if (cutter->changed)
			return;
		size = 0;
	} else if (size > cutter->request_max) {
		type->overflow(cutter, WEIR_E_LIMIT);
		return;
	}
	type->request(cutter, weir_span(data, size));
}

/* The request does not end here: pass the bytes that belong to it for certain, or wait for more. */
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
	return cutter->saved || cutter->before || cutter->skipping;
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
