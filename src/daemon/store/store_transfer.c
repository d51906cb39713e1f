/*
 * weir store import and export: which parts, from and into which files. weir/database_transfer.h
 * does the work.
 *
 * Invariant: a part of an export that has begun has the file .PART.unfinished until it has ended. A
 * part that is there without it may be in use, and is not touched.
 */
#include "store_transfer.h"

#include <errno.h>
#include <string.h>

#include <weir/database.h>
#include <weir/database_transfer.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "config.h"
#include "helper.h"
#include "options.h"
#include "say.h"
#include "store.h"
#include "store_files.h"
#include "store_progress.h"
#include "store_verb.h"
#include "store_zones.h"

#define TRANSFER_KEYS_FILE "tsig-keys.yaml"

struct store_transfer {
	struct store_verb verb;
	struct config *config;
	const struct store_transfer_request *request;
	struct store_progress progress;
	unsigned lacking; /* parts of the schema that are missing, by enum config_store_part */
};

struct store_transfer_part {
	enum config_store_part part;
	struct store_unit unit;
	const char *file; /* of the part in the directory of an export */
	bool is_directory;
	/* Whether the configuration names files of it. */
	bool (*is_in_files)(const struct config *config);
	bool (*import)(struct store_transfer *transfer);
	bool (*export)(struct store_transfer *transfer, const char *path);
};

/* -- the events of a transfer ------------------------------------------------------------------ */

static void transfer_on_progress(void *context, const struct weir_database_transfer_counts *counts)
{
	struct store_transfer *transfer = context;
	store_progress_note(&transfer->progress, counts);
}

static void transfer_on_problem(void *context, const char *what, const char *why)
{
	struct store_transfer *transfer = context;
	store_progress_clear(&transfer->progress);
	say("%s: %s: %s", transfer->progress.name, what, why);
}

static void transfer_on_done(void *context, int error, const char *text)
{
	struct store_transfer *transfer = context;
	store_progress_clear(&transfer->progress);
	transfer->verb.ended = true;
	transfer->verb.failed = error;
	if (error)
		say("%s: %s", transfer->progress.name, text);
}

static struct weir_database_transfer transfer_options(struct store_transfer *transfer)
{
	return (struct weir_database_transfer){
	        .database = transfer->verb.database,
	        .loop = transfer->verb.loop,
	        .progress = transfer_on_progress,
	        .problem = transfer_on_problem,
	        .done = transfer_on_done,
	        .context = transfer,
	};
}

/* Waits for a transfer; `error` is what has started it from the files in `path`. */
static bool transfer_wait(struct store_transfer *transfer, int error, const char *path)
{
	if (error == -EBUSY)
		say("%s: a process serves it: stop that first", path);
	else if (error < 0 && transfer->request->export)
		store_files_unwritten(path, error);
	else if (error < 0)
		store_files_unread(path, error);
	if (error < 0)
		return false;
	bool good = store_verb_wait(&transfer->verb, 0);
	store_progress_end(&transfer->progress);
	if (!good)
		say("%s: not all was %s; run this again to go on", transfer->progress.name,
		        transfer->progress.done);
	return good && !transfer->progress.counts.failed;
}

/* -- users and aliases ------------------------------------------------------------------------- */

static bool transfer_has_users(const struct config *config)
{
	return config->mail.users_path || config->ftp.users_path;
}

/* Aliases belong to the part of the users, and are counted by themselves. */
static void transfer_begin_aliases(struct store_transfer *transfer)
{
	store_progress_begin(&transfer->progress, store_part_names[STORE_USERS],
	        (struct store_unit){"alias", "aliases"}, transfer->progress.done);
}

/* Users go first, since targets of aliases are users. */
static bool transfer_import_users(struct store_transfer *transfer)
{
	struct store_users_files files = {0};
	const struct weir_database_transfer options = transfer_options(transfer);
	const struct weir_span none = weir_span(NULL, 0);
	bool good =
	        store_files_read_users(transfer->config, &files) &&
	        transfer_wait(transfer,
	                weir_database_import_users(&options, weir_buffer_span(&files.users), none),
	                "users");
	if (good && files.aliases.size) {
		transfer_begin_aliases(transfer);
		good = transfer_wait(transfer,
		        weir_database_import_users(
		                &options, none, weir_buffer_span(&files.aliases)),
		        "aliases");
	}
	store_files_free_users(&files);
	return good;
}

