# Run by `run` with its folder: bin/ has the programs, everything else is ours.
dir=$1
bin=$dir/bin
export HOME=$dir/home
mkdir "$HOME"
cd "$dir" || exit 1
. ./checks.sh
skipped=0
[ -n "${TRACE:-}" ] && set -x
fresh() {
	chmod -R u+rwx in 2>/dev/null
	rm -rf in outside && mkdir -m 700 in in/dir outside && echo old >in/there && ln -s "$dir/outside" in/out && ln -s dir in/inner
}
trim() { local t=${1#"${1%%[! ]*}"}; printf '%s' "${t%"${t##*[! ]}"}"; }

# The receiver, against senders that are not ours
long=$(printf 'x%.0s' {1..255})
while IFS='|' read -r title options entries want; do
	case $title in '#'* | '') continue ;; esac
	fresh
	entries=${entries//%255%/$long} want=${want//%255%/$long}
	entries=${entries//%outside%/$dir/outside} want=${want//%outside%/$dir/outside}
	# shellcheck disable=SC2086
	got=$(timeout 20 "$bin/filecopy-peer" to "$bin/qfile-unpacker" $options '' in -- $entries 2>err | tr -d '\000-\010\016-\037\177')
	want=$(trim "$want")
	exit=1 crc=-
	[ "${want%% *}" = OK ] && exit=0 crc=ok
	case $want in *' '*) ;; OK | *) want="$want " ;; esac
	# An answer without a name is shown as "-" or as nothing.
	got=$(printf '%s' "$got" | sed 's/ - crc/  crc/')
	want=${want% -}; case $want in *' '*) ;; *) want="$want " ;; esac
	case $title in *"space that is none"*) want=$(printf 'EILSEQ \302\240') ;; esac
	case $want in *'\x'*) want=$(printf %b "$want") ;; esac
	check "$title" "$got" "$want crc=$crc exit=$exit"
	[ "$(cat in/there)" = old ] && [ -z "$(ls outside)" ] || bad "$title: something outside was touched"
done <receive.cases
check "what is incomplete is removed" "$(fresh; "$bin/filecopy-peer" to "$bin/qfile-unpacker" '' in -- file:b:x file,filelen=9:a:x >/dev/null; ls in | tr '\n' ' ')" \
	"b dir inner out there "

# Four of nine bytes have come
fresh; mkfifo half
"$bin/qfile-unpacker" '' in <half >/dev/null & unpacker=$!
exec 6>half
printf '\2\0\0\0\244\201\0\0\11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a\0half' >&6
for _ in {1..500}; do [ "$(stat -c %s in/a 2>/dev/null)" = 4 ] && break; sleep 0.02; done
check "nobody can open what is incomplete" "$(stat -c '%a %s' in/a)" "0 4"
exec 6>&-; wait $unpacker; check "and it goes" "$?$(ls in/a 2>/dev/null)" 1

# Options
verbose() { "$bin/filecopy-peer" to "$bin/qfile-unpacker" "$@" -- "file:${name-a}:x" end 2>&1 | tr -d '\001'; }
check "--verbose" "$(fresh; verbose --verbose '' in | grep -c -e '^a$' -e '^qfile-unpacker: mount namespace ')" 2
check "--verbose, an odd name" "$(fresh; name='a\x01' verbose -v --allow-all-names '' in | grep -c '(a name that is not shown)')" 1
check "--wait-for-space" "$(fresh; verbose --wait-for-space 1 '' in)" "OK a crc=ok exit=0"
check "--wait-for-space, no number" "$("$bin/qfile-unpacker" --wait-for-space x '' in </dev/null 2>/dev/null; echo $?)" 2
check "--max-bytes" "$(fresh; verbose --max-bytes 1 '' in)" "OK a crc=ok exit=0"
check "--max-bytes, one more" "$(fresh; "$bin/filecopy-peer" to "$bin/qfile-unpacker" --max-bytes 1 '' in -- file:a:xx end 2>/dev/null | tr -d '\001')" "EDQUOT a crc=- exit=1"
check "--max-files" "$(fresh; verbose --max-files 1 '' in)" "OK a crc=ok exit=0"
check "--max-files, one more" "$(fresh; "$bin/filecopy-peer" to "$bin/qfile-unpacker" --max-files 1 '' in -- dir:d dir:d end 2>/dev/null | tr -d '\001')" "EDQUOT d crc=- exit=1"
check "--no-symlinks" "$(fresh; verbose --no-symlinks '' in)" "OK a crc=ok exit=0"
check "--no-symlinks, a link" "$(fresh; "$bin/filecopy-peer" to "$bin/qfile-unpacker" --no-symlinks '' in -- link:l:a end 2>/dev/null | tr -d '\001')" "EINVAL l crc=- exit=1"
check "UID DIR -v -w" "$(fresh; verbose "$(id -u)" in -v -w | tail -n 1)" "OK a crc=ok exit=0"

