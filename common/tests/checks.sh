# Read by test scripts: what they count, wait for and end.
passed=0 failed=0
patience=5 # seconds

ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAILED: $*"; }
check() { if [ "$2" = "$3" ]; then ok; else bad "$1: got '$2', wanted '$3'"; fi; }
until_true() { # COMMAND...: within that
	local i=0
	while [ $i -lt $((20 * patience)) ]; do
		"$@" 2>/dev/null && return 0
		sleep 0.05
		i=$((i + 1))
	done
	return 1
}
no_reports() { # LOG...: of a sanitizer
	if grep -h -e Sanitizer -e "runtime error" "$@"; then bad "a sanitizer reports in $*"; else ok; fi
}
ends_well() { # NAME PID [LOG]: asked to end, this child does, without an error that only now comes to light
	local code=0
	kill "$2"
	wait "$2" || code=$?
	if [ $code = 0 ]; then ok; else bad "$1 ends with $code"; fi
	[ -z "${3-}" ] || no_reports "$3"
}
