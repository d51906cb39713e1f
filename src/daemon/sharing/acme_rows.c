/*
 * The text has a head for each row, "KIND SECONDS NAME-SIZE CONTENT-SIZE KEY-SIZE"; the three
 * follow it.
 *
 * Of two certificates for a name, here and in the rows, the one that expires later is the newer.
 */
#include "acme_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/database_acme.h>
#include <weir/database_certificates.h>
#include <weir/database_secrets.h>
#include <weir/error.h>

#include "acme_certificate.h"
#include "acme_message.h"
#include "helper.h"
#include "store.h"

struct acme_row {
	bool is_certificate;
	char *name; /* or the path */
	struct weir_buffer content;
	struct weir_buffer key;
	int64_t changed_s;
};

struct acme_rows {
	const struct weir_database *database;
	struct config *config; /* held */
	struct acme_row *items;
	size_t count;
};

/* -- paths ------------------------------------------------------------------------------------- */

static const char *const acme_shared_folders[] = {
        ACME_ACCOUNTS "/", ACME_STATES "/", ACME_CHALLENGES "/", ACME_SERIALS "/"};

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

/* Cuts the next row of the text. Returns false at its end. */
static bool acme_row_next(struct weir_span *rest, struct acme_row_text *ret)
{
	struct weir_span head, kind;
	uint64_t sizes[3];
	if (!weir_span_cut(rest, '\n', &head))
		return false;
	weir_span_cut(&head, ' ', &kind);
	if (!acme_row_number(&head, &ret->changed_s) || !acme_row_number(&head, &sizes[0]) ||
	        !acme_row_number(&head, &sizes[1]) || !acme_row_number(&head, &sizes[2]) ||
	        sizes[0] > rest->size || sizes[1] > rest->size - sizes[0] ||
	        sizes[2] > rest->size - sizes[0] - sizes[1])
		return false;
	ret->is_certificate = weir_span_equal(kind, WEIR_SPAN("certificate"));
	ret->name = weir_span(rest->data, (size_t)sizes[0]);
	ret->content = weir_span(rest->data + sizes[0], (size_t)sizes[1]);
	ret->key = weir_span(rest->data + sizes[0] + sizes[1], (size_t)sizes[2]);
	*rest = weir_span_skip(*rest, (size_t)(sizes[0] + sizes[1] + sizes[2]));
	return true;
}

/* -- reading ----------------------------------------------------------------------------------- */

struct acme_rows *acme_rows_create(const struct weir_database *database, struct config *config)
{
	struct acme_rows *rows = calloc(1, sizeof *rows);
	if (!rows)
		return NULL;
	rows->database = database;
	rows->config = config_hold(config);
	return rows;
}

void acme_rows_destroy(struct acme_rows *rows)
{
	if (!rows)
		return;
	for (size_t i = 0; i < rows->count; i++) {
		free(rows->items[i].name);
		weir_database_erase(&rows->items[i].content);
		weir_database_erase(&rows->items[i].key);
	}
	free(rows->items);
	config_release(rows->config);
	free(rows);
}

static bool acme_rows_manage(const struct acme_rows *rows, const char *name)
{
	for (size_t i = 0; i < rows->config->acme.managed.count; i++)
		if (strcmp(rows->config->acme.managed.items[i], name) == 0)
			return true;
	return false;
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
	struct acme_row_text row;
	int error = 0;
	ret_why[0] = 0;
	while (error == 0 && acme_row_next(&text, &row))
		error = acme_rows_add(rows, &row);
	if (error < 0)
		snprintf(ret_why, WEIR_POSTGRES_WHY_MAX, "%.*s: %s",
		        (int)min_of(row.name.size, (size_t)64), row.name.data,
		        store_secret_text(error));
	return error;
}

static const struct acme_row *acme_rows_find(
        const struct acme_rows *rows, const char *name, bool is_certificate)
{
	for (size_t i = 0; i < rows->count; i++)
		if (rows->items[i].is_certificate == is_certificate &&
		        strcmp(rows->items[i].name, name) == 0)
			return &rows->items[i];
	return NULL;
}

