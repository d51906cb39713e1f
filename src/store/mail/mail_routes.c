/*
 * Looking up addresses. One step looks up one address, in the order given in the header; each
 * target of an alias is a further step. Depth and number of destinations are bounded.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "mail_routes_state.h"
#include "users_state.h"
#include "refcount.h"

enum {
	NAME_MAX_SIZE = 64 + 1 + 255 /* bytes of an address */
};

struct search {
	const struct weir_mail_routes *routes;
	weir_mail_routes_found_fn *found;
	void *context;
	unsigned targets;
	const struct alias *path[WEIR_ALIAS_DEPTH_MAX]; /* the aliases that are being expanded */
	unsigned depth;
	bool circle; /* an alias is among its own targets */
};

/* -- words ------------------------------------------------------------------------------------- */

struct weir_span mail_routes_fold(struct weir_span text, char *buffer, size_t room)
{
	if (text.size > room)
		return weir_span(NULL, 0);
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		buffer[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	return weir_span(buffer, text.size);
}

bool mail_routes_next(struct weir_span *list, struct weir_span *ret)
{
	while (list->size) {
		struct weir_span head;
		weir_span_cut(list, ',', &head);
		*ret = weir_span_trim(head);
		if (ret->size)
			return true;
	}
	return false;
}

bool mail_routes_split(
        struct weir_span address, struct weir_span *ret_local, struct weir_span *ret_domain)
{
	const char *at = address.size ? memrchr(address.data, '@', address.size) : NULL;
	if (!at)
		return false;
	*ret_local = weir_span(address.data, (size_t)(at - address.data));
	*ret_domain = weir_span_skip(address, ret_local->size + 1);
	return true;
}

const struct alias *mail_routes_alias(const struct weir_mail_routes *routes, struct weir_span key)
{
	const struct alias *table = mail_routes_table(routes);
	if (!routes->buckets)
		return NULL;
	for (uint32_t at = *mail_routes_bucket(routes, key); at; at = table[at - 1].next)
		if (weir_span_equal(table[at - 1].key, key))
			return &table[at - 1];
	return NULL;
}

bool mail_routes_user(
        const struct weir_mail_routes *routes, struct weir_span name, struct weir_span *ret)
{
	char folded[NAME_MAX_SIZE];
	if (!routes->users || !name.size)
		return false;
	const struct user *user = users_find(routes->users, name);
	if (!user) {
		name = mail_routes_fold(name, folded, sizeof folded);
		user = name.size ? users_find(routes->users, name) : NULL;
	}
	if (user)
		*ret = user->name;
	return user;
}

bool weir_mail_routes_is_local(const struct weir_mail_routes *routes, struct weir_span domain)
{
	const char *at = routes->domains.data, *end = at + routes->domains.size;
	for (; at < end; at += strlen(at) + 1)
		if (weir_span_equal_nocase(weir_span_of(at), domain))
			return true;
	return false;
}

/* -- a step ------------------------------------------------------------------------------------ */

static int mail_routes_look_up(
        struct search *search, struct weir_span local, struct weir_span domain);

static int mail_routes_report(
        struct search *search, struct weir_span user, struct weir_span address)
{
	struct weir_mail_target target = {user, address};
	if (search->targets++ >= WEIR_ALIAS_TARGETS_MAX)
		return WEIR_E_LIMIT;
	return search->found(search->context, &target);
}

static const struct alias *mail_routes_alias_to_follow(struct search *search, struct weir_span key)
{
	const struct alias *alias = key.size ? mail_routes_alias(search->routes, key) : NULL;
	for (unsigned i = 0; alias && i < search->depth; i++)
		if (search->path[i] == alias) {
			search->circle = true;
			return NULL; /* means the user of this name */
		}
	return alias;
}

static int mail_routes_follow(struct search *search, const struct alias *alias);

/* Follows one target of an alias: another alias, a user, or an address. */
static int mail_routes_follow_word(struct search *search, struct weir_span word)
{
	struct weir_span user, local, domain;
	char folded[NAME_MAX_SIZE];
	if (!mail_routes_split(word, &local, &domain)) {
		const struct alias *alias = mail_routes_alias_to_follow(
		        search, mail_routes_fold(word, folded, sizeof folded));
		if (alias)
			return mail_routes_follow(search, alias);
		if (!mail_routes_user(search->routes, word, &user))
			return -ENOENT;
		return mail_routes_report(search, user, weir_span(NULL, 0));
	}
	if (!weir_mail_routes_is_local(search->routes, domain))
		return mail_routes_report(search, weir_span(NULL, 0), word);
	return mail_routes_look_up(search, local, domain);
}

static int mail_routes_follow(struct search *search, const struct alias *alias)
{
	struct weir_span list = alias->list, word;
	if (search->depth == WEIR_ALIAS_DEPTH_MAX)
		return WEIR_E_LIMIT;
	search->path[search->depth++] = alias;
	int error = 0;
	while (error == 0 && mail_routes_next(&list, &word))
		error = mail_routes_follow_word(search, word);
	search->depth--;
	return error;
}

/* `address` is local@domain in lower case. Returns 1 if there is no such name. */
static int mail_routes_try_name(
        struct search *search, struct weir_span address, struct weir_span local)
{
	struct weir_span user;
	const struct alias *alias = mail_routes_alias_to_follow(search, address);
	if (!alias)
		alias = mail_routes_alias_to_follow(search, weir_span(address.data, local.size));
	if (alias)
		return mail_routes_follow(search, alias);
	if (mail_routes_user(search->routes, address, &user) ||
	        mail_routes_user(search->routes, local, &user))
		return mail_routes_report(search, user, weir_span(NULL, 0));
	return 1;
}

static struct weir_span mail_routes_join(
        struct weir_span local, struct weir_span domain, char *buffer)
{
	if (local.size + 1 + domain.size > NAME_MAX_SIZE)
		return weir_span(NULL, 0);
	mail_routes_fold(local, buffer, local.size);
	buffer[local.size] = '@';
	mail_routes_fold(domain, buffer + local.size + 1, domain.size);
	return weir_span(buffer, local.size + 1 + domain.size);
}

static bool mail_routes_is_role(struct weir_span local)
{
	return weir_span_equal_nocase(local, WEIR_SPAN("postmaster")) ||
	       weir_span_equal_nocase(local, WEIR_SPAN("abuse"));
}

static int mail_routes_look_up(
        struct search *search, struct weir_span local, struct weir_span domain)
{
	const struct weir_mail_routes *routes = search->routes;
	char buffer[NAME_MAX_SIZE];
	struct weir_span address = mail_routes_join(local, domain, buffer);
	if (!local.size || !address.size)
		return -ENOENT;
	int error = mail_routes_try_name(search, address, local);
	const char *cut =
	        routes->separator ? memchr(local.data, routes->separator, local.size) : NULL;
	if (error == 1 && cut && cut > local.data) {
		struct weir_span base = weir_span(local.data, (size_t)(cut - local.data));
		char shorter[NAME_MAX_SIZE];
		error = mail_routes_try_name(search, mail_routes_join(base, domain, shorter), base);
	}
	if (error != 1)
		return error;
	if (mail_routes_is_role(local) && routes->postmaster.size)
		return mail_routes_report(search, routes->postmaster, weir_span(NULL, 0));
	const struct alias *rest =
	        mail_routes_alias_to_follow(search, weir_span_skip(address, local.size));
	return rest ? mail_routes_follow(search, rest) : -ENOENT;
}

/*
 * -- the functions of the API
 * ---------------------------------------------------------------------------
 */

int weir_mail_routes_find(const struct weir_mail_routes *routes, struct weir_span local,
        struct weir_span domain, weir_mail_routes_found_fn *found, void *context)
{
	struct search search = {.routes = routes, .found = found, .context = context};
	if (!domain.size && routes->domains.size)
		domain = weir_span_of(routes->domains.data);
	if (!weir_mail_routes_is_local(routes, domain))
		return -EXDEV;
	return mail_routes_look_up(&search, local, domain);
}

static int mail_routes_nobody(void *context, const struct weir_mail_target *target)
{
	(void)context, (void)target;
	return 0;
}

int mail_routes_check(
        const struct weir_mail_routes *routes, const struct alias *alias, struct weir_span word)
{
	struct search search = {
	        .routes = routes, .found = mail_routes_nobody, .path = {alias}, .depth = 1};
	int error = mail_routes_follow_word(&search, word);
	return error == -ENOENT && search.circle ? -ELOOP : error;
}

static int mail_routes_same_user(void *context, const struct weir_mail_target *target)
{
	const struct weir_span *user = context;
	return weir_span_equal(target->user, *user) ? -EEXIST : 0;
}

bool weir_mail_routes_belongs(const struct weir_mail_routes *routes, struct weir_span local,
        struct weir_span domain, struct weir_span user)
{
	return user.size && weir_mail_routes_find(
	                            routes, local, domain, mail_routes_same_user, &user) == -EEXIST;
}

struct weir_mail_routes *weir_mail_routes_hold(struct weir_mail_routes *routes)
{
	refcount_hold(&routes->references);
	return routes;
}

void weir_mail_routes_release(struct weir_mail_routes *routes)
{
	if (!routes || !refcount_release(&routes->references))
		return;
	weir_users_release(routes->users);
	weir_buffer_finish(&routes->text);
	weir_buffer_finish(&routes->table);
	weir_buffer_finish(&routes->domains);
	weir_buffer_finish(&routes->postmaster_text);
	free(routes->buckets);
	free(routes);
}
