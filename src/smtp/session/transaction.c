/*
 * The envelope. Its texts are copied into the transaction, which has room for a few hundred bytes.
 * Transactions are recycled, so that a session needs no allocation for each message.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "smtp_session.h"

enum {
	TEXT_CAPACITY = 8 * 1024,
	BUFFER_KEPT = 4 * 1024,
	DESTINATIONS_PER_TARGET = 4 /* one target may be reached by several recipients */
};

/* -- text -------------------------------------------------------------------------------------- */

static char *smtp_transaction_reserve(struct smtp_transaction *transaction, size_t size)
{
	struct smtp_text *text = transaction->more_text;
	if (size <= sizeof transaction->text - transaction->text_size) {
		transaction->text_size += size;
		return transaction->text + transaction->text_size - size;
	}
	if (!text || size > text->capacity - text->size) {
		size_t capacity = size > TEXT_CAPACITY ? size : TEXT_CAPACITY;
		text = malloc(sizeof *text + capacity);
		if (!text)
			return NULL;
		*text = (struct smtp_text){transaction->more_text, 0, capacity};
		transaction->more_text = text;
	}
	text->size += size;
	return text->bytes + text->size - size;
}

bool smtp_transaction_copy(
        struct smtp_transaction *transaction, struct weir_span text, struct weir_span *ret)
{
	if (!text.size) {
		*ret = weir_span(NULL, 0);
		return true;
	}
	char *copy = smtp_transaction_reserve(transaction, text.size);
	if (!copy)
		return false;
	memcpy(copy, text.data, text.size);
	*ret = weir_span(copy, text.size);
	return true;
}

/* -- life -------------------------------------------------------------------------------------- */

/* Seconds and a count: unique in this process, and over restarts that take a second. */
static void smtp_transaction_make_id(struct smtp_transaction *transaction)
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	struct weir_smtp_server *server = transaction->server;
	uint64_t seconds = (uint64_t)weir_loop_wall_s(server->loop);
	uint64_t destination = ((uint64_t)(uintptr_t)server >> 6) & 0xfffff;
	uint64_t parts[] = {seconds, (uint64_t)server->ids++ << 20 | destination};
	char *at = transaction->id;
	for (size_t part = 0; part < 2; part++)
		for (int shift = part ? 45 : 30; shift >= 0; shift -= 5)
			*at++ = digits[parts[part] >> shift & 31];
	*at = 0;
}

static bool smtp_transaction_copy_session(struct smtp_transaction *transaction)
{
	const struct smtp_session *session = transaction->session;
	transaction->peer = *weir_channel_peer(session->channel);
	transaction->channel_id = weir_channel_id(session->channel);
	transaction->secure = weir_channel_secure(session->channel);
	return smtp_transaction_copy(
	               transaction, weir_span_of(session->helo), &transaction->helo) &&
	       (!session->user || smtp_transaction_copy(transaction, weir_span_of(session->user),
	                                  &transaction->user));
}

static struct smtp_transaction *smtp_transaction_reuse_spare(struct weir_smtp_server *server)
{
	struct smtp_transaction *spare = server->spare;
	if (!spare)
		return calloc(1, sizeof *spare);
	server->spare = spare->next;
	server->spares--;
	return spare;
}

struct smtp_transaction *smtp_transaction_create(struct smtp_session *session)
{
	struct weir_smtp_server *server = session->server;
	struct smtp_transaction *transaction = smtp_transaction_reuse_spare(server);
	if (!transaction)
		return NULL;
	weir_producer_init(&transaction->producer, &smtp_outcome_type);
	weir_list_init(&transaction->link);
	transaction->server = server;
	transaction->session = session;
	transaction->local.sink = server->options.local;
	transaction->relay.sink = server->options.relay;
	smtp_transaction_make_id(transaction);
	session->transaction = transaction;
	if (smtp_transaction_copy_session(transaction))
		return transaction;
	smtp_transaction_destroy(transaction);
	session->transaction = NULL;
	return NULL;
}

static void smtp_transaction_free_all(struct smtp_transaction *transaction)
{
	struct weir_buffer *buffers[] = {&transaction->local.recipients,
	        &transaction->relay.recipients, &transaction->results, &transaction->destinations,
	        &transaction->pending};
	for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
		weir_buffer_finish(buffers[i]);
	free(transaction);
}

static struct weir_buffer smtp_transaction_emptied(struct weir_buffer buffer)
{
	buffer.size = 0;
	if (buffer.capacity > BUFFER_KEPT)
		weir_buffer_finish(&buffer);
	return buffer;
}

/* Resets it as calloc would, except the memory of its buffers. */
static void smtp_transaction_recycle(struct smtp_transaction *transaction)
{
	struct weir_smtp_server *server = transaction->server;
	struct weir_buffer local = smtp_transaction_emptied(transaction->local.recipients);
	struct weir_buffer relay = smtp_transaction_emptied(transaction->relay.recipients);
	struct weir_buffer results = smtp_transaction_emptied(transaction->results);
	struct weir_buffer destinations = smtp_transaction_emptied(transaction->destinations);
	weir_buffer_finish(&transaction->pending);
	memset(transaction, 0, offsetof(struct smtp_transaction, text));
	transaction->local.recipients = local;
	transaction->relay.recipients = relay;
	transaction->results = results;
	transaction->destinations = destinations;
	transaction->next = server->spare;
	server->spare = transaction;
	server->spares++;
}

