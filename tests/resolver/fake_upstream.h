/*
 * A DNS server that follows a script, on loopback and in the test's own loop: UDP and TCP on one
 * port. It does not know cmocka; errors abort.
 */
#ifndef WEIR_TEST_FAKE_UPSTREAM_H
#define WEIR_TEST_FAKE_UPSTREAM_H

#include <weir/dns_message.h>
#include <weir/loop.h>
#include <weir/server.h>

/*
 * The script: a letter for each query; the last one is repeated.
 *
 *   a  the answer            -  nothing              x  NXDOMAIN
 *   s  SERVFAIL              r  REFUSED              h  REFUSED, a header and no more
 *   e  FORMERR, where there is EDNS, else the answer
 *   b  like e, a header and no more                  v  BADVERS, where there is EDNS
 *   c  the answer, its question in lower case        t  truncated, where it is UDP
 *   i  the answer with another ID, then as it is     I  thirty with other IDs, and no more
 *   q  the query sent back, then the answer          p  the answer from another port
 *   n  the answer to another name, then to this      y  the answer to another type, then to this
 *   m  the answer with a byte behind it              l  the answer, more than a datagram holds
 *   z  the connection closed
 */
struct fake {
	struct weir_loop *loop;
	struct weir_watch watch;
	struct weir_server *tcp;
	struct weir_address address;
	const char *script;     /* by UDP */
	const char *tcp_script; /* NULL: the answer */
	/* Puts records; the rcode. NULL: one A record for any name. */
	int (*answer)(struct weir_dns_writer *writer, const struct weir_dns_question *question);

	unsigned queries; /* by UDP */
	unsigned tcp_queries;
	unsigned connections;
	struct weir_dns_query last;
	struct weir_address last_peer;
	bool hold; /* by TCP: kept back, and answered two at a time, the last first */
	char held[512];
	size_t held_size;
};

void fake_start(struct fake *fake, struct weir_loop *loop, const char *script);
void fake_stop(struct fake *fake);

/* Nobody listens there any more; the address is kept. */
void fake_go_away(struct fake *fake);

#endif
