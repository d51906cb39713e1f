/* The life of a transfer, its calls, and the items that were imported before. */
#include "database_transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "helper.h"
#include "siphash.h"

/* -- life -------------------------------------------------------------------------------------- */

static void transfer_run_end(struct weir_task *task)
{
	struct database_transfer *transfer = WEIR_CONTAINER(task, struct database_transfer, task);
	struct weir_database_transfer options = transfer->options;
	char why[TRANSFER_WHY_MAX];
	int error = transfer->error;
	text_copy(why, sizeof why, transfer->why);
	transfer_report(transfer);
	transfer->free(transfer);
	free(transfer);
	options.done(options.context, error, why);
}

int transfer_create(const struct weir_database_transfer *options, size_t size,
        void (*release)(struct database_transfer *transfer), struct database_transfer **ret)
{
	struct database_transfer *transfer = calloc(1, size);
	if (!transfer)
		return -ENOMEM;
	transfer->options = *options;
	transfer->free = release;
	transfer->task.run = transfer_run_end;
	int error = database_loop_get(options->database, options->loop, &transfer->at);
	if (error < 0)
		free(transfer);
	else
		*ret = transfer;
	return error;
}

int transfer_refuse(struct database_transfer *transfer, int error)
{
	transfer->free(transfer);
	weir_loop_cancel(transfer->options.loop, &transfer->task);
	free(transfer);
	return error;
}

void transfer_end(struct database_transfer *transfer)
{
	transfer->over = true;
	weir_loop_defer(transfer->options.loop, &transfer->task);
}

void transfer_fail(struct database_transfer *transfer, int error, const char *what, const char *why)
{
	if (transfer->over)
		return;
	transfer->error = error;
	snprintf(transfer->why, sizeof transfer->why, "%s%s%s", what ? what : "", what ? ": " : "",
	        why);
	transfer_end(transfer);
}

void transfer_fail_call(
        struct database_transfer *transfer, const char *what, const struct weir_postgres_end *end)
{
	/* 42P01: a table is missing; 42703: a column. */
	bool lacks = strcmp(end->state, "42P01") == 0 || strcmp(end->state, "42703") == 0;
	transfer_fail(transfer, end->error, lacks ? NULL : what,
	        lacks ? "its tables are missing or too old: run `weir store init` or "
	                "`weir store migrate`"
	              : end->text);
}

bool transfer_goes_on(
        struct database_transfer *transfer, const char *what, const struct weir_postgres_end *end)
{
	if (!transfer->over && end->error)
		transfer_fail_call(transfer, what, end);
	return !transfer->over;
}

void transfer_report(struct database_transfer *transfer)
{
	if (transfer->options.progress)
		transfer->options.progress(transfer->options.context, &transfer->counts);
}

void transfer_problem(struct database_transfer *transfer, const char *what, const char *why)
{
	transfer->counts.failed++;
	if (transfer->options.problem)
		transfer->options.problem(transfer->options.context, what, why);
}

/* -- calls ------------------------------------------------------------------------------------- */

struct weir_postgres_call_options transfer_options(
        const struct weir_postgres_statement *statement, unsigned count)
{
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = statement;
	options.count = count;
	options.idempotent = true;
	return options;
}

void transfer_call(struct database_transfer *transfer,
        const struct weir_postgres_call_options *options, const struct weir_postgres_events *events,
        void *context, struct weir_postgres_call **ret)
{
	int error = weir_postgres_call_start(transfer->at->pool, options, events, context, ret);
	if (error == 0)
		return;
	*ret = NULL;
	transfer_fail(transfer, error, NULL, weir_error_text(error));
}

void transfer_cancel(struct weir_postgres_call **call)
{
	if (*call)
		weir_postgres_call_cancel(*call);
	*call = NULL;
}

/* -- items ------------------------------------------------------------------------------------- */

/* A UUID of version 8 (RFC 9562 5.8). */
void transfer_item(struct weir_span name, unsigned char ret[TRANSFER_ITEM])
{
	static const struct siphash_key key = {0x57454952494d504f, 0x5745495252544544};
	uint64_t hash[2];
	siphash_24(&key, name.data, name.size, hash);
	for (int i = 0; i < TRANSFER_ITEM; i++)
		ret[i] = (unsigned char)(hash[i / 8] >> (i % 8 * 8));
	ret[6] = (unsigned char)(0x80 | (ret[6] & 0x0F));
	ret[8] = (unsigned char)(0x80 | (ret[8] & 0x3F));
}

void transfer_item_text(const unsigned char item[TRANSFER_ITEM], char ret[WEIR_DATABASE_ID_SIZE])
{
	char *to = ret;
	for (int i = 0; i < TRANSFER_ITEM; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = "0123456789abcdef"[item[i] >> 4];
		*to++ = "0123456789abcdef"[item[i] & 0x0F];
	}
	*to = '\0';
}

const char transfer_known_select[] = "SELECT item FROM weir_imported WHERE source = $1";

int transfer_known_add(struct transfer_known *known, const struct weir_postgres_row *row)
{
	struct weir_span item = weir_postgres_row_value(row, 0);
	if (item.size != TRANSFER_ITEM)
		return -EIO;
	return weir_buffer_append(&known->items, item.data, item.size, SIZE_MAX);
}

static int transfer_known_compare(const void *a, const void *b)
{
	return memcmp(a, b, TRANSFER_ITEM);
}

void transfer_known_sort(struct transfer_known *known)
{
	if (known->items.size)
		qsort(known->items.data, known->items.size / TRANSFER_ITEM, TRANSFER_ITEM,
		        transfer_known_compare);
}

bool transfer_known_has(const struct transfer_known *known, const unsigned char *item)
{
	return known->items.size &&
	       bsearch(item, known->items.data, known->items.size / TRANSFER_ITEM, TRANSFER_ITEM,
	               transfer_known_compare);
}
