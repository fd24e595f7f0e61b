# The tools that call other services than qubes.Filecopy, and dom0's form of qvm-copy, with a stand-in for the call.
# From dom0, where qvm-run makes the call and a target is named always
mkdir -p "$dir/dom0" && ln -s "$bin/qvm-copy-dom0" "$dir/dom0/qvm-copy" && ln -s qvm-copy "$dir/dom0/qvm-move-to-vm"
cat >"$dir/run-in" <<X
#!/bin/sh
echo "\$*" >"$dir/called"
exec "$bin/qfile-unpacker" '' "$dir/in"
X
chmod +x "$dir/run-in"
export QVM_RUN=$dir/run-in
fresh
check "dom0: qvm-copy" "$(timeout 20 "$dir/dom0/qvm-copy" work tree; echo $?; diff -r --no-dereference tree in/tree; cat called)" \
	"$(printf '0\n--no-gui --pass-io --service -- work qubes.Filecopy')"
check "dom0: qvm-copy again" "$(timeout 20 "$dir/dom0/qvm-copy" work tree 2>/dev/null; echo $?)" 1
check "dom0: qvm-copy without a target" "$(timeout 20 "$dir/dom0/qvm-copy" tree 2>/dev/null; echo $?)" 2
fresh; cp -a tree moved
check "dom0: qvm-move-to-vm" "$(timeout 20 "$dir/dom0/qvm-move-to-vm" work moved; echo $?; ls -d moved 2>&1; diff -r --no-dereference tree in/moved)" \
	"$(printf "0\nls: cannot access 'moved': No such file or directory")"
check "dom0: no qvm-run" "$(QVM_RUN=$dir/none timeout 20 "$dir/dom0/qvm-copy" work tree/one 2>&1; echo $?)" \
	"$(printf 'qvm-copy: work: cannot call: No such file or directory\n1')"

# qvm-open-in-vm and its other side
ln -s qvm-open-in-vm "$bin/qvm-open-in-dvm"
cat >"$dir/open-call" <<X
#!/bin/sh
echo "\$*" >"$dir/called"
[ "\$3" = qubes.OpenURL ] && { cat >"$dir/url"; exit \${BREAK:-0}; }
[ -n "\$BREAK" ] && { "$bin/vm-file-editor" --opener="$dir/opener" --folder="$dir/opened"; exit \$BREAK; }
exec "$bin/vm-file-editor" --opener="$dir/opener" --folder="$dir/opened"
X
cat >"$dir/opener" <<X
#!/bin/sh
echo "\${1##*/} \$(stat -c %a "\$1") \$(cat "\$1")" >"$dir/opener.log"
echo noise
case \$EDIT in
change) echo changed >"\$1" ;;
much) head -c 300000 /dev/zero >"\$1" ;;
force) chmod 600 "\$1"; echo changed >"\$1" ;;
link) rm "\$1"; ln -s /etc/passwd "\$1" ;;
fail) exit 3 ;;
esac
X
chmod +x "$dir/open-call" "$dir/opener"
mkdir "$dir/opened"
open_in() { # FILE|URL...: exit code, what was called, what the opener saw, what the file is now, what was left over there
	echo old >doc.txt; chmod 640 doc.txt; rm -f called opener.log url
	QREXEC_CLIENT_VM=$dir/open-call QREXEC_REMOTE_DOMAIN=${SOURCE-work} timeout 60 "$bin/$TOOL" "$@" >open.out 2>open.err
	echo "$?|$(sed 's/^--filter-escape-chars-stderr //' called 2>/dev/null)|$(cat opener.log 2>/dev/null)|$(cat doc.txt) $(stat -c %a doc.txt)|$(ls opened)"
}
TOOL=qvm-open-in-vm
check "open" "$(EDIT= open_in vault doc.txt)" "0|vault qubes.OpenInVM|doc.txt 600 old|old 640|"
check "open and change" "$(EDIT=change open_in vault doc.txt)" "0|vault qubes.OpenInVM|doc.txt 600 old|changed 640|"
check "open, only view" "$(EDIT=force open_in --view-only vault doc.txt)" "0|vault qubes.OpenInVM|doc.txt 400 old|old 640|"
check "open, nothing opens it" "$(EDIT=fail open_in vault doc.txt)" "1|vault qubes.OpenInVM|doc.txt 600 old|old 640|"
check "open, a link comes in its place" "$(EDIT=link open_in vault doc.txt)" "1|vault qubes.OpenInVM|doc.txt 600 old|old 640|"
check "open, changed but the call broke" "$(BREAK=1 EDIT=change open_in vault doc.txt; ls -A | grep -c 'doc.txt\.')" \
	"$(printf '1|vault qubes.OpenInVM|doc.txt 600 old|old 640|\n0')"
check "open, source is not a qube" "$(SOURCE=../x EDIT= open_in vault doc.txt)" "1|vault qubes.OpenInVM||old 640|"
check "open, a folder" "$(open_in vault tree)" "1|||old 640|"
check "open, no such file" "$(open_in vault nosuch)" "1|||old 640|"
check "open, no file named" "$(open_in vault)" "2|||old 640|"
# A folder in which nobody may write matters only when something comes back, and then nobody waits for the rest of it.
mkdir locked; echo old >locked/doc.txt; chmod 555 locked
check "open from a folder that cannot be written in" "$(EDIT= open_in vault locked/doc.txt)" "0|vault qubes.OpenInVM|doc.txt 600 old|old 640|"
check "only view from there" "$(EDIT= open_in --view-only vault locked/doc.txt)" "0|vault qubes.OpenInVM|doc.txt 400 old|old 640|"
check "open from there and change" "$(EDIT=much open_in vault locked/doc.txt; tail -n 1 open.err)" \
	"$(printf '1|vault qubes.OpenInVM|doc.txt 600 old|old 640|\nqvm-open-in-vm: %s: cannot store what came back: Permission denied' "$dir/locked/doc.txt")"
