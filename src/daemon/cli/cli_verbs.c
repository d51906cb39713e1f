/* The table of verbs. The file of a verb has the effects of its options. */
#include <string.h>

#include "cli.h"
#include "table.h"
#include "types.h"

#define HELP                                                                                       \
	{                                                                                          \
		"help", &type_flag, .option = "help", .option_letter = 'h', .option_value = "yes", \
		                    .doc = "Print this text."                                      \
	}

static const struct key serve_options[] = {
        {"config", &type_file, .option = "config", .option_letter = 'c',
                .doc = "Read a configuration, see `man weir.yaml`; options of the command "
                       "line take precedence over its keys."},
        HELP,
        {0},
};

static const struct key check_options[] = {
        {"config", &type_file, .option = "config", .option_letter = 'c',
                .doc = "The configuration."},
        {"effective", &type_flag, .option = "effective", .option_value = "yes",
                .doc = "Print the whole configuration in effect as YAML, in which a comment marks "
                       "the defaults."},
        HELP,
        {0},
};

static const struct key passwd_options[] = {
        {"users", &type_file, .option = "users", .option_letter = 'u', .doc = "The users file."},
        {"config", &type_file, .option = "config", .option_letter = 'c',
                .doc = "A configuration whose users are meant: those of `store` if `mail` has no "
                       "`users`."},
        {"delete", &type_flag, .option = "delete", .option_value = "yes",
                .doc = "Remove the user."},
        {"lock", &type_flag, .option = "lock", .option_value = "yes",
                .doc = "Lock the user: no password fits, and the old one is not lost."},
        {"unlock", &type_flag, .option = "unlock", .option_value = "yes",
                .doc = "Unlock the user."},
        {"no-scram", &type_flag, .option = "no-scram", .option_value = "yes",
                .doc = "Store a hash alone, without the verifier of SCRAM-SHA-256."},
        HELP,
        {0},
};

static const struct key queue_options[] = {
        {"queue", &type_new_directory, .option = "queue", .option_letter = 'q',
                .doc = "The directory of the queue."},
        {"config", &type_file, .option = "config", .option_letter = 'c',
                .doc = "A configuration whose queue is meant: that of `store`, or the directory of "
                       "its `relay`."},
        {"all", &type_flag, .option = "all", .option_value = "yes", .doc = "Retry all messages."},
        HELP,
        {0},
};

static const struct key console_options[] = {
        {"config", &type_file, .option = "config", .option_letter = 'c',
                .doc = "The configuration whose `admin` is the path of the socket; files that it "
                       "includes are not read. Default: /etc/weir/weir.yaml."},
        {"admin", &type_socket, .option = "admin", .doc = "The path of the socket itself."},
        HELP,
        {0},
};

static const struct key status_options[] = {
        {"config", &type_file, .option = "config", .option_letter = 'c',
                .doc = "The configuration whose `admin` is the path of the socket. Default: "
                       "/etc/weir/weir.yaml."},
        {"admin", &type_socket, .option = "admin", .doc = "The path of the socket itself."},
        {"json", &type_flag, .option = "json", .option_value = "yes",
                .doc = "Print one object of JSON."},
        HELP,
        {0},
};

static const char *const top_orders[] = {"quiet", "sent", "replies", NULL};

static const struct key top_options[] = {
        {"config", &type_file, .option = "config", .option_letter = 'c',
                .doc = "The configuration whose `admin` is the path of the socket. Default: "
                       "/etc/weir/weir.yaml."},
        {"admin", &type_socket, .option = "admin", .doc = "The path of the socket itself."},
        {"sort", &type_word, .option = "sort", .words = top_orders, .option_argument = "KEY",
                .option_values = "quiet sent replies",
                .doc = "The first order: quiet, the time since the last byte; sent, bytes sent; "
                       "or replies, those that are pending. Default: quiet."},
        {"once", &type_flag, .option = "once", .option_value = "yes",
                .doc = "Print one page and end."},
        HELP,
        {0},
};

static const struct key upgrade_options[] = {
        {"config", &type_file, .option = "config", .option_letter = 'c',
                .doc = "The configuration whose `admin` is the path of the socket. Default: "
                       "/etc/weir/weir.yaml."},
        {"admin", &type_socket, .option = "admin", .doc = "The path of the socket itself."},
        HELP,
        {0},
};

