/*
 * The account at an authority, and its key.
 *
 *   open ─▶ (a change of the key that was interrupted?) ─▶ key ─▶ URL known? ─▶ ready
 *                                                             └─▶ newAccount ─▶ ready
 *
 * A new key is in the store before the authority hears of it. So whichever of the two the authority
 * has after a crash, it can be found by asking.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/error.h>

#include "acme_session_state.h"
#include "helper.h"
#include "say.h"

#define KEY "key.pem"
#define NEXT_KEY "key-next.pem"
#define ACCOUNT "account"

/* -- files ------------------------------------------------------------------------------------- */

/* "ca.example.org-0123456789abcdef": people know the host, and the digest is of the whole URL. */
void acme_account_name_folder(struct acme_session *session)
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	const char *url = session->authority->url;
	const char *host = url + (strncmp(url, "https://", 8) == 0 ? 8 : 0);
	size_t size = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                           "0123456789-");
	for (; host[size] == '.';)
		size += 1 + strspn(host + size + 1,
		                    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		                    "0123456789-");
	EVP_Digest(url, strlen(url), digest, NULL, EVP_sha256(), NULL);
	int used = snprintf(session->folder, sizeof session->folder, ACME_ACCOUNTS "/%.*s-",
	        (int)min_of(size, (size_t)ACME_NAME_SIZE / 2), host);
	for (size_t i = 0; i < 8; i++)
		snprintf(session->folder + used + 2 * i, 3, "%02x", digest[i]);
}

static const char *acme_account_path(
        const struct acme_session *session, const char *name, char path[ACME_PATH_SIZE])
{
	snprintf(path, ACME_PATH_SIZE, "%s/%s", session->folder, name);
	return path;
}

static EVP_PKEY *acme_account_read_key(const struct acme_session *session, const char *name)
{
	char path[ACME_PATH_SIZE];
	struct weir_buffer pem = {0};
	EVP_PKEY *key = NULL;
	if (acme_store_read(session->store, acme_account_path(session, name, path), &pem) == 0)
		key = acme_key_parse(weir_buffer_span(&pem));
	buffer_erase(&pem);
	return key;
}

/* Returns 0, with a new key in `*ret` and in the store. */
static int acme_account_make_key(
        const struct acme_session *session, const char *name, EVP_PKEY **ret)
{
	char path[ACME_PATH_SIZE];
	struct weir_buffer pem = {0};
	EVP_PKEY *key = acme_key_create();
	int error = key ? acme_key_print(key, &pem) : -ENOMEM;
	if (error == 0)
		error = acme_store_make_folder(session->store, session->folder);
	if (error == 0)
		error = acme_store_write(session->store, acme_account_path(session, name, path),
		        weir_buffer_span(&pem));
	buffer_erase(&pem);
	if (error == 0)
		*ret = key;
	else
		EVP_PKEY_free(key);
	return error;
}

/* The file has the account's URL, and the address of its contact, in a line each. */
static bool acme_account_read(struct acme_session *session, bool *ret_same_contact)
{
	char path[ACME_PATH_SIZE];
	struct weir_buffer text = {0};
	struct weir_span url, contact;
	*session->kid = 0;
	acme_store_read(session->store, acme_account_path(session, ACCOUNT, path), &text);
	struct weir_span rest = weir_buffer_span(&text);
	weir_span_cut(&rest, '\n', &url);
	weir_span_cut(&rest, '\n', &contact);
	if (acme_url_is_good(url))
		text_copy_span(session->kid, sizeof session->kid, url);
	const char *wanted = session->acme->email ? session->acme->email : "";
	*ret_same_contact = weir_span_equal(contact, weir_span_of(wanted));
	weir_buffer_finish(&text);
	return *session->kid;
}

static int acme_account_write(const struct acme_session *session)
{
	char path[ACME_PATH_SIZE], text[ACME_URL_SIZE + ACME_NAME_SIZE];
	int size = snprintf(text, sizeof text, "%s\n%s\n", session->kid,
	        session->acme->email ? session->acme->email : "");
	return (size_t)size >= sizeof text
	               ? -ENAMETOOLONG
	               : acme_store_write(session->store, acme_account_path(session, ACCOUNT, path),
	                         weir_span(text, (size_t)size));
}

void acme_session_forget_account(struct acme_session *session)
{
	char path[ACME_PATH_SIZE];
	acme_store_remove(session->store, acme_account_path(session, ACCOUNT, path));
	*session->kid = 0;
}

/* -- the account ------------------------------------------------------------------------------- */