/* Whether a row is in a folder, such as "accounts/x". */
static bool acme_rows_have_folder(const struct acme_rows *rows, const char *folder)
{
	size_t size = strlen(folder);
	for (size_t i = 0; i < rows->count; i++)
		if (!rows->items[i].is_certificate &&
		        strncmp(rows->items[i].name, folder, size) == 0 &&
		        rows->items[i].name[size] == '/')
			return true;
	return false;
}

/* -- certificates ------------------------------------------------------------------------------ */

/* When a pair ends that can be used for the name; 0 if it cannot. */
static int64_t acme_pair_expires_s(const char *name, struct weir_span chain, struct weir_span pem)
{
	struct acme_chain checked;
	return acme_pair_check(chain, pem, name, time(NULL), &checked) ? checked.expires_s : 0;
}

struct acme_pair {
	struct weir_buffer chain;
	struct weir_buffer key;
	int64_t expires_s; /* 0: there is none, or it cannot be used */
};

static void acme_pair_read(const struct acme_store *store, const char *name, struct acme_pair *ret)
{
	*ret = (struct acme_pair){0};
	if (acme_store_read_installed(store, name, &ret->chain, &ret->key) == 0)
		ret->expires_s = acme_pair_expires_s(
		        name, weir_buffer_span(&ret->chain), weir_buffer_span(&ret->key));
}

static void acme_pair_finish(struct acme_pair *pair)
{
	weir_buffer_finish(&pair->chain);
	weir_database_erase(&pair->key);
}

static int64_t acme_row_expires_s(const struct acme_row *row)
{
	return row ? acme_pair_expires_s(row->name, weir_buffer_span(&row->content),
	                     weir_buffer_span(&row->key))
	           : 0;
}

static int acme_row_install(
        const struct acme_row *row, const struct acme_store *store, bool *ret_installed)
{
	struct acme_pair here;
	int error = 0;
	acme_pair_read(store, row->name, &here);
	if (acme_row_expires_s(row) > here.expires_s) {
		error = acme_store_install(store, row->name, weir_buffer_span(&row->content),
		        weir_buffer_span(&row->key));
		*ret_installed |= error == 0;
	}
	acme_pair_finish(&here);
	return error;
}

/* -- files ------------------------------------------------------------------------------------- */

static int acme_row_write(
        const struct acme_row *row, const struct acme_store *store, bool *ret_changed)
{
	char folder[ACME_PATH_SIZE];
	struct weir_buffer here = {0};
	struct weir_span wanted = weir_buffer_span(&row->content);
	bool same = acme_store_read(store, row->name, &here) == 0 &&
	            weir_span_equal(weir_buffer_span(&here), wanted);
	weir_database_erase(&here);
	if (same)
		return 0;
	text_copy(folder, sizeof folder, row->name);
	*strrchr(folder, '/') = 0;
	int error = acme_store_make_folder(store, folder);
	if (error == 0)
		error = acme_store_write(store, row->name, wanted);
	if (error < 0)
		return error;
	acme_store_set_written(store, row->name, row->changed_s * 1000000000);
	*ret_changed |= strncmp(row->name, ACME_STATES "/", sizeof ACME_STATES) == 0;
	return 0;
}

struct acme_walk {
	const struct acme_rows *rows;
	const struct acme_store *store;
	const struct acme_store_observer *observer; /* of acme_rows_bring */
	const char *folder;
};

/* Stores the path of a file; "" if it cannot be shared. */
static void acme_walk_path(const struct acme_walk *walk, const char *name, char *path)
{
	int size = snprintf(path, ACME_PATH_SIZE, "%s/%s", walk->folder, name);
	if (size >= ACME_PATH_SIZE || !acme_path_is_shared(path))
		*path = 0;
}

static void acme_walk_drop(void *context, int directory, const char *name)
{
	const struct acme_walk *walk = context;
	char path[ACME_PATH_SIZE];
	(void)directory;
	acme_walk_path(walk, name, path);
	if (*path && !acme_rows_find(walk->rows, path, false))
		acme_store_remove(walk->store, path);
}