ln -s doc.txt doc.link
check "open a link, change the file" "$(EDIT=change open_in vault doc.link; readlink doc.link)" \
	"$(printf '0|vault qubes.OpenInVM|doc.txt 600 old|changed 640|\ndoc.txt')"
check "open an address" "$(open_in vault https://example.org/; cat url)" "$(printf '0|vault qubes.OpenURL||old 640|\nhttps://example.org/')"
check "open an address, refused" "$(BREAK=126 open_in vault https://example.org/)" "1|vault qubes.OpenURL||old 640|"
TOOL=qvm-open-in-dvm
check "open in a disposable" "$(EDIT=change open_in doc.txt)" "0|@dispvm qubes.OpenInVM|doc.txt 600 old|changed 640|"
check "open in a disposable, a qube named" "$(open_in vault doc.txt)" "2|||old 640|"

# What others may send to vm-file-editor
editor() { # NAME: exit code, name stored
	rm -f opener.log
	{ printf %b "$1" | dd bs=256 count=1 conv=sync status=none; echo text; } |
		EDIT= QREXEC_REMOTE_DOMAIN=work timeout 60 "$bin/vm-file-editor" --opener="$dir/opener" --folder="$dir/opened" 2>/dev/null
	echo "$?|$(cut -d' ' -f1 opener.log 2>/dev/null)|$(ls opened)"
}
pad() { printf '%*s' "$1" '' | tr ' ' "$2"; }
check "editor: odd characters" "$(editor 'a/b\033c\303\244.txt\0')" "0|a_b_c__.txt|"
check "editor: way up" "$(editor '..\0')" "1||"
check "editor: way up, only view" "$(editor 'view-only-..\0')" "1||"
check "editor: no name" "$(editor '\0')" "1||"
check "editor: a name without end" "$(editor "$(pad 256 x)")" "1||"
check "editor: the longest name" "$(editor "$(pad 255 x)\\0" | head -c 20)" "0|xxxxxxxxxxxxxxxxxx"
check "editor: no folder" "$(printf 'a\0' | dd bs=256 count=1 conv=sync status=none | QREXEC_REMOTE_DOMAIN=work "$bin/vm-file-editor" --opener=true \
	--folder="$dir/none" 2>/dev/null; echo $?)" 1
check "editor: less than a name" "$(printf short | QREXEC_REMOTE_DOMAIN=work "$bin/vm-file-editor" 2>/dev/null; echo $?)" 1

# qubes.OpenURL
printf '#!/bin/sh\necho "to the other side"; printf "%%s|" "$@" >%s/address; exit 4\n' "$dir" >"$dir/browser"; chmod +x "$dir/browser"
address() { # TEXT [OPENER]: exit code and stdout, what the opener got
	rm -f "$dir/address"
	printf -- "$1" | "$bin/open-url" --opener="${2:-$dir/browser}" 2>/dev/null
	echo "$?|$(cat "$dir/address" 2>/dev/null)"
}
check "address" "$(address 'https://example.org/?a=b#c\n')" "4|https://example.org/?a=b#c|"
check "address without a line's end" "$(address 'FTP://x/')" "4|FTP://x/|"
check "address: another scheme" "$(address 'file:///etc/passwd\n')" "1|"
check "address: an option" "$(address '--help\n')" "1|"
check "address: two lines" "$(address 'http://a/\nhttp://b/\n')" "1|"
check "address: a blank" "$(address 'http://a/ b\n')" "1|"
check "address: a NUL" "$(address 'http://a/\0b\n')" "1|"
check "address: not ASCII" "$(address 'http://\303\244/\n')" "1|"
check "address: none" "$(address '')" "1|"
check "address: endless" "$(address "http://$(head -c 9000 /dev/zero | tr '\0' x)")" "1|"
check "address: no opener" "$(address 'http://a/\n' "$dir/none")" "127|"

# qvm-run-vm
cat >"$dir/shell-call" <<X
#!/bin/bash
printf '%s|' "\${@:1:3}" "\${@:5}" >"$dir/called"
{ printf %s "\$4"; cat; } | bash
X
chmod +x "$dir/shell-call"
run_vm() { echo from-stdin | QREXEC_CLIENT_VM=$dir/shell-call timeout 60 "$bin/qvm-run-vm" "$@"; echo "$? $(cat called)"; }
flags='--no-filter-escape-chars-stdout|--no-filter-escape-chars-stderr|--prefix-data|'
check "run" "$(run_vm vault "echo it\'s" '"a  b"; cat')" "$(printf "it's a  b\nfrom-stdin\n0 ${flags}vault|qubes.VMShell+WaitForSession|")"
check "run without a session" "$(run_vm -t vault 'exit 3')" "3 ${flags}vault|qubes.VMShell|"
check "run without a session, as before" "$(run_vm --nogui vault 'exit 4')" "4 ${flags}vault|qubes.VMShell|"
check "run in a disposable" "$(run_vm --no-gui --dispvm echo "'quoted'")" "$(printf "quoted\n0 ${flags}@dispvm|qubes.VMShell|")"
check "run nothing" "$("$bin/qvm-run-vm" vault 2>/dev/null; echo $?)" 2