static void acme_account_on_made(void *context, const struct acme_reply *reply)
{
	struct acme_session *session = context;
	session->signer = NULL;
	if (!acme_reply_is_good(reply)) {
		acme_session_end_start(session, reply);
		return;
	}
	if (!*session->kid && !*reply->location) {
		acme_session_refuse(
		        session, WEIR_E_SYNTAX, "the authority sent no URL of the account");
		return;
	}
	if (!*session->kid)
		text_copy(session->kid, sizeof session->kid, reply->location);
	int error = acme_account_write(session);
	if (error < 0)
		acme_session_refuse(session, error, "the account cannot be stored");
	else
		acme_session_end_start(session, reply);
}

static int acme_account_read_binding(
        const struct acme_session *session, unsigned char *key, size_t *ret_size)
{
	char text[ACME_BINDING_KEY_MAX * 2];
	int error = file_read_line(session->authority->account_key_path, text, sizeof text);
	struct weir_span trimmed = weir_span_trim(weir_span_of(text));
	while (trimmed.size && trimmed.data[trimmed.size - 1] == '=')
		trimmed.size--;
	if (error == 0 &&
	        (!acme_base64_decode(trimmed, key, ACME_BINDING_KEY_MAX, ret_size) || !*ret_size))
		error = WEIR_E_SYNTAX;
	OPENSSL_cleanse(text, sizeof text);
	return error;
}

static int acme_account_add_binding(struct acme_session *session, struct weir_buffer *to)
{
	unsigned char key[ACME_BINDING_KEY_MAX];
	size_t size = 0;
	int error = acme_account_read_binding(session, key, &size);
	if (error < 0) {
		say("%s: the key of the external account cannot be read: it must be one line of base64url",
		        session->authority->account_key_path);
		return error;
	}
	error = weir_buffer_format(to, ACME_JOSE_MAX, ",\"externalAccountBinding\":");
	if (error == 0)
		error = acme_jose_bind(session->key, session->directory.new_account,
		        session->authority->account_id, weir_span(key, size), to);
	OPENSSL_cleanse(key, sizeof key);
	return error;
}

static int acme_account_put_contact(const struct acme_session *session, struct weir_buffer *to)
{
	return weir_buffer_format(to, ACME_JOSE_MAX,
	        session->acme->email ? "\"contact\":[\"mailto:%s\"]" : "\"contact\":[]",
	        session->acme->email);
}

static void acme_account_register(struct acme_session *session)
{
	struct weir_buffer payload = {0};
	int error = weir_buffer_format(&payload, ACME_JOSE_MAX, "{\"termsOfServiceAgreed\":true,");
	if (error == 0)
		error = acme_account_put_contact(session, &payload);
	if (error == 0 && session->authority->account_id)
		error = acme_account_add_binding(session, &payload);
	if (error == 0)
		error = weir_buffer_format(&payload, ACME_JOSE_MAX, "}");
	if (error == 0) {
		if (*session->directory.terms)
			say_at(WEIR_LOG_INFO, "an account at %s is made; its terms are %s",
			        session->authority->url, session->directory.terms);
		session->signer = session->key;
		acme_session_post(session, session->directory.new_account,
		        weir_buffer_span(&payload), acme_account_on_made, session);
	} else {
		acme_session_refuse(session, error, "the request for an account cannot be made");
	}
	weir_buffer_finish(&payload);
}

static void acme_account_on_key_shared(void *context, int error, const char *why)
{
	struct acme_session *session = context;
	if (error < 0)
		acme_session_refuse(session, error, why);
	else
		acme_account_register(session);
}

/* Another server that takes over must find the account by its key. */
static void acme_account_make(struct acme_session *session)
{
	acme_share_publish(session->share, acme_account_on_key_shared, session);
}

static void acme_account_update(struct acme_session *session)
{
	struct weir_buffer payload = {0};
	int error = weir_buffer_format(&payload, ACME_JOSE_MAX, "{");
	if (error == 0)
		error = acme_account_put_contact(session, &payload);
	if (error == 0)
		error = weir_buffer_format(&payload, ACME_JOSE_MAX, "}");
	if (error == 0)
		acme_session_post(session, session->kid, weir_buffer_span(&payload),
		        acme_account_on_made, session);
	else
		acme_session_refuse(session, error, "the account cannot be updated");
	weir_buffer_finish(&payload);
}

/* The key of the store; another server may have changed it. */
static void acme_account_load_key(struct acme_session *session)
{
	EVP_PKEY *key = acme_account_read_key(session, KEY);
	if (!key && session->share->type->reloads) {
		EVP_PKEY_free(session->key);
		session->key = NULL;
	}
	if (!key)
		return;
	EVP_PKEY_free(session->key);
	session->key = key;
}

static void acme_account_open_key(struct acme_session *session)
{
	bool same_contact;
	int error = 0;
	if (!session->key || session->share->type->reloads)
		acme_account_load_key(session);
	if (!session->key) {
		acme_session_forget_account(session);
		error = acme_account_make_key(session, KEY, &session->key);
	}
	if (error < 0)
		acme_session_refuse(session, error, weir_error_text(error));
	else if (!acme_account_read(session, &same_contact))
		acme_account_make(session);
	else if (!same_contact)
		acme_account_update(session);
	else
		acme_session_end_start(
		        session, &(struct acme_reply){.status = 200, .location = ""});
}

