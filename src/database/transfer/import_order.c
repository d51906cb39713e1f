/* The UIDLs of later messages. See import_order.h. */
#include "import_order.h"

#include <ctype.h>

#include <weir/span.h>

enum {
	ORDER_DIGITS = 10 /* of the second that a name begins with, until the year 2286 */
};

static const int64_t order_most = 9999999999; /* which has ORDER_DIGITS */

static int64_t order_second(struct weir_span unique)
{
	int64_t second = 0;
	size_t i = 0;
	for (; i < unique.size && i <= ORDER_DIGITS && isdigit((unsigned char)unique.data[i]); i++)
		second = second * 10 + (unique.data[i] - '0');
	return i == ORDER_DIGITS && second < order_most ? second : 0;
}

int64_t import_order_validity(const struct maildir_list *list)
{
	int64_t last = 0;
	for (size_t i = list->offsets.size / sizeof(uint32_t); i > 0 && !last; i--) {
		struct maildir_message message;
		maildir_list_get(list, i - 1, &message);
		last = order_second(message.unique);
	}
	return last ? last + 1 : 0;
}

const char import_order_lock[] = "UPDATE weir_mailbox SET validity = validity"
                                 " WHERE name = $1 AND validity < $2::bigint";

const char import_order_keep[] =
        "UPDATE weir_message AS m SET uidl = b.validity::text || '.' || lpad(m.uid::text, 10, '0')"
        " FROM weir_mailbox AS b WHERE b.name = $1 AND b.validity < $2::bigint"
        " AND m.mailbox = b.name AND m.uidl IS NULL";

const char import_order_raise[] = "UPDATE weir_mailbox SET validity = $2::bigint"
                                  " WHERE name = $1 AND validity < $2::bigint";
