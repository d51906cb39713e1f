/*
 * The text of the snapshot has a head for each row, "NAME CHAIN-SIZE KEY-SIZE", then the chain and the
 * key as it is stored. Keys are decrypted where certificates are made of them, and erased then.
 */
#include "stored_certificates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_certificates.h>
#include <weir/database_secrets.h>
#include <weir/database_snapshot.h>
#include <weir/error.h>
#include <weir/loop.h>
#include <weir/tls.h>

#include "config_tls.h"
#include "helper.h"
#include "say.h"
#include "service.h"
#include "store.h"

enum {
	STORED_CERTIFICATES_BYTES = 64 * 1024 * 1024, /* of the text of all */
};

/* The certificates of one version for one configuration. */
struct stored_set {
	const struct weir_database *database;
	struct config *config; /* held */
	struct weir_tls *of[SERVICE_COUNT];
	struct weir_buffer before;   /* the text in use, when it began */
	struct weir_buffer text;     /* of the rows that it is made of */
	struct weir_buffer left_out; /* a line for each row that cannot be used */
};

struct stored_certificates {
	struct weir_loop *loop;
	struct weir_database *database;
	struct weir_database_snapshot *snapshot;
	struct config *config;   /* in use; NULL at first */
	struct weir_buffer text; /* of the rows in use, for the next configuration */
	bool has_text;
	char *copy; /* the path, or NULL */
};

/* -- the text ---------------------------------------------------------------------------------- */

struct stored_row {
	struct weir_span name, chain, key;
};

static int stored_row_put(const struct stored_row *row, struct weir_buffer *text)
{
	int error = weir_buffer_format(text, STORED_CERTIFICATES_BYTES, "%.*s %zu %zu\n",
	        (int)row->name.size, row->name.data, row->chain.size, row->key.size);
	struct weir_span parts[] = {row->chain, row->key};
	return error ? error : buffer_append_spans(text, parts, 2, STORED_CERTIFICATES_BYTES);
}

static int stored_set_format(const struct weir_postgres_row *row, struct weir_buffer *text,
        char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct stored_row put = {weir_postgres_row_value(row, 0), weir_postgres_row_value(row, 1),
	        weir_postgres_row_value(row, 2)};
	if (put.name.size == 0 || memchr(put.name.data, ' ', put.name.size) ||
	        memchr(put.name.data, '\n', put.name.size)) {
		text_copy(ret_why, WEIR_POSTGRES_WHY_MAX,
		        "the name of a certificate has a space or a line end");
		return WEIR_E_SYNTAX;
	}
	return stored_row_put(&put, text);
}

/* Cuts the next row of the text. Returns false at its end. */
static bool stored_row_next(struct weir_span *rest, struct stored_row *ret)
{
	struct weir_span head, chain_size, key_size;
	uint64_t chain, key;
	if (!weir_span_cut(rest, '\n', &head))
		return false;
	weir_span_cut(&head, ' ', &ret->name);
	weir_span_cut(&head, ' ', &chain_size);
	key_size = head;
	if (weir_span_number(chain_size, 10, &chain) < 0 ||
	        weir_span_number(key_size, 10, &key) < 0 || chain > rest->size ||
	        key > rest->size - chain)
		return false;
	ret->chain = weir_span(rest->data, (size_t)chain);
	ret->key = weir_span(rest->data + chain, (size_t)key);
	*rest = weir_span_skip(*rest, (size_t)(chain + key));
	return true;
}

static int stored_set_copy(struct weir_span text, struct weir_buffer *copy, size_t *ret_left_out)
{
	struct stored_row row;
	size_t left_out = 0;
	int error = 0;
	while (error == 0 && stored_row_next(&text, &row))
		if (weir_database_is_sealed(row.key))
			error = stored_row_put(&row, copy);
		else
			left_out++;
	*ret_left_out = left_out;
	return error;
}

static bool stored_row_find(struct weir_span text, struct weir_span name, struct stored_row *ret)
{
	while (stored_row_next(&text, ret))
		if (weir_span_equal(ret->name, name))
			return true;
	return false;
}

/* -- a set ------------------------------------------------------------------------------------- */

struct stored_set_mistake {
	char *why; /* WEIR_POSTGRES_WHY_MAX bytes; empty before the first mistake */
};

static void stored_set_on_mistake(void *context, const char *path, const char *text)
{
	const struct stored_set_mistake *mistake = context;
	if (!mistake->why[0])
		snprintf(mistake->why, WEIR_POSTGRES_WHY_MAX, "%.64s: %.160s", path, text);
}

struct stored_items {
	struct weir_tls_certificate items[WEIR_TLS_CERTIFICATES_MAX];
	struct weir_buffer keys[WEIR_TLS_CERTIFICATES_MAX];
	char *names[WEIR_TLS_CERTIFICATES_MAX];
	size_t count;
};

static void stored_items_free(struct stored_items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		weir_database_erase(&items->keys[i]);
		free(items->names[i]);
	}
	free(items);
}

