/*
 * The directory follows the rows; and what it has more is brought. Of two certificates for a name,
 * here and in the rows, the newer one stays (acme_certificate.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <weir/database_secrets.h>

#include "acme_certificate.h"
#include "acme_dns.h"
#include "acme_message.h"
#include "acme_proofs.h"
#include "acme_rows_state.h"
#include "helper.h"

/* -- certificates ------------------------------------------------------------------------------ */

/* Zeros of a pair that cannot be used for the name. */
static struct acme_validity acme_pair_validity(
        const char *name, struct weir_span chain, struct weir_span pem)
{
	struct acme_chain checked;
	return acme_pair_check(chain, pem, name, time(NULL), &checked) ? checked.validity
	                                                               : (struct acme_validity){0};
}

struct acme_pair {
	struct weir_buffer chain;
	struct weir_buffer key;
	struct acme_validity validity;
};

static void acme_pair_read(const struct acme_store *store, const char *name, struct acme_pair *ret)
{
	*ret = (struct acme_pair){0};
	if (acme_store_read_installed(store, name, &ret->chain, &ret->key) == 0)
		ret->validity = acme_pair_validity(
		        name, weir_buffer_span(&ret->chain), weir_buffer_span(&ret->key));
}

static void acme_pair_finish(struct acme_pair *pair)
{
	weir_buffer_finish(&pair->chain);
	weir_database_erase(&pair->key);
}

/* Zeros if there is no row. */
static struct acme_validity acme_row_validity(const struct acme_row *row)
{
	return row ? acme_pair_validity(row->name, weir_buffer_span(&row->content),
	                     weir_buffer_span(&row->key))
	           : (struct acme_validity){0};
}

static int acme_row_install(
        const struct acme_row *row, const struct acme_store *store, bool *ret_installed)
{
	struct acme_pair here;
	int error = 0;
	acme_pair_read(store, row->name, &here);
	if (acme_validity_is_newer(acme_row_validity(row), here.validity)) {
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
	walk.folder = ACME_ORDERS;
	acme_store_each(store, ACME_ORDERS, acme_walk_drop, &walk);
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

/* The order of a certificate that is brought is over. */
static void acme_rows_end_order(const struct acme_walk *walk, const char *name)
{
	char file[ACME_NAME_SIZE + 16], path[ACME_PATH_SIZE];
	acme_store_file_of(name, file, sizeof file);
	snprintf(path, sizeof path, ACME_ORDERS "/%s", file);
	if (!acme_rows_find(walk->rows, path, false))
		return;
	acme_store_remove(walk->store, path);
	walk->observer->changed(walk->observer->context, path, weir_span(NULL, 0));
}

static void acme_rows_bring_certificate(const struct acme_walk *walk, const char *name)
{
	struct acme_pair here;
	acme_pair_read(walk->store, name, &here);
	if (acme_validity_is_newer(
	            here.validity, acme_row_validity(acme_rows_find(walk->rows, name, true)))) {
		walk->observer->installed(walk->observer->context, name,
		        weir_buffer_span(&here.chain), weir_buffer_span(&here.key));
		acme_rows_end_order(walk, name);
	}
	acme_pair_finish(&here);
}

/* The removal of a proof of DNS-01 raises the serial of its zone, on all front ends. */
static void acme_rows_count_removal(const struct acme_walk *walk, const char *proof)
{
	const char *name = acme_proof_dns_name(proof);
	char path[ACME_PATH_SIZE];
	struct weir_buffer bytes = {0};
	if (!name || acme_dns_step_removed(walk->store, name, path) < 0)
		return;
	if (acme_store_read(walk->store, path, &bytes) == 0)
		walk->observer->changed(walk->observer->context, path, weir_buffer_span(&bytes));
	weir_buffer_finish(&bytes);
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
		                0) {
			observer->changed(
			        observer->context, rows->items[i].name, weir_span(NULL, 0));
			acme_rows_count_removal(&walk, rows->items[i].name);
		}
}
