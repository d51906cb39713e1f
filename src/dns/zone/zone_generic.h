/* Data of records in zone files that is given by its bytes: \# 4 c0000201 (RFC 3597 5). */
#ifndef WEIR_DNS_ZONE_GENERIC_H
#define WEIR_DNS_ZONE_GENERIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/span.h>

/*
 * Reads the text behind a record's type. *ret_is: whether it is such data; then `data`, which has room
 * for UINT16_MAX bytes, has *ret_size of it. False: the data is not of the size that it says.
 */
bool dns_generic_read(struct weir_span text, uint8_t *data, bool *ret_is, size_t *ret_size);

#endif
