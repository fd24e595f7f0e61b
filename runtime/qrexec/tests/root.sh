# Run by `run` with its folder, as root in a mount namespace of its own: calls for others, each a process of that user alone.
dir=$1
bin=$dir/bin
export VCHAN_SOCKET_DIR=$dir/vchan QREXEC_SERVICE_PATH=$dir/svc QUBES_RPC_CONFIG_PATH=$dir/cfg
mkdir "$dir"/{vchan,svc,cfg,pam.d}
. "$dir/checks.sh"
printf '%s\n' 'root:x:0:0::/root:/bin/sh' "someone:x:1234:1234::$dir:/bin/sh" >"$dir/passwd"
printf '%s\n' 'root:x:0:' 'someone:x:1234:' 'more:x:1300:someone' 'other:x:1301:root' >"$dir/group"
printf '%s required pam_permit.so\n' account auth session >"$dir/pam.d/qrexec"
for file in passwd group pam.d; do mount --bind "$dir/$file" "/etc/$file" || exit 1; done
# Groups and environment that no call may inherit.
SECRET=1 VCHAN_DOMAIN=7 setpriv --groups 0,1301 "$bin/qrexec-agent" --agent-socket="$dir/agent" --fork-server-socket="$dir/fork-%s" 2>"$dir/agent.log" & agent=$!
"$bin/qrexec-daemon" --direct --socket-dir="$dir" -- 7 vm someone 2>"$dir/daemon.log" & daemon=$!
trap 'kill $agent $daemon 2>/dev/null; wait' EXIT
until_true test -S "$dir/qrexec.7" || { echo "daemon does not come up"; cat "$dir"/*.log; exit 1; }
call() { timeout 20 "$bin/qrexec-client" --socket-dir="$dir" -d vm "$@" </dev/null; }

who='id -u; id -g; id -G'
check "a user" "$(call "someone:$who" | tr '\n' ' ')" "1234 1234 1234 1300 "
check "the default user" "$(call "DEFAULT:$who" | tr '\n' ' ')" "1234 1234 1234 1300 "
check "root" "$(call 'root:id -u; id -g')" "$(printf '0\n0')"
check "its login" "$(call 'someone:echo $USER $HOME $PWD $SECRET $VCHAN_DOMAIN')" "someone $dir $dir"
check "its descriptors" "$(call 'someone:ls /proc/self/fd' | tr '\n' ' ')" "0 1 2 3 " # the last is that of ls
check "it cannot come back" "$(call 'someone:setpriv --reuid=0 true 2>/dev/null || echo no')" no
check "its exit code" "$(call 'someone:exit 7'; echo $?)" 7
call "nosuchuser:true" 2>/dev/null; check "no such user" $? 125

printf '#!/bin/sh\nid -u; id -G\n' >"$dir/svc/test.Who"; chmod +x "$dir/svc/test.Who"
check "a service" "$(call 'DEFAULT:QUBESRPC test.Who dom0' | tr '\n' ' ')" "1234 1234 1300 "
echo "force-user='root'" >"$dir/cfg/test.Who"
check "force-user" "$(call 'DEFAULT:QUBESRPC test.Who dom0' | head -n 1)" 0
echo "force-user='someone'" >"$dir/cfg/test.Who"
check "force-user, less than was asked for" "$(call 'root:QUBESRPC test.Who dom0' | tr '\n' ' ')" "1234 1234 1300 "
echo "force-user='nosuchuser'" >"$dir/cfg/test.Who"
call 'DEFAULT:QUBESRPC test.Who dom0' 2>/dev/null; check "force-user, no such user" $? 125
printf 'session required pam_deny.so\n%s\n' 'account required pam_permit.so' >"$dir/pam.d/qrexec"
call 'someone:echo in' >"$dir/said" 2>/dev/null; check "PAM refuses the session" "$?$(cat "$dir/said")" 125

ends_well "the daemon" $daemon "$dir/daemon.log"
ends_well "the agent" $agent "$dir/agent.log"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
