BINS += qa-run
QA_MACHINE := $(addprefix qa/,channel.c machine.c machine-argv.c machine-disks.c network.c qmp.c run.c shell.c stop.c timeouts.c)
qa-run_SRCS := $(QA_MACHINE) $(addprefix qa/,main.c direct.c examine.c medium.c pool.c report.c report-html.c result.c scenario.c verbs-boot.c verbs-console.c verbs-qmp.c)
qa-run_LIBS := common

# Nested machines run on this one, whatever the host has.
out/tools-qemu/build-info: builder/tools-qemu.yaml builder/tools-qemu.lock | $(BUILD)/bin/bulkhead
	$(BUILD)/bin/bulkhead build tools-qemu --relock --format=dir -o out
	@touch $@

CHECK_FAST += qa/tests/harness qa/tests/failure-modes

TESTS += test-shell
test-shell_SRCS := qa/tests/test_shell.c $(QA_MACHINE)
test-shell_LIBS := common

FUZZ += fuzz-yaml
fuzz-yaml_SRCS := qa/fuzz/yaml.c
fuzz-yaml_LIBS := common

BINS += qa-fake-qemu
qa-fake-qemu_SRCS := qa/tests/fake_qemu.c

BINS += qa-flakes
qa-flakes_SRCS := qa/flakes.c
qa-flakes_LIBS := common
qa-flakes_PKGS := libxml-2.0

TESTS += test-pool
test-pool_SRCS := qa/tests/test_pool.c qa/pool.c qa/stop.c
test-pool_LIBS := common
