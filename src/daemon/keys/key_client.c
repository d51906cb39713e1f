/*
 * A thread that wants a signature has a socket to itself while it waits. A key process that is
 * killed loses what it has received, and its successor has the same sockets: so a request without a
 * reply is sent again. Replies to requests that were given up are dropped.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "key_client.h"
#include "key_message.h"
#include "link.h"
#include "refcount.h"

enum {
	AGAIN_MS = 500, /* after which a request is sent again */
	TRIES = 20,     /* together as long as a handshake may last */
	SEAL_TRIES = 6, /* the main thread may wait */
};

struct key_client {
	struct refcount references;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t freed;
	int sockets[KEY_SOCKETS];
	bool busy[KEY_SOCKETS];
	uint32_t id; /* of the last request; not from 0, so that stale replies are of no use */
};

int key_client_create(struct key_client **ret)
{
	struct timeval again = {.tv_sec = AGAIN_MS / 1000, .tv_usec = AGAIN_MS % 1000 * 1000};
	struct key_client *client = calloc(1, sizeof *client);
	int error = client ? 0 : -ENOMEM;
	for (size_t i = 0; client && i < KEY_SOCKETS; i++)
		client->sockets[i] = -1;
	for (size_t i = 0; i < KEY_SOCKETS && error == 0; i++) {
		char name[16];
		snprintf(name, sizeof name, "%zu", i);
		int fd = client->sockets[i] = link_open(GRANT_KEYS, name);
		error = fd < 0 ? fd : 0;
		if (error == 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &again, sizeof again) < 0)
			error = -errno;
	}
	if (client) {
		refcount_init(&client->references);
		pthread_mutex_init(&client->lock, NULL);
		pthread_cond_init(&client->freed, NULL);
		if (getrandom(&client->id, sizeof client->id, 0) < 0 && error == 0)
			error = -errno;
	}
	if (error < 0)
		key_client_release(client);
	else
		*ret = client;
	return error;
}

struct key_client *key_client_hold(struct key_client *client)
{
	refcount_hold(&client->references);
	return client;
}

void key_client_release(void *context)
{
	struct key_client *client = context;
	if (!client || !refcount_release(&client->references))
		return;
	for (size_t i = 0; i < KEY_SOCKETS; i++)
		if (client->sockets[i] >= 0)
			close(client->sockets[i]);
	pthread_mutex_destroy(&client->lock);
	pthread_cond_destroy(&client->freed);
	free(client);
}

/* -- requests ---------------------------------------------------------------------------------- */

static size_t key_client_find_free(const struct key_client *client)
{
	size_t at = 0;
	while (at < KEY_SOCKETS && client->busy[at])
		at++;
	return at;
}

/* Reserves a socket, and a number for a request. */
static size_t key_client_reserve(struct key_client *client, uint32_t *ret_id)
{
	size_t at;
	pthread_mutex_lock(&client->lock);
	while ((at = key_client_find_free(client)) == KEY_SOCKETS)
		pthread_cond_wait(&client->freed, &client->lock);
	client->busy[at] = true;
	*ret_id = ++client->id;
	pthread_mutex_unlock(&client->lock);
	return at;
}

static void key_client_free(struct key_client *client, size_t at)
{
	pthread_mutex_lock(&client->lock);
	client->busy[at] = false;
	pthread_cond_signal(&client->freed);
	pthread_mutex_unlock(&client->lock);
}

/* Waits for the reply. Returns 0, -EAGAIN when it is time to ask again, or another errno. */
static int key_client_receive(int socket, uint32_t id, struct key_reply *reply)
{
	for (;;) {
		ssize_t got = recv(socket, reply, sizeof *reply, MSG_TRUNC);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0 ? -EPIPE : -errno;
		if (key_reply_check(reply, (size_t)got, id) == 0)
			return 0;
	}
}

/* The pieces of a request, in the order in which they are sent. */
struct key_parts {
	struct key_request request;
	struct weir_span input, name, text;
};

static ssize_t key_client_send(int socket, struct key_parts *parts)
{
	struct weir_span spans[] = {parts->input, parts->name, parts->text};
	struct iovec pieces[4] = {{&parts->request, sizeof parts->request}};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 4};
	for (size_t i = 0; i < 3; i++)
		pieces[1 + i] = (struct iovec){(void *)(uintptr_t)spans[i].data, spans[i].size};
	return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A socket whose queue is full has requests that its next reader will answer. */
static int key_client_try(
        int socket, struct key_parts *parts, unsigned tries, struct key_reply *reply)
{
	int error = -EAGAIN;
	for (unsigned i = 0; i < tries && error == -EAGAIN; i++) {
		ssize_t put = key_client_send(socket, parts);
		error = put < 0 && errno != EAGAIN ? -errno : 0;
		if (error == 0)
			error = key_client_receive(socket, parts->request.id, reply);
	}
	return error == -EAGAIN ? -ETIMEDOUT : error;
}

