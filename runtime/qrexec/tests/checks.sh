# Read by the scripts that `run` runs: what they count, and wait for.
passed=0 failed=0
patience=5 # seconds

ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAILED: $*"; }
check() { if [ "$2" = "$3" ]; then ok; else bad "$1: got '$2', wanted '$3'"; fi; }
until_true() { # COMMAND...: within that
	local i
	for ((i = 0; i < 20 * patience; i++)); do "$@" 2>/dev/null && return 0; sleep 0.05; done
	return 1
}
