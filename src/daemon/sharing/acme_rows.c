/*
 * The text has a head for each row, "KIND SECONDS NAME-SIZE CONTENT-SIZE KEY-SIZE"; the three
 * follow it. The cost of a row grows with the logarithm of their number: a database that is
 * damaged, or hostile, must not stop a loop.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_acme.h>
#include <weir/database_certificates.h>
#include <weir/database_secrets.h>
#include <weir/error.h>

#include "acme_message.h"
#include "acme_rows_state.h"
#include "helper.h"
#include "store.h"

_Thread_local uint64_t acme_rows_steps;

/* -- paths ------------------------------------------------------------------------------------- */

static const char *const acme_shared_folders[] = {
        ACME_ACCOUNTS "/", ACME_ORDERS "/", ACME_STATES "/", ACME_CHALLENGES "/", ACME_SERIALS "/"};

/* Whether it can be the name of a file or a folder. */
static bool acme_segment_is_good(struct weir_span segment)
{
	if (segment.size == 0 || segment.data[0] == '.')
		return false;
	for (size_t i = 0; i < segment.size; i++)
		if (segment.data[i] <= ' ' || segment.data[i] > '~' || segment.data[i] == '/')
			return false;
	return true;
}

bool acme_path_is_shared(const char *path)
{
	for (size_t i = 0; i < sizeof acme_shared_folders / sizeof *acme_shared_folders; i++) {
		struct weir_span rest = weir_span_of(path), first;
		if (!weir_span_starts(rest, weir_span_of(acme_shared_folders[i])) ||
		        rest.size >= ACME_PATH_SIZE - 8)
			continue;
		rest = weir_span_skip(rest, strlen(acme_shared_folders[i]));
		if (i > 0)
			return acme_segment_is_good(rest);
		return weir_span_cut(&rest, '/', &first) && acme_segment_is_good(first) &&
		       acme_segment_is_good(rest);
	}
	return false;
}

/* -- the text ---------------------------------------------------------------------------------- */

int acme_rows_format(const struct weir_postgres_row *row, struct weir_buffer *text,
        char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct weir_span kind = weir_postgres_row_value(row, 0);
	struct weir_span parts[] = {weir_postgres_row_value(row, 1),
	        weir_postgres_row_value(row, 2), weir_postgres_row_value(row, 3)};
	struct weir_span changed = weir_postgres_row_value(row, 4);
	int error = weir_buffer_format(text, ACME_ROWS_BYTES, "%.*s %.*s %zu %zu %zu\n",
	        (int)kind.size, kind.data, (int)changed.size, changed.data, parts[0].size,
	        parts[1].size, parts[2].size);
	if (error == 0)
		error = buffer_append_spans(text, parts, 3, ACME_ROWS_BYTES);
	if (error < 0)
		text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, weir_error_text(error));
	return error;
}

/* In nanoseconds it is an int64_t. */
#define ACME_CHANGED_MAX_S ((uint64_t)INT64_MAX / 1000000000)

struct acme_row_text {
	bool is_certificate;
	struct weir_span name, content, key;
	uint64_t changed_s;
};

static bool acme_row_number(struct weir_span *head, uint64_t *ret)
{
	struct weir_span word;
	weir_span_cut(head, ' ', &word);
	return weir_span_number(word, 10, ret) == 0;
}

/* Cuts the next row of the text. Returns 0 or WEIR_E_SYNTAX. */
static int acme_row_next(struct weir_span *rest, struct acme_row_text *ret)
{
	struct weir_span head, kind;
	uint64_t sizes[3];
	if (!weir_span_cut(rest, '\n', &head))
		return WEIR_E_SYNTAX;
	weir_span_cut(&head, ' ', &kind);
	if (!acme_row_number(&head, &ret->changed_s) || ret->changed_s > ACME_CHANGED_MAX_S ||
	        !acme_row_number(&head, &sizes[0]) || !acme_row_number(&head, &sizes[1]) ||
	        !acme_row_number(&head, &sizes[2]) || sizes[0] > rest->size ||
	        sizes[1] > rest->size - sizes[0] || sizes[2] > rest->size - sizes[0] - sizes[1])
		return WEIR_E_SYNTAX;
	ret->is_certificate = weir_span_equal(kind, WEIR_SPAN("certificate"));
	ret->name = weir_span(rest->data, (size_t)sizes[0]);
	ret->content = weir_span(rest->data + sizes[0], (size_t)sizes[1]);
	ret->key = weir_span(rest->data + sizes[0] + sizes[1], (size_t)sizes[2]);
	*rest = weir_span_skip(*rest, (size_t)(sizes[0] + sizes[1] + sizes[2]));
	return 0;
}

/* -- order ------------------------------------------------------------------------------------- */

