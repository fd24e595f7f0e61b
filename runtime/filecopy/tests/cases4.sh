# tar2qfile: an archive arrives as if what is in it had been copied.
rm -rf tarred && mkdir -p tarred/top/sub tarred/other && echo one >tarred/top/one && head -c 1500000 /dev/urandom >tarred/top/sub/big
: >tarred/top/empty; ln -s one tarred/top/link; echo two >tarred/other/two; chmod 500 tarred/top/sub; chmod 640 tarred/top/one
touch -d @1000000000.5 tarred/top/one
tar -C tarred --format=posix -cf plain.tar top other
tar -C tarred -cf dots.tar ./top
tar -C tarred --no-recursion -cf bare.tar top/one other/two
gzip -k plain.tar
untar() { # ARGUMENT...: of tar2qfile, into a fresh in/
	fresh
	rm -f answer; mkfifo answer
	timeout 20 "$bin/tar2qfile" "$@" <answer 2>err | "$bin/qfile-unpacker" '' in >answer
	local codes=("${PIPESTATUS[@]}")
	echo "${codes[*]}"
}
arrived() { (cd in && find "$@" -printf '%p %y %m\n' | sort | tr '\n' ';'); }
for archive in plain.tar plain.tar.gz; do
	check "tar: $archive" "$(untar $archive)$(diff -r --no-dereference tarred/top in/top 2>&1; diff -r tarred/other in/other 2>&1)" "0 0"
	check "tar: $archive, modes" "$(arrived top other)" "$(cd tarred && find top other -printf '%p %y %m\n' | sort | tr '\n' ';')"
	check "tar: $archive, a time" "$(stat -c %.9Y in/top/one)" 1000000000.500000000
done
check "tar: names with a dot" "$(untar dots.tar)$(diff -r --no-dereference tarred/top in/top 2>&1)" "0 0"
check "tar: one file of it" "$(untar plain.tar top/one; arrived top)" "$(printf '0 0\ntop d 755;top/one f 640;')"
check "tar: one folder of it" "$(untar plain.tar other/; arrived other; ls -d in/top 2>/dev/null)" "$(printf '0 0\nother d 755;other/two f 644;')"
check "tar: a name that only begins so" "$(untar plain.tar top/on; ls in)" "$(printf '0 0\ndir\ninner\nout\nthere')"
check "tar: no folders named" "$(untar bare.tar; arrived top other)" "$(printf '0 0\nother d 755;other/two f 644;top d 755;top/one f 640;')"
check "tar: --ignore-symlinks" "$(untar --ignore-symlinks plain.tar; ls in/top/link 2>/dev/null)" "0 0"
# Refused: by us, by the receiver
ln tarred/top/one tarred/top/same && tar -C tarred -cf hard.tar top && rm tarred/top/same
check "tar: a second name" "$(untar hard.tar; sed 's/top\/[a-z]*/FILE/' err)" \
	"$(printf '1 1\ntar2qfile: FILE: is a second name of another file, which no copy can have; make the archive with --hard-dereference')"
ln -s /etc tarred/top/bad && tar -C tarred -cf links.tar top && rm tarred/top/bad
check "tar: a link that leads out" "$(untar links.tar | cut -c 1; ls in/top/bad 2>&1 | grep -c such)" "$(printf '1\n1')"
tar -C tarred -P --transform='s,^top/one,../one,' -cf up.tar top/one
check "tar: the way up" "$(untar up.tar | cut -c 1; ls one 2>/dev/null)" 1
head -c 300000 plain.tar >short.tar
check "tar: ends early" "$(untar short.tar)$(grep -c '^tar2qfile: ' err)" "1 11"
check "tar: none" "$(untar there-is-none.tar; cat err)" "$(printf '1 1\ntar2qfile: there-is-none.tar: cannot open: No such file or directory')"
head -c 100000 /dev/urandom >noise.tar
check "tar: noise" "$(untar noise.tar)$(grep -c '^tar2qfile: noise.tar: ' err)" "1 11"
mkfifo tarred/top/pipe && tar -C tarred -cf pipe.tar top && rm tarred/top/pipe
check "tar: a pipe is left out" "$(untar pipe.tar; cat err)" "$(printf '0 0\ntar2qfile: 1 sockets, pipes or devices were left out')"
check "tar: no archive" "$("$bin/tar2qfile" 2>/dev/null; echo $?)" 2
# From stdin: of a pipe, where nobody answers; and as a local program
fresh
check "tar: -" "$("$bin/tar2qfile" - <plain.tar | "$bin/qfile-unpacker" '' in >/dev/null; echo "${PIPESTATUS[*]}"; diff -r --no-dereference tarred/top in/top)" "0 0"
check "tar: -, SAVED_FD_0" "$(SAVED_FD_0=7 untar - 7<plain.tar)$(diff -r --no-dereference tarred/top in/top)" "0 0"
check "tar: -, no such SAVED_FD_0" "$(SAVED_FD_0=x untar -)" "1 1"
chmod -R u+rwx tarred