static bool transfer_export_users(struct store_transfer *transfer, const char *path)
{
	struct store_progress *progress = &transfer->progress;
	uint64_t users, aliases;
	if (!store_files_write_users(&transfer->verb, path, &users, &aliases))
		return false;
	progress->counts.moved = users;
	store_progress_end(progress);
	transfer_begin_aliases(transfer);
	progress->counts.moved = aliases;
	store_progress_end(progress);
	return true;
}

/* -- mailboxes and the queue ------------------------------------------------------------------- */

static bool transfer_has_mailboxes(const struct config *config)
{
	return config->mail.directory;
}

static bool transfer_import_mailboxes(struct store_transfer *transfer)
{
	struct weir_database_transfer options = transfer_options(transfer);
	const char *path = transfer->config->mail.directory;
	return transfer_wait(transfer, weir_database_import_mail(&options, path), path);
}

static bool transfer_export_mailboxes(struct store_transfer *transfer, const char *path)
{
	struct weir_database_transfer options = transfer_options(transfer);
	return transfer_wait(transfer, weir_database_export_mail(&options, path), path);
}

static bool transfer_has_queue(const struct config *config)
{
	return config->mail.relay.queue;
}

static bool transfer_import_queue(struct store_transfer *transfer)
{
	struct weir_database_transfer options = transfer_options(transfer);
	const char *path = transfer->config->mail.relay.queue;
	return transfer_wait(transfer, weir_database_import_queue(&options, path), path);
}

static bool transfer_export_queue(struct store_transfer *transfer, const char *path)
{
	struct weir_database_transfer options = transfer_options(transfer);
	return transfer_wait(transfer, weir_database_export_queue(&options, path), path);
}

/* -- zones and keys of TSIG -------------------------------------------------------------------- */

static bool transfer_has_zones(const struct config *config)
{
	for (size_t i = 0; i < config->dns.zones.count; i++)
		if (config->dns.zones.items[i].path && !config->dns.zones.items[i].primaries.count)
			return true;
	return false;
}

static bool transfer_has_keys(const struct config *config)
{
	return config->dns.keys.count;
}

static bool transfer_end_zones(struct store_transfer *transfer, bool good)
{
	store_progress_end(&transfer->progress);
	return good;
}

static bool transfer_import_zones(struct store_transfer *transfer)
{
	return transfer_end_zones(transfer,
	        store_zones_import(&transfer->verb, transfer->config, &transfer->progress.counts));
}

static bool transfer_export_zones(struct store_transfer *transfer, const char *path)
{
	return transfer_end_zones(
	        transfer, store_zones_export(&transfer->verb, path, &transfer->progress.counts));
}

static bool transfer_import_keys(struct store_transfer *transfer)
{
	return transfer_end_zones(transfer, store_zones_import_keys(&transfer->verb,
	                                            transfer->config, &transfer->progress.counts));
}

static bool transfer_export_keys(struct store_transfer *transfer, const char *path)
{
	return transfer_end_zones(
	        transfer, store_zones_export_keys(&transfer->verb, path, TRANSFER_KEYS_FILE,
	                          &transfer->progress.counts));
}

static const struct store_transfer_part transfer_parts[] = {
        {STORE_USERS, {"user", "users"}, "users", false, transfer_has_users, transfer_import_users,
                transfer_export_users},
        {STORE_MAILBOXES, {"message", "messages"}, "mail", true, transfer_has_mailboxes,
                transfer_import_mailboxes, transfer_export_mailboxes},
        {STORE_QUEUE, {"message", "messages"}, "queue", true, transfer_has_queue,
                transfer_import_queue, transfer_export_queue},
        {STORE_ZONES, {"zone", "zones"}, "zones", true, transfer_has_zones, transfer_import_zones,
                transfer_export_zones},
        {STORE_KEYS, {"key of TSIG", "keys of TSIG"}, TRANSFER_KEYS_FILE, false, transfer_has_keys,
                transfer_import_keys, transfer_export_keys},
};

enum {
	TRANSFER_PARTS = sizeof transfer_parts / sizeof *transfer_parts
};

/* -- words ------------------------------------------------------------------------------------- */

static bool transfer_is_url(const char *word)
{
	return strncmp(word, "postgres://", 11) == 0 || strncmp(word, "postgresql://", 13) == 0;
}

static unsigned transfer_find_part(const char *word)
{
	for (unsigned i = 0; i < TRANSFER_PARTS; i++)
		if (strcmp(store_part_names[transfer_parts[i].part], word) == 0)
			return 1u << transfer_parts[i].part;
	return 0;
}

