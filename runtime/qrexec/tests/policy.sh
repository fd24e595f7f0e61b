# Calls that qubes make, with the real programs over the socket backend and a stand-in for qubesd: under a policy that changes
# while the daemon runs. Run by `run` with its folder: bin/ has the programs, everything else is ours.
dir=$1
bin=$dir/bin
export VCHAN_SOCKET_DIR=$dir/vchan QUBES_RPC_CONFIG_PATH=$dir/cfg PATH=$bin:$PATH
mkdir "$dir"/{vchan,cfg,etc,legacy,svc0,svc7,svc8,svc9}
user=$(id -un)
. "$dir/checks.sh"
pids=()
fds() { ls "/proc/$1/fd" | wc -l; }
start_agent() { # DOMID
	VCHAN_DOMAIN=$1 QREXEC_SERVICE_PATH=$dir/svc$1 qrexec-agent --agent-socket="$dir/agent$1" 2>>"$dir/agent.log" &
}
start_daemon() { # DOMID NAME
	QREXEC_SERVICE_PATH=$dir/svc0 qrexec-daemon --direct --socket-dir="$dir" --qubesd-socket="$dir/qubesd" \
		-p "$bin/policy-program" -- "$1" "$2" "$user" 2>>"$dir/daemon.log" &
}
qube() { # DOMID NAME
	start_agent "$1"; pids+=($!)
	start_daemon "$@"; pids+=($!)
	until_true test -S "$dir/qrexec.$1"
}
vm_call() { # DOMID TARGET SERVICE...
	local d=$1; shift
	VCHAN_DOMAIN=$d timeout 20 qrexec-client-vm -a "$dir/agent$d" "$@"
}
policy() { cat >"$dir/etc/10-test.policy"; }
start_policy_daemon() {
	qrexec-policy-daemon --policy-path="$dir/etc" --legacy-path="$dir/legacy" --socket-path="$dir/policy.sock" \
		--eval-socket-path="$dir/eval" --gui-socket-path="$dir/gui" --qubesd-socket="$dir/qubesd" \
		--agent-socket="$dir/policy-agent.sock" 2>>"$dir/policy.log" & policy_daemon=$!
	until_true test -S "$dir/gui"
}
trap 'kill "${pids[@]}" $policy_daemon 2>/dev/null; wait' EXIT

cat >"$dir/info.json" <<'EOF'
{"domains": {
 "dom0": {"type": "AdminVM", "tags": [], "internal": false, "template_for_dispvms": false, "power_state": "Running"},
 "work": {"type": "AppVM", "tags": ["guivm-dom0"], "internal": false, "template_for_dispvms": false, "default_dispvm": "dvm",
  "guivm": "dom0", "power_state": "Running", "uuid": "11111111-1111-4111-8111-111111111111"},
 "vault": {"type": "AppVM", "tags": ["guivm-dom0"], "internal": false, "template_for_dispvms": false, "guivm": "dom0",
  "power_state": "Running"},
 "off": {"type": "AppVM", "tags": [], "internal": false, "template_for_dispvms": false, "power_state": "Halted"},
 "far": {"type": "RemoteVM", "tags": [], "internal": false, "template_for_dispvms": false, "relayvm": "work",
  "transport_rpc": "test.Relay", "power_state": "Running"},
 "lost": {"type": "RemoteVM", "tags": [], "internal": false, "template_for_dispvms": false, "relayvm": "vault",
  "transport_rpc": "test.Relay", "power_state": "Running"},
 "noisy": {"type": "AppVM", "tags": [], "internal": false, "template_for_dispvms": false, "power_state": "Running"},
 "dvm": {"type": "AppVM", "tags": [], "internal": false, "template_for_dispvms": true, "power_state": "Halted"}
}}
EOF
cat >"$dir/hook" <<EOF
#!/bin/bash
echo "\$1 \$2" >>$dir/qubesd.log
case "\$1 \$2" in
"admin.vm.Start off") [ -e $dir/may-start ] || { printf QubesException; exit 1; }; mv $dir/parked.off $dir/qrexec.off ;;
"admin.vm.Start vault") printf QubesVMNotHaltedError; exit 1 ;;
"admin.vm.CreateDisposable dvm") printf disp1 ;;
"admin.vm.Start disp1") ln -sf qrexec.8 $dir/qrexec.disp1 ;;
"admin.vm.Kill disp1") rm -f $dir/qrexec.disp1 ;;
*) printf QubesException; exit 1 ;;
esac
EOF
printf '#!/bin/sh\necho "program $*" >>%s/program.log\ncat %s/program.answer\n' "$dir" "$dir" >"$bin/policy-program"
chmod +x "$dir/hook" "$bin/policy-program"
for d in 0 7 8; do
	printf '#!/bin/sh\necho "%s $1 $QREXEC_REMOTE_DOMAIN $QREXEC_SERVICE_FULL_NAME $QREXEC_REQUESTED_TARGET_TYPE:$QREXEC_REQUESTED_TARGET$QREXEC_REQUESTED_TARGET_KEYWORD"; cat\n' $d >"$dir/svc$d/test.Echo"
	printf '#!/bin/sh\nexit 9\n' >"$dir/svc$d/test.Exit"
	printf '#!/bin/sh\nprintf "a\\033b"; printf "c\\033d" >&2\n' >"$dir/svc$d/test.Esc"
	printf '#!/bin/sh\ncat >%s/sunk\n' "$dir" >"$dir/svc$d/test.Sink"
	chmod +x "$dir/svc$d"/test.*
