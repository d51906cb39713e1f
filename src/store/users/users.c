/*
 * Parses a users file into a snapshot: a table of spans of its text, and a hash table by name.
 *
 * Invariant: a snapshot that is shared does not change, except for the passwords that are
 * remembered as right. users_check.c checks passwords.
 */
#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/error.h>

#include "helper.h"
#include "users_state.h"

enum {
	DES_SIZE = 13,
	TEXT_MAX = 400 /* bytes of a report, with room for a name */
};

struct users_parser {
	struct weir_users *users;
	weir_users_report_fn *report;
	void *context;
	unsigned line;
	int error;
};

static void users_complain(struct users_parser *parser, const char *text)
{
	if (parser->report)
		parser->report(parser->context, parser->line, text);
	if (!parser->error)
		parser->error = WEIR_E_SYNTAX;
}

/* -- names ------------------------------------------------------------------------------------- */

static uint32_t *users_bucket_of(const struct weir_users *users, struct weir_span name)
{
	return &users->buckets[siphash_13(&users->key, name.data, name.size) & users->mask];
}

const struct user *users_find(const struct weir_users *users, struct weir_span name)
{
	const struct user *table = users_table(users);
	for (uint32_t at = *users_bucket_of(users, name); at; at = table[at - 1].next)
		if (weir_span_equal(table[at - 1].name, name))
			return &table[at - 1];
	return NULL;
}

size_t weir_users_count(const struct weir_users *users)
{
	return users->table.size / sizeof(struct user);
}

bool weir_users_rest(const struct weir_users *users, struct weir_span name, struct weir_span *ret)
{
	const struct user *user = users_find(users, name);
	if (user)
		*ret = user->rest;
	return user;
}

static void users_add(struct users_parser *parser, const struct user *user)
{
	struct weir_users *users = parser->users;
	const struct user *twin = users_find(users, user->name);
	if (twin) {
		char text[TEXT_MAX];
		snprintf(text, sizeof text, "duplicate user %.*s, first in line %u",
		        (int)user->name.size, user->name.data, twin->line);
		users_complain(parser, text);
		return;
	}
	if (weir_users_count(users) == WEIR_USERS_MAX) {
		users_complain(parser, "too many users");
		parser->error = WEIR_E_LIMIT;
		return;
	}
	int error = weir_buffer_append(&users->table, user, sizeof *user, SIZE_MAX);
	if (error < 0) {
		parser->error = error;
		return;
	}
	uint32_t *bucket = users_bucket_of(users, user->name);
	users_table(users)[weir_users_count(users) - 1].next = *bucket;
	*bucket = (uint32_t)weir_users_count(users);
}

/* -- lines ------------------------------------------------------------------------------------- */

static const char *users_fault_of_name(struct weir_span name)
{
	if (!name.size)
		return "the name is missing";
	if (name.size > WEIR_USER_NAME_MAX)
		return "the name is too long";
	for (size_t i = 0; i < name.size; i++)
		if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7f)
			return "control character in the name";
	if (name.data[0] == ' ' || name.data[name.size - 1] == ' ')
		return "space before or after the name";
	return NULL;
}

/* The length must be checked, since any plain text could be the salt of a DES hash. */
static const char *users_fault_of_hash(const char *hash)
{
	bool plain = hash[0] != '$' && hash[0] != '_' && strlen(hash) != DES_SIZE;
	int judged = crypt_checksalt(hash);
	if (plain || judged == CRYPT_SALT_INVALID)
		return "not a hash of crypt(3)";
	if (judged == CRYPT_SALT_METHOD_DISABLED)
		return "a hash method that this system disables";
	return NULL;
}

static const char *users_fault_of_rest(struct weir_span rest, bool *ret_scram)
{
	struct weir_span text;
	struct weir_scram scram;
	*ret_scram = users_rest_value(rest, WEIR_SPAN("scram"), &text);
	if (*ret_scram && weir_scram_parse(text, &scram) < 0)
		return "scram= must be SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey";
	return NULL;
}

/* The last byte of `line` may be overwritten. */
static void users_parse_user(struct users_parser *parser, struct weir_span line)
{
	struct user user = {.line = parser->line};
	const char *fault = NULL;
	bool scram = false;
	if (!weir_span_cut(&line, ':', &user.name)) {
		users_complain(parser, "no colon after the name");
		return;
	}
	weir_span_cut(&line, ':', &user.hash);
	user.rest = line;
	((char *)(uintptr_t)user.hash.data)[user.hash.size] = 0;
	user.locked = user.hash.size && (user.hash.data[0] == '!' || user.hash.data[0] == '*');
	fault = users_fault_of_name(user.name);
	if (!fault && !user.locked)
		fault = users_fault_of_hash(user.hash.data);
	if (!fault)
		fault = users_fault_of_rest(user.rest, &scram);
	if (fault) {
		users_complain(parser, fault);
		return;
	}
	parser->users->able += !user.locked;
	parser->users->able_scram += !user.locked && scram;
	users_add(parser, &user);
}