/* -- a change of the key ----------------------------------------------------------------------- */

static int acme_account_adopt(struct acme_session *session)
{
	char from[ACME_PATH_SIZE], to[ACME_PATH_SIZE];
	int error = acme_store_rename(session->store, acme_account_path(session, NEXT_KEY, from),
	        acme_account_path(session, KEY, to));
	EVP_PKEY_free(session->key);
	session->key = session->next;
	session->next = NULL;
	return error;
}

static void acme_account_drop(struct acme_session *session)
{
	char path[ACME_PATH_SIZE];
	acme_store_remove(session->store, acme_account_path(session, NEXT_KEY, path));
	EVP_PKEY_free(session->next);
	session->next = NULL;
}

/* The reply shows which key the account has. */
static void acme_account_on_found(void *context, const struct acme_reply *reply)
{
	struct acme_session *session = context;
	session->signer = NULL;
	if (acme_reply_is_good(reply)) {
		acme_account_adopt(session);
	} else if (strcmp(reply->problem.type, "accountDoesNotExist") == 0) {
		acme_account_drop(session);
	} else {
		acme_session_end_start(session, reply);
		return;
	}
	acme_account_open_key(session);
}

void acme_account_open(struct acme_session *session)
{
	if (session->share->type->reloads) {
		EVP_PKEY_free(session->next);
		session->next = NULL;
	}
	if (!session->next)
		session->next = acme_account_read_key(session, NEXT_KEY);
	if (!session->next) {
		acme_account_open_key(session);
		return;
	}
	session->signer = session->next;
	acme_session_post(session, session->directory.new_account,
	        WEIR_SPAN("{\"onlyReturnExisting\":true}"), acme_account_on_found, session);
}

static void acme_account_on_changed(void *context, const struct acme_reply *reply)
{
	struct acme_session *session = context;
	bool refused = reply->error == 0 && reply->status >= 400 && reply->status < 500;
	if (!acme_reply_is_good(reply) && !refused) {
		acme_account_open(session); /* asks which of the two it is now */
		return;
	}
	if (acme_reply_is_good(reply) && acme_account_adopt(session) == 0)
		say_at(WEIR_LOG_INFO, "the account at %s has a new key", session->authority->url);
	if (refused) {
		say_at(WEIR_LOG_WARNING, "the account at %s keeps its key: %s",
		        session->authority->url, reply->why);
		acme_account_drop(session);
	}
	acme_session_end_start(session, &(struct acme_reply){.status = 200, .location = ""});
}

/* The inner signature is by the new key (RFC 8555 7.3.5). */
static int acme_account_put_change(const struct acme_session *session, struct weir_buffer *to)
{
	struct weir_buffer payload = {0};
	struct acme_jose jose = {.key = session->next, .url = session->directory.key_change};
	int error = weir_buffer_format(
	        &payload, ACME_JOSE_MAX, "{\"account\":\"%s\",\"oldKey\":", session->kid);
	if (error == 0)
		error = acme_key_jwk(session->key, &payload);
	if (error == 0)
		error = weir_buffer_format(&payload, ACME_JOSE_MAX, "}");
	if (error == 0)
		error = acme_jose_sign(&jose, weir_buffer_span(&payload), to);
	weir_buffer_finish(&payload);
	return error;
}

static void acme_account_on_next_shared(void *context, int error, const char *why)
{
	struct acme_session *session = context;
	struct weir_buffer payload = {0};
	if (error < 0) {
		acme_session_refuse(session, error, why);
		return;
	}
	error = acme_account_put_change(session, &payload);
	if (error == 0)
		acme_session_post(session, session->directory.key_change,
		        weir_buffer_span(&payload), acme_account_on_changed, session);
	else
		acme_session_refuse(session, error, "the key of the account cannot be changed");
	weir_buffer_finish(&payload);
}

void acme_session_roll_over(
        struct acme_session *session, int64_t age_s, acme_reply_fn *done, void *context)
{
	char path[ACME_PATH_SIZE];
	int64_t written_ns =
	        acme_store_written_ns(session->store, acme_account_path(session, KEY, path));
	session->started = done;
	session->started_context = context;
	bool due = age_s && *session->directory.key_change &&
	           time(NULL) - written_ns / 1000000000 >= age_s;
	int error = due ? acme_account_make_key(session, NEXT_KEY, &session->next) : 0;
	if (due && error == 0)
		acme_share_publish(session->share, acme_account_on_next_shared, session);
	else if (error < 0)
		acme_session_refuse(session, error, "the key of the account cannot be changed");
	else
		acme_session_end_start(
		        session, &(struct acme_reply){.status = 200, .location = ""});
}