done
fake-qubesd "$dir/qubesd" "$dir/info.json" "$dir/hook" & pids+=($!)
until_true test -S "$dir/qubesd"
policy <<'EOF'
test.Echo * work vault allow
test.Echo * work @adminvm allow
test.Echo +x work @default allow target=vault
test.Echo +far far vault allow
test.Esc * work vault allow
test.Esc * work @adminvm allow
test.Socket * work @adminvm allow
test.Sink * work vault allow
test.Exit * @anyvm @anyvm allow
test.Exit * @anyvm @adminvm allow
test.Missing * @anyvm @anyvm allow
test.Missing * @anyvm @adminvm allow
EOF
start_policy_daemon
qube 7 work
qube 8 vault
work_fds=$(fds "${pids[2]}") vault_fds=$(fds "${pids[4]}") policy_fds=$(fds $policy_daemon)

# Between qubes
check "call" "$(echo in | vm_call 7 vault test.Echo | tr '\n' '|')" "8  work test.Echo+ :|in|"
check "call with an argument" "$(vm_call 7 vault test.Echo+arg </dev/null)" "8 arg work test.Echo+arg :"
check "call by @default" "$(vm_call 7 '' test.Echo+x </dev/null)" "8 x work test.Echo+x :"
vm_call 7 '' test.Echo+y </dev/null 2>/dev/null; check "no rule" $? 126
vm_call 8 work test.Echo </dev/null 2>/dev/null; check "not the other way" $? 126
vm_call 8 work test.Exit </dev/null; check "exit code" $? 9
vm_call 7 vault test.Missing </dev/null; check "no such service" $? 127
vm_call 7 work test.Exit </dev/null 2>/dev/null; check "a qube to itself" $? 126
head -c 3000000 /dev/urandom >"$dir/data"
vm_call 7 vault test.Echo <"$dir/data" | tail -n +2 | cmp -s - "$dir/data"; check "3 MB there and back" "${PIPESTATUS[*]}" "0 0 0"
check "local program, its caller's stderr" "$(PASS_LOCAL_STDERR=1 vm_call 7 vault test.Echo sh -c 'read -r said; echo "$said" >&$SAVED_FD_2' 2>&1 >/dev/null)" "8  work test.Echo+ :"
vm_call 7 vault test.Echo sh -c '[ -z "${SAVED_FD_2-}" ] && echo none >&$SAVED_FD_1' >"$dir/out"; check "only if asked for" "$(cat "$dir/out")" none
vm_call 7 vault test.Echo </dev/null >/dev/full 2>"$dir/err"; check "no room for the output" "$?$(grep -c 'No space left' "$dir/err")" 1251
check "local program" "$(vm_call 7 vault test.Echo sh -c 'cat >&$SAVED_FD_1')" "8  work test.Echo+ :"
check "in the name of a remote qube" "$(vm_call 7 --source-qube=far vault test.Echo+far </dev/null)" "8 far far test.Echo+far :"
vm_call 7 --source-qube=lost vault test.Echo+far </dev/null 2>/dev/null; check "in the name of another qube" $? 126
check "filter stdout" "$(vm_call 7 -t vault test.Esc </dev/null 2>/dev/null)" a_b
check "filter stderr" "$(vm_call 7 -T vault test.Esc </dev/null 2>&1 >/dev/null)" c_d
check "no filter" "$(vm_call 7 -t --no-filter-escape-chars-stdout vault test.Esc </dev/null 2>/dev/null)" "$(printf 'a\033b')"
check "no filter of stderr" "$(vm_call 7 -T --no-filter-escape-chars-stderr vault test.Esc </dev/null 2>&1 >/dev/null)" "$(printf 'c\033d')"
check "prefix" "$(echo two | vm_call 7 --prefix-data "one " vault test.Echo | tail -n 1)" "one two"
check "--buffer-size" "$(vm_call 7 --buffer-size=262144 vault test.Echo </dev/null)" "8  work test.Echo+ :"
vm_call 7 --buffer-size=x vault test.Echo </dev/null 2>/dev/null; check "--buffer-size, no number" $? 2
vm_call 7 vault test.Echo sh -c "VCHAN_DOMAIN=7 exec qrexec-client-vm -a $dir/agent7 --use-stdin-socket vault test.Sink" </dev/null
check "stdin socket" "$(cat "$dir/sunk")" "8  work test.Echo+ :"