void smtp_transaction_destroy(struct smtp_transaction *transaction)
{
	if (!transaction)
		return;
	if (transaction->check.job)
		transaction->local.sink->type->check_cancel(&transaction->check);
	smtp_delivery_fail(transaction, "");
	weir_list_remove(&transaction->link);
	for (struct smtp_text *text = transaction->more_text, *next; text; text = next) {
		next = text->next;
		free(text);
	}
	if (transaction->server->spares < WEIR_SMTP_TRANSACTIONS_KEPT)
		smtp_transaction_recycle(transaction);
	else
		smtp_transaction_free_all(transaction);
}

void smtp_transactions_free(struct weir_smtp_server *server)
{
	for (struct smtp_transaction *next; server->spare; server->spare = next) {
		next = server->spare->next;
		smtp_transaction_free_all(server->spare);
	}
	server->spares = 0;
}

/* -- recipients -------------------------------------------------------------------------------- */

static size_t smtp_transaction_count_of(const struct smtp_route *route)
{
	return route->recipients.size / sizeof(struct weir_mail_recipient);
}

static struct weir_mail_recipient *smtp_transaction_table_of(const struct smtp_route *route)
{
	return (struct weir_mail_recipient *)(void *)route->recipients.data;
}

static size_t smtp_transaction_destinations_max(const struct smtp_transaction *transaction)
{
	size_t most = transaction->server->options.recipients_max;
	return most > WEIR_ALIAS_TARGETS_MAX ? most : WEIR_ALIAS_TARGETS_MAX;
}

int smtp_recipient_add(struct smtp_transaction *transaction)
{
	int none = 0;
	return weir_buffer_append(&transaction->results, &none, sizeof none, SIZE_MAX);
}

/* Finds the same mailbox or remote address: each gets one copy, however it was reached. */
static size_t smtp_transaction_find(
        const struct smtp_route *route, const struct weir_mail_recipient *recipient)
{
	size_t count = smtp_transaction_count_of(route), at = 0;
	const struct weir_mail_recipient *table = smtp_transaction_table_of(route);
	if (recipient->user.size)
		while (at < count && !weir_span_equal(table[at].user, recipient->user))
			at++;
	else
		while (at < count && !weir_span_equal(table[at].address, recipient->address))
			at++;
	return at;
}

static int smtp_transaction_append(struct smtp_transaction *transaction, struct smtp_route *route,
        const struct weir_mail_recipient *recipient)
{
	struct weir_mail_recipient copy = *recipient;
	if (smtp_transaction_count_of(&transaction->local) +
	                smtp_transaction_count_of(&transaction->relay) >=
	        smtp_transaction_destinations_max(transaction))
		return WEIR_E_LIMIT;
	if (!smtp_transaction_copy(transaction, recipient->address, &copy.address) ||
	        !smtp_transaction_copy(transaction, recipient->user, &copy.user) ||
	        !smtp_transaction_copy(transaction, recipient->orcpt, &copy.orcpt))
		return -ENOMEM;
	return weir_buffer_append(&route->recipients, &copy, sizeof copy, SIZE_MAX);
}

int smtp_destination_add(struct smtp_transaction *transaction, bool relay,
        const struct weir_mail_recipient *recipient)
{
	struct smtp_route *route = relay ? &transaction->relay : &transaction->local;
	struct smtp_destination destination = {smtp_recipient_count(transaction) - 1, 0, relay};
	size_t at = smtp_transaction_find(route, recipient);
	if (transaction->destinations.size / sizeof destination >=
	        smtp_transaction_destinations_max(transaction) * DESTINATIONS_PER_TARGET)
		return WEIR_E_LIMIT;
	destination.index = (uint32_t)at;
	int error = at < smtp_transaction_count_of(route)
	                    ? 0
	                    : smtp_transaction_append(transaction, route, recipient);
	if (error < 0)
		return error;
	return weir_buffer_append(
	        &transaction->destinations, &destination, sizeof destination, SIZE_MAX);
}

void smtp_recipient_undo(struct smtp_transaction *transaction)
{
	uint32_t last = smtp_recipient_count(transaction) - 1;
	size_t counts[2] = {0, 0};
	struct smtp_destination *destinations =
	        (struct smtp_destination *)(void *)transaction->destinations.data;
	size_t count = transaction->destinations.size / sizeof *destinations;
	while (count && destinations[count - 1].recipient == last)
		count--;
	for (size_t i = 0; i < count; i++)
		if (destinations[i].index >= counts[destinations[i].relay])
			counts[destinations[i].relay] = destinations[i].index + 1;
	transaction->destinations.size = count * sizeof *destinations;
	transaction->checked = count;
	transaction->local.recipients.size = counts[0] * sizeof(struct weir_mail_recipient);
	transaction->relay.recipients.size = counts[1] * sizeof(struct weir_mail_recipient);
	transaction->results.size -= sizeof(int);
}
