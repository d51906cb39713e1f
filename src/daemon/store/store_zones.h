/*
 * Zones and keys of TSIG, for weir store import and export. All functions block, and report their
 * errors.
 */
#ifndef DAEMON_STORE_ZONES_H
#define DAEMON_STORE_ZONES_H

#include <stdbool.h>

#include <weir/database_transfer.h>

struct config;
struct store_verb;

/* Stores the zones that the configuration reads from files, unless the database has them. */
bool store_zones_import(struct store_verb *verb, const struct config *config,
        struct weir_database_transfer_counts *counts);

/* Writes a file NAME.zone for each zone. */
bool store_zones_export(struct store_verb *verb, const char *directory,
        struct weir_database_transfer_counts *counts);

/* Stores the keys of the configuration, unless the database has keys of their names. */
bool store_zones_import_keys(struct store_verb *verb, const struct config *config,
        struct weir_database_transfer_counts *counts);

/* Writes the keys into a file in the form of the section `dns` of a configuration. */
bool store_zones_export_keys(struct store_verb *verb, const char *directory, const char *name,
        struct weir_database_transfer_counts *counts);

#endif
