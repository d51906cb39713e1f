/*
 * The BIO below OpenSSL. Its output is sent at once, or held back for a moment so that several
 * small records leave in one call. Its input is received into OpenSSL's own buffer.
 *
 * Invariant: a write succeeds unless the socket has an error. The bytes that the kernel does not
 * take stay pending here, so OpenSSL never waits for the socket to be writable.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <weir/limits.h>

#include "transport_internal.h"
#include "tls_state.h"

/* The content type of a client's first record. */
enum {
	RECORD_HANDSHAKE = 22
};

/* -- sending ----------------------------------------------------------------------------------- */

/* Saves the bytes that the kernel did not take. */
static bool tls_bio_save(struct tls *tls, const unsigned char *data, size_t size)
{
	struct tls_pending *pending = tls->pending;
	size_t old = pending ? pending->size - pending->at : 0;
	if (old + size > WEIR_TLS_PENDING_MAX) {
		tls->error = -ENOBUFS;
		return false;
	}
	struct tls_pending *grown = malloc(sizeof *grown + old + size);
	if (!grown) {
		tls->error = -ENOMEM;
		return false;
	}
	grown->at = 0;
	grown->size = old + size;
	if (old)
		memcpy(grown->bytes, pending->bytes + pending->at, old);
	memcpy(grown->bytes + old, data, size);
	free(pending);
	tls->pending = grown;
	if (!tls_remote_working(tls))
		tls->base.pending = true;
	return true;
}

static ssize_t tls_bio_send_now(struct tls *tls, const unsigned char *data, size_t size)
{
	ssize_t put = socket_send(tls->fd, data, size, MSG_NOSIGNAL | (tls->more ? MSG_MORE : 0));
	if (put >= 0)
		return put;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	return tls->error = -errno;
}

static bool tls_bio_send_or_save(struct tls *tls, const unsigned char *data, size_t size)
{
	bool wait = tls->pending || tls_remote_working(tls);
	ssize_t put = wait ? 0 : tls_bio_send_now(tls, data, size);
	if (put < 0)
		return false;
	return (size_t)put == size || tls_bio_save(tls, data + put, size - (size_t)put);
}

int tls_send_pending(struct tls *tls)
{
	struct tls_pending *pending = tls->pending;
	if (!pending)
		return 0;
	ssize_t put =
	        tls_bio_send_now(tls, pending->bytes + pending->at, pending->size - pending->at);
	if (put < 0)
		return (int)put;
	pending->at += (size_t)put;
	if (pending->at < pending->size)
		return -EAGAIN;
	free(pending);
	tls->pending = NULL;
	tls->base.pending = false;
	return 0;
}

bool tls_send_held(struct tls *tls)
{
	size_t size = tls->held_size;
	tls->held_size = 0;
	return size == 0 || tls_bio_send_or_save(tls, tls->held, size);
}

/* Adds a record to the held ones; sends these first if there is no room for it. */
static bool tls_bio_hold(struct tls *tls, const unsigned char *data, size_t size)
{
	if (tls->held_size + size > TLS_HELD_ROOM && !tls_send_held(tls))
		return false;
	if (size > TLS_HELD_ROOM)
		return tls_bio_send_or_save(tls, data, size);
	memcpy(tls->held + tls->held_size, data, size);
	tls->held_size += size;
	return tls->hold || tls_send_held(tls);
}

static int tls_bio_write(BIO *bio, const char *data, size_t size, size_t *ret_written)
{
	struct tls *tls = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	bool holding = tls->held && (tls->hold || tls->held_size);
	if (holding ? !tls_bio_hold(tls, (const unsigned char *)data, size)
	            : !tls_bio_send_or_save(tls, (const unsigned char *)data, size))
		return 0;
	*ret_written = size;
	return 1;
}

/* -- receiving --------------------------------------------------------------------------------- */

void tls_note_input(struct tls *tls, unsigned char first)
{
	if (tls->any_input)
		return;
	tls->plain = tls->rules->server && first != RECORD_HANDSHAKE;
	tls->any_input = true;
}

/* Receives only if the caller has room for all of it, so that no input stays here unseen. */
static int tls_bio_read(BIO *bio, char *data, size_t room, size_t *ret_read)
{
	struct tls *tls = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	*ret_read = 0;
	ssize_t got = -1;
	errno = EAGAIN;
	if (tls_remote_left(tls))
		got = (ssize_t)tls_remote_read(tls, data, room);
	else if (tls_remote_working(tls))
		got = tls->ended ? 0 : -1;
	else if (tls->may_receive)
		got = socket_receive(tls->fd, data, room);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		BIO_set_retry_read(bio);
		return 0;
	}
	if (got < 0)
		tls->error = -errno;
	if (got == 0)
		tls->ended = true;
	if (got <= 0)
		return 0;
	tls_note_input(tls, (unsigned char)data[0]);
	*ret_read = (size_t)got;
	return 1;
}

static long tls_bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)number, (void)pointer;
	const struct tls *tls = BIO_get_data(bio);
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return tls->ended;
	}
	return 0;
}

/* -- the BIO ----------------------------------------------------------------------------------- */

static BIO_METHOD *method;
static CRYPTO_ONCE method_once = CRYPTO_ONCE_STATIC_INIT;

static void tls_bio_make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "channel");
	if (!method)
		return;
	BIO_meth_set_write_ex(method, tls_bio_write);
	BIO_meth_set_read_ex(method, tls_bio_read);
	BIO_meth_set_ctrl(method, tls_bio_control);
}

BIO *tls_bio_create(struct tls *tls)
{
	if (!CRYPTO_THREAD_run_once(&method_once, tls_bio_make_method) || !method)
		return NULL;
	BIO *bio = BIO_new(method);
	if (!bio)
		return NULL;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	return bio;
}