# dom0
check "service of dom0" "$(echo in | vm_call 7 dom0 test.Echo+a | tr '\n' '|')" "0 a work test.Echo+a keyword:adminvm|in|"
printf '#!/bin/sh\necho "$1 $2"\n' >"$dir/said"; chmod +x "$dir/said"
fake-qubesd "$dir/svc0/test.Socket" /dev/null "$dir/said" & socket_service=$!
until_true test -S "$dir/svc0/test.Socket"
check "socket service of dom0" "$(vm_call 7 dom0 test.Socket+a </dev/null | tr '\0' '.')" "0.test.Socket+a adminvm"
kill $socket_service; wait $socket_service 2>/dev/null
vm_call 7 dom0 test.Socket+a </dev/null; check "nobody listens there" $? 125
check "what a service of dom0 says on stderr stays there" "$(vm_call 7 dom0 test.Esc </dev/null 2>&1)$(grep -a -c "$(printf 'c\033d')" "$dir/daemon.log")" "$(printf 'a\033b')1"
check "service of dom0 by keyword" "$(vm_call 7 @adminvm test.Echo </dev/null)" "0  work test.Echo+ keyword:adminvm"
vm_call 8 dom0 test.Exit </dev/null; check "exit code of dom0" $? 9
vm_call 8 dom0 test.Missing </dev/null; check "no such service in dom0" $? 127
vm_call 7 dom0 test.Echo <"$dir/data" | tail -n +2 | cmp -s - "$dir/data"; check "3 MB to dom0 and back" "${PIPESTATUS[*]}" "0 0 0"
local_call() { QREXEC_SERVICE_PATH=$dir/svc0 timeout 10 qrexec-client -d dom0 "$@"; }
check "dom0 to itself" "$(echo in | local_call "DEFAULT:QUBESRPC test.Echo+a dom0 name dom0" | tr '\n' '|')" "0 a dom0 test.Echo+a name:dom0|in|"
local_call "DEFAULT:QUBESRPC test.Exit dom0"; check "its exit code" $? 9
local_call -p x "DEFAULT:QUBESRPC test.Echo dom0" 2>/dev/null; check "-p is for qubes" $? 1
local_call -E "DEFAULT:QUBESRPC test.Exit dom0"; check "none with -E" $? 0
local_call "DEFAULT:QUBESRPC test.Missing dom0" 2>/dev/null; check "its missing service" $? 127
local_call "DEFAULT:true" 2>/dev/null; check "no commands in dom0" $? 125
check "dom0 with a local program" "$(local_call -l 'echo up; cat >&2' "DEFAULT:QUBESRPC test.Echo dom0" 2>&1 | tr '\n' '|')" "0  dom0 test.Echo :|up|"

