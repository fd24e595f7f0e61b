# Completion for the tools of qubes: options from the tool itself, names of qubes from qubesd, values where a tool has
# few of them.
_qvm_words() {
	"$1" --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*' | sort -u
}

_qvm() {
	local tool=${COMP_WORDS[0]##*/} word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=
	case $previous in
	-l | --label) words=$(qubesd-query -e dom0 admin.label.List dom0 2>/dev/null | tail -c +3) ;;
	-C | --class) words='AppVM TemplateVM StandaloneVM DispVM' ;;
	-o | --format) [ "$tool" = qvm-ls ] && words='simple network kernel full prefs disk' ;;
	-O | --fields | --sort) words='name state class uuid disk priv-curr priv-max priv-used root-curr root-max root-used label template netvm memory' ;;
	--internal | --servicevm) words='yes no' ;;
	esac
	if [ -z "$words" ] && [[ $word = -* ]]; then
		words=$(_qvm_words "$tool")
	elif [ -z "$words" ]; then
		words=$(qvm-ls --raw-list 2>/dev/null)
		case $tool in
		qvm-volume) words="$words list info config resize revert clear clone import" ;;
		qvm-pool) words='list info add remove set drivers' ;;
		qvm-pci | qvm-block | qvm-device) words="$words list info assign unassign attach detach" ;;
		qvm-firewall) words="$words list add del reset" ;;
		qvm-tags) words="$words list add del" ;;
		qvm-prefs) [ "$COMP_CWORD" -gt 1 ] && words=$(qvm-prefs --help-properties "${COMP_WORDS[1]}" 2>/dev/null | cut -d' ' -f1) ;;
		qubes-prefs) words=$(qubes-prefs 2>/dev/null | cut -d' ' -f1) ;;
		qvm-features) [ "$COMP_CWORD" -gt 1 ] && words=$(qvm-features "${COMP_WORDS[1]}" 2>/dev/null | cut -d' ' -f1) ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -o default -F _qvm qvm-ls qvm-create qvm-clone qvm-remove qvm-start qvm-shutdown qvm-kill qvm-pause qvm-unpause \
	qvm-check qvm-prefs qubes-prefs qvm-features qvm-service qvm-tags qvm-run qvm-volume qvm-pool qvm-firewall \
	qvm-device qvm-pci qvm-block qvm-console