static int acme_rows_compare_names(const void *left, const void *right)
{
	acme_rows_steps++;
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Certificates come first: the state of a name is written when its certificate is there. */
static int acme_rows_compare(const void *left, const void *right)
{
	const struct acme_row *one = left, *other = right;
	acme_rows_steps++;
	return one->is_certificate != other->is_certificate
	               ? other->is_certificate - one->is_certificate
	               : strcmp(one->name, other->name);
}

static void acme_row_finish(struct acme_row *row)
{
	free(row->name);
	weir_database_erase(&row->content);
	weir_database_erase(&row->key);
}

/* Of rows with one name, which no sound database has, one stays. */
static void acme_rows_sort(struct acme_rows *rows)
{
	size_t kept = 0;
	if (rows->count)
		qsort(rows->items, rows->count, sizeof *rows->items, acme_rows_compare);
	for (size_t i = 0; i < rows->count; i++)
		if (kept && acme_rows_compare(&rows->items[kept - 1], &rows->items[i]) == 0)
			acme_row_finish(&rows->items[i]);
		else
			rows->items[kept++] = rows->items[i];
	rows->count = kept;
}

/* The index of the first row that is not before this one. */
static size_t acme_rows_bound(const struct acme_rows *rows, const struct acme_row *row)
{
	size_t from = 0, to = rows->count;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (acme_rows_compare(&rows->items[middle], row) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

const struct acme_row *acme_rows_find(
        const struct acme_rows *rows, const char *name, bool is_certificate)
{
	struct acme_row wanted = {
	        .is_certificate = is_certificate, .name = (char *)(uintptr_t)name};
	size_t at = acme_rows_bound(rows, &wanted);
	return at < rows->count && acme_rows_compare(&rows->items[at], &wanted) == 0
	               ? &rows->items[at]
	               : NULL;
}

bool acme_rows_have_folder(const struct acme_rows *rows, const char *folder)
{
	char first[ACME_PATH_SIZE];
	int size = snprintf(first, sizeof first, "%s/", folder);
	struct acme_row wanted = {.name = first};
	size_t at = acme_rows_bound(rows, &wanted);
	return size < (int)sizeof first && at < rows->count && !rows->items[at].is_certificate &&
	       strncmp(rows->items[at].name, first, (size_t)size) == 0;
}

/* -- reading ----------------------------------------------------------------------------------- */

struct acme_rows *acme_rows_create(const struct weir_database *database, struct config *config)
{
	struct acme_rows *rows = calloc(1, sizeof *rows);
	if (!rows)
		return NULL;
	rows->database = database;
	rows->config = config_hold(config);
	size_t count = config->acme.managed.count;
	rows->names = calloc(count + 1, sizeof *rows->names);
	if (!rows->names) {
		acme_rows_destroy(rows);
		return NULL;
	}
	if (count)
		memcpy(rows->names, config->acme.managed.items, count * sizeof *rows->names);
	qsort(rows->names, count, sizeof *rows->names, acme_rows_compare_names);
	return rows;
}

void acme_rows_destroy(struct acme_rows *rows)
{
	if (!rows)
		return;
	for (size_t i = 0; i < rows->count; i++)
		acme_row_finish(&rows->items[i]);
	free(rows->items);
	free(rows->names);
	config_release(rows->config);
	free(rows);
}

static bool acme_rows_manage(const struct acme_rows *rows, const char *name)
{
	return bsearch(&name, rows->names, rows->config->acme.managed.count, sizeof name,
	        acme_rows_compare_names);
}

static int acme_row_open(
        const struct acme_rows *rows, const struct acme_row_text *text, struct acme_row *row)
{
	if (!text->is_certificate)
		return weir_database_acme_content(
		        rows->database, text->name, text->content, &row->content);
	int error = weir_buffer_append(
	        &row->content, text->content.data, text->content.size, ACME_FILE_MAX);
	return error ? error
	             : weir_database_certificate_key(
	                       rows->database, text->name, text->key, &row->key);
}

/* A name that has a NUL in it, or is of no use here, is skipped. */
static int acme_rows_add(struct acme_rows *rows, const struct acme_row_text *text)
{
	char name[ACME_PATH_SIZE];
	if (!text_copy_span(name, sizeof name, text->name) || strlen(name) != text->name.size ||
	        !(text->is_certificate ? acme_rows_manage(rows, name) : acme_path_is_shared(name)))
		return 0;
	if (rows->count == ACME_ROWS_MAX)
		return WEIR_E_LIMIT;
	if ((rows->count & (rows->count - 1)) == 0) {
		size_t room = rows->count ? 2 * rows->count : 1;
		struct acme_row *grown = realloc(rows->items, room * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		rows->items = grown;
	}
	struct acme_row *row = &rows->items[rows->count++];
	*row = (struct acme_row){.is_certificate = text->is_certificate,
	        .name = strdup(name),
	        .changed_s = (int64_t)text->changed_s};
	return row->name ? acme_row_open(rows, text, row) : -ENOMEM;
}

int acme_rows_parse(
        struct acme_rows *rows, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct acme_row_text row = {.name = WEIR_SPAN("a row")};
	int error = 0;
	ret_why[0] = 0;
	while (error == 0 && text.size) {
		error = acme_row_next(&text, &row);
		if (error == 0)
			error = acme_rows_add(rows, &row);
	}
	if (error < 0)
		snprintf(ret_why, WEIR_POSTGRES_WHY_MAX, "%.*s: %s",
		        (int)min_of(row.name.size, (size_t)64), row.name.data,
		        store_secret_text(error));
	else
		acme_rows_sort(rows);
	return error;
}
