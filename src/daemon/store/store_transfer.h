/* The actions import and export of weir store. */
#ifndef DAEMON_STORE_TRANSFER_H
#define DAEMON_STORE_TRANSFER_H

#include <stdbool.h>

struct config;

/* The words behind the action, up to NULL. */
struct store_transfer_request {
	bool export;
	unsigned parts;        /* bits by enum config_store_part; 0: those that there are */
	const char *url;       /* of the database; NULL: that of `store` */
	const char *directory; /* of an export */
};

/* Parses the words. Returns 0, or an exit code after a message. */
int store_transfer_parse(bool export, int count, char **words, struct store_transfer_request *ret);

/* Returns whether everything was moved; what was not is reported. */
bool store_transfer_run(const struct store_transfer_request *request, struct config *config);

#endif
