/*
 * One thread for each socket: a server's thread that waits has a thread here. Invariant: no request
 * is looked at before the process is confined, and a signature is made of nothing but a request
 * that key_request_check accepts.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <weir/database_secrets.h>
#include <weir/error.h>

#include "config.h"
#include "confine.h"
#include "key_cache.h"
#include "key_message.h"
#include "key_process.h"
#include "options.h"
#include "say.h"
#include "store.h"

static struct {
	EVP_PKEY *keys[CONFIG_CERTIFICATES_MAX]; /* NULL: could not be read */
	size_t count;
	struct key_cache cache;
	unsigned char seal[STORE_SEAL_SIZE]; /* if the cache has it */
	int sockets[KEY_SOCKETS];
	pthread_mutex_t confined; /* locked until the process is */
	atomic_bool reported;     /* that a request was refused */
} keys = {.cache = KEY_CACHE_EMPTY, .confined = PTHREAD_MUTEX_INITIALIZER};

/* -- signing ----------------------------------------------------------------------------------- */

static int key_process_sign(
        EVP_PKEY *key, const struct key_received *received, struct key_reply *reply)
{
	const struct key_request *request = &received->request;
	struct weir_span input = key_request_input(received);
	EVP_PKEY_CTX *context = NULL;
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	size_t size = sizeof reply->bytes;
	bool good = hash && EVP_DigestSignInit_ex(hash, &context, key_digests[request->digest],
	                            NULL, NULL, key, NULL) == 1;
	if (good && request->pss)
		good = EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
	good = good && EVP_DigestSign(hash, reply->bytes, &size, (const unsigned char *)input.data,
	                       input.size) == 1;
	reply->size = good ? (uint32_t)size : 0;
	EVP_MD_CTX_free(hash);
	return good ? 0 : -EPERM;
}

static int key_process_sign_by_file(const struct key_received *received, struct key_reply *reply)
{
	uint16_t at = received->request.key;
	EVP_PKEY *key = at < keys.count ? keys.keys[at] : NULL;
	return key ? key_process_sign(key, received, reply) : -EPERM;
}

static int key_process_sign_by_row(const struct key_received *received, struct key_reply *reply)
{
	EVP_PKEY *key;
	int error = key_cache_find(
	        &keys.cache, key_request_name(received), key_request_text(received), &key);
	if (error < 0)
		return error;
	error = key_process_sign(key, received, reply);
	EVP_PKEY_free(key);
	return error;
}

/* -- secrets ----------------------------------------------------------------------------------- */

static int key_process_reply_with(struct weir_span bytes, struct key_reply *reply)
{
	if (bytes.size > sizeof reply->bytes)
		return WEIR_E_LIMIT;
	if (bytes.size)
		memcpy(reply->bytes, bytes.data, bytes.size);
	reply->size = (uint32_t)bytes.size;
	return 0;
}

static int key_process_convert(const struct key_received *received, struct key_reply *reply)
{
	const char *purpose = key_purposes[received->request.purpose];
	struct weir_span name = key_request_name(received);
	struct weir_buffer bytes = {0};
	if (!keys.cache.seal)
		return -ENOKEY;
	int error = received->request.kind == KEY_SEAL
	                    ? weir_database_seal_by(
	                              keys.seal, purpose, name, key_request_input(received), &bytes)
	                    : weir_database_unseal_by(
	                              keys.seal, purpose, name, key_request_text(received), &bytes);
	if (error == 0)
		error = key_process_reply_with(weir_buffer_span(&bytes), reply);
	weir_database_erase(&bytes);
	return error;
}

/* -- requests ---------------------------------------------------------------------------------- */

static int key_process_do(const struct key_received *received, size_t size, struct key_reply *reply)
{
	if (key_request_check(received, size) < 0)
		return -EPERM;
	switch ((enum key_kind)received->request.kind) {
	case KEY_SIGN:
		return key_process_sign_by_file(received, reply);
	case KEY_SIGN_STORED:
		return key_process_sign_by_row(received, reply);
	case KEY_SEAL:
	case KEY_UNSEAL:
		return key_process_convert(received, reply);
	case KEY_KINDS:
		break;
	}
	return -EPERM;
}

