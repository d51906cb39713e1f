/*
 * The value of `admin`: the path of a Unix socket, an address, or a list of one of each. A value
 * with a slash is a path, and so is one that is no address.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/users.h>

#include "admin.h"
#include "config.h"
#include "config_admin.h"
#include "helper.h"
#include "say.h"
#include "types.h"

/* -- the value --------------------------------------------------------------------------------- */

static bool admin_parse_path(
        struct reader *reader, const struct key *key, const char *text, struct config_admin *admin)
{
	if (admin->path) {
		reader_problem(reader, "%s has two paths; one socket is enough", reader->name);
		return false;
	}
	return type_socket.parse(reader, key, text, &admin->path);
}

static bool admin_parse_one(
        struct reader *reader, const struct key *key, const char *text, struct config_admin *admin)
{
	struct weir_address address;
	if (strchr(text, '/') || !type_parse_address(text, 0, &address))
		return admin_parse_path(reader, key, text, admin);
	if (admin->listens) {
		reader_problem(reader, "%s has two addresses; one is allowed", reader->name);
		return false;
	}
	admin->address = address;
	admin->listens = true;
	return true;
}

static void admin_clear(struct config_admin *admin)
{
	admin->path = NULL;
	admin->listens = false;
	memset(&admin->address, 0, sizeof admin->address);
}

static bool admin_parse_value(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	admin_clear(target);
	return admin_parse_one(reader, key, text, target);
}

static void admin_read(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	admin_clear(target);
	if (node->type == NODE_LIST && (node->count < 1 || node->count > 2)) {
		reader_problem_at(
		        reader, node, "'%s' has a path, an address, or one of each", key->name);
		return;
	}
	for (size_t i = 0; i < (node->type == NODE_LIST ? node->count : 1); i++) {
		const char *text = reader_text(
		        reader, key->name, node->type == NODE_LIST ? node->items[i] : node);
		if (text)
			admin_parse_one(reader, key, text, target);
	}
}

static void admin_print_value(FILE *to, const struct key *key, const void *value)
{
	const struct config_admin *admin = value;
	char address[WEIR_ADDRESS_TEXT_MAX];
	(void)key;
	weir_address_format(&admin->address, address);
	if (admin->path && admin->listens)
		putc('[', to);
	if (admin->path)
		yaml_print_text(to, admin->path);
	if (admin->path && admin->listens)
		fputs(", ", to);
	if (admin->listens)
		yaml_print_text(to, address);
	if (admin->path && admin->listens)
		putc(']', to);
}

const struct type type_admin = {
        .what = "the path of a socket, an address such as 127.0.0.1:9180, or a list of one of each",
        .argument = "PATH|ADDRESS:PORT",
        .size = sizeof(struct config_admin),
        .parse = admin_parse_value,
        .read = admin_read,
        .print = admin_print_value,
};

/* -- token and users --------------------------------------------------------------------------- */

static bool admin_is_token(const char *text)
{
	size_t size = strlen(text);
	for (; *text; text++)
		if (*text <= ' ' || *text >= 0x7f)
			return false;
	return size >= CONFIG_ADMIN_TOKEN_MIN && size <= CONFIG_ADMIN_TOKEN_MAX;
}

static void admin_read_token(struct reader *reader, const struct node *node, struct config *config)
{
	char text[CONFIG_ADMIN_TOKEN_MAX + 3] = "";
	const char *path = config->admin_token_path;
	int error = file_read_line(path, text, sizeof text);
	if (error < 0)
		reader_problem_at(reader, node, "%s: %s", path, weir_error_text(error));
	else if (!admin_is_token(text))
		reader_problem_at(reader, node,
		        "%s: the first line must be a token of %d to %d characters without spaces; "
		        "to make one: openssl rand -hex 32",
		        path, CONFIG_ADMIN_TOKEN_MIN, CONFIG_ADMIN_TOKEN_MAX);
	else
		config->admin.token = reader_copy(reader, text, strlen(text));
	explicit_bzero(text, sizeof text);
}

void table_admin_check(struct reader *reader, const struct node *top)
{
	struct config *config = reader->config;
	struct config_admin *admin = &config->admin;
	const struct node *token = node_find(top, "admin-token");
	if (config->admin_token_path && !reader_leaves(reader, token, config->admin_token_path))
		admin_read_token(reader, token, config);
	reader_load_users(
	        reader, node_find(top, "admin-users"), config->admin_users_path, &admin->users);
	if (admin->listens && !config->admin_token_path && !config->admin_users_path)
		reader_problem_at(reader, node_find(top, "admin"),
		        "an address of 'admin' needs 'admin-token' or 'admin-users', since every "
		        "program can connect to it");
}

int config_admin_check(const struct config *config)
{
	const struct config_admin *admin = &config->admin;
	if (!admin->listens || config->admin_token_path || config->admin_users_path)
		return 0;
	say("an admin address needs a configuration with 'admin-token' or 'admin-users'; a path is "
	    "enough for 'weir console' and 'weir status'");
	return -EINVAL;
}
