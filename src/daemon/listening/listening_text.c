/*
 * The sockets as lines of text, for an upgrade: the program that takes over has their descriptors,
 * and makes the rest of a struct listening of these lines. Another version of the program may have
 * written them, so that no line may change its meaning.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "config.h"
#include "listening.h"
#include "service.h"

void listening_write(const struct listening *listening, FILE *to)
{
	fprintf(to, "workers %u\n", listening->workers);
	for (size_t i = 0; i < listening->endpoints.count; i++) {
		const struct endpoint *endpoint = &listening->endpoints.items[i];
		char wanted[WEIR_ADDRESS_TEXT_MAX], actual[WEIR_ADDRESS_TEXT_MAX];
		weir_address_format(&endpoint->wanted, wanted);
		weir_address_format(&endpoint->actual, actual);
		fprintf(to, "endpoint %s %s %u %s\n", endpoint->type->name, wanted,
		        endpoint->ordinal, actual);
		for (unsigned worker = 0; worker < listening->workers; worker++)
			fprintf(to, "sockets %d %d\n",
			        *listening_socket(listening, i, worker, SOCK_STREAM),
			        *listening_socket(listening, i, worker, SOCK_DGRAM));
	}
	if (listening->admin >= 0)
		fprintf(to, "admin %d %llu %llu %s\n", listening->admin,
		        (unsigned long long)listening->admin_device,
		        (unsigned long long)listening->admin_inode, listening->admin_path);
}

static bool listening_read_workers(struct listening *listening, const char *line)
{
	return sscanf(line, "workers %u", &listening->workers) == 1 && listening->workers > 0 &&
	       listening->workers <= CONFIG_WORKERS_MAX;
}

static bool listening_read_endpoint(struct listening_reading *reading, const char *line)
{
	struct listening *listening = reading->listening;
	char type[32], wanted[WEIR_ADDRESS_TEXT_MAX], actual[WEIR_ADDRESS_TEXT_MAX];
	struct endpoint endpoint = {.reserved = -1};
	size_t count = listening->endpoints.count;
	if (sscanf(line, "endpoint %31s %63s %u %63s", type, wanted, &endpoint.ordinal, actual) !=
	        4)
		return false;
	/* A type that this version does not have: its sockets are closed. */
	endpoint.type = listener_type_find(type);
	if (!endpoint.type)
		endpoint.type = listener_type_find("http");
	if (weir_address_parse(weir_span_of(wanted), &endpoint.wanted) < 0 ||
	        weir_address_parse(weir_span_of(actual), &endpoint.actual) < 0)
		return false;
	struct endpoint *items = realloc(listening->endpoints.items, (count + 1) * sizeof *items);
	if (items)
		listening->endpoints.items = items;
	int *sockets =
	        realloc(listening->sockets, 2 * listening->workers * (count + 1) * sizeof *sockets);
	if (sockets)
		listening->sockets = sockets;
	if (!items || !sockets)
		return false;
	items[count] = endpoint;
	for (size_t i = 0; i < 2 * listening->workers; i++)
		sockets[2 * listening->workers * count + i] = -1;
	listening->endpoints.count++;
	reading->worker = 0;
	return true;
}

static bool listening_read_sockets(struct listening_reading *reading, const char *line)
{
	struct listening *listening = reading->listening;
	int stream, datagram;
	if (sscanf(line, "sockets %d %d", &stream, &datagram) != 2 ||
	        listening->endpoints.count == 0 || reading->worker >= listening->workers)
		return false;
	size_t last = listening->endpoints.count - 1;
	*listening_socket(listening, last, reading->worker, SOCK_STREAM) = stream;
	*listening_socket(listening, last, reading->worker, SOCK_DGRAM) = datagram;
	reading->worker++;
	return true;
}

static bool listening_read_admin(struct listening *listening, const char *line)
{
	unsigned long long device, inode;
	int start = 0;
	if (sscanf(line, "admin %d %llu %llu %n", &listening->admin, &device, &inode, &start) != 3)
		return false;
	listening->admin_device = (dev_t)device;
	listening->admin_inode = (ino_t)inode;
	listening->admin_path = strdup(line + start);
	return listening->admin_path;
}

bool listening_read(struct listening_reading *reading, const char *line)
{
	if (strncmp(line, "endpoint ", 9) == 0)
		return listening_read_endpoint(reading, line);
	if (strncmp(line, "sockets ", 8) == 0)
		return listening_read_sockets(reading, line);
	if (strncmp(line, "admin ", 6) == 0)
		return listening_read_admin(reading->listening, line);
	return listening_read_workers(reading->listening, line);
}

void listening_keep_open(const struct listening *listening, bool keep)
{
	int flags = keep ? 0 : FD_CLOEXEC;
	if (listening->admin >= 0)
		fcntl(listening->admin, F_SETFD, flags);
	for (size_t i = 0; i < 2 * listening->workers * listening->endpoints.count; i++)
		if (listening->sockets[i] >= 0)
			fcntl(listening->sockets[i], F_SETFD, flags);
}