int store_transfer_parse(bool export, int count, char **words, struct store_transfer_request *ret)
{
	*ret = (struct store_transfer_request){.export = export};
	for (int i = 0; i < count; i++) {
		unsigned part = transfer_find_part(words[i]);
		if (part)
			ret->parts |= part;
		else if (transfer_is_url(words[i]) && !ret->url)
			ret->url = words[i];
		else if (export && !ret->directory)
			ret->directory = words[i];
		else if (export && !transfer_is_url(words[i]))
			return usage_error("store",
			        "one of '%s' and '%s' is no part: users, mailboxes, queue, zones "
			        "or keys",
			        ret->directory, words[i]);
		else
			return usage_error("store",
			        "'%s' is no part: users, mailboxes, queue, zones or keys",
			        words[i]);
	}
	if (export && !ret->directory)
		return usage_error("store", "export needs a DIRECTORY%s", "");
	return 0;
}

/* -- running ----------------------------------------------------------------------------------- */

static void transfer_on_part(void *context, const struct weir_database_part *part)
{
	struct store_transfer *transfer = context;
	for (unsigned i = 0; i < STORE_PARTS; i++)
		if (strcmp(store_part_names[i], part->name) == 0 && store_part_lack(part))
			transfer->lacking |= 1u << i;
}

static void transfer_on_looked(void *context, int error, const char *text)
{
	store_verb_done(&((struct store_transfer *)context)->verb, error, text);
}

static bool transfer_look(struct store_transfer *transfer)
{
	struct store_verb *verb = &transfer->verb;
	return store_verb_wait(verb, weir_database_look(verb->database, verb->loop,
	                                     transfer_on_part, transfer_on_looked, transfer));
}

static bool transfer_export_part(
        struct store_transfer *transfer, const struct store_transfer_part *part)
{
	struct store_export export;
	const char *name = store_part_names[part->part];
	if (!store_files_begin_export(
	            transfer->request->directory, name, part->file, part->is_directory, &export))
		return false;
	bool good = part->export(
	        transfer, part->is_directory ? export.path : transfer->request->directory);
	return store_files_end_export(&export, good) && good;
}

static bool transfer_run_part(
        struct store_transfer *transfer, const struct store_transfer_part *part)
{
	const char *name = store_part_names[part->part];
	bool export = transfer->request->export;
	if (transfer->lacking >> part->part & 1) {
		say("%s: the tables are not there, or not of this version: run `weir store init` "
		    "or `weir store migrate`",
		        name);
		return false;
	}
	if (!export && !part->is_in_files(transfer->config)) {
		say("%s: the configuration names no files of them", name);
		return false;
	}
	store_progress_begin(
	        &transfer->progress, name, part->unit, export ? "exported" : "imported");
	return export ? transfer_export_part(transfer, part) : part->import(transfer);
}

/* Without words: all parts, or all that are in files. */
static unsigned transfer_choose(const struct store_transfer *transfer)
{
	unsigned parts = transfer->request->parts;
	for (unsigned i = 0; i < TRANSFER_PARTS && !transfer->request->parts; i++)
		if (transfer->request->export || transfer_parts[i].is_in_files(transfer->config))
			parts |= 1u << transfer_parts[i].part;
	return parts;
}

static bool transfer_run_parts(struct store_transfer *transfer)
{
	unsigned parts = transfer_choose(transfer);
	bool good = true;
	if (!parts)
		say("there is nothing to import: the configuration names no files of users, mail, "
		    "a queue or zones");
	if (transfer->request->export && !store_files_make_export(transfer->request->directory))
		return false;
	for (unsigned i = 0; i < TRANSFER_PARTS; i++)
		if (parts >> transfer_parts[i].part & 1)
			good = transfer_run_part(transfer, &transfer_parts[i]) && good;
	return good && parts;
}

static void transfer_need_nothing(void *context, enum weir_postgres_need need, const char *text)
{
	(void)context, (void)need, (void)text;
}

static bool transfer_use_url(struct config *config, const char *url)
{
	struct weir_postgres_options options;
	char why[WEIR_POSTGRES_WHY_MAX];
	config->store.url = url;
	store_options(config, STORE_ANY_USER, &options);
	if (weir_postgres_list_needs(&options, transfer_need_nothing, NULL, why) == 0)
		return true;
	say("cannot use the database: %s", why);
	return false;
}

bool store_transfer_run(const struct store_transfer_request *request, struct config *config)
{
	struct store_transfer transfer = {.config = config, .request = request};
	bool good = false;
	if (request->url && !transfer_use_url(config, request->url))
		return false;
	if (store_verb_begin(&transfer.verb, config) == 0)
		good = transfer_look(&transfer) && transfer_run_parts(&transfer);
	store_verb_finish(&transfer.verb);
	return good;
}
