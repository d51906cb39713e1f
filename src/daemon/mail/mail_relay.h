/*
 * The queue and the relay, of which a process has one each, on the main thread's loop.
 *
 *   open ─ (servers put into the sink) ─ start ─ … update … ─ drain ─ close
 *
 * Whether there is a relay, and where its queue is, is decided at the start; a reload may change
 * everything else. All functions are for the main thread, and allow NULL as a relay.
 */
#ifndef DAEMON_MAIL_RELAY_H
#define DAEMON_MAIL_RELAY_H

#include "config.h"

struct mail_relay;
struct weir_loop;
struct weir_mail_queue;
struct weir_mail_sink;

/*
 * Opens the queue, as the user that the daemon will become. *ret is NULL without a relay in the
 * configuration, or without a listener that receives mail. Returns 0 or a negative errno, which was
 * reported.
 */
int mail_relay_open(struct weir_loop *loop, struct config *config, struct mail_relay **ret);

/* Begins to send; call after resources_become. */
int mail_relay_start(struct mail_relay *relay);

/*
 * Changes to another configuration, which is held. Reports settings that can only change at a
 * start.
 */
void mail_relay_update(struct mail_relay *relay, struct config *config);

void mail_relay_reopen_log(struct mail_relay *relay);

/* Returns the queue; NULL without a relay. */
struct weir_mail_queue *mail_relay_queue(struct mail_relay *relay);

/* Returns the sink of the queue, which outlives the servers; NULL without a relay. */
struct weir_mail_sink *mail_relay_sink(struct mail_relay *relay);

/*
 * Begins no new delivery, and lets those in flight finish within the time. A second call may
 * shorten the time.
 */
void mail_relay_drain(struct mail_relay *relay, uint32_t within_ms);

/* Runs the loop until the relay is drained, and frees it. Call after the servers are closed. */
void mail_relay_close(struct mail_relay *relay);

#endif