static void acme_walk_drop_account(void *context, int directory, const char *name)
{
	struct acme_walk walk = *(const struct acme_walk *)context;
	char folder[ACME_PATH_SIZE];
	(void)directory;
	if (snprintf(folder, sizeof folder, ACME_ACCOUNTS "/%s", name) >= (int)sizeof folder ||
	        !acme_rows_have_folder(walk.rows, folder))
		return;
	walk.folder = folder;
	acme_store_each(walk.store, folder, acme_walk_drop, &walk);
}

int acme_rows_apply(
        const struct acme_rows *rows, const struct acme_store *store, struct acme_rows_changes *ret)
{
	struct acme_walk walk = {.rows = rows, .store = store, .folder = ACME_CHALLENGES};
	int error = 0;
	*ret = (struct acme_rows_changes){0};
	for (size_t i = 0; i < rows->count; i++) {
		const struct acme_row *row = &rows->items[i];
		int failed = row->is_certificate ? acme_row_install(row, store, &ret->installed)
		                                 : acme_row_write(row, store, &ret->states);
		error = error ? error : failed;
	}
	acme_store_each(store, ACME_CHALLENGES, acme_walk_drop, &walk);
	acme_store_each(store, ACME_ACCOUNTS, acme_walk_drop_account, &walk);
	return error;
}

/* -- bringing ---------------------------------------------------------------------------------- */

static void acme_walk_bring(void *context, int directory, const char *name)
{
	const struct acme_walk *walk = context;
	char path[ACME_PATH_SIZE];
	struct weir_buffer bytes = {0};
	(void)directory;
	acme_walk_path(walk, name, path);
	if (!*path || acme_rows_find(walk->rows, path, false))
		return;
	if (acme_store_read(walk->store, path, &bytes) == 0)
		walk->observer->changed(walk->observer->context, path, weir_buffer_span(&bytes));
	weir_database_erase(&bytes);
}

static void acme_walk_bring_account(void *context, int directory, const char *name)
{
	struct acme_walk walk = *(const struct acme_walk *)context;
	char folder[ACME_PATH_SIZE];
	(void)directory;
	if (snprintf(folder, sizeof folder, ACME_ACCOUNTS "/%s", name) >= (int)sizeof folder ||
	        acme_rows_have_folder(walk.rows, folder))
		return;
	walk.folder = folder;
	acme_store_each(walk.store, folder, acme_walk_bring, &walk);
}

static void acme_rows_bring_state(const struct acme_walk *walk, const char *name)
{
	char file[ACME_NAME_SIZE + 16];
	struct acme_walk states = *walk;
	states.folder = ACME_STATES;
	acme_store_file_of(name, file, sizeof file);
	acme_walk_bring(&states, -1, file);
}

static void acme_rows_bring_certificate(const struct acme_walk *walk, const char *name)
{
	struct acme_pair here;
	acme_pair_read(walk->store, name, &here);
	if (here.expires_s > acme_row_expires_s(acme_rows_find(walk->rows, name, true)))
		walk->observer->installed(walk->observer->context, name,
		        weir_buffer_span(&here.chain), weir_buffer_span(&here.key));
	acme_pair_finish(&here);
}

void acme_rows_bring(const struct acme_rows *rows, const struct acme_store *store,
        const struct acme_store_observer *observer)
{
	struct acme_walk walk = {.rows = rows, .store = store, .observer = observer};
	for (size_t i = 0; i < rows->config->acme.managed.count; i++) {
		acme_rows_bring_state(&walk, rows->config->acme.managed.items[i]);
		acme_rows_bring_certificate(&walk, rows->config->acme.managed.items[i]);
	}
	walk.folder = ACME_SERIALS;
	acme_store_each(store, ACME_SERIALS, acme_walk_bring, &walk);
	acme_store_each(store, ACME_ACCOUNTS, acme_walk_bring_account, &walk);
	/* Only the holder has proofs, and it has none yet: these are of one that died. */
	acme_store_clear(store, ACME_CHALLENGES);
	for (size_t i = 0; i < rows->count; i++)
		if (!rows->items[i].is_certificate &&
		        strncmp(rows->items[i].name, ACME_CHALLENGES "/", sizeof ACME_CHALLENGES) ==
		                0)
			observer->changed(
			        observer->context, rows->items[i].name, weir_span(NULL, 0));
}
