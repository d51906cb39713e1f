/* Makes the few forms of replies that tests of the resolver and of forwarding need. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns_codec.h"
#include "dns_reply.h"

static const struct {
	const char *name;
	uint16_t number;
} types[] = {{"A", WEIR_DNS_A}, {"AAAA", WEIR_DNS_AAAA}, {"NS", WEIR_DNS_NS},
        {"CNAME", WEIR_DNS_CNAME}, {"PTR", WEIR_DNS_PTR}, {"DNAME", WEIR_DNS_DNAME},
        {"SOA", WEIR_DNS_SOA}, {"TXT", WEIR_DNS_TXT}, {"RRSIG", WEIR_DNS_RRSIG},
        {"NSEC", WEIR_DNS_NSEC}, {"OPT", WEIR_DNS_OPT}, {"MX", WEIR_DNS_MX}, {"ANY", WEIR_DNS_ANY},
        {"HINFO", WEIR_DNS_HINFO}};

static uint16_t type_of(const char *name)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i].name, name) == 0)
			return types[i].number;
	abort();
}

static struct weir_dns_name name_of(const char *text)
{
	struct weir_dns_name name;
	if (weir_dns_name_parse(weir_span_of(text), &name) < 0)
		abort();
	return name;
}

struct weir_dns_question question_of(const char *text)
{
	char name[1024], type[16];
	if (sscanf(text, "%1023s %15s", name, type) != 2)
		abort();
	return (struct weir_dns_question){name_of(name), type_of(type), WEIR_DNS_IN};
}

static uint16_t flags_of(const char *text)
{
	static const struct {
		const char *name;
		uint16_t flag;
	} words[] = {{"NXDOMAIN", WEIR_DNS_NXDOMAIN}, {"SERVFAIL", WEIR_DNS_SERVFAIL},
	        {"REFUSED", WEIR_DNS_REFUSED}, {"ad", WEIR_DNS_AD}, {"aa", WEIR_DNS_AA},
	        {"tc", WEIR_DNS_TC}};
	unsigned flags = WEIR_DNS_QR | WEIR_DNS_RD | WEIR_DNS_RA;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strstr(text, words[i].name))
			flags |= words[i].flag;
	return (uint16_t)flags;
}

static size_t put_data(uint16_t type, const char *text, uint8_t *to)
{
	struct weir_dns_name name = {0};
	memset(to, 0, 64);
	switch (type) {
	case WEIR_DNS_A:
		if (inet_pton(AF_INET, text, to) != 1)
			abort();
		return 4;
	case WEIR_DNS_TXT:
		to[0] = (uint8_t)strlen(text);
		memcpy(to + 1, text, to[0]);
		return to[0] + 1u;
	case WEIR_DNS_SOA:
		/* MNAME and RNAME are the root. */
		dns_put32(to + 2 + 16, (uint32_t)atoi(text));
		return 22;
	case WEIR_DNS_RRSIG:
		dns_put16(to, type_of(text));
		return 18 + 1 + 8;
	case WEIR_DNS_OPT:
		dns_put16(to, WEIR_DNS_OPTION_ERROR);
		dns_put16(to + 2, 2);
		dns_put16(to + 4, (unsigned)atoi(text));
		return 6;
	case WEIR_DNS_MX:
		name = name_of(text);
		memcpy(to + 2, name.wire, name.size);
		return name.size + 2u;
	default:
		name = name_of(text);
		memcpy(to, name.wire, name.size);
		return name.size;
	}
}

static void put_line(struct weir_dns_writer *writer, const char *line)
{
	char section[3], owner[1024], type[16], data[1024];
	unsigned ttl;
	uint8_t bytes[1024];
	if (sscanf(line, "%2s %1023s %u %15s %1023s", section, owner, &ttl, type, data) != 5)
		abort();
	struct weir_dns_name name = name_of(owner);
	uint16_t number = type_of(type);
	enum weir_dns_section where = strcmp(section, "an") == 0   ? WEIR_DNS_ANSWER
	                              : strcmp(section, "au") == 0 ? WEIR_DNS_AUTHORITY
	                                                           : WEIR_DNS_ADDITIONAL;
	size_t size = put_data(number, data, bytes);
	if (!weir_dns_put_record(
	            writer, where, name.wire, number, WEIR_DNS_IN, ttl, weir_span(bytes, size)))
		abort();
}

struct weir_span reply_of(const char *question, const char *flags, const char *const *lines)
{
	static uint8_t memory[WEIR_DNS_MESSAGE_MAX];
	uint8_t bytes[WEIR_DNS_NAME_MAX + 4];
	struct weir_dns_question asked = question_of(question);
	struct weir_dns_writer writer;
	memcpy(bytes, asked.name.wire, asked.name.size);
	dns_put16(bytes + asked.name.size, asked.type);
	dns_put16(bytes + asked.name.size + 2, asked.rr_class);
	weir_dns_writer_init(&writer, memory, sizeof memory);
	weir_dns_put_question(&writer, weir_span(bytes, asked.name.size + 4u));
	for (; *lines; lines++)
		put_line(&writer, *lines);
	return weir_span(memory, weir_dns_writer_finish(&writer, 4711, flags_of(flags)));
}

/* -- back -------------------------------------------------------------------------------------- */

static void print_data(
        struct weir_span message, const struct weir_dns_record *record, char *to, size_t room)
{
	const uint8_t *data = (const uint8_t *)record->data.data;
	struct weir_dns_name name;
	char text[WEIR_DNS_TEXT_MAX] = "";
	size_t at = record->at;
	if (record->type == WEIR_DNS_A)
		inet_ntop(AF_INET, data, to, (socklen_t)room);
	else if (record->type == WEIR_DNS_TXT)
		snprintf(to, room, "%.*s", data[0], (const char *)data + 1);
	else if (record->type == WEIR_DNS_SOA)
		snprintf(to, room, "%u", dns_get32(data + record->data.size - 4));
	else if (record->type == WEIR_DNS_RRSIG)
		snprintf(to, room, "%u", dns_get16(data));
	else if (record->type != WEIR_DNS_OPT && weir_dns_name_read(message, &at, &name) == 0) {
		weir_dns_name_format(&name, text);
		snprintf(to, room, "%s", text);
	}
}

const char *lines_of(struct weir_span message)
{
	static char lines[1 << 20];
	static const char *const sections[] = {"", "an", "au", "ad"};
	struct weir_dns_header header;
	struct weir_dns_question question;
	size_t at = WEIR_DNS_HEADER_SIZE, size = 0;
	lines[0] = 0;
	if (!weir_dns_header_read(message, &header) ||
	        weir_dns_question_read(message, &at, &question) < 0)
		abort();
	for (unsigned i = WEIR_DNS_ANSWER; i <= WEIR_DNS_ADDITIONAL; i++)
		for (unsigned j = 0; j < header.counts[i]; j++) {
			struct weir_dns_record record;
			char owner[WEIR_DNS_TEXT_MAX], data[WEIR_DNS_TEXT_MAX + 8] = "";
			const char *type = "?";
			if (weir_dns_record_read(message, &at, &record) < 0)
				abort();
			for (size_t k = 0; k < sizeof types / sizeof *types; k++)
				if (types[k].number == record.type)
					type = types[k].name;
			weir_dns_name_format(&record.name, owner);
			print_data(message, &record, data, sizeof data);
			size += (size_t)snprintf(lines + size, sizeof lines - size,
			        "%s %s %u %s %s\n", sections[i], owner, record.ttl, type, data);
		}
	if (at != message.size)
		abort();
	return lines;
}
