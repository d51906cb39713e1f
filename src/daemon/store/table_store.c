/* The keys of `store`; see table.h. Nothing is connected here: the database may be away. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weir/base64.h>
#include <weir/error.h>
#include <weir/limits.h>

#include "config.h"
#include "helper.h"
#include "key_client.h"
#include "sources.h"
#include "store.h"
#include "table.h"
#include "types.h"

/* -- parts ------------------------------------------------------------------------------------- */

static bool store_parts_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	for (unsigned i = 0; i < STORE_PARTS; i++)
		if (strcmp(store_part_names[i], text) == 0) {
			*(unsigned *)target |= 1u << i;
			return true;
		}
	return reader_refuse(reader, key, text);
}

static void store_parts_read(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	if (node->type != NODE_LIST || node->count == 0) {
		reader_problem_at(
		        reader, node, "'%s' must be a list such as [users, mailboxes]", key->name);
		return;
	}
	for (size_t i = 0; i < node->count; i++) {
		const char *text = reader_text(reader, key->name, node->items[i]);
		if (text)
			store_parts_parse(reader, key, text, target);
	}
}

static void store_parts_print(FILE *to, const struct key *key, const void *value)
{
	const char *before = "[";
	(void)key;
	for (unsigned i = 0; i < STORE_PARTS; i++)
		if (*(const unsigned *)value & 1u << i) {
			fprintf(to, "%s%s", before, store_part_names[i]);
			before = ", ";
		}
	if (*before == ',')
		putc(']', to);
}

const struct type type_store_parts = {
        .what = "one of users, mailboxes, queue, zones and keys",
        .argument = "[PART, ...]",
        .size = sizeof(unsigned),
        .parse = store_parts_parse,
        .read = store_parts_read,
        .print = store_parts_print,
};

/* -- the section ------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_store
static const struct key store_keys[] = {
#include "store_keys.def"
        {0},
};
#undef KEYS_STRUCT

bool store_parse_seal(const char *text, unsigned char ret[STORE_SEAL_SIZE])
{
	unsigned char bytes[STORE_SEAL_SIZE];
	size_t size = 0;
	bool good =
	        weir_base64_decode(weir_span_of(text), (char *)bytes, sizeof bytes, &size) == 0 &&
	        size == sizeof bytes;
	if (good)
		memcpy(ret, bytes, sizeof bytes);
	explicit_bzero(bytes, sizeof bytes);
	return good;
}

void store_read_seal(struct reader *reader, const struct node *node, struct config_store *store)
{
	char text[STORE_SEAL_LINE] = "";
	int error = file_read_line(store->seal_path, text, sizeof text);
	if (error < 0)
		reader_problem_at(reader, node, "%s: %s", store->seal_path, weir_error_text(error));
	else if (!store_parse_seal(text, store->seal))
		reader_problem_at(reader, node, "%s: " STORE_SEAL_MISTAKE, store->seal_path);
	else
		store->sealed = true;
	explicit_bzero(text, sizeof text);
}

/* Has the key process encrypt, so that a mistake in its file shows before anything is served. */
static void store_try_keys(
        struct reader *reader, const struct node *node, const struct config *config)
{
	int error = config->tls.keys ? key_client_compare(config->tls.keys, config->tls.keys) : 0;
	if (error < 0)
		reader_problem_at(reader, node, "%s: %s", config->store.seal_path,
		        error == -ENOKEY ? "the key process cannot use it; the log says why"
		                         : store_secret_text(error));
}

/* The server gets no file that the key process has; see sources_leave. */
void table_store_check(struct reader *reader, const struct node *top)
{
	struct config *config = reader->config;
	const struct node *store = node_find(top, "store");
	const struct node *node =
	        store && store->type == NODE_MAPPING ? node_find(store, "secret-key-file") : NULL;
	const char *path = config->store.seal_path;
	bool elsewhere = config->tls.key_process;
	if (!path || (elsewhere ? reader_leaves_to_keys(reader, node, path)
	                        : reader_leaves(reader, node, path)))
		return;
	if (elsewhere && sources_replaying())
		store_try_keys(reader, node, config);
	else
		store_read_seal(reader, node, &config->store);
}

static void store_check_need(void *context, enum weir_postgres_need need, const char *text)
{
	(void)context, (void)need, (void)text;
}

static void store_check(struct reader *reader, struct node *node, void *target)
{
	struct config_store *store = target;
	struct weir_postgres_options options;
	char why[WEIR_POSTGRES_WHY_MAX];
	const struct node *url = node->type == NODE_MAPPING ? node_find(node, "url") : node;
	if (store->parts == 0)
		store->parts = (1u << STORE_PARTS) - 1;
	const struct node *file = node_find(node, "password-file");
	if (store->password_path && !reader_leaves(reader, file, store->password_path))
		store->password = reader_password(reader, file, store->password_path);
	store_options(reader->config, STORE_ANY_USER, &options);
	/* The file may be left unread; it goes before the environment nevertheless. */
	if (store->password_path && !options.password)
		options.password = "";
	if (store->url && weir_postgres_list_needs(&options, store_check_need, NULL, why) < 0)
		reader_problem_at(reader, url, "%s%s", why,
		        strstr(why, "PGPASSWORD") ? ", or the password into a 'password-file'"
		                                  : "");
}

static bool store_is_present(const void *target)
{
	return ((const struct config_store *)target)->url;
}

const struct section table_store = {
        .what = "a store",
        .keys = store_keys,
        .size = sizeof(struct config_store),
        .check = store_check,
        .is_present = store_is_present,
        .one_line = true,
        .doc = "A URL in place of the mapping, `store: postgres://...`, has everything in the "
               "database.",
};
