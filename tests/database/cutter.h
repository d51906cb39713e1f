/*
 * A proxy in front of a server: passes bytes on, and cuts all connections after so many bytes of
 * one direction. It runs on a thread of its own.
 */
#ifndef WEIR_TEST_CUTTER_H
#define WEIR_TEST_CUTTER_H

#include <stdbool.h>
#include <stdint.h>

struct cutter;

/* To the server's Unix socket of that port in the directory. */
struct cutter *cutter_start(const char *directory, int port);
void cutter_stop(struct cutter *cutter);

/* Its own port on 127.0.0.1. */
int cutter_port(const struct cutter *cutter);

/*
 * Cuts once, after `bytes` more of the server's answers, or of the client's requests. Those bytes
 * are passed on before.
 */
void cutter_cut_after(struct cutter *cutter, int64_t bytes, bool answers);

/* Whether it has cut since; it does not cut any more. */
bool cutter_rest(struct cutter *cutter);

#endif