# The policy changes while the daemon runs
echo 'test.Echo * vault work allow' >>"$dir/etc/10-test.policy"
check "changed file" "$(vm_call 8 work test.Echo </dev/null)" "7  vault test.Echo+ :"
echo 'test.Echo * vault work deny' >"$dir/etc/05-new.policy"
vm_call 8 work test.Echo </dev/null 2>/dev/null; check "new file" $? 126
mv "$dir/etc/05-new.policy" "$dir/etc/05-new"
check "renamed file" "$(vm_call 8 work test.Echo </dev/null)" "7  vault test.Echo+ :"
echo nonsense >"$dir/etc/99-bad.policy"
vm_call 7 vault test.Exit </dev/null 2>/dev/null; check "an error anywhere denies" $? 126
grep -q '99-bad.policy:1: wants' "$dir/policy.log" && ok || bad "the error is not in the log"
rm "$dir/etc/99-bad.policy"
vm_call 7 vault test.Exit </dev/null; check "repaired" $? 9
mkdir "$dir/etc/include"; echo 'test.New * * * allow' >"$dir/etc/include/x"
echo '!include include/x' >"$dir/etc/20-include.policy"
vm_call 7 vault test.New </dev/null; check "included file" $? 127
: >"$dir/etc/include/x"
vm_call 7 vault test.New </dev/null 2>/dev/null; check "changed included file" $? 126