/* Returns 0 with a reply, the error of the reply, -EAGAIN without one, or -EMSGSIZE. */
static int key_client_ask(
        struct key_client *client, struct key_parts *parts, unsigned tries, struct key_reply *reply)
{
	if (parts->input.size > KEY_INPUT_MAX || parts->name.size > KEY_NAME_MAX ||
	        parts->text.size > KEY_TEXT_MAX)
		return -EMSGSIZE;
	parts->request.magic = KEY_MAGIC;
	parts->request.input_size = (uint32_t)parts->input.size;
	parts->request.name_size = (uint16_t)parts->name.size;
	parts->request.text_size = (uint32_t)parts->text.size;
	size_t at = key_client_reserve(client, &parts->request.id);
	int error = key_client_try(client->sockets[at], parts, tries, reply);
	key_client_free(client, at);
	return error ? -EAGAIN : reply->error;
}

/* -- signatures -------------------------------------------------------------------------------- */

static bool key_client_fill(const struct weir_tls_signing *signing, struct key_parts *ret)
{
	unsigned digest = KEY_DIGEST_NONE;
	while (signing->digest && ++digest < KEY_DIGESTS &&
	        strcmp(key_digests[digest], signing->digest) != 0)
		;
	ret->request.digest = (uint8_t)digest;
	ret->request.pss = signing->pss;
	ret->input = signing->input;
	return digest < KEY_DIGESTS;
}

static int key_client_ask_signature(struct key_client *client, struct key_parts *parts,
        unsigned char *signature, size_t room, size_t *ret_size)
{
	struct key_reply reply;
	int error = key_client_ask(client, parts, TRIES, &reply);
	if (error == 0 && (reply.size == 0 || reply.size > room))
		error = -EPERM;
	if (error < 0)
		return error;
	memcpy(signature, reply.bytes, reply.size);
	*ret_size = reply.size;
	return 0;
}

int key_client_sign(void *context, const struct weir_tls_signing *signing, unsigned char *signature,
        size_t room, size_t *ret_size)
{
	struct key_parts parts = {
	        .request = {.kind = KEY_SIGN, .key = (uint16_t)signing->certificate}};
	if (!key_client_fill(signing, &parts) || signing->certificate > UINT16_MAX)
		return -EINVAL;
	return key_client_ask_signature(context, &parts, signature, room, ret_size);
}

int key_client_sign_stored(struct key_client *client, struct weir_span name, struct weir_span text,
        const struct weir_tls_signing *signing, unsigned char *signature, size_t room,
        size_t *ret_size)
{
	struct key_parts parts = {.request = {.kind = KEY_SIGN_STORED}, .name = name, .text = text};
	if (!key_client_fill(signing, &parts))
		return -EINVAL;
	return key_client_ask_signature(client, &parts, signature, room, ret_size);
}

/* -- secrets ----------------------------------------------------------------------------------- */

static int key_client_convert(struct key_client *client, struct key_parts *parts,
        const char *purpose, struct weir_buffer *to)
{
	struct key_reply reply;
	unsigned at = 0;
	while (at < KEY_PURPOSES && strcmp(key_purposes[at], purpose) != 0)
		at++;
	if (at == KEY_PURPOSES)
		return -EPERM;
	parts->request.purpose = (uint8_t)at;
	int error = key_client_ask(client, parts, SEAL_TRIES, &reply);
	if (error == 0)
		error = weir_buffer_append(to, reply.bytes, reply.size, to->size + reply.size);
	explicit_bzero(reply.bytes, sizeof reply.bytes);
	return error;
}

int key_client_seal(struct key_client *client, const char *purpose, struct weir_span name,
        struct weir_span secret, struct weir_buffer *text)
{
	struct key_parts parts = {.request = {.kind = KEY_SEAL}, .input = secret, .name = name};
	return key_client_convert(client, &parts, purpose, text);
}

int key_client_unseal(struct key_client *client, const char *purpose, struct weir_span name,
        struct weir_span text, struct weir_buffer *secret)
{
	struct key_parts parts = {.request = {.kind = KEY_UNSEAL}, .name = name, .text = text};
	return key_client_convert(client, &parts, purpose, secret);
}

int key_client_compare(struct key_client *client, struct key_client *other)
{
	struct weir_buffer text = {0}, empty = {0};
	struct weir_span name = WEIR_SPAN("compare");
	int error = key_client_seal(client, key_purposes[0], name, WEIR_SPAN(""), &text);
	if (error == 0)
		error = key_client_unseal(
		        other, key_purposes[0], name, weir_buffer_span(&text), &empty);
	weir_buffer_finish(&text);
	weir_buffer_finish(&empty);
	return error;
}