static void users_parse_line(struct users_parser *parser, struct weir_span line)
{
	if (line.size && line.data[line.size - 1] == '\r')
		line.size--;
	struct weir_span text = weir_span_trim(line);
	if (!text.size || text.data[0] == '#')
		return;
	if (memchr(line.data, 0, line.size))
		users_complain(parser, "a NUL byte");
	else
		users_parse_user(parser, line);
}

static void users_parse(struct users_parser *parser)
{
	struct weir_span left = weir_buffer_span(&parser->users->text);
	while (left.size && (!parser->error || parser->error == WEIR_E_SYNTAX)) {
		struct weir_span line;
		weir_span_cut(&left, '\n', &line);
		parser->line++;
		users_parse_line(parser, line);
	}
}

/* -- the snapshot ------------------------------------------------------------------------------ */

/* Makes a bucket for each line. */
static int users_make_buckets(struct weir_users *users)
{
	struct weir_span left = weir_buffer_span(&users->text), line;
	uint32_t lines = 1, count = 16;
	while (lines < WEIR_USERS_MAX && weir_span_cut(&left, '\n', &line))
		lines++;
	while (count < lines)
		count *= 2;
	users->buckets = calloc(count, sizeof *users->buckets);
	users->mask = count - 1;
	return users->buckets ? 0 : -ENOMEM;
}

/* Takes over the text, also on failure. */
static int users_make(struct weir_buffer *text, weir_users_report_fn *report, void *context,
        struct weir_users **ret)
{
	struct weir_users *users = calloc(1, sizeof *users);
	if (!users) {
		weir_buffer_finish(text);
		return -ENOMEM;
	}
	struct users_parser parser = {.users = users, .report = report, .context = context};
	refcount_init(&users->references);
	pthread_mutex_init(&users->lock, NULL);
	users->text = *text;
	/* The last hash needs a NUL, too. */
	parser.error = weir_buffer_append(&users->text, "\n", 1, SIZE_MAX);
	if (!parser.error && getrandom(&users->key, sizeof users->key, 0) != sizeof users->key)
		parser.error = -EIO;
	if (!parser.error)
		parser.error = users_make_buckets(users);
	if (!parser.error)
		users_parse(&parser);
	if (parser.error)
		weir_users_release(users);
	else
		*ret = users;
	return parser.error;
}

int weir_users_parse(
        struct weir_span text, weir_users_report_fn *report, void *context, struct weir_users **ret)
{
	struct weir_buffer copy = {0};
	int error = weir_buffer_append(&copy, text.data, text.size, WEIR_USERS_FILE_MAX);
	return error < 0 ? error : users_make(&copy, report, context, ret);
}

int weir_users_load(
        const char *path, weir_users_report_fn *report, void *context, struct weir_users **ret)
{
	struct weir_buffer text = {0};
	int error = file_read_path(path, WEIR_USERS_FILE_MAX, &text);
	if (error == 0)
		return users_make(&text, report, context, ret);
	if (report)
		report(context, 0, weir_error_text(error));
	return error;
}

int weir_users_set_domains(struct weir_users *users, const char *const *domains)
{
	int error = 0;
	users->domains.size = 0;
	for (; domains && *domains && error == 0; domains++)
		error = weir_buffer_append(
		        &users->domains, *domains, strlen(*domains) + 1, SIZE_MAX);
	return error;
}

static bool users_has_domain(const struct weir_users *users, struct weir_span domain)
{
	struct weir_span left = weir_buffer_span(&users->domains), name;
	while (left.size) {
		weir_span_cut(&left, 0, &name);
		if (weir_span_equal_nocase(name, domain))
			return true;
	}
	return false;
}

struct weir_span weir_users_login_name(const struct weir_users *users, struct weir_span name)
{
	const char *at = name.size ? memrchr(name.data, '@', name.size) : NULL;
	if (!at || !users->domains.size || users_find(users, name))
		return name;
	struct weir_span local = weir_span(name.data, (size_t)(at - name.data));
	const struct user *user = users_find(users, local);
	if (!user || !users_has_domain(users, weir_span_skip(name, local.size + 1)))
		return name;
	return user->name;
}

struct weir_users *weir_users_hold(struct weir_users *users)
{
	refcount_hold(&users->references);
	return users;
}

void weir_users_release(struct weir_users *users)
{
	if (!users || !refcount_release(&users->references))
		return;
	pthread_mutex_destroy(&users->lock);
	buffer_erase(&users->text);
	weir_buffer_finish(&users->table);
	weir_buffer_finish(&users->domains);
	free(users->buckets);
	explicit_bzero(users, sizeof *users);
	free(users);
}
