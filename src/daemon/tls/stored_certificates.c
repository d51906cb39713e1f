/*
 * Keys that are encrypted go to the key process as they are, with each request
 * (stored_signer.h). Others, and all without a key process, are read where certificates are made of
 * them, and erased then.
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
#include "stored_expiries.h"
#include "stored_rows.h"
#include "stored_signer.h"

/* The certificates of one version for one configuration. */
struct stored_set {
	const struct weir_database *database;
	struct config *config; /* held */
	struct weir_tls *of[SERVICE_COUNT];
	struct weir_buffer before;        /* the text in use, when it began */
	struct weir_buffer text;          /* of the rows that it is made of */
	struct stored_expiries *expiries; /* of those rows, or NULL */
	struct weir_buffer left_out;      /* a line for each row that cannot be used */
	size_t clear; /* rows whose keys are not encrypted, beside a key process */
};

struct stored_certificates {
	struct weir_loop *loop;
	struct weir_database *database;
	struct weir_database_snapshot *snapshot;
	struct config *config;   /* in use; NULL at first */
	struct weir_buffer text; /* of the rows in use, for the next configuration */
	bool has_text;
	struct stored_expiries *expiries; /* of those rows, or NULL */
	char *copy;                       /* the path, or NULL */
};

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
	struct weir_buffer keys[WEIR_TLS_CERTIFICATES_MAX]; /* empty: the key process has it */
	struct weir_span sealed[WEIR_TLS_CERTIFICATES_MAX]; /* for the key process */
	char *names[WEIR_TLS_CERTIFICATES_MAX];
	size_t count;
	size_t clear; /* keys that could be in the key process if they were encrypted */
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

/* Has those keys that are encrypted sign in the key process. Stores NULL if there is none. */
static int stored_items_sign(const struct stored_items *items, size_t first,
        const struct config *config, struct weir_tls_options *options,
        struct stored_signer **ret_signer)
{
	*ret_signer = NULL;
	options->certificates = &items->items[first];
	options->count = items->count - first;
	if (!config->tls.keys)
		return 0;
	options->sign = stored_signer_sign;
	options->sign_release = stored_signer_release;
	int error = stored_signer_create(config->tls.keys, options->count,
	        (const char *const *)&items->names[first], &items->sealed[first], ret_signer);
	options->sign_context = *ret_signer;
	return error;
}

/*
 * Whether the last certificate can be shown at all: it parses, and its key belongs to it. Returns
 * why it cannot, with the reason that the key process gave, if it gave one.
 */
static int stored_items_check(
        const struct stored_items *items, const struct config *config, char *why)
{
	struct stored_set_mistake mistake = {why};
	struct stored_signer *signer;
	struct weir_tls_options options;
	struct weir_tls *tls;
	weir_tls_options_init(&options);
	int error = stored_items_sign(items, items->count - 1, config, &options, &signer);
	if (error < 0)
		return error;
	options.sign_release = NULL;
	error = weir_tls_server_create(&options, stored_set_on_mistake, &mistake, &tls);
	if (error == 0)
		weir_tls_release(tls);
	int refused = stored_signer_error(signer);
	if (error < 0 && refused < 0 && refused != -EPERM) {
		why[0] = 0;
		error = refused;
	}
	stored_signer_release(signer);
	return error;
}

/* Whether the key process has the private key of a row. */
static bool stored_row_is_elsewhere(const struct stored_row *row, const struct config *config)
{
	return config->tls.keys && weir_database_is_sealed(row->key);
}