static void stored_items_drop_last(struct stored_items *items)
{
	size_t last = --items->count;
	weir_database_erase(&items->keys[last]);
	free(items->names[last]);
	items->names[last] = NULL;
}

/* Whether the certificate can be shown at all: it parses, and its key belongs to it. */
static int stored_items_check(const struct weir_tls_certificate *item, char *why)
{
	struct stored_set_mistake mistake = {why};
	struct weir_tls_options options;
	struct weir_tls *tls;
	weir_tls_options_init(&options);
	options.certificates = item;
	options.count = 1;
	int error = weir_tls_server_create(&options, stored_set_on_mistake, &mistake, &tls);
	if (error == 0)
		weir_tls_release(tls);
	return error;
}

/* Adds nothing if it fails. */
static int stored_items_add(struct stored_items *items, const struct weir_database *database,
        const struct stored_row *row, char *why)
{
	if (items->count == WEIR_TLS_CERTIFICATES_MAX)
		return WEIR_E_LIMIT;
	size_t i = items->count++;
	int error = weir_database_certificate_key(database, row->name, row->key, &items->keys[i]);
	items->names[i] = weir_span_copy(row->name);
	if (error == 0 && !items->names[i])
		error = -ENOMEM;
	items->items[i] = (struct weir_tls_certificate){.chain = items->names[i],
	        .key = items->names[i],
	        .chain_pem = row->chain,
	        .key_pem = weir_buffer_span(&items->keys[i])};
	if (error == 0)
		error = stored_items_check(&items->items[i], why);
	if (error < 0 && !why[0])
		snprintf(why, WEIR_POSTGRES_WHY_MAX, "%.*s: %s",
		        (int)min_of(row->name.size, (size_t)64), row->name.data,
		        store_secret_text(error));
	if (error < 0)
		stored_items_drop_last(items);
	return error;
}

/* A row that cannot be used is left out, or is the one before of its name. */
static int stored_set_add(struct stored_set *set, struct stored_items *items,
        const struct stored_row *row, char *ret_why)
{
	char why[WEIR_POSTGRES_WHY_MAX] = "", ignored[WEIR_POSTGRES_WHY_MAX] = "";
	struct stored_row before;
	int error = stored_items_add(items, set->database, row, why);
	if (error == 0)
		return stored_row_put(row, &set->text);
	if (error == -ENOMEM || error == WEIR_E_LIMIT) {
		text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, why);
		return error;
	}
	bool kept = stored_row_find(weir_buffer_span(&set->before), row->name, &before) &&
	            stored_items_add(items, set->database, &before, ignored) == 0;
	error = weir_buffer_format(&set->left_out, STORED_CERTIFICATES_BYTES, "%s%s\n", why,
	        kept ? "; the one before stays in use" : "");
	return error < 0 || !kept ? error : stored_row_put(&before, &set->text);
}

/* For each service with TLS; of no certificates, it has none. */
static int stored_set_make(struct stored_set *set, const struct stored_items *items, char *why)
{
	struct stored_set_mistake mistake = {why};
	int error = 0;
	for (unsigned i = 0; i < SERVICE_COUNT && error == 0 && items->count; i++) {
		struct weir_tls_options options;
		if (!set->config->tls.of[i])
			continue;
		config_tls_options(set->config, i, &options);
		options.certificates = items->items;
		options.count = items->count;
		options.tickets = set->config->tls.of[i];
		error = weir_tls_server_create(
		        &options, stored_set_on_mistake, &mistake, &set->of[i]);
	}
	return error;
}

/* On the work pool, and on the main thread for another configuration. */
static int stored_set_parse(
        void *object, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct stored_set *set = object;
	struct stored_items *items = calloc(1, sizeof *items);
	struct stored_row row;
	int error = items ? 0 : -ENOMEM;
	ret_why[0] = 0;
	while (error == 0 && stored_row_next(&text, &row))
		error = stored_set_add(set, items, &row, ret_why);
	if (error == 0)
		error = stored_set_make(set, items, ret_why);
	if (items)
		stored_items_free(items);
	if (error < 0 && !ret_why[0])
		text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, weir_error_text(error));
	return error;
}

static void stored_set_free(void *object)
{
	struct stored_set *set = object;
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		weir_tls_release(set->of[i]);
	weir_database_erase(&set->before);
	weir_database_erase(&set->text);
	weir_buffer_finish(&set->left_out);
	config_release(set->config);
	free(set);
}

static struct stored_set *stored_set_create(struct stored_certificates *certificates)
{
	struct stored_set *set = calloc(1, sizeof *set);
	if (!set)
		return NULL;
	set->database = certificates->database;
	set->config = config_hold(certificates->config);
	if (weir_buffer_append(&set->before, certificates->text.data, certificates->text.size,
	            STORED_CERTIFICATES_BYTES) == 0)
		return set;
	stored_set_free(set);
	return NULL;
}

