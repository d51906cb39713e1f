/*
 * The files and names that reading a configuration takes from the disk, in the two processes:
 *
 *   master:  sources_record ─ config_load ─ sources_end: texts, directories and matches go to the
 *            table. The files that the configuration names, such as keys, are added to it unread.
 *   server:  sources_replay ─ config_load ─ sources_end: the same, out of the table. Nothing is
 *            looked up again: the server may have no right to, and both must see one configuration.
 *
 *   again:   sources_repeat ─ config_load ─ sources_end: the same configuration, out of the table
 *            in effect and into another one. Only files that name current versions are read again.
 *
 * Elsewhere (`weir check`) everything comes from the disk. For the main thread only.
 */
#ifndef DAEMON_SOURCES_H
#define DAEMON_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include <glob.h>

#include <weir/buffer.h>

struct grants;

void sources_record(struct grants *grants);
void sources_replay(const struct grants *grants);

/* Records, and reads the files that the configuration names all the same. */
void sources_keep(struct grants *grants);

/* Replays, and leaves those files unread. */
void sources_skim(const struct grants *grants);

/* Replays one table, and records into the other; `leave` is whether those files stay unread. */
void sources_repeat(const struct grants *from, struct grants *to, bool leave);

/* Returns 0, or the negative errno of the first entry that could not be added. */
int sources_end(void);

/* Whether the master has made sure already that what the configuration names is there. */
bool sources_replaying(void);

/*
 * In the master: adds a file that a configuration names to the table, and returns true; the file is
 * not read then. Elsewhere returns false, and so does sources_keep's. NULL is no file, and has the
 * same result.
 *
 * A mistake of the operator should be reported with all others, and not by the process that reads
 * the file. Stores -ENOENT or -ENOTDIR if the master adds a file that is missing, and otherwise 0.
 */
bool sources_leave(const char *path, int *ret_error);

/* Likewise for a file of the key process, which is not in the table: the server may not have it. */
bool sources_leave_to_keys(const char *path, int *ret_error);

/*
 * The text of a file of the configuration. Returns false if it is to be read from the disk.
 * Otherwise stores 0 or a negative errno, and on success appends the bytes.
 */
bool sources_text(const char *path, struct weir_buffer *buffer, int *ret_error);
void sources_add_text(const char *path, struct weir_span text);

/* As sources_text, for a file that names a current version: to repeat, it is read again. */
bool sources_recorded(const char *path, struct weir_buffer *buffer, int *ret_error);

/* realpath(3) and glob(3) of the same meaning. */
char *sources_real_path(const char *path);
int sources_glob(const char *pattern, glob_t *ret);

#endif