# Targets that do not run, and disposables
policy <<'EOF'
test.Echo +no work off allow autostart=no
test.Echo * work off allow
test.Echo * work @dispvm allow
test.Echo * vault @dispvm allow target=@dispvm:dvm
EOF
ln -s qrexec.8 "$dir/parked.off"
vm_call 7 off test.Echo+no </dev/null 2>/dev/null; check "not to be started" $? 126
check "and qubesd not asked" "$(cat "$dir/qubesd.log" 2>/dev/null)" ""
vm_call 7 off test.Echo </dev/null 2>/dev/null; check "does not start" $? 126
touch "$dir/may-start"
check "started for the call" "$(vm_call 7 off test.Echo </dev/null)" "8  work test.Echo+ :"
check "disposable" "$(vm_call 7 @dispvm test.Echo </dev/null)" "8  work test.Echo+ :"
asked() { tail -n 3 "$dir/qubesd.log" | tr '\n' '|'; }
a_life="admin.vm.CreateDisposable dvm|admin.vm.Start disp1|admin.vm.Kill disp1|"
lived() { [ "$(asked)" = "$a_life" ]; }
until_true lived && ok || bad "what qubesd was asked: $(asked)"
sed -i 's/^"admin.vm.CreateDisposable dvm"/"admin.vm.CreateDisposable dvm2"/' "$dir/hook"
vm_call 7 @dispvm test.Echo </dev/null 2>/dev/null; check "a disposable that is not made" $? 126
sed -i 's/dvm2/dvm/' "$dir/hook"
check "disposable by redirect" "$(vm_call 8 @dispvm test.Echo </dev/null)" "8  vault test.Echo+ :"
until_true lived && ok || bad "by redirect, what qubesd was asked: $(asked)"
# One that does not come up although it started; one whose caller's agent, or whose caller's daemon, goes before the call does
sed -i 's/^"admin.vm.Start disp1").*;;/"admin.vm.Start disp1") ;;/' "$dir/hook"
vm_call 7 @dispvm test.Echo </dev/null 2>/dev/null; check "a disposable that does not come up" $? 126
until_true lived && ok || bad "it stays: $(asked)"
sed -i "s|^\"admin.vm.Start disp1\") ;;|\"admin.vm.Start disp1\") ln -sf qrexec.8 $dir/qrexec.disp1 ;;|" "$dir/hook"
printf '#!/bin/sh\ntouch %s/held; cat\n' "$dir" >"$dir/svc8/test.Hold"; chmod +x "$dir/svc8/test.Hold"
echo 'test.Hold * work @dispvm allow' >>"$dir/etc/10-test.policy"
mkfifo "$dir/holding"
hold() { # until the fifo is closed
	rm -f "$dir/held"; : >"$dir/qubesd.log"
	exec 6<>"$dir/holding"
	vm_call 7 @dispvm test.Hold <"$dir/holding" 6>&- & call=$!
	until_true test -e "$dir/held" || bad "the disposable does not serve"
}
begun="admin.vm.CreateDisposable dvm|admin.vm.Start disp1|"
hold
kill -9 "${pids[1]}"; wait "${pids[1]}" 2>/dev/null
until_true test ! -e "$dir/qrexec.7"
check "without its caller's agent it lives on" "$(asked)" "$begun"
exec 6>&-; wait $call; check "and serves" $? 0
until_true lived && ok || bad "it stays without its caller's agent: $(asked)"
start_agent 7 && pids[1]=$!
until_true test -S "$dir/qrexec.7"
hold
kill "${pids[2]}"; until_true test ! -e "$dir/qrexec.7"
check "without its caller's daemon it lives on" "$(asked)" "$begun"
exec 6>&-; wait $call; check "and serves" $? 0
wait "${pids[2]}"; check "which ends then" "$?$(asked)" "0$a_life"
start_daemon 7 work && pids[2]=$!
until_true test -S "$dir/qrexec.7"
work_fds=$(fds "${pids[2]}")

# Questions to the user
policy <<<'test.Echo * work vault ask'
vm_call 7 vault test.Echo </dev/null 2>/dev/null; check "no agent" $? 126
grep -q 'qrexec-policy-agent --tty' "$dir/policy.log" && ok || bad "no remedy in the log"

# An agent on a terminal that script(1) plays; the answers are typed from here
mkfifo "$dir/typed"
exec 5<>"$dir/typed"
start_policy_agent() { # SECONDS
	script -q -f -c "exec qrexec-policy-agent --tty --timeout $1 --socket-path $dir/policy-agent.sock" "$dir/screen" <&5 >/dev/null 2>&1 &
	policy_agent=$!
	until_true test -S "$dir/policy-agent.sock"
}
shown() { grep -a -q "$1" "$dir/screen"; }

# Nobody answers: the questions of one qube, and an agent that takes no more, stop nobody else
printf 'test.Echo * * * ask\ntest.Exit * work vault allow notify=yes\n' | policy
start_policy_agent 600
stuck=()
for i in {1..4}; do vm_call 7 vault test.Echo </dev/null 2>/dev/null & stuck+=($!); done
queue() { [ "$(grep -c "$dir/policy-agent.sock" /proc/net/unix)" -ge "$1" ]; } # that many: it listens, one it has taken, others wait
until_true queue 5 && ok || bad "questions do not wait"
vm_call 7 vault test.Echo </dev/null 2>/dev/null; check "one question too many" $? 126
grep -q 'has not answered earlier questions' "$dir/policy.log" && ok || bad "no word about earlier questions"
for i in {1..20}; do { printf x | fake-client "$dir/policy-agent.sock"; } >/dev/null 2>&1 & stuck+=($!); done
until_true queue 19 && ok || bad "the agent's queue is not full"
vm_call 7 vault test.Exit </dev/null; check "nobody sees the notification" $? 9
vm_call 8 work test.Echo </dev/null 2>/dev/null; check "no place in the queue" $? 126
grep -q 'too many questions wait' "$dir/policy.log" && ok || bad "no word about the queue"
pkill -P $policy_agent; kill $policy_agent 2>/dev/null; wait $policy_agent 2>/dev/null
wait "${stuck[@]}"
rm "$dir/policy-agent.sock"

