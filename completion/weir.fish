# Completion of weir for fish.

set -l verbs serve check passwd queue
set -l serving '__fish_seen_subcommand_from serve'
set -l checking '__fish_seen_subcommand_from check'
set -l changing '__fish_seen_subcommand_from passwd'
set -l queueing '__fish_seen_subcommand_from queue'

complete -c weir -f
complete -c weir -n "not __fish_seen_subcommand_from $verbs" -a serve -d 'Serve a directory or a configuration'
complete -c weir -n "not __fish_seen_subcommand_from $verbs" -a check -d 'Say what is wrong with a configuration'
complete -c weir -n "not __fish_seen_subcommand_from $verbs" -a passwd -d 'Add a user or change a password'
complete -c weir -n "not __fish_seen_subcommand_from $verbs" -a queue -d 'Look at mail that waits'
complete -c weir -n "not __fish_seen_subcommand_from $verbs" -s V -l version -d 'Print the version'
complete -c weir -s h -l help -d 'Print help'

complete -c weir -n $serving -a '(__fish_complete_directories)'
complete -c weir -n $serving -l http -x -a '127.0.0.1:8080 127.0.0.1:0 :8080' -d 'Listen there'
complete -c weir -n $serving -l https -x -a '127.0.0.1:8443 127.0.0.1:0 :8443' -d 'Listen there, with TLS'
complete -c weir -n $serving -l smtp -x -a '127.0.0.1:2525 127.0.0.1:0 :25' -d 'Take mail in'
complete -c weir -n $serving -l submission -x -a '127.0.0.1:2587 :587' -d 'Take mail in from users'
complete -c weir -n $serving -l submissions -x -a '127.0.0.1:2465 :465' -d 'Take mail in from users, with TLS'
complete -c weir -n $serving -l smtps -x -a '127.0.0.1:2465 :465' -d 'The same'
complete -c weir -n $serving -l lmtp -x -a '127.0.0.1:2424' -d 'Take mail in from a mail server'
complete -c weir -n $serving -l pop3 -x -a '127.0.0.1:1100 127.0.0.1:0 :110' -d 'Let users fetch mail'
complete -c weir -n $serving -l pop3s -x -a '127.0.0.1:1995 :995' -d 'Let users fetch mail, with TLS'
complete -c weir -n $serving -l ftp -x -a '127.0.0.1:2121 127.0.0.1:0 :21' -d 'Let everybody fetch files'
complete -c weir -n $serving -l ftps -x -a '127.0.0.1:2990 :990' -d 'The same with TLS'
complete -c weir -n $serving -l ftp-writable -d 'Users may write by FTP'
complete -c weir -n $serving -l mail -x -a '(__fish_complete_directories)' -d 'The mailboxes'
complete -c weir -n $serving -l users -r -F -d 'Who has a mailbox'
complete -c weir -n $serving -l domain -x -d 'Mail for it is local'
complete -c weir -n $serving -l mail-log -r -F -a off -d 'Log mail'
complete -c weir -n $serving -l ftp-log -r -F -a off -d 'Log FTP'
complete -c weir -n $serving -l cert -r -F -d 'A certificate with its chain'
complete -c weir -n $serving -l key -r -F -d 'The key of the certificate'
complete -c weir -n $serving -l root -x -a '(__fish_complete_directories)' -d 'The directory to serve'
complete -c weir -n $serving -l workers -x -a '1 2 4 8' -d 'The number of threads'
complete -c weir -n $serving -l access-log -r -F -a off -d 'Log requests'
complete -c weir -n $serving -s c -l config -r -F -d 'Read a configuration'

complete -c weir -n $checking -F
complete -c weir -n $checking -s c -l config -r -F -d 'The configuration'

complete -c weir -n $changing -l users -r -F -d 'The users file'
complete -c weir -n $changing -l delete -d 'Remove the user'
complete -c weir -n $changing -l no-scram -d 'Keep a hash alone'

complete -c weir -n $queueing -a 'list retry delete'
complete -c weir -n $queueing -l queue -x -a '(__fish_complete_directories)' -d 'The directory of the queue'
complete -c weir -n $queueing -l all -d 'Retry all messages'
