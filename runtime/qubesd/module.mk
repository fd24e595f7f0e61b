# qubesd, its helper for Xen, and the tools of the same API (../qvm).
LIBS += qubesd-parts
qubesd-parts_SRCS := $(addprefix runtime/qubesd/,kv.c model.c state_read.c state_write.c property.c property_table.c \
	property_net.c storage.c storage_file.c storage_change.c denied.c image.c revision.c request.c firewall.c firewall_file.c device.c)
qubesd-parts_LIBS := common
qubesd-parts_PKGS := libxml-2.0

SOCKET_BINS += qubesd
XEN_BINS += qubesd qubesd-xl qubesd-block
qubesd_SRCS := $(addprefix runtime/qubesd/,main.c server.c call.c child.c hypervisor.c domains.c lifecycle.c job.c steps.c keys.c \
	sync.c pci.c autostart.c \
	vmset.c dispvm.c qdbread.c block.c stats.c api_block.c api_denied.c api_notes.c api_notify.c \
	api_suspend.c api_vm.c api_create.c api_property.c api_feature.c volume.c api_volume.c api_import.c api_pool.c api_system.c api_firewall.c \
	api_device.c api_internal.c)
qubesd_LIBS := qubesd-parts qubesadmin qubesdb-client common
qubesd_PKGS := jansson libsystemd libxml-2.0

qubesd-xl_SRCS := $(addprefix runtime/qubesd/xl/,main.c create.c device.c machine.c memory_map.c watch.c)
qubesd-xl_LIBS := common-min
# xenctrl.h insists on GNU C.
qubesd-xl_CPPFLAGS := -U__STRICT_ANSI__
qubesd-xl_PKGS := xenlight xencontrol xenstore xentoollog
qubesd-block_SRCS := runtime/qubesd/xl/block.c
qubesd-block_LIBS := block-vbd common-min

TESTS += test-qubesd
test-qubesd_SRCS := $(addprefix runtime/qubesd/tests/,test_api.c test_image.c test_state.c)
test-qubesd_LDFLAGS := $(addprefix -Wl$(comma)--wrap=,fsync rename)
test-qubesd_LIBS := qubesd-parts qubesdb-client common
test-qubesd_PKGS := libxml-2.0

# The daemon itself, which kills itself at a given step, or hurries.
SOCKET_BINS += qubesd-crashing
qubesd-crashing_SRCS := $(qubesd_SRCS) runtime/qubesd/tests/crash.c
qubesd-crashing_LIBS := $(qubesd_LIBS)
qubesd-crashing_PKGS := $(qubesd_PKGS)
qubesd-crashing_LDFLAGS := $(addprefix -Wl$(comma)--wrap=,rename renameat link unlink unlinkat fsync ftruncate truncate \
	mkdirat symlink sd_event_add_time_relative)

SOCKET_BINS += qubesd-bench
qubesd-bench_SRCS := runtime/qubesd/bench/bench.c
qubesd-bench_LIBS := common-min

.PHONY: bench-qubesd
# In namespaces of its own, where the ids of processes count them.
bench-qubesd: socket
	@unshare --user --map-root-user --pid --fork --mount-proc $(BUILD)/socket/bin/qubesd-bench $(BUILD)/socket/bin
bench-runtime: bench-qubesd

CHECK_FAST += runtime/qubesd/tests/coverage runtime/qubesd/tests/full-disk

FUZZ += fuzz-qubesd fuzz-devices fuzz-rules
fuzz-devices_SRCS := qa/fuzz/devices.c $(filter-out runtime/qubesd/main.c,$(qubesd_SRCS))
fuzz-devices_LIBS := $(qubesd_LIBS)
fuzz-devices_PKGS := $(qubesd_PKGS)
fuzz-rules_SRCS := qa/fuzz/rules.c
fuzz-rules_LIBS := qubesd-parts common
fuzz-qubesd_SRCS := qa/fuzz/qubesd.c
fuzz-qubesd_LIBS := qubesd-parts common