static const struct key fetch_options[] = {
        {"output", &type_file, .option = "output", .option_letter = 'o',
                .doc = "Write the body to this file, which appears when it is complete, and only "
                       "for a status below 400. Default: the standard output."},
        {"include", &type_flag, .option = "include", .option_letter = 'i', .option_value = "yes",
                .doc = "Print the head of the reply before its body."},
        {"head", &type_flag, .option = "head", .option_letter = 'I', .option_value = "yes",
                .doc = "Ask for the head alone, by the method HEAD, and print it."},
        {"follow", &type_flag, .option = "follow", .option_letter = 'L', .option_value = "yes",
                .doc = "Follow redirects, up to 10."},
        {"field", &type_text, .option = "field", .option_letter = 'H', .option_argument = "FIELD",
                .doc = "Send this field with the request, as Accept: text/html; may be repeated."},
        {"data", &type_text, .option = "data", .option_letter = 'd', .option_argument = "DATA",
                .doc = "Send a body, by POST unless --method is given: a text; @FILE for the "
                       "content of a file; or @- for the standard input. Its type is not sent "
                       "unless --field has a Content-Type."},
        {"method", &type_text, .option = "method", .option_letter = 'X',
                .option_argument = "METHOD", .option_values = "GET HEAD POST PUT PATCH DELETE",
                .doc = "The method of the request."},
        {"unix-socket", &type_file, .option = "unix-socket",
                .doc = "Connect to this Unix socket instead of the host of the URL."},
        {"ca", &type_file, .option = "ca",
                .doc = "A file of certificates of authorities to trust for https, in PEM. "
                       "Default: those of the system."},
        {"timeout", &type_duration, .option = "timeout", .min = TIME_MIN_MS, .max = DAY_MS,
                .doc = "How long the server may take without a byte, at each step. Default: 10s "
                       "for the connection, 60s for the rest."},
        {"insecure", &type_flag, .option = "insecure", .option_letter = 'k', .option_value = "yes",
                .doc = "Accept any certificate, also that of an impostor."},
        HELP,
        {0},
};

static const char *const zone_algorithms[] = {"hmac-sha256", "hmac-sha512", "hmac-sha1", NULL};

static const struct key zone_options[] = {
        {"config", &type_file, .option = "config", .option_letter = 'c',
                .doc = "The configuration with `store`. Default: /etc/weir/weir.yaml."},
        {"algorithm", &type_word, .option = "algorithm", .words = zone_algorithms,
                .option_argument = "NAME", .option_values = "hmac-sha256 hmac-sha512 hmac-sha1",
                .doc = "The algorithm of a key: hmac-sha256, hmac-sha512 or hmac-sha1. Default: "
                       "hmac-sha256."},
        HELP,
        {0},
};

static const struct key store_options[] = {
        {"config", &type_file, .option = "config", .option_letter = 'c',
                .doc = "The configuration with `store`. Default: /etc/weir/weir.yaml."},
        HELP,
        {0},
};

static const struct key store_verb_options[] = {
        {"config", &type_file, .option = "config", .option_letter = 'c',
                .doc = "The configuration with `store`. Default: /etc/weir/weir.yaml."},
        {"dry-run", &type_flag, .option = "dry-run", .option_letter = 'n', .option_value = "yes",
                .doc = "With init and migrate: prints the statements that would run, and changes "
                       "nothing."},
        HELP,
        {0},
};

static const struct key config_options[] = {HELP, {0}};