static void stored_set_report(const struct stored_set *set)
{
	struct weir_span rest = weir_buffer_span(&set->left_out), line;
	while (rest.size) {
		weir_span_cut(&rest, '\n', &line);
		say_at(WEIR_LOG_WARNING,
		        "the database has a row that is left out: certificate %.*s", (int)line.size,
		        line.data);
	}
}

static void stored_set_show(const struct stored_set *set)
{
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		if (set->config->tls.of[i])
			weir_tls_set_more(set->config->tls.of[i], set->of[i]);
}

/* -- the snapshot ------------------------------------------------------------------------------ */

static void *stored_certificates_begin(void *context)
{
	return stored_set_create(context);
}

/* Makes a set for the configuration in use, of the text. */
static void stored_certificates_make(struct stored_certificates *certificates)
{
	char why[WEIR_POSTGRES_WHY_MAX] = "";
	struct stored_set *set = stored_set_create(certificates);
	int error =
	        set ? stored_set_parse(set, weir_buffer_span(&certificates->text), why) : -ENOMEM;
	if (error == 0)
		stored_set_show(set);
	else
		say("the certificates of the database are not in use: %s",
		        why[0] ? why : weir_error_text(error));
	if (set)
		stored_set_free(set);
}

static void stored_certificates_on_set(void *context, void *object, struct weir_buffer *text)
{
	struct stored_certificates *certificates = context;
	struct stored_set *set = object;
	weir_database_erase(text);
	weir_database_erase(&certificates->text);
	certificates->text = set->text;
	set->text = (struct weir_buffer){0};
	certificates->has_text = true;
	stored_set_report(set);
	/* A reload may have come in between. */
	if (set->config == certificates->config)
		stored_set_show(set);
	else
		stored_certificates_make(certificates);
	stored_set_free(set);
}

static void stored_certificates_on_report(void *context, const char *why)
{
	(void)context;
	if (why)
		say_at(WEIR_LOG_WARNING, "the certificates are not renewed from the database: %s",
		        why);
	else
		say_at(WEIR_LOG_INFO, "the certificates are renewed from the database");
}

static const struct weir_database_snapshot_type stored_certificates_type = {
        .name = WEIR_DATABASE_CERTIFICATES_SNAPSHOT,
        .select = WEIR_DATABASE_CERTIFICATES_SELECT,
        .bytes_max = STORED_CERTIFICATES_BYTES,
        .format = stored_set_format,
        .begin = stored_certificates_begin,
        .parse = stored_set_parse,
        .use = stored_certificates_on_set,
        .drop = stored_set_free,
        .report = stored_certificates_on_report,
        .copy = stored_set_copy,
        .warn = store_on_copy_warning,
};

/* -- life -------------------------------------------------------------------------------------- */

int stored_certificates_create(
        struct weir_loop *loop, const struct config *config, struct stored_certificates **ret)
{
	*ret = NULL;
	if (!store_has(config, STORE_KEYS))
		return 0;
	struct stored_certificates *certificates = calloc(1, sizeof *certificates);
	if (!certificates) {
		say("out of memory");
		return -ENOMEM;
	}
	certificates->loop = loop;
	certificates->database = config->store.database;
	int error = store_copy_path(config, "certificates", &certificates->copy);
	if (error < 0)
		stored_certificates_destroy(certificates);
	else
		*ret = certificates;
	return error;
}

/* Begins with the first configuration that has certificates: a set is made for one. */
static void stored_certificates_follow(struct stored_certificates *certificates)
{
	struct weir_database_snapshot_options options;
	weir_database_snapshot_options_init(&options);
	options.type = &stored_certificates_type;
	options.context = certificates;
	options.copy = certificates->copy;
	int error = weir_database_snapshot_create(
	        certificates->database, certificates->loop, &options, &certificates->snapshot);
	if (error < 0)
		say("the certificates of the database are not in use: %s", weir_error_text(error));
}

void stored_certificates_use(struct stored_certificates *certificates, struct config *config)
{
	if (!certificates || certificates->config == config)
		return;
	config_release(certificates->config);
	certificates->config = config_hold(config);
	if (!certificates->snapshot && config_tls_any(config))
		stored_certificates_follow(certificates);
	if (certificates->has_text)
		stored_certificates_make(certificates);
}

bool stored_certificates_info(
        const struct stored_certificates *certificates, struct weir_database_snapshot_info *ret)
{
	if (!certificates || !certificates->snapshot)
		return false;
	weir_database_snapshot_info(certificates->snapshot, ret);
	return true;
}

void stored_certificates_poll(struct stored_certificates *certificates)
{
	if (certificates && certificates->snapshot)
		weir_database_snapshot_poll(certificates->snapshot);
}

void stored_certificates_destroy(struct stored_certificates *certificates)
{
	if (!certificates)
		return;
	weir_database_snapshot_destroy(certificates->snapshot);
	config_release(certificates->config);
	weir_database_erase(&certificates->text);
	free(certificates->copy);
	free(certificates);
}
