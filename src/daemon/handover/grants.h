/*
 * The table of the things that a configuration names and a server process may have: listeners, the
 * admin socket, logs, files that are read. The master makes it while it reads the configuration,
 * and hands it over as a sealed memory file. The server asks for a thing by its index, so that the
 * master reads no text from it.
 *
 *   master:  grants_create ─ grants_add … ─ grants_seal ──▶ fd
 *   server:  grants_read(fd) ─ grants_find(kind, key) ──▶ index
 *
 * The text of the configuration's files, and the names that its patterns have matched, are in the
 * table, too: a server may not be able to read them, and must see what the master has seen.
 */
#ifndef DAEMON_GRANTS_H
#define DAEMON_GRANTS_H

#include <stddef.h>
#include <stdint.h>

enum grant_kind {
	/* Can be opened. */
	GRANT_FILE = 'F',     /* for reading; the key is its path */
	GRANT_LOG = 'L',      /* for appending; the key is its path */
	GRANT_STREAM = 'S',   /* a listening socket; see endpoint_key; the value is its address */
	GRANT_DATAGRAM = 'U', /* a bound socket, likewise */
	GRANT_ADMIN = 'A',    /* the admin socket; the key is its path */
	GRANT_LINES = 'R',    /* the last lines of the master (recent_lines.h); the key is empty */
	GRANT_KEYS = 'K',     /* a socket of the key process; the key is its number */
	/* Have a value, and cannot be opened. */
	GRANT_TEXT = 'T',         /* of a file of the configuration, by its path */
	GRANT_DIRECTORY = 'D',    /* the real path of a directory, by its path */
	GRANT_WORKERS = 'W',      /* the number of workers; the key is empty */
	GRANT_BANNER = 'B',       /* the server prints the banner; the key is empty */
	GRANT_SUCCESSOR = 'N',    /* the process before this one still drains; the key is empty */
	GRANT_CERTIFICATES = 'C', /* only those that are obtained have changed; the key is empty */
	GRANT_REVOKED = '-',
	GRANT_MATCH = 'M', /* a name that a pattern has matched; each has an entry of its own */
};

enum {
	GRANTS_MAX = 1 << 19,
	GRANTS_BYTES_MAX = 1 << 28,
};

struct grant {
	char kind; /* enum grant_kind */
	int fd;    /* of the master's sockets; borrowed, or -1 */
	const char *key;
	const char *value;
	size_t size; /* of the value */
};

struct grants {
	struct grant *items;
	size_t count;
	size_t capacity;
	uint32_t serial;
	char *bytes;                 /* of a table that was read: all texts */
	const struct grant **sorted; /* likewise: by kind, key and index */
};

/* Returns NULL without memory. */
struct grants *grants_create(uint32_t serial);

/* Adds an entry; the key and the value are copied. Returns 0, -ENOMEM, or -E2BIG. */
int grants_add(struct grants *grants, enum grant_kind kind, const char *key, const void *value,
        size_t size, int fd);

/* Returns a descriptor of a memory file that cannot change, or a negative errno. */
int grants_seal(const struct grants *grants);

/* Copies a table into one that can be searched. Returns 0 or a negative errno. */
int grants_copy(const struct grants *grants, struct grants **ret);

/* Reads such a file. Returns 0, -EPROTO, -ENOMEM, or another errno. */
int grants_read(int fd, struct grants **ret);

/*
 * In a table that was read: returns the entry of this kind and key, the `nth` of those that are
 * equal, or NULL.
 */
const struct grant *grants_find(
        const struct grants *grants, enum grant_kind kind, const char *key, size_t nth);

/* In a table that was read: sets the descriptor of an entry, if there is one of this key. */
void grants_set_fd(struct grants *grants, enum grant_kind kind, const char *key, int fd);

/* Makes the entries of a kind unusable. */
void grants_revoke(struct grants *grants, enum grant_kind kind);

/* NULL is allowed. */
void grants_destroy(struct grants *grants);

#endif
