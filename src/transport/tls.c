/*
 * The TLS transport. Records are small at first and after a pause, so that a browser can decrypt
 * the first bytes when the first segment has come, and large later. A record is encrypted only when
 * the kernel has taken the one before.
 *
 * Invariant: bytes count as sent when their ciphertext has left. Ciphertext that the kernel does
 * not take stays pending (tls_bio.c). The caller offers its plain bytes again, `encrypted` of them,
 * and they are skipped. So no other code has to handle ciphertext.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include <weir/error.h>

#include "helper.h"
#include "loop_internal.h"
#include "tls_state.h"

struct tls *tls_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* -- errors ------------------------------------------------------------------------------------ */

/* Records the reason of OpenSSL or the socket for the call that failed. */
static int tls_note_failure(struct tls *tls)
{
	unsigned long code = ERR_peek_last_error();
	long verified = SSL_get_verify_result(tls->ssl);
	const char *why = ERR_reason_error_string(code);
	if (tls->error == -ENOMEM || tls->error == -ENOBUFS)
		why = "out of memory";
	else if (tls->error)
		why = weir_error_text(tls->error);
	else if (tls->plain)
		why = "the peer speaks no TLS";
	else if (tls->ended)
		why = "the peer closed the connection";
	else if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
		why = tls->refused ? tls->refused : X509_verify_cert_error_string(verified);
	tls->why = why ? why : "unknown reason";
	ERR_clear_error();
	return tls->error ? tls->error : WEIR_E_TLS;
}

/* -- the handshake ----------------------------------------------------------------------------- */

int tls_handshake(struct tls *tls)
{
	ERR_clear_error();
	tls->may_receive = true;
	int done = SSL_do_handshake(tls->ssl);
	tls->may_receive = false;
	if (done == 1)
		return 0;
	return SSL_get_error(tls->ssl, done) == SSL_ERROR_WANT_READ ? -EAGAIN
	                                                            : tls_note_failure(tls);
}

static int tls_start(struct weir_transport *transport, int fd)
{
	struct tls *tls = tls_from(transport);
	tls->fd = fd;
	if (!tls->ssl && !(tls->ssl = tls_open(tls))) {
		tls->why = "out of memory";
		return -ENOMEM;
	}
	int result = tls_remote_wanted(tls) ? tls_remote_step(tls) : tls_handshake(tls);
	if (result < 0)
		return result;
	tls->complete = true;
	tls->resumed = SSL_session_reused(tls->ssl);
	return 0;
}

/* -- input ------------------------------------------------------------------------------------- */

/* The result of a read without bytes: 0 at the end, -EAGAIN, or another errno. */
static int tls_nothing_read(struct tls *tls, int result)
{
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	}
	return tls_note_failure(tls);
}

/*
 * Decrypts all received records. The socket is read only if there is room for all that one read can
 * yield, so that no record stays behind which no event reports.
 */
static ssize_t tls_receive(struct weir_transport *transport, int fd, void *data, size_t size)
{
	struct tls *tls = tls_from(transport);
	size_t total = 0;
	int error = 0;
	if (!tls->ssl)
		return weir_tcp()->type->receive(weir_tcp(), fd, data, size);
	if (tls->base.failed)
		return tls->base.failed;
	ERR_clear_error();
	while (total < size) {
		size_t got = 0;
		tls->may_receive = size - total > WEIR_TLS_RECORD_LARGE + 1024;
		int result = SSL_read_ex(tls->ssl, (char *)data + total, size - total, &got);
		total += got;
		if (result <= 0) {
			error = tls_nothing_read(tls, result);
			break;
		}
		if (!SSL_has_pending(tls->ssl) && !tls_remote_left(tls))
			break;
	}
	tls->may_receive = false;
	tls->base.at_end = SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN;
	if (total && error < 0 && error != -EAGAIN)
		tls->base.failed = error;
	return total ? (ssize_t)total : error;
}

/* -- output ------------------------------------------------------------------------------------ */

static size_t tls_record_size(struct tls *tls)
{
	uint32_t now = (uint32_t)weir_loop_now_ms(tls->loop);
	if (now - tls->sent_ms > WEIR_TLS_SMALL_AGAIN_MS)
		tls->in_small = 0;
	tls->sent_ms = now;
	return tls->in_small < WEIR_TLS_SMALL_BYTES ? WEIR_TLS_RECORD_SMALL : WEIR_TLS_RECORD_LARGE;
}

