# Completion of weir for bash.

_weir() {
	local word=$2 previous=$3 verb=${COMP_WORDS[1]-}
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W 'serve check passwd queue console --help --version' -- "$word")
		return
	fi
	case $previous in
	--root | --mail | --queue)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return
		;;
	-c | --config | --cert | --key | --users | --admin)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--https)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:8443 127.0.0.1:0 :8443' -- "$word")
		return
		;;
	--access-log | --mail-log | --ftp-log | --dns-log)
		mapfile -t COMPREPLY < <(compgen -W off -f -- "$word")
		return
		;;
	--smtp)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:2525 127.0.0.1:0 :25' -- "$word")
		return
		;;
	--pop3)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:1100 127.0.0.1:0 :110' -- "$word")
		return
		;;
	--ftp)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:2121 127.0.0.1:0 :21' -- "$word")
		return
		;;
	--dns)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:5353 127.0.0.1:0 :53' -- "$word")
		return
		;;
	--http)
		mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:8080 127.0.0.1:0 :8080' -- "$word")
		return
		;;
	--workers)
		mapfile -t COMPREPLY < <(compgen -W '1 2 4 8' -- "$word")
		return
		;;
	esac
	case $verb:$word in
	serve:-*) mapfile -t COMPREPLY < <(compgen -W \
		'--http --https --smtp --submission --submissions --smtps --lmtp --pop3 --pop3s --ftp --ftps --ftp-writable \
		--dns --dot --doh --zone --forward --dns-log \
		--admin --mail --users --domain --cert --key --root --workers --access-log --mail-log --ftp-log --config --help' -- "$word") ;;
	serve:*) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	queue:-*) mapfile -t COMPREPLY < <(compgen -W '--queue --all --help' -- "$word") ;;
	queue:*) mapfile -t COMPREPLY < <(compgen -W 'list retry delete' -- "$word") ;;
	passwd:-*) mapfile -t COMPREPLY < <(compgen -W \
		'--users --delete --no-scram --help' -- "$word") ;;
	check:-*) mapfile -t COMPREPLY < <(compgen -W '--config --help' -- "$word") ;;
	console:-*) mapfile -t COMPREPLY < <(compgen -W '--config --admin --help' -- "$word") ;;
	console:*) mapfile -t COMPREPLY < <(compgen -W \
		'help connections close guard reload reopen drain' -- "$word") ;;
	check:*) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	esac
}

complete -o filenames -F _weir weir
