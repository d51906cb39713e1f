/*
 * The folder is looked at by its time of modification, since its files come and go by renames. A
 * zone that was made is held as long as what it was made of is the same.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/error.h>

#include "acme_dns.h"
#include "acme_overlay.h"
#include "acme_proofs.h"
#include "acme_store.h"
#include "helper.h"
#include "say.h"
#include "service.h"

struct acme_overlay_zone {
	struct acme_overlay_zone *next;
	struct weir_dns_zone *base; /* held, as the next */
	struct weir_dns_zone *made;
};

bool acme_overlay_wanted(const struct config *config)
{
	return config->acme.managed.count && config->acme.dns_01 &&
	       listeners_include(config, SERVICE_DNS);
}

static void acme_overlay_path(
        const struct config *config, const char *folder, const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s%s%s", config->acme.directory, folder, *name ? "/" : "",
	        name);
}

/* -- texts ------------------------------------------------------------------------------------- */

static void acme_overlay_drop_texts(struct acme_overlay *overlay)
{
	free(overlay->texts);
	free(overlay->bytes);
	overlay->texts = NULL;
	overlay->bytes = NULL;
	overlay->count = 0;
}

/* Adds the text of a file "dns-NAME", whose first line it is. */
static void acme_overlay_add(struct acme_overlay *overlay, int directory, const char *file)
{
	struct weir_dns_zone_text *text = &overlay->texts[overlay->count];
	char owner[ACME_NAME_SIZE + 32];
	struct weir_buffer content = {0};
	struct weir_span rest, line;
	char *at = overlay->bytes + overlay->count * ACME_THUMBPRINT_SIZE;
	snprintf(owner, sizeof owner, "_acme-challenge.%.*s", ACME_NAME_SIZE, file);
	if (weir_dns_name_parse(weir_span_of(owner), &text->owner) < 0 ||
	        overlay->count == ACME_OVERLAY_TEXTS_MAX)
		return;
	char path[ACME_NAME_SIZE + 8];
	snprintf(path, sizeof path, "dns-%.*s", ACME_NAME_SIZE, file);
	if (file_read_whole(directory, path, O_NOFOLLOW, ACME_PROOF_MAX, &content) < 0)
		return;
	rest = weir_buffer_span(&content);
	weir_span_cut(&rest, '\n', &line);
	if (line.size == ACME_THUMBPRINT_SIZE - 1 && acme_token_is_good(line)) {
		memcpy(at, line.data, line.size);
		text->text = weir_span(at, line.size);
		overlay->count++;
	}
	weir_buffer_finish(&content);
}

static void acme_overlay_read(struct acme_overlay *overlay, const char *path)
{
	acme_overlay_drop_texts(overlay);
	overlay->texts = calloc(ACME_OVERLAY_TEXTS_MAX + 1, sizeof *overlay->texts);
	overlay->bytes = calloc(ACME_OVERLAY_TEXTS_MAX + 1, ACME_THUMBPRINT_SIZE);
	DIR *entries = overlay->texts && overlay->bytes ? opendir(path) : NULL;
	for (struct dirent *entry; entries && (entry = readdir(entries));)
		if (strncmp(entry->d_name, "dns-", 4) == 0 && !strchr(entry->d_name + 4, '/') &&
		        strlen(entry->d_name) < ACME_NAME_SIZE)
			acme_overlay_add(overlay, dirfd(entries), entry->d_name + 4);
	if (entries)
		closedir(entries);
	if (!overlay->texts || !overlay->bytes)
		acme_overlay_drop_texts(overlay);
}

