# Run by `run` with its folder: the agent that asks on a terminal, on real ones (script(1) has them), in front of and behind a login
# shell, in whatever mode the terminal is.
dir=$1
PATH=$dir/bin:$PATH
. "$dir/checks.sh"
patience=10
socket=$dir/agent.sock screen=$dir/screen
agent="exec qrexec-policy-agent --tty --socket-path=$socket"
mkfifo "$dir/typed"
exec 5<>"$dir/typed"
terminal() { # COMMAND...: on a terminal of its own, until close_terminal
	rm -f "$socket"; : >"$screen"
	script -q -f -a -c "$*" "$screen" <&5 >/dev/null 2>&1 & terminal=$!
}
close_terminal() {
	pkill -TERM -P $terminal 2>/dev/null; kill $terminal 2>/dev/null; wait $terminal 2>/dev/null
	until_true nobody || bad "an agent stays"
}
nobody() { ! printf x | fake-client "$socket"; }
serves() { test -S "$socket"; }
shown() { grep -a -q -e "$1" "$screen"; }
types() { printf "$@" >&5; }
waits_for() { until_true shown "$1" || bad "'$1' does not come: $(tail -n 5 "$screen")"; }
question() { # TARGETS-AS-JSON [DEFAULT]
	: >"$screen"
	printf 'policy.Ask+ dom0\0{"source":"work","service":"s.S","argument":"+a","targets":[%s],"default_target":"%s"}' "$1" "${2-}" |
		timeout 30 fake-client "$socket" >"$dir/answer" 2>/dev/null & asked=$!
}
answered() { wait $asked; check "$1" "$(cat "$dir/answer")" "$2"; } # WHAT ANSWER

# The agent has the terminal for itself
terminal "$agent"
until_true serves || bad "no agent"
question '"vault"'; waits_for 'allow work to call s.S+a in vault?'; types 'y\n'; answered "yes" allow:vault
waits_for allowed
question '"vault"'; waits_for 'y/n'; types 'n\n'; answered "no" deny
question '"vault"'; waits_for 'y/n'; types 'y\r'; answered "CR ends a line" allow:vault
question '"a","b","vault"' b; waits_for '2) b (default)'; types '3\r'; waits_for 'in vault?'; types 'y\r'
answered "a number" allow:vault
question '"a","b"' b; waits_for 'none:'; types '\r'; waits_for 'in b?'; types 'y\n'; answered "the default" allow:b
question '"a","b"'; waits_for 'none:'; types '\n'; answered "no default" deny
question '"a","b"'; waits_for 'none:'; types '\004'; answered "the end of typing" deny
question '"vault"'; waits_for 'y/n'; types 'no\177\177y\n'; answered "a letter taken back" allow:vault
: >"$screen"; types 'y\ny\nlast\n'; waits_for last
question '"vault"'; waits_for 'y/n'; types 'n\n'; answered "typed before the question" deny
question '"vault"'; waits_for 'y/n'; kill $asked; waits_for 'who called has gone: denied'
# Ctrl-S stops what the agent shows, and not its answer
question '"vault"'; waits_for 'y/n'; types '\023y\n'; answered "the screen is stopped" allow:vault
types '\021'; waits_for allowed
close_terminal

# No time left
terminal "$agent --timeout=1"
until_true serves || bad "no agent"
types 'last\n'; waits_for last
question '"vault"'; answered "nobody answers" deny; waits_for 'no answer in 1 seconds: denied'
close_terminal

# A program left the terminal in raw mode, and finds it so again
terminal "stty raw -echo; sh -c 'echo \$\$ >$dir/pid; $agent'; stty -a >$dir/modes"
until_true serves || bad "no agent"
question '"vault"'; waits_for 'y/n'; types 'y\r'; answered "raw mode" allow:vault
question '"a","b"'; waits_for 'none:'; types '2\r'; waits_for 'in b?'; types 'y\r'; answered "raw mode, a number" allow:b
kill "$(cat "$dir/pid")"; until_true test -s "$dir/modes"
check "the mode of before" "$(grep -o -w -e '-icanon' -e '-echo' -e '-icrnl' "$dir/modes" | sort | tr '\n' ' ')" "-echo -icanon -icrnl "
close_terminal

# Of a login shell: in the foreground it asks; in the background it says why it cannot
login="env HISTFILE= PS1='shell-> ' bash --noprofile --norc -i"
terminal "$login"
waits_for 'shell->'
types "qrexec-policy-agent --tty --socket-path=$socket\\n"
until_true serves || bad "no agent in the foreground"
question '"vault"'; waits_for 'y/n'; types 'y\n'; answered "in the foreground" allow:vault
# Stopped and sent to the background with a question open later
types '\032'; waits_for Stopped; : >"$screen"; types 'bg\n'; waits_for 'socket-path'
question '"vault"'; answered "sent to the background" deny; waits_for 'bring it to the foreground'
: >"$screen"; types "qrexec-policy-agent --tty --socket-path=$dir/none &\\n"; waits_for 'in the background: what is typed'
check "started in the background" "$(ls "$dir/none" 2>&1 | grep -c 'No such file')" 1
types 'kill %%1; exit\n'
close_terminal

qrexec-policy-agent --tty --socket-path="$dir/none" </dev/null 2>"$dir/err"; check "no terminal" $? 1
grep -q 'no terminal to ask on' "$dir/err" && ok || bad "its message: $(cat "$dir/err")"
qrexec-policy-agent --tty --tty-path="$dir/none" --socket-path="$dir/none" </dev/null 2>"$dir/err"; check "no such terminal" $? 1
qrexec-policy-agent 2>/dev/null; check "--tty is missing" $? 2
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