/* Encrypts a record and sends it, or holds it back if it is small and another follows at once. */
static int tls_write_record(struct tls *tls, const char *data, size_t size, bool last)
{
	size_t written;
	bool small = size <= WEIR_TLS_RECORD_SMALL;
	tls->hold = small && !last && tls->held;
	if (small && !last)
		tls->in_small += (uint32_t)size;
	ERR_clear_error();
	int result = SSL_write_ex(tls->ssl, data, size, &written);
	tls->hold = false;
	return result == 1 ? 0 : tls_note_failure(tls);
}

/* A position in a list of pieces. */
struct tls_cursor {
	const struct iovec *piece;
	unsigned count; /* pieces from this one on */
	size_t at;      /* bytes of the piece before the position */
};

static void tls_advance(struct tls_cursor *cursor, size_t size)
{
	cursor->at += size;
	while (cursor->count && cursor->at >= cursor->piece->iov_len) {
		cursor->at -= cursor->piece->iov_len;
		cursor->piece++;
		cursor->count--;
	}
}

/* Returns up to `max` contiguous bytes: in place if possible, else copied to `room`. */
static struct weir_span tls_gather(struct tls_cursor *cursor, char *room, size_t max)
{
	const struct iovec *piece = cursor->piece;
	size_t size = piece->iov_len - cursor->at; /* NOLINT: count is not 0 */
	if (size >= max || cursor->count == 1) {
		const char *data = (const char *)piece->iov_base + cursor->at;
		size = min_of(size, max);
		tls_advance(cursor, size);
		return weir_span(data, size);
	}
	for (size = 0; size < max && cursor->count;) {
		size_t part = min_of(cursor->piece->iov_len - cursor->at, max - size);
		memcpy(room + size, (const char *)cursor->piece->iov_base + cursor->at, part);
		size += part;
		tls_advance(cursor, part);
	}
	return weir_span(room, size);
}

static size_t tls_total_size(const struct iovec *pieces, unsigned count)
{
	size_t size = 0;
	for (unsigned i = 0; i < count; i++)
		size += pieces[i].iov_len;
	return size;
}

/* Sends the pending ciphertext and skips its plain bytes. Returns their number, or an errno. */
static ssize_t tls_send_encrypted(struct tls *tls, struct tls_cursor *cursor)
{
	int error = tls_send_pending(tls);
	if (error < 0)
		return error;
	size_t sent = tls->encrypted;
	tls->encrypted = 0;
	tls_advance(cursor, sent);
	return (ssize_t)sent;
}

/* Writes records until ciphertext is pending. Returns the number of bytes that have left. */
static ssize_t tls_write_records(
        struct tls *tls, struct tls_cursor *cursor, size_t size, char *room, bool more)
{
	size_t sent = 0, batch = 0; /* encrypted, and perhaps still held */
	while (sent + batch < size) {
		struct weir_span record = tls_gather(cursor, room, tls_record_size(tls));
		bool last = sent + batch + record.size == size;
		tls->more = more || !last;
		int error = tls_write_record(tls, record.data, record.size, last);
		tls->more = false;
		if (error < 0)
			return error;
		batch += record.size;
		if (tls->base.pending) {
			tls->encrypted = batch;
			return sent ? (ssize_t)sent : -EAGAIN;
		}
		if (tls->held_size == 0) {
			sent += batch;
			batch = 0;
		}
	}
	return (ssize_t)sent;
}

static ssize_t tls_send_pieces(struct weir_transport *transport, int fd, const struct iovec *pieces,
        unsigned count, bool more)
{
	struct tls *tls = tls_from(transport);
	struct tls_cursor cursor = {pieces, count, 0};
	size_t size = tls_total_size(pieces, count);
	if (!tls->ssl)
		return weir_tcp()->type->send(weir_tcp(), fd, pieces, count, more);
	ssize_t before = tls_send_encrypted(tls, &cursor);
	if (before < 0 || (size_t)before == size)
		return before;
	struct arena *arena = loop_arena(tls->loop);
	char *room = arena_reserve_bytes(arena, WEIR_TLS_RECORD_LARGE + TLS_HELD_ROOM);
	if (!room)
		return before ? before : -ENOMEM;
	tls->held = (unsigned char *)room + WEIR_TLS_RECORD_LARGE;
	ssize_t sent = tls_write_records(tls, &cursor, size - (size_t)before, room, more);
	tls->held = NULL;
	arena_shrink(arena, room, 0);
	if (sent == -EAGAIN || (sent < 0 && before))
		sent = 0;
	return before + sent;
}

