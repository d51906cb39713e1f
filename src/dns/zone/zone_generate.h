/*
 * $GENERATE of zone files, as in BIND: many records that differ in a number.
 *
 *   $GENERATE 1-254/2 host-$ [ttl] [class] A 192.0.2.$
 *   $GENERATE 0-31 ${0,2,n}.8.b.d.0 PTR host-${100,4,d}
 *
 * $ is the number. ${offset,width,base} is the number plus the offset, padded with zeros to the
 * width. The base is d, o, x or X; n and N are nibbles, from the lowest on, with dots in between.
 * \$ and $$ are a literal $.
 */
#ifndef WEIR_DNS_ZONE_GENERATE_H
#define WEIR_DNS_ZONE_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/limits.h>

struct dns_generator {
	uint32_t next; /* number */
	uint32_t left; /* records */
	uint32_t step;
	const char *line; /* with its signs; borrowed */
};

/* Expands the arguments of the directive. Returns NULL, or what is wrong. */
const char *dns_generator_init(struct dns_generator *generator, const char *text);

/* The next line, ended by NUL. NULL, or what is wrong. */
const char *dns_generator_next(struct dns_generator *generator, char *line, size_t room);

#endif