const struct verb cli_verbs[] = {
        {
                .name = "serve",
                .synopsis = "[DIR] [OPTION...]",
                .summary = "serve a directory, or a configuration",
                .text = "Serves files, mail and DNS until SIGTERM or SIGINT (Ctrl-C), then "
                        "finishes the requests in flight. SIGHUP reloads the configuration, users "
                        "and certificates, and reopens the logs; SIGUSR1 only reopens the logs; "
                        "SIGUSR2 upgrades, see `weir upgrade`. Without DIR and without sites in "
                        "a configuration it serves ./public, which is created if it is missing. "
                        "Options replace the keys of a configuration; --http and the other "
                        "listeners, --cert, --key, --domain, --zone and --forward may be "
                        "repeated. Without a listener it listens on http://127.0.0.1:8080/. "
                        "[::1]:8080 is an IPv6 address, :8080 every address of the machine, and "
                        "with port 0 the system chooses a free port.",
                .options = serve_options,
                .keys = true,
                .operand = &type_directory,
                .examples = "weir serve ~/Pictures --http :8000\n"
                            "weir serve /srv/www --https :443 --cert chain.pem --key key.pem\n"
                            "weir serve --smtp 127.0.0.1:2525 --pop3 127.0.0.1:1100 --mail mail "
                            "\\\n    --users users --domain example.org\n"
                            "weir serve /srv/www --http :80 --ftp :21 --users users "
                            "--ftp-writable\n"
                            "weir serve --dns 127.0.0.1:5353 --zone "
                            "example.org=example.org.zone\n"
                            "weir serve -c /etc/weir/weir.yaml\n",
        },
        {
                .name = "check",
                .synopsis = "[-c] FILE [--effective]",
                .summary = "report everything that is wrong with a configuration",
                .text = "Reads a configuration, the files that it includes and the files that it "
                        "names, and reports each mistake as FILE:LINE:COLUMN: message. Exits with "
                        "0 if there are none, and with 1 otherwise.",
                .options = check_options,
                .operand = &type_file,
                .examples = "weir check /etc/weir/weir.yaml\n"
                            "weir check --effective /etc/weir/weir.yaml\n",
        },
        {
                .name = "config",
                .synopsis = "default | bash | zsh | fish | manual | options | listing",
                .summary = "print an annotated default configuration, or a completion",
                .text = "default prints a configuration in which every key is explained; a key "
                        "that is a comment has its default. bash, zsh and fish print the "
                        "completion for that shell. manual, options and listing print the parts "
                        "of weir.yaml(5), weir(1) and docs/configuration.md that are made from "
                        "the table of keys.",
                .options = config_options,
                .words = "default bash zsh fish manual options listing",
                .examples = "weir config default >weir.yaml\n",
        },
        {
                .name = "passwd",
                .synopsis = "--users FILE | -c FILE USER [--delete | --lock | --unlock]",
                .summary = "add a user, or change a password, in a users file or the database",
                .text = "Adds USER to a users file, or changes the password. The password is "
                        "asked for on a terminal; otherwise it is the first line of the standard "
                        "input. The file is created if it is missing. A server that uses it reads "
                        "it again on SIGHUP. With -c and a database, all servers that use that follow "
                        "within seconds.",
                .options = passwd_options,
                .operand = &type_user,
                .examples = "weir passwd --users /etc/weir/users alice\n"
                            "weir passwd -c /etc/weir/weir.yaml alice --lock\n"
                            "pwgen 20 1 | tee /dev/tty | weir passwd --users users bob\n",
        },
        {
                .name = "queue",
                .synopsis =
                        "--queue DIR | -c FILE [list | retry ID... | retry --all | delete ID...]",
                .summary = "list, retry or delete mail that waits to be forwarded",
                .text = "Lists the messages that wait to be forwarded, which is the default, "
                        "retries them at once, or deletes them. A server may be using the queue. "
                        "A message that is being sent is deleted when that has failed.",
                .options = queue_options,
                .words = "list retry delete",
                .examples = "weir queue --queue /var/spool/weir\n"
                            "weir queue --queue /var/spool/weir retry --all\n"
                            "weir queue -c /etc/weir/weir.yaml list\n",
        },
        {
                .name = "mailbox",
                .synopsis = "[-c FILE] [list | remove USER]",
                .summary = "list the mailboxes in the database, or remove one whole",
                .text = "list prints each mailbox in the database of `store` with the number of "
                        "its messages and their bytes, and whether a session has it. remove is for "
                        "a user who has left, whom `weir passwd --delete` removes first. It "
                        "removes the mailbox with all its messages; other mailboxes lose nothing, "
                        "also where they share a message. Servers may run meanwhile. If a POP3 "
                        "session has the mailbox, nothing is removed: repeat it when the session "
                        "has ended. A front end that has crashed holds its mailboxes for two "
                        "minutes. An interrupted removal goes on when it is repeated.",
                .options = store_options,
                .words = "list remove",
                .operand = &type_user,
                .examples = "weir mailbox list\n"
                            "weir passwd -c /etc/weir/weir.yaml alice --delete\n"
                            "weir mailbox remove alice\n",
        },
        {
                .name = "certificate",
                .synopsis = "[-c FILE] [list | import NAME CHAIN KEY | remove NAME]",
                .summary = "store and list the certificates in the database",
                .text = "import checks that CHAIN and KEY are PEM files and belong together, and "
                        "stores them under NAME in the database of `store`, in place of what has "
                        "this name. NAME is one of the names in the certificate. Every front end "
                        "shows the certificate within seconds, to clients that ask for one of "
                        "them. list shows when each expires.",
                .options = store_options,
                .words = "list import remove",
                .operand = &type_file,
                .examples = "weir certificate import example.org fullchain.pem privkey.pem\n",
        },
        {
                .name = "zone",
                .synopsis = "[-c FILE] list | import ZONE FILE | export ZONE [SERIAL] | history "
                            "ZONE | remove ZONE | keys | set-key NAME | remove-key NAME",
                .summary = "store and list the zones and keys of DNS in the database",
                .text = "import checks a zone file as a server does, and makes it the current "
                        "version of the zone in the database of `store`: at once, or not at all. "
                        "A version whose records have changed needs a later serial; if that of the "
                        "file is not later, it gets the next one. Every front end serves it within "
                        "seconds. export prints the current version, or the one with this serial. "
                        "history lists the versions that are there: 16 at most, of the last 7 days. "
                        "set-key stores a key of TSIG, whose secret is read in base64 from the "
                        "standard input.",
                .options = zone_options,
                .words = "list import export history remove keys set-key remove-key",
                .operand = &type_file,
                .examples = "weir zone import example.org example.org.zone\n"
                            "weir zone export example.org 2026113001 >before.zone\n"
                            "openssl rand -base64 32 | weir zone set-key transfer.example.org\n",
        },
        {
                .name = "store",
                .synopsis =
                        "[-c FILE] init [-n] | migrate [-n] | check | import [PART...] | export [PART...] DIR",
                .summary = "make, upgrade, check, fill or copy the shared database",
                .text = "init makes the tables in the database of `store`, those that are missing "
                        "too, and prints the version of each part. migrate brings them up "
                        "to the version of this program; servers of the version before may run "
                        "meanwhile, and an interrupted migration goes on when it is repeated. check "
                        "prints the versions, the state of the server and its standbys, and what "
                        "each part has, and exits with 1 if there is a problem. import brings what "
                        "is in the files of the configuration: users and aliases, mailboxes with "
                        "the dates and UIDLs of their messages, the queue, which no server may be "
                        "using, zones, and keys of TSIG. export writes the same files into DIR. "
                        "PART is users, mailboxes, queue, zones or keys; without it all of them. "
                        "Both go on after an interruption when they are repeated, and bring "
                        "nothing twice. A URL as a further word names another database. Run as "
                        "root, it connects, reads and writes as the user of the server.",
                .options = store_verb_options,
                .words = "init migrate check import export users mailboxes queue zones keys",
                .operand = &type_directory,
                .examples = "weir store -c /etc/weir/weir.yaml init\n"
                            "weir store check\n"
                            "weir store migrate --dry-run\n"
                            "weir store import\n"
                            "weir store export mailboxes /srv/mailboxes\n",
        },
        {
                .name = "console",
                .synopsis = "[-c FILE | --admin PATH] [COMMAND...]",
                .summary = "send commands to the running daemon",
                .text = "Sends a command to the running daemon, through its admin socket, and "
                        "prints the reply. Without COMMAND it reads commands from the standard "
                        "input, one a line. `help` lists the commands. Exits with 0 if all "
                        "commands succeeded, and with 1 if one failed.",
                .options = console_options,
                .command = true,
                .words =
                        "help status connections top close guard store ban queue users zones cache "
                        "certificates log reload reopen upgrade drain",
                .examples = "weir console -c /etc/weir/weir.yaml guard list\n"
                            "weir console guard clear 192.0.2.7\n"
                            "weir console --admin state/admin.sock connections smtp\n",
        },
        {
                .name = "status",
                .synopsis = "[-c FILE | --admin PATH] [--json]",
                .summary = "show on one page what the running daemon does",
                .text = "Shows the connections of each listener, requests by their results, the "
                        "mail queue, zones and the DNS cache, certificates, and limits that were "
                        "hit.",
                .options = status_options,
                .examples = "weir status\n"
                            "weir status --json | jq .process.open_connections\n",
        },
        {
                .name = "top",
                .synopsis = "[-c FILE | --admin PATH] [--sort KEY] [--once]",
                .summary = "watch the connections of the running daemon",
                .text = "Shows the connections that lead in some order, every two seconds: what "
                        "each waits for, since when, and how much it was sent. Keys: q quiet, s "
                        "sent, r replies change the order, space asks at once, x or Ctrl-C ends. "
                        "Without a terminal it prints one page.",
                .options = top_options,
                .examples = "weir top --sort sent\n"
                            "weir top --once | head\n",
        },
        {
                .name = "upgrade",
                .synopsis = "[-c FILE | --admin PATH]",
                .summary = "have the running daemon take the installed program and configuration",
                .text = "Has the running daemon, which needs `privilege-separation`, execute its "
                        "program anew, as SIGUSR2 does, and "
                        "waits until the new one serves. No connection is refused meanwhile: the "
                        "new one has the listeners of the old one, which finishes its requests. "
                        "If the new program does not start or does not accept the "
                        "configuration, the old one goes on. Exits with 0 if the new one serves, "
                        "and with 1 otherwise.",
                .options = upgrade_options,
                .examples = "weir upgrade\n"
                            "weir upgrade --admin state/admin.sock\n",
        },
        {
                .name = "fetch",
                .synopsis = "[OPTION...] URL",
                .summary = "get a URL by HTTP",
                .text = "Sends a request by HTTP/1.1 and prints the body of the reply. Exits with "
                        "0 if the reply is complete and its status is below 400, and with 1 "
                        "otherwise, after a message with the reason. On a terminal it shows the "
                        "progress of a body that is written to a file or a pipe.",
                .options = fetch_options,
                .examples = "weir fetch http://127.0.0.1:8080/\n"
                            "weir fetch -L -o page.html https://example.org/\n"
                            "weir fetch -d @photo.jpg -X PUT http://127.0.0.1:8080/photo.jpg\n"
                            "weir fetch --unix-socket state/admin.sock http://weir/metrics\n",
        },
        {0},
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *verb = cli_verbs; verb->name; verb++)
		if (strcmp(verb->name, name) == 0)
			return verb;
	return NULL;
}