static void key_process_answer(int socket, const struct key_received *received, size_t size)
{
	struct key_reply reply = {.magic = KEY_MAGIC, .id = received->request.id};
	reply.error = key_process_do(received, size, &reply);
	if (reply.error == -EPERM && !atomic_exchange(&keys.reported, true))
		say("the key process has refused a request of the server process");
	send(socket, &reply, KEY_REPLY_HEAD + reply.size, MSG_NOSIGNAL);
	explicit_bzero(reply.bytes, reply.size);
}

static void *key_process_serve(void *context)
{
	int socket = *(int *)context;
	struct key_received received;
	pthread_mutex_lock(&keys.confined);
	pthread_mutex_unlock(&keys.confined);
	for (;;) {
		memset(&received.request, 0, sizeof received.request);
		ssize_t got = recv(socket, &received, sizeof received, MSG_TRUNC);
		if (got == 0 || (got < 0 && errno != EINTR))
			return NULL;
		if (got > 0)
			key_process_answer(socket, &received, (size_t)got);
	}
}

/* -- the start --------------------------------------------------------------------------------- */

/* The path of a file that was opened, for a message. */
static const char *key_process_path(int fd, char ret[PATH_MAX])
{
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t size = readlink(link, ret, PATH_MAX - 1);
	ret[size > 0 ? size : 0] = 0;
	return *ret ? ret : "a file";
}

/* A key that is missing is refused when the server tries it, with the file's name. */
static EVP_PKEY *key_process_read(int fd)
{
	char path[PATH_MAX];
	BIO *from = fd < 0 ? NULL : BIO_new_fd(fd, BIO_CLOSE);
	EVP_PKEY *key = from ? key_read(from) : NULL;
	if (from && !key)
		say("%s: no private key in PEM without a password", key_process_path(fd, path));
	BIO_free(from);
	return key;
}

/* Reads the `secret-key-file`. */
static void key_process_read_seal(int fd)
{
	char line[STORE_SEAL_LINE] = "", path[PATH_MAX];
	ssize_t size = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
	line[strcspn(line, "\r\n")] = 0;
	if (size > 0 && store_parse_seal(line, keys.seal))
		keys.cache.seal = keys.seal;
	else if (fd >= 0)
		say("%s: " STORE_SEAL_MISTAKE, key_process_path(fd, path));
	explicit_bzero(line, sizeof line);
	if (fd >= 0)
		close(fd);
}

/* Parses ":4,5,6,7:8,9", and reads the files. */
static bool key_process_take(char *at)
{
	for (size_t i = 0; i < KEY_SOCKETS; i++) {
		if (*at != (i ? ',' : ':'))
			return false;
		keys.sockets[i] = (int)strtol(at + 1, &at, 10);
	}
	for (; *at == (keys.count ? ',' : ':'); keys.count++) {
		int fd = (int)strtol(at + 1, &at, 10);
		if (!*at) {
			key_process_read_seal(fd);
			return keys.count;
		}
		if (keys.count == CONFIG_CERTIFICATES_MAX)
			return false;
		keys.keys[keys.count] = key_process_read(fd);
	}
	return false;
}

static int key_process_run(void)
{
	pthread_t threads[KEY_SOCKETS];
	size_t started = 0;
	pthread_mutex_lock(&keys.confined);
	int error = confine_keys_begin();
	for (; started < KEY_SOCKETS && error == 0; started++)
		error = -pthread_create(
		        &threads[started], NULL, key_process_serve, &keys.sockets[started]);
	if (error == 0)
		error = confine_keys_finish();
	if (error < 0) {
		say("the key process cannot start: %s", weir_error_text(error));
		return EXIT_FAILED;
	}
	pthread_mutex_unlock(&keys.confined);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return EXIT_DONE;
}

int key_process(int count, char **arguments)
{
	char *rest;
	if (count < 2)
		return EXIT_USAGE;
	confine_begin((int)strtol(arguments[1], &rest, 10));
	say_with_time();
	if (!key_process_take(rest))
		return EXIT_USAGE;
	int code = key_process_run();
	for (size_t i = 0; i < keys.count; i++)
		EVP_PKEY_free(keys.keys[i]);
	key_cache_finish(&keys.cache);
	return code;
}
