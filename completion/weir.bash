# Completion of weir for bash. Made by `weir config bash`: do not edit.

_weir() {
	local word=$2 previous=$3 verb=${COMP_WORDS[1]-}
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W 'serve check config passwd queue mailbox certificate zone store console status top upgrade fetch --help --version' -- "$word")
		return
	fi
	case $verb:$previous in
	serve:--http)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:8080 127.0.0.1:0 :8080' -- "$word")
		return
		;;
	serve:--https)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:8443 127.0.0.1:0 :8443' -- "$word")
		return
		;;
	serve:--smtp)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:2525 127.0.0.1:0 :25' -- "$word")
		return
		;;
	serve:--submission)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:2587 :587' -- "$word")
		return
		;;
	serve:--submissions | serve:--smtps)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:2465 :465' -- "$word")
		return
		;;
	serve:--lmtp)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:2424' -- "$word")
		return
		;;
	serve:--pop3)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:1100 127.0.0.1:0 :110' -- "$word")
		return
		;;
	serve:--pop3s)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:1995 :995' -- "$word")
		return
		;;
	serve:--ftp)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:2121 127.0.0.1:0 :21' -- "$word")
		return
		;;
	serve:--ftps)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:2990 :990' -- "$word")
		return
		;;
	serve:--dns)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:5353 127.0.0.1:0 :53' -- "$word")
		return
		;;
	serve:--dot)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:8853 :853' -- "$word")
		return
		;;
	serve:--cert)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	serve:--key)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	serve:--workers)
		mapfile -t COMPREPLY < <(compgen -W '1 2 4 8' -- "$word")
		return
		;;
	serve:--user)
		mapfile -t COMPREPLY < <(compgen -W '' -u -- "$word")
		return
		;;
	serve:--admin)
		mapfile -t COMPREPLY < <(compgen -W '' -- "$word")
		return
		;;
	serve:--log)
		mapfile -t COMPREPLY < <(compgen -W 'stderr - syslog journal off' -f -- "$word")
		return
		;;
	serve:--access-log)
		mapfile -t COMPREPLY < <(compgen -W 'off -' -f -- "$word")
		return
		;;
	serve:--root)
		mapfile -t COMPREPLY < <(compgen -W '' -d -- "$word")
		return
		;;
	serve:--mail)
		mapfile -t COMPREPLY < <(compgen -W '' -d -- "$word")
		return
		;;
	serve:--users)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	serve:--domain)
		mapfile -t COMPREPLY < <(compgen -W '' -- "$word")
		return
		;;
	serve:--mail-log)
		mapfile -t COMPREPLY < <(compgen -W 'off -' -f -- "$word")
		return
		;;
	serve:--ftp-log)
		mapfile -t COMPREPLY < <(compgen -W 'off -' -f -- "$word")
		return
		;;
	serve:--zone)
		mapfile -t COMPREPLY < <(compgen -W '' -- "$word")
		return
		;;
	serve:--forward)
		mapfile -t COMPREPLY < <(compgen -W '' -- "$word")
		return
		;;
	serve:--dns-log)
		mapfile -t COMPREPLY < <(compgen -W 'off -' -f -- "$word")
		return
		;;
	serve:--config | serve:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	check:--config | check:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	passwd:--users | passwd:-u)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	passwd:--config | passwd:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	queue:--queue | queue:-q)
		mapfile -t COMPREPLY < <(compgen -W '' -d -- "$word")
		return
		;;
	queue:--config | queue:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	mailbox:--config | mailbox:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	certificate:--config | certificate:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	zone:--config | zone:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	zone:--algorithm)
		mapfile -t COMPREPLY < <(compgen -W 'hmac-sha256 hmac-sha512 hmac-sha1' -- "$word")
		return
		;;
	store:--config | store:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	console:--config | console:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	console:--admin)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	status:--config | status:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	status:--admin)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	top:--config | top:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	top:--admin)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	top:--sort)
		mapfile -t COMPREPLY < <(compgen -W 'quiet sent replies' -- "$word")
		return
		;;
	upgrade:--config | upgrade:-c)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	upgrade:--admin)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	fetch:--output | fetch:-o)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	fetch:--field | fetch:-H)
		mapfile -t COMPREPLY < <(compgen -W '' -- "$word")
		return
		;;
	fetch:--data | fetch:-d)
		mapfile -t COMPREPLY < <(compgen -W '' -- "$word")
		return
		;;
	fetch:--method | fetch:-X)
		mapfile -t COMPREPLY < <(compgen -W 'GET HEAD POST PUT PATCH DELETE' -- "$word")
		return
		;;
	fetch:--unix-socket)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	fetch:--ca)
		mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word")
		return
		;;
	fetch:--timeout)
		mapfile -t COMPREPLY < <(compgen -W '' -- "$word")
		return
		;;
	esac
	case $verb:$word in
	serve:-*) mapfile -t COMPREPLY < <(compgen -W '--http --https --smtp --submission --submissions --smtps --lmtp --pop3 --pop3s --ftp --ftps --dns --dot --cert --key --workers --user --privilege-separation --admin --log --access-log --root --doh --mail --users --domain --mail-log --ftp-writable --ftp-log --zone --forward --dns-log --config --help' -- "$word") ;;
	serve:*) mapfile -t COMPREPLY < <(compgen -W '' -d -- "$word") ;;
	check:-*) mapfile -t COMPREPLY < <(compgen -W '--config --effective --help' -- "$word") ;;
	check:*) mapfile -t COMPREPLY < <(compgen -W '' -f -- "$word") ;;
	config:-*) mapfile -t COMPREPLY < <(compgen -W '--help' -- "$word") ;;
	config:*) mapfile -t COMPREPLY < <(compgen -W 'default bash zsh fish manual options listing' -- "$word") ;;
	passwd:-*) mapfile -t COMPREPLY < <(compgen -W '--users --config --delete --lock --unlock --no-scram --help' -- "$word") ;;
	passwd:*) mapfile -t COMPREPLY < <(compgen -W '' -u -- "$word") ;;
	queue:-*) mapfile -t COMPREPLY < <(compgen -W '--queue --config --all --help' -- "$word") ;;
	queue:*) mapfile -t COMPREPLY < <(compgen -W 'list retry delete' -- "$word") ;;
	mailbox:-*) mapfile -t COMPREPLY < <(compgen -W '--config --help' -- "$word") ;;
	mailbox:*) mapfile -t COMPREPLY < <(compgen -W 'list remove' $([ "$previous" = mailbox ] || echo -u) -- "$word") ;;
	certificate:-*) mapfile -t COMPREPLY < <(compgen -W '--config --help' -- "$word") ;;
	certificate:*) mapfile -t COMPREPLY < <(compgen -W 'list import remove' $([ "$previous" = certificate ] || echo -f) -- "$word") ;;
	zone:-*) mapfile -t COMPREPLY < <(compgen -W '--config --algorithm --help' -- "$word") ;;
	zone:*) mapfile -t COMPREPLY < <(compgen -W 'list import export history remove keys set-key remove-key' $([ "$previous" = zone ] || echo -f) -- "$word") ;;
	store:-*) mapfile -t COMPREPLY < <(compgen -W '--config --dry-run --help' -- "$word") ;;
	store:*) mapfile -t COMPREPLY < <(compgen -W 'init migrate check import export users mailboxes queue zones keys' $([ "$previous" = store ] || echo -d) -- "$word") ;;
	console:-*) mapfile -t COMPREPLY < <(compgen -W '--config --admin --help' -- "$word") ;;
	console:*) mapfile -t COMPREPLY < <(compgen -W 'help status connections top close guard store ban queue users zones cache certificates log reload reopen upgrade drain' -- "$word") ;;
	status:-*) mapfile -t COMPREPLY < <(compgen -W '--config --admin --json --help' -- "$word") ;;
	status:*) mapfile -t COMPREPLY < <(compgen -W '' -- "$word") ;;
	top:-*) mapfile -t COMPREPLY < <(compgen -W '--config --admin --sort --once --help' -- "$word") ;;
	top:*) mapfile -t COMPREPLY < <(compgen -W '' -- "$word") ;;
	upgrade:-*) mapfile -t COMPREPLY < <(compgen -W '--config --admin --help' -- "$word") ;;
	upgrade:*) mapfile -t COMPREPLY < <(compgen -W '' -- "$word") ;;
	fetch:-*) mapfile -t COMPREPLY < <(compgen -W '--output --include --head --follow --field --data --method --unix-socket --ca --timeout --insecure --help' -- "$word") ;;
	fetch:*) mapfile -t COMPREPLY < <(compgen -W '' -- "$word") ;;
	esac
}

complete -o filenames -F _weir weir
