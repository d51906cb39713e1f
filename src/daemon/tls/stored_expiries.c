/* See the header. */
#include "stored_expiries.h"

#include <errno.h>
#include <stdlib.h>

#include "helper.h"
#include "stored_chain.h"
#include "stored_rows.h"

void stored_expiries_release(struct stored_expiries *expiries)
{
	if (!expiries || --expiries->references)
		return;
	for (size_t i = 0; i < expiries->count; i++)
		free(expiries->items[i].name);
	free(expiries);
}

int stored_expiries_read(struct weir_span text, struct stored_expiries **ret)
{
	struct stored_row row;
	struct weir_span rest = text;
	size_t count = 0;
	*ret = NULL;
	while (stored_row_next(&rest, &row))
		count++;
	struct stored_expiries *expiries =
	        count ? calloc(1, sizeof *expiries + count * sizeof *expiries->items) : NULL;
	if (!expiries)
		return count ? -ENOMEM : 0;
	expiries->references = 1;
	while (stored_row_next(&text, &row)) {
		struct stored_expiry *item = &expiries->items[expiries->count];
		item->name = weir_span_copy(row.name);
		item->expires_s = stored_chain_expires_s(row.chain);
		if (!item->name) {
			stored_expiries_release(expiries);
			return -ENOMEM;
		}
		expiries->count++;
	}
	*ret = expiries;
	return 0;
}
