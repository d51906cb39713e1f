/*
 * The envelope: what it keeps is copied into its own text, first a few hundred bytes that are part
 * of it. Transactions are kept for reuse, so that one message after the other costs no allocation.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "transaction.h"

enum {
	TEXT_CAPACITY = 8 * 1024,
	BUFFER_KEPT = 4 * 1024,
	PLACES_PER_TARGET = 4 /* a target may be reached by several recipients */
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

/* Seconds and a count: unique in this process, and over its restarts, if they take a second. */
static void smtp_transaction_make_id(struct smtp_transaction *transaction)
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	struct weir_smtp_server *server = transaction->server;
	uint64_t seconds = (uint64_t)weir_loop_wall_s(server->loop);
	uint64_t place = ((uint64_t)(uintptr_t)server >> 6) & 0xfffff;
	uint64_t parts[] = {seconds, (uint64_t)server->ids++ << 20 | place};
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
	transaction->secure = weir_channel_secure(session->channel);
	return smtp_transaction_copy(
	               transaction, weir_span_of(session->helo), &transaction->helo) &&
	       (!session->user || smtp_transaction_copy(transaction, weir_span_of(session->user),
	                                  &transaction->user));
}

static struct smtp_transaction *smtp_transaction_take_spare(struct weir_smtp_server *server)
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
	struct smtp_transaction *transaction = smtp_transaction_take_spare(server);
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
	        &transaction->relay.recipients, &transaction->results, &transaction->places,
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

/* As calloc would have made it, but for the memory of its buffers. */
static void smtp_transaction_keep(struct smtp_transaction *transaction)
{
	struct weir_smtp_server *server = transaction->server;
	struct weir_buffer local = smtp_transaction_emptied(transaction->local.recipients);
	struct weir_buffer relay = smtp_transaction_emptied(transaction->relay.recipients);
	struct weir_buffer results = smtp_transaction_emptied(transaction->results);
	struct weir_buffer places = smtp_transaction_emptied(transaction->places);
	weir_buffer_finish(&transaction->pending);
	memset(transaction, 0, offsetof(struct smtp_transaction, text));
	transaction->local.recipients = local;
	transaction->relay.recipients = relay;
	transaction->results = results;
	transaction->places = places;
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
		smtp_transaction_keep(transaction);
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

static size_t smtp_transaction_count_of(const struct smtp_way *way)
{
	return way->recipients.size / sizeof(struct weir_mail_recipient);
}

static struct weir_mail_recipient *smtp_transaction_table_of(const struct smtp_way *way)
{
	return (struct weir_mail_recipient *)(void *)way->recipients.data;
}

static size_t smtp_transaction_places_max(const struct smtp_transaction *transaction)
{
	size_t most = transaction->server->options.recipients_max;
	return most > WEIR_ALIAS_TARGETS_MAX ? most : WEIR_ALIAS_TARGETS_MAX;
}

int smtp_recipient_add(struct smtp_transaction *transaction)
{
	int none = 0;
	return weir_buffer_append(&transaction->results, &none, sizeof none, SIZE_MAX);
}

/* One copy a mailbox, however it was reached; elsewhere, one an address. */
static size_t smtp_transaction_find(
        const struct smtp_way *way, const struct weir_mail_recipient *recipient)
{
	size_t count = smtp_transaction_count_of(way), at = 0;
	const struct weir_mail_recipient *table = smtp_transaction_table_of(way);
	if (recipient->user.size)
		while (at < count && !weir_span_equal(table[at].user, recipient->user))
			at++;
	else
		while (at < count && !weir_span_equal(table[at].address, recipient->address))
			at++;
	return at;
}

static int smtp_transaction_append(struct smtp_transaction *transaction, struct smtp_way *way,
        const struct weir_mail_recipient *recipient)
{
	struct weir_mail_recipient copy = *recipient;
	if (smtp_transaction_count_of(&transaction->local) +
	                smtp_transaction_count_of(&transaction->relay) >=
	        smtp_transaction_places_max(transaction))
		return WEIR_E_LIMIT;
	if (!smtp_transaction_copy(transaction, recipient->address, &copy.address) ||
	        !smtp_transaction_copy(transaction, recipient->user, &copy.user) ||
	        !smtp_transaction_copy(transaction, recipient->orcpt, &copy.orcpt))
		return -ENOMEM;
	return weir_buffer_append(&way->recipients, &copy, sizeof copy, SIZE_MAX);
}

int smtp_place_add(struct smtp_transaction *transaction, bool relay,
        const struct weir_mail_recipient *recipient)
{
	struct smtp_way *way = relay ? &transaction->relay : &transaction->local;
	struct smtp_place place = {smtp_recipient_count(transaction) - 1, 0, relay};
	size_t at = smtp_transaction_find(way, recipient);
	if (transaction->places.size / sizeof place >=
	        smtp_transaction_places_max(transaction) * PLACES_PER_TARGET)
		return WEIR_E_LIMIT;
	place.index = (uint32_t)at;
	int error = at < smtp_transaction_count_of(way)
	                    ? 0
	                    : smtp_transaction_append(transaction, way, recipient);
	if (error < 0)
		return error;
	return weir_buffer_append(&transaction->places, &place, sizeof place, SIZE_MAX);
}

void smtp_recipient_undo(struct smtp_transaction *transaction)
{
	uint32_t last = smtp_recipient_count(transaction) - 1;
	size_t counts[2] = {0, 0};
	struct smtp_place *places = (struct smtp_place *)(void *)transaction->places.data;
	size_t count = transaction->places.size / sizeof *places;
	while (count && places[count - 1].recipient == last)
		count--;
	for (size_t i = 0; i < count; i++)
		if (places[i].index >= counts[places[i].relay])
			counts[places[i].relay] = places[i].index + 1;
	transaction->places.size = count * sizeof *places;
	transaction->checked = count;
	transaction->local.recipients.size = counts[0] * sizeof(struct weir_mail_recipient);
	transaction->relay.recipients.size = counts[1] * sizeof(struct weir_mail_recipient);
	transaction->results.size -= sizeof(int);
}
