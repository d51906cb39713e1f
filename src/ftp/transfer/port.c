/*
 * The syntax of addresses in FTP, and the sockets of data connections. Leaves out to which
 * addresses the server connects: see data_connection.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "data_connection.h"

/* -- text ------------------------------------------------------------------------------------- */

enum {
	NUMBERS = 6,
	BYTE_MAX = 255
};

int ftp_port_parse(struct weir_span text, struct weir_address *ret)
{
	unsigned char numbers[NUMBERS];
	struct weir_span rest = weir_span_trim(text), head;
	for (int i = 0; i < NUMBERS; i++) {
		uint64_t number;
		bool more = weir_span_cut(&rest, ',', &head);
		if (more != (i < NUMBERS - 1) || weir_span_number(head, 10, &number) < 0 ||
		        number > BYTE_MAX)
			return WEIR_E_SYNTAX;
		numbers[i] = (unsigned char)number;
	}
	*ret = (struct weir_address){0};
	ret->v4.sin_family = AF_INET;
	memcpy(&ret->v4.sin_addr, numbers, 4);
	memcpy(&ret->v4.sin_port, numbers + 4, 2);
	return 0;
}

static int ftp_port_parse_host(struct weir_span text, int family, struct weir_address *ret)
{
	char host[INET6_ADDRSTRLEN];
	if (text.size >= sizeof host)
		return WEIR_E_SYNTAX;
	memcpy(host, text.data, text.size);
	host[text.size] = 0;
	*ret = (struct weir_address){0};
	ret->any.sa_family = (sa_family_t)family;
	void *to = family == AF_INET ? (void *)&ret->v4.sin_addr : &ret->v6.sin6_addr;
	return strlen(host) == text.size && inet_pton(family, host, to) == 1 ? 0 : WEIR_E_SYNTAX;
}

int ftp_eprt_parse(struct weir_span text, struct weir_address *ret)
{
	struct weir_span rest = weir_span_trim(text), protocol, host, port;
	uint64_t number;
	struct weir_address address;
	if (rest.size < 2 || rest.data[0] < '!' || rest.data[0] > '~')
		return WEIR_E_SYNTAX;
	char delimiter = rest.data[0];
	rest = weir_span_skip(rest, 1);
	if (!weir_span_cut(&rest, delimiter, &protocol) ||
	        !weir_span_cut(&rest, delimiter, &host) ||
	        !weir_span_cut(&rest, delimiter, &port) || rest.size)
		return WEIR_E_SYNTAX;
	if (weir_span_number(protocol, 10, &number) < 0)
		return WEIR_E_SYNTAX;
	if (number != 1 && number != 2)
		return -EAFNOSUPPORT;
	if (ftp_port_parse_host(host, number == 1 ? AF_INET : AF_INET6, &address) < 0 ||
	        weir_span_number(port, 10, &number) < 0 || number == 0 || number > UINT16_MAX)
		return WEIR_E_SYNTAX;
	ftp_set_port(&address, (uint16_t)number);
	*ret = address;
	return 0;
}

void ftp_port_format(const struct weir_address *address, char text[WEIR_FTP_PORT_TEXT_MAX])
{
	unsigned char host[4], port[2];
	memcpy(host, &address->v4.sin_addr, sizeof host);
	memcpy(port, &address->v4.sin_port, sizeof port);
	snprintf(text, WEIR_FTP_PORT_TEXT_MAX, "%u,%u,%u,%u,%u,%u", host[0], host[1], host[2],
	        host[3], port[0], port[1]);
}

struct weir_address ftp_unmapped(const struct weir_address *address)
{
	struct weir_address plain = {0};
	if (address->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
		return *address;
	plain.v4.sin_family = AF_INET;
	plain.v4.sin_port = address->v6.sin6_port;
	memcpy(&plain.v4.sin_addr, address->v6.sin6_addr.s6_addr + 12, 4);
	return plain;
}

bool ftp_same_host(const struct weir_address *a, const struct weir_address *b)
{
	struct weir_address x = ftp_unmapped(a), y = ftp_unmapped(b);
	if (x.any.sa_family != y.any.sa_family)
		return false;
	if (x.any.sa_family == AF_INET)
		return x.v4.sin_addr.s_addr == y.v4.sin_addr.s_addr;
	return memcmp(&x.v6.sin6_addr, &y.v6.sin6_addr, sizeof x.v6.sin6_addr) == 0;
}

void ftp_set_port(struct weir_address *address, uint16_t port)
{
	if (address->any.sa_family == AF_INET)
		address->v4.sin_port = htons(port);
	else
		address->v6.sin6_port = htons(port);
}

/* -- sockets ---------------------------------------------------------------------------------- */

enum {
	BACKLOG = 64 /* for all sessions that share the port */
};

int ftp_socket(const struct weir_address *local, int *ret)
{
	int on = 1, unsent = WEIR_UNSENT_LOW;
	int fd = socket(local->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	if (bind(fd, &local->any, weir_address_size(local)) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	*ret = fd;
	return 0;
}

int ftp_listen(struct weir_address *address, int *ret)
{
	socklen_t size = sizeof *address;
	int fd = -1;
	int error = ftp_socket(address, &fd);
	if (error < 0)
		return error;
	/* With SO_REUSEADDR several sockets may be bound to a port, but only one can listen. */
	if (listen(fd, BACKLOG) < 0 || getsockname(fd, &address->any, &size) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	*ret = fd;
	return 0;
}
