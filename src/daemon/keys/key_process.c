/*
 * One thread for each socket: a server's thread that waits has a thread here. Invariant: no request
 * is looked at before the process is confined, and a signature is made of nothing but a request
 * that key_request_check accepts.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <weir/error.h>

#include "config.h"
#include "confine.h"
#include "key_message.h"
#include "key_process.h"
#include "options.h"
#include "say.h"

static struct {
	EVP_PKEY *keys[CONFIG_CERTIFICATES_MAX]; /* NULL: could not be read */
	size_t count;
	int sockets[KEY_SOCKETS];
	pthread_mutex_t confined; /* locked until the process is */
	atomic_bool reported;     /* that a request was refused */
} keys = {.confined = PTHREAD_MUTEX_INITIALIZER};

/* -- signing ----------------------------------------------------------------------------------- */

static bool key_process_sign(
        EVP_PKEY *key, const struct key_request *request, struct key_reply *reply)
{
	EVP_PKEY_CTX *context = NULL;
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	size_t size = sizeof reply->signature;
	bool good = hash && EVP_DigestSignInit_ex(hash, &context, key_digests[request->digest],
	                            NULL, NULL, key, NULL) == 1;
	if (good && request->pss)
		good = EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
	good = good &&
	       EVP_DigestSign(hash, reply->signature, &size, request->input, request->size) == 1;
	reply->size = good ? (uint32_t)size : 0;
	EVP_MD_CTX_free(hash);
	return good;
}

static void key_process_answer(int socket, const struct key_request *request, size_t size)
{
	struct key_reply reply = {.magic = KEY_MAGIC, .id = request->id};
	bool good = key_request_check(request, size) == 0 && request->key < keys.count &&
	            keys.keys[request->key];
	if (good)
		good = key_process_sign(keys.keys[request->key], request, &reply);
	if (!good && !atomic_exchange(&keys.reported, true))
		say("the key process has refused a request of the server process");
	send(socket, &reply, KEY_REPLY_HEAD + reply.size, MSG_NOSIGNAL);
}

static void *key_process_serve(void *context)
{
	int socket = *(int *)context;
	struct key_request request;
	pthread_mutex_lock(&keys.confined);
	pthread_mutex_unlock(&keys.confined);
	for (;;) {
		memset(&request, 0, KEY_REQUEST_HEAD);
		ssize_t got = recv(socket, &request, sizeof request, MSG_TRUNC);
		if (got == 0 || (got < 0 && errno != EINTR))
			return NULL;
		if (got > 0)
			key_process_answer(socket, &request, (size_t)got);
	}
}

/* -- the start --------------------------------------------------------------------------------- */

static int key_process_refuse_password(char *text, int size, int writing, void *unused)
{
	(void)text, (void)size, (void)writing, (void)unused;
	return -1;
}

/* A key that is missing is refused when the server tries it, with the file's name. */
static EVP_PKEY *key_process_read(int fd)
{
	char path[64], name[4096] = "a private key";
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	EVP_PKEY *key =
	        file ? PEM_read_PrivateKey(file, NULL, key_process_refuse_password, NULL) : NULL;
	if (file && !key) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t size = readlink(path, name, sizeof name - 1);
		if (size > 0)
			name[size] = 0;
		say("%s: no private key in PEM without a password", name);
	}
	if (file)
		fclose(file);
	return key;
}

/* Parses ":4,5,6,7:8,9", and reads the keys. */
static bool key_process_take(char *at)
{
	for (size_t i = 0; i < KEY_SOCKETS; i++) {
		if (*at != (i ? ',' : ':'))
			return false;
		keys.sockets[i] = (int)strtol(at + 1, &at, 10);
	}
	for (; *at; keys.count++) {
		if (*at != (keys.count ? ',' : ':') || keys.count == CONFIG_CERTIFICATES_MAX)
			return false;
		keys.keys[keys.count] = key_process_read((int)strtol(at + 1, &at, 10));
	}
	return keys.count;
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
	return code;
}
