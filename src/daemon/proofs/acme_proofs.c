/*
 * Names and tokens become parts of paths only after a check of each of their characters. A proof is
 * a small file that was just written, so reading it does not wait for a disk.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/http.h>
#include <weir/list.h>

#include "acme_certificate.h"
#include "acme_dns.h"
#include "acme_proofs.h"
#include "acme_store.h"
#include "helper.h"

static const char *const proof_prefixes[ACME_CHALLENGE_KINDS] = {
        [ACME_HTTP_01] = "http",
        [ACME_TLS_ALPN_01] = "alpn",
        [ACME_DNS_01] = "dns",
};

/* -- putting ----------------------------------------------------------------------------------- */

static void acme_proof_path(enum acme_challenge_kind kind, const char *name, const char *token,
        char path[ACME_PATH_SIZE])
{
	snprintf(path, ACME_PATH_SIZE, ACME_CHALLENGES "/%s-%s", proof_prefixes[kind],
	        kind == ACME_HTTP_01 ? token : name);
}

static int acme_proof_append_digest(struct weir_span authorization, struct weir_buffer *to)
{
	char digest[ACME_THUMBPRINT_SIZE];
	int error = acme_dns_digest(authorization, digest);
	return error ? error : weir_buffer_format(to, ACME_PROOF_MAX, "%s\n", digest);
}

int acme_proof_put(const struct acme_store *store, enum acme_challenge_kind kind, const char *name,
        const char *token, struct weir_span authorization)
{
	char path[ACME_PATH_SIZE];
	struct weir_buffer content = {0};
	int error;
	acme_proof_path(kind, name, token, path);
	if (kind == ACME_HTTP_01)
		error = weir_buffer_append(
		        &content, authorization.data, authorization.size, ACME_PROOF_MAX);
	else if (kind == ACME_TLS_ALPN_01)
		error = acme_certificate_prove(name, authorization, &content);
	else
		error = acme_proof_append_digest(authorization, &content);
	if (error == 0)
		error = acme_store_write(store, path, weir_buffer_span(&content));
	weir_buffer_finish(&content);
	return error;
}

void acme_proof_remove(const struct acme_store *store, enum acme_challenge_kind kind,
        const char *name, const char *token)
{
	char path[ACME_PATH_SIZE];
	acme_proof_path(kind, name, token, path);
	acme_store_remove(store, path);
}

const char *acme_proof_dns_name(const char *path)
{
	static const char prefix[] = ACME_CHALLENGES "/dns-";
	return strncmp(path, prefix, sizeof prefix - 1) == 0 ? path + sizeof prefix - 1 : NULL;
}

/* The removal first: a server that sees the step sees that the proof is gone. */
static void acme_proof_clear_one(void *context, int directory, const char *file)
{
	const struct acme_store *store = context;
	char path[ACME_PATH_SIZE], stepped[ACME_PATH_SIZE];
	snprintf(path, sizeof path, ACME_CHALLENGES "/%s", file);
	const char *name = acme_proof_dns_name(path);
	if (unlinkat(directory, file, 0) == 0 && name)
		(void)acme_dns_step_removed(store, name, stepped);
}

void acme_proofs_clear(const struct acme_store *store)
{
	acme_store_each(store, ACME_CHALLENGES, acme_proof_clear_one, (void *)store);
}

/* -- reading ----------------------------------------------------------------------------------- */

static int acme_proof_read(const char *directory, enum acme_challenge_kind kind, const char *name,
        struct weir_buffer *ret)
{
	char path[PATH_MAX];
	int size = snprintf(path, sizeof path, "%s/" ACME_CHALLENGES "/%s-%s", directory,
	        proof_prefixes[kind], name);
	return size < 0 || (size_t)size >= sizeof path
	               ? -ENAMETOOLONG
	               : file_read_whole(AT_FDCWD, path, O_NOFOLLOW, ACME_PROOF_MAX, ret);
}

/* The caller has checked the characters; two dots cannot lead out behind a prefix. */
int acme_proof_challenge(void *directory, const char *name, struct weir_buffer *pem)
{
	return directory ? acme_proof_read(directory, ACME_TLS_ALPN_01, name, pem) : -ENOMEM;
}

struct proof_handler {
	struct weir_http_handler handler;
	const char *directory;
};

#define PROOF_PATH ".well-known/acme-challenge/"

static bool proof_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	(void)handler;
	return weir_span_starts(weir_http_path(exchange), WEIR_SPAN(PROOF_PATH));
}

static void proof_handle(struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	const struct proof_handler *proofs = WEIR_CONTAINER(handler, struct proof_handler, handler);
	struct weir_span token = weir_span_skip(weir_http_path(exchange), sizeof PROOF_PATH - 1);
	char name[ACME_TOKEN_SIZE];
	struct weir_buffer content = {0};
	if (!acme_token_is_good(token) || !text_copy_span(name, sizeof name, token) ||
	        acme_proof_read(proofs->directory, ACME_HTTP_01, name, &content) < 0) {
		weir_http_next(handler, exchange);
		return;
	}
	weir_http_reply_text(exchange, 200, "application/octet-stream", weir_buffer_span(&content));
	weir_buffer_finish(&content);
}

static void proof_destroy(struct weir_http_handler *handler)
{
	free(WEIR_CONTAINER(handler, struct proof_handler, handler));
}

struct weir_http_handler *acme_proof_handler_create(const char *directory)
{
	static const struct weir_http_handler_type type = {
	        "acme", proof_match, proof_handle, proof_destroy};
	struct proof_handler *proofs = calloc(1, sizeof *proofs);
	if (!proofs)
		return NULL;
	proofs->handler.type = &type;
	proofs->directory = directory;
	return &proofs->handler;
}
