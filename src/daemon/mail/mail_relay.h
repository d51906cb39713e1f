/*
 * The queue and the relay, of which a process has one each, on the main thread's loop.
 *
 *   open ─ (servers put into the sink) ─ start ─ … update … ─ drain ─ close
 *
 * Whether there is a relay, and where its queue is, is decided at the start; all else a reload may
 * change. All functions are for the main thread, and for a relay that is NULL.
 */
#ifndef DAEMON_MAIL_RELAY_H
#define DAEMON_MAIL_RELAY_H

#include "config.h"

struct mail_relay;
struct weir_loop;
struct weir_mail_sink;

/*
 * Opens the queue, as the user that the daemon is going to be. Without a relay in the configuration,
 * or a listener that takes mail in, it is NULL. 0 or a negative errno, which was said.
 */
int mail_relay_open(struct weir_loop *loop, struct config *config, struct mail_relay **ret);

/* Begins to send; after resources_become. */
int mail_relay_start(struct mail_relay *relay);

/* Another configuration, which is held. What cannot be changed is said, and stays. */
void mail_relay_update(struct mail_relay *relay, struct config *config);

void mail_relay_reopen_log(struct mail_relay *relay);

/* NULL without a relay. Outlives the servers. */
struct weir_mail_sink *mail_relay_sink(struct mail_relay *relay);

/* Begins nothing new; what is under way has so long. Once more, with less, cuts it off. */
void mail_relay_drain(struct mail_relay *relay, uint32_t within_ms);

/* Turns the loop until it is drained, and frees. After the servers. */
void mail_relay_close(struct mail_relay *relay);

#endif
