# The tools, with a stand-in for the call that connects to the receiver.
for name in qvm-move qvm-copy-to-vm qvm-move-to-vm; do ln -s qvm-copy "$bin/$name"; done
cat >"$dir/call" <<X
#!/bin/sh
echo "\$*" >"$dir/called"
[ -n "\$BREAK" ] && { head -c 100 >/dev/null; exit \$BREAK; }
all=; case \$3 in *+allow-all-names) all=--allow-all-names ;; esac
exec "$bin/qfile-unpacker" \$all '' "$dir/in"
X
chmod +x "$dir/call"
export QREXEC_CLIENT_VM=$dir/call
fresh
check "qvm-copy" "$(timeout 20 "$bin/qvm-copy" tree/; echo $?; diff -r --no-dereference tree in/tree; cat called)" \
	"$(printf '0\n--filter-escape-chars-stderr @default qubes.Filecopy')"
check "qvm-copy again" "$(timeout 20 "$bin/qvm-copy" tree 2>/dev/null; echo $?)" 1
fresh
check "qvm-copy-to-vm" "$(timeout 20 "$bin/qvm-copy-to-vm" work tree/one; echo $?; cat called in/one)" \
	"$(printf '0\n--filter-escape-chars-stderr work qubes.Filecopy\none')"
check "a refused copy" "$(BREAK=126 timeout 20 "$bin/qvm-copy" tree 2>&1; echo $?)" "$(printf \
	'qvm-copy: @default: the copy was refused; the policy or the person who was asked said no, or the qube did not start; dom0'"'"'s journal has the reason\n1')"
fresh; cp -a tree moved
check "a move that breaks" "$(BREAK=1 timeout 20 "$bin/qvm-move" moved 2>/dev/null; echo $?; diff -r --no-dereference tree moved)" 1
check "a move that breaks and says 0" "$(BREAK=0 timeout 20 "$bin/qvm-move" moved 2>/dev/null; echo $?; diff -r --no-dereference tree moved)" 1
check "a move" "$(timeout 20 "$bin/qvm-move-to-vm" work moved; echo $?; ls -d moved 2>&1; diff -r --no-dereference tree in/moved)" \
	"$(printf "0\nls: cannot access 'moved': No such file or directory")"
fresh; mkdir pipes; mkfifo pipes/p
check "a move of a pipe keeps it" "$(timeout 20 "$bin/qvm-move" pipes 2>/dev/null; echo $?; ls pipes)" "$(printf '1\np')"
odd=$(printf 'o\001d'); echo odd >"$odd"
fresh
check "odd names" "$(timeout 20 "$bin/qvm-copy" "$odd"; echo $?; cat called "in/$odd")" \
	"$(printf '0\n--filter-escape-chars-stderr @default qubes.Filecopy+allow-all-names\nodd')"
mkdir links; ln -s /etc links/l
check "a link that leads out" "$(timeout 20 "$bin/qvm-copy" links 2>&1; echo $?)" \
	"$(printf 'qvm-copy: links/l: is a link out of what is copied; copy with --ignore-symlinks\n1')"
check "left out" "$(timeout 20 "$bin/qvm-copy" --ignore-symlinks links; echo $?; ls in/links)" 0
cp -a links moved
check "a move that leaves links out removes nothing" "$(fresh; timeout 20 "$bin/qvm-move" --ignore-symlinks moved 2>&1; echo $?; diff -r --no-dereference links moved)" \
	"$(printf 'qvm-move: links: were left out, so nothing is removed; remove by hand what is not needed here\n1')"
rm -r moved
check "links after all" "$(fresh; timeout 20 "$bin/qvm-copy" --ignore-symlinks --no-ignore-symlinks tree; echo $?; readlink in/tree/link)" "$(printf '0\none')"
check "no progress asked for" "$(fresh; PROGRESS_TYPE=console timeout 20 "$bin/qvm-copy" --without-progress tree/sub/big 2>&1)" ""
check "progress asked for" "$(fresh; timeout 20 "$bin/qvm-copy" --with-progress tree/sub/big 2>&1 | grep -c 'sent 2929/2929 KB')" 1
check "no progress without a terminal" "$(fresh; timeout 20 "$bin/qvm-copy" tree/sub/big 2>&1)" ""
tree_check() { "$bin/qubes-fs-tree-check" --machine "$@" 2>/dev/null; echo $?; }
check "tree check" "$(tree_check tree/sub/big "tree/sub/with space" | tr "\n" " ")" "3000001 0 "
check "tree check, odd name" "$(tree_check "$odd" | tr '\n' ' ')" "4 2 "
check "tree check, a folder" "$(tree_check tree)" 1
check "tree check, a link" "$(tree_check --allow-directories tree)" 1
check "tree check, links allowed" "$(tree_check --allow-directories --allow-symlinks tree | tail -n 1)" 0
check "tree check, links ignored" "$(tree_check --allow-directories --ignore-symlinks links | tr '\n' ' ')" "0 0 "
check "qvm-copy of nothing" "$("$bin/qvm-copy" 2>/dev/null; echo $?)" 2