static int64_t acme_overlay_changed_ns(const char *path)
{
	struct stat status;
	return stat(path, &status) < 0
	               ? 0
	               : (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
}

bool acme_overlay_look(struct acme_overlay *overlay, const struct config *config)
{
	static const char *const folders[] = {ACME_CHALLENGES, ACME_SERIALS};
	char paths[2][PATH_MAX];
	bool changed = false;
	if (!acme_overlay_wanted(config)) {
		changed = overlay->count;
		acme_overlay_drop_texts(overlay);
		return changed;
	}
	for (size_t i = 0; i < 2; i++) {
		acme_overlay_path(config, folders[i], "", paths[i]);
		int64_t now_ns = acme_overlay_changed_ns(paths[i]);
		changed |= now_ns != overlay->changed_ns[i];
		overlay->changed_ns[i] = now_ns;
	}
	if (changed)
		acme_overlay_read(overlay, paths[0]);
	return changed;
}

/* -- zones ------------------------------------------------------------------------------------- */

/* Returns the sum of the steps, which is added to the serial of the zone's file. */
static uint32_t acme_overlay_step(
        const struct config *config, const struct weir_dns_zone_info *info)
{
	char name[WEIR_DNS_TEXT_MAX], path[PATH_MAX], text[32] = "";
	struct weir_buffer content = {0};
	weir_dns_name_format(&info->name, name);
	if (strchr(name, '/'))
		return 0;
	acme_overlay_path(config, ACME_SERIALS, name, path);
	if (file_read_whole(AT_FDCWD, path, O_NOFOLLOW, sizeof text - 1, &content) == 0)
		text_copy_span(text, sizeof text, weir_buffer_span(&content));
	weir_buffer_finish(&content);
	return (uint32_t)strtoul(text, NULL, 10);
}

static size_t acme_overlay_choose(const struct acme_overlay *overlay,
        const struct weir_dns_name *zone, struct weir_dns_zone_text *ret)
{
	size_t count = 0;
	for (size_t i = 0; i < overlay->count; i++)
		if (weir_dns_name_beneath(&overlay->texts[i].owner, zone))
			ret[count++] = overlay->texts[i];
	return count;
}

/* Forgets the zone of this name that was made; NULL: all of them. */
static void acme_overlay_forget(struct acme_overlay *overlay, const struct weir_dns_name *name)
{
	struct weir_dns_zone_info info;
	for (struct acme_overlay_zone **at = &overlay->zones; *at;) {
		struct acme_overlay_zone *zone = *at;
		weir_dns_zone_info(zone->base, &info);
		if (name && !weir_dns_name_equal(&info.name, name)) {
			at = &zone->next;
			continue;
		}
		*at = zone->next;
		weir_dns_zone_release(zone->base);
		weir_dns_zone_release(zone->made);
		free(zone);
	}
}

/* Whether the zone that was made of this one is still right. */
static struct acme_overlay_zone *acme_overlay_find(
        const struct acme_overlay *overlay, const struct weir_dns_zone *base, uint32_t serial)
{
	struct weir_dns_zone_info info;
	for (struct acme_overlay_zone *zone = overlay->zones; zone; zone = zone->next) {
		weir_dns_zone_info(zone->made, &info);
		if (zone->base == base && info.serial == serial)
			return zone;
	}
	return NULL;
}

static struct weir_dns_zone *acme_overlay_note(
        struct acme_overlay *overlay, struct weir_dns_zone *base, struct weir_dns_zone *made)
{
	struct acme_overlay_zone *zone = calloc(1, sizeof *zone);
	struct weir_dns_zone_info info;
	weir_dns_zone_info(base, &info);
	acme_overlay_forget(overlay, &info.name);
	if (!zone) {
		weir_dns_zone_release(made);
		return base;
	}
	zone->base = weir_dns_zone_hold(base);
	zone->made = made;
	zone->next = overlay->zones;
	overlay->zones = zone;
	return made;
}

struct weir_dns_zone *acme_overlay_zone(
        struct acme_overlay *overlay, const struct config *config, struct weir_dns_zone *zone)
{
	struct weir_dns_zone_text texts[ACME_OVERLAY_TEXTS_MAX];
	struct weir_dns_zone_info info;
	struct weir_dns_zone *made;
	char name[WEIR_DNS_TEXT_MAX];
	if (!zone || !acme_overlay_wanted(config))
		return zone;
	weir_dns_zone_info(zone, &info);
	size_t count = acme_overlay_choose(overlay, &info.name, texts);
	uint32_t serial = info.serial + acme_overlay_step(config, &info);
	if ((count == 0 && serial == info.serial) || info.unavailable || info.is_signed)
		return zone;
	struct acme_overlay_zone *before = acme_overlay_find(overlay, zone, serial);
	if (before)
		return before->made;
	int error = weir_dns_zone_extend(zone, serial, texts, count, &made);
	if (error == 0)
		return acme_overlay_note(overlay, zone, made);
	weir_dns_name_format(&info.name, name);
	say("the zone %s cannot have the proof of a name for a certificate: %s", name,
	        weir_error_text(error));
	return zone;
}

void acme_overlay_finish(struct acme_overlay *overlay)
{
	acme_overlay_forget(overlay, NULL);
	acme_overlay_drop_texts(overlay);
}