/* Adds nothing if it fails. */
static int stored_items_add(struct stored_items *items, const struct stored_set *set,
        const struct stored_row *row, char *why)
{
	bool elsewhere = stored_row_is_elsewhere(row, set->config);
	if (items->count == WEIR_TLS_CERTIFICATES_MAX)
		return WEIR_E_LIMIT;
	size_t i = items->count++;
	int error = elsewhere ? 0
	                      : weir_database_certificate_key(
	                                set->database, row->name, row->key, &items->keys[i]);
	items->sealed[i] = row->key;
	items->names[i] = weir_span_copy(row->name);
	if (error == 0 && !items->names[i])
		error = -ENOMEM;
	items->items[i] = (struct weir_tls_certificate){.chain = items->names[i],
	        .key = items->names[i],
	        .chain_pem = row->chain,
	        .key_pem = weir_buffer_span(&items->keys[i])};
	if (error == 0)
		error = stored_items_check(items, set->config, why);
	if (error < 0 && !why[0])
		snprintf(why, WEIR_POSTGRES_WHY_MAX, "%.*s: %s",
		        (int)min_of(row->name.size, (size_t)64), row->name.data,
		        store_secret_text(error));
	if (error < 0)
		stored_items_drop_last(items);
	else
		items->clear += set->config->tls.keys && !elsewhere;
	return error;
}

/* Whether the row may be good: it is to be loaded again. */
static bool stored_error_is_passing(int error)
{
	return error == -ENOMEM || error == -EAGAIN;
}

/* A row that cannot be used is left out, or is the one before of its name. */
static int stored_set_add(struct stored_set *set, struct stored_items *items,
        const struct stored_row *row, char *ret_why)
{
	char why[WEIR_POSTGRES_WHY_MAX] = "", ignored[WEIR_POSTGRES_WHY_MAX] = "";
	struct stored_row before;
	int error = stored_items_add(items, set, row, why);
	if (error == 0)
		return stored_row_put(row, &set->text);
	if (stored_error_is_passing(error) || error == WEIR_E_LIMIT) {
		text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, why);
		return error;
	}
	bool kept = stored_row_find(weir_buffer_span(&set->before), row->name, &before) &&
	            stored_items_add(items, set, &before, ignored) == 0;
	error = weir_buffer_format(&set->left_out, STORED_ROWS_BYTES, "%s%s\n", why,
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
		struct stored_signer *signer;
		if (!set->config->tls.of[i])
			continue;
		config_tls_options(set->config, i, &options);
		options.tickets = set->config->tls.of[i];
		error = stored_items_sign(items, 0, set->config, &options, &signer);
		if (error < 0)
			break;
		error = weir_tls_server_create(
		        &options, stored_set_on_mistake, &mistake, &set->of[i]);
		if (error < 0 && stored_error_is_passing(stored_signer_error(signer)))
			error = stored_signer_error(signer);
		if (error < 0)
			stored_signer_release(signer);
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
	if (error == 0)
		error = stored_expiries_read(weir_buffer_span(&set->text), &set->expiries);
	set->clear = items ? items->clear : 0;
	if (items)
		stored_items_free(items);
	if (error == -EAGAIN || (error < 0 && !ret_why[0]))
		text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, store_secret_text(error));
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
	stored_expiries_release(set->expiries);
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
	            STORED_ROWS_BYTES) == 0)
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
	if (set->clear)
		say_at(WEIR_LOG_WARNING,
		        "the private keys of %zu certificates in the database are not encrypted, so "
		        "this process has them: store them again, with 'secret-key-file'",
		        set->clear);
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
	stored_expiries_release(certificates->expiries);
	certificates->expiries = set->expiries;
	set->expiries = NULL;
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
        .bytes_max = STORED_ROWS_BYTES,
        .format = stored_row_format,
        .begin = stored_certificates_begin,
        .parse = stored_set_parse,
        .use = stored_certificates_on_set,
        .drop = stored_set_free,
        .report = stored_certificates_on_report,
        .copy = stored_rows_copy,
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
	int error = store_copy_path(config, STORE_SNAPSHOT_CERTIFICATES, &certificates->copy);
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

struct stored_expiries *stored_certificates_expiries(struct stored_certificates *certificates)
{
	struct stored_expiries *expiries = certificates ? certificates->expiries : NULL;
	if (expiries)
		expiries->references++;
	return expiries;
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
	stored_expiries_release(certificates->expiries);
	free(certificates->copy);
	free(certificates);
}