start_policy_agent 3; pids+=($policy_agent)
ask() { # QUESTION-TEXT ANSWER...: the call's exit code
	: >"$dir/screen"
	vm_call 7 vault "${service:-test.Exit}" </dev/null 2>/dev/null & call=$!
	while [ $# -gt 0 ]; do
		until_true shown "$1" || bad "question '$1' does not come"
		printf '%s\n' "$2" >&5
		shift 2
	done
	wait $call
}
policy <<<'test.Exit * work vault ask target=vault'
ask 'allow work to call test.Exit in vault' y; check "user says yes" $? 9
ask 'allow work to call test.Exit in vault' n; check "user says no" $? 126
ask 'allow work to call test.Exit in vault' yes; check "anything but y" $? 126
# A caller that gives up and calls again: its first question goes unanswered, the second one is its own
: >"$dir/screen"
vm_call 7 vault test.Exit+first </dev/null 2>/dev/null & call=$!
until_true shown 'call test.Exit+first in vault'; pkill -P $call; wait $call 2>/dev/null
service=test.Exit+second ask 'call test.Exit+second in vault' y; check "a second call after one that was given up" $? 9
: >"$dir/screen"
vm_call 7 vault test.Exit </dev/null 2>/dev/null; check "user says nothing" $? 126
printf 'test.Exit * work vault ask default_target=vault\ntest.Exit * work off ask\n' | policy
ask 'target, 1 to 2' 2 'in vault' y; check "target by number" $? 9
ask 'target, 1 to 2' '' 'in vault' y; check "default target" $? 9
ask 'target, 1 to 2' 3; check "no such target" $? 126

# Copies of files: the tool, the agents of both qubes, the policy and the receiver at once. What the services find at hand they have
# from the agent.
mkdir "$dir/home8" "$dir/files"
printf '#!/bin/sh\nHOME=%s exec qfile-unpacker\n' "$dir/home8" >"$dir/svc8/qubes.Filecopy"
chmod +x "$dir/svc8/qubes.Filecopy"
head -c 1000000 /dev/urandom >"$dir/files/big"; ln -s big "$dir/files/link"; : >"$dir/files/empty"
ln -s qvm-copy "$bin/qvm-copy-to-vm"; ln -s qvm-copy "$bin/qvm-move-to-vm"
printf '#!/bin/sh\nexec qrexec-client-vm -a %s "$@"\n' "$dir/agent7" >"$dir/call7"; chmod +x "$dir/call7"
copy() { # TOOL...: exit code, what has arrived
	rm -rf "$dir/home8/QubesIncoming"
	VCHAN_DOMAIN=7 QREXEC_CLIENT_VM=$dir/call7 timeout 60 "$@" 2>"$dir/copy.err"
	echo "$? $(ls "$dir/home8/QubesIncoming/work" 2>/dev/null | tr '\n' ' ')"
}
arrived() { diff -r --no-dereference "$dir/files" "$dir/home8/QubesIncoming/work/files"; }
printf 'qubes.Filecopy * work vault allow\n' | policy
check "copy, allowed" "$(copy qvm-copy-to-vm vault "$dir/files"; arrived)" "0 files "
check "copy without a target, no rule" "$(copy qvm-copy "$dir/files")" "1 "
check "copy to a qube that denies" "$(copy qvm-copy-to-vm off "$dir/files")" "1 "
printf 'qubes.Filecopy * work vault deny\nqubes.Filecopy * * * allow target=vault\n' | policy
check "copy, denied" "$(copy qvm-copy-to-vm vault "$dir/files")" "1 "
cp -a "$dir/files" "$dir/moved"
check "a move that is denied keeps all" "$(copy qvm-move-to-vm vault "$dir/moved"; diff -r --no-dereference "$dir/files" "$dir/moved")" "1 "
check "copy without a target, redirected" "$(copy qvm-copy "$dir/files"; arrived)" "0 files "
printf 'qubes.Filecopy * work vault ask\nqubes.Filecopy * work @default ask target=vault\n' | policy
ask_copy() { # ANSWER TOOL...
	local answer=$1; shift
	: >"$dir/screen"
	copy "$@" >"$dir/copied" & call=$!
	until_true shown 'call qubes.Filecopy.* in vault' && printf '%s\n' "$answer" >&5
	wait $call
	cat "$dir/copied"
}
check "copy, the user says yes" "$(ask_copy y qvm-copy "$dir/files"; arrived)" "0 files "
check "copy, the user says no" "$(ask_copy n qvm-copy "$dir/files")" "1 "
check "a move, the user says yes" "$(ask_copy y qvm-move-to-vm vault "$dir/moved"; ls "$dir/home8/QubesIncoming/work/moved"; ls -d "$dir/moved" 2>/dev/null)" \
	"$(printf '0 moved \n'; ls "$dir/files")"
printf 'test.Exit * work vault allow notify=yes\n' | policy
: >"$dir/screen"; vm_call 7 vault test.Exit </dev/null
until_true shown 'test.Exit: work -> vault: allow' && ok || bad "no notification"
exec 5>&-

# Eval
policy <<'EOF'
test.Echo * work vault ask
test.Exit * work vault allow
EOF
evaluate() { # SOCKET CALLER SERVICE SOURCE TARGET
	printf 'policy.Eval+%s %s\0%s\0%s' "$3" "$2" "$4" "$5" | fake-client "$1"
}
check "EvalSimple ask" "$(evaluate "$dir/eval" dom0 test.Echo work vault)" result=ask
check "EvalSimple allow" "$(evaluate "$dir/eval" dom0 test.Exit work vault)" result=allow
check "EvalSimple deny" "$(evaluate "$dir/eval" dom0 test.Exit vault work)" result=deny
check "EvalGUI" "$(evaluate "$dir/gui" dom0 test.Exit work vault)" result=allow
check "EvalGUI of another" "$(evaluate "$dir/gui" sys-gui test.Exit work vault)" result=deny
check "malformed Eval" "$(printf 'x' | fake-client "$dir/eval")" result=deny
query() { printf "$@" | fake-client "$dir/policy.sock"; }
check "query" "$(query 'source=work\nintended_target=vault\nservice_and_arg=test.Exit+\n\n' | tr '\n' ' ')" \
	"user=DEFAULT result=allow target=vault autostart=True requested_target=vault "
check "query, just evaluate" "$(query 'source=work\nintended_target=vault\nservice_and_arg=test.Echo+\njust_evaluate=yes\n\n')" result=ask
check "query, assume yes" "$(query 'source=work\nintended_target=vault\nservice_and_arg=test.Echo+\nassume_yes_for_ask=yes\n\n' | head -n 2 | tail -n 1)" result=allow
check "malformed query" "$(query 'source=work\n\n')" result=deny
check "unfinished query" "$(query 'source=work\nintended_target=vault')" ""
check "endless query" "$(head -c 200000 /dev/zero | tr '\0' x | fake-client "$dir/policy.sock" 2>/dev/null)" ""
policy_exec() { qrexec-policy-exec --path="$dir/etc" --legacy-path="$dir/legacy" --qubesd-socket="$dir/qubesd" --agent-socket="$dir/policy-agent.sock" "$@" 2>/dev/null; }
check "policy-exec" "$(policy_exec work vault test.Exit | tr '\n' ' ')" \
	"user=DEFAULT result=allow target=vault autostart=True requested_target=vault "
policy_exec vault work test.Exit >"$dir/out"; check "policy-exec deny" "$?$(cat "$dir/out")" 1result=deny
check "policy-exec, five words" "$(policy_exec 7 work vault test.Exit 1 | head -n 2 | tail -n 1)" result=allow
check "policy-exec, just evaluate" "$(policy_exec --just-evaluate work vault test.Echo)" result=ask
policy_exec work >/dev/null; check "policy-exec, usage" $? 2

# Many at once; nothing stays
policy <<'EOF'
test.Exit * @anyvm @anyvm allow
EOF
for i in {1..60}; do
	{ vm_call $((7 + i % 2)) "$([ $((i % 2)) = 0 ] && echo vault || echo work)" test.Exit </dev/null; [ $? = 9 ] || echo "call $i" >>"$dir/wrong"; } & calls+=($!)
done
wait "${calls[@]}"
check "60 calls at once, both ways" "$(cat "$dir/wrong" 2>/dev/null)" ""
same() { [ "$(fds "${pids[2]}")" = "$work_fds" ] && [ "$(fds "${pids[4]}")" = "$vault_fds" ] && [ "$(fds $policy_daemon)" = "$policy_fds" ]; }
until_true same && ok || bad "descriptors left: $(fds "${pids[2]}")/$work_fds $(fds "${pids[4]}")/$vault_fds $(fds $policy_daemon)/$policy_fds"

# What calls to dom0 bring about does not fill its disk
start_agent 9; pids+=($!)
mkdir "$dir/logs"; truncate -s 5M "$dir/logs/qrexec.noisy.log"
QREXEC_SERVICE_PATH=$dir/svc0 qrexec-daemon --socket-dir="$dir" --log-dir="$dir/logs" -q -- 9 noisy "$user"; check "a daemon with a log" $? 0
pids+=($(pgrep -f -- "--log-dir=$dir/logs"))
echo 'test.Missing * noisy @adminvm allow' >>"$dir/etc/10-test.policy"
for i in 1 2 3; do vm_call 9 dom0 test.Missing </dev/null; done; check "no such service, for the third time" $? 127
check "a large log gives way" "$(stat -c %s "$dir/logs/qrexec.noisy.log.old")" 5242880
check "to one with what is new" "$(grep -c 'no such service' "$dir/logs/qrexec.noisy.log")" 3

# Without the daemon: the program decides; without both, nobody is allowed
kill $policy_daemon; wait $policy_daemon; check "policy daemon ends on SIGTERM" $? 0
check "its sockets are gone" "$(ls "$dir" | grep -c -e 'policy.sock' -e '^eval$' -e '^gui$')" 0
printf 'result=allow\nuser=DEFAULT\ntarget=vault\nrequested_target=vault\nautostart=True\n' >"$dir/program.answer"
vm_call 7 vault test.Exit+a </dev/null; check "policy program" $? 9
check "its arguments" "$(cat "$dir/program.log")" "program -- work vault test.Exit+a"
echo 'result=deny' >"$dir/program.answer"
vm_call 7 vault test.Exit </dev/null 2>/dev/null; check "policy program denies" $? 126
printf 'result=allow\nuser=DEFAULT\n' >"$dir/program.answer"
vm_call 7 vault test.Exit </dev/null 2>/dev/null; check "half an answer" $? 126
printf 'result=allow\nuser=DEFAULT\ntarget=../x\nrequested_target=vault\nautostart=True\n' >"$dir/program.answer"
vm_call 7 vault test.Exit </dev/null 2>/dev/null; check "answer that leaves the folder" $? 126
rm "$bin/policy-program"
vm_call 7 vault test.Exit </dev/null 2>/dev/null; check "nobody decides" $? 126
start_policy_daemon
vm_call 7 vault test.Exit </dev/null; check "a new policy daemon" $? 9
# qubesd gone
kill "${pids[0]}"; wait "${pids[0]}" 2>/dev/null
vm_call 7 vault test.Exit </dev/null 2>/dev/null; check "no qubesd" $? 126

no_reports "$dir"/*.log
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