/* -- options ----------------------------------------------------------------------------------- */

struct walk {
	struct verb_option *options;
	size_t count;
};

static void verb_add_option(struct walk *walk, struct verb_option option)
{
	if (option.key->option && walk->count < VERB_OPTIONS_MAX)
		walk->options[walk->count++] = option;
}

static void verb_walk(
        struct walk *walk, const struct section *section, uint32_t offset, bool listed)
{
	for (const struct key *key = section->keys; key->name; key++) {
		if (key->of)
			verb_walk(walk, key->of, offset + key->offset,
			        listed || key->type == &type_sections);
		verb_add_option(
		        walk, (struct verb_option){key, section, offset + key->offset, listed});
	}
}

size_t verb_options(const struct verb *verb, struct verb_option options[VERB_OPTIONS_MAX])
{
	struct walk walk = {options, 0};
	if (verb->keys)
		verb_walk(&walk, &table_top, 0, false);
	for (const struct key *key = verb->options; key->name; key++)
		verb_add_option(&walk, (struct verb_option){.key = key});
	return walk.count;
}

const char *verb_option_argument(const struct key *key)
{
	if (key->option_value)
		return NULL;
	return key->option_argument ? key->option_argument : key->type->argument;
}

const char *verb_option_doc(const struct key *key)
{
	return key->option_doc ? key->option_doc : key->doc;
}
