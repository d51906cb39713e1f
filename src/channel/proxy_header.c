/*
 * A strict reader: each header has one form that is accepted. Version 1 has single spaces, no
 * leading zeros, and addresses of the family that it names. A reader that is more lenient than
 * the proxy would let a client forge what the proxy did not write.
 */
#include <arpa/inet.h>
#include <string.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "helper.h"
#include "proxy_header.h"

enum {
	V1_MAX = 107, /* bytes of a version 1 header, its CR LF included */
	V2_FIXED = 16,
	V2_INET_SIZE = 12,
	V2_INET6_SIZE = 36,
	V2_UNIX_SIZE = 216,
	TLV_FIXED = 3,
	TLV_CRC32C = 0x03,
};

/* -- version 1 --------------------------------------------------------------------------------- */

static int proxy_header_read_port(struct weir_span text, uint16_t *ret)
{
	uint64_t port;
	if (text.size == 0 || text.size > 5 || (text.size > 1 && text.data[0] == '0') ||
	        weir_span_number(text, 10, &port) < 0 || port > UINT16_MAX)
		return WEIR_E_SYNTAX;
	*ret = (uint16_t)port;
	return 0;
}

static int proxy_header_read_address(
        struct weir_span host, struct weir_span port, int family, struct weir_address *ret)
{
	uint16_t number;
	int error = proxy_header_read_port(port, &number);
	return error ? error : address_parse_host(host, family, number, ret);
}

/* The line behind "PROXY ", without its CR LF. */
static int proxy_header_read_line(struct weir_span line, struct proxy_header *ret)
{
	struct weir_span words[5], rest = line;
	bool more = true;
	unsigned count = 0;
	if (weir_span_equal(line, WEIR_SPAN("UNKNOWN")) ||
	        (line.size > 8 && memcmp(line.data, "UNKNOWN ", 8) == 0))
		return 0;
	while (more && count < 5)
		more = weir_span_cut(&rest, ' ', &words[count++]);
	if (more || count != 5)
		return WEIR_E_SYNTAX;
	bool v4 = weir_span_equal(words[0], WEIR_SPAN("TCP4"));
	if (!v4 && !weir_span_equal(words[0], WEIR_SPAN("TCP6")))
		return WEIR_E_SYNTAX;
	int family = v4 ? AF_INET : AF_INET6;
	int error = proxy_header_read_address(words[1], words[3], family, &ret->source);
	if (error == 0)
		error = proxy_header_read_address(words[2], words[4], family, &ret->destination);
	ret->known = error == 0;
	return error;
}

static ssize_t proxy_header_read_v1(struct weir_span input, struct proxy_header *ret)
{
	static const char start[] = "PROXY ";
	size_t known = input.size < sizeof start - 1 ? input.size : sizeof start - 1;
	size_t most = input.size < V1_MAX ? input.size : V1_MAX;
	if (memcmp(input.data, start, known) != 0)
		return WEIR_E_SYNTAX;
	const char *end = memchr(input.data, '\n', most);
	if (!end)
		return most == V1_MAX ? WEIR_E_SYNTAX : 0;
	size_t size = (size_t)(end - input.data) + 1;
	if (size < sizeof start + 1 || end[-1] != '\r' || memchr(input.data, '\r', size - 2))
		return WEIR_E_SYNTAX;
	int error = proxy_header_read_line(
	        weir_span(input.data + sizeof start - 1, size - 2 - (sizeof start - 1)), ret);
	return error < 0 ? error : (ssize_t)size;
}

/* -- version 2 --------------------------------------------------------------------------------- */

static size_t proxy_header_get16(const uint8_t *bytes)
{
	return (size_t)bytes[0] << 8 | bytes[1];
}

