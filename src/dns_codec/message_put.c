/*
 * Writing messages. Names are compressed by a small table. A slot has the offset of a label in the
 * message, and the offset of the label that follows it. So a name is looked up label by label from
 * the right, and no label is compared twice. If the table is full, names are only compressed less.
 * The name of the question is put into the table when another name comes: most replies have none.
 *
 * Strict readers follow few pointers for one name. So a pointer leads to a name that was written
 * completely, or to one that ends in a pointer to such a name. Labels behind two pointers get no
 * slot.
 */
#include <weir/dns_message.h>

#include "dns_codec.h"

enum {
	OFFSET_END = 0x4000, /* a pointer reaches no further */
	ONCE = 0x8000,       /* in `parent`: the name of this label ends in a pointer */
	MASK = WEIR_DNS_COMPRESSED_MAX - 1,
	NAMES_MAX = WEIR_DNS_COMPRESSED_MAX * 3 / 4, /* so that a search ends */
	GONE = 0xffff                                /* of a slot: its label was cut off */
};

void weir_dns_writer_init(struct weir_dns_writer *writer, void *data, size_t limit)
{
	memset(writer, 0, sizeof *writer);
	writer->data = data;
	writer->size = WEIR_DNS_HEADER_SIZE;
	writer->limit = limit;
}

static unsigned dns_put_home_of(const uint8_t *label, unsigned parent)
{
	uint32_t hash = parent * 0x9e3779b1u;
	for (unsigned i = 0; i <= label[0]; i++)
		hash = (hash ^ dns_lower(label[i])) * 0x01000193u;
	return (hash ^ hash >> 16) & MASK;
}

static bool dns_put_label_is(const uint8_t *a, const uint8_t *b)
{
	for (unsigned i = 0; i <= b[0]; i++)
		if (dns_lower(a[i]) != dns_lower(b[i]))
			return false;
	return true;
}

/*
 * Finds this label before that parent. Returns its offset, with ONCE if its name has a pointer; or
 * 0.
 */
static unsigned dns_put_find(
        const struct weir_dns_writer *writer, const uint8_t *label, unsigned parent)
{
	unsigned at = dns_put_home_of(label, parent);
	for (; writer->table[at].at; at = (at + 1) & MASK)
		if (writer->table[at].at != GONE &&
		        (writer->table[at].parent & ~ONCE) == (int)parent &&
		        dns_put_label_is(writer->data + writer->table[at].at, label))
			return writer->table[at].at | (writer->table[at].parent & ONCE);
	return 0;
}

/*
 * Remembers the labels below `count` of a name at `start`, the last of which precedes `parent`.
 * `once` is ONCE if a pointer follows them, or 0.
 */
static void dns_put_remember(struct weir_dns_writer *writer, size_t start, const uint8_t *starts,
        unsigned count, unsigned parent, unsigned once)
{
	while (count-- > 0) {
		size_t offset = start + starts[count];
		if (offset >= OFFSET_END || writer->names == NAMES_MAX)
			return;
		unsigned at = dns_put_home_of(writer->data + offset, parent);
		while (writer->table[at].at)
			at = (at + 1) & MASK;
		writer->table[at].at = (uint16_t)offset;
		writer->table[at].parent = (uint16_t)(parent | once);
		writer->names++;
		parent = (unsigned)offset;
	}
}

bool weir_dns_put_bytes(struct weir_dns_writer *writer, const void *data, size_t size)
{
	if (size > writer->limit - writer->size)
		return false;
	if (size)
		memcpy(writer->data + writer->size, data, size);
	writer->size += size;
	return true;
}

static void dns_put_remember_question(struct weir_dns_writer *writer)
{
	uint8_t starts[WEIR_DNS_LABELS_MAX + 1];
	size_t start = writer->question;
	if (!start)
		return;
	unsigned labels = dns_label_starts(writer->data + start, starts);
	dns_put_remember(writer, start, starts, labels, 0, 0);
	writer->question = 0;
}

/* Whether this is the name of the question, which is not in the table yet, in the same case. */
static bool dns_put_is_question(const struct weir_dns_writer *writer, const uint8_t *wire)
{
	const uint8_t *name = writer->data + writer->question;
	if (!writer->question)
		return false;
	for (; *wire && *wire == *name; wire += *wire + 1, name += *name + 1)
		if (memcmp(wire + 1, name + 1, *wire) != 0)
			return false;
	return *wire == *name;
}

