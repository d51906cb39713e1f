/* From the bytes of a YAML file to libyaml's document, whose nodes know their lines. */
#ifndef DAEMON_DOCUMENT_H
#define DAEMON_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include <yaml.h>

#include "problems.h"

/* How deep lists and mappings may stand in each other; the configuration's own depth is 6. */
enum {
	DOCUMENT_DEPTH_MAX = 32
};

/*
 * True: *ret is a document with a root, to be given to yaml_document_delete. False: why not was
 * made a problem.
 */
bool document_load(
        struct problems *problems, const unsigned char *data, size_t size, yaml_document_t *ret);

#endif