/* The CRC-32C (RFC 4960 appendix B) of a header whose checksum at `hole` counts as zeros. */
static uint32_t proxy_header_checksum(const uint8_t *bytes, size_t size, size_t hole)
{
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < size; i++) {
		crc ^= i >= hole && i < hole + 4 ? 0 : bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

static int proxy_header_check_tlvs(const uint8_t *bytes, size_t size, size_t at)
{
	while (at < size) {
		if (size - at < TLV_FIXED)
			return WEIR_E_SYNTAX;
		size_t length = proxy_header_get16(bytes + at + 1), value = at + TLV_FIXED;
		if (length > size - value)
			return WEIR_E_SYNTAX;
		if (bytes[at] == TLV_CRC32C) {
			uint32_t sent;
			if (length != sizeof sent)
				return WEIR_E_SYNTAX;
			memcpy(&sent, bytes + value, sizeof sent);
			if (ntohl(sent) != proxy_header_checksum(bytes, size, value))
				return WEIR_E_SYNTAX;
		}
		at = value + length;
	}
	return 0;
}

static void proxy_header_take_inet(const uint8_t *bytes, struct proxy_header *ret)
{
	struct sockaddr_in *source = &ret->source.v4, *destination = &ret->destination.v4;
	source->sin_family = destination->sin_family = AF_INET;
	memcpy(&source->sin_addr, bytes, 4);
	memcpy(&destination->sin_addr, bytes + 4, 4);
	memcpy(&source->sin_port, bytes + 8, 2);
	memcpy(&destination->sin_port, bytes + 10, 2);
	ret->known = true;
}

static void proxy_header_take_inet6(const uint8_t *bytes, struct proxy_header *ret)
{
	struct sockaddr_in6 *source = &ret->source.v6, *destination = &ret->destination.v6;
	source->sin6_family = destination->sin6_family = AF_INET6;
	memcpy(&source->sin6_addr, bytes, 16);
	memcpy(&destination->sin6_addr, bytes + 16, 16);
	memcpy(&source->sin6_port, bytes + 32, 2);
	memcpy(&destination->sin6_port, bytes + 34, 2);
	ret->known = true;
}

/* Returns the size of the addresses, or WEIR_E_SYNTAX. All of them are in `bytes`. */
static ssize_t proxy_header_take_addresses(
        uint8_t family, const uint8_t *bytes, size_t size, struct proxy_header *ret)
{
	static const size_t sizes[] = {0, V2_INET_SIZE, V2_INET6_SIZE, V2_UNIX_SIZE};
	unsigned kind = family >> 4, transport = family & 0xf;
	if (kind >= sizeof sizes / sizeof *sizes || transport > 2 || size < sizes[kind])
		return WEIR_E_SYNTAX;
	if (family == 0x11)
		proxy_header_take_inet(bytes, ret);
	else if (family == 0x21)
		proxy_header_take_inet6(bytes, ret);
	return (ssize_t)sizes[kind];
}

static ssize_t proxy_header_read_v2(struct weir_span input, struct proxy_header *ret)
{
	static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	const uint8_t *bytes = (const uint8_t *)input.data;
	size_t known = input.size < sizeof signature ? input.size : sizeof signature;
	if (memcmp(bytes, signature, known) != 0)
		return WEIR_E_SYNTAX;
	/* Version 2, and the commands LOCAL and PROXY. */
	if (input.size > 12 && bytes[12] != 0x20 && bytes[12] != 0x21)
		return WEIR_E_SYNTAX;
	if (input.size < V2_FIXED)
		return 0;
	size_t size = V2_FIXED + proxy_header_get16(bytes + 14);
	if (size > WEIR_PROXY_HEADER_MAX)
		return WEIR_E_LIMIT;
	if (input.size < size)
		return 0;
	ssize_t taken =
	        proxy_header_take_addresses(bytes[13], bytes + V2_FIXED, size - V2_FIXED, ret);
	/* A proxy that connects for itself may send anything in place of the addresses. */
	if (bytes[12] == 0x20)
		ret->known = false;
	else if (taken < 0)
		return taken;
	else if (proxy_header_check_tlvs(bytes, size, V2_FIXED + (size_t)taken) < 0)
		return WEIR_E_SYNTAX;
	return (ssize_t)size;
}

ssize_t proxy_header_read(struct weir_span input, struct proxy_header *ret)
{
	struct proxy_header header = {0};
	if (input.size == 0)
		return 0;
	ssize_t size = input.data[0] == '\r' ? proxy_header_read_v2(input, &header)
	                                     : proxy_header_read_v1(input, &header);
	if (size > 0)
		*ret = header;
	return size;
}