# What arrives
fresh
"$bin/filecopy-peer" to "$bin/qfile-unpacker" '' in -- file,mode=4751,nsec=5:a:text dir,mode=0500:d file:d/f:1 dir,mode=0500:d end >/dev/null
check "mode, time, content" "$(stat -c '%a %.9Y' in/a; cat in/a)" "$(printf '4751 1000000000.000000005\ntext')"
check "a folder's mode" "$(stat -c %a in/d)" 500

# Our own two ends
copy() { # FILE...: into in/
	rm -f answer; mkfifo answer
	timeout 20 "$bin/qfile-agent" "$@" <answer 2>err | "$bin/qfile-unpacker" '' in >answer
	local codes=("${PIPESTATUS[@]}")
	echo "${codes[*]}"
}
mkdir -p tree/sub/deep tree/empty && echo one >tree/one && head -c 3000000 /dev/urandom >tree/sub/big && : >tree/sub/nothing
ln -s one tree/link; ln -s ../one tree/sub/up; mkfifo tree/pipe
printf x >"tree/sub/with space"; chmod 751 tree/sub; chmod 400 tree/one
fresh
check "a tree" "$(copy tree)" "0 0"
rm tree/pipe
check "the tree is the same" "$(diff -r --no-dereference tree in/tree 2>&1)" ""
check "and its modes and times" "$(cd in && find tree ! -type d -printf '%p %m %T@ %l\n' | sort)" \
	"$(find tree ! -type d -printf '%p %m %T@ %l\n' | sort)"
check "twice" "$(copy tree; cat err)" "$(printf '1 1\nqfile-agent: tree/link: is there already, in QubesIncoming of the target; move or remove it there' | sed s,tree/link,one,)"
fresh
check "one file by its path" "$(copy "$dir/tree/sub/big"; cmp in/big tree/sub/big && ls in)" "$(printf '0 0\nbig\ndir\ninner\nout\nthere')"
fresh
check "progress for a program that gave no descriptor" "$(PROGRESS_TYPE=gui copy tree)" "0 0"
fresh
check "--ignore-symlinks" "$(copy --ignore-symlinks tree; find in/tree -type l)" "0 0"
check "no such file" "$(copy none; cat err)" "$(printf '1 1\nqfile-agent: none: cannot read: No such file or directory')"
check "a folder without a name" "$(copy .; cat err)" "$(printf '1 1\nqfile-agent: .: has no name to arrive under; name the files in it')"
check "no file" "$("$bin/qfile-agent" </dev/null 2>/dev/null; echo $?)" 2

# The sender, against receivers that are not ours
from() { timeout 20 "$bin/filecopy-peer" from "$@" "$bin/qfile-agent" tree/sub 2>err; }
check "confirmed" "$(from OK sub ok)" exit=0
check "confirmed, no name" "$(from OK '' ok)" exit=0
check "a wrong checksum" "$(from OK sub bad; cat err)" \
	"$(printf 'exit=1\nqfile-agent: target: its checksum differs: the data was damaged on the way; copy again')"
