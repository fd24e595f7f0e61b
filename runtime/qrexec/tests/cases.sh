# Run by `run` with its folder: bin/ has the programs, everything else is ours.
dir=$1
bin=$dir/bin
export VCHAN_SOCKET_DIR=$dir/vchan QREXEC_SERVICE_PATH=$dir/svc:$dir/svc2 QUBES_RPC_CONFIG_PATH=$dir/cfg
mkdir "$dir"/{vchan,svc,svc2,cfg}
user=$(id -un)
. "$dir/checks.sh"
start_agent() { VCHAN_DOMAIN=7 "$bin/qrexec-agent" --agent-socket="$dir/agent" --fork-server-socket="$dir/fork-%s" 2>>"$dir/agent.log" & agent=$!; }
call() { timeout 20 "$bin/qrexec-client" --socket-dir="$dir" -d vm "$@"; }
fds() { ls "/proc/$1/fd" | wc -l; }
children() { cat "/proc/$1/task/$1/children" 2>/dev/null | wc -w; }

start_agent
"$bin/qrexec-daemon" --direct --socket-dir="$dir" -u 11-22 -- 7 vm "$user" 2>"$dir/daemon.log" &
daemon=$!
trap 'kill $agent $daemon 2>/dev/null; wait' EXIT
until_true test -S "$dir/qrexec.7" || { echo "daemon does not come up"; cat "$dir"/*.log; }
check "link by name" "$(readlink "$dir/qrexec.vm")" qrexec.7
check "link by uuid" "$(readlink "$dir/qrexec.uuid:11-22")" qrexec.7
agent_fds=$(fds $agent) daemon_fds=$(fds $daemon)

# Exit codes and streams
call DEFAULT:true </dev/null; check "true" $? 0
call DEFAULT:false </dev/null; check "false" $? 1
call "$user:exit 7" </dev/null; check "exit 7" $? 7
call 'DEFAULT:kill -9 $$' </dev/null; check "killed by a signal" $? 137
call "nosuchuser:true" </dev/null; check "another user" $? 125
check "stdout" "$(call 'DEFAULT:echo out; echo err >&2' 2>"$dir/err" </dev/null)" out
check "stderr" "$(cat "$dir/err")" err
check "stdin" "$(echo text | call DEFAULT:cat)" text
check "nogui" "$(call 'DEFAULT:nogui:echo x' </dev/null)" x
head -c 10485760 /dev/urandom >"$dir/data"
call DEFAULT:cat <"$dir/data" | cmp -s - "$dir/data"; check "echo of 10 MiB" "${PIPESTATUS[*]}" "0 0"
call DEFAULT:cat <"$dir/data" | { sleep 0.5; cmp -s - "$dir/data"; }; check "echo, slow reader" "${PIPESTATUS[*]}" "0 0"
call 'DEFAULT:sleep 0.3; cat' <"$dir/data" | cmp -s - "$dir/data"; check "echo, slow service" "${PIPESTATUS[*]}" "0 0"
check "service that does not read" "$(call 'DEFAULT:exec <&-; echo fine' <"$dir/data")" fine
check "empty input ends" "$(call 'DEFAULT:cat; echo end' </dev/null)" end
check "half-close" "$(printf '3\n1\n2\n' | call DEFAULT:sort | tr '\n' ' ')" "1 2 3 "
call DEFAULT:yes </dev/null | head -n 1 >/dev/null; check "reader that leaves" "${PIPESTATUS[0]}" 141
check "-t" "$(call -t "DEFAULT:printf 'a\033b\tc'" </dev/null)" "$(printf 'a_b\tc')"
check "no -t" "$(call "DEFAULT:printf 'a\033b'" </dev/null)" "$(printf 'a\033b')"
call -T "DEFAULT:printf 'a\033b' >&2" 2>"$dir/err" </dev/null; check "-T" "$(cat "$dir/err")" a_b
check "-p" "$(echo two | call -p "$(printf 'one\n.')" DEFAULT:cat | tr '\n' ' ')" "one .two "
call -l "cat >$dir/got; echo unread" 'DEFAULT:echo for-local' </dev/null; check "-l" "$?$(cat "$dir/got")" 0for-local
check "-l stdin" "$(call -l 'printf up; cat >&$SAVED_FD_1' DEFAULT:cat </dev/null)" up
call -e "DEFAULT:sleep 0.2; touch $dir/later"; check "-e" $? 0
until_true test -e "$dir/later" && ok || bad "-e did not run"
call -E DEFAULT:false </dev/null; check "-E" $? 0
call -E "DEFAULT:exit 130" </dev/null; check "-E, a code as of a signal" $? 0
call 'DEFAULT:echo x' </dev/null >/dev/full 2>"$dir/err"; check "no room for the output" "$?$(grep -c 'No space left' "$dir/err")" 1251
call -W DEFAULT:true </dev/null; check "-W" $? 0
call -w 5 DEFAULT:true </dev/null; check "-w, answered" $? 0
call -w x DEFAULT:true </dev/null 2>/dev/null; check "-w, no number" $? 1
call -c vm,7 DEFAULT:true </dev/null 2>/dev/null; check "-c, malformed" $? 1
printf '#!/bin/sh\necho "$*" >>%s/killed\n' "$dir" >"$bin/qvm-kill"; chmod +x "$bin/qvm-kill"
PATH=$bin:$PATH call DEFAULT:true </dev/null; check "-k, not asked" "$?$(cat "$dir/killed" 2>/dev/null)" 0
PATH=$bin:$PATH call -k DEFAULT:true </dev/null; check "-k, asked" "$?$(cat "$dir/killed")" "0-- vm"
# A local program's stdin is a socket
call -l "$bin/qrexec-client --socket-dir=$dir -d vm --use-stdin-socket 'DEFAULT:cat >$dir/through'" 'DEFAULT:echo through a socket' </dev/null
check "--use-stdin-socket" "$(cat "$dir/through")" "through a socket"
call -e -l true DEFAULT:true 2>/dev/null; check "-e with -l" $? 1
timeout 5 "$bin/qrexec-client" --socket-dir="$dir" -d nosuch DEFAULT:true 2>"$dir/err"; check "no such qube" $? 125
grep -q 'nosuch: no qrexec-daemon' "$dir/err" && ok || bad "message for no such qube"

# Services
svc() { call "DEFAULT:QUBESRPC $*" </dev/null; }
printf '#!/bin/sh\necho "$0 $#:$1 $QREXEC_REMOTE_DOMAIN $QREXEC_SERVICE_FULL_NAME $QREXEC_SERVICE_ARGUMENT"\n' >"$dir/svc2/test.A"
printf '#!/bin/sh\necho special\n' >"$dir/svc2/test.A+x"
printf '#!/bin/sh\necho empty\n' >"$dir/svc/test.B+"
printf '#!/bin/sh\necho "$QREXEC_REQUESTED_TARGET_TYPE $QREXEC_REQUESTED_TARGET$QREXEC_REQUESTED_TARGET_KEYWORD ${QREXEC_X-none}"\n' >"$dir/svc/test.T"
echo 'echo no interpreter line' >"$dir/svc/test.Plain"
echo data >"$dir/svc/test.NotExecutable"
chmod +x "$dir"/svc*/test.[ABTP]*
check "service" "$(svc test.A dom0)" "$dir/svc2/test.A 0: dom0 test.A "
check "service with argument" "$(svc test.A+arg+2 work)" "$dir/svc2/test.A 1:arg+2 work test.A+arg+2 arg+2"
check "file for the argument wins" "$(svc test.A+x dom0)" special
check "empty argument has a file" "$(svc test.B dom0)" empty
svc test.None dom0; check "no such service" $? 127
svc test.NotExecutable dom0; check "not executable" $? 125
svc test.Plain dom0; check "no interpreter" $? 125
svc test.B+z dom0; check "an argument is not empty" $? 127
check "not the file of another argument" "$(svc test.A+xx dom0)" "$dir/svc2/test.A 1:xx dom0 test.A+xx xx"
for d in svc svc2; do printf '#!/bin/sh\necho %s\n' $d >"$dir/$d/test.Both"; done
printf '#!/bin/sh\necho of the argument\n' >"$dir/svc2/test.Both+z"; chmod +x "$dir"/svc*/test.Both*
check "the first folder wins" "$(svc test.Both dom0)" svc
check "the argument in any folder before the name" "$(svc test.Both+z dom0)" "of the argument"
ln -s test.Loop "$dir/svc/test.Loop"; svc test.Loop dom0; check "a link to itself" $? 125
mkdir "$dir/svc/test.Folder"; svc test.Folder dom0; check "a folder as a service" $? 125
check "target name" "$(svc test.T dom0 name web)" "name web none"
check "target keyword" "$(svc test.T dom0 keyword default)" "keyword default none"
svc test.A; check "service without source" $? 125
svc ../svc2/test.A dom0; check "slash in a service" $? 125
svc test.T dom0 other web; check "unknown target type" $? 125
echo 'skip-service-descriptor = maybe' >"$dir/cfg/test.A"
svc test.A dom0; check "bad rpc-config" $? 125
head -c 4096 /dev/zero | tr '\0' '#' >"$dir/cfg/test.B"; check "rpc-config of 4096 bytes" "$(svc test.B dom0)" empty
head -c 4097 /dev/zero | tr '\0' '#' >"$dir/cfg/test.B"; svc test.B dom0; check "rpc-config too large" $? 125
check "config of the argument" "$(: >"$dir/cfg/test.A+y"; svc test.A+y dom0)" "$dir/svc2/test.A 1:y dom0 test.A+y y"
ln -s /dev/tcp/127.0.0.1/0 "$dir/svc/test.Tcp"
svc test.Tcp dom0; check "bad /dev/tcp link" $? 125
ln -s /dev/tcp/127.0.0.1/9 "$dir/svc/test.Tcp9"
check "nobody listens" "$(svc test.Tcp9 dom0; echo $?)" 125
ln -s /dev/tcp/127.0.0.1 "$dir/svc/test.Connect"
printf 'skip-service-descriptor = true\nexit-on-service-eof = true\n' >"$dir/cfg/test.Connect"
perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(LocalAddr => "127.0.0.1:0", Listen => 5) or die;
	syswrite STDOUT, $l->sockport; $c = $l->accept; print $c "got ", scalar <$c>' >"$dir/port" & listener=$!
until_true test -s "$dir/port"
check "a port of the caller's choice" "$({ echo hello; sleep 1; } | call "DEFAULT:QUBESRPC test.Connect+$(cat "$dir/port") dom0")" "got hello"
wait $listener
svc test.Connect dom0; check "no port" $? 125
ln -s /nonexistent "$dir/svc/test.Dangling"
svc test.Dangling dom0; check "dangling link" $? 125

cp "$bin/qubes-vmexec" "$dir/svc/qubes.VMExec"
check "VMExec" "$(svc 'qubes.VMExec+printf+-25s-7C-25s.+a-20b+--c--' dom0)" "a b|-c-."
svc qubes.VMExec+a-0z dom0 2>/dev/null; check "VMExec, malformed" $? 125
svc qubes.VMExec+-2Fno-2Fsuch dom0 2>/dev/null; check "VMExec, no such program" $? 127

cp "$bin/qubes-get-date" "$dir/svc/qubes.GetDate"
check "GetDate" "$(svc qubes.GetDate dom0 | sed 's/[0-9]/9/g')" "9999-99-99T99:99:99+99:99"
check "GetDate, nanoseconds" "$(svc qubes.GetDate+nanoseconds dom0 | sed 's/[0-9]/9/g')" "9999-99-99T99:99:99,999999999+99:99"
before=$(date +%s) got=$(date -d "$(svc qubes.GetDate dom0)" +%s) after=$(date +%s)
[ "$before" -le "$got" ] && [ "$got" -le "$after" ] && ok || bad "GetDate is wrong: $before $got $after"
svc qubes.GetDate+week dom0 2>/dev/null; check "GetDate, another argument" $? 125
session() { QUBES_RUN_DIR=$dir/run QUBES_GUI_AGENT=${1:-$BASH} timeout 20 "$bin/qubes-wait-for-session" 2>/dev/null; }
mkdir "$dir/run"
check "WaitForSession without graphics" "$(echo "$user" | session /nonexistent; echo $?)" 0
{ echo "$user" | session; echo "ended $?"; } >"$dir/session" & waiting=$!
touch "$dir/run/other"; touch "$dir/run/qrexec-server.else.sock"; sleep 0.3
check "WaitForSession waits" "$(cat "$dir/session")" ""
touch "$dir/run/qrexec-server.$user.sock"; wait $waiting
check "WaitForSession ends" "$(cat "$dir/session")" "ended 0"
check "WaitForSession, it is there" "$(printf %s "$user" | session; echo $?)" 0
check "WaitForSession, no user" "$(session </dev/null; echo $?)" 125
check "WaitForSession, no name" "$(echo ../x | session; echo $?)" 125

# rpc-config
svc_in() { call "DEFAULT:QUBESRPC $*"; }
printf '#!/bin/sh\necho $$ >>%s/sleepers\nexec sleep 60\n' "$dir" >"$dir/svc/test.Stuck"
printf '#!/bin/sh\necho $$ >>%s/sleepers\nexec >&- 2>&-\nexec sleep 60\n' "$dir" >"$dir/svc/test.Mute"
printf '#!/bin/sh\necho "$(id -un)"\n' >"$dir/svc/test.Who"
chmod +x "$dir"/svc/test.{Stuck,Mute,Who}
echo 'exit-on-client-eof = true' >"$dir/cfg/test.Stuck"
timeout 10 "$bin/qrexec-client" --socket-dir="$dir" -d vm "DEFAULT:QUBESRPC test.Stuck dom0" </dev/null; check "exit-on-client-eof" $? 0
echo 'exit-on-service-eof = true' >"$dir/cfg/test.Mute"
timeout 10 "$bin/qrexec-client" --socket-dir="$dir" -d vm "DEFAULT:QUBESRPC test.Mute dom0" <>"$dir/err" >/dev/null; check "exit-on-service-eof" $? 0
# Only the calls ended: the programs go on.
kill $(cat "$dir/sleepers") && ok || bad "services ended with their calls"
echo "force-user = '$user'" >"$dir/cfg/test.Who"
check "force-user" "$(call 'nosuch:QUBESRPC test.Who dom0' </dev/null)" "$user"
echo "force-user = 'nosuch'" >"$dir/cfg/test.Who"
svc test.Who dom0; check "force-user, another" $? 125
printf '#!/bin/sh\ncat >%s/waited; sleep 0.3\n' "$dir" >"$dir/svc/qubes.WaitForSession"; chmod +x "$dir/svc/qubes.WaitForSession"
printf '#!/bin/sh\ncat %s/waited\n' "$dir" >"$dir/svc/test.Session"; chmod +x "$dir/svc/test.Session"
echo "wait-for-session = 1" >"$dir/cfg/test.Session"
check "wait-for-session" "$(svc test.Session dom0 & svc test.Session dom0; wait)" "$user$user"
printf '#!/bin/sh\nexec sleep 20\n' >"$dir/svc/qubes.WaitForSession"
check "nogui: does not wait for it" "$(timeout 10 "$bin/qrexec-client" --socket-dir="$dir" -d vm "DEFAULT:nogui:QUBESRPC test.Session dom0" </dev/null)" "$user"
rm "$dir/svc/qubes.WaitForSession"; check "no session to wait for" "$(svc test.Session dom0)" "$user"

# A service that uses its stdin in both directions
printf '#!/bin/sh\nkill -USR1 $QREXEC_AGENT_PID\nsleep 0.2\necho "both ways" >&0\ncat >&0\n' >"$dir/svc/test.Single"; chmod +x "$dir/svc/test.Single"
check "single socket" "$(echo in | svc_in test.Single dom0 | tr '\n' '|')" "both ways|in|"

# UNIX socket services: fake-qubesd answers whatever its hook says, which gets the descriptor's words
printf '#!/bin/sh\necho "$1 $2"\n' >"$dir/hook"; chmod +x "$dir/hook"
"$bin/fake-qubesd" "$dir/svc/test.Socket" /dev/null "$dir/hook" & fake=$!
until_true test -S "$dir/svc/test.Socket"
check "socket service" "$(svc test.Socket+arg dom0 name web | tr '\0' '.')" "0.test.Socket+arg web"
echo 'skip-service-descriptor = true' >"$dir/cfg/test.Socket"
check "without descriptor" "$(printf 'own.Line x name y\0' | svc_in test.Socket dom0 | tr '\0' '.')" "0.own.Line y"
# It is the answer that ends such a call, not the question
printf '%s\n' 'skip-service-descriptor = true' 'exit-on-service-eof = true' >"$dir/cfg/test.Socket"
check "exit-on-service-eof of a socket" "$( (printf 'own.Line x name y\0'; sleep 2) | svc_in test.Socket dom0 | tr '\0' '.')" "0.own.Line y"
# Started and left alone: it gets its descriptor and the end of its input
rm "$dir/cfg/test.Socket"
printf '#!/bin/sh\necho "$1 $2" >%s/left\n' "$dir" >"$dir/hook"
call -e "DEFAULT:QUBESRPC test.Socket+e work name alone"; check "-e of a socket" $? 0
until_true test -s "$dir/left"; check "its descriptor" "$(cat "$dir/left")" "test.Socket+e alone"
kill $fake; wait $fake 2>/dev/null
svc test.Socket dom0; check "socket nobody listens on" $? 125

# The fork server of a session
VCHAN_DOMAIN=7 IN_SESSION=yes "$bin/qrexec-fork-server" "$dir/fork-$user" 2>>"$dir/agent.log" & fork_server=$!
until_true test -S "$dir/fork-$user"
fork_fds=$(fds $fork_server)
check "in the session" "$(call 'DEFAULT:echo $IN_SESSION' </dev/null)" yes
check "nogui: not in it" "$(call 'DEFAULT:nogui:echo $IN_SESSION' </dev/null)" ""
check "service in the session" "$(svc test.T work name web)" "name web none"
call "DEFAULT:exit 5" </dev/null; check "its exit code" $? 5
svc test.None dom0; check "no such service, with a fork server" $? 127
call DEFAULT:cat <"$dir/data" | cmp -s - "$dir/data"; check "10 MiB through the session" "${PIPESTATUS[*]}" "0 0"
call -e "DEFAULT:touch $dir/later2"; until_true test -e "$dir/later2" && ok || bad "-e in the session"
printf 'xxxxxxxxxxxxxxxxxxxxxxxx' | "$bin/fake-client" "$dir/fork-$user"
printf '\0\2\0\0\0\0\0\0\1\2\0\0\377\377\377\377xx' | "$bin/fake-client" "$dir/fork-$user"
printf '\0\2' | "$bin/fake-client" "$dir/fork-$user"
printf '\0\2\0\0\0\0\0\0\1\2\0\0\4\0\0\0a\0b\0' | "$bin/fake-client" "$dir/fork-$user"
call "DEFAULT:exit 6" </dev/null; check "after bad requests" $? 6
same_fork() { [ "$(fds $fork_server)" = "$fork_fds" ] && [ "$(children $fork_server)" = 0 ]; }
until_true same_fork && ok || bad "descriptors left in the fork server"
"$bin/qrexec-client" --socket-dir="$dir" -d vm "DEFAULT:touch $dir/up4; sleep 30" </dev/null 2>/dev/null & client=$!
until_true test -e "$dir/up4"; kill -9 $fork_server; wait $fork_server 2>/dev/null
wait $client; check "fork server killed" $? 125
call "DEFAULT:exit 7" </dev/null; check "without it again" $? 7

# Calls out of the qube
vm_call() { VCHAN_DOMAIN=7 timeout 20 "$bin/qrexec-client-vm" -a "$dir/agent" "$@"; }
vm_call '' test.Service </dev/null 2>"$dir/err"; check "refused call" $? 126
check "message of a refusal" "$(cat "$dir/err")" "Request refused"
vm_call "\$a;b" "test.X+$(printf '\033')" </dev/null 2>/dev/null; check "odd names" $? 126
grep -q 'vm -> @a_b: test.X+_: denied' "$dir/daemon.log" && ok || bad "names in the log: $(tail -n 1 "$dir/daemon.log")"
vm_call work +x </dev/null 2>/dev/null; check "service without a name" $? 126
vm_call "$(printf 'x%.0s' {1..64})" test.Service 2>/dev/null; check "target too long" $? 125
vm_call work 2>/dev/null; check "no service" $? 2
trigger() { # IDENT: what the agent says to it
	{ printf '\23\2\0\0\247\0\0\0'; printf '%-64s%-64s%-32s' '' work "$1" | tr ' ' '\0'; printf 'test.A\0'; } |
		timeout 5 "$bin/fake-client" "$dir/agent" | wc -c
}
check "a trigger of another ident" "$(trigger SOCKET5)" 0
VCHAN_DOMAIN=7 "$bin/qrexec-client-vm" -a "$dir/nothing" work test.Service 2>/dev/null; check "no agent" $? 125

# Many at once; nothing stays
for i in {1..100}; do { call DEFAULT:"exit $((i % 50))" </dev/null; [ $? = $((i % 50)) ] || echo "call $i" >>"$dir/wrong"; } & pids+=($!); done
wait "${pids[@]}"
check "100 calls at once" "$(cat "$dir/wrong" 2>/dev/null)" ""
same() { [ "$(fds $agent)" = "$agent_fds" ] && [ "$(fds $daemon)" = "$daemon_fds" ] && [ "$(children $agent)" = 0 ]; }
until_true same && ok || bad "descriptors or children left: agent $(fds $agent)/$agent_fds daemon $(fds $daemon)/$daemon_fds"

# A caller that dies: the service sees the end of its input
mkfifo "$dir/fifo"
"$bin/qrexec-client" --socket-dir="$dir" -d vm "DEFAULT:touch $dir/up; cat >/dev/null; touch $dir/ended" <>"$dir/fifo" &
client=$!
until_true test -e "$dir/up"; kill -9 $client; wait $client 2>/dev/null
until_true test -e "$dir/ended" && ok || bad "service outlives its killed caller"
until_true same && ok || bad "descriptors left after a killed caller"

# An agent that dies: the caller learns it, and a new agent serves again without a new daemon
"$bin/qrexec-client" --socket-dir="$dir" -d vm "DEFAULT:touch $dir/up2; sleep 30" </dev/null 2>"$dir/err" &
client=$!
until_true test -e "$dir/up2"; kill -9 $agent; wait $agent 2>/dev/null
wait $client; check "agent killed" $? 125
grep -q 'connection was lost' "$dir/err" && ok || bad "message for a lost connection: $(cat "$dir/err")"
until_true test ! -e "$dir/qrexec.7" && ok || bad "socket stays without an agent"
start_agent
until_true test -S "$dir/qrexec.7"
call DEFAULT:true </dev/null; check "new agent" $? 0
agent_fds=$(fds $agent)

# A daemon that dies: running calls go on, and a new daemon serves
{ call "DEFAULT:touch $dir/up3; sleep 1; echo survived" </dev/null >"$dir/out3" 2>&1; echo $? >>"$dir/out3"; } &
client=$!
until_true test -e "$dir/up3"; kill -9 $daemon; wait $daemon 2>/dev/null
rm -f "$dir"/qrexec.*
"$bin/qrexec-daemon" --direct --socket-dir="$dir" -- 7 vm "$user" 2>>"$dir/daemon.log" &
daemon=$!
until_true test -S "$dir/qrexec.7"
call DEFAULT:true </dev/null; check "new daemon" $? 0
wait $client
check "call over a daemon's death" "$(tr '\n' ' ' <"$dir/out3")" "survived 0 "
kill $daemon; wait $daemon; check "daemon ends on SIGTERM" $? 0
check "its sockets are gone" "$(ls "$dir" | grep '^qrexec')" ""

# In the background; a qube that never answers
mkdir "$dir/logs"
QREXEC_STARTUP_TIMEOUT=20 "$bin/qrexec-daemon" --socket-dir="$dir" --log-dir="$dir/logs" -q -- 7 vm "$user"; check "daemon in the background" $? 0
call DEFAULT:true </dev/null; check "its call" $? 0
kill -STOP $agent
call -w 1 DEFAULT:true </dev/null 2>"$dir/err"; check "-w, nobody opens the channel" "$?$(grep -c 'did not open the data channel in time' "$dir/err")" 1251
kill -CONT $agent
QREXEC_STARTUP_TIMEOUT=1 "$bin/qrexec-daemon" --socket-dir="$dir" -q -- 8 silent "$user"; check "silent qube" $? 3
for p in /proc/[0-9]*; do
	[ "$(readlink "$p/exe" 2>/dev/null)" = "$bin/qrexec-daemon" ] && kill "${p#/proc/}"
done

no_reports "$dir"/*.log
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
