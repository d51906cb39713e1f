/* Data of records in zone files that is given by its bytes: \# 4 c0000201 (RFC 3597 5). */
#ifndef WEIR_DNS_ZONE_GENERIC_H
#define WEIR_DNS_ZONE_GENERIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/span.h>

/*
 * Reads the text behind a record's type. *ret_is: whether it is generic data (RFC 3597). Then
 * `data`, which has room for UINT16_MAX bytes, has *ret_size bytes. Returns false if the size in
 * the text is wrong.
 */
bool dns_generic_read(struct weir_span text, uint8_t *data, bool *ret_is, size_t *ret_size);

#endif
