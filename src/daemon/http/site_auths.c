/*
 * The handlers of `auth`. Invariant: each of `items` lives as long as the sites, whose handlers are
 * destroyed together. A handler holds its users, so those that the configuration had before are
 * freed when the last worker has the new ones.
 */
#include "site_auths.h"

#include <errno.h>
#include <stdlib.h>

#include <weir/http_auth.h>

#include "config.h"

struct site_auth_stored {
	struct weir_http_handler *handler;
	struct weir_users *const *users; /* a member of the configuration */
};

static void site_auths_count(void *context, const char *path, struct weir_users **users)
{
	size_t *count = context;
	(void)users;
	*count += !path;
}

int site_auths_init(struct site_auths *auths, const struct config *config)
{
	size_t count = 0;
	config_each_auth(config, site_auths_count, &count);
	*auths = (struct site_auths){.config = config};
	auths->items = calloc(count + 1, sizeof *auths->items);
	return auths->items ? 0 : -ENOMEM;
}

void site_auths_finish(struct site_auths *auths)
{
	free(auths->items);
}

int site_auths_create(
        struct site_auths *auths, const struct site_auth *auth, struct weir_http_handler **ret)
{
	struct weir_users *users = *auth->users;
	if (!users)
		return -EINVAL;
	struct weir_http_handler *handler = weir_http_basic_auth_create(
	        users, auths->config->guarded, auth->realm, auth->prefix);
	if (!handler)
		return -ENOMEM;
	if (!auth->users_path)
		auths->items[auths->count++] = (struct site_auth_stored){handler, auth->users};
	*ret = handler;
	return 0;
}

void site_auths_renew(struct site_auths *auths)
{
	for (size_t i = 0; i < auths->count; i++)
		weir_http_basic_auth_set_users(auths->items[i].handler, *auths->items[i].users);
}
