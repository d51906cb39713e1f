/* The documents that are made from the tables; see config_verb.c. */
#ifndef DAEMON_REFERENCE_H
#define DAEMON_REFERENCE_H

#include <stdio.h>

/* The keys for weir.yaml(5), and the options for weir(1), for scdoc. */
void reference_manual(FILE *to);
void reference_options(FILE *to);

/* A configuration with all keys and examples, for docs/configuration.md. */
void reference_listing(FILE *to);

/* An annotated configuration in which everything has its default. */
void reference_default(FILE *to);

/* completion.c */
void completion_bash(FILE *to);
void completion_zsh(FILE *to);
void completion_fish(FILE *to);

#endif