bool weir_dns_put_name(struct weir_dns_writer *writer, const uint8_t *wire)
{
	uint8_t starts[WEIR_DNS_LABELS_MAX + 1];
	if (!*wire)
		return weir_dns_put_bytes(writer, wire, 1);
	if (dns_put_is_question(writer, wire)) {
		uint8_t pointer[2];
		dns_put16(pointer, 0xc000U | writer->question);
		return weir_dns_put_bytes(writer, pointer, sizeof pointer);
	}
	dns_put_remember_question(writer);
	unsigned labels = dns_label_starts(wire, starts), parent = 0, once = 0;
	while (labels) {
		unsigned label = dns_put_find(writer, wire + starts[labels - 1], parent);
		if (!label)
			break;
		parent = label & ~(unsigned)ONCE;
		once = label & ONCE;
		labels--;
	}
	size_t start = writer->size, literal = starts[labels];
	if (literal + (parent ? 2 : 1) > writer->limit - start)
		return false;
	memcpy(writer->data + start, wire, literal);
	writer->size += literal;
	if (parent) {
		dns_put16(writer->data + writer->size, 0xc000 | parent);
		writer->size += 2;
	} else {
		writer->data[writer->size++] = 0;
	}
	if (!once)
		dns_put_remember(writer, start, starts, labels, parent, parent ? ONCE : 0);
	return true;
}

bool weir_dns_put_question(struct weir_dns_writer *writer, struct weir_span bytes)
{
	size_t start = writer->size;
	if (!weir_dns_put_bytes(writer, bytes.data, bytes.size))
		return false;
	dns_put_remember_question(writer);
	if (start < OFFSET_END)
		writer->question = (uint16_t)start;
	writer->counts[WEIR_DNS_QUESTION]++;
	return true;
}

/* Puts rdata with compressed names. */
static bool dns_put_compressed(
        struct weir_dns_writer *writer, struct dns_layout layout, struct weir_span data)
{
	const uint8_t *wire = (const uint8_t *)data.data;
	size_t at = layout.skip;
	if (!weir_dns_put_bytes(writer, wire, layout.skip))
		return false;
	for (unsigned i = 0; i < layout.names; i++) {
		if (!weir_dns_put_name(writer, wire + at))
			return false;
		at += dns_wire_size(wire + at);
	}
	return weir_dns_put_bytes(writer, wire + at, data.size - at);
}

bool dns_put_rdata(struct weir_dns_writer *writer, uint16_t type, struct weir_span data)
{
	struct dns_layout layout = dns_layout(type);
	size_t start = writer->size;
	if (writer->limit - start < 2)
		return false;
	writer->size += 2;
	if (!(layout.compress ? dns_put_compressed(writer, layout, data)
	                      : weir_dns_put_bytes(writer, data.data, data.size)))
		return false;
	dns_put16(writer->data + start, (unsigned)(writer->size - start - 2));
	return true;
}

bool weir_dns_put_record(struct weir_dns_writer *writer, enum weir_dns_section section,
        const uint8_t *owner, uint16_t type, uint16_t rr_class, uint32_t ttl, struct weir_span data)
{
	uint8_t fixed[8];
	size_t start = writer->size;
	dns_put16(fixed, type);
	dns_put16(fixed + 2, rr_class);
	dns_put32(fixed + 4, ttl);
	if (weir_dns_put_name(writer, owner) && weir_dns_put_bytes(writer, fixed, sizeof fixed) &&
	        dns_put_rdata(writer, type, data)) {
		writer->counts[section]++;
		return true;
	}
	weir_dns_writer_cut(writer, start, section, writer->counts[section]);
	return false;
}

void weir_dns_writer_cut(
        struct weir_dns_writer *writer, size_t size, enum weir_dns_section section, uint16_t count)
{
	for (unsigned i = 0; i < WEIR_DNS_COMPRESSED_MAX; i++)
		if (writer->table[i].at >= size)
			writer->table[i].at = GONE;
	if (writer->question >= size)
		writer->question = 0;
	writer->size = size;
	writer->counts[section] = count;
}

bool weir_dns_put_opt(struct weir_dns_writer *writer, uint16_t size, unsigned rcode, bool dnssec,
        struct weir_span options)
{
	uint32_t ttl = (uint32_t)(rcode >> 4 & 0xff) << 24 | (dnssec ? 0x8000 : 0);
	static const uint8_t root[1];
	return weir_dns_put_record(
	        writer, WEIR_DNS_ADDITIONAL, root, WEIR_DNS_OPT, size, ttl, options);
}

size_t weir_dns_writer_finish(struct weir_dns_writer *writer, uint16_t id, uint16_t flags)
{
	dns_put16(writer->data, id);
	dns_put16(writer->data + 2, flags);
	for (unsigned i = 0; i < 4; i++)
		dns_put16(writer->data + 4 + 2 * i, writer->counts[i]);
	return writer->size;
}
