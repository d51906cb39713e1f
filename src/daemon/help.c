/*
 * The texts of --help, the manual pages in short. Completion and man/ say the same: change all
 * three.
 */
#include "help.h"

const char help_program[] = "usage: weir VERB [OPTION...]\n"
                            "\n"
                            "An asynchronous internet server.\n"
                            "\n"
                            "  serve [DIR]      serve a directory, or what a configuration says\n"
                            "  check FILE       say everything that is wrong with a configuration\n"
                            "  passwd USER      add a user to a users file, or change a password\n"
                            "  queue            look at mail that waits, retry or delete it\n"
                            "\n"
                            "  -h, --help       this text; `weir VERB --help` tells about a verb\n"
                            "  -V, --version    the version\n"
                            "\n"
                            "`weir serve` alone serves ./public on http://127.0.0.1:8080/.\n"
                            "The manual: man weir, man weir.yaml\n";

const char help_serve[] =
        "usage: weir serve [DIR] [OPTION...]\n"
        "\n"
        "Serves files until SIGTERM or SIGINT (Ctrl-C); then finishes what is in flight.\n"
        "SIGHUP reloads configuration and certificates, and opens the logs anew.\n"
        "\n"
        "  DIR, --root DIR         the directory to serve, instead of configured sites;\n"
        "                          without either: ./public, which is made if missing\n"
        "  --http ADDRESS:PORT     listen there, instead of configured addresses; may be\n"
        "                          repeated. [::1]:8080 is IPv6, :8080 any address,\n"
        "                          port 0 any port that is free. Default: 127.0.0.1:8080\n"
        "  --https ADDRESS:PORT    the same, with TLS\n"
        "  --cert FILE --key FILE  for it: a certificate with its chain, and its key, as PEM;\n"
        "                          may be repeated, for other names\n"
        "  --workers N             threads, 1 to 64. Default: one a processor\n"
        "  --access-log PATH|off   log requests to PATH, in the combined format. Default: off\n"
        "  -c, --config FILE       read a configuration (man weir.yaml)\n"
        "  -h, --help              this text\n"
        "\n"
        "  weir serve ~/Pictures --http :8000\n"
        "  weir serve /srv/www --https :443 --cert chain.pem --key key.pem\n"
        "  weir serve -c /etc/weir/weir.yaml\n";

const char help_check[] =
        "usage: weir check [-c] FILE\n"
        "\n"
        "Reads a configuration and says everything that is wrong with it, one mistake a line:\n"
        "FILE:LINE:COLUMN: what, and what to do. Looks also at the directories and files it names.\n"
        "Ends with 0 if nothing is wrong, with 1 if something is.\n"
        "\n"
        "  -c, --config FILE       the configuration (man weir.yaml)\n"
        "  -h, --help              this text\n";

const char help_passwd[] =
        "usage: weir passwd --users FILE USER [--delete]\n"
        "\n"
        "Adds USER to a users file, or changes the password. It is asked for on a terminal, and\n"
        "otherwise is the first line of the standard input. A file that is not there is made.\n"
        "A server that reads the file does so again on SIGHUP.\n"
        "\n"
        "  --users FILE            the users file\n"
        "  --delete                remove USER\n"
        "  --no-scram              keep a hash alone, not what SCRAM-SHA-256 needs\n"
        "  -h, --help              this text\n"
        "\n"
        "  weir passwd --users /etc/weir/users alice\n"
        "  pwgen 20 1 | tee /dev/tty | weir passwd --users users bob\n";

const char help_queue[] =
        "usage: weir queue --queue DIR [list | retry ID... | retry --all | delete ID...]\n"
        "\n"
        "Shows the messages that wait to be forwarded (list, also if nothing is said), has them\n"
        "tried at once, or deletes them. A server that serves the queue may be running or not.\n"
        "A message that is being sent is deleted after that, if it still has to be.\n"
        "\n"
        "  --queue DIR             the queue's directory\n"
        "  --all                   retry all messages\n"
        "  -h, --help              this text\n"
        "\n"
        "  weir queue --queue /var/spool/weir\n"
        "  weir queue --queue /var/spool/weir retry --all\n";
