/*
 * The sections in a rule: a change of fields, a rate, CORS, and the password or token that it
 * requires. Files are loaded here, so that `weir check` finds their mistakes, too.
 */
#include <string.h>

#include <weir/error.h>
#include <weir/transformers.h>

#include "config.h"
#include "table.h"
#include "table_rule.h"
#include "types.h"

#define KEYS_STRUCT config_change
static const struct key change_keys[] = {
#include "change_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void change_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_change *change = target;
	if (!node_find(node, "set") && !node_find(node, "add") && !node_find(node, "remove"))
		reader_problem_at(
		        reader, node, "a change of fields needs 'set', 'add' or 'remove'");
	if (change->always && change->statuses.count)
		reader_problem_at(reader, node_find(node, "always"),
		        "'always' and 'status' cannot both be given");
}

const struct section table_change = {
        .what = "a change of fields",
        .keys = change_keys,
        .size = sizeof(struct config_change),
        .check = change_check,
        .doc = "A change of the fields of replies. `remove` is first, then `set`, then `add`.",
};

static const char *const rate_words[] = {
        [WEIR_HTTP_RATE_ADDRESS] = "address",
        [WEIR_HTTP_RATE_USER] = "user",
        [WEIR_HTTP_RATE_FIELD] = "field",
        NULL,
};

#define KEYS_STRUCT config_rate
static const struct key rate_keys[] = {
#include "rate_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void rate_begin(void *target)
{
	((struct config_rate *)target)->present = true;
}

static bool rate_is_present(const void *target)
{
	return ((const struct config_rate *)target)->present;
}

static void rate_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_rate *rate = target;
	bool by_field = rate->by == WEIR_HTTP_RATE_FIELD;
	if (by_field && !rate->field)
		reader_problem_at(reader, node_find(node, "by"),
		        "'by: field' needs 'field': the name of the field");
	if (!by_field && rate->field)
		reader_problem_at(reader, node_find(node, "field"),
		        "'field' is not used: it needs 'by: field'");
}

const struct section table_rate = {
        .what = "rate",
        .keys = rate_keys,
        .size = sizeof(struct config_rate),
        .begin = rate_begin,
        .check = rate_check,
        .is_present = rate_is_present,
        .doc = "How many requests a client may make. All workers count together.",
};

#define KEYS_STRUCT config_cors
static const struct key cors_keys[] = {
#include "cors_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void cors_begin(void *target)
{
	((struct config_cors *)target)->present = true;
}

static bool cors_is_present(const void *target)
{
	return ((const struct config_cors *)target)->present;
}

/* Whether the text can be the value of Origin. */
static bool cors_origin_is_good(const char *origin)
{
	const char *host = strstr(origin, "://");
	return host && host != origin && host[3] && !strpbrk(host + 3, "/?#*@ ");
}

static void cors_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_cors *cors = target;
	const struct node *list = node_find(node, "origins");
	for (size_t i = 0; i < cors->origins.count; i++) {
		bool all = strcmp(cors->origins.items[i], "*") == 0;
		if (all && cors->origins.count > 1)
			reader_problem_at(reader, node_item(list, i),
			        "'*' is for all origins: others beside it have no effect");
		else if (all && cors->credentials)
			reader_problem_at(reader, node_find(node, "credentials"),
			        "'credentials' cannot be given with the origin '*': name the origins");
		else if (!all && !cors_origin_is_good(cors->origins.items[i]))
			reader_problem_at(reader, node_item(list, i),
			        "an origin must be as https://app.example.org, or *, not '%.64s'",
			        cors->origins.items[i]);
	}
}

const struct section table_cors = {
        .what = "cors",
        .keys = cors_keys,
        .size = sizeof(struct config_cors),
        .begin = cors_begin,
        .check = cors_check,
        .is_present = cors_is_present,
        .doc = "Cross-origin requests (CORS). Preflights are answered without a password. Those of "
               "other origins get 403.",
};

void table_load_users(struct reader *reader, const struct node *node, const char *realm,
        const char *path, struct weir_users **ret)
{
	if (realm && strpbrk(realm, "\"\\"))
		reader_problem_at(reader, node_find(node, "realm"),
		        "'realm' must not contain quotes or backslashes");
	reader_load_users(reader, node_find(node, "users"), path, ret);
}

#define KEYS_STRUCT config_rule_auth
static const struct key rule_auth_keys[] = {
#include "rule_auth_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void rule_auth_begin(void *target)
{
	((struct config_rule_auth *)target)->present = true;
}

static bool rule_auth_is_present(const void *target)
{
	return ((const struct config_rule_auth *)target)->present;
}

static void rule_auth_check(struct reader *reader, struct node *node, void *target)
{
	struct config_rule_auth *auth = target;
	table_load_users(reader, node, auth->realm, auth->users_path, &auth->users);
}

const struct section table_rule_auth = {
        .what = "auth",
        .keys = rule_auth_keys,
        .size = sizeof(struct config_rule_auth),
        .begin = rule_auth_begin,
        .check = rule_auth_check,
        .is_present = rule_auth_is_present,
        .doc = "The password that the paths and methods of the rule require.",
};

#define KEYS_STRUCT config_bearer
static const struct key bearer_keys[] = {
#include "bearer_keys.def"
        {0},
};
#undef KEYS_STRUCT

static void bearer_begin(void *target)
{
	((struct config_bearer *)target)->present = true;
}

static bool bearer_is_present(const void *target)
{
	return ((const struct config_bearer *)target)->present;
}

static void bearer_check(struct reader *reader, struct node *node, void *target)
{
	struct config_bearer *bearer = target;
	if (bearer->realm && strpbrk(bearer->realm, "\"\\"))
		reader_problem_at(reader, node_find(node, "realm"),
		        "'realm' must not contain quotes or backslashes");
	if (!bearer->keys_path || reader_leaves(reader, node_find(node, "keys"), bearer->keys_path))
		return;
	int error = weir_http_token_keys_load(bearer->keys_path, &bearer->keys);
	if (error == WEIR_E_SYNTAX)
		reader_problem_at(reader, node_find(node, "keys"),
		        "%s must have public keys in PEM: RSA of 2048 bits or more, P-256, P-384 or "
		        "Ed25519, and no others",
		        bearer->keys_path);
	else if (error < 0)
		reader_problem_at(reader, node_find(node, "keys"), "%s: %s", bearer->keys_path,
		        weir_error_text(error));
}

const struct section table_bearer = {
        .what = "bearer",
        .keys = bearer_keys,
        .size = sizeof(struct config_bearer),
        .begin = bearer_begin,
        .check = bearer_check,
        .is_present = bearer_is_present,
        .doc = "The token that the paths and methods of the rule require. It must not be expired (`exp`), "
               "and be valid already (`nbf`).",
};
