/*
 * The messages between the master and its server process, on two pairs of SOCK_SEQPACKET sockets. A
 * message has a fixed size, names a thing by its index in a table of the master's (grants.h), and
 * may carry one descriptor.
 *
 *   requests:  server ── OPEN(serial, index) ──▶ master      any thread of the server waits
 *              server ◀── OPENED(result) + fd ── master
 *
 *   control:   server ◀── RELOAD + table, REOPEN, DRAIN, STOP, ANSWER(result) ── master
 *              server ── READY, RELOADED(result), ALIVE, ASK_RELOAD, … ──▶ master
 *              server ◀── LOG_LEVEL(index) ──▶ master
 *
 * Neither side trusts the sizes and values that it receives: handover_receive refuses what no
 * sender makes.
 */
#ifndef DAEMON_HANDOVER_H
#define DAEMON_HANDOVER_H

#include <stddef.h>
#include <stdint.h>

enum handover_kind {
	HANDOVER_OPEN = 1,
	HANDOVER_OPENED,
	HANDOVER_RELOAD,     /* with a sealed table */
	HANDOVER_REOPEN,     /* the logs */
	HANDOVER_DRAIN,      /* `index` is 1 if another process has the listeners */
	HANDOVER_STOP,       /* at once */
	HANDOVER_ANSWER,     /* to one of HANDOVER_ASK_… */
	HANDOVER_READY,      /* everything is served */
	HANDOVER_RELOADED,   /* the result of a RELOAD; -EXDEV: a new process could do it */
	HANDOVER_ALIVE,      /* asks whether the main loop turns, and replies */
	HANDOVER_ASK_RELOAD, /* the console has asked for this, as for the next ones */
	HANDOVER_ASK_DRAIN,
	HANDOVER_ASK_UPGRADE,
	HANDOVER_ASK_RENEW, /* the server is confined to a directory that was replaced */
	/*
	 * `index` is the level of all logs, enum weir_log_level: the console has set it; or the
	 * master's, for a server that is started again.
	 */
	HANDOVER_LOG_LEVEL,
	HANDOVER_ASK_CERTIFICATES, /* of acme_process.h: use what was installed */
	HANDOVER_KINDS,
};

enum {
	HANDOVER_MAGIC = 0x57656972
};

struct handover {
	uint32_t magic;  /* HANDOVER_MAGIC */
	uint32_t kind;   /* enum handover_kind */
	uint32_t serial; /* of the table */
	uint32_t index;
	int32_t result; /* 0 or a negative errno */
};

/* Sends a message with a descriptor, or with none (-1). Returns 0 or a negative errno. */
int handover_send(int socket, struct handover message, int fd);

/*
 * Receives a message. Stores the descriptor, which the caller closes, or -1. With a NULL `ret_fd`
 * the descriptor is closed. Returns 0;
 * -ECONNRESET if the peer has closed its end; -EPROTO if the message is malformed, or carries a
 * descriptor that its kind does not have; or another errno of recvmsg.
 */
int handover_receive(int socket, struct handover *ret, int *ret_fd);

/* Checks a message of `size` bytes with `descriptors` descriptors. Returns 0 or -EPROTO. */
int handover_check(const struct handover *message, size_t size, unsigned descriptors);

#endif
