/*
 * Handshakes of a server whose private keys are elsewhere. A signature is waited for, so the steps
 * of a handshake up to the signature are made on a thread of the work pool.
 *
 *   IDLE ── input came ──▶ RUNNING ── step made ──▶ MADE ── result taken ──▶ IDLE
 *                             └── closed ──▶ ABANDONED ── step made ──▶ (freed)
 *
 * Invariant: while a step runs, only its thread touches the SSL object, the input and the pending
 * output. It makes no call on the socket, whose descriptor may be closed meanwhile: the loop
 * receives before a step, and sends after it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/loop.h>

#include "helper.h"
#include "tls_state.h"

enum {
	REMOTE_INPUT = 8 * 1024
};

enum remote_phase {
	REMOTE_IDLE,
	REMOTE_RUNNING,
	REMOTE_MADE,
	REMOTE_ABANDONED,
};

struct tls_remote {
	struct weir_work work;
	struct tls *tls;
	enum remote_phase phase; /* for the loop alone */
	bool working;            /* for the thread that makes the step */
	int result;              /* of the step; 0: the handshake is complete */
	bool over;               /* no signature will be asked for */
	size_t at, size;
	unsigned char input[REMOTE_INPUT];
};

bool tls_remote_running(const struct tls *tls)
{
	return tls->remote && tls->remote->phase == REMOTE_RUNNING;
}

bool tls_remote_made(const struct tls *tls)
{
	return tls->remote && tls->remote->phase == REMOTE_MADE;
}

bool tls_remote_working(const struct tls *tls)
{
	return tls->remote && tls->remote->working;
}

bool tls_remote_wanted(const struct tls *tls)
{
	const struct tls_remote *remote = tls->remote;
	return tls->rules->signer && (!remote || remote->phase != REMOTE_IDLE || !remote->over);
}

bool tls_remote_left(const struct tls *tls)
{
	return tls->remote && tls->remote->at < tls->remote->size;
}

size_t tls_remote_read(struct tls *tls, void *data, size_t room)
{
	struct tls_remote *remote = tls->remote;
	size_t size = min_of(remote->size - remote->at, room);
	memcpy(data, remote->input + remote->at, size);
	remote->at += size;
	return size;
}

/* -- a step ------------------------------------------------------------------------------------ */

static void tls_remote_run(struct weir_work *work)
{
	struct tls_remote *remote = WEIR_CONTAINER(work, struct tls_remote, work);
	struct tls *tls = remote->tls;
	tls_sign_begin();
	remote->working = true;
	remote->result = tls_handshake(tls);
	remote->working = false;
	remote->over = tls_sign_made() || SSL_session_reused(tls->ssl);
}

static void tls_remote_done(struct weir_work *work)
{
	struct tls_remote *remote = WEIR_CONTAINER(work, struct tls_remote, work);
	struct tls *tls = remote->tls;
	if (remote->phase == REMOTE_ABANDONED) {
		tls_free(tls);
		return;
	}
	remote->phase = REMOTE_MADE;
	tls->base.pending = tls->pending;
	if (tls->owner)
		tls->wake(tls->owner);
}

/* Receives what is there. Returns 0, also at the end of the input, or a negative errno. */
static int tls_remote_receive(struct tls *tls)
{
	struct tls_remote *remote = tls->remote;
	if (tls_remote_left(tls))
		return 0;
	remote->at = remote->size = 0;
	ssize_t got = socket_receive(tls->fd, remote->input, sizeof remote->input);
	if (got < 0 && errno == EINTR)
		return -EAGAIN;
	if (got < 0)
		return -errno;
	tls->ended = got == 0;
	if (got > 0)
		tls_note_input(tls, remote->input[0]);
	remote->size = (size_t)got;
	return 0;
}

static int tls_remote_submit(struct tls *tls)
{
	struct tls_remote *remote = tls->remote;
	int error = weir_work_submit_to(
	        tls->loop, WEIR_LANE_SIGN, &remote->work, tls_remote_run, tls_remote_done);
	if (error < 0)
		return error;
	remote->phase = REMOTE_RUNNING;
	tls->base.pending = false; /* until the step is made, the bytes are its thread's */
	return -EAGAIN;
}

int tls_remote_step(struct tls *tls)
{
	if (!tls->remote && !(tls->remote = calloc(1, sizeof *tls->remote))) {
		tls->why = "out of memory";
		return -ENOMEM;
	}
	struct tls_remote *remote = tls->remote;
	remote->tls = tls;
	if (remote->phase == REMOTE_RUNNING)
		return -EAGAIN;
	if (remote->phase == REMOTE_MADE) {
		remote->phase = REMOTE_IDLE;
		if (remote->result != -EAGAIN || !tls_remote_left(tls))
			return remote->result;
	}
	int error = tls_remote_receive(tls);
	if (error == 0)
		error = tls_remote_submit(tls);
	if (error < 0 && error != -EAGAIN)
		tls->why = weir_error_text(error);
	return error;
}

bool tls_remote_abandon(struct tls *tls)
{
	if (!tls_remote_running(tls))
		return false;
	tls->remote->phase = REMOTE_ABANDONED;
	tls->owner = NULL;
	return true;
}
