/* Who a user is: what the users file says of him beside his password. */
#include <stdlib.h>
#include <string.h>

#include <weir/users.h>

#include "pathname.h"
#include "session.h"

enum {
	FINE_RIGHTS = WEIR_FTP_OVERWRITE | WEIR_FTP_MKDIR | WEIR_FTP_RENAME,
	WRITE_AND_DELETE = WEIR_FTP_WRITE | WEIR_FTP_DELETE,
	ALL_RIGHTS = WEIR_FTP_READ | WRITE_AND_DELETE | WEIR_FTP_LIST | FINE_RIGHTS
};

/* Empty when there is none. */
static struct weir_span ftp_user_value_of(
        const struct weir_users *users, const char *name, struct weir_span key)
{
	struct weir_span value = {0};
	weir_users_value(users, weir_span_of(name), key, &value);
	return value;
}

static unsigned ftp_user_parse_rights(struct weir_span text)
{
	static const char letters[] = "rwdlomn";
	unsigned rights = 0;
	if (!text.size)
		return ALL_RIGHTS;
	for (size_t i = 0; i < text.size; i++) {
		const char *at = memchr(letters, text.data[i], sizeof letters - 1);
		if (at)
			rights |= 1U << (at - letters);
	}
	if (rights & FINE_RIGHTS)
		return rights;
	if (rights & WEIR_FTP_WRITE)
		rights |= WEIR_FTP_MKDIR;
	if ((rights & WRITE_AND_DELETE) == WRITE_AND_DELETE)
		rights |= FINE_RIGHTS;
	return rights;
}

static struct ftp_user *ftp_user_make(const char *name, struct weir_span home)
{
	char asked[WEIR_PATH_MAX], path[WEIR_PATH_MAX];
	size_t name_size = strlen(name) + 1;
	if (home.size >= sizeof asked)
		return NULL;
	if (home.size)
		memcpy(asked, home.data, home.size);
	asked[home.size] = 0;
	if (ftp_path_resolve("", asked, path) < 0)
		return NULL;
	if (!path[1])
		path[0] = 0; /* the root needs no prefix */
	size_t path_size = strlen(path) + 1;
	struct ftp_user *user = calloc(1, sizeof *user + name_size + path_size);
	if (!user)
		return NULL;
	memcpy(user->text, name, name_size);
	user->home = memcpy(user->text + name_size, path, path_size);
	return user;
}

struct ftp_user *ftp_user_find(const struct weir_ftp_rules *rules, const char *name)
{
	uint64_t rate;
	struct ftp_user *user =
	        ftp_user_make(name, ftp_user_value_of(rules->users, name, WEIR_SPAN("home")));
	if (!user)
		return NULL;
	user->rights =
	        ftp_user_parse_rights(ftp_user_value_of(rules->users, name, WEIR_SPAN("rights")));
	if (weir_span_number(ftp_user_value_of(rules->users, name, WEIR_SPAN("rate")), 10, &rate) ==
	        0)
		user->rate = rate;
	return user;
}

struct ftp_user *ftp_user_anonymous(const struct weir_ftp_rules *rules, const char *name)
{
	const char *home = rules->anonymous_home ? rules->anonymous_home : "";
	struct ftp_user *user = ftp_user_make(name, weir_span_of(home));
	if (!user)
		return NULL;
	user->anonymous = true;
	user->rights = WEIR_FTP_READ | WEIR_FTP_LIST;
	if (rules->anonymous_writes)
		user->rights |= WEIR_FTP_WRITE | WEIR_FTP_MKDIR;
	if (rules->anonymous_writes && rules->anonymous_overwrites)
		user->rights |= WEIR_FTP_OVERWRITE;
	return user;
}