check "no answer" "$(from OK sub none)" exit=1
check "an early error" "$(from EDQUOT sub/big early; cat err)" "$(printf 'exit=1\nqfile-agent: sub/big: is more than the target takes')"
check "a refused folder" "$(from -EILSEQ sub ok; cat err)" \
	"$(printf 'exit=1\nqfile-agent: sub: has a name that the target refuses; rename it, or allow qubes.Filecopy+allow-all-names')"
check "a name for the terminal" "$(from EEXIST "$(printf 'a\033[31m')" ok; cat err)" \
	"$(printf 'exit=1\nqfile-agent: a_[31m: is there already, in QubesIncoming of the target; move or remove it there')"
for code in ENOSPC ENOLINK EINVAL EREMOTEIO ENAMETOOLONG LEGAL_EOF EACCES; do
	check "told $code" "$(from $code sub ok; grep -c '^qfile-agent: sub: ' err)" "$(printf 'exit=1\n1')"
done
PROGRESS_TYPE=console FILECOPY_TOTAL_BYTES=3000000 from OK sub ok >/dev/null
grep -q 'sent [0-9]*/2929 KB, [0-9.]* MB/s' err && ok || bad "progress on the console: $(cat err)"

# Where it arrives
service() { QREXEC_REMOTE_DOMAIN=$1 "$bin/filecopy-peer" to "$bin/qubes.Filecopy" ${2+"$2"} -- file:a$'\x01':x end; }
ln -s qfile-unpacker "$bin/qubes.Filecopy"
getent passwd "$(id -u)" >/dev/null || echo "no such user here: $(id -u)"
check "as a service" "$(QREXEC_REMOTE_DOMAIN=work "$bin/filecopy-peer" to "$bin/qubes.Filecopy" -- file:a:x end)" "OK a crc=ok exit=0"
check "in QubesIncoming" "$(stat -c %a home/QubesIncoming home/QubesIncoming/work | tr '\n' ' '; cat home/QubesIncoming/work/a)" "700 700 x"
check "+allow-all-names" "$(service work allow-all-names | tr -d '\001')" "OK a crc=ok exit=0"
check "without it" "$(service work '' | tr -d '\001')" "EILSEQ a crc=- exit=1"
check "+other" "$(service work other 2>/dev/null)" "none - crc=none exit=1"
for name in ../x a/b '' none x-dm .. Domain-0 0a; do
	check "from '$name'" "$(service "$name" 2>/dev/null)" "none - crc=none exit=1"
done
rm -rf home/QubesIncoming && ln -s /tmp home/QubesIncoming
check "QubesIncoming is a link" "$(service work 2>/dev/null)" "none - crc=none exit=1"
check "another user" "$("$bin/qfile-unpacker" 1 in </dev/null 2>/dev/null; echo $?)" 1

# A full disk: a small tmpfs in a namespace of the test
fresh
if unshare -rm true 2>/dev/null; then
	check "disk full" "$(unshare -rm sh -c "mount -t tmpfs -o size=1m,mode=700 none in && $bin/filecopy-peer to $bin/qfile-unpacker '' in -- dir:d \
		file,filelen=3000000:d/a:$(head -c 100000 /dev/zero | tr '\0' x) ; rm -rf in/d" 2>&1)" "LEGAL_EOF d/a crc=- exit=1"
	unshare -rm sh -c "mount -t tmpfs -o size=1m,mode=700 none in; rm -f answer; mkfifo answer
		$bin/qfile-agent tree/sub/big <answer 2>err | $bin/qfile-unpacker '' in >answer; ls in >left"
	check "disk full, our sender" "$(cat err left)" "qfile-agent: big: finds no space left in the target; make room there and copy again"
else
	skipped=2
fi
. ./cases2.sh
. ./cases3.sh
. ./cases4.sh
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