/* Reads a part of the file into scratch and sends that. */
static ssize_t tls_send_file(
        struct weir_transport *transport, int fd, int file, off_t offset, size_t size)
{
	struct tls *tls = tls_from(transport);
	struct arena *arena = loop_arena(tls->loop);
	if (!tls->ssl)
		return weir_tcp()->type->send_file(weir_tcp(), fd, file, offset, size);
	int error = tls_send_pending(tls);
	if (error < 0)
		return error;
	size_t part = size < WEIR_TLS_ROOM ? size : WEIR_TLS_ROOM;
	char *bytes = arena_reserve_bytes(arena, part);
	if (!bytes)
		return -ENOMEM;
	ssize_t sent = extent_read(file, bytes, part, offset);
	if (sent == 0)
		sent = tls_send_pieces(transport, fd, &(struct iovec){bytes, part}, 1, part < size);
	arena_shrink(arena, bytes, 0);
	return sent;
}

static int tls_flush(struct weir_transport *transport, int fd)
{
	(void)fd;
	return tls_send_pending(tls_from(transport));
}

/* -- ends -------------------------------------------------------------------------------------- */

/* Sends close_notify, unless the handshake is incomplete. */
static int tls_finish(struct weir_transport *transport, int fd)
{
	struct tls *tls = tls_from(transport);
	if (tls->ssl && !tls_remote_running(tls) && SSL_is_init_finished(tls->ssl)) {
		ERR_clear_error();
		if (!(SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN))
			SSL_shutdown(tls->ssl);
		ERR_clear_error();
		int error = tls_send_pending(tls);
		if (error < 0)
			return error;
	}
	return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

void tls_free(struct tls *tls)
{
	SSL_free(tls->ssl);
	weir_tls_release(tls->rules);
	free(tls->pending);
	free(tls->name);
	free(tls->subject);
	free(tls->refused);
	free(tls->remote);
	free(tls);
}

static void tls_close_transport(struct weir_transport *transport)
{
	struct tls *tls = tls_from(transport);
	if (!tls_remote_abandon(tls))
		tls_free(tls);
}

const struct weir_transport_type tls_type = {
        .name = "tls",
        .start = tls_start,
        .receive = tls_receive,
        .send = tls_send_pieces,
        .send_file = tls_send_file,
        .flush = tls_flush,
        .finish = tls_finish,
        .close = tls_close_transport,
};

struct weir_transport *tls_transport(
        struct weir_tls *rules, struct weir_loop *loop, const char *name)
{
	struct tls *tls = calloc(1, sizeof *tls);
	if (!tls)
		return NULL;
	if (name && !(tls->name = strdup(name))) {
		free(tls);
		return NULL;
	}
	tls->base.type = &tls_type;
	tls->rules = weir_tls_hold(rules);
	tls->loop = loop;
	tls->fd = -1;
	tls->why = "no reason";
	return &tls->base;
}

/* -- properties -------------------------------------------------------------------------------- */

static const struct tls *tls_const_from(const struct weir_transport *transport)
{
	return (const struct tls *)((const char *)transport - offsetof(struct tls, base));
}

bool transport_is_tls(const struct weir_transport *transport)
{
	return transport->type == &tls_type;
}

bool tls_speaks_first(const struct weir_transport *transport)
{
	return !tls_const_from(transport)->rules->server;
}

bool tls_begun(const struct weir_transport *transport)
{
	return tls_const_from(transport)->ssl;
}

void tls_drop_pending(struct weir_transport *transport)
{
	struct tls *tls = tls_from(transport);
	free(tls->pending);
	tls->pending = NULL;
	tls->base.pending = false;
	tls->encrypted = 0;
}

bool tls_complete(const struct weir_transport *transport)
{
	return tls_const_from(transport)->complete;
}

bool tls_heard(const struct weir_transport *transport)
{
	return tls_const_from(transport)->any_input;
}

void *tls_owner(const struct weir_transport *transport)
{
	return tls_const_from(transport)->owner;
}

void tls_set_owner(struct weir_transport *transport, void *owner, void (*wake)(void *owner))
{
	tls_from(transport)->owner = owner;
	tls_from(transport)->wake = wake;
}

bool tls_busy(const struct weir_transport *transport)
{
	return tls_remote_running(tls_const_from(transport));
}

bool tls_step_due(const struct weir_transport *transport)
{
	return tls_remote_made(tls_const_from(transport));
}

void tls_withhold_tickets(struct weir_transport *transport)
{
	tls_from(transport)->ticketless = true;
}

void tls_send_ticket(struct weir_transport *transport)
{
	SSL_new_session_ticket(tls_from(transport)->ssl);
}

const char *tls_why(const struct weir_transport *transport)
{
	return tls_const_from(transport)->why;
}

bool tls_spoke_plain(const struct weir_transport *transport)
{
	return tls_const_from(transport)->plain;
}

bool tls_truncated(const struct weir_transport *transport)
{
	return tls_const_from(transport)->ended;
}
